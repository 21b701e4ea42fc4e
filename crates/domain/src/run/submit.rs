//! Runs that a program queues, for a writer that comes later.

use std::time::Duration;

use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, Set};

use super::{Run, RunState, Upsert, upsert};
use crate::account::Caller;
use crate::db::{Db, Source, WriteTx};
use crate::entity::submission::{ActiveModel, Column, Entity};
use crate::error::{Error, Result};
use crate::id::RunId;

/// How long a submission is known by its key, at least.
const KNOWN_FOR: Duration = Duration::from_hours(24);

/// What makes a submission that is sent again the same one.
#[derive(Clone, Debug)]
pub struct Once {
    /// The program's word for it.
    pub key: String,
    /// Stands for what is asked for: the same words have the same.
    pub fingerprint: String,
}

/// Makes a run that waits to start; the one that there is already where it was submitted before. `RUN_EXISTS` when its
/// id is taken, `RunDeleted` when it is used up, `KEY_REUSED` when the key stands for something else.
pub async fn submit(tx: &WriteTx, caller: &Caller, wish: Upsert, once: Option<Once>) -> Result<Run> {
    if let Some(known) = claim(tx, caller, once.as_ref()).await? {
        return find(tx, caller, known).await;
    }
    let made = upsert(tx, caller, Upsert { state: Some(RunState::Pending), ..wish }).await?;
    if !made.inserted {
        let reason = format!("there is a run {} already", super::path_of(tx, &made.run).await?);
        return Err(Error::Precondition { code: "RUN_EXISTS", reason });
    }
    if let Some(Once { key, .. }) = once {
        let run_id = Set(Some(made.run.id));
        let row = ActiveModel { user_id: Set(caller.user_id), key: Set(key), run_id, ..Default::default() };
        row.update(tx.connection()).await?;
    }
    Ok(made.run)
}

/// Takes the key; answers the run that it stands for already.
async fn claim(tx: &WriteTx, caller: &Caller, once: Option<&Once>) -> Result<Option<RunId>> {
    let Some(Once { key, fingerprint }) = once else { return Ok(None) };
    let fresh = ActiveModel {
        user_id: Set(caller.user_id),
        key: Set(key.clone()),
        fingerprint: Set(fingerprint.clone()),
        run_id: Set(None),
        created_at: Set(tx.now()),
    };
    // Of two at a time, the second waits here for the first.
    let taken = Entity::insert(fresh)
        .on_conflict(OnConflict::columns([Column::UserId, Column::Key]).do_nothing().to_owned())
        .exec_without_returning(tx.connection())
        .await?;
    if taken == 1 {
        return Ok(None);
    }
    let known = Entity::find_by_id((caller.user_id, key.clone())).one(tx.connection()).await?;
    let known =
        known.ok_or_else(|| Error::Conflict { reason: "the key was forgotten meanwhile".to_owned() })?;
    if known.fingerprint != *fingerprint {
        return Err(Error::Precondition {
            code: "KEY_REUSED",
            reason: "this idempotency key came with another request before".to_owned(),
        });
    }
    known.run_id.map(Some).ok_or_else(|| Error::internal("a submission without its run"))
}

async fn find(tx: &WriteTx, caller: &Caller, id: RunId) -> Result<Run> {
    if let Some(found) = super::find_by_id(tx, caller, id).await? {
        return Ok(found);
    }
    let gone = super::queries::find_including_purged(tx, caller, id).await?;
    let gone = gone.ok_or_else(|| Error::not_found("run", id.to_node_id()))?;
    Err(Error::RunDeleted { path: super::path_of(tx, &gone).await? })
}

/// Forgets the keys of submissions of long ago; answers how many.
pub async fn forget_submissions(db: &Db) -> Result<u64> {
    let tx = db.begin_write().await?;
    // Plan: ix_submission_created_at.
    let old = Column::CreatedAt.lt(tx.now().before(KNOWN_FOR));
    let forgotten = Entity::delete_many().filter(old).exec(tx.connection()).await?;
    tx.commit().await?;
    Ok(forgotten.rows_affected)
}
