//! From the trash to the tombstone.
//!
//! The run becomes its tombstone first: from that commit on nobody can restore it, whatever their clock says,
//! and what it leaves behind can go in as many steps as it takes. The deletion is complete when nothing is
//! left. Each step is one transaction and finds its place by itself, so the work can stop anywhere and start
//! again.

use sea_orm::sea_query::{Expr, ExprTrait as _, Order, Query};
use sea_orm::{
    ActiveEnum as _, ActiveValue::NotSet, ActiveValue::Set, ColumnTrait as _, Condition,
    ConnectionTrait as _, EntityTrait as _, QueryFilter as _,
};

use super::{
    Deletion, DeletionKind, DeletionState, ItemKind, ItemState, deadline, lifecycle_by_id, purge_project,
    records, versions,
};
use crate::audit::{self, Act, Action, SubjectKind, Topic};
use crate::clock::Timestamp;
use crate::db::{Db, Source as _, WriteTx, dialect};
use crate::entity::{deletion, run};
use crate::error::{Error, Result};
use crate::hold::{self, HoldKind, Target};
use crate::id::{ArtifactId, RunId};
use crate::job::{self, JobKind};
use crate::receipt::{self, Rows};
use crate::run::{Lifecycle, Tags};

/// Rows that one transaction removes.
const BATCH: i64 = 1000;
/// Runs or versions that one transaction buries.
const AT_ONCE: i64 = 100;

/// What belongs to a run, and the key by which its rows are told apart; each key starts an index with
/// `run_id`, or is a primary key found through one. Nothing here refers to another table here.
pub(super) const CHILDREN: &[(&str, &str)] = &[
    ("history_chunk", "id"),
    ("history_rollup", "run_id, key, level, first_line"),
    ("history_segment", "id"),
    ("history_span", "run_id, stream, writer, own_first"),
    ("history_stream", "run_id, stream"),
    ("run_value", "run_id, scope, path"),
    ("run_document", "run_id"),
    ("run_file", "id"),
    ("run_storage", "run_id"),
    ("alert", "id"),
    ("run_artifact", "id"),
    ("sweep_run", "id"),
];

/// Where a purge stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purge {
    /// There is more to remove.
    Underway,
    /// What it has in the trash has yet to get the deletion's deadline, by [`super::catch_up`]; nothing was changed.
    Behind,
    /// Nothing is left but the tombstones, or what was purged is all there is for now. The bytes follow by collection.
    Complete,
    /// The deadline lies ahead; nothing was changed.
    NotBefore(Timestamp),
    /// The deletion was undone, or there never was such a one; nothing was changed.
    Withdrawn,
    /// It is held; its release queues this again.
    Held,
}

/// Removes what is left of what a deletion put into the trash, as far as its deadline has passed. Doing it twice is the same as
/// doing it once.
pub async fn purge(db: &Db, deletion_id: &str) -> Result<Purge> {
    loop {
        match purge_step(db, deletion_id).await? {
            Purge::Underway => {}
            Purge::Behind => deadline::catch_up(db, deletion_id).await?,
            progress => return Ok(progress),
        }
    }
}

/// One transaction of a [`purge`].
pub async fn purge_step(db: &Db, deletion_id: &str) -> Result<Purge> {
    let tx = db.begin_write().await?;
    let record = deletion::Entity::find_by_id(deletion_id).one(tx.connection()).await?;
    let Some(record) = record else { return Ok(Purge::Withdrawn) };
    match record.state {
        DeletionState::Restored | DeletionState::Void => return Ok(Purge::Withdrawn),
        DeletionState::Purged => return Ok(Purge::Complete),
        DeletionState::Pending if record.extended_to.is_some() => return Ok(Purge::Behind),
        DeletionState::Pending => {}
    }
    let progress = match record.kind {
        DeletionKind::Project => purge_project::step(&tx, &record).await?,
        DeletionKind::Runs | DeletionKind::Artifacts => purge_items(&tx, &record).await?,
    };
    if matches!(progress, Purge::Underway | Purge::Complete | Purge::Held) {
        tx.commit().await?;
    }
    Ok(progress)
}

async fn purge_items(tx: &WriteTx, record: &Deletion) -> Result<Purge> {
    hold::freeze(tx).await?;
    let runs = take_due(tx, record, ItemKind::Run).await?;
    if runs.is_empty() {
        let versions = take_due(tx, record, ItemKind::Artifact).await?;
        if versions.is_empty() {
            return wait(tx, record).await;
        }
        versions::purge(tx, &record.id, versions, BATCH).await?;
    } else {
        purge_runs(tx, &record.id, runs.into_iter().map(RunId).collect()).await?;
    }
    records::settle(tx, &record.id).await?;
    // Held from here on. Who got more time while this was under way has it.
    let after = records::get(tx, &record.id).await?;
    if after.extended_to.is_some() {
        return Ok(Purge::Behind);
    }
    Ok(if after.state == DeletionState::Pending { Purge::Underway } else { Purge::Complete })
}

async fn purge_runs(tx: &WriteTx, deletion_id: &str, due: Vec<RunId>) -> Result<()> {
    let in_trash = Condition::all()
        .add(run::Column::Id.is_in(due.iter().copied()))
        .add(lifecycle_by_id().eq(Lifecycle::Deleted));
    bury(tx, in_trash).await?;
    if remove_children(tx, deletion_id, &due).await? {
        note_purged(tx, deletion_id, &due).await?;
    }
    Ok(())
}

/// Nothing can be purged now: perhaps something is held, perhaps something is not due.
async fn wait(tx: &WriteTx, record: &Deletion) -> Result<Purge> {
    let job = JobKind::PurgeDeletion { deletion_id: record.id.clone() };
    let runs = due(tx, record, ItemKind::Run, Held::Yes).await?;
    let runs: Vec<RunId> = runs.into_iter().map(RunId).collect();
    let versions = due(tx, record, ItemKind::Artifact, Held::Yes).await?;
    let versions: Vec<ArtifactId> = versions.into_iter().map(ArtifactId).collect();
    let parked = hold::parks(tx, Target::Runs(&runs), &job).await?
        || hold::parks(tx, Target::Versions(&versions), &job).await?;
    if record.urgent {
        // What is held stays for long, and is to be seen as it is.
        deadline::move_items(tx, &record.id, record.purge_after).await?;
    }
    match next_deadline(tx, &record.id).await? {
        Some(deadline) if parked => {
            job::enqueue(tx, &job, deadline).await?;
            Ok(Purge::Held)
        }
        Some(deadline) => Ok(Purge::NotBefore(deadline)),
        None if parked => Ok(Purge::Held),
        None => Ok(Purge::Withdrawn),
    }
}

/// Whether held things are meant, or the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    Yes,
    No,
}

/// The next things of a kind that are due and that no hold covers, locked.
async fn take_due(tx: &WriteTx, record: &Deletion, kind: ItemKind) -> Result<Vec<i64>> {
    loop {
        let seen = due(tx, record, kind, Held::No).await?;
        if seen.is_empty() {
            return Ok(seen);
        }
        lock(tx, kind, &seen).await?;
        // Once more under their locks: who was restored meanwhile stays, and who is in the trash again is so by another deletion.
        let mut still = due(tx, record, kind, Held::No).await?;
        still.retain(|id| seen.contains(id));
        if !still.is_empty() {
            return Ok(still);
        }
    }
}

/// In the order of their ids, as others do.
pub(super) async fn lock(tx: &WriteTx, kind: ItemKind, ids: &[i64]) -> Result<()> {
    let table = if kind == ItemKind::Run { "run" } else { "artifact" };
    let mut rows = Query::select();
    rows.column("id").from(table).and_where(Expr::col("id").is_in(ids.iter().copied()));
    rows.order_by("id", Order::Asc).lock_exclusive();
    tx.connection().query_all(&rows).await?;
    Ok(())
}

/// The next things of a kind of a deletion whose deadline has passed, or that are tombstones with something left below them.
async fn due(tx: &WriteTx, record: &Deletion, kind: ItemKind, held: Held) -> Result<Vec<i64>> {
    let (table, state, tombstone, free) = match kind {
        ItemKind::Run => ("run", "run.lifecycle", "'purged'", hold::no_hold_on_run()),
        ItemKind::Artifact => (
            "artifact",
            "artifact.state",
            "'deleted' AND artifact.purge_after IS NULL",
            hold::no_hold_on_version(),
        ),
        ItemKind::Link => return Ok(Vec::new()),
    };
    let which = if held == Held::Yes { format!("NOT {free}") } else { free };
    // Plan: ix_deletion_item_state, in its order, and the primary key of the table for each. With a join PostgreSQL may begin with
    // the table, and read and sort all of it for each batch.
    let sql = format!(
        "SELECT i.subject_id FROM deletion_item i WHERE i.deletion_id = $1 AND i.state = 'pending' AND i.kind = $4 \
         AND (SELECT {state} = {tombstone} OR ({state} = 'deleted' AND ($5 OR {table}.purge_after <= $2) AND {which}) \
         FROM {table} WHERE {table}.id = i.subject_id) ORDER BY i.subject_id LIMIT $3"
    );
    let (id, urgent) = (record.id.as_str(), record.urgent);
    let values = [id.into(), tx.now().into(), AT_ONCE.into(), kind.to_value().into(), urgent.into()];
    let rows = tx.connection().query_all_raw(dialect::statement(tx.connection(), sql, values)).await?;
    rows.iter().map(|row| Ok(row.try_get_by_index(0)?)).collect()
}

/// When the next of what a deletion has in the trash is due, where that lies ahead.
async fn next_deadline(tx: &WriteTx, deletion_id: &str) -> Result<Option<Timestamp>> {
    // Plan: the same, all of them.
    let sql = format!(
        "SELECT MIN(due) FROM (SELECT MIN(r.purge_after) AS due FROM deletion_item i \
         JOIN run r ON r.id = i.subject_id WHERE i.deletion_id = $1 AND i.state = 'pending' \
         AND i.kind = 'run' AND {} = 'deleted' AND r.purge_after > $2 \
         UNION ALL SELECT MIN(a.purge_after) FROM deletion_item i \
         JOIN artifact a ON a.id = i.subject_id WHERE i.deletion_id = $1 AND i.state = 'pending' \
         AND i.kind = 'artifact' AND {} = 'deleted' AND a.purge_after > $2) AS deadlines",
        dialect::unindexed!("r.lifecycle"),
        dialect::unindexed!("a.state")
    );
    let statement = dialect::statement(tx.connection(), sql, [deletion_id.into(), tx.now().into()]);
    let row = tx.connection().query_one_raw(statement).await?;
    let row = row.ok_or_else(|| Error::internal("MIN gave no row"))?;
    Ok(row.try_get_by_index(0)?)
}

async fn note_purged(tx: &WriteTx, deletion_id: &str, runs: &[RunId]) -> Result<()> {
    if runs.is_empty() {
        return Ok(());
    }
    let numbers: Vec<i64> = runs.iter().map(|id| id.0).collect();
    records::note(tx, deletion_id, ItemKind::Run, &numbers, ItemState::Purged).await?;
    audit::record(tx, Act::of_itself(Action::Purge), Topic::Runs(runs)).await?;
    receipt::items(tx, deletion_id, HoldKind::Run, runs).await?;
    receipt::purged(tx, deletion_id, SubjectKind::Run, &numbers).await
}

/// Makes tombstones: what keeps a run id taken, and nothing that its owner wrote. All columns are named, so that a new
/// one has to be decided about. Answers how many.
pub(super) async fn bury(tx: &WriteTx, which: Condition) -> Result<u64> {
    let tombstone = run::ActiveModel {
        id: NotSet,
        project_id: NotSet,
        user_id: NotSet,
        name: NotSet,
        display_name: Set(String::new()),
        state: NotSet,
        lifecycle: Set(Lifecycle::Purged),
        created_at: NotSet,
        updated_at: Set(tx.now()),
        heartbeat_at: NotSet,
        finished_at: NotSet,
        exit_code: Set(None),
        stop_requested: Set(false),
        group_name: Set(None),
        job_type: Set(None),
        host: Set(None),
        commit_hash: Set(None),
        program: Set(None),
        repo: Set(None),
        sweep_name: Set(None),
        description: Set(None),
        notes: Set(None),
        tags: Set(Tags::default()),
        archived_until: Set(None),
        deleted_at: NotSet,
        purge_after: NotSet,
        revived_at: Set(None),
    };
    let buried = run::Entity::update_many().set(tombstone).filter(which).exec(tx.connection()).await?;
    Ok(buried.rows_affected)
}

/// Removes a batch of the rows of these runs, for a deletion. Answers whether nothing is left of them.
pub(super) async fn remove_children(tx: &WriteTx, deletion_id: &str, runs: &[RunId]) -> Result<bool> {
    let ids: Vec<i64> = runs.iter().map(|id| id.0).collect();
    let mut left = BATCH;
    for (table, key) in CHILDREN {
        let rows = Rows { table, key, owner: "run_id", ids: &ids };
        left -= receipt::remove_rows(tx, Some(deletion_id), rows, left).await?;
        if left <= 0 {
            return Ok(false);
        }
    }
    Ok(true)
}
