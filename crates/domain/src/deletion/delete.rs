//! Runs into the trash: unreachable at once, restorable until their deadline, which is fixed here.

use std::collections::{BTreeSet, HashMap};

use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{ActiveEnum as _, ColumnTrait, EntityTrait, FromQueryResult, QueryFilter};

use super::archive::{cancel_archive_deadline, lock, look};
use super::records::{self, Growth, NewItem};
use super::scope::{Fate, Scope, refuse};
use super::{
    Deadlines, Deletion, DeletionKind, ItemKind, ItemState, OnRegistryLink, Wish, WithRuns, lifecycle_by_id,
    plan, versions,
};
use crate::account::Caller;
use crate::artifact::NamedPlace;
use crate::audit::{self, Act, Action, Counts, Topic};
use crate::bulk::{Refused, Which};
use crate::clock::Timestamp;
use crate::db::{Source, WriteTx, dialect};
use crate::entity::run as run_entity;
use crate::error::{Error, Result};
use crate::hold::{self, Target};
use crate::id::{ArtifactId, ProjectId, RunId, UserId};
use crate::project::Project;
use crate::retention::Retention;
use crate::run::{Lifecycle, Run};

/// Deletes a run, or nothing: unreachable at once, restorable until the deadline that is fixed here. Deleting it again answers
/// with the same deletion, since the client repeats a call whose answer was lost. `HELD`, `ALIAS_PROTECTED`, `REGISTRY_KEEPS` or
/// `REGISTRY_LINKED` when artifacts that were to go have to stay; `PLAN_STALE` when the plan is not true any more.
pub async fn delete(
    tx: &WriteTx,
    caller: &Caller,
    id: RunId,
    wish: Wish,
    retention: Retention,
) -> Result<Deletion> {
    look(tx, caller, id).await?;
    hold::check(tx, Target::Runs(&[id])).await?;
    let found = lock(tx, caller, id).await?;
    if let Some(plan_id) = &wish.plan_id {
        plan::check(tx, caller, &[id], wish.with, plan_id).await?;
    }
    let scope = Scope::load(tx, caller, &[id], wish.with).await?;
    scope.check(id)?;
    let repeated = if found.lifecycle == Lifecycle::Deleted {
        records::pending_of(tx, ItemKind::Run, id.0).await?
    } else {
        None
    };
    let retention = retention.of_project(tx, found.project_id).await?;
    let deadlines = Deadlines::from(tx.now(), retention);
    let record = if let Some(pending) = repeated {
        if pending.urgent {
            // Nothing more goes with what cannot be restored.
            return Ok(pending);
        }
        pending
    } else {
        let record = open(tx, caller.user_id, found.project_id, &wish, None, deadlines).await?;
        let act = Act::by(caller.user_id, Action::Delete).because(record.reason.as_deref());
        put_away(tx, act, &record.id, record.purge_after, vec![found]).await?;
        record
    };
    take_artifacts(tx, caller, &record, &scope, &[id], deadlines.artifacts).await?;
    records::get(tx, &record.id).await
}

/// Begins the record of a deletion of runs, with nothing in it.
pub(crate) async fn open(
    tx: &WriteTx,
    user_id: UserId,
    project_id: ProjectId,
    wish: &Wish,
    task_id: Option<String>,
    deadlines: Deadlines,
) -> Result<Deletion> {
    records::open(tx, DeletionKind::Runs, user_id, project_id, wish, task_id, deadlines.runs).await
}

/// Deletes held runs of one project, all by one deletion, for nobody's wish but a rule's, which `user_id` answers for;
/// `settings` is what the settings say of periods.
pub(crate) async fn delete_by_rule(
    tx: &WriteTx,
    user_id: UserId,
    reason: &str,
    settings: Retention,
    runs: Vec<Run>,
) -> Result<()> {
    let Some(project_id) = runs.first().map(|run| run.project_id) else { return Ok(()) };
    let wish = Wish { reason: Some(reason.to_owned()), ..Wish::default() };
    let retention = settings.of_project(tx, project_id).await?;
    let until = tx.now().after(retention.trash);
    let record = records::open(tx, DeletionKind::Runs, user_id, project_id, &wish, None, until).await?;
    let act = Act::of_itself(Action::Expire).because(Some(reason));
    put_away(tx, act, &record.id, record.purge_after, runs).await
}

/// Refuses a deletion of many runs as a whole: where it is not what was planned, or where one of them has an artifact in a
/// registry and that was to stop everything.
pub(crate) async fn check_many(
    tx: &WriteTx,
    caller: &Caller,
    project: &Project,
    which: &Which,
    wish: &Wish,
) -> Result<()> {
    let aborts = wish.with.artifacts && wish.with.on_registry_link == OnRegistryLink::Abort;
    if wish.plan_id.is_none() && !aborts {
        return Ok(());
    }
    let ids = plan::select(tx, caller, project, which).await?;
    if let Some(plan_id) = &wish.plan_id {
        plan::check(tx, caller, &ids, wish.with, plan_id).await?;
    }
    if aborts {
        for batch in ids.chunks(plan::BATCH) {
            let scope = Scope::load(tx, caller, batch, wish.with).await?;
            let found: Vec<_> = batch.iter().flat_map(|id| scope.obstacles(*id)).collect();
            refuse(&found)?;
        }
    }
    Ok(())
}

/// Deletes held runs by a deletion that is open. Answers those that something keeps.
pub(crate) async fn delete_held(
    tx: &WriteTx,
    caller: &Caller,
    deletion_id: &str,
    with: WithRuns,
    deadlines: Deadlines,
    runs: Vec<Run>,
) -> Result<Vec<Refused>> {
    let ids: Vec<RunId> = runs.iter().map(|run| run.id).collect();
    let scope = Scope::load(tx, caller, &ids, with).await?;
    let (mut going, mut refused) = (Vec::with_capacity(runs.len()), Vec::new());
    for run in runs {
        match scope.check(run.id) {
            Ok(()) => going.push(run),
            Err(error) => refused.push(Refused { run_id: run.id, reason: error.to_string() }),
        }
    }
    let ids: Vec<RunId> = going.iter().map(|run| run.id).collect();
    let record = records::get(tx, deletion_id).await?;
    let act = Act::by(caller.user_id, Action::Delete).because(record.reason.as_deref());
    put_away(tx, act, deletion_id, deadlines.runs, going).await?;
    take_artifacts(tx, caller, &record, &scope, &ids, deadlines.artifacts).await?;
    Ok(refused)
}

#[derive(FromQueryResult)]
struct Weight {
    run_id: RunId,
    file_count: i64,
    file_bytes: i64,
}

async fn weigh(tx: &WriteTx, ids: &[RunId]) -> Result<HashMap<RunId, Weight>> {
    // Plan: ux_run_file_run_id_name, then blob's primary key.
    let sql = "SELECT f.run_id, COUNT(*) AS file_count, CAST(COALESCE(SUM(b.size_bytes), 0) AS BIGINT) AS file_bytes \
         FROM run_file f JOIN blob b ON b.id = f.blob_id WHERE f.run_id = ANY($1) GROUP BY f.run_id";
    let statement = dialect::statement(tx.connection(), sql, [dialect::list(ids)]);
    let rows = Weight::find_by_statement(statement).all(tx.connection()).await?;
    Ok(rows.into_iter().map(|row| (row.run_id, row)).collect())
}

/// Puts held runs, live or archived, into the trash.
async fn put_away(
    tx: &WriteTx,
    act: Act<'_>,
    deletion_id: &str,
    purge_after: Timestamp,
    runs: Vec<Run>,
) -> Result<()> {
    use run_entity::Column;
    if runs.is_empty() {
        return Ok(());
    }
    let ids: Vec<RunId> = runs.iter().map(|run| run.id).collect();
    let weights = weigh(tx, &ids).await?;
    for run in &runs {
        cancel_archive_deadline(tx, run).await?;
    }
    let weighed = ids.iter().map(|id| {
        let weight = weights.get(id).map_or((0, 0), |weight| (weight.file_count, weight.file_bytes));
        (*id, Counts::of(&[("files", weight.0), ("bytes", weight.1)]))
    });
    audit::record(tx, act, Topic::Weighed(&weighed.collect::<Vec<_>>())).await?;
    let moved = run_entity::Entity::update_many()
        .col_expr(Column::Lifecycle, Expr::value(Lifecycle::Deleted.to_value()))
        .col_expr(Column::ArchivedUntil, Expr::value(None::<Timestamp>))
        .col_expr(Column::DeletedAt, Expr::value(tx.now()))
        .col_expr(Column::PurgeAfter, Expr::value(purge_after))
        .col_expr(Column::UpdatedAt, Expr::value(tx.now()))
        .filter(Column::Id.is_in(ids.iter().copied()))
        .filter(lifecycle_by_id().is_in([Lifecycle::Live, Lifecycle::Archived]))
        .exec(tx.connection())
        .await?;
    if usize::try_from(moved.rows_affected).ok() != Some(ids.len()) {
        return Err(Error::Conflict { reason: "a run was deleted or restored meanwhile".to_owned() });
    }
    let mut growth = Growth { runs: i64::try_from(ids.len()).map_err(Error::internal)?, ..Growth::default() };
    let items = runs.into_iter().map(|run| {
        let weight = weights.get(&run.id);
        let (file_count, file_bytes) = weight.map_or((0, 0), |weight| (weight.file_count, weight.file_bytes));
        growth.files += file_count;
        growth.bytes += file_bytes;
        NewItem {
            file_count,
            file_bytes,
            ..NewItem::new(ItemKind::Run, run.id.0, run.name, ItemState::Pending)
        }
    });
    let items = items.collect();
    records::add_items(tx, deletion_id, items).await?;
    records::grow(tx, deletion_id, growth, purge_after).await
}

/// Deletes what these runs made, where it is to go with them, and notes what became of it.
async fn take_artifacts(
    tx: &WriteTx,
    caller: &Caller,
    record: &Deletion,
    scope: &Scope,
    runs: &[RunId],
    purge_after: Timestamp,
) -> Result<()> {
    // Several runs may have logged the same.
    let (mut going, mut kept) = (BTreeSet::new(), Vec::new());
    for run in runs {
        for made in scope.made(*run) {
            if scope.fate(*run) == Fate::Go {
                going.insert(made.artifact_id);
                continue;
            }
            let home = scope.places(made.artifact_id).iter().find(|place| !place.is_link);
            let name = home.map_or_else(|| made.name.clone(), |place| place.path.clone());
            let detail = Some("an artifact of its run is linked to a registry".to_owned());
            let item = NewItem::new(ItemKind::Artifact, made.artifact_id.0, name, ItemState::Kept);
            kept.push(NewItem { detail, ..item });
        }
    }
    let going: Vec<ArtifactId> = going.into_iter().collect();
    let places: Vec<NamedPlace> = going.iter().flat_map(|id| scope.places(*id)).cloned().collect();
    let act = Act::by(caller.user_id, Action::Delete).because(record.reason.as_deref());
    versions::put_away(tx, act, &record.id, &going, &places, purge_after).await?;
    records::add_items(tx, &record.id, kept).await
}
