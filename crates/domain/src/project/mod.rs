//! Projects.

mod access;
mod commands;
mod filter;
mod members;
mod names;
mod queries;
mod search;

use sea_orm::{DeriveActiveEnum, EnumIter, FromQueryResult};

use crate::account::EntityKind;
use crate::clock::Timestamp;
use crate::id::{EntityId, ProjectId};

pub use self::access::{Access, authorize, get_roles};
pub(crate) use self::access::{manager, visible_to};
pub use self::commands::{Description, describe, ensure, ensure_for_run, rename};
pub(crate) use self::commands::{check_project_name, next_run_number, take_name};
pub(crate) use self::members::remove_all_members;
pub use self::members::{
    Party, add_members, list_team_members, list_user_members, remove_members, set_team_role, set_user_role,
};
pub(crate) use self::names::holders;
pub use self::queries::{find, get, get_many, get_names, list};
pub(crate) use self::queries::{find_any, find_live, hold, hold_any, next_live};
pub use self::search::{Place, Search, search};

/// Where runs go when no project is named (protocol reference 5.1).
const DEFAULT_NAME: &str = "uncategorized";

/// Where a project stands between live and purged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum ProjectState {
    /// Listed and writable.
    Live,
    /// In the trash, with all that is in it: unreachable, restorable until its deadline.
    Deleted,
    /// Only the tombstone is left, which keeps its run ids taken.
    Purged,
}

/// A live project with the name of its owner.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Project {
    /// Storage id.
    pub id: ProjectId,
    /// Its owner.
    pub entity_id: EntityId,
    /// The owner's name.
    pub entity_name: String,
    /// What the owner is.
    pub owner_kind: EntityKind,
    /// Unique among the live ones of its entity; case matters.
    pub name: String,
    /// As its owner wrote it.
    pub description: Option<String>,
    /// Git remote.
    pub repo: Option<String>,
    /// How many runs were ever created in it.
    pub run_counter: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Who may see it.
    pub access: Access,
    /// Of a registry: whether it takes artifacts of every type.
    pub allows_all_artifact_types: bool,
    /// Whether versions that are linked to it cannot be deleted.
    pub keeps_linked: bool,
}

impl Project {
    /// Whether it is a registry, a project of an organization: versions are linked to it and made elsewhere.
    pub fn is_registry(&self) -> bool {
        self.owner_kind == EntityKind::Organization
    }

    /// Whether versions of every type may be linked to it.
    pub(crate) fn takes_any_type(&self) -> bool {
        !self.is_registry() || self.allows_all_artifact_types
    }
}

fn named(name: Option<&str>) -> &str {
    name.filter(|name| !name.is_empty()).unwrap_or(DEFAULT_NAME)
}
