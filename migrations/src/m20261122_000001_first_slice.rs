//! Accounts, projects, runs, history, files, blobs, jobs.
//!
//! All times are microseconds since the epoch. Indexes carry the query they serve.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, binary, boolean, double_null, integer, text, text_null,
};
use sea_orm_migration::sea_orm::DbBackend;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        accounts(manager).await?;
        runs(manager).await?;
        deletions(manager).await?;
        history(manager).await?;
        files(manager).await?;
        jobs(manager).await
    }
}

fn id() -> ColumnDef {
    let mut column = ColumnDef::new(Alias::new("id"));
    column.big_integer().not_null().auto_increment().primary_key();
    column
}

fn new_table(name: &str) -> TableCreateStatement {
    Table::create().table(Alias::new(name)).to_owned()
}

fn reference(column: &str, table: &str) -> ForeignKeyCreateStatement {
    ForeignKey::create().from_col(Alias::new(column)).to(Alias::new(table), Alias::new("id")).to_owned()
}

fn index(name: &str, table: &str, columns: &[&str]) -> IndexCreateStatement {
    let mut index = Index::create();
    index.name(name).table(Alias::new(table));
    for column in columns {
        index.col(Alias::new(*column));
    }
    index
}

async fn accounts(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            new_table("entity")
                .col(id())
                .col(text("name").unique_key())
                .col(text("kind"))
                .col(big_integer("created_at"))
                .take(),
        )
        .await?;
    manager
        .create_table(
            new_table("user")
                .col(id())
                .col(big_integer("entity_id").unique_key())
                .col(text("full_name"))
                .col(text_null("email"))
                .col(boolean("admin"))
                .col(big_integer("created_at"))
                .foreign_key(&mut reference("entity_id", "entity"))
                .take(),
        )
        .await?;
    manager
        .create_table(
            new_table("api_key")
                .col(id())
                .col(big_integer("user_id"))
                .col(text("name"))
                .col(text("sha256").unique_key())
                .col(big_integer("created_at"))
                .foreign_key(&mut reference("user_id", "user"))
                .take(),
        )
        .await?;
    manager.create_index(index("ix_api_key_user_id", "api_key", &["user_id"])).await?;
    manager
        .create_table(new_table("secret").col(text("name").primary_key()).col(binary("value")).take())
        .await?;
    manager
        .create_table(
            new_table("project")
                .col(id())
                .col(big_integer("entity_id"))
                .col(text("name"))
                .col(text_null("description"))
                .col(text_null("repo"))
                .col(big_integer("run_counter"))
                .col(big_integer("created_at"))
                .col(big_integer("updated_at"))
                .foreign_key(&mut reference("entity_id", "entity"))
                .take(),
        )
        .await?;
    manager
        .create_index(index("ux_project_entity_id_name", "project", &["entity_id", "name"]).unique().take())
        .await
}

async fn runs(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            new_table("run")
                .col(id())
                .col(big_integer("project_id"))
                .col(big_integer("user_id"))
                .col(text("name"))
                .col(text("display_name"))
                .col(text("state"))
                .col(text("lifecycle"))
                .col(big_integer("created_at"))
                .col(big_integer("updated_at"))
                .col(big_integer("heartbeat_at"))
                .col(big_integer_null("finished_at"))
                .col(integer("exit_code").null())
                .col(boolean("stop_requested"))
                .col(text_null("group_name"))
                .col(text_null("job_type"))
                .col(text_null("host"))
                .col(text_null("commit_hash"))
                .col(text_null("program"))
                .col(text_null("repo"))
                .col(text_null("sweep_name"))
                .col(text_null("description"))
                .col(text_null("notes"))
                .col(text("tags"))
                .col(big_integer_null("archived_until"))
                .col(big_integer_null("deleted_at"))
                .col(big_integer_null("purge_after"))
                .foreign_key(&mut reference("project_id", "project"))
                .foreign_key(&mut reference("user_id", "user"))
                .take(),
        )
        .await?;
    // A run id is taken for ever in its project, so the tombstone stays under this key.
    manager
        .create_index(index("ux_run_project_id_name", "run", &["project_id", "name"]).unique().take())
        .await?;
    // The default listing: one project, one lifecycle, by creation.
    manager
        .create_index(index("ix_run_listing", "run", &["project_id", "lifecycle", "created_at", "id"]))
        .await?;
    // The trash, and crash detection.
    manager.create_index(index("ix_run_deleted_at", "run", &["lifecycle", "deleted_at", "id"])).await?;
    manager.create_index(index("ix_run_heartbeat_at", "run", &["state", "heartbeat_at"])).await?;
    manager
        .create_table(
            new_table("run_document")
                .col(big_integer("run_id").primary_key())
                .col(text_null("config"))
                .col(text_null("summary"))
                .col(text_null("system_metrics"))
                .foreign_key(&mut reference("run_id", "run"))
                .take(),
        )
        .await?;
    manager
        .create_table(
            new_table("run_value")
                .col(big_integer("run_id"))
                .col(big_integer("project_id"))
                .col(integer("scope"))
                .col(text("path"))
                .col(double_null("num"))
                .col(text_null("text"))
                .col(boolean("bool").null())
                .primary_key(
                    Index::create()
                        .col(Alias::new("run_id"))
                        .col(Alias::new("scope"))
                        .col(Alias::new("path")),
                )
                .foreign_key(&mut reference("run_id", "run"))
                .take(),
        )
        .await?;
    // Text is compared by its bytes, as SQLite does; so the index must be.
    let connection = manager.get_connection();
    if connection.get_database_backend() == DbBackend::Postgres {
        connection
            .execute_unprepared("ALTER TABLE run_value ALTER COLUMN text TYPE text COLLATE \"C\"")
            .await?;
    }
    // "path = and range", and "order by path limit n", inside one project.
    manager
        .create_index(index(
            "ix_run_value_num",
            "run_value",
            &["project_id", "scope", "path", "num", "run_id"],
        ))
        .await?;
    manager
        .create_index(index(
            "ix_run_value_text",
            "run_value",
            &["project_id", "scope", "path", "text", "run_id"],
        ))
        .await
}

async fn deletions(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            new_table("deletion")
                .col(text("id").primary_key())
                .col(big_integer("run_id"))
                .col(big_integer("user_id"))
                .col(text("state"))
                .col(text_null("reason"))
                .col(big_integer("requested_at"))
                .col(big_integer("purge_after"))
                .col(big_integer_null("ended_at"))
                .col(big_integer("file_count"))
                .col(big_integer("file_bytes"))
                .foreign_key(&mut reference("run_id", "run"))
                .take(),
        )
        .await?;
    manager.create_index(index("ix_deletion_run_id", "deletion", &["run_id", "requested_at"])).await
}

async fn history(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            new_table("history_stream")
                .col(big_integer("run_id"))
                .col(integer("stream"))
                .col(big_integer("line_count"))
                .col(big_integer_null("last_step"))
                .col(text("keys"))
                .primary_key(Index::create().col(Alias::new("run_id")).col(Alias::new("stream")))
                .foreign_key(&mut reference("run_id", "run"))
                .take(),
        )
        .await?;
    manager
        .create_table(
            new_table("history_chunk")
                .col(id())
                .col(big_integer("run_id"))
                .col(integer("stream"))
                .col(big_integer("first_line"))
                .col(big_integer("line_count"))
                .col(big_integer_null("min_step"))
                .col(big_integer_null("max_step"))
                .col(integer("raw_bytes"))
                .col(binary("body"))
                .foreign_key(&mut reference("run_id", "run"))
                .take(),
        )
        .await?;
    // Chunks of a stream never overlap; reading and overwriting go by line.
    manager
        .create_index(
            index("ux_history_chunk_first_line", "history_chunk", &["run_id", "stream", "first_line"])
                .unique()
                .take(),
        )
        .await
}

async fn files(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            new_table("blob")
                .col(id())
                .col(text("object_key").unique_key())
                .col(text("state"))
                .col(big_integer("size_bytes"))
                .col(text_null("md5"))
                .col(big_integer("created_at"))
                .col(big_integer("last_used_at"))
                .col(big_integer_null("doomed_at"))
                .col(big_integer_null("sweep_after"))
                .col(integer("sweep_failures"))
                .take(),
        )
        .await?;
    // Mark walks live and pending blobs by id; sweep takes due doomed ones.
    manager.create_index(index("ix_blob_mark", "blob", &["state", "last_used_at", "id"])).await?;
    manager.create_index(index("ix_blob_sweep", "blob", &["state", "sweep_after", "id"])).await?;
    manager
        .create_table(
            new_table("run_file")
                .col(id())
                .col(big_integer("run_id"))
                .col(text("name"))
                .col(big_integer("blob_id"))
                .col(big_integer("created_at"))
                .col(big_integer("updated_at"))
                .foreign_key(&mut reference("run_id", "run"))
                .foreign_key(&mut reference("blob_id", "blob"))
                .take(),
        )
        .await?;
    manager
        .create_index(index("ux_run_file_run_id_name", "run_file", &["run_id", "name"]).unique().take())
        .await?;
    manager.create_index(index("ix_run_file_blob_id", "run_file", &["blob_id"])).await
}

async fn jobs(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            new_table("job")
                .col(id())
                .col(text("kind"))
                .col(text_null("dedupe_key"))
                .col(text("payload"))
                .col(text("state"))
                .col(big_integer("run_at"))
                .col(integer("attempt"))
                .col(integer("max_attempts"))
                .col(text_null("lease_owner"))
                .col(big_integer_null("lease_until"))
                .col(text_null("last_error"))
                .col(big_integer("created_at"))
                .col(big_integer_null("finished_at"))
                .take(),
        )
        .await?;
    manager.create_index(index("ix_job_claim", "job", &["state", "run_at", "id"])).await?;
    // One waiting or running job per key; sea-query has no partial index, the text is the same on both databases.
    manager
        .get_connection()
        .execute_unprepared(
            "CREATE UNIQUE INDEX ux_job_dedupe ON job (kind, dedupe_key) WHERE state IN ('ready', 'running')",
        )
        .await?;
    manager
        .create_table(
            new_table("schedule").col(text("name").primary_key()).col(big_integer("next_run_at")).take(),
        )
        .await
}
