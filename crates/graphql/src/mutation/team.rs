//! Teams, and who is asked into them.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use counterweight_domain as domain;
use counterweight_domain::WriteTx;
use counterweight_domain::account::{self, Email, Invited, Invitee, Role};

use crate::context::{ContextExt as _, RequestContext};
use crate::error::{OrGraphql as _, Result};
use crate::object::{Entity, User};
use crate::scalars::DateTime;

#[derive(Debug, Default)]
pub(super) struct TeamMutation;

/// A team to make.
#[derive(InputObject)]
struct CreateTeamInput {
    /// Its name.
    team_name: String,
    /// Its administrator; the viewer where nobody is named.
    team_admin_user_name: Option<String>,
    /// Its organization; the viewer's only one where none is named.
    organization_name: Option<String>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A team made.
#[derive(SimpleObject)]
struct CreateTeamPayload {
    /// The team.
    entity: Option<Entity>,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// Someone to ask into a team.
#[derive(InputObject)]
struct CreateInviteInput {
    /// The team.
    entity_name: String,
    /// Their address.
    email: Option<String>,
    /// Their name, where they are a user.
    username: Option<String>,
    /// Whether they are to be an administrator.
    admin: Option<bool>,
    /// What they may do, where that is neither an administrator nor a member.
    role: Option<String>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// Someone asked into a team.
#[derive(SimpleObject)]
struct CreateInvitePayload {
    /// Who.
    invite: Option<Invite>,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// Someone asked into a team. A user belongs to it at once, others as soon as they are users.
#[derive(SimpleObject)]
struct Invite {
    /// What `deleteInvite` takes.
    id: ID,
    /// Their name, or their address.
    name: String,
    /// Their address.
    email: Option<String>,
    /// When they were asked.
    created_at: Option<DateTime>,
    /// The user, where they are one.
    to_user: Option<User>,
}

/// Someone to shut out of a team.
#[derive(InputObject)]
struct DeleteInviteInput {
    /// An invite, or a member.
    id: Option<String>,
    /// The team.
    entity_name: Option<String>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// Someone shut out of a team.
#[derive(SimpleObject)]
struct DeleteInvitePayload {
    /// Whether it was done.
    success: Option<bool>,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// A service account to make.
#[derive(InputObject)]
struct CreateServiceAccountInput {
    /// Its team.
    entity_name: String,
    /// What it is for.
    description: String,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A service account made.
#[derive(SimpleObject)]
struct CreateServiceAccountPayload {
    /// The account.
    user: Option<User>,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// The team or organization of that name, if the viewer belongs to it.
pub(super) async fn find(
    request: &RequestContext,
    tx: &WriteTx,
    name: &str,
) -> domain::Result<account::Entity> {
    let found = account::find_entity(tx, &request.caller, Some(name)).await?;
    found.ok_or_else(|| domain::Error::not_found("entity", name))
}

impl CreateInviteInput {
    fn invitee(&self) -> domain::Result<Invitee> {
        match (&self.email, &self.username) {
            (Some(email), _) => Ok(Invitee::Email(Email::parse(email)?)),
            (None, Some(name)) => Ok(Invitee::Username(name.clone())),
            (None, None) => {
                let reason = "name someone, or give their address";
                Err(domain::Error::invalid("INVITEE_MISSING", "username", reason))
            }
        }
    }

    fn wanted_role(&self) -> domain::Result<Role> {
        match &self.role {
            Some(role) => Role::parse("role", role),
            None if self.admin == Some(true) => Ok(Role::Admin),
            None => Ok(Role::Member),
        }
    }
}

impl From<(Invited, DateTime)> for Invite {
    fn from((invited, now): (Invited, DateTime)) -> Self {
        match invited {
            Invited::Waiting(invite) => Self {
                id: invite.id.to_node_id().into(),
                name: invite.email.as_str().to_owned(),
                email: Some(invite.email.as_str().to_owned()),
                created_at: Some(DateTime(invite.created_at)),
                to_user: None,
            },
            Invited::Joined(user) => Self {
                id: user.id.to_node_id().into(),
                name: user.full_name.clone(),
                email: user.email.as_ref().map(|email| email.as_str().to_owned()),
                created_at: Some(now),
                to_user: Some(User(user)),
            },
        }
    }
}

#[Object]
impl TeamMutation {
    /// Makes a team. Who names someone else as its administrator must be one of its organization, or of the instance.
    async fn create_team(
        &self,
        ctx: &Context<'_>,
        input: CreateTeamInput,
    ) -> Result<Option<CreateTeamPayload>> {
        let request = ctx.request()?;
        let tx = request.db.begin_write().await.or_graphql()?;
        let (administrator, organization) =
            (input.team_admin_user_name.as_deref(), input.organization_name.as_deref());
        let team = account::create_team(&tx, &request.caller, &input.team_name, administrator, organization);
        let team = team.await.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(CreateTeamPayload {
            entity: Some(Entity(team)),
            client_mutation_id: input.client_mutation_id,
        }))
    }

    /// Asks someone into a team or an organization, for its administrators.
    async fn create_invite(
        &self,
        ctx: &Context<'_>,
        input: CreateInviteInput,
    ) -> Result<Option<CreateInvitePayload>> {
        let request = ctx.request()?;
        let (whom, role) = (input.invitee().or_graphql()?, input.wanted_role().or_graphql()?);
        let tx = request.db.begin_write().await.or_graphql()?;
        let to = find(request, &tx, &input.entity_name).await.or_graphql()?;
        let invited = account::invite(&tx, &request.caller, &to, whom, role).await.or_graphql()?;
        let now = DateTime(tx.now());
        tx.commit().await.or_graphql()?;
        Ok(Some(CreateInvitePayload {
            invite: Some((invited, now).into()),
            client_mutation_id: input.client_mutation_id,
        }))
    }

    /// Takes an invite back, or shuts a member out of a team or an organization, for its administrators and for whoever
    /// leaves.
    async fn delete_invite(
        &self,
        ctx: &Context<'_>,
        input: DeleteInviteInput,
    ) -> Result<Option<DeleteInvitePayload>> {
        let request = ctx.request()?;
        let (id, name) = (input.id.unwrap_or_default(), input.entity_name.unwrap_or_default());
        let tx = request.db.begin_write().await.or_graphql()?;
        let from = find(request, &tx, &name).await.or_graphql()?;
        account::uninvite(&tx, &request.caller, &from, &id).await.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(DeleteInvitePayload { success: Some(true), client_mutation_id: input.client_mutation_id }))
    }

    /// Makes a service account of a team, for its administrators. They see its key among the team's members.
    async fn create_service_account(
        &self,
        ctx: &Context<'_>,
        input: CreateServiceAccountInput,
    ) -> Result<Option<CreateServiceAccountPayload>> {
        let request = ctx.request()?;
        let tx = request.db.begin_write().await.or_graphql()?;
        let team = find(request, &tx, &input.entity_name).await.or_graphql()?;
        let made = account::create_service_account(&tx, &request.caller, &team, &input.description).await;
        let made = made.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(CreateServiceAccountPayload {
            user: Some(User(made)),
            client_mutation_id: input.client_mutation_id,
        }))
    }
}
