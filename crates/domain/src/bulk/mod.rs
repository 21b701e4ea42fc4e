//! One change to many runs: which they are is fixed when it is asked for; the first of them are changed in the call's own
//! transaction, the rest by a job, each batch in a transaction of its own. It can stop anywhere and goes on where it was.

mod changes;
mod items;
mod task;

use sea_orm::{DeriveActiveEnum, EnumIter};

pub use self::changes::{
    archive_many, delete_files, delete_history, delete_many, edit_many, move_many, restore_many,
};
pub use self::items::{BulkItem, Which, list_items};
pub use self::task::{BulkChange, cancel, continue_task, find_task, pause, resume};
pub use crate::entity::bulk_task::Model as BulkTask;

/// Where a change to many runs stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum BulkState {
    /// There are more runs to look at.
    Underway,
    /// It waits until it is told to go on.
    Paused,
    /// Every run was changed or refused.
    Complete,
    /// It was told to end; what was changed stays so.
    Cancelled,
    /// Broken off: a project that it is about was deleted, or is held so that no run leaves it; or who asked for it may no longer
    /// do so.
    Stopped,
}

/// What became of a run that a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing yet.
    Waiting,
    /// It was changed, or was so already.
    Changed,
    /// It was left as it is.
    Refused,
}

/// A run that is left as it is, and what stands in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The run.
    pub(crate) run_id: crate::id::RunId,
    /// In words.
    pub(crate) reason: String,
}
