//! How far the collector is behind.

use std::time::Duration;

use sea_orm::FromQueryResult;

use super::{GcPass, list};
use crate::clock::Timestamp;
use crate::db::{Db, Source as _, dialect};
use crate::error::{Error, Result};
use crate::switch::{self, Switch, SwitchedOn};

/// Passes by which the speed is guessed.
const RECENT: u64 = 20;

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Why it stands still, if somebody paused it.
    pub paused: Option<SwitchedOn>,
    /// Why nothing may be changed, if somebody said so.
    pub read_only: Option<SwitchedOn>,
    /// Since when the oldest bytes that are still there have been unreachable.
    pub oldest_at: Option<Timestamp>,
    /// For how long the oldest bytes whose grace is over have been waiting; zero where there are none.
    pub lag: Duration,
    /// Unreachable objects, also those in their grace.
    pub unreachable: i64,
    /// Their bytes.
    pub unreachable_bytes: i64,
    /// Those of them whose grace is over.
    pub due: i64,
    /// How long the removal of those will take, by the speed of the last passes or by the limit that they keep to; none
    /// where nothing is known of either.
    pub time_left: Option<Duration>,
    /// The last pass.
    pub last: Option<GcPass>,
    /// Jobs that are not done.
    pub queue: Vec<QueueLength>,
}

/// Jobs of a kind in a state.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct QueueLength {
    /// What they do.
    pub kind: String,
    /// `ready`, `running` or `dead`.
    pub state: String,
    /// How many.
    pub jobs: i64,
    /// Those of them whose time has come.
    pub due: i64,
}

#[derive(FromQueryResult)]
struct Waiting {
    objects: i64,
    bytes: i64,
    due: i64,
    doomed_at: Option<Timestamp>,
    due_since: Option<Timestamp>,
}

/// What the collector is at.
pub async fn status(db: &Db) -> Result<Status> {
    let now = db.now();
    // Index: ix_blob_sweep, all that is doomed.
    let sql = "SELECT COUNT(*) AS objects, CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT) AS bytes, \
               CAST(COALESCE(SUM(CASE WHEN sweep_after <= $1 THEN 1 ELSE 0 END), 0) AS BIGINT) AS due, \
               MIN(doomed_at) AS doomed_at, MIN(CASE WHEN sweep_after <= $1 THEN sweep_after END) AS due_since \
               FROM blob WHERE state = 'doomed'";
    let statement = dialect::statement(db.connection(), sql, [now.into()]);
    let waiting = Waiting::find_by_statement(statement).one(db.connection()).await?;
    let waiting = waiting.ok_or_else(|| Error::internal("a count without a row"))?;
    // Index: ix_job_claim, once per state.
    let sql = "SELECT kind, state, COUNT(*) AS jobs, \
               CAST(SUM(CASE WHEN run_at <= $1 THEN 1 ELSE 0 END) AS BIGINT) AS due FROM job \
               WHERE state IN ('ready', 'running', 'dead') GROUP BY kind, state ORDER BY kind, state";
    let statement = dialect::statement(db.connection(), sql, [now.into()]);
    let queue = QueueLength::find_by_statement(statement).all(db.connection()).await?;
    let passes = list(db, RECENT).await?;
    let lag = waiting.due_since.map_or(0, |since| now.0.saturating_sub(since.0).max(0));
    Ok(Status {
        paused: switch::get(db, Switch::CollectorPaused).await?,
        read_only: switch::get(db, Switch::ReadOnly).await?,
        oldest_at: waiting.doomed_at,
        lag: Duration::from_micros(lag.unsigned_abs()),
        unreachable: waiting.objects,
        unreachable_bytes: waiting.bytes,
        due: waiting.due,
        time_left: time_left(waiting.due, &passes),
        last: passes.into_iter().next(),
        queue,
    })
}

/// Objects by the speed of the passes that removed some, but no faster than the limit of the last.
fn time_left(due: i64, passes: &[GcPass]) -> Option<Duration> {
    if due == 0 {
        return Some(Duration::ZERO);
    }
    let removing = passes.iter().filter(|pass| pass.swept > 0);
    let (objects, micros) = removing
        .filter_map(|pass| Some((pass.swept, pass.ended_at?.0.saturating_sub(pass.began_at.0))))
        .fold((0, 0), |(objects, micros), (swept, span)| (objects + swept, micros + span.max(0)));
    let by_speed = (objects > 0).then(|| scaled(due, micros, objects));
    let limit = passes.first().and_then(|pass| pass.objects_per_second).filter(|limit| *limit > 0);
    let by_limit = limit.map(|limit| scaled(due, 1_000_000, limit));
    by_speed.max(by_limit)
}

/// How long `due` objects take where `objects` take so many microseconds.
fn scaled(due: i64, micros: i64, objects: i64) -> Duration {
    let total = u128::from(due.unsigned_abs()) * u128::from(micros.unsigned_abs())
        / u128::from(objects.unsigned_abs().max(1));
    Duration::from_micros(u64::try_from(total).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(seconds: i64, swept: i64, limit: Option<i64>) -> GcPass {
        GcPass {
            id: 1,
            began_at: Timestamp(0),
            ended_at: Some(Timestamp(seconds * 1_000_000)),
            scanned: 0,
            doomed: 0,
            swept,
            bytes: 0,
            failed: 0,
            objects_per_second: limit,
            bytes_per_second: None,
        }
    }

    #[test]
    fn the_time_left_is_told_by_speed_and_limit() {
        let seconds = |n| Some(Duration::from_secs(n));
        assert_eq!(time_left(0, &[]), seconds(0));
        assert_eq!(time_left(10, &[]), None, "nothing is known");
        assert_eq!(time_left(10, &[pass(60, 0, None)]), None, "it removed nothing");
        assert_eq!(time_left(10, &[pass(2, 10, None), pass(0, 0, None), pass(4, 20, None)]), seconds(2));
        assert_eq!(time_left(10, &[pass(1, 10, Some(2))]), seconds(5), "no faster than the limit");
        assert_eq!(time_left(10, &[pass(0, 0, Some(5))]), seconds(2));
    }
}
