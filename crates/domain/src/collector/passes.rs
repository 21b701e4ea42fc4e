//! Passes as rows.

use sea_orm::{ConnectionTrait as _, FromQueryResult as _, Value};

use super::GcPass;
use crate::db::{Db, Source, dialect};
use crate::error::{Error, Result};

/// How many passes are kept.
const KEPT: i64 = 1000;

/// What a pass did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Blobs that it looked at.
    pub scanned: u64,
    /// Blobs that became unreachable.
    pub doomed: u64,
    /// Objects that it removed.
    pub swept: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that the store did not remove.
    pub failed: u64,
}

/// Writes down that a pass begins, with the limits that it keeps to; answers its id. Passes of long ago are forgotten.
pub async fn begin(db: &Db, objects_per_second: Option<u64>, bytes_per_second: Option<u64>) -> Result<i64> {
    let tx = db.begin_write().await?;
    let sql = "INSERT INTO gc_pass (began_at, scanned, doomed, swept, bytes, failed, objects_per_second, bytes_per_second) \
               VALUES ($1, 0, 0, 0, 0, 0, $2, $3) RETURNING id";
    let values =
        [tx.now().into(), objects_per_second.map(number).into(), bytes_per_second.map(number).into()];
    let row = tx.connection().query_one_raw(dialect::statement(tx.connection(), sql, values)).await?;
    let id: i64 = row.ok_or_else(|| Error::internal("a pass without its id"))?.try_get("", "id")?;
    let sql = "DELETE FROM gc_pass WHERE id <= $1";
    let values = [(id - KEPT).into()];
    tx.connection().execute_raw(dialect::statement(tx.connection(), sql, values)).await?;
    tx.commit().await?;
    Ok(id)
}

/// Writes down that a pass has ended, and what it did.
pub async fn end(db: &Db, id: i64, did: Counts) -> Result<()> {
    let tx = db.begin_write().await?;
    let sql = "UPDATE gc_pass SET ended_at = $2, scanned = $3, doomed = $4, swept = $5, bytes = $6, failed = $7 \
               WHERE id = $1";
    let Counts { scanned, doomed, swept, bytes, failed } = did;
    let counts = [scanned, doomed, swept, bytes, failed].map(|count| Value::from(number(count)));
    let values = [id.into(), tx.now().into()].into_iter().chain(counts);
    tx.connection().execute_raw(dialect::statement(tx.connection(), sql, values)).await?;
    tx.commit().await
}

/// The last passes, the latest first.
pub async fn list(source: &impl Source, limit: u64) -> Result<Vec<GcPass>> {
    let sql = "SELECT * FROM gc_pass ORDER BY id DESC LIMIT $1";
    let statement = dialect::statement(source.connection(), sql, [number(limit).into()]);
    Ok(GcPass::find_by_statement(statement).all(source.connection()).await?)
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
