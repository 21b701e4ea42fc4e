//! Changes to many runs.

use async_graphql::{Context, Enum, ID, Object, SimpleObject};

use counterweight_domain::bulk::{self, BulkState as State, Outcome};

use crate::connection::{self, PageInfo};
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::scalars::{DateTime, Int64};

/// Refused runs that are named with the task itself.
const MOST_NAMED: u64 = 100;

/// A change to many runs: which they are was fixed when it was asked for. The first of them were changed then, the rest follow.
pub(crate) struct BulkTask(pub(crate) bulk::BulkTask);

/// Where a change to many runs stands.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "State")]
enum BulkState {
    /// There are more runs to look at.
    Underway,
    /// It waits for `resumeBulkTask`.
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
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "Outcome")]
enum BulkOutcome {
    /// Nothing yet.
    Waiting,
    /// It was changed, or was so already.
    Changed,
    /// It was left as it is.
    Refused,
}

/// A page of the runs that a change is about.
#[derive(SimpleObject)]
struct BulkItemConnection {
    /// One for each run.
    edges: Vec<BulkItemEdge>,
    /// Where the page ends.
    page_info: PageInfo,
}

/// A run in a list.
#[derive(SimpleObject)]
struct BulkItemEdge {
    /// The run.
    node: BulkItem,
    /// Its place in the list.
    cursor: String,
}

/// A run that a change is about.
#[derive(SimpleObject)]
struct BulkItem {
    /// Its global id.
    run_id: ID,
    /// Its run id.
    name: String,
    /// What became of it.
    outcome: BulkOutcome,
    /// What stood in the way.
    reason: Option<String>,
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
    async fn refused(&self, ctx: &Context<'_>) -> Result<Vec<RefusedRun>> {
        if self.0.refused_count == 0 {
            return Ok(Vec::new());
        }
        let db = &ctx.request()?.db;
        let found = bulk::list_items(db, &self.0.id, Some(Outcome::Refused), None, MOST_NAMED).await;
        let found = found.or_graphql()?.into_iter();
        Ok(found
            .map(|item| RefusedRun { name: item.name, reason: item.reason.unwrap_or_default() })
            .collect())
    }

    /// Each run that it is about, and what became of it so far.
    #[graphql(complexity = "connection::cost(first, child_complexity)")]
    async fn items(
        &self,
        ctx: &Context<'_>,
        outcome: Option<BulkOutcome>,
        after: Option<String>,
        first: Option<i32>,
    ) -> Result<BulkItemConnection> {
        let size = connection::page_size(first)?;
        let list = format!("runs of task {}", self.0.id);
        let after = connection::decode(&list, after.as_deref())?;
        let db = &ctx.request()?.db;
        let rows = bulk::list_items(db, &self.0.id, outcome.map(Into::into), after, size + 1).await;
        let (rows, has_next_page) = connection::cut(rows.or_graphql()?, size);
        let mut edges = Vec::with_capacity(rows.len());
        for row in rows {
            let cursor = connection::encode(&list, &row.run_id)?;
            let bulk::BulkItem { run_id, name, outcome, reason } = row;
            let node = BulkItem { run_id: run_id.to_node_id().into(), name, outcome: outcome.into(), reason };
            edges.push(BulkItemEdge { node, cursor });
        }
        let end_cursor = edges.last().map(|edge| edge.cursor.clone());
        Ok(BulkItemConnection { edges, page_info: PageInfo { end_cursor, has_next_page } })
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
