//! Runs that are queued by programs: what each asked for under a key of its own.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, text};

use crate::table::{index, key, new_table, reference};

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
                new_table("submission")
                    .col(big_integer("user_id"))
                    .col(text("key"))
                    .col(text("fingerprint"))
                    .col(big_integer_null("run_id"))
                    .col(big_integer("created_at"))
                    .primary_key(&mut key(&["user_id", "key"]))
                    .foreign_key(&mut reference("user_id", "user"))
                    .foreign_key(&mut reference("run_id", "run"))
                    .take(),
            )
            .await?;
        // Those to be forgotten.
        manager.create_index(index("ix_submission_created_at", "submission", &["created_at"])).await
    }
}
