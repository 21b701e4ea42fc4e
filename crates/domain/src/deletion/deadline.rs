//! Deadlines that are moved. They are fixed when something is deleted, and only these verbs change them.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, ConnectionTrait as _, EntityTrait as _, QueryFilter as _};

use super::{Deletion, DeletionKind, DeletionState, ItemKind, records};
use crate::account::{Caller, Role};
use crate::clock::Timestamp;
use crate::db::{Source as _, WriteTx, dialect};
use crate::entity::deletion::{Column, Entity};
use crate::error::{Error, Result};
use crate::hold::{self, Target};
use crate::id::{ArtifactId, RunId};
use crate::job::{self, JobKind};
use crate::project;

/// Gives what is in the trash by this deletion more time. `DEADLINE_INVALID` for a moment that is not later than the deadline.
pub async fn extend(tx: &WriteTx, caller: &Caller, id: &str, until: Timestamp) -> Result<Deletion> {
    let record = pending(tx, caller, id).await?;
    project::authorize(tx, caller, record.project_id, Role::Member).await?;
    if record.purge_after <= tx.now() {
        return Err(super::deadline_passed("deletion"));
    }
    if until <= record.purge_after {
        return Err(Error::invalid("DEADLINE_INVALID", "purgeAfter", "must be later than the deadline is"));
    }
    move_deadline(tx, record, until).await
}

/// Ends the time in which this deletion can be undone, for administrators. Bytes that nothing else needs go with the next
/// collection, without the grace. `HELD` when something of it is held.
pub async fn purge_now(tx: &WriteTx, caller: &Caller, id: &str) -> Result<Deletion> {
    let record = pending(tx, caller, id).await?;
    caller.require_administrator()?;
    match record.kind {
        DeletionKind::Project => hold::check(tx, Target::Project(record.project_id)).await?,
        DeletionKind::Runs | DeletionKind::Artifacts => {
            let runs = records::pending(tx, id, ItemKind::Run, None).await?;
            let runs: Vec<RunId> = runs.into_iter().map(RunId).collect();
            hold::check(tx, Target::Runs(&runs)).await?;
            let versions = records::pending(tx, id, ItemKind::Artifact, None).await?;
            let versions: Vec<ArtifactId> = versions.into_iter().map(ArtifactId).collect();
            hold::check(tx, Target::Versions(&versions)).await?;
        }
    }
    Entity::update_many()
        .col_expr(Column::Urgent, Expr::val(true))
        .filter(Column::Id.eq(&record.id))
        .exec(tx.connection())
        .await?;
    let now = tx.now();
    move_deadline(tx, record, now).await
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

/// What it is of first, then the deletion: in the order in which whoever restores or purges them holds both.
async fn move_deadline(tx: &WriteTx, record: Deletion, to: Timestamp) -> Result<Deletion> {
    for (table, state, kind) in [("run", "lifecycle", "run"), ("artifact", "state", "artifact")] {
        let state = dialect::unindexed(state);
        // Plan: ix_deletion_item_state, then the primary key of the table.
        let sql = format!(
            "UPDATE {table} SET purge_after = $1 WHERE {state} = 'deleted' AND purge_after IS NOT NULL AND id IN \
             (SELECT subject_id FROM deletion_item WHERE deletion_id = $2 AND state = 'pending' \
             AND kind = '{kind}')"
        );
        let values = [to.into(), record.id.as_str().into()];
        tx.connection().execute_raw(dialect::statement(tx.connection(), sql, values)).await?;
    }
    let moved = Entity::update_many()
        .col_expr(Column::PurgeAfter, Expr::val(to))
        .filter(Column::Id.eq(&record.id))
        .filter(Column::State.eq(DeletionState::Pending))
        .exec(tx.connection())
        .await?;
    if moved.rows_affected == 0 {
        return Err(ended());
    }
    // It finds for itself when the next of it is due: some may go at once, as what was never committed does.
    job::reschedule(tx, &JobKind::PurgeDeletion { deletion_id: record.id.clone() }, tx.now()).await?;
    records::get(tx, &record.id).await
}
