//! Who signs in, and what belongs to whom.

mod api_key;
mod caller;
mod commands;
mod email;
mod queries;

use sea_orm::{DeriveActiveEnum, EnumIter};

pub use self::api_key::ApiKey;
pub use self::caller::{Caller, Identity};
pub use self::commands::{CreatedUser, NewUser, create_user, ensure_administrator, shared_secret};
pub use self::email::Email;
pub(crate) use self::queries::find_author;
pub use self::queries::{
    User, authenticate, find_entity, get_entities, get_owners, get_user, get_users, list_api_keys,
    search_users,
};
pub use crate::entity::api_key::Model as StoredApiKey;
pub use crate::entity::entity::Model as Entity;
use crate::error::{Error, Result};

/// Whose name an entity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum EntityKind {
    /// A user's personal entity.
    User,
    /// A team.
    Team,
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
