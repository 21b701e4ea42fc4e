//! Making organizations.

use async_graphql::{Context, InputObject, Object, SimpleObject};

use counterweight_domain as domain;
use counterweight_domain::account::{self, Role};

use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::object::Organization;

#[derive(Debug, Default)]
pub(super) struct OrganizationMutation;

/// An organization to make.
#[derive(InputObject)]
struct CreateOrganizationInput {
    /// Its name, as shown.
    name: String,
    /// The name of its entity; the same where none is given.
    entity_name: Option<String>,
    /// Its administrator; the viewer where nobody is named.
    admin_username: Option<String>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// An organization made.
#[derive(SimpleObject)]
struct CreateOrganizationPayload {
    /// The organization.
    organization: Option<Organization>,
    /// As it was given.
    client_mutation_id: Option<String>,
}

#[Object]
impl OrganizationMutation {
    /// Makes an organization, for administrators of the instance.
    async fn create_organization(
        &self,
        ctx: &Context<'_>,
        input: CreateOrganizationInput,
    ) -> Result<Option<CreateOrganizationPayload>> {
        let request = ctx.request()?;
        request.caller.require_administrator().or_graphql()?;
        let tx = request.db.begin_write().await.or_graphql()?;
        let name = input.admin_username.as_deref().unwrap_or(&request.caller.username);
        let administrator = account::user_named(&tx, name).await.or_graphql()?;
        let administrator =
            administrator.ok_or_else(|| domain::Error::not_found("user", name)).or_graphql()?;
        let made = account::create_organization(&tx, &input.name, input.entity_name.as_deref()).await;
        let (organization, entity) = made.or_graphql()?;
        account::admit(&tx, &entity, &administrator, Role::Admin).await.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(CreateOrganizationPayload {
            organization: Some(Organization(organization)),
            client_mutation_id: input.client_mutation_id,
        }))
    }
}
