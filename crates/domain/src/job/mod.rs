//! Work that must follow a write: queued in the transaction that makes it necessary, done by the worker.

mod backoff;
mod queue;
#[cfg(test)]
mod queue_tests;
mod schedule;

use sea_orm::{DeriveActiveEnum, EnumIter};
use serde::{Deserialize, Serialize};

pub use self::backoff::backoff;
pub use self::queue::{
    cancel, claim, enqueue, fail, finish, heartbeat, list_unsettled, postpone, prune, retry,
};
pub(crate) use self::queue::{hasten, reschedule};
pub use self::schedule::advance;
pub use crate::entity::job::Model as Job;
use crate::error::{Error, Result};
use crate::id::{ArtifactId, RunId};

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum JobState {
    /// Waiting for its time or for a runner.
    Ready,
    /// Claimed, under a lease.
    Running,
    /// Succeeded, or cancelled.
    Done,
    /// Given up.
    Dead,
}

/// What there is to do. The variant's name and fields are what the queue stores, so neither ever changes its
/// meaning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "payload", rename_all = "snake_case", deny_unknown_fields)]
pub enum JobKind {
    /// Remove the rows of what a deletion put into the trash, once the deadline has passed.
    PurgeDeletion {
        /// The deletion.
        deletion_id: String,
    },
    /// Delete a run whose archive period is over.
    DeleteArchivedRun {
        /// The run.
        run_id: RunId,
    },
    /// Go on with a change to many runs.
    ChangeRuns {
        /// The task that says which change.
        task_id: String,
    },
    /// Put live lines of a run's history into segments, and small segments into larger ones.
    MergeHistory {
        /// The run.
        run_id: RunId,
    },
    /// Make files to hand out of the history of a run that has ended.
    SettleHistory {
        /// The run.
        run_id: RunId,
    },
    /// Remove the rows of a deleted version of an artifact.
    PurgeArtifact {
        /// The version.
        artifact_id: ArtifactId,
    },
    /// Archive and delete what retention rules take.
    ApplyRetention,
    /// Delete versions whose time to live is over, and give up those that were never committed.
    ExpireArtifacts,
    /// Give up runs that nobody has heard of for too long.
    CrashStaleRuns,
    /// Remove bytes that nothing refers to.
    Collect,
    /// Give audit entries their places in the chain.
    SealAudit,
    /// Forget jobs that ended long ago, and the keys that runs were submitted under.
    PruneJobs,
}

impl JobKind {
    /// The name that the queue stores.
    pub fn name(&self) -> &'static str {
        match self {
            Self::PurgeDeletion { .. } => "purge_deletion",
            Self::DeleteArchivedRun { .. } => "delete_archived_run",
            Self::ChangeRuns { .. } => "change_runs",
            Self::MergeHistory { .. } => "merge_history",
            Self::SettleHistory { .. } => "settle_history",
            Self::PurgeArtifact { .. } => "purge_artifact",
            Self::ApplyRetention => "apply_retention",
            Self::ExpireArtifacts => "expire_artifacts",
            Self::CrashStaleRuns => "crash_stale_runs",
            Self::Collect => "collect",
            Self::SealAudit => "seal_audit",
            Self::PruneJobs => "prune_jobs",
        }
    }

    /// At most one job of a name waits or runs for each of these.
    pub fn dedupe_key(&self) -> String {
        match self {
            Self::PurgeDeletion { deletion_id } => deletion_id.clone(),
            Self::ChangeRuns { task_id } => task_id.clone(),
            Self::DeleteArchivedRun { run_id }
            | Self::MergeHistory { run_id }
            | Self::SettleHistory { run_id } => run_id.to_string(),
            Self::PurgeArtifact { artifact_id } => artifact_id.to_string(),
            Self::CrashStaleRuns
            | Self::ApplyRetention
            | Self::ExpireArtifacts
            | Self::Collect
            | Self::SealAudit
            | Self::PruneJobs => self.name().to_owned(),
        }
    }

    /// How often it is tried. A promised deadline is kept however long it takes; periodic work comes again
    /// anyway.
    fn max_attempts(&self) -> i32 {
        match self {
            Self::PurgeDeletion { .. }
            | Self::ChangeRuns { .. }
            | Self::DeleteArchivedRun { .. }
            | Self::MergeHistory { .. }
            | Self::SettleHistory { .. }
            | Self::PurgeArtifact { .. } => i32::MAX,
            Self::CrashStaleRuns
            | Self::ApplyRetention
            | Self::ExpireArtifacts
            | Self::Collect
            | Self::SealAudit
            | Self::PruneJobs => 5,
        }
    }

    fn payload(&self) -> Result<String> {
        let stored = serde_json::to_value(self).map_err(Error::internal)?;
        Ok(stored.get("payload").unwrap_or(&serde_json::Value::Null).to_string())
    }
}

impl Job {
    /// Reads what is to be done. Fails for a kind that this version does not know, and for a payload that
    /// does not fit its kind.
    pub fn parse(&self) -> Result<JobKind, serde_json::Error> {
        let payload: serde_json::Value = serde_json::from_str(&self.payload)?;
        let mut stored = serde_json::Map::from_iter([("kind".to_owned(), self.kind.clone().into())]);
        if !payload.is_null() {
            stored.insert("payload".to_owned(), payload);
        }
        serde_json::from_value(stored.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::id::JobId;

    fn stored(kind: &str, payload: &str) -> Job {
        Job {
            id: JobId(1),
            kind: kind.to_owned(),
            dedupe_key: None,
            payload: payload.to_owned(),
            state: JobState::Running,
            run_at: Timestamp(0),
            attempt: 1,
            max_attempts: 1,
            lease_owner: None,
            lease_until: None,
            last_error: None,
            created_at: Timestamp(0),
            finished_at: None,
        }
    }

    #[test]
    fn what_is_stored_reads_back() {
        for (kind, payload) in [
            (JobKind::PurgeDeletion { deletion_id: "d".to_owned() }, r#"{"deletion_id":"d"}"#),
            (JobKind::ChangeRuns { task_id: "t".to_owned() }, r#"{"task_id":"t"}"#),
            (JobKind::DeleteArchivedRun { run_id: RunId(7) }, r#"{"run_id":7}"#),
            (JobKind::PurgeArtifact { artifact_id: ArtifactId(7) }, r#"{"artifact_id":7}"#),
            (JobKind::ApplyRetention, "null"),
            (JobKind::ExpireArtifacts, "null"),
            (JobKind::CrashStaleRuns, "null"),
            (JobKind::Collect, "null"),
            (JobKind::SealAudit, "null"),
            (JobKind::PruneJobs, "null"),
        ] {
            let written: serde_json::Value = serde_json::from_str(&kind.payload().unwrap()).unwrap();
            assert_eq!(written, serde_json::from_str::<serde_json::Value>(payload).unwrap());
            assert_eq!(stored(kind.name(), payload).parse().unwrap(), kind);
        }
    }

    #[test]
    fn an_unknown_kind_or_field_is_refused_by_name() {
        let unknown = stored("make_coffee", "null").parse().unwrap_err().to_string();
        assert!(unknown.contains("make_coffee"), "{unknown}");
        let field =
            stored("delete_archived_run", r#"{"run_id":7,"force":true}"#).parse().unwrap_err().to_string();
        assert!(field.contains("force"), "{field}");
    }
}
