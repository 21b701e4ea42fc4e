//! Bytes in the object store, as rows.
//!
//! `pending → live → doomed → gone`. A key is made once and never used again, so nothing brings back what was
//! removed.

mod batch;
mod collect;
mod commands;
mod late;
mod references;
#[cfg(test)]
mod tests;
mod verify;

use sea_orm::{DeriveActiveEnum, EnumIter};

pub use self::collect::{
    Candidate, Cursor, Doom, SweepCursor, candidates, doom, due_for_sweep, forget, hurry, revive,
    sweep_failed,
};
pub use self::commands::{
    Content, StoredContent, begin, complete, complete_content, shards, touch, touch_content,
};
pub use self::late::discard_late;
pub use self::references::{Referrer, referrers};
pub(crate) use self::references::{columns_of, referenced, references_of, who_refers};
pub use self::verify::{adopt, find_by_key, known_keys, list_by_key, quarantine};
pub use crate::entity::blob::Model as Blob;

/// Where a blob stands between its first byte and its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum BlobState {
    /// Announced; bytes may be on their way.
    Pending,
    /// Whole and referable.
    Live,
    /// Unreachable; the bytes go when the grace is over.
    Doomed,
}
