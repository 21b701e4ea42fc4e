//! Holding and releasing.

use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, EntityTrait as _, IntoActiveModel as _, NotSet,
    QueryFilter as _, Set,
};

use super::check::pass;
use super::queries::{self, active};
use super::{Hold, Subject, check_reason};
use crate::account::Caller;
use crate::artifact;
use crate::audit::{self, Act, Action, Topic};
use crate::db::dialect::Passage;
use crate::db::{Source as _, WriteTx};
use crate::entity::{held_job, hold};
use crate::error::{Error, Result};
use crate::id::HoldId;
use crate::job::{self, JobKind};
use crate::project::{self, ProjectState};
use crate::run;

/// Keeps something from being deleted until it is released, also what is in the trash already. What is held already keeps
/// the hold that it has.
pub async fn hold(tx: &WriteTx, caller: &Caller, subject: Subject, reason: &str) -> Result<Hold> {
    see(tx, caller, subject).await?;
    caller.require_administrator()?;
    check_reason(reason)?;
    pass(tx, Passage::Alone).await?;
    // What was under way when this began is over now, and may have taken it away.
    see(tx, caller, subject).await?;
    if let Some(held) = active(subject).one(tx.connection()).await? {
        return Ok(held);
    }
    let held = hold::ActiveModel {
        id: NotSet,
        kind: Set(subject.kind()),
        subject_id: Set(subject.number()),
        reason: Set(reason.to_owned()),
        user_id: Set(caller.user_id),
        created_at: Set(tx.now()),
        released_at: Set(None),
        released_by: Set(None),
    };
    let held = held.insert(tx.connection()).await?;
    record(tx, Act::by(caller.user_id, Action::Hold).because(Some(reason)), subject).await?;
    Ok(held)
}

async fn record(tx: &WriteTx, act: Act<'_>, subject: Subject) -> Result<()> {
    match subject {
        Subject::Run(id) => audit::record(tx, act, Topic::Runs(&[id])).await,
        Subject::Artifact(id) => audit::record(tx, act, Topic::Artifacts(&[id])).await,
        Subject::Project(id) => audit::record(tx, act, Topic::Project(id)).await,
    }
}

/// Lets it be deleted again; the deadlines that passed meanwhile are met now. Of no effect on what was released before.
pub async fn release(tx: &WriteTx, caller: &Caller, id: HoldId) -> Result<Hold> {
    let missing = || Error::not_found("hold", id.to_node_id());
    queries::find(tx, caller, id).await?.ok_or_else(missing)?;
    caller.require_administrator()?;
    pass(tx, Passage::Alone).await?;
    let found = queries::find(tx, caller, id).await?.ok_or_else(missing)?;
    if found.released_at.is_some() {
        return Ok(found);
    }
    let mut row = found.into_active_model();
    row.released_at = Set(Some(tx.now()));
    row.released_by = Set(Some(caller.user_id));
    let released = row.update(tx.connection()).await?;
    record(tx, Act::by(caller.user_id, Action::Release), released.subject()).await?;
    let waiting = held_job::Entity::find().filter(held_job::Column::HoldId.eq(id));
    for parked in waiting.all(tx.connection()).await? {
        let kind: JobKind = serde_json::from_str(&parked.job).map_err(Error::internal)?;
        job::reschedule(tx, &kind, tx.now()).await?;
    }
    held_job::Entity::delete_many().filter(held_job::Column::HoldId.eq(id)).exec(tx.connection()).await?;
    Ok(released)
}

/// That there is such a thing, and that the caller may see it.
async fn see(tx: &WriteTx, caller: &Caller, subject: Subject) -> Result<()> {
    let seen = match subject {
        Subject::Run(id) => run::find_including_deleted(tx, caller, id).await?.is_some(),
        Subject::Artifact(id) => artifact::find(tx, caller, id).await?.is_some(),
        Subject::Project(id) => match project::find_any(tx, caller, id).await? {
            Some(found) => found.state != ProjectState::Purged,
            None => false,
        },
    };
    if seen { Ok(()) } else { Err(subject.missing()) }
}
