//! Alerts of runs; one user per email.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, text};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut id = ColumnDef::new(Alias::new("id"));
        id.big_integer().not_null().auto_increment().primary_key();
        let mut run = ForeignKey::create()
            .from_col(Alias::new("run_id"))
            .to(Alias::new("run"), Alias::new("id"))
            .to_owned();
        manager
            .create_table(
                Table::create()
                    .table(Alias::new("alert"))
                    .col(id)
                    .col(big_integer("run_id"))
                    .col(text("title"))
                    .col(text("text"))
                    .col(text("severity"))
                    .col(big_integer("created_at"))
                    .foreign_key(&mut run)
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

fn index(name: &str, table: &str, columns: &[&str]) -> IndexCreateStatement {
    let mut index = Index::create();
    index.name(name).table(Alias::new(table));
    for column in columns {
        index.col(Alias::new(*column));
    }
    index
}
