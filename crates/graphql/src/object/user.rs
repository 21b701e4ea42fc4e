//! Users and their API keys.

use async_graphql::{Context, ID, Object, SimpleObject};

use counterweight_domain::account;

use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::loaders::TeamsOf;
use crate::object::{Entity, Organization};
use crate::scalars::{DateTime, JsonString};

/// A person or service that signs in.
pub(crate) struct User(pub(crate) account::User);

/// An API key, by its public part.
#[derive(SimpleObject)]
pub(crate) struct ApiKey {
    /// Global id.
    id: ID,
    /// The first characters of the key; the whole key only in the answer that makes it.
    name: String,
    /// What it is for.
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

impl UserConnection {
    /// All of these.
    pub(crate) fn new(users: Vec<account::User>) -> Self {
        Self { edges: users.into_iter().map(|user| UserEdge { node: User(user) }).collect() }
    }
}

impl From<account::StoredApiKey> for ApiKey {
    fn from(key: account::StoredApiKey) -> Self {
        Self { id: key.id.to_node_id().into(), name: key.name, description: key.description }
    }
}

impl ApiKey {
    /// A key just made, with all of it in its name.
    pub(crate) fn revealed(stored: account::StoredApiKey, key: &account::ApiKey) -> Self {
        Self { name: key.reveal().to_owned(), ..stored.into() }
    }
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

    /// The entity that the client uses where the user names none: their own, or the team of a service account.
    async fn entity(&self) -> &str {
        self.0.home_name()
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
        let edges = keys.into_iter().map(|key| ApiKeyEdge { node: key.into() }).collect();
        Ok(Some(ApiKeyConnection { edges }))
    }

    /// Where they own projects: their own entity first, then their teams. Of others, only what the viewer belongs to too.
    async fn teams(&self, ctx: &Context<'_>) -> Result<Option<EntityConnection>> {
        let teams = ctx.request()?.loader.load_one(TeamsOf(self.0.id)).await.or_graphql()?;
        let edges = teams.into_iter().flatten().map(|entity| EntityEdge { node: Entity(entity) }).collect();
        Ok(Some(EntityConnection { edges }))
    }

    /// Organizations they belong to. Of others, only those that the viewer belongs to too.
    async fn organizations(&self, ctx: &Context<'_>) -> Result<Vec<Organization>> {
        let request = ctx.request()?;
        let found = account::list_organizations(&request.db, &request.caller, self.0.id).await;
        Ok(found.or_graphql()?.into_iter().map(Organization).collect())
    }
}
