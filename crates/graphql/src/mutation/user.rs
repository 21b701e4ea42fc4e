//! Users and their API keys.

use async_graphql::{Context, InputObject, Object, SimpleObject};

use counterweight_domain as domain;
use counterweight_domain::account::{self, Email};
use counterweight_domain::id::ApiKeyId;

use super::SuccessPayload;
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::object::{ApiKey, User};

#[derive(Debug, Default)]
pub(super) struct UserMutation;

/// A user to make.
#[derive(InputObject)]
struct CreateUserInput {
    /// Where to reach them. What stands before the `@` becomes their name.
    email: String,
    /// Whether they administer the instance.
    admin: Option<bool>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A user made.
#[derive(SimpleObject)]
struct CreateUserPayload {
    /// The user.
    user: Option<User>,
    /// Their key, which cannot be shown again.
    api_key: String,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// A key to make.
#[derive(InputObject)]
struct GenerateApiKeyInput {
    /// What it is for.
    description: Option<String>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A key made.
#[derive(SimpleObject)]
struct GenerateApiKeyPayload {
    /// The key; its name is all of it, which cannot be shown again.
    api_key: Option<ApiKey>,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// A key to delete.
#[derive(InputObject)]
struct DeleteApiKeyInput {
    /// Its global id.
    id: String,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

#[Object]
impl UserMutation {
    /// Makes a user, for administrators.
    async fn create_user(
        &self,
        ctx: &Context<'_>,
        input: CreateUserInput,
    ) -> Result<Option<CreateUserPayload>> {
        let request = ctx.request()?;
        request.caller.require_administrator().or_graphql()?;
        let email = Email::parse(&input.email).or_graphql()?;
        let tx = request.db.begin_write().await.or_graphql()?;
        let made = account::invite_user(&tx, email, input.admin == Some(true)).await.or_graphql()?;
        let user = account::get_user(&tx, made.user_id).await.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(CreateUserPayload {
            user: Some(User(user)),
            api_key: made.api_key.reveal().to_owned(),
            client_mutation_id: input.client_mutation_id,
        }))
    }

    /// Makes one more key of the viewer.
    async fn generate_api_key(
        &self,
        ctx: &Context<'_>,
        input: GenerateApiKeyInput,
    ) -> Result<Option<GenerateApiKeyPayload>> {
        let request = ctx.request()?;
        let tx = request.db.begin_write().await.or_graphql()?;
        let made = account::generate_api_key(&tx, &request.caller, input.description).await;
        let (stored, key) = made.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(GenerateApiKeyPayload {
            api_key: Some(ApiKey::revealed(stored, &key)),
            client_mutation_id: input.client_mutation_id,
        }))
    }

    /// Deletes a key of the viewer, or with an administrator's rights of anyone; not their last one. Whoever signs in
    /// with it is refused within half a minute.
    async fn delete_api_key(
        &self,
        ctx: &Context<'_>,
        input: DeleteApiKeyInput,
    ) -> Result<Option<SuccessPayload>> {
        let request = ctx.request()?;
        let missing = || domain::Error::not_found("API key", &input.id);
        let id = ApiKeyId::from_node_id(&input.id).ok_or_else(missing).or_graphql()?;
        let tx = request.db.begin_write().await.or_graphql()?;
        account::delete_api_key(&tx, &request.caller, id).await.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(SuccessPayload::done(input.client_mutation_id)))
    }
}
