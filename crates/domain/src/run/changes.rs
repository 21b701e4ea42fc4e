//! What changed in a project since a page last asked. One statement, which reads what changed and nothing else.

use sea_orm::sea_query::{Alias, CaseStatement, Expr, ExprTrait as _, JoinType, Order, Query};
use sea_orm::{ConnectionTrait as _, FromQueryResult as _, Iterable as _};

use super::Run;
use crate::db::Source;
use crate::db::page::{self, ListId, MOST_ITEMS, SortValue, cursor_invalid};
use crate::entity::{run, run_change};
use crate::error::Result;
use crate::filter::{Compiler, RunFilter};
use crate::id::RunId;
use crate::project::Project;

/// What changed. A run that changed several times is there once, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// Runs that a filter means and that are new, changed or restored.
    pub runs: Vec<Run>,
    /// Runs that changed and that the filter does not mean, or no longer: most of them were archived, deleted or
    /// moved.
    pub gone: Vec<RunId>,
    /// What to ask with next.
    pub cursor: String,
    /// Whether there are more already.
    pub has_more: bool,
}

/// The next `first` changes after a cursor; without one, no changes and the cursor of this moment. Heartbeats, system
/// metrics and lines of history are no changes. A cursor is good for any filter.
///
/// Nothing is left out, in whichever order transactions commit: see the migration that makes `run_change`.
pub async fn list_changes(
    db: &impl Source,
    project: &Project,
    filter: &RunFilter,
    first: u64,
    after: Option<&str>,
) -> Result<Changes> {
    let list = ListId::new(&["changes", &project.id.to_string()]);
    let cursor = |number| page::encode_cursor(list, &[SortValue::Integer(number)]);
    let Some(after) = after else {
        return Ok(Changes {
            runs: Vec::new(),
            gone: Vec::new(),
            cursor: cursor(last(db, project).await?)?,
            has_more: false,
        });
    };
    let [SortValue::Integer(after)] = page::decode_cursor(list, after)?[..] else {
        return Err(cursor_invalid());
    };
    let first = first.clamp(1, MOST_ITEMS);
    let rows = db.connection().query_all(&statement(db, project, filter, first + 1, after)).await?;
    let page_len = usize::try_from(first).unwrap_or(usize::MAX);
    let (mut runs, mut gone, mut end) = (Vec::new(), Vec::new(), after);
    for row in rows.iter().take(page_len) {
        end = row.try_get("", "change_number")?;
        if row.try_get("", "wanted")? {
            runs.push(Run::from_query_result(row, "")?);
        } else {
            gone.push(row.try_get("", "changed_id")?);
        }
    }
    Ok(Changes { runs, gone, cursor: cursor(end)?, has_more: rows.len() > page_len })
}

/// The number of a project's last change.
async fn last(db: &impl Source, project: &Project) -> Result<i64> {
    // Plan: one row of ix_run_change_number.
    let mut query = Query::select();
    query
        .expr_as(Expr::col(run_change::Column::Number).max(), "last")
        .from(run_change::Entity)
        .and_where(Expr::col(run_change::Column::ProjectId).eq(project.id));
    let row = db.connection().query_one(&query).await?;
    let last = row.map(|row| row.try_get::<Option<i64>>("", "last")).transpose()?;
    Ok(last.flatten().unwrap_or_default())
}

/// Plan: a range of `ix_run_change_number`, then each run by its id, and its values by theirs.
fn statement(
    db: &impl Source,
    project: &Project,
    filter: &RunFilter,
    limit: u64,
    after: i64,
) -> sea_orm::sea_query::SelectStatement {
    let change = |column: run_change::Column| Expr::col((run_change::Entity, column));
    let compiler = Compiler::new(project, db.connection().get_database_backend()).for_few();
    let wanted = CaseStatement::new().case(compiler.condition(filter), Expr::cust("TRUE"));
    Query::select()
        .columns(run::Column::iter().map(|column| (run::Entity, column)))
        .expr_as(change(run_change::Column::Number), "change_number")
        .expr_as(change(run_change::Column::RunId), "changed_id")
        .expr_as(wanted.finally(Expr::cust("FALSE")), Alias::new("wanted"))
        .from(run_change::Entity)
        .join(
            JoinType::LeftJoin,
            run::Entity,
            Expr::col((run::Entity, run::Column::Id)).equals((run_change::Entity, run_change::Column::RunId)),
        )
        .and_where(change(run_change::Column::ProjectId).eq(project.id))
        .and_where(change(run_change::Column::Number).gt(after))
        .order_by((run_change::Entity, run_change::Column::Number), Order::Asc)
        .limit(limit)
        .take()
}
