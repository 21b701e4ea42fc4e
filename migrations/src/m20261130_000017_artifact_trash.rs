//! Versions of artifacts can be brought back for a while: until when, and the places that they had. Deletions whose bytes do not wait.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, boolean, text};

use crate::table::{index, new_table, reference};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for name in ["purge_after", "revived_at"] {
            let mut column = big_integer_null(name).take();
            let mut table = Table::alter();
            manager.alter_table(table.table(Alias::new("artifact")).add_column(&mut column).take()).await?;
        }
        let mut column = boolean("urgent").default(false).take();
        let mut table = Table::alter();
        manager.alter_table(table.table(Alias::new("deletion")).add_column(&mut column).take()).await?;
        manager
            .create_table(
                new_table("artifact_former_place")
                    // The id that the place had, and gets again.
                    .col(big_integer("id").primary_key())
                    .col(big_integer("artifact_id"))
                    .col(big_integer("collection_id"))
                    .col(big_integer("version_index"))
                    .col(text("aliases"))
                    .col(big_integer("created_at"))
                    .foreign_key(&mut reference("artifact_id", "artifact"))
                    .foreign_key(&mut reference("collection_id", "artifact_collection"))
                    .take(),
            )
            .await?;
        let of_version =
            index("ix_artifact_former_place_artifact_id", "artifact_former_place", &["artifact_id"]);
        manager.create_index(of_version).await?;
        // What of a sequence is in the trash. Few versions are.
        manager
            .get_connection()
            .execute_unprepared(
                "CREATE INDEX ix_artifact_trash ON artifact (collection_id, purge_after) \
                 WHERE purge_after IS NOT NULL",
            )
            .await?;
        Ok(())
    }
}
