//! Projects.

mod commands;
mod names;
mod queries;

use sea_orm::{DeriveActiveEnum, EnumIter, FromQueryResult};

use crate::clock::Timestamp;
use crate::id::{EntityId, ProjectId};

pub use self::commands::{Description, describe, ensure, ensure_for_run, rename};
pub(crate) use self::commands::{next_run_number, take_name};
pub(crate) use self::names::holders;
pub use self::queries::{find, get, get_many, list};
pub(crate) use self::queries::{find_live, hold, hold_any};

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
    /// Unique among the live ones of its entity; case matters.
    pub name: String,
    /// As its owner wrote it.
    pub description: Option<String>,
    /// Git remote.
    pub repo: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What the names of registries begin with (protocol reference 5.10).
const REGISTRY_PREFIX: &str = "wandb-registry-";

impl Project {
    /// Whether it is a registry: versions are linked to it and made elsewhere.
    pub fn is_registry(&self) -> bool {
        self.name.starts_with(REGISTRY_PREFIX)
    }

    /// Whether versions of every type may be linked to it.
    pub(crate) fn takes_any_type(&self) -> bool {
        !self.is_registry()
    }
}

fn named(name: Option<&str>) -> &str {
    name.filter(|name| !name.is_empty()).unwrap_or(DEFAULT_NAME)
}
