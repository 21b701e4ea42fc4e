//! What must not be deleted, and the jobs that wait for its release.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, text};

use crate::table::{id, key, new_table, reference};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                new_table("hold")
                    .col(id("id"))
                    .col(text("kind"))
                    .col(big_integer("subject_id"))
                    .col(text("reason"))
                    .col(big_integer("user_id"))
                    .col(big_integer("created_at"))
                    .col(big_integer_null("released_at"))
                    .col(big_integer_null("released_by"))
                    .foreign_key(&mut reference("user_id", "user"))
                    .foreign_key(&mut reference("released_by", "user"))
                    .take(),
            )
            .await?;
        // A thing has one hold at a time. sea-query has no partial index, the text is the same on both databases.
        manager
            .get_connection()
            .execute_unprepared(
                "CREATE UNIQUE INDEX ux_hold_subject ON hold (kind, subject_id) WHERE released_at IS NULL",
            )
            .await?;
        manager
            .create_table(
                new_table("held_job")
                    .col(big_integer("hold_id"))
                    .col(text("job"))
                    .primary_key(&mut key(&["hold_id", "job"]))
                    .foreign_key(&mut reference("hold_id", "hold"))
                    .take(),
            )
            .await
    }
}
