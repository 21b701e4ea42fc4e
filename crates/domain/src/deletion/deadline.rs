//! Deadlines that are moved. They are fixed when something is deleted, and only these verbs change them.

use sea_orm::{ColumnTrait as _, ConnectionTrait as _, EntityTrait as _, QueryFilter as _, Set};

use super::{Deletion, DeletionKind, DeletionState, ItemKind, purge, records};
use crate::account::{Caller, Role};
use crate::clock::Timestamp;
use crate::db::{Db, Source as _, WriteTx, dialect};
use crate::entity::deletion::{ActiveModel, Column, Entity};
use crate::error::{Error, Result};
use crate::hold::{self, Target};
use crate::job::{self, JobKind};
use crate::project;

/// Things per transaction.
const BATCH: u64 = 500;
/// A table, and its column that says what is in the trash.
const RUNS: (&str, &str) = ("run", dialect::unindexed!("lifecycle"));
const VERSIONS: (&str, &str) = ("artifact", dialect::unindexed!("state"));

/// Gives what is in the trash by this deletion more time. `DEADLINE_INVALID` for a moment that is not later than the deadline.
pub async fn extend(tx: &WriteTx, caller: &Caller, id: &str, until: Timestamp) -> Result<Deletion> {
    let record = pending(tx, caller, id).await?;
    project::authorize(tx, caller, record.project_id, Role::Member).await?;
    // By the clock of another server, what is to go at once may lie ahead still.
    if record.urgent || record.purge_after <= tx.now() {
        return Err(super::deadline_passed("deletion"));
    }
    if until <= record.purge_after {
        return Err(Error::invalid("DEADLINE_INVALID", "purgeAfter", "must be later than the deadline is"));
    }
    // Of a hundred thousand things one row is changed; each gets it by the job that would purge them.
    let extended_to = Some(until).filter(|_| record.kind != DeletionKind::Project);
    let moved =
        ActiveModel { purge_after: Set(until), extended_to: Set(extended_to), ..ActiveModel::default() };
    set(tx, record, moved).await
}

/// Gives what a deletion has in the trash the deadline that it was given, in batches.
pub async fn catch_up(db: &Db, id: &str) -> Result<()> {
    let record = Entity::find_by_id(id).one(db.connection()).await?;
    let Some(until) = record.and_then(|record| record.extended_to) else { return Ok(()) };
    for kind in [ItemKind::Run, ItemKind::Artifact] {
        let mut after = 0;
        while let Some(last) = move_some(db, id, until, (kind, after)).await? {
            after = last;
        }
    }
    let tx = db.begin_write().await?;
    // Unless it was moved once more.
    Entity::update_many()
        .set(ActiveModel { extended_to: Set(None), ..ActiveModel::default() })
        .filter(Column::Id.eq(id))
        .filter(Column::ExtendedTo.eq(until))
        .exec(tx.connection())
        .await?;
    tx.commit().await
}

/// Moves the deadlines of the next things of a kind, after this one. Answers the last of them.
async fn move_some(
    db: &Db,
    id: &str,
    until: Timestamp,
    (kind, after): (ItemKind, i64),
) -> Result<Option<i64>> {
    let tx = db.begin_write().await?;
    let ids = records::pending(&tx, id, (kind, after), Some(BATCH)).await?;
    let Some(last) = ids.last().copied() else { return Ok(None) };
    purge::lock(&tx, kind, &ids).await?;
    // Once more under their locks: some may be back, and in the trash by another deletion.
    let mut still = records::pending(&tx, id, (kind, after), Some(BATCH)).await?;
    still.retain(|id| ids.contains(id));
    let (table, state) = match kind {
        ItemKind::Run => RUNS,
        _ => VERSIONS,
    };
    // Plan: the primary key.
    let sql = format!(
        "UPDATE {table} SET purge_after = $1 WHERE id = ANY($2) AND {state} = 'deleted' AND purge_after < $1"
    );
    let values = [until.into(), dialect::list(&still)];
    tx.connection().execute_raw(dialect::statement(tx.connection(), sql, values)).await?;
    tx.commit().await?;
    Ok(Some(last))
}

/// Ends the time in which this deletion can be undone, for administrators; whatever deadline its things have themselves. Bytes that
/// nothing else needs go with the next collection, without the grace. `HELD` when something of it is held.
pub async fn purge_now(tx: &WriteTx, caller: &Caller, id: &str) -> Result<Deletion> {
    let record = pending(tx, caller, id).await?;
    caller.require_administrator()?;
    let target = match record.kind {
        DeletionKind::Project => Target::Project(record.project_id),
        DeletionKind::Runs | DeletionKind::Artifacts => Target::Deletion(id),
    };
    hold::check(tx, target).await?;
    let ended = ActiveModel {
        purge_after: Set(tx.now()),
        urgent: Set(true),
        extended_to: Set(None),
        ..ActiveModel::default()
    };
    set(tx, record, ended).await
}

async fn pending(tx: &WriteTx, caller: &Caller, id: &str) -> Result<Deletion> {
    let record = records::find(tx, caller, id).await?.ok_or_else(|| Error::not_found("deletion", id))?;
    if record.state == DeletionState::Pending { Ok(record) } else { Err(ended()) }
}

fn ended() -> Error {
    Error::Precondition {
        code: "DELETION_ENDED",
        reason: "nothing of this deletion is in the trash any more".to_owned(),
    }
}

/// Gives everything that a deletion has in the trash this deadline.
pub(super) async fn move_items(tx: &WriteTx, id: &str, to: Timestamp) -> Result<()> {
    for (table, state) in [RUNS, VERSIONS] {
        // Plan: ix_deletion_item_state, then the primary key of the table.
        let sql = format!(
            "UPDATE {table} SET purge_after = $1 WHERE {state} = 'deleted' AND purge_after <> $1 AND id IN \
             (SELECT subject_id FROM deletion_item WHERE deletion_id = $2 AND state = 'pending' \
             AND kind = '{table}')"
        );
        let values = [to.into(), id.into()];
        tx.connection().execute_raw(dialect::statement(tx.connection(), sql, values)).await?;
    }
    Ok(())
}

/// Changes a deletion that has not ended, and has it looked at.
async fn set(tx: &WriteTx, record: Deletion, change: ActiveModel) -> Result<Deletion> {
    let changed = Entity::update_many()
        .set(change)
        .filter(Column::Id.eq(&record.id))
        .filter(Column::State.eq(DeletionState::Pending))
        .exec(tx.connection())
        .await?;
    if changed.rows_affected == 0 {
        return Err(ended());
    }
    // It finds for itself when the next of it is due: some may go at once, as what was never committed does.
    job::reschedule(tx, &JobKind::PurgeDeletion { deletion_id: record.id.clone() }, tx.now()).await?;
    records::get(tx, &record.id).await
}
