//! What the comparison of bucket and database reads: blobs in the order of their keys.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        if connection.get_database_backend() == DbBackend::Postgres {
            // By their bytes, as `SQLite` and the program sort them.
            let sql = "ALTER TABLE blob ALTER COLUMN object_key TYPE text COLLATE \"C\"";
            connection.execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
