//! History, system metrics and console lines: numbered lines of a run.
//!
//! Lines arrive through [`Writer`], which gathers the appends of many runs into one transaction and answers each
//! after the commit. They are stored as chunks that never overlap, so whoever writes a line again cuts it out of
//! the chunk that held it. The worker merges chunks of the history into segments; a line that is written again
//! after that is in a chunk and in a segment, and the chunk's is the newer one. [`Reader`] is the one place that knows.

mod append;
mod buckets;
mod chunk;
mod chunk_rows;
mod console;
mod exports;
mod keys;
mod overwrite;
mod reader;
mod rewind;
mod sample;
mod segment;
mod spans;
mod step;
mod streams;
mod writer;

use sea_orm::{DeriveActiveEnum, EnumIter};
use serde::{Deserialize, Serialize};

pub(crate) use self::append::create_streams;
pub use self::append::{Append, Appended, Ending};
pub use self::buckets::{Axis, BucketSpec, Stretch};
pub use self::chunk::{Lines, Prepared};
pub use self::console::{LogLine, parse_line};
pub use self::exports::{Export, get_export, list_exports};
use self::keys::is_countable;
pub use self::reader::{LinePage, MOST_ROWS, Reader, Sample, SampleSpec, SampledRow, StepRange};
pub(crate) use self::rewind::clear;
pub use self::rewind::{inherit, rewind};
pub use self::sample::RowBudget;
pub use self::segment::{Merge, merge, settle};
pub use self::spans::WriterId;
pub(crate) use self::spans::has_lines_of;
pub(crate) use self::streams::unsettled;
use self::streams::waits_for_merge;
pub use self::streams::{get_streams, history_keys};
pub use self::writer::Writer;
pub use crate::entity::history_stream::Model as HistoryStream;

/// A stream of numbered lines.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    EnumIter,
    DeriveActiveEnum,
    Serialize,
    Deserialize,
)]
#[sea_orm(rs_type = "i32", db_type = "Integer")]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// `wandb-history.jsonl`: one JSON object per logged step.
    #[sea_orm(num_value = 1)]
    History,
    /// `wandb-events.jsonl`: system metrics.
    #[sea_orm(num_value = 2)]
    Events,
    /// `output.log`: console lines, overwritten in place.
    #[sea_orm(num_value = 3)]
    Console,
}

impl Stream {
    /// The name under which the client sends it.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::History => "wandb-history.jsonl",
            Self::Events => "wandb-events.jsonl",
            Self::Console => "output.log",
        }
    }
}
