//! Who belongs to teams and organizations, and what they may do there.

use async_graphql::{Context, InputObject, Object};

use counterweight_domain as domain;
use counterweight_domain::WriteTx;
use counterweight_domain::account::{self, Role};

use super::{SuccessPayload, team};
use crate::context::{ContextExt as _, RequestContext};
use crate::error::{OrGraphql as _, Result};

#[derive(Debug, Default)]
pub(super) struct MemberMutation;

/// A user to let into a team, or whose role there is to change.
#[derive(InputObject)]
struct AddTeamMemberInput {
    /// The team.
    team_name: String,
    /// The user.
    username: String,
    /// `admin`, `member`, `viewer` or `restricted_viewer`; a member where nothing is said.
    role: Option<String>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A user to shut out of a team.
#[derive(InputObject)]
struct RemoveTeamMemberInput {
    /// The team.
    team_name: String,
    /// The user.
    username: String,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A user to let into an organization, or whose role there is to change.
#[derive(InputObject)]
struct AddOrganizationMemberInput {
    /// The organization, by its name or that of its entity.
    organization_name: String,
    /// The user.
    username: String,
    /// `admin`, `member`, `viewer` or `restricted_viewer`; a member where nothing is said.
    role: Option<String>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A user to shut out of an organization and its teams.
#[derive(InputObject)]
struct RemoveOrganizationMemberInput {
    /// The organization, by its name or that of its entity.
    organization_name: String,
    /// The user.
    username: String,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// The entity of the organization of that name, if the viewer belongs to it.
async fn find_organization(
    request: &RequestContext,
    tx: &WriteTx,
    name: &str,
) -> domain::Result<account::Entity> {
    let missing = || domain::Error::not_found("organization", name);
    let found = account::find_organization(tx, &request.caller, name).await?.ok_or_else(missing)?;
    let entity = account::get_entities(tx, &[found.entity_id]).await?.remove(&found.entity_id);
    entity.ok_or_else(|| domain::Error::internal("an organization without its entity"))
}

async fn add(
    request: &RequestContext,
    tx: &WriteTx,
    to: &account::Entity,
    username: &str,
    role: Option<&str>,
) -> domain::Result<()> {
    let role = role.map_or(Ok(Role::Member), |role| Role::parse("role", role))?;
    account::add_member(tx, &request.caller, to, username, role).await
}

#[Object]
impl MemberMutation {
    /// Lets a user into a team and its organization, or changes what they may do in the team; for its administrators.
    async fn add_team_member(
        &self,
        ctx: &Context<'_>,
        input: AddTeamMemberInput,
    ) -> Result<Option<SuccessPayload>> {
        let request = ctx.request()?;
        let tx = request.db.begin_write().await.or_graphql()?;
        let team = team::find(request, &tx, &input.team_name).await.or_graphql()?;
        add(request, &tx, &team, &input.username, input.role.as_deref()).await.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(SuccessPayload::done(input.client_mutation_id)))
    }

    /// Shuts a user out of a team; for its administrators, and for whoever leaves.
    async fn remove_team_member(
        &self,
        ctx: &Context<'_>,
        input: RemoveTeamMemberInput,
    ) -> Result<Option<SuccessPayload>> {
        let request = ctx.request()?;
        let tx = request.db.begin_write().await.or_graphql()?;
        let team = team::find(request, &tx, &input.team_name).await.or_graphql()?;
        account::remove_member(&tx, &request.caller, &team, &input.username).await.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(SuccessPayload::done(input.client_mutation_id)))
    }

    /// Lets a user into an organization, or changes what they may do there; for its administrators.
    async fn add_organization_member(
        &self,
        ctx: &Context<'_>,
        input: AddOrganizationMemberInput,
    ) -> Result<Option<SuccessPayload>> {
        let request = ctx.request()?;
        let tx = request.db.begin_write().await.or_graphql()?;
        let organization = find_organization(request, &tx, &input.organization_name).await.or_graphql()?;
        add(request, &tx, &organization, &input.username, input.role.as_deref()).await.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(SuccessPayload::done(input.client_mutation_id)))
    }

    /// Shuts a user out of an organization and of its teams; for its administrators, and for whoever leaves.
    async fn remove_organization_member(
        &self,
        ctx: &Context<'_>,
        input: RemoveOrganizationMemberInput,
    ) -> Result<Option<SuccessPayload>> {
        let request = ctx.request()?;
        let tx = request.db.begin_write().await.or_graphql()?;
        let organization = find_organization(request, &tx, &input.organization_name).await.or_graphql()?;
        account::remove_member(&tx, &request.caller, &organization, &input.username).await.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(SuccessPayload::done(input.client_mutation_id)))
    }
}
