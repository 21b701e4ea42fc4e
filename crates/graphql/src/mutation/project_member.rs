//! What users and teams may do in a project, above all in a registry.

use async_graphql::{Context, ID, InputObject, Object};

use counterweight_domain as domain;
use counterweight_domain::WriteTx;
use counterweight_domain::account::Role;
use counterweight_domain::id::{EntityId, UserId};
use counterweight_domain::project::{self, Party, Project};

use super::SuccessPayload;
use super::project::project_id;
use crate::connection::at_most;
use crate::context::{ContextExt as _, RequestContext};
use crate::error::{OrGraphql as _, Result};

#[derive(Debug, Default)]
pub(super) struct ProjectMemberMutation;

/// Users and teams of one call.
const MOST: usize = 1000;

/// Users and teams to let into a project.
#[derive(InputObject)]
struct CreateProjectMembersInput {
    /// The project.
    project_id: ID,
    /// Users of its organization.
    user_ids: Option<Vec<ID>>,
    /// Teams of its organization.
    team_ids: Option<Vec<ID>>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// Users and teams whose roles in a project are to be taken away.
#[derive(InputObject)]
struct DeleteProjectMembersInput {
    /// The project.
    project_id: ID,
    /// Users.
    user_ids: Option<Vec<ID>>,
    /// Teams.
    team_ids: Option<Vec<ID>>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// What a user is to be allowed in a project.
#[derive(InputObject)]
struct UpdateProjectMemberInput {
    /// The project.
    project_id: ID,
    /// The user.
    user_id: ID,
    /// `admin`, `member`, `viewer` or `restricted_viewer`.
    user_project_role: String,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// What a team is to be allowed in a project.
#[derive(InputObject)]
struct UpdateProjectTeamMemberInput {
    /// The project.
    project_id: ID,
    /// The team.
    team_id: ID,
    /// `admin`, `member`, `viewer` or `restricted_viewer`.
    team_project_role: String,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

async fn find(request: &RequestContext, tx: &WriteTx, id: &str) -> domain::Result<Project> {
    project::get(tx, &request.caller, project_id(id)?).await
}

fn user_id(id: &ID) -> domain::Result<UserId> {
    UserId::from_node_id(id).ok_or_else(|| domain::Error::not_found("user", id.as_str()))
}

fn team_id(id: &ID) -> domain::Result<EntityId> {
    EntityId::from_node_id(id).ok_or_else(|| domain::Error::not_found("team", id.as_str()))
}

fn party(users: Option<Vec<ID>>, teams: Option<Vec<ID>>) -> Result<Party> {
    let (users, teams) = (users.unwrap_or_default(), teams.unwrap_or_default());
    at_most(MOST, users.len() + teams.len(), "userIds")?;
    Ok(Party {
        users: users.iter().map(user_id).collect::<domain::Result<_>>().or_graphql()?,
        teams: teams.iter().map(team_id).collect::<domain::Result<_>>().or_graphql()?,
    })
}

#[Object]
impl ProjectMemberMutation {
    /// Lets users and teams of its organization into a project, for its administrators.
    async fn create_project_members(
        &self,
        ctx: &Context<'_>,
        input: CreateProjectMembersInput,
    ) -> Result<Option<SuccessPayload>> {
        let request = ctx.request()?;
        let party = party(input.user_ids, input.team_ids)?;
        let tx = request.db.begin_write().await.or_graphql()?;
        let found = find(request, &tx, &input.project_id).await.or_graphql()?;
        project::add_members(&tx, &request.caller, &found, &party).await.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(SuccessPayload::done(input.client_mutation_id)))
    }

    /// Takes away what users and teams may do in a project, for its administrators. What they may do in its entity stays.
    async fn delete_project_members(
        &self,
        ctx: &Context<'_>,
        input: DeleteProjectMembersInput,
    ) -> Result<Option<SuccessPayload>> {
        let request = ctx.request()?;
        let party = party(input.user_ids, input.team_ids)?;
        let tx = request.db.begin_write().await.or_graphql()?;
        let found = find(request, &tx, &input.project_id).await.or_graphql()?;
        project::remove_members(&tx, &request.caller, &found, &party).await.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(SuccessPayload::done(input.client_mutation_id)))
    }

    /// Changes what a user may do in a project, for its administrators.
    async fn update_project_member(
        &self,
        ctx: &Context<'_>,
        input: UpdateProjectMemberInput,
    ) -> Result<Option<SuccessPayload>> {
        let request = ctx.request()?;
        let role = Role::parse("userProjectRole", &input.user_project_role).or_graphql()?;
        let user = user_id(&input.user_id).or_graphql()?;
        let tx = request.db.begin_write().await.or_graphql()?;
        let found = find(request, &tx, &input.project_id).await.or_graphql()?;
        project::set_user_role(&tx, &request.caller, &found, user, role).await.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(SuccessPayload::done(input.client_mutation_id)))
    }

    /// Changes what a team may do in a project, for its administrators.
    async fn update_project_team_member(
        &self,
        ctx: &Context<'_>,
        input: UpdateProjectTeamMemberInput,
    ) -> Result<Option<SuccessPayload>> {
        let request = ctx.request()?;
        let role = Role::parse("teamProjectRole", &input.team_project_role).or_graphql()?;
        let team = team_id(&input.team_id).or_graphql()?;
        let tx = request.db.begin_write().await.or_graphql()?;
        let found = find(request, &tx, &input.project_id).await.or_graphql()?;
        project::set_team_role(&tx, &request.caller, &found, team, role).await.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(SuccessPayload::done(input.client_mutation_id)))
    }
}
