//! Runs that have reached an age: for what goes by itself.

use std::collections::HashSet;

use sea_orm::sea_query::{Expr, ExprTrait as _, Order, Query};
use sea_orm::{ConnectionTrait as _, FromQueryResult as _, Iterable as _};
use serde::{Deserialize, Serialize};

use super::Run;
use super::access::Access;
use crate::clock::Timestamp;
use crate::db::Source;
use crate::entity::run::{self, Column};
use crate::error::Result;
use crate::filter::{Compiler, RunFilter};
use crate::id::RunId;
use crate::project::Project;

/// What the age of a run counts from. That it was brought back counts as well, so that what is restored is as young as
/// a new run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Since {
    /// That it ended, and that its writer was last heard of.
    Ended,
    /// That it was made.
    Created,
}

impl Since {
    /// Runs are read in the order of this one, which is never later than the age begins.
    fn column(self) -> Column {
        match self {
            Self::Ended => Column::HeartbeatAt,
            Self::Created => Column::CreatedAt,
        }
    }

    fn place(self, run: &Run) -> Timestamp {
        match self {
            Self::Ended => run.heartbeat_at,
            Self::Created => run.created_at,
        }
    }

    /// When a run's age begins to count.
    pub(crate) fn begin(self, run: &Run) -> Timestamp {
        let ended = run.finished_at.filter(|_| self == Self::Ended);
        [Some(self.place(run)), ended, run.revived_at].into_iter().flatten().max().unwrap_or_default()
    }
}

/// Runs that a filter means and whose age began at `until` or before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due<'a> {
    pub(crate) filter: &'a RunFilter,
    pub(crate) since: Since,
    pub(crate) until: Timestamp,
}

/// Where a page of due runs ends.
pub(crate) type DuePlace = (Timestamp, RunId);

/// A page of `project`'s due runs, and where it ends, if there may be more.
pub(crate) async fn list_due(
    db: &impl Source,
    project: &Project,
    due: Due<'_>,
    after: Option<DuePlace>,
    limit: u64,
) -> Result<(Vec<Run>, Option<DuePlace>)> {
    let connection = db.connection();
    let compiler = Compiler::new(project, connection.get_database_backend());
    let mut query = Query::select();
    query.columns(Column::iter().map(|column| (run::Entity, column)));
    // Plan: ix_run_order_heartbeat_at or ix_run_listing, or the index of a condition that leaves few.
    let id = if let Some(access) = Access::for_all(connection, compiler, due.filter).await? {
        access.begin(&mut query, compiler.backend())
    } else {
        query.from(run::Entity);
        of_run(Column::Id)
    };
    query.cond_where(compiler.for_few().with_id(&id).condition(due.filter));
    let place = of_run(due.since.column());
    query.and_where(place.clone().lte(due.until));
    if let Some((at, after)) = after {
        let behind = place.clone().gt(at).or(of_run(Column::Id).gt(after));
        query.and_where(place.clone().gte(at)).and_where(behind);
    }
    query.order_by_expr(place, Order::Asc).order_by_expr(of_run(Column::Id), Order::Asc).limit(limit);
    let rows = connection.query_all(&query).await?;
    let mut runs = rows.iter().map(|row| Run::from_query_result(row, "")).collect::<Result<Vec<_>, _>>()?;
    let is_full = runs.len() as u64 == limit;
    let end = runs.last().filter(|_| is_full).map(|run| (due.since.place(run), run.id));
    runs.retain(|run| due.since.begin(run) <= due.until);
    Ok((runs, end))
}

fn of_run(column: Column) -> Expr {
    Expr::col((run::Entity, column))
}

/// Those of these runs of a project that a filter means.
pub(crate) async fn meant_by(
    db: &impl Source,
    project: &Project,
    filter: &RunFilter,
    ids: &[RunId],
) -> Result<HashSet<RunId>> {
    let connection = db.connection();
    let compiler = Compiler::new(project, connection.get_database_backend()).for_few();
    let mut query = Query::select();
    // Plan: the primary key.
    query
        .column((run::Entity, Column::Id))
        .from(run::Entity)
        .cond_where(compiler.condition(filter))
        .and_where(of_run(Column::Id).is_in(ids.iter().copied()));
    let rows = connection.query_all(&query).await?;
    Ok(rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?)
}
