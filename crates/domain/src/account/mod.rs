//! Who signs in, what belongs to whom, and who may do what there.

mod api_key;
mod caller;
mod commands;
mod email;
mod invites;
mod keys;
mod members;
mod organizations;
mod queries;
mod role;
mod roster;
mod service;
mod teams;

use sea_orm::{DeriveActiveEnum, EnumIter};

pub use self::api_key::ApiKey;
pub use self::caller::{Caller, Identity};
pub use self::commands::{
    CreatedUser, NewUser, create_user, ensure_administrator, invite_user, shared_secret,
};
pub use self::email::Email;
pub use self::invites::{Invited, Invitee, invite, uninvite};
pub use self::keys::{delete_api_key, generate_api_key, list_api_keys};
pub(crate) use self::members::require;
pub use self::members::{add_member, admit, get_roles, remove_member};
pub use self::organizations::{
    create_organization, find_organization, get_organizations, list_organizations, list_teams_of,
    organization_named,
};
pub(crate) use self::queries::find_author;
pub use self::queries::{
    User, authenticate, entity_named, find_entity, get_entities, get_owners, get_user, get_users,
    list_entities, search_users, user_named,
};
pub use self::role::Role;
pub(crate) use self::role::Standing;
pub use self::roster::{Member, Roster, list_members};
pub use self::service::create_service_account;
pub use self::teams::{create_team, found_team};
pub use crate::entity::api_key::Model as StoredApiKey;
pub use crate::entity::entity::Model as Entity;
pub use crate::entity::invite::Model as Invite;
pub use crate::entity::organization::Model as Organization;
use crate::error::{Error, Result};

/// Whose name an entity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum EntityKind {
    /// A user's personal entity.
    User,
    /// A team.
    Team,
    /// An organization's, which owns its registries.
    Organization,
}

/// Checks a name that becomes part of URLs and paths: entities and projects.
pub(crate) fn check_name(field: &'static str, name: &str) -> Result<()> {
    let fits = !name.is_empty()
        && name.chars().count() <= 128
        && name != "."
        && name != ".."
        && !name.chars().any(|c| c.is_control() || "/\\#?%:".contains(c));
    if fits {
        return Ok(());
    }
    Err(Error::invalid("NAME_INVALID", field, "a name has 1 to 128 characters and none of /\\#?%:"))
}
