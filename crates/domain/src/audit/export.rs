//! The chain as lines, to be kept and checked elsewhere.

use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};

use super::chain::BEGINNING;
use super::{Checked, SealedEntry};
use crate::db::Source;
use crate::entity::audit_entry::{Column, Entity};
use crate::error::{Error, Result};

/// Entries that are read at once.
const BATCH: u64 = 1000;

/// The lines of the chain, part by part: a line of JSON for each sealed entry, and a last one that says how many they were and
/// what the hash of the last is ([`Checked`]).
#[derive(Debug)]
pub struct Export {
    at: i64,
    so_far: Checked,
    ended: bool,
}

impl Export {
    /// Begins after a position.
    pub async fn begin(db: &impl Source, after: i64) -> Result<Self> {
        let found = Entity::find().filter(Column::Position.eq(after)).one(db.connection()).await?;
        let head = found.and_then(|found| found.hash).unwrap_or_else(|| BEGINNING.to_owned());
        Ok(Self { at: after, so_far: Checked { entries: 0, head }, ended: false })
    }

    /// The next lines, each with its end; none after the last.
    pub async fn next(&mut self, db: &impl Source) -> Result<Option<String>> {
        if self.ended {
            return Ok(None);
        }
        // Plan: ux_audit_entry_position.
        let query = Entity::find().filter(Column::Position.gt(self.at)).order_by_asc(Column::Position);
        let rows = query.limit(BATCH).all(db.connection()).await?;
        let mut lines = String::new();
        for row in &rows {
            let Some(sealed) = SealedEntry::of(row)? else { continue };
            lines.push_str(&sealed.line()?);
            lines.push('\n');
            self.at = sealed.position;
            self.so_far = Checked { entries: self.so_far.entries + 1, head: sealed.hash };
        }
        if lines.is_empty() {
            self.ended = true;
            lines = serde_json::to_string(&self.so_far).map_err(Error::internal)? + "\n";
        }
        Ok(Some(lines))
    }
}
