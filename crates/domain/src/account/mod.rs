//! Who signs in, and what belongs to whom.

mod api_key;
mod commands;
mod queries;

use sea_orm::{DeriveActiveEnum, EnumIter};

pub use self::api_key::ApiKey;
pub use self::commands::{CreatedUser, NewUser, create_user, ensure_administrator, shared_secret};
pub use self::queries::{User, authenticate, find_entity, get_entities, get_user, get_users, list_api_keys};
pub use crate::entity::api_key::Model as StoredApiKey;
pub use crate::entity::entity::Model as Entity;
use crate::error::{Error, Result};
use crate::id::{EntityId, UserId};

/// Whose name an entity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum EntityKind {
    /// A user's personal entity.
    User,
    /// A team.
    Team,
}

/// Who is asking. Every lookup takes one and finds only what it may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The signed-in user.
    pub user_id: UserId,
    /// Their personal entity: what "my" means where no entity is named.
    pub entity_id: EntityId,
    /// Its name.
    pub username: String,
    /// Whether they administer the instance.
    pub admin: bool,
}

impl Caller {
    /// The entities whose projects this caller reads and writes.
    pub fn entities(&self) -> [EntityId; 1] {
        [self.entity_id]
    }
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
