//! Deletions.

use async_graphql::{Enum, ID, Object};

use counterweight_domain::deletion::{self, DeletionState as State};

use crate::scalars::{DateTime, Int64};

/// A deletion: what was deleted, and what became of it.
pub(crate) struct Deletion(pub(crate) deletion::Deletion);

/// Where a deletion stands.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "State")]
enum DeletionState {
    /// In the trash until the deadline.
    Pending,
    /// Undone.
    Restored,
    /// The rows are gone; the bytes follow by collection.
    Purged,
}

#[Object]
impl Deletion {
    /// Its id.
    async fn id(&self) -> ID {
        self.0.id.clone().into()
    }

    /// The deleted run.
    async fn run_id(&self) -> ID {
        self.0.run_id.to_node_id().into()
    }

    /// Where it stands.
    async fn state(&self) -> DeletionState {
        self.0.state.into()
    }

    /// As the caller gave it.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// When it was asked for.
    async fn requested_at(&self) -> DateTime {
        DateTime(self.0.requested_at)
    }

    /// Until when it can be undone. Fixed when it was asked for.
    async fn purge_after(&self) -> DateTime {
        DateTime(self.0.purge_after)
    }

    /// When it was undone or completed.
    async fn ended_at(&self) -> Option<DateTime> {
        self.0.ended_at.map(DateTime)
    }

    /// Files of the run when it was deleted.
    async fn file_count(&self) -> Int64 {
        Int64(self.0.file_count)
    }

    /// Their bytes.
    async fn file_bytes(&self) -> Int64 {
        Int64(self.0.file_bytes)
    }
}
