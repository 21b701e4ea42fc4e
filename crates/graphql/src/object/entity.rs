//! Entities and who belongs to them.

use async_graphql::{Context, ID, Object};

use counterweight_domain::account::{self, EntityKind, Role, Roster};
use counterweight_domain::artifact::Place;
use counterweight_domain::{project, retention, usage};

use super::artifact_list::{ArtifactCollectionConnection, ArtifactCollectionType, Slice, collection_query};
use super::artifact_membership::ArtifactCollectionMembershipConnection;
use crate::connection::{self, PageInfo};
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::loaders::{MembersOf, Owner, RoleIn};
use crate::object::{
    Organization, Project, ProjectConnection, ProjectEdge, Retention, StorageUsage, User, storage,
};
use crate::scalars::{Int64, JsonString};

/// A name that owns projects.
pub(crate) struct Entity(pub(crate) account::Entity);

/// Someone who belongs to an entity, or was asked to.
pub(crate) enum Member {
    /// They belong to it.
    Joined(account::Member),
    /// They do not yet.
    Invited(account::Invite),
}

impl Member {
    /// Those who were invited first, so that who joined last is the last.
    pub(crate) fn all_of(roster: Roster) -> Vec<Self> {
        let invited = roster.invites.into_iter().map(Self::Invited);
        invited.chain(roster.members.into_iter().map(Self::Joined)).collect()
    }

    fn user(&self) -> Option<&account::User> {
        match self {
            Self::Joined(member) => Some(&member.user),
            Self::Invited(_) => None,
        }
    }

    fn role_here(&self) -> Role {
        match self {
            Self::Joined(member) => member.role,
            Self::Invited(invite) => invite.role,
        }
    }
}

#[Object]
impl Member {
    /// What `deleteInvite` takes to shut them out again.
    async fn id(&self) -> String {
        match self {
            Self::Joined(member) => member.user.id.to_node_id(),
            Self::Invited(invite) => invite.id.to_node_id(),
        }
    }

    /// Whether they say who else belongs to it.
    async fn admin(&self) -> bool {
        self.role_here() == Role::Admin
    }

    /// `admin`, `member`, `viewer` or `restricted_viewer`.
    async fn role(&self) -> &str {
        self.role_here().as_str()
    }

    /// Whether they do not belong to it yet.
    async fn pending(&self) -> bool {
        matches!(self, Self::Invited(_))
    }

    /// Where to reach them.
    async fn email(&self) -> Option<&str> {
        match self {
            Self::Joined(member) => member.user.email.as_ref().map(account::Email::as_str),
            Self::Invited(invite) => Some(invite.email.as_str()),
        }
    }

    /// The name they sign in with; none before they can.
    async fn username(&self) -> Option<&str> {
        self.user().map(|user| user.username.as_str())
    }

    /// As shown.
    async fn name(&self) -> &str {
        match self {
            Self::Joined(member) => &member.user.full_name,
            Self::Invited(invite) => invite.email.as_str(),
        }
    }

    /// A picture. There are none.
    async fn photo_url(&self) -> Option<&str> {
        None
    }

    /// `USER` for a person, `SERVICE` for a service account.
    async fn account_type(&self) -> &str {
        if self.user().is_some_and(|user| user.team_id.is_some()) { "SERVICE" } else { "USER" }
    }

    /// Of a service account, for administrators of its team: its key.
    async fn api_key(&self) -> Option<&str> {
        match self {
            Self::Joined(member) => member.api_key.as_deref(),
            Self::Invited(_) => None,
        }
    }
}

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

    /// `user`, `team` or `organization`.
    async fn entity_type(&self) -> &str {
        match self.0.kind {
            EntityKind::User => "user",
            EntityKind::Team => "team",
            EntityKind::Organization => "organization",
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
    async fn read_only(&self, ctx: &Context<'_>) -> Result<bool> {
        let role = ctx.request()?.loader.load_one(RoleIn(self.0.id)).await.or_graphql()?;
        Ok(!role.is_some_and(Role::may_write))
    }

    /// Whether it was made read-only for everybody. It was not.
    async fn read_only_admin(&self) -> bool {
        false
    }

    /// Whether nobody but its members ever sees its projects. So it is.
    async fn private_only(&self) -> bool {
        true
    }

    /// Whether it is paid for. Nothing is.
    async fn is_paid(&self) -> bool {
        false
    }

    /// Limits of a subscription. There are none.
    async fn limits(&self) -> JsonString {
        JsonString("{}".to_owned())
    }

    /// Whether its artifacts may use XXH128 digests. They may.
    async fn xxhash_digests_enabled(&self) -> bool {
        true
    }

    /// Who may see its projects by default: its members.
    async fn default_access(&self) -> &str {
        "PRIVATE"
    }

    /// Whether code is saved; the client decides.
    async fn code_saving_enabled(&self) -> bool {
        true
    }

    /// Bytes of all objects of its projects, live, archived and in the trash, each counted once; none for those who do not
    /// belong to it.
    #[graphql(complexity = "storage::COST")]
    async fn storage_bytes(&self, ctx: &Context<'_>) -> Result<Int64> {
        let request = ctx.request()?;
        let usage = usage::of_entity(&request.db, &request.caller, self.0.id).await.or_graphql()?;
        Ok(Int64(usage.map_or(0, |usage| usage.objects())))
    }

    /// Its bytes by what becomes of them; none for those who do not belong to it.
    #[graphql(complexity = "storage::COST + child_complexity")]
    async fn storage(&self, ctx: &Context<'_>) -> Result<Option<StorageUsage>> {
        StorageUsage::of_entity(ctx, self.0.id).await
    }

    /// How long things are kept in its projects, where these say nothing themselves.
    async fn retention(&self, ctx: &Context<'_>) -> Result<Retention> {
        Retention::get(ctx, retention::Scope::Entity(self.0.id)).await
    }

    /// Who belongs to it, in the order in which they joined, after those who were asked to.
    async fn members(&self, ctx: &Context<'_>) -> Result<Vec<Member>> {
        let roster = ctx.request()?.loader.load_one(MembersOf(self.0.id)).await.or_graphql()?;
        Ok(Member::all_of(roster.unwrap_or_default()))
    }

    /// The user whose personal entity this is.
    async fn user(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        Ok(ctx.request()?.loader.load_one(Owner(self.0.id)).await.or_graphql()?.map(User))
    }

    /// The organization of a team, or the one that this is the entity of.
    async fn organization(&self, ctx: &Context<'_>) -> Result<Option<Organization>> {
        let Some(id) = self.0.organization_id else { return Ok(None) };
        Ok(ctx.request()?.loader.load_one(id).await.or_graphql()?.map(Organization))
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
        Project::find(ctx, Some(&self.0.name), name.as_deref()).await
    }

    /// Its projects that match a filter (a Mongo-like JSON object) on `id`, `name`, `entity_id`, `description`,
    /// `created_at` and `updated_at`; ordered by one of `name`, `created_at`, `updated_at`. Without an order, the newest
    /// come first.
    #[graphql(complexity = "connection::cost(first, child_complexity)")]
    async fn projects(
        &self,
        ctx: &Context<'_>,
        filters: Option<JsonString>,
        after: Option<String>,
        first: Option<i32>,
        order: Option<String>,
    ) -> Result<Option<ProjectConnection>> {
        let request = ctx.request()?;
        let filters = filters.map_or_else(String::new, |filters| filters.0);
        let order = order.unwrap_or_default();
        let search = project::Search::parse(&filters, &order).or_graphql()?;
        let wanted = connection::page_size(first)?;
        let list = format!("projects of entity {} by {order} where {filters}", self.0.id);
        let after = connection::decode(&list, after.as_deref())?;
        let found =
            project::search(&request.db, &request.caller, self.0.id, &search, after.as_ref(), wanted + 1);
        let (found, has_next_page) = connection::cut(found.await.or_graphql()?, wanted);
        let edge = |(project, place)| {
            Ok(ProjectEdge { node: Project(project), cursor: connection::encode(&list, &place)? })
        };
        let edges = found.into_iter().map(edge).collect::<Result<Vec<_>>>()?;
        let end_cursor = edges.last().map(|edge: &ProjectEdge| edge.cursor.clone());
        Ok(Some(ProjectConnection { edges, page_info: PageInfo { end_cursor, has_next_page } }))
    }
}
