//! One change to all runs that a filter means, however many: the first of them in the call's own transaction, the rest
//! by a job, each batch in a transaction of its own. It can stop anywhere and goes on where it was.

use std::fmt;
use std::str::FromStr;

use sea_orm::sea_query::{Expr, ExprTrait as _, Order, Query};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait as _, DeriveActiveEnum, DeriveValueType, EntityTrait,
    EnumIter, IntoActiveModel, QueryFilter, QuerySelect, Set,
};
use serde::{Deserialize, Serialize};

use super::edits::{self, RunEdit};
use super::{Run, load_for_update, moves};
use crate::account::{Caller, Role};
use crate::clock::Timestamp;
use crate::db::{Db, Source, WriteTx};
use crate::entity::bulk_task::{self, Model as BulkTask};
use crate::entity::run;
use crate::error::{Error, Result};
use crate::filter::{Compiler, RunFilter};
use crate::id::{ProjectId, RunId};
use crate::job::{self, JobKind};
use crate::project::{self, Project};

/// Runs that one transaction changes. A run has some hundred indexed values, which move with it.
const BATCH: u64 = 200;
/// Refused runs that are kept by name; more are only counted.
const MOST_NAMED: usize = 100;

/// What is done to each run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveValueType)]
#[serde(rename_all = "snake_case")]
#[sea_orm(value_type = "String")]
pub enum BulkChange {
    /// It goes to another project.
    Move {
        /// Which.
        destination: ProjectId,
    },
    /// Its tags and its group change.
    Edit(RunEdit),
}

/// Where a change to many runs stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum BulkState {
    /// There are more runs to look at.
    Underway,
    /// Every run was changed or refused.
    Complete,
    /// Broken off, since a project that it is about was deleted.
    Stopped,
}

/// A run that was left as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedRun {
    /// The run id that users see.
    pub name: String,
    /// What stood in the way.
    pub reason: String,
}

/// Runs that were left as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, DeriveValueType)]
#[sea_orm(value_type = "String")]
pub struct RefusedRuns(Vec<RefusedRun>);

impl RefusedRuns {
    /// The runs.
    pub fn as_slice(&self) -> &[RefusedRun] {
        &self.0
    }
}

macro_rules! stored_as_json {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                serde_json::to_string(self).map_err(|_| fmt::Error)?.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = serde_json::Error;

            fn from_str(text: &str) -> Result<Self, serde_json::Error> {
                serde_json::from_str(text)
            }
        }
    };
}
stored_as_json!(BulkChange);
stored_as_json!(RefusedRuns);

/// Moves all runs of `source` that `filter` means. A run whose id is taken in `destination` is refused and stays.
pub async fn move_many(
    tx: &WriteTx,
    caller: &Caller,
    source: &Project,
    filter: &str,
    destination: &Project,
) -> Result<BulkTask> {
    if source.id == destination.id {
        let reason = "the runs are there already";
        return Err(Error::invalid("DESTINATION_INVALID", "destinationProjectName", reason));
    }
    project::authorize(tx, caller, destination.id, Role::Member).await?;
    begin(tx, caller, source, filter, BulkChange::Move { destination: destination.id }).await
}

/// Changes tags and group of all runs of `project` that `filter` means.
pub async fn edit_many(
    tx: &WriteTx,
    caller: &Caller,
    project: &Project,
    filter: &str,
    edit: RunEdit,
) -> Result<BulkTask> {
    begin(tx, caller, project, filter, BulkChange::Edit(edit)).await
}

/// A change to many runs that the caller asked for.
pub async fn find_bulk_task(db: &impl Source, caller: &Caller, id: &str) -> Result<Option<BulkTask>> {
    let query = bulk_task::Entity::find_by_id(id).filter(bulk_task::Column::UserId.eq(caller.user_id));
    Ok(query.one(db.connection()).await?)
}

async fn begin(
    tx: &WriteTx,
    caller: &Caller,
    project: &Project,
    filter: &str,
    change: BulkChange,
) -> Result<BulkTask> {
    project::authorize(tx, caller, project.id, Role::Member).await?;
    let parsed = RunFilter::parse(filter)?;
    let matched = super::count(tx, project, &parsed).await?;
    let task = bulk_task::ActiveModel {
        id: Set(tx.env().uuid().to_string()),
        user_id: Set(caller.user_id),
        project_id: Set(project.id),
        filter: Set(filter.to_owned()),
        change: Set(change),
        state: Set(BulkState::Underway),
        after_created_at: Set(Timestamp(i64::MIN)),
        after_id: Set(RunId(0)),
        matched_count: Set(i64::try_from(matched).map_err(Error::internal)?),
        changed_count: Set(0),
        refused_count: Set(0),
        refused: Set(RefusedRuns::default()),
        created_at: Set(tx.now()),
        ended_at: Set(None),
    };
    let task = step(tx, task.insert(tx.connection()).await?).await?;
    if task.state == BulkState::Underway {
        job::enqueue(tx, &JobKind::ChangeRuns { task_id: task.id.clone() }, tx.now()).await?;
    }
    Ok(task)
}

/// The next batch of a change, in a transaction of its own; answers where the change stands then.
pub async fn continue_bulk_task(db: &Db, id: &str) -> Result<BulkState> {
    let tx = db.begin_write().await?;
    let task = bulk_task::Entity::find_by_id(id).lock_exclusive().one(tx.connection()).await?;
    let task = task.ok_or_else(|| Error::not_found("task", id))?;
    if task.state != BulkState::Underway {
        return Ok(task.state);
    }
    let task = step(&tx, task).await?;
    tx.commit().await?;
    Ok(task.state)
}

async fn step(tx: &WriteTx, task: BulkTask) -> Result<BulkTask> {
    let mut touched = vec![task.project_id];
    if let BulkChange::Move { destination } = task.change {
        touched.push(destination);
    }
    let held = project::hold(tx, &touched).await?;
    let source = project::find_live(tx, task.project_id).await?;
    let Some(source) = source.filter(|_| held.len() == touched.len()) else {
        return end(tx, task.into_active_model(), BulkState::Stopped).await;
    };
    let found = next(tx, &task, &source).await?;
    let is_last = found.len() < usize::try_from(BATCH).map_err(Error::internal)?;
    let ids: Vec<RunId> = found.iter().map(|(_, id)| *id).collect();
    let lifecycle = RunFilter::parse(&task.filter)?.lifecycle();
    let mut runs: Vec<Run> = load_for_update(tx, &ids).await?.into_values().collect();
    runs.retain(|run| run.project_id == source.id && run.lifecycle == lifecycle);
    runs.sort_by_key(|run| run.id);
    let tried = runs.len();
    let refused = match &task.change {
        BulkChange::Move { destination } => moves::apply(tx, source.id, *destination, runs).await?,
        BulkChange::Edit(edit) => edits::apply(tx, edit, runs).await?,
    };

    let count = |runs: usize| i64::try_from(runs).map_err(Error::internal);
    let mut named = task.refused.clone();
    let (changed, left) = (task.changed_count + count(tried - refused.len())?, count(refused.len())?);
    let room = MOST_NAMED.saturating_sub(named.0.len());
    named.0.extend(refused.into_iter().take(room));
    let left = task.refused_count + left;
    let mut row = task.into_active_model();
    if let Some((created_at, id)) = found.last() {
        row.after_created_at = Set(*created_at);
        row.after_id = Set(*id);
    }
    row.changed_count = Set(changed);
    row.refused_count = Set(left);
    row.refused = Set(named);
    if is_last { end(tx, row, BulkState::Complete).await } else { Ok(row.update(tx.connection()).await?) }
}

async fn end(tx: &WriteTx, mut row: bulk_task::ActiveModel, state: BulkState) -> Result<BulkTask> {
    row.state = Set(state);
    row.ended_at = Set(Some(tx.now()));
    Ok(row.update(tx.connection()).await?)
}

/// The next runs that the filter means, of those that there were when the task began.
async fn next(tx: &WriteTx, task: &BulkTask, project: &Project) -> Result<Vec<(Timestamp, RunId)>> {
    use run::Column::{CreatedAt, Id};
    let connection = tx.connection();
    let filter = RunFilter::parse(&task.filter)?;
    let compiler = Compiler::new(project, connection.get_database_backend());
    // Plan: ix_run_listing from the cursor on, looking at each run; few matches may be found by their own indexes.
    let many = u64::try_from(task.matched_count).is_ok_and(|matched| matched > BATCH);
    let compiler = if many { compiler.for_few() } else { compiler };
    let column = |column: run::Column| Expr::col((run::Entity, column));
    let later = column(CreatedAt)
        .gt(task.after_created_at)
        .or(column(CreatedAt).eq(task.after_created_at).and(column(Id).gt(task.after_id)));
    let mut query = Query::select();
    query
        .column((run::Entity, CreatedAt))
        .column((run::Entity, Id))
        .from(run::Entity)
        .cond_where(compiler.condition(&filter))
        .and_where(column(CreatedAt).gte(task.after_created_at))
        .and_where(column(CreatedAt).lte(task.created_at))
        .and_where(later)
        .order_by((run::Entity, CreatedAt), Order::Asc)
        .order_by((run::Entity, Id), Order::Asc)
        .limit(BATCH);
    let rows = connection.query_all(&query).await?;
    rows.iter().map(|row| Ok((row.try_get("", "created_at")?, row.try_get("", "id")?))).collect()
}
