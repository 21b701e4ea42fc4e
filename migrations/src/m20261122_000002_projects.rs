//! Projects that are renamed, deleted and restored; runs that move; changes to many runs at once.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, text, text_null};

use crate::table::{index, key, new_table, reference};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        project_states(manager).await?;
        former_places(manager).await?;
        project_deletions(manager).await?;
        bulk_tasks(manager).await
    }
}

async fn project_states(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    for mut column in [text("state").default("live").take(), big_integer_null("deleted_at")] {
        let mut table = Table::alter();
        manager.alter_table(table.table(Alias::new("project")).add_column(&mut column).take()).await?;
    }
    manager
        .drop_index(Index::drop().name("ux_project_entity_id_name").table(Alias::new("project")).to_owned())
        .await?;
    // A name has one live project; a deleted one gives it free at once. sea-query has no partial index, the text is
    // the same on both databases.
    manager
        .get_connection()
        .execute_unprepared(
            "CREATE UNIQUE INDEX ux_project_live_name ON project (entity_id, name) WHERE state = 'live'",
        )
        .await?;
    // Who has or had a name.
    manager.create_index(index("ix_project_name", "project", &["entity_id", "name"])).await?;
    // The projects of an entity, by creation.
    manager
        .create_index(index("ix_project_listing", "project", &["entity_id", "state", "created_at", "id"]))
        .await
}

async fn former_places(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            new_table("project_former_name")
                .col(big_integer("entity_id"))
                .col(text("name"))
                .col(big_integer("project_id"))
                .col(big_integer("left_at"))
                .primary_key(&mut key(&["entity_id", "name", "project_id"]))
                .foreign_key(&mut reference("entity_id", "entity"))
                .foreign_key(&mut reference("project_id", "project"))
                .take(),
        )
        .await?;
    manager
        .create_table(
            new_table("run_alias")
                .col(big_integer("project_id"))
                .col(text("name"))
                .col(big_integer("run_id"))
                .primary_key(&mut key(&["project_id", "name"]))
                .foreign_key(&mut reference("project_id", "project"))
                .foreign_key(&mut reference("run_id", "run"))
                .take(),
        )
        .await
}

async fn project_deletions(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            new_table("project_deletion")
                .col(text("id").primary_key())
                .col(big_integer("project_id"))
                .col(big_integer("user_id"))
                .col(text("state"))
                .col(text_null("reason"))
                .col(big_integer("requested_at"))
                .col(big_integer("purge_after"))
                .col(big_integer_null("ended_at"))
                .col(big_integer("run_count"))
                .foreign_key(&mut reference("project_id", "project"))
                .take(),
        )
        .await?;
    // The deletion that a project is in the trash by.
    manager
        .create_index(index("ix_project_deletion_project_id", "project_deletion", &["project_id", "state"]))
        .await?;
    // The trash, last deleted first.
    manager
        .create_index(index(
            "ix_project_deletion_trash",
            "project_deletion",
            &["state", "requested_at", "id"],
        ))
        .await
}

async fn bulk_tasks(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            new_table("bulk_task")
                .col(text("id").primary_key())
                .col(big_integer("user_id"))
                .col(big_integer("project_id"))
                .col(text("filter"))
                .col(text("change"))
                .col(text("state"))
                .col(big_integer("after_created_at"))
                .col(big_integer("after_id"))
                .col(big_integer("matched_count"))
                .col(big_integer("changed_count"))
                .col(big_integer("refused_count"))
                .col(text("refused"))
                .col(big_integer("created_at"))
                .col(big_integer_null("ended_at"))
                .foreign_key(&mut reference("project_id", "project"))
                .take(),
        )
        .await
}
