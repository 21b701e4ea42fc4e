//! Users, entities, organizations.

use async_graphql::{Context, Enum, ID, Object, SimpleObject};

use counterweight_domain::account::{self, EntityKind};
use counterweight_domain::artifact::Place;
use counterweight_domain::project as domain_project;

use super::artifact_list::{ArtifactCollectionConnection, ArtifactCollectionType, Slice, collection_query};
use super::artifact_membership::ArtifactCollectionMembershipConnection;
use crate::connection;
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::loaders::Owner;
use crate::object::Project;
use crate::scalars::{DateTime, Int64, JsonString};

/// A person or service that signs in.
pub(crate) struct User(pub(crate) account::User);

/// An API key, by its public part.
#[derive(SimpleObject)]
struct ApiKey {
    /// Global id.
    id: ID,
    /// The first characters of the key; never the key.
    name: String,
    /// Free text.
    description: Option<String>,
}

/// API keys.
#[derive(SimpleObject)]
struct ApiKeyConnection {
    /// One for each key.
    edges: Vec<ApiKeyEdge>,
}

/// One API key.
#[derive(SimpleObject)]
struct ApiKeyEdge {
    /// The key.
    node: ApiKey,
}

/// Users.
#[derive(SimpleObject)]
pub(crate) struct UserConnection {
    /// One for each user.
    edges: Vec<UserEdge>,
}

/// One user.
#[derive(SimpleObject)]
struct UserEdge {
    /// The user.
    node: User,
}

impl UserConnection {
    /// All of these.
    pub(crate) fn new(users: Vec<account::User>) -> Self {
        Self { edges: users.into_iter().map(|user| UserEdge { node: User(user) }).collect() }
    }
}

/// Entities.
#[derive(SimpleObject)]
struct EntityConnection {
    /// One for each entity.
    edges: Vec<EntityEdge>,
}

/// One entity.
#[derive(SimpleObject)]
struct EntityEdge {
    /// The entity.
    node: Entity,
}

#[Object]
impl User {
    /// Global id.
    async fn id(&self) -> ID {
        self.0.id.to_node_id().into()
    }

    /// As shown.
    async fn name(&self) -> &str {
        &self.0.full_name
    }

    /// The name they sign in with, and of their personal entity.
    async fn username(&self) -> &str {
        &self.0.username
    }

    /// Where to reach them.
    async fn email(&self) -> Option<&str> {
        self.0.email.as_ref().map(account::Email::as_str)
    }

    /// Whether they administer the instance.
    async fn admin(&self) -> bool {
        self.0.admin
    }

    /// Switches of the client. None are set.
    async fn flags(&self) -> JsonString {
        JsonString("{}".to_owned())
    }

    /// The entity that the client uses where the user names none.
    async fn entity(&self) -> &str {
        &self.0.username
    }

    /// A picture. There are none.
    async fn photo_url(&self) -> Option<&str> {
        None
    }

    /// Set for users that were removed.
    async fn deleted_at(&self) -> Option<DateTime> {
        None
    }

    /// The viewer's API keys; nobody else's.
    async fn api_keys(&self, ctx: &Context<'_>) -> Result<Option<ApiKeyConnection>> {
        let request = ctx.request()?;
        if request.caller.user_id != self.0.id {
            return Ok(None);
        }
        let keys = account::list_api_keys(&request.db, self.0.id).await.or_graphql()?;
        let node = |key: account::StoredApiKey| ApiKey {
            id: key.id.to_node_id().into(),
            name: key.name,
            description: None,
        };
        let edges = keys.into_iter().map(|key| ApiKeyEdge { node: node(key) }).collect();
        Ok(Some(ApiKeyConnection { edges }))
    }

    /// The entities they belong to: so far, their own.
    async fn teams(&self, ctx: &Context<'_>) -> Result<Option<EntityConnection>> {
        let own = ctx.request()?.loader.load_one(self.0.entity_id).await.or_graphql()?;
        let edges = own.into_iter().map(|own| EntityEdge { node: Entity(own) }).collect();
        Ok(Some(EntityConnection { edges }))
    }

    /// Organizations they belong to. There are none yet.
    async fn organizations(&self) -> Vec<Organization> {
        Vec::new()
    }
}

/// A name that owns projects.
pub(crate) struct Entity(pub(crate) account::Entity);

#[Object]
impl Entity {
    /// Global id.
    async fn id(&self) -> ID {
        self.0.id.to_node_id().into()
    }

    /// Its name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// `user` or `team`.
    async fn entity_type(&self) -> &str {
        match self.0.kind {
            EntityKind::User => "user",
            EntityKind::Team => "team",
        }
    }

    /// Whether it is a team.
    async fn is_team(&self) -> bool {
        self.0.kind == EntityKind::Team
    }

    /// Whether the name is still free; it is not.
    async fn available(&self) -> bool {
        false
    }

    /// A picture. There are none.
    async fn photo_url(&self) -> Option<&str> {
        None
    }

    /// Whether the viewer may only read.
    async fn read_only(&self) -> bool {
        false
    }

    /// Whether its artifacts use XXH128 digests. They do not.
    async fn xxhash_digests_enabled(&self) -> bool {
        false
    }

    /// Who may see its projects by default: its members.
    async fn default_access(&self) -> &str {
        "PRIVATE"
    }

    /// Whether code is saved; the client decides.
    async fn code_saving_enabled(&self) -> bool {
        true
    }

    /// Bytes of all files of its runs, live, archived and in the trash.
    async fn storage_bytes(&self, ctx: &Context<'_>) -> Result<Int64> {
        let bytes =
            counterweight_domain::file::stored_bytes(&ctx.request()?.db, self.0.id).await.or_graphql()?;
        Ok(Int64(bytes))
    }

    /// The user whose personal entity this is.
    async fn user(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        Ok(ctx.request()?.loader.load_one(Owner(self.0.id)).await.or_graphql()?.map(User))
    }

    /// Its organization. There are none yet.
    async fn organization(&self) -> Option<Organization> {
        None
    }

    /// Collections of versions in its projects, as in an organization's registries; portfolios where no kind is named.
    #[graphql(complexity = "connection::cost(first, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "as many as the field has")]
    async fn artifact_collections(
        &self,
        ctx: &Context<'_>,
        project_filters: Option<JsonString>,
        filters: Option<JsonString>,
        collection_types: Option<Vec<ArtifactCollectionType>>,
        after: Option<String>,
        first: Option<i32>,
        order: Option<String>,
    ) -> Result<Option<ArtifactCollectionConnection>> {
        let kinds = collection_types.unwrap_or_else(|| vec![ArtifactCollectionType::Portfolio]);
        let place = Place::Entity(self.0.id);
        let wanted = collection_query(place, kinds, project_filters.as_ref(), filters.as_ref())?;
        let slice = Slice { order: order.as_deref(), after: after.as_deref(), first };
        ArtifactCollectionConnection::page(ctx, &wanted, slice).await.map(Some)
    }

    /// Versions in the portfolios of its projects, as in an organization's registries.
    #[graphql(complexity = "connection::cost(first, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "as many as the field has")]
    async fn artifact_memberships(
        &self,
        ctx: &Context<'_>,
        project_filters: Option<JsonString>,
        collection_filters: Option<JsonString>,
        filters: Option<JsonString>,
        after: Option<String>,
        first: Option<i32>,
        order: Option<String>,
    ) -> Result<Option<ArtifactCollectionMembershipConnection>> {
        let (place, kinds) = (Place::Entity(self.0.id), vec![ArtifactCollectionType::Portfolio]);
        let wanted = collection_query(place, kinds, project_filters.as_ref(), collection_filters.as_ref())?;
        let slice = Slice { order: order.as_deref(), after: after.as_deref(), first };
        let page = ArtifactCollectionMembershipConnection::page(ctx, wanted, filters.as_ref(), slice);
        page.await.map(Some)
    }

    /// A project of it by name.
    async fn project(&self, ctx: &Context<'_>, name: Option<String>) -> Result<Option<Project>> {
        let request = ctx.request()?;
        let owner = Some(self.0.name.as_str());
        let found = domain_project::find(&request.db, &request.caller, owner, name.as_deref()).await;
        Ok(found.or_graphql()?.map(Project))
    }
}

/// A group of entities. There are none yet; the client asks all the same.
pub(crate) struct Organization;

/// How features are named when asked for an organization.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "RampIDType")]
enum RampIdType {
    /// By its name.
    #[graphql(name = "OrgName")]
    OrgName,
}

/// A switch of an organization.
#[derive(SimpleObject)]
struct FeatureFlag {
    /// Its name.
    ramp_key: String,
    /// Whether it is on.
    is_enabled: bool,
}

#[Object]
impl Organization {
    /// Its name.
    async fn name(&self) -> &str {
        ""
    }

    /// The entity that owns its registries.
    async fn org_entity(&self) -> Option<Entity> {
        None
    }

    /// An id of another product.
    async fn core_weave_organization_id(&self) -> Option<&str> {
        None
    }

    /// Its switches.
    async fn feature_flags(
        &self,
        #[graphql(name = "rampIDType")] _ramp_id_type: RampIdType,
    ) -> Vec<Option<FeatureFlag>> {
        Vec::new()
    }
}
