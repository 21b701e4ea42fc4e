//! What can be seen. Each object is the domain's record, with fields that need more loaded on demand.

mod account;
mod alert;
mod bulk_task;
mod deletion;
mod file;
mod history;
mod project;
mod run;
mod run_changes;
mod run_fields;
mod run_groups;
mod run_info;

pub(crate) use self::account::{Entity, Organization, User, UserConnection};
use self::alert::AlertConnection;
pub(crate) use self::alert::AlertSeverity;
pub(crate) use self::bulk_task::BulkTask;
pub(crate) use self::deletion::{Deletion, ProjectDeletion, ProjectDeletionConnection, ProjectDeletionEdge};
pub(crate) use self::file::File;
use self::file::FileConnection;
use self::history::{LogLineConnection, ParquetHistory};
pub(crate) use self::project::{Project, ProjectConnection, ProjectEdge};
pub(crate) use self::run::{Run, RunConnection, RunEdge};
use self::run_changes::RunChanges;
use self::run_fields::{RunFieldConnection, RunFieldSource};
use self::run_groups::RunGroupConnection;
use self::run_info::RunInfo;
