//! What can be seen. Each object is the domain's record, with fields that need more loaded on demand.

mod account;
mod deletion;
mod file;
mod history;
mod project;
mod run;
mod run_info;

pub(crate) use self::account::{Entity, Organization, User};
pub(crate) use self::deletion::Deletion;
pub(crate) use self::file::File;
use self::file::FileConnection;
use self::history::{LogLineConnection, ParquetHistory};
pub(crate) use self::project::{Project, ProjectConnection, ProjectEdge};
pub(crate) use self::run::{Run, RunConnection, RunEdge};
use self::run_info::RunInfo;
