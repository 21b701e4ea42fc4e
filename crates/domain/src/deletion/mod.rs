//! Deleting, archiving and restoring runs; deleting and restoring projects.

mod commands;
mod projects;
mod purge;
mod purge_project;
#[cfg(test)]
mod purge_tests;

use sea_orm::{DeriveActiveEnum, EnumIter};

pub use self::commands::{
    ArchiveEnd, DeleteRun, Retention, archive, delete, delete_archived, restore, unarchive,
};
pub use self::projects::{ProjectDeletion, delete_project, list_projects, restore_project};
pub use self::purge::{Purge, purge, purge_step};
pub use self::purge_project::{purge_project, purge_project_step};
pub use crate::entity::deletion::Model as Deletion;

/// What became of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum DeletionState {
    /// In the trash until the deadline.
    Pending,
    /// Undone.
    Restored,
    /// The rows are gone; the bytes follow by collection.
    Purged,
}
