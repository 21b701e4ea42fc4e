//! Periodic jobs without a leader: whoever first moves a schedule's next moment enqueues its job.

use std::time::Duration;

use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ConnectionTrait as _, EntityTrait as _};

use super::{JobKind, enqueue};
use crate::clock::Timestamp;
use crate::db::{Db, Source as _, WriteTx, dialect};
use crate::entity::schedule::{ActiveModel, Entity};
use crate::error::Result;

/// Enqueues a job of `kind` when its next moment has come, and moves that moment one `period` ahead of now;
/// moments that passed while nobody was running are not made up for. Answers whether this call was the one to
/// do it.
pub async fn advance(db: &Db, kind: &JobKind, period: Duration) -> Result<bool> {
    let next =
        Entity::find_by_id(kind.name()).one(db.connection()).await?.map(|schedule| schedule.next_run_at);
    if next.is_some_and(|next| !is_due(next, db.now(), period)) {
        return Ok(false);
    }
    let tx = db.begin_write().await?;
    let due = next_moment(&tx, kind, period).await?;
    if due {
        enqueue(&tx, kind, tx.now()).await?;
    }
    tx.commit().await?;
    Ok(due)
}

/// Also when it lies further ahead than a period: then the period was shortened, or some clock ran ahead.
fn is_due(next: Timestamp, now: Timestamp, period: Duration) -> bool {
    next <= now || next > now.after(period)
}

async fn next_moment(tx: &WriteTx, kind: &JobKind, period: Duration) -> Result<bool> {
    // Primary key. The condition of `is_due` once more: of two servers, the second finds it false.
    const SQL: &str =
        "UPDATE schedule SET next_run_at = $1 WHERE name = $2 AND (next_run_at <= $3 OR next_run_at > $1)";
    let first = ActiveModel { name: Set(kind.name().to_owned()), next_run_at: Set(tx.now()) };
    let on_conflict = OnConflict::new().do_nothing().to_owned();
    Entity::insert(first).on_conflict(on_conflict).exec_without_returning(tx.connection()).await?;
    let values = [tx.now().after(period).into(), kind.name().into(), tx.now().into()];
    let moved = tx.connection().execute_raw(dialect::statement(tx.connection(), SQL, values)).await?;
    Ok(moved.rows_affected() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_due_when_it_passed_or_is_out_of_reach() {
        let (now, period) = (Timestamp(1_000_000_000), Duration::from_secs(10));
        for (next, due) in [
            (now, true),
            (now.before(period), true),
            (now.after(Duration::from_secs(1)), false),
            (now.after(period), false),
            (now.after(Duration::from_secs(11)), true),
        ] {
            assert_eq!(is_due(next, now, period), due, "{next:?}");
        }
    }
}
