//! What is left of a purged project's sweeps: nothing.

use sea_orm::ConnectionTrait as _;

use crate::db::{Source as _, WriteTx, dialect};
use crate::error::Result;
use crate::id::ProjectId;

/// Rows that one transaction removes of each kind.
const BATCH: i64 = 1000;

/// In the order in which they refer to each other.
const TABLES: [(&str, &str); 3] = [
    ("sweep_run", "sweep_id IN (SELECT id FROM sweep WHERE project_id = $1)"),
    ("agent", "sweep_id IN (SELECT id FROM sweep WHERE project_id = $1)"),
    ("sweep", "project_id = $1"),
];

/// Removes a batch of a project's sweeps and of what belongs to them. Answers whether there was one.
pub(crate) async fn purge_of_project(tx: &WriteTx, project: ProjectId) -> Result<bool> {
    for (table, condition) in TABLES {
        let sql =
            format!("DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE {condition} LIMIT $2)");
        let statement = dialect::statement(tx.connection(), sql, [project.0.into(), BATCH.into()]);
        if tx.connection().execute_raw(statement).await?.rows_affected() > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}
