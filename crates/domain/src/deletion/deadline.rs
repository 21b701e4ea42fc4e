//! Deadlines that are moved. They are fixed when something is deleted, and only these verbs change them.

use sea_orm::{ColumnTrait as _, ConnectionTrait as _, EntityTrait as _, QueryFilter as _, Set};

use super::{Deletion, DeletionKind, DeletionState, records};
use crate::account::{Caller, Role};
use crate::clock::Timestamp;
use crate::db::{Source as _, WriteTx, dialect};
use crate::entity::deletion::{ActiveModel, Column, Entity};
use crate::error::{Error, Result};
use crate::hold::{self, Target};
use crate::job::{self, JobKind};
use crate::project;

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
    // What it is of first, then the deletion: in the order in which whoever restores or purges them holds both.
    move_items(tx, id, until).await?;
    set(tx, record, ActiveModel { purge_after: Set(until), ..ActiveModel::default() }).await
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
    let ended = ActiveModel { purge_after: Set(tx.now()), urgent: Set(true), ..ActiveModel::default() };
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
    let runs = ("run", dialect::unindexed!("lifecycle"));
    let versions = ("artifact", dialect::unindexed!("state"));
    for (table, state) in [runs, versions] {
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
