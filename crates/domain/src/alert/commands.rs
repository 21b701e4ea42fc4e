use std::time::Duration;

use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, EntityTrait as _, NotSet, PaginatorTrait as _, QueryFilter as _,
    Set,
};

use super::Message;
use crate::account::Caller;
use crate::db::{Source as _, WriteTx};
use crate::entity::alert::{self, Column};
use crate::error::{Error, Result};
use crate::run;

/// A run that tells more has nothing to say.
const MOST_OF_A_RUN: u64 = 10_000;

/// Keeps what the run at `entity/project/name` tells its owner, unless it told something of the same title less than
/// `wait` ago. Answers whether it was kept. `RunDeleted` when the run's id is used up.
pub async fn notify(
    tx: &WriteTx,
    caller: &Caller,
    (entity, project, name): (&str, &str, &str),
    message: Message,
    wait: Duration,
) -> Result<bool> {
    let found = run::resolve_to_write(tx, caller, entity, project, name).await?;
    // Two alerts of one title meet here, and so do an alert and a deletion.
    let found = run::hold_reachable(tx, found.id).await?;
    let told = || alert::Entity::find().filter(Column::RunId.eq(found.id));
    // Plan: ix_alert_title (run_id =, title =, created_at >).
    let recent =
        told().filter(Column::Title.eq(&message.title)).filter(Column::CreatedAt.gt(tx.now().before(wait)));
    if recent.one(tx.connection()).await?.is_some() {
        return Ok(false);
    }
    if told().count(tx.connection()).await? >= MOST_OF_A_RUN {
        let reason = format!("the run has {MOST_OF_A_RUN} alerts, the most that a run may have");
        return Err(Error::Precondition { code: "TOO_MANY_ALERTS", reason });
    }
    let Message { title, text, severity } = message;
    let fresh = alert::ActiveModel {
        id: NotSet,
        run_id: Set(found.id),
        title: Set(title),
        text: Set(text),
        severity: Set(severity),
        created_at: Set(tx.now()),
    };
    fresh.insert(tx.connection()).await?;
    Ok(true)
}
