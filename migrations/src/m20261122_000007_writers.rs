//! Several writers of one run: where the lines of each went.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, integer, text};

use crate::table::{key, new_table, reference};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // The primary key is how a writer's lines are looked up: from a line of its own on.
        manager
            .create_table(
                new_table("history_span")
                    .col(big_integer("run_id"))
                    .col(integer("stream"))
                    .col(text("writer"))
                    .col(big_integer("own_first"))
                    .col(big_integer("line_count"))
                    .col(big_integer("first_line"))
                    .primary_key(&mut key(&["run_id", "stream", "writer", "own_first"]))
                    .foreign_key(&mut reference("run_id", "run"))
                    .take(),
            )
            .await
    }
}
