//! Reading lines back, from chunks and segments alike.

mod buckets;
mod chart;
mod columns;
mod cursor;
mod layout;
mod lines;
mod rows;
mod sampled;

use std::ops::Range;

use counterweight_storage::BlobStore;

pub(super) use self::cursor::{Batch, Cursor, Piece};
pub(super) use self::layout::{ChunkHead, Extent, Layout};
pub use self::lines::LinePage;
pub use self::rows::{MOST_ROWS, StepRange};
pub use self::sampled::{Sample, SampleSpec, SampledRow};
use super::Stream;
use crate::db::Db;
use crate::id::RunId;

/// Runs whose history is read together.
const RUNS_AT_ONCE: usize = 64;
/// Buckets of rollups that are in memory for these; each has less than a hundred bytes.
const MOST_ROLLED_UP: u64 = 400_000;

/// Reads the streams of runs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Reader {
    db: Db,
    blobs: BlobStore,
}

/// Which lines of which stream are walked through.
#[derive(Clone, Debug)]
pub(super) struct Walk<'a> {
    pub(super) run: RunId,
    pub(super) stream: Stream,
    pub(super) lines: Range<i64>,
    /// Chunks that hold no step of these are skipped; what is found may still hold others.
    pub(super) steps: StepRange,
    /// When set, segments may answer from their columns.
    pub(super) keys: Option<&'a [String]>,
    /// Whether rows count that lack some of the keys; for numbers only.
    pub(super) sparse: bool,
}

impl Walk<'_> {
    /// Whole lines, at every step.
    pub(super) fn lines(run: RunId, stream: Stream, lines: Range<i64>) -> Self {
        Self { run, stream, lines, steps: StepRange::default(), keys: None, sparse: false }
    }
}

impl Reader {
    /// Reads rows from `db` and bytes from `blobs`.
    pub fn new(db: Db, blobs: BlobStore) -> Self {
        Self { db, blobs }
    }

    /// Begins a walk.
    pub(super) fn walk<'a>(&'a self, walk: Walk<'a>) -> Cursor<'a> {
        Cursor::new(self, walk)
    }
}
