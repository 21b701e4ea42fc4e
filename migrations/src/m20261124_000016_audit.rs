//! What was done to things, in a chain.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, text, text_null};

use crate::table::{id, index, new_table, unique};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // It outlives all that it names, so it refers to no table.
        manager
            .create_table(
                new_table("audit_entry")
                    .col(id("id"))
                    .col(big_integer("recorded_at"))
                    .col(big_integer_null("actor_id"))
                    .col(text("action"))
                    .col(text("kind"))
                    .col(big_integer("subject_id"))
                    .col(big_integer_null("entity_id"))
                    .col(text("path"))
                    .col(text_null("reason"))
                    .col(text("counts"))
                    .col(text_null("digest"))
                    .col(big_integer_null("position"))
                    .col(text_null("previous"))
                    .col(text_null("hash"))
                    .take(),
            )
            .await?;
        manager.create_index(unique("ux_audit_entry_position", "audit_entry", &["position"])).await?;
        // What is not sealed yet.
        manager
            .get_connection()
            .execute_unprepared(
                "CREATE INDEX ix_audit_entry_unsealed ON audit_entry (id) WHERE position IS NULL",
            )
            .await?;
        // Of an entity, of a thing, by somebody; last first.
        for (name, columns) in [
            ("ix_audit_entry_entity_id", &["entity_id", "id"][..]),
            ("ix_audit_entry_subject", &["kind", "subject_id", "id"]),
            ("ix_audit_entry_actor_id", &["actor_id", "id"]),
        ] {
            manager.create_index(index(name, "audit_entry", columns)).await?;
        }
        Ok(())
    }
}
