//! From recorded to sealed.

use sea_orm::{ColumnTrait as _, ConnectionTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};

use super::SealedEntry;
use super::chain::BEGINNING;
use crate::db::dialect::{self, Passage};
use crate::db::{Db, Source as _};
use crate::entity::audit_entry::{Column, Entity};
use crate::error::Result;

/// "cw audit" as a number: who seals is alone.
const GATE: i64 = 0x6377_2061_7564_6974;
/// Ids of one transaction.
const BATCH: i64 = 500;

/// Gives the entries that have no place in the chain yet the next ones, in the order of their ids, a batch of
/// them. Answers whether there were any.
pub async fn seal(db: &Db) -> Result<bool> {
    let tx = db.begin_write().await?;
    if let Some(statement) = dialect::pass_gate(tx.connection(), GATE, Passage::Alone) {
        tx.connection().execute_raw(statement).await?;
    }
    // Plan: ix_audit_entry_unsealed, twice, then ux_audit_entry_position, backwards. Of an order with a limit PostgreSQL may sort all
    // that are not sealed, for each batch; not where only so many ids can be meant.
    let unsealed = || Entity::find().filter(Column::Position.is_null()).order_by_asc(Column::Id);
    let Some(first) = unsealed().one(tx.connection()).await? else { return Ok(false) };
    let ids = Column::Id.between(first.id.0, first.id.0 + BATCH - 1);
    let open = unsealed().filter(ids).all(tx.connection()).await?;
    let last = Entity::find().filter(Column::Position.is_not_null()).order_by_desc(Column::Position);
    let last = last.one(tx.connection()).await?;
    let mut position = last.as_ref().and_then(|last| last.position).unwrap_or_default();
    let mut previous = last.and_then(|last| last.hash).unwrap_or_else(|| BEGINNING.to_owned());
    let mut rows = Vec::with_capacity(open.len());
    for entry in &open {
        position += 1;
        let sealed = SealedEntry::seal(entry, position, previous)?;
        rows.push((entry.id, position, sealed.previous, sealed.hash.clone()));
        previous = sealed.hash;
    }
    // Plan: the primary key.
    let sql = format!(
        "UPDATE audit_entry SET position = CAST(v.value ->> 1 AS BIGINT), previous = v.value ->> 2, hash = v.value ->> 3 \
         FROM {} AS v WHERE audit_entry.id = CAST(v.value ->> 0 AS BIGINT)",
        dialect::rows(tx.connection(), 1)
    );
    let values = [dialect::document(&rows)?];
    tx.connection().execute_raw(dialect::statement(tx.connection(), sql, values)).await?;
    tx.commit().await?;
    Ok(true)
}
