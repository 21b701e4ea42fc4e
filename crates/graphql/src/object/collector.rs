//! What the collector did, and what it has yet to do.

use async_graphql::{Object, SimpleObject};

use counterweight_domain::Db;
use counterweight_domain::collector::{self, GcPass, Status};
use counterweight_domain::switch::SwitchedOn;

use crate::error::{OrGraphql as _, Result};
use crate::scalars::{DateTime, Int64};

/// Passes that one answer has at most.
const MOST_PASSES: u64 = 100;

/// The state of the collector of bytes.
pub(crate) struct Collector {
    status: Status,
    passes: Vec<GcPass>,
}

impl Collector {
    pub(crate) async fn get(db: &Db) -> Result<Self> {
        let status = collector::status(db).await.or_graphql()?;
        let passes = collector::list(db, MOST_PASSES).await.or_graphql()?;
        Ok(Self { status, passes })
    }
}

/// Since when something is switched on, and why.
#[derive(SimpleObject)]
struct SwitchState {
    /// Since when.
    since: DateTime,
    /// Free text.
    reason: Option<String>,
}

impl From<&SwitchedOn> for SwitchState {
    fn from(state: &SwitchedOn) -> Self {
        Self { since: DateTime(state.set_at), reason: state.reason.clone() }
    }
}

/// One pass of the collector.
#[derive(SimpleObject)]
struct CollectorPass {
    /// When it began.
    began_at: DateTime,
    /// When it ended; none while it is under way, and for one that was killed.
    ended_at: Option<DateTime>,
    /// Blobs that it looked at.
    scanned: Int64,
    /// Blobs that became unreachable.
    doomed: Int64,
    /// Objects that it removed.
    swept: Int64,
    /// Their bytes.
    bytes: Int64,
    /// Objects that the store did not remove; they are tried again.
    failed: Int64,
    /// Objects that it might remove in a second; none: as many as it could.
    objects_per_second: Option<Int64>,
    /// Bytes that it might remove in a second; none: as many as it could.
    bytes_per_second: Option<Int64>,
}

impl From<&GcPass> for CollectorPass {
    fn from(pass: &GcPass) -> Self {
        Self {
            began_at: DateTime(pass.began_at),
            ended_at: pass.ended_at.map(DateTime),
            scanned: Int64(pass.scanned),
            doomed: Int64(pass.doomed),
            swept: Int64(pass.swept),
            bytes: Int64(pass.bytes),
            failed: Int64(pass.failed),
            objects_per_second: pass.objects_per_second.map(Int64),
            bytes_per_second: pass.bytes_per_second.map(Int64),
        }
    }
}

/// Jobs of a kind in a state.
#[derive(SimpleObject)]
struct QueueLength {
    /// What they do.
    kind: String,
    /// `ready`, `running` or `dead`.
    state: String,
    /// How many.
    jobs: Int64,
    /// Those of them whose time has come.
    due: Int64,
}

/// The state of the collector of bytes, for administrators.
#[Object]
impl Collector {
    /// Since when it stands still, if somebody paused it.
    async fn paused(&self) -> Option<SwitchState> {
        self.status.paused.as_ref().map(SwitchState::from)
    }

    /// Since when nothing may be changed, if somebody said so.
    async fn read_only(&self) -> Option<SwitchState> {
        self.status.read_only.as_ref().map(SwitchState::from)
    }

    /// Since when the oldest bytes that are still there have been unreachable.
    async fn oldest_unreclaimed_at(&self) -> Option<DateTime> {
        self.status.oldest_at.map(DateTime)
    }

    /// For how many seconds the oldest bytes whose grace is over have been waiting.
    async fn lag_seconds(&self) -> f64 {
        self.status.lag.as_secs_f64()
    }

    /// Unreachable objects, also those in their grace.
    async fn unreachable_objects(&self) -> Int64 {
        Int64(self.status.unreachable)
    }

    /// Their bytes.
    async fn unreachable_bytes(&self) -> Int64 {
        Int64(self.status.unreachable_bytes)
    }

    /// Those of the objects whose grace is over.
    async fn due_objects(&self) -> Int64 {
        Int64(self.status.due)
    }

    /// How many seconds the removal of those will take; none where no pass tells.
    async fn seconds_left(&self) -> Option<f64> {
        self.status.time_left.map(|left| left.as_secs_f64())
    }

    /// Jobs that are not done, by kind and state.
    async fn queue(&self) -> Vec<QueueLength> {
        let of = |length: &collector::QueueLength| QueueLength {
            kind: length.kind.clone(),
            state: length.state.clone(),
            jobs: Int64(length.jobs),
            due: Int64(length.due),
        };
        self.status.queue.iter().map(of).collect()
    }

    /// The last passes, up to a hundred, the latest first.
    async fn passes(&self) -> Vec<CollectorPass> {
        self.passes.iter().map(CollectorPass::from).collect()
    }
}
