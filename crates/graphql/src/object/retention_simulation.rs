//! What a rule would do.

use async_graphql::{Enum, ID, Object, SimpleObject};

use counterweight_domain::retention::{self, Day, Kept, Simulated, Subject};

use super::RetentionAction;
use crate::connection;
use crate::error::Result;
use crate::scalars::{DateTime, Int64};

/// What a rule would do if it were applied at a moment. Asking changes nothing; the next pass does the same, if nothing else
/// changes and no other rule takes something before.
pub(crate) struct RetentionSimulation(pub(crate) retention::Simulation);

/// What keeps a thing from a rule.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "Kept")]
enum RetentionKept {
    /// Its writer is expected to be heard of.
    Running,
    /// An administrator holds it.
    Held,
    /// A registry has it, or a protected alias names it.
    Protected,
    /// It has a tag that keeps it.
    Tagged,
    /// It is linked; of a run: what it logged has a link or an alias.
    Linked,
    /// It has an alias.
    Aliased,
    /// It is among the youngest.
    Last,
    /// It is among the youngest of its group.
    LastOfGroup,
    /// It is among the best.
    Best,
}

/// A run or a version that has reached the age of a rule.
#[derive(SimpleObject)]
struct RetentionItem {
    /// Its global id.
    id: ID,
    /// `entity/project/run` or `entity/project/collection:v0`.
    path: String,
    /// When it reached the age.
    due_at: DateTime,
    /// Whether the rule would take it.
    taken: bool,
    /// Else, what keeps it.
    kept: Option<RetentionKept>,
    /// The bytes of a thing that would be taken.
    bytes: Int64,
}

/// What would have been taken on a day.
#[derive(SimpleObject)]
struct RetentionDay {
    /// When it began, in UTC.
    begins_at: DateTime,
    /// How many things.
    count: Int64,
    /// Their bytes.
    bytes: Int64,
}

fn count(number: u64) -> Int64 {
    Int64(i64::try_from(number).unwrap_or(i64::MAX))
}

impl From<&Simulated> for RetentionItem {
    fn from(item: &Simulated) -> Self {
        let id = match item.subject {
            Subject::Run(id) => id.to_node_id(),
            Subject::Version(id) => id.to_node_id(),
        };
        Self {
            id: id.into(),
            path: item.path.clone(),
            due_at: DateTime(item.due_at),
            taken: item.kept.is_none(),
            kept: item.kept.map(Into::into),
            bytes: Int64(item.bytes),
        }
    }
}

#[Object]
impl RetentionSimulation {
    /// The moment.
    async fn at(&self) -> DateTime {
        DateTime(self.0.at)
    }

    /// What would become of what it takes.
    async fn action(&self) -> RetentionAction {
        self.0.action.into()
    }

    /// How many things it would take.
    async fn taken_count(&self) -> Int64 {
        count(self.0.taken_count)
    }

    /// Their bytes: of runs those of files and history, without artifacts. What several of them share counts for each.
    async fn taken_bytes(&self) -> Int64 {
        Int64(self.0.taken_bytes)
    }

    /// How many have reached the age and would stay.
    async fn kept_count(&self) -> Int64 {
        count(self.0.kept_count)
    }

    /// The first things that have reached the age, each taken or kept; at most a thousand.
    #[graphql(complexity = "connection::cost(first, child_complexity)")]
    async fn items(&self, first: Option<i32>) -> Result<Vec<RetentionItem>> {
        let first = usize::try_from(connection::page_size(first)?).unwrap_or(usize::MAX);
        Ok(self.0.items.iter().take(first).map(Into::into).collect())
    }

    /// What would have been taken on each of the 30 days before, had the rule been there; days without anything are left out.
    async fn days(&self) -> Vec<RetentionDay> {
        let days = self.0.days.iter().copied();
        days.map(|Day { begins_at, count: things, bytes }| RetentionDay {
            begins_at: DateTime(begins_at),
            count: count(things),
            bytes: Int64(bytes),
        })
        .collect()
    }

    /// Whether everything was looked at. After 100 000 things there may be more.
    async fn complete(&self) -> bool {
        self.0.complete
    }
}
