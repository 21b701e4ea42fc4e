//! History at rest: rows of JSON turned into plain Parquet, and read back by column.
//!
//! A [`Shape`] says what values a key has held; shapes of parts merge into the shape of the whole, so a file's schema
//! is known before its first row is written. [`ColumnsWriter`] writes one column for each flattened key, in bounded
//! memory; [`Columns`] reads chosen columns of chosen row groups. [`Rollup`] keeps a few numbers for each stretch of
//! lines, so that a chart of any length touches kilobytes.
//!
//! Nothing here does I/O, and nothing knows what a run is.

mod layout;
mod read;
mod rollup;
mod shape;
#[cfg(test)]
mod tests;
mod write;

pub use self::read::{Columns, Scalar};
pub use self::rollup::{Bucket, LEVELS, Point, Rollup, RollupBuilder, bucket_lines, finest_level};
pub use self::shape::{Field, Located, Schema, Shape, number};
pub use self::write::{ColumnsWriter, Written};

/// Why a segment cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// The bytes are not what was written.
    #[error("a history segment is damaged: {0}")]
    Damaged(String),
    /// The Parquet library refused.
    #[error(transparent)]
    Parquet(#[from] parquet::errors::ParquetError),
}

/// The outcome of reading or writing a segment.
pub type Result<T, E = SegmentError> = std::result::Result<T, E>;
