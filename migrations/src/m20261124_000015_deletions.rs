//! One deletion for each call, with an item for each thing that it is about; changes to a set of runs that is fixed when
//! they are asked for.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, boolean, text, text_null};

use crate::table::{index, key, new_table, reference};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        make_room(manager).await?;
        deletions(manager).await?;
        items(manager).await?;
        copy(manager).await?;
        bulk_items(manager).await?;
        policy(manager).await
    }
}

async fn run(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    for sql in statements {
        manager.get_connection().execute_unprepared(sql).await?;
    }
    Ok(())
}

async fn make_room(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    run(manager, &["DROP INDEX ix_deletion_run_id", "ALTER TABLE deletion RENAME TO run_deletion"]).await
}

async fn deletions(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            new_table("deletion")
                .col(text("id").primary_key())
                .col(text("kind"))
                .col(big_integer("project_id"))
                .col(big_integer("user_id"))
                .col(text_null("task_id"))
                .col(boolean("with_artifacts"))
                .col(text("on_registry_link"))
                .col(text("state"))
                .col(text_null("reason"))
                .col(big_integer("requested_at"))
                .col(big_integer("purge_after"))
                .col(big_integer_null("ended_at"))
                .col(big_integer("run_count"))
                .col(big_integer("artifact_count"))
                .col(big_integer("file_count"))
                .col(big_integer("file_bytes"))
                .foreign_key(&mut reference("project_id", "project"))
                .take(),
        )
        .await?;
    // The deletions of a project, last first; and the one that it is in the trash by.
    manager
        .create_index(index("ix_deletion_project_id", "deletion", &["project_id", "requested_at", "id"]))
        .await?;
    // Everything that is in the trash, last deleted first.
    manager
        .create_index(index("ix_deletion_trash", "deletion", &["kind", "state", "requested_at", "id"]))
        .await?;
    manager.create_index(index("ix_deletion_requested_at", "deletion", &["requested_at", "id"])).await
}

async fn items(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            new_table("deletion_item")
                .col(text("deletion_id"))
                .col(text("kind"))
                .col(big_integer("subject_id"))
                .col(text("name"))
                .col(text("state"))
                .col(text_null("detail"))
                .col(big_integer("file_count"))
                .col(big_integer("file_bytes"))
                .primary_key(&mut key(&["deletion_id", "kind", "subject_id"]))
                .foreign_key(&mut reference("deletion_id", "deletion"))
                .take(),
        )
        .await?;
    // The deletion that a thing is in the trash by.
    manager
        .create_index(index("ix_deletion_item_subject", "deletion_item", &["subject_id", "kind", "state"]))
        .await?;
    // What of a deletion is still to be purged.
    manager
        .create_index(index(
            "ix_deletion_item_state",
            "deletion_item",
            &["deletion_id", "state", "kind", "subject_id"],
        ))
        .await
}

async fn copy(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    run(
        manager,
        &[
            "INSERT INTO deletion (id, kind, project_id, user_id, with_artifacts, on_registry_link, state, reason, \
             requested_at, purge_after, ended_at, run_count, artifact_count, file_count, file_bytes) \
             SELECT d.id, 'runs', r.project_id, d.user_id, FALSE, 'delete', d.state, d.reason, d.requested_at, \
             d.purge_after, d.ended_at, 1, 0, d.file_count, d.file_bytes \
             FROM run_deletion d JOIN run r ON r.id = d.run_id",
            "INSERT INTO deletion_item (deletion_id, kind, subject_id, name, state, file_count, file_bytes) \
             SELECT d.id, 'run', d.run_id, r.name, d.state, d.file_count, d.file_bytes \
             FROM run_deletion d JOIN run r ON r.id = d.run_id",
            "INSERT INTO deletion (id, kind, project_id, user_id, with_artifacts, on_registry_link, state, reason, \
             requested_at, purge_after, ended_at, run_count, artifact_count, file_count, file_bytes) \
             SELECT id, 'project', project_id, user_id, TRUE, 'delete', state, reason, requested_at, purge_after, \
             ended_at, run_count, 0, 0, 0 FROM project_deletion",
            "DROP TABLE run_deletion",
            "DROP TABLE project_deletion",
            // What waits in the queue names its deletion as the key by which it is told apart.
            "UPDATE job SET kind = 'purge_deletion', payload = '{\"deletion_id\":\"' || dedupe_key || '\"}' \
             WHERE kind IN ('purge_run', 'purge_project')",
        ],
    )
    .await
}

async fn bulk_items(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            new_table("bulk_item")
                .col(text("task_id"))
                .col(big_integer("run_id"))
                .col(text("outcome"))
                .col(text_null("reason"))
                .primary_key(&mut key(&["task_id", "run_id"]))
                .foreign_key(&mut reference("task_id", "bulk_task"))
                .take(),
        )
        .await?;
    // A change that is under way knows its runs by their filter only.
    run(
        manager,
        &[
            "UPDATE bulk_task SET state = 'stopped' WHERE state = 'underway'",
            "ALTER TABLE bulk_task DROP COLUMN after_created_at",
            "ALTER TABLE bulk_task DROP COLUMN refused",
            "ALTER TABLE bulk_task ADD COLUMN privileged BOOLEAN NOT NULL DEFAULT FALSE",
        ],
    )
    .await
}

async fn policy(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut column = boolean("keeps_linked").default(false).take();
    let mut table = Table::alter();
    manager.alter_table(table.table(Alias::new("project")).add_column(&mut column).take()).await
}
