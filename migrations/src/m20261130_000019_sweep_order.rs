//! What the sweep takes next, and what a receipt waits for, in order.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // The one before had every blob, and those that are due had to be sorted for each batch of them. What the store
        // refused comes last. `SQLite` takes an index for better the more columns are given, so the state is one of them.
        // The objects of a receipt are gone through batch by batch.
        for sql in [
            "DROP INDEX ix_blob_sweep",
            "CREATE INDEX ix_blob_sweep ON blob (state, (CASE WHEN sweep_failures > 0 THEN 1 ELSE 0 END), sweep_after, id) \
             WHERE state = 'doomed'",
            "DROP INDEX ix_receipt_object_open",
            "CREATE INDEX ix_receipt_object_open ON receipt_object (deletion_id, blob_id) WHERE answer IS NULL",
        ] {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
