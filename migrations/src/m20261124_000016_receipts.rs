//! What a deletion took away for good, object by object.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, text, text_null};

use crate::table::{index, key, new_table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // These outlive all that they name, so they refer to no table.
        manager
            .create_table(
                new_table("receipt")
                    .col(text("deletion_id").primary_key())
                    .col(big_integer("project_id"))
                    .col(big_integer("actor_id"))
                    .col(text_null("reason"))
                    .col(big_integer("requested_at"))
                    .col(big_integer("purge_after"))
                    .col(big_integer("purged_at"))
                    .col(big_integer_null("issued_at"))
                    .col(text_null("software"))
                    .col(text_null("digest"))
                    .take(),
            )
            .await?;
        manager
            .create_table(
                new_table("receipt_item")
                    .col(text("deletion_id"))
                    .col(text("kind"))
                    .col(big_integer("subject_id"))
                    .col(text("path"))
                    .col(big_integer_null("purged_at"))
                    .primary_key(&mut key(&["deletion_id", "kind", "subject_id"]))
                    .take(),
            )
            .await?;
        // The deletion that a thing goes by.
        manager
            .create_index(index("ix_receipt_item_subject", "receipt_item", &["kind", "subject_id"]))
            .await?;
        manager
            .create_table(
                new_table("receipt_object")
                    .col(text("deletion_id"))
                    .col(big_integer("blob_id"))
                    .col(text("object_key"))
                    .col(text_null("digest"))
                    .col(big_integer("size_bytes"))
                    .col(big_integer_null("removed_at"))
                    .col(text_null("answer"))
                    .primary_key(&mut key(&["deletion_id", "blob_id"]))
                    .take(),
            )
            .await?;
        manager.create_index(index("ix_receipt_object_blob_id", "receipt_object", &["blob_id"])).await?;
        // What is not complete. sea-query has no partial index, the text is the same on both databases.
        for sql in [
            "CREATE INDEX ix_receipt_open ON receipt (purged_at) WHERE issued_at IS NULL",
            "CREATE INDEX ix_receipt_object_open ON receipt_object (deletion_id) WHERE answer IS NULL",
            "CREATE INDEX ix_receipt_item_open ON receipt_item (deletion_id) WHERE purged_at IS NULL",
        ] {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
