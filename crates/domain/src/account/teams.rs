//! Making teams.

use super::commands::insert_entity;
use super::{Caller, Entity, EntityKind, Organization, Role, members, organizations, queries};
use crate::db::WriteTx;
use crate::error::{Error, Result};

/// Makes a team in an organization, for whoever operates the server. `Conflict` when the name is taken.
pub async fn found_team(tx: &WriteTx, name: &str, organization: Option<&Organization>) -> Result<Entity> {
    insert_entity(tx, name, EntityKind::Team, organization.map(|organization| organization.id)).await
}

/// Makes a team, in the organization of that name or in the caller's only one, where they are more than a viewer. The
/// caller is its administrator; someone else only if the caller administers the organization or the instance.
pub async fn create_team(
    tx: &WriteTx,
    caller: &Caller,
    name: &str,
    administrator: Option<&str>,
    organization: Option<&str>,
) -> Result<Entity> {
    let organization = match organization {
        Some(named) => {
            let found = organizations::find_organization(tx, caller, named).await?;
            Some(found.ok_or_else(|| Error::not_found("organization", named))?)
        }
        None => only_one(organizations::list_organizations(tx, caller, caller.user_id).await?)?,
    };
    if let Some(organization) = &organization {
        members::require(tx, caller, organization.entity_id, Role::Member).await?;
    }
    let user = match administrator.filter(|administrator| *administrator != caller.username) {
        None => queries::get_user(tx, caller.user_id).await?,
        Some(named) => {
            match &organization {
                Some(organization) if !caller.admin => {
                    members::require(tx, caller, organization.entity_id, Role::Admin).await?;
                }
                Some(_) => {}
                None => caller.require_administrator()?,
            }
            let found = queries::user_named(tx, named).await?;
            found.ok_or_else(|| Error::not_found("user", named))?
        }
    };
    let team = found_team(tx, name, organization.as_ref()).await?;
    members::admit(tx, &team, &user, Role::Admin).await?;
    Ok(team)
}

fn only_one(mut organizations: Vec<Organization>) -> Result<Option<Organization>> {
    if organizations.len() > 1 {
        let names: Vec<_> = organizations.iter().map(|organization| organization.name.as_str()).collect();
        let reason = format!("name one of your organizations: {}", names.join(", "));
        return Err(Error::invalid("ORGANIZATION_MISSING", "organizationName", reason));
    }
    Ok(organizations.pop())
}
