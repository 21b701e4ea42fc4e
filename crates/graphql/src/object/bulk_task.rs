//! Changes to many runs.

use async_graphql::{Enum, ID, Object, SimpleObject};

use counterweight_domain::run::{self, BulkState as State};

use crate::scalars::{DateTime, Int64};

/// A change to all runs that a filter means. The first of them were changed when it was asked for, the rest follow.
pub(crate) struct BulkTask(pub(crate) run::BulkTask);

/// Where a change to many runs stands.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "State")]
enum BulkState {
    /// There are more runs to look at.
    Underway,
    /// Every run was changed or refused.
    Complete,
    /// Broken off, since a project that it is about was deleted.
    Stopped,
}

/// A run that was left as it is.
#[derive(SimpleObject)]
struct RefusedRun {
    /// Its run id.
    name: String,
    /// What stood in the way.
    reason: String,
}

#[Object]
impl BulkTask {
    /// Its id, to ask for it again.
    async fn id(&self) -> ID {
        self.0.id.clone().into()
    }

    /// Where it stands.
    async fn state(&self) -> BulkState {
        self.0.state.into()
    }

    /// How many runs matched when it was asked for.
    async fn matched_count(&self) -> Int64 {
        Int64(self.0.matched_count)
    }

    /// How many were changed so far.
    async fn changed_count(&self) -> Int64 {
        Int64(self.0.changed_count)
    }

    /// How many were left as they are so far.
    async fn refused_count(&self) -> Int64 {
        Int64(self.0.refused_count)
    }

    /// The first hundred of those.
    async fn refused(&self) -> Vec<RefusedRun> {
        let refused = self.0.refused.as_slice().iter().cloned();
        refused.map(|run::RefusedRun { name, reason }| RefusedRun { name, reason }).collect()
    }

    /// When it was asked for.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When it ended.
    async fn ended_at(&self) -> Option<DateTime> {
        self.0.ended_at.map(DateTime)
    }
}
