//! What the collector did, and what it has yet to do.

mod passes;
mod status;

use crate::clock::Timestamp;

pub use self::passes::{Counts, begin, end, list};
pub use self::status::{QueueLength, Status, status};

/// One pass.
#[derive(Clone, Debug, PartialEq, Eq, sea_orm::FromQueryResult)]
pub struct GcPass {
    /// Storage id; later passes have higher ones.
    pub id: i64,
    /// When it began.
    pub began_at: Timestamp,
    /// When it ended; none while it is under way, and for one that was killed.
    pub ended_at: Option<Timestamp>,
    /// Blobs that it looked at.
    pub scanned: i64,
    /// Blobs that became unreachable.
    pub doomed: i64,
    /// Objects that it removed.
    pub swept: i64,
    /// Their bytes.
    pub bytes: i64,
    /// Objects that the store did not remove.
    pub failed: i64,
    /// Objects that it may remove in a second; none: as many as it can.
    pub objects_per_second: Option<i64>,
    /// Bytes that it may remove in a second; none: as many as it can.
    pub bytes_per_second: Option<i64>,
}
