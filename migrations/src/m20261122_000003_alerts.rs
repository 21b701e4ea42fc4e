//! Alerts of runs; one user per email.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, text};

use crate::table::{id, index, new_table, reference};

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
                new_table("alert")
                    .col(id("id"))
                    .col(big_integer("run_id"))
                    .col(text("title"))
                    .col(text("text"))
                    .col(text("severity"))
                    .col(big_integer("created_at"))
                    .foreign_key(&mut reference("run_id", "run"))
                    .take(),
            )
            .await?;
        // The alerts of a run, newest first; and its purge.
        manager.create_index(index("ix_alert_run_id", "alert", &["run_id", "id"])).await?;
        // Whether a run told something of this title a moment ago.
        manager.create_index(index("ix_alert_title", "alert", &["run_id", "title", "created_at"])).await?;
        // The user whom a service names by their email.
        manager.create_index(index("ux_user_email", "user", &["email"]).unique().take()).await
    }
}
