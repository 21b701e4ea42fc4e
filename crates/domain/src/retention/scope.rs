//! Where a period or a rule holds.

use sea_orm::{DeriveActiveEnum, EnumIter};

use crate::account::{self, Caller, Role};
use crate::db::Source;
use crate::error::{Error, Result};
use crate::id::{EntityId, ProjectId};
use crate::project;

/// Where a period or a rule holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Everywhere.
    Instance,
    /// In all projects of an entity.
    Entity(EntityId),
    /// In a project.
    Project(ProjectId),
}

/// The same, without saying which one. What is nearer to a project comes later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum ScopeKind {
    /// Everywhere.
    Instance,
    /// In an entity.
    Entity,
    /// In a project.
    Project,
}

impl Scope {
    /// As the database has it.
    pub(super) fn of(kind: ScopeKind, subject_id: i64) -> Self {
        match kind {
            ScopeKind::Instance => Self::Instance,
            ScopeKind::Entity => Self::Entity(EntityId(subject_id)),
            ScopeKind::Project => Self::Project(ProjectId(subject_id)),
        }
    }

    /// Of which kind it is.
    pub fn kind(self) -> ScopeKind {
        match self {
            Self::Instance => ScopeKind::Instance,
            Self::Entity(_) => ScopeKind::Entity,
            Self::Project(_) => ScopeKind::Project,
        }
    }

    pub(super) fn subject_id(self) -> i64 {
        match self {
            Self::Instance => 0,
            Self::Entity(id) => id.0,
            Self::Project(id) => id.0,
        }
    }

    /// Refuses who may not say here what is kept: that is for administrators, of the server, the entity or the project.
    pub(super) async fn authorize(self, db: &impl Source, caller: &Caller) -> Result<()> {
        match self {
            Self::Instance => caller.require_administrator(),
            Self::Entity(id) => account::require(db, caller, id, Role::Admin).await,
            Self::Project(id) => project::authorize(db, caller, id, Role::Admin).await,
        }
    }

    /// An SQL condition on the columns `scope` and `subject_id`: that what is said there holds here as well. Its one value
    /// is that of [`Scope::subject_id`]. Plan: a primary key or an index that begins with both, once for each kind.
    pub(super) fn covers(self) -> &'static str {
        match self {
            Self::Instance => "scope = 'instance' AND subject_id = $1",
            Self::Entity(_) => {
                "scope = 'instance' AND subject_id = 0 OR scope = 'entity' AND subject_id = $1"
            }
            Self::Project(_) => {
                "scope = 'instance' AND subject_id = 0 OR scope = 'project' AND subject_id = $1 \
                 OR scope = 'entity' AND subject_id = (SELECT entity_id FROM project WHERE id = $1)"
            }
        }
    }
}

/// The project that is named, else the entity that is named, else the instance.
pub async fn find_scope(
    db: &impl Source,
    caller: &Caller,
    entity_name: Option<&str>,
    project_name: Option<&str>,
) -> Result<Scope> {
    if let Some(name) = project_name {
        let found = project::find(db, caller, entity_name, Some(name)).await?;
        return Ok(Scope::Project(found.ok_or_else(|| Error::not_found("project", name))?.id));
    }
    let Some(name) = entity_name else { return Ok(Scope::Instance) };
    let found = account::find_entity(db, caller, Some(name)).await?;
    Ok(Scope::Entity(found.ok_or_else(|| Error::not_found("entity", name))?.id))
}
