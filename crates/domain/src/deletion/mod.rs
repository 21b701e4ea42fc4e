//! Archiving, deleting and restoring runs; deleting and restoring versions of artifacts, and projects. What is listed changes at
//! once, bytes follow by jobs.

mod archive;
mod deadline;
mod delete;
mod plan;
mod projects;
mod purge;
mod purge_project;
#[cfg(test)]
mod purge_tests;
mod records;
mod restore;
mod scope;
mod versions;

use sea_orm::sea_query::Expr;
use sea_orm::{DeriveActiveEnum, EnumIter};
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::db::dialect;
use crate::retention::Retention;

pub(crate) use self::archive::archive_held;
pub use self::archive::{ArchiveEnd, archive, delete_archived, unarchive};
pub use self::deadline::{catch_up, extend, purge_now};
pub use self::delete::delete;
pub(crate) use self::delete::{check_many, delete_by_rule, delete_held, open};
pub use self::plan::{DeletionPlan, Obstacle, PlannedLink, plan};
pub use self::projects::{delete_project, restore_project};
pub use self::purge::{Purge, purge, purge_step};
pub use self::records::{DeletionQuery, count_items, find, list, list_items, only_run};
pub(crate) use self::records::{get, hurried, settle, spared};
pub(crate) use self::restore::restore_held;
pub use self::restore::{restore, restore_all};
pub(crate) use self::versions::delete_versions_by_rule;
pub use self::versions::{delete_collection, delete_unnamed, delete_version, restore_version};
pub use crate::entity::deletion::Model as Deletion;
pub use crate::entity::deletion_item::Model as DeletionItem;

/// Until when what is deleted now can be brought back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deadlines {
    /// Runs.
    pub(crate) runs: Timestamp,
    /// Versions of artifacts.
    pub(crate) artifacts: Timestamp,
}

impl Deadlines {
    /// Of what is deleted at that moment.
    pub(crate) fn from(now: Timestamp, retention: Retention) -> Self {
        Self { runs: now.after(retention.trash), artifacts: now.after(retention.artifacts) }
    }
}

/// What a deletion is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum DeletionKind {
    /// Runs of one project, and perhaps what they logged.
    Runs,
    /// Versions of artifacts of one project.
    Artifacts,
    /// A project with all that is in it.
    Project,
}

/// What became of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum DeletionState {
    /// In the trash until the deadline, all or in part.
    Pending,
    /// Undone.
    Restored,
    /// The rows are gone; the bytes follow by collection.
    Purged,
    /// Nothing was deleted.
    Void,
}

/// What an item of a deletion is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum ItemKind {
    /// A run.
    Run,
    /// A version of an artifact.
    Artifact,
    /// The place of such a version in a portfolio, as in a registry.
    Link,
}

/// What became of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum ItemState {
    /// In the trash until its deadline.
    Pending,
    /// Brought back.
    Restored,
    /// Gone; its bytes follow by collection.
    Purged,
    /// Left as it was.
    Kept,
}

/// What becomes of artifacts of a deleted run that are linked to a portfolio, as in a registry.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize,
)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum OnRegistryLink {
    /// They go, and their links with them.
    #[default]
    Delete,
    /// Of a run with such an artifact only the run goes.
    KeepArtifacts,
    /// Nothing happens at all.
    Abort,
}

/// What goes with deleted runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithRuns {
    /// Whether the artifacts that they logged go too. Restoring a run does not bring them back; they are restored by themselves.
    pub artifacts: bool,
    /// What becomes of those that are linked.
    pub on_registry_link: OnRegistryLink,
}

/// How runs are to be deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// What goes with them.
    pub with: WithRuns,
    /// Why, in free text.
    pub reason: Option<String>,
    /// The plan that was agreed to: what is not as it says is not deleted.
    pub plan_id: Option<String>,
}

/// Why something cannot be restored any more.
pub(crate) fn deadline_passed(kind: &str) -> crate::error::Error {
    crate::error::Error::Precondition {
        code: "DEADLINE_PASSED",
        reason: format!("the {kind} can no longer be restored: its deadline has passed"),
    }
}

/// The lifecycle, for runs that are found by their ids: [`dialect::unindexed`].
fn lifecycle_by_id() -> Expr {
    Expr::cust(dialect::unindexed!("run.lifecycle"))
}
