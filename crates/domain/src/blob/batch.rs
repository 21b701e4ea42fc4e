//! Statements on a list of blobs.

use sea_orm::{ConnectionTrait as _, Value};

use crate::db::{Source as _, WriteTx, dialect};
use crate::error::Result;
use crate::id::BlobId;

/// The state, for rows that are found by their id: [`dialect::unindexed`].
pub(super) const STATE: &str = dialect::unindexed!("state");

/// Runs a statement whose last value is the list of `ids`, and returns the ids of the rows it changed.
pub(super) async fn update(
    tx: &WriteTx,
    sql: String,
    values: impl IntoIterator<Item = Value>,
    ids: &[BlobId],
) -> Result<Vec<BlobId>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let values = values.into_iter().chain([dialect::list(ids)]);
    let changed = tx.connection().query_all_raw(dialect::statement(tx.connection(), sql, values)).await?;
    changed.iter().map(|row| Ok(row.try_get_by_index(0)?)).collect()
}
