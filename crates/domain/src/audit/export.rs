//! The chain as lines, to be kept and checked elsewhere.

use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};

use super::SealedEntry;
use super::chain::BEGINNING;
use crate::db::Source;
use crate::entity::audit_entry::{Column, Entity};
use crate::error::Result;

/// A part of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Lines, each with its end.
    pub lines: String,
    /// How many.
    pub entries: usize,
    /// Position and hash of the last of them; none where there are no more.
    pub last: Option<(i64, String)>,
}

/// The hash that the entry after a position follows.
pub async fn head(db: &impl Source, position: i64) -> Result<String> {
    let found = Entity::find().filter(Column::Position.eq(position)).one(db.connection()).await?;
    Ok(found.and_then(|found| found.hash).unwrap_or_else(|| BEGINNING.to_owned()))
}

/// The next sealed entries after a position, at most `limit`.
pub async fn export(db: &impl Source, after: i64, limit: u64) -> Result<Exported> {
    // Plan: ux_audit_entry_position.
    let query = Entity::find().filter(Column::Position.gt(after)).order_by_asc(Column::Position).limit(limit);
    let rows = query.all(db.connection()).await?;
    let mut exported = Exported { lines: String::new(), entries: rows.len(), last: None };
    for row in &rows {
        let Some(sealed) = SealedEntry::of(row)? else { continue };
        exported.lines.push_str(&sealed.line()?);
        exported.lines.push('\n');
        exported.last = Some((sealed.position, sealed.hash));
    }
    Ok(exported)
}
