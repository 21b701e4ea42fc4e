//! How many bytes an entity, a project or a run has, by what will become of them.
//!
//! Files of runs are counted as they come and go, by triggers, in one row for each run (`run_storage`), since there are
//! very many of them and each belongs to one run. What may belong to several things (segments of forked runs, files of
//! artifacts) is counted when it is asked for, each blob once.

mod consumers;
mod queries;

use crate::clock::Timestamp;
use crate::id::{EntityId, ProjectId, RunId};

pub use self::consumers::{Consumer, ConsumerKind, Consumers, list_consumers};
pub(crate) use self::queries::of_runs;
pub use self::queries::{get, of_entity, unreferenced_bytes};

/// Whose bytes are meant. Whether the caller may know is for the door by which they found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// All projects of an entity, deleted ones too.
    Entity(EntityId),
    /// The runs and artifacts of a project.
    Project(ProjectId),
    /// Files and history of a run; its artifacts are the project's.
    Run(RunId),
}

/// Bytes, each counted once: as live where anything live refers to it, else as archived, and so on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of live runs and artifacts.
    pub live: i64,
    /// Of archived runs.
    pub archived: i64,
    /// Of what is deleted and can be restored.
    pub trash: i64,
    /// Of what is deleted for good and not collected yet.
    pub reclaimable: i64,
    /// Those of all these that more than one run or version of an artifact refers to.
    pub shared: i64,
    /// Those of all these that are lines in the database, as they were sent; the rest are objects in the bucket.
    pub database: i64,
    /// When the first of the trash is purged.
    pub purges_from: Option<Timestamp>,
    /// When the last of it is.
    pub purges_until: Option<Timestamp>,
}

impl Usage {
    /// All of them.
    pub fn total(&self) -> i64 {
        self.live + self.archived + self.trash + self.reclaimable
    }

    /// Those in the bucket.
    pub fn objects(&self) -> i64 {
        self.total() - self.database
    }
}
