//! History at rest: segments in the object store, and the summaries that charts are drawn from.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, binary, boolean, integer, text};

use crate::table::{id, index, key, new_table, reference};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        streams(manager).await?;
        segments(manager).await?;
        rollups(manager).await
    }
}

async fn streams(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    for definition in [
        big_integer("merged_lines").default(0).take(),
        big_integer("live_chunks").default(0).take(),
        big_integer("live_bytes").default(0).take(),
        boolean("rewritten").default(false).take(),
    ] {
        let table = Table::alter().table(Alias::new("history_stream")).add_column(definition).to_owned();
        manager.alter_table(table).await?;
    }
    Ok(())
}

async fn segments(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            new_table("history_segment")
                .col(id("id"))
                .col(big_integer("run_id"))
                .col(big_integer("first_line"))
                .col(big_integer("line_count"))
                .col(big_integer_null("min_step"))
                .col(big_integer_null("max_step"))
                .col(boolean("sealed"))
                .col(big_integer("rows_blob_id"))
                .col(big_integer("columns_blob_id"))
                .col(big_integer("footer_bytes"))
                .col(integer("finest_level"))
                .col(binary("blocks"))
                .col(text("schema"))
                .foreign_key(&mut reference("run_id", "run"))
                .foreign_key(&mut reference("rows_blob_id", "blob"))
                .foreign_key(&mut reference("columns_blob_id", "blob"))
                .take(),
        )
        .await?;
    // Reading goes by line; segments of a run never overlap.
    let by_line = index("ux_history_segment_first_line", "history_segment", &["run_id", "first_line"]);
    manager.create_index(by_line.clone().unique().take()).await?;
    // Whether a blob is referred to.
    for (name, column) in [
        ("ix_history_segment_rows_blob_id", "rows_blob_id"),
        ("ix_history_segment_columns_blob_id", "columns_blob_id"),
    ] {
        manager.create_index(index(name, "history_segment", &[column])).await?;
    }
    Ok(())
}

async fn rollups(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    // The primary key is the order in which a chart reads: one key of one run at one level, by line.
    manager
        .create_table(
            new_table("history_rollup")
                .col(big_integer("run_id"))
                .col(text("key"))
                .col(integer("level"))
                .col(big_integer("first_line"))
                .col(binary("body"))
                .primary_key(&mut key(&["run_id", "key", "level", "first_line"]))
                .foreign_key(&mut reference("run_id", "run"))
                .take(),
        )
        .await?;
    // Those of a segment that is replaced.
    manager
        .create_index(index("ix_history_rollup_first_line", "history_rollup", &["run_id", "first_line"]))
        .await
}
