//! Deletions.

use async_graphql::{Enum, ID, Object, SimpleObject};

use counterweight_domain::deletion::{self, DeletionState as State};

use crate::connection::PageInfo;
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

/// A deletion of a project and of all that was in it.
pub(crate) struct ProjectDeletion(pub(crate) deletion::ProjectDeletion);

/// A page of deleted projects.
#[derive(SimpleObject)]
pub(crate) struct ProjectDeletionConnection {
    /// One for each project.
    pub(crate) edges: Vec<ProjectDeletionEdge>,
    /// Where the page ends.
    pub(crate) page_info: PageInfo,
}

/// A deleted project in a list.
#[derive(SimpleObject)]
pub(crate) struct ProjectDeletionEdge {
    /// Its deletion.
    pub(crate) node: ProjectDeletion,
    /// Its place in the list.
    pub(crate) cursor: String,
}

#[Object]
impl ProjectDeletion {
    /// Its id.
    async fn id(&self) -> ID {
        self.0.id.clone().into()
    }

    /// The deleted project, as `restoreProject` takes it.
    async fn project_id(&self) -> ID {
        self.0.project_id.to_node_id().into()
    }

    /// The project's name.
    async fn project_name(&self) -> &str {
        &self.0.project_name
    }

    /// Its owner's name.
    async fn entity_name(&self) -> &str {
        &self.0.entity_name
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

    /// Runs, live and archived, that went with the project.
    async fn run_count(&self) -> Int64 {
        Int64(self.0.run_count)
    }
}
