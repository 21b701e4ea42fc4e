//! How long things are kept, and what goes by itself.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, boolean, text};

use crate::table::{id, index, key, new_table, reference};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // What it is about depends on the scope, so neither table refers to one.
        manager
            .create_table(
                new_table("retention_period")
                    .col(text("scope"))
                    .col(big_integer("subject_id"))
                    .col(big_integer_null("trash_seconds"))
                    .col(big_integer_null("archive_seconds"))
                    .col(big_integer_null("artifact_seconds"))
                    .primary_key(&mut key(&["scope", "subject_id"]))
                    .take(),
            )
            .await?;
        manager
            .create_table(
                new_table("retention_rule")
                    .col(id("id"))
                    .col(text("scope"))
                    .col(big_integer("subject_id"))
                    .col(text("name"))
                    .col(boolean("enabled"))
                    .col(text("definition"))
                    .col(big_integer("user_id"))
                    .col(big_integer("created_at"))
                    .col(big_integer("updated_at"))
                    .foreign_key(&mut reference("user_id", "user"))
                    .take(),
            )
            .await?;
        let by_scope = index("ix_retention_rule_scope", "retention_rule", &["scope", "subject_id", "id"]);
        manager.create_index(by_scope).await?;
        let connection = manager.get_connection();
        connection.execute_unprepared("ALTER TABLE run ADD COLUMN revived_at BIGINT NULL").await?;
        // The old versions of a collection. sea-query has no partial index, the text is the same on both databases.
        let by_age = "CREATE INDEX ix_artifact_committed_at ON artifact (collection_id, committed_at, id) \
                      WHERE state = 'committed'";
        connection.execute_unprepared(by_age).await.map(drop)
    }
}
