//! The place in the chain, for the entries that have one.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // With the others in it, PostgreSQL may gather all that are not sealed by it, for each batch of them.
        for sql in [
            "DROP INDEX ux_audit_entry_position",
            "CREATE UNIQUE INDEX ux_audit_entry_position ON audit_entry (position) WHERE position IS NOT NULL",
        ] {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
