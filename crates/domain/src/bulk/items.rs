//! The runs that a change is about, and what became of each.

use std::collections::BTreeMap;

use sea_orm::sea_query::{Expr, ExprTrait as _, Query, SelectStatement};
use sea_orm::{
    ActiveEnum as _, ColumnTrait as _, ConnectionTrait as _, EntityTrait as _, FromQueryResult,
    QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::{Outcome, Refused};
use crate::account::Caller;
use crate::db::{Source, WriteTx, dialect};
use crate::entity::{bulk_item, run};
use crate::error::{Error, Result};
use crate::filter::{Compiler, RunFilter};
use crate::id::RunId;
use crate::project::Project;
use crate::run as runs;
use crate::run::Lifecycle;

/// Runs that may be named one by one.
const MOST_NAMED: usize = 1000;

/// Which runs a change is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// All of a project that the filter means, as `Project.runs` takes it.
    Filter(String),
    /// These.
    Ids(Vec<RunId>),
}

impl Which {
    /// The filter, for the record.
    pub(super) fn filter(&self) -> &str {
        match self {
            Self::Filter(filter) => filter,
            Self::Ids(_) => "",
        }
    }

    /// Selects the ids of the runs that are meant now: of a filter, those in the trash where `in_trash`, else those that
    /// the filter itself asks for. Refuses a named run that is not in the project.
    pub(crate) async fn select(
        &self,
        db: &impl Source,
        caller: &Caller,
        project: &Project,
        in_trash: bool,
    ) -> Result<SelectStatement> {
        let mut ids = Query::select();
        ids.column((run::Entity, run::Column::Id)).from(run::Entity);
        match self {
            Self::Filter(filter) => {
                let filter = RunFilter::parse(filter)?;
                let lifecycle = if in_trash { Lifecycle::Deleted } else { filter.lifecycle() };
                let compiler = Compiler::new(project, db.connection().get_database_backend());
                ids.cond_where(compiler.condition_in(&filter, lifecycle));
            }
            Self::Ids(named) => {
                check_named(db, caller, project, named).await?;
                ids.and_where(Expr::col((run::Entity, run::Column::Id)).is_in(named.iter().copied()));
            }
        }
        Ok(ids)
    }
}

async fn check_named(db: &impl Source, caller: &Caller, project: &Project, named: &[RunId]) -> Result<()> {
    if named.len() > MOST_NAMED {
        return Err(Error::invalid("TOO_MANY", "ids", format!("at most {MOST_NAMED} at once; use a filter")));
    }
    let found = runs::find_many_including_deleted(db, caller, named).await?;
    for id in named {
        let there = found.get(id).ok_or_else(|| Error::not_found("run", id.to_node_id()))?;
        if there.project_id != project.id {
            let reason = "are of several projects; change those of one at once";
            return Err(Error::invalid("RUNS_OF_SEVERAL_PROJECTS", "ids", reason));
        }
    }
    Ok(())
}

/// Fixes the runs of a change. Answers how many they are.
pub(super) async fn fix(tx: &WriteTx, task_id: &str, mut ids: SelectStatement) -> Result<i64> {
    use bulk_item::Column;
    ids.expr(Expr::val(task_id)).expr(Expr::val(Outcome::Waiting.to_value()));
    let mut insert = Query::insert();
    insert
        .into_table(bulk_item::Entity)
        .columns([Column::RunId, Column::TaskId, Column::Outcome])
        .select_from(ids)
        .map_err(Error::internal)?;
    let fixed = tx.connection().execute(&insert).await?.rows_affected();
    i64::try_from(fixed).map_err(Error::internal)
}

/// The next runs of a change, after this one.
pub(super) async fn next(tx: &WriteTx, task_id: &str, after: RunId, limit: u64) -> Result<Vec<RunId>> {
    // Plan: the primary key of bulk_item.
    Ok(bulk_item::Entity::find()
        .select_only()
        .column(bulk_item::Column::RunId)
        .filter(bulk_item::Column::TaskId.eq(task_id))
        .filter(bulk_item::Column::RunId.gt(after))
        .order_by_asc(bulk_item::Column::RunId)
        .limit(limit)
        .into_tuple()
        .all(tx.connection())
        .await?)
}

/// Notes what became of these runs.
pub(super) async fn note(tx: &WriteTx, task_id: &str, ids: &[RunId], refused: &[Refused]) -> Result<()> {
    let mut by_reason: BTreeMap<&str, Vec<RunId>> = BTreeMap::new();
    for Refused { run_id, reason } in refused {
        by_reason.entry(reason).or_default().push(*run_id);
    }
    let changed = ids.iter().copied().filter(|id| refused.iter().all(|refused| refused.run_id != *id));
    set(tx, task_id, &changed.collect::<Vec<_>>(), Outcome::Changed, None).await?;
    for (reason, ids) in by_reason {
        set(tx, task_id, &ids, Outcome::Refused, Some(reason)).await?;
    }
    Ok(())
}

async fn set(
    tx: &WriteTx,
    task_id: &str,
    ids: &[RunId],
    outcome: Outcome,
    reason: Option<&str>,
) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    // Plan: the primary key of bulk_item.
    bulk_item::Entity::update_many()
        .col_expr(bulk_item::Column::Outcome, Expr::val(outcome.to_value()))
        .col_expr(bulk_item::Column::Reason, Expr::val(reason))
        .filter(bulk_item::Column::TaskId.eq(task_id))
        .filter(dialect::among(bulk_item::Column::RunId, ids))
        .exec(tx.connection())
        .await?;
    Ok(())
}

/// A run that a change is about.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct BulkItem {
    /// The run.
    pub run_id: RunId,
    /// The run id that users see.
    pub name: String,
    /// What became of it.
    pub outcome: Outcome,
    /// What stood in the way.
    pub reason: Option<String>,
}

/// The runs of a change that the caller asked for, in the order in which they are changed, after this one; of one
/// outcome where one is named.
pub async fn list_items(
    db: &impl Source,
    task_id: &str,
    outcome: Option<Outcome>,
    after: Option<RunId>,
    limit: u64,
) -> Result<Vec<BulkItem>> {
    // Plan: the primary keys of bulk_item and of run.
    let sql = "SELECT i.run_id, r.name, i.outcome, i.reason FROM bulk_item i JOIN run r ON r.id = i.run_id \
               WHERE i.task_id = $1 AND i.run_id > $2 AND ($3 = '' OR i.outcome = $3) ORDER BY i.run_id LIMIT $4";
    let outcome = outcome.map(|outcome| outcome.to_value()).unwrap_or_default();
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let values = [task_id.into(), after.unwrap_or(RunId(0)).into(), outcome.into(), limit.into()];
    let statement = dialect::statement(db.connection(), sql, values);
    Ok(BulkItem::find_by_statement(statement).all(db.connection()).await?)
}
