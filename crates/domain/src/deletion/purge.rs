//! From the trash to the tombstone.
//!
//! The run becomes its tombstone first: from that commit on nobody can restore it, whatever their clock says,
//! and what it leaves behind can go in as many steps as it takes. The deletion is complete when nothing is
//! left. Each step is one transaction and finds its place by itself, so the work can stop anywhere and start
//! again.

use sea_orm::{
    ActiveValue::NotSet, ActiveValue::Set, ColumnTrait as _, Condition, ConnectionTrait as _,
    EntityTrait as _, QueryFilter as _,
};

use super::DeletionState;
use crate::clock::Timestamp;
use crate::db::{Db, Source as _, WriteTx, dialect};
use crate::entity::{deletion, run};
use crate::error::{Error, Result};
use crate::id::RunId;
use crate::run::{Lifecycle, Tags};

/// Rows that one transaction removes.
pub(super) const BATCH: i64 = 1000;

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
    ("alert", "id"),
    ("run_artifact", "id"),
];

/// Where a purge stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purge {
    /// There is more to remove.
    Underway,
    /// Nothing is left but the tombstone. The bytes follow by collection.
    Complete,
    /// The deadline lies ahead; nothing was changed.
    NotBefore(Timestamp),
    /// The deletion was undone, or there never was such a one; nothing was changed.
    Withdrawn,
}

/// Removes what is left of a deleted run whose deadline has passed. Doing it twice is the same as doing it
/// once.
pub async fn purge(db: &Db, run_id: RunId, deletion_id: &str) -> Result<Purge> {
    loop {
        let progress = purge_step(db, run_id, deletion_id).await?;
        if progress != Purge::Underway {
            return Ok(progress);
        }
    }
}

/// One transaction of a [`purge`].
pub async fn purge_step(db: &Db, run_id: RunId, deletion_id: &str) -> Result<Purge> {
    let tx = db.begin_write().await?;
    let deletion = deletion::Entity::find_by_id(deletion_id)
        .filter(deletion::Column::RunId.eq(run_id))
        .one(tx.connection())
        .await?;
    match deletion.map(|deletion| deletion.state) {
        None | Some(DeletionState::Restored) => return Ok(Purge::Withdrawn),
        Some(DeletionState::Purged) => return Ok(Purge::Complete),
        Some(DeletionState::Pending) => {}
    }
    let overdue = Condition::all()
        .add(run::Column::Id.eq(run_id))
        .add(run::Column::Lifecycle.eq(Lifecycle::Deleted))
        .add(run::Column::PurgeAfter.lte(tx.now()));
    if bury(&tx, overdue).await? == 0 {
        let Some(run) = run::Entity::find_by_id(run_id).one(tx.connection()).await? else {
            return Err(Error::not_found("run", run_id.to_string()));
        };
        match (run.lifecycle, run.purge_after) {
            (Lifecycle::Purged, _) => {}
            (Lifecycle::Deleted, Some(purge_after)) => return Ok(Purge::NotBefore(purge_after)),
            _ => return Ok(Purge::Withdrawn),
        }
    }
    let emptied = remove_children(&tx, run_id, BATCH).await?.is_some();
    if emptied {
        complete(&tx, deletion_id).await?;
    }
    tx.commit().await?;
    Ok(if emptied { Purge::Complete } else { Purge::Underway })
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
    };
    let buried = run::Entity::update_many().set(tombstone).filter(which).exec(tx.connection()).await?;
    Ok(buried.rows_affected)
}

/// Removes up to `left` of the run's rows. Once nothing is left of them, answers how many more there could have been.
pub(super) async fn remove_children(tx: &WriteTx, run_id: RunId, mut left: i64) -> Result<Option<i64>> {
    for (table, key) in CHILDREN {
        // The index that starts with `run_id`, up to the limit; then the key.
        let sql = format!(
            "DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE run_id = $1 LIMIT $2)"
        );
        let statement = dialect::statement(tx.connection(), sql, [run_id.into(), left.into()]);
        let removed = tx.connection().execute_raw(statement).await?.rows_affected();
        left -= i64::try_from(removed).map_err(Error::internal)?;
        if left <= 0 {
            return Ok(None);
        }
    }
    Ok(Some(left))
}

async fn complete(tx: &WriteTx, deletion_id: &str) -> Result<()> {
    let change = deletion::ActiveModel {
        state: Set(DeletionState::Purged),
        ended_at: Set(Some(tx.now())),
        ..deletion::ActiveModel::default()
    };
    deletion::Entity::update_many()
        .set(change)
        .filter(deletion::Column::Id.eq(deletion_id))
        .filter(deletion::Column::State.eq(DeletionState::Pending))
        .exec(tx.connection())
        .await?;
    Ok(())
}
