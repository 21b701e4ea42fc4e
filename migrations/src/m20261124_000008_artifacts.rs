//! Artifacts: types, collections, versions, manifests and their entries, aliases, tags, and which runs made or used them.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, text, text_null};

use crate::table::{id, index, key, new_table, reference, unique};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        contents(manager).await?;
        collections(manager).await?;
        versions(manager).await?;
        places(manager).await?;
        manifests(manager).await?;
        uploads(manager).await?;
        lineage(manager).await
    }
}

/// What a blob holds, so that the same content is stored once for an entity; and an entity's own lifetime of artifacts.
async fn contents(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    for (table, column) in [
        ("blob", big_integer_null("owner_id").take()),
        ("blob", text_null("content_digest").take()),
        ("entity", big_integer_null("artifact_ttl_seconds").take()),
    ] {
        manager.alter_table(Table::alter().table(Alias::new(table)).add_column(column).to_owned()).await?;
    }
    // Content by its digest, within an entity. Few blobs have one, the others are not in it.
    manager
        .get_connection()
        .execute_unprepared(
            "CREATE INDEX ix_blob_content ON blob (owner_id, content_digest) WHERE content_digest IS NOT NULL",
        )
        .await?;
    Ok(())
}

async fn collections(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            new_table("artifact_type")
                .col(id("id"))
                .col(big_integer("project_id"))
                .col(text("name"))
                .col(text_null("description"))
                .col(big_integer("created_at"))
                .foreign_key(&mut reference("project_id", "project"))
                .take(),
        )
        .await?;
    let by_name = unique("ux_artifact_type_project_id_name", "artifact_type", &["project_id", "name"]);
    manager.create_index(by_name).await?;
    manager
        .create_table(
            new_table("artifact_collection")
                .col(id("id"))
                .col(big_integer("project_id"))
                .col(big_integer("artifact_type_id"))
                .col(text("kind"))
                .col(text("name"))
                .col(text("state"))
                .col(text_null("description"))
                .col(text("digest_algorithm"))
                .col(big_integer("next_version"))
                .col(big_integer_null("ttl_seconds"))
                .col(big_integer("created_at"))
                .col(big_integer("updated_at"))
                .foreign_key(&mut reference("project_id", "project"))
                .foreign_key(&mut reference("artifact_type_id", "artifact_type"))
                .take(),
        )
        .await?;
    // A name has one live collection, whatever its kind; a deleted one gives it free at once.
    manager
        .get_connection()
        .execute_unprepared(
            "CREATE UNIQUE INDEX ux_artifact_collection_live_name ON artifact_collection (project_id, name) \
             WHERE state = 'live'",
        )
        .await?;
    // Listings by creation, and all collections of a project that is purged.
    let listing = ["project_id", "state", "created_at", "id"];
    manager.create_index(index("ix_artifact_collection_listing", "artifact_collection", &listing)).await?;
    let by_type = ["artifact_type_id", "state", "created_at", "id"];
    manager.create_index(index("ix_artifact_collection_type", "artifact_collection", &by_type)).await?;
    manager
        .create_table(
            new_table("artifact_collection_tag")
                .col(id("id"))
                .col(big_integer("collection_id"))
                .col(text("name"))
                .foreign_key(&mut reference("collection_id", "artifact_collection"))
                .take(),
        )
        .await?;
    let by_name =
        unique("ux_artifact_collection_tag_name", "artifact_collection_tag", &["collection_id", "name"]);
    manager.create_index(by_name).await?;
    manager
        .create_table(
            new_table("protected_alias")
                .col(big_integer("project_id"))
                .col(text("alias"))
                .primary_key(&mut key(&["project_id", "alias"]))
                .foreign_key(&mut reference("project_id", "project"))
                .take(),
        )
        .await
}

async fn versions(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            new_table("artifact")
                .col(id("id"))
                .col(big_integer("collection_id"))
                .col(text("state"))
                .col(text("digest"))
                .col(text("digest_algorithm"))
                .col(text_null("client_id"))
                .col(text_null("sequence_client_id"))
                .col(text_null("distributed_id"))
                .col(big_integer_null("run_id"))
                .col(big_integer("user_id"))
                .col(text_null("description"))
                .col(text_null("metadata"))
                .col(text("requested_aliases"))
                .col(big_integer_null("history_step"))
                .col(text_null("commit_hash"))
                .col(big_integer("size_bytes"))
                .col(big_integer("file_count"))
                .col(big_integer_null("ttl_seconds"))
                .col(big_integer_null("expires_at"))
                .col(big_integer("created_at"))
                .col(big_integer("updated_at"))
                .col(big_integer_null("committed_at"))
                .col(big_integer_null("deleted_at"))
                .foreign_key(&mut reference("collection_id", "artifact_collection"))
                .foreign_key(&mut reference("run_id", "run"))
                .foreign_key(&mut reference("user_id", "user"))
                .take(),
        )
        .await?;
    for (name, columns) in [
        // The same content again, and all versions of a collection that is deleted.
        ("ix_artifact_digest", ["collection_id", "digest"].as_slice()),
        // By the id that a client gave it before the server did.
        ("ix_artifact_client_id", &["client_id"]),
        ("ix_artifact_run_id", &["run_id"]),
        // What was begun and never committed; what ends by itself.
        ("ix_artifact_state_created_at", &["state", "created_at"]),
        ("ix_artifact_expires_at", &["expires_at"]),
    ] {
        manager.create_index(index(name, "artifact", columns)).await?;
    }
    manager
        .create_table(
            new_table("artifact_tag")
                .col(id("id"))
                .col(big_integer("artifact_id"))
                .col(text("name"))
                .foreign_key(&mut reference("artifact_id", "artifact"))
                .take(),
        )
        .await?;
    let by_name = unique("ux_artifact_tag_artifact_id_name", "artifact_tag", &["artifact_id", "name"]);
    manager.create_index(by_name).await
}

/// Where a version stands: in the sequence that it was made in, and in each portfolio that it is linked to.
async fn places(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            new_table("artifact_membership")
                .col(id("id"))
                .col(big_integer("collection_id"))
                .col(big_integer("artifact_id"))
                .col(big_integer("version_index"))
                .col(big_integer("created_at"))
                .foreign_key(&mut reference("collection_id", "artifact_collection"))
                .foreign_key(&mut reference("artifact_id", "artifact"))
                .take(),
        )
        .await?;
    for (name, columns) in [
        ("ux_artifact_membership_version", ["collection_id", "version_index"]),
        ("ux_artifact_membership_artifact", ["collection_id", "artifact_id"]),
    ] {
        manager.create_index(unique(name, "artifact_membership", &columns)).await?;
    }
    let by_artifact = index("ix_artifact_membership_artifact_id", "artifact_membership", &["artifact_id"]);
    manager.create_index(by_artifact).await?;
    manager
        .create_table(
            new_table("artifact_alias")
                .col(id("id"))
                .col(big_integer("collection_id"))
                .col(big_integer("artifact_id"))
                .col(text("alias"))
                .foreign_key(&mut reference("collection_id", "artifact_collection"))
                .foreign_key(&mut reference("artifact_id", "artifact"))
                .take(),
        )
        .await?;
    let by_alias =
        unique("ux_artifact_alias_collection_id_alias", "artifact_alias", &["collection_id", "alias"]);
    manager.create_index(by_alias).await?;
    manager.create_index(index("ix_artifact_alias_artifact_id", "artifact_alias", &["artifact_id"])).await
}

async fn manifests(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            new_table("artifact_manifest")
                .col(id("id"))
                .col(big_integer("artifact_id"))
                .col(text("kind"))
                .col(text("name"))
                .col(text("digest"))
                .col(big_integer_null("base_artifact_id"))
                .col(big_integer_null("blob_id"))
                .col(big_integer("created_at"))
                .foreign_key(&mut reference("artifact_id", "artifact"))
                .foreign_key(&mut reference("base_artifact_id", "artifact"))
                .foreign_key(&mut reference("blob_id", "blob"))
                .take(),
        )
        .await?;
    for column in ["artifact_id", "blob_id"] {
        let name = format!("ix_artifact_manifest_{column}");
        manager.create_index(index(&name, "artifact_manifest", &[column])).await?;
    }
    manager
        .create_table(
            new_table("artifact_entry")
                .col(id("id"))
                .col(big_integer("artifact_id"))
                .col(text("path"))
                .col(text("digest"))
                .col(big_integer("size_bytes"))
                .col(text_null("reference"))
                .col(big_integer_null("blob_id"))
                .foreign_key(&mut reference("artifact_id", "artifact"))
                .foreign_key(&mut reference("blob_id", "blob"))
                .take(),
        )
        .await?;
    let by_path = unique("ux_artifact_entry_artifact_id_path", "artifact_entry", &["artifact_id", "path"]);
    manager.create_index(by_path).await?;
    manager.create_index(index("ix_artifact_entry_blob_id", "artifact_entry", &["blob_id"])).await
}

/// Files that were announced for a version which is not committed yet; without a blob until their bytes have arrived.
async fn uploads(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            new_table("artifact_upload")
                .col(id("id"))
                .col(big_integer("artifact_id"))
                .col(text("path"))
                .col(text("content_digest"))
                .col(text_null("md5"))
                .col(text_null("multipart"))
                .col(big_integer_null("blob_id"))
                .foreign_key(&mut reference("artifact_id", "artifact"))
                .foreign_key(&mut reference("blob_id", "blob"))
                .take(),
        )
        .await?;
    let by_path = unique("ux_artifact_upload_artifact_id_path", "artifact_upload", &["artifact_id", "path"]);
    manager.create_index(by_path).await?;
    manager.create_index(index("ix_artifact_upload_blob_id", "artifact_upload", &["blob_id"])).await
}

async fn lineage(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            new_table("run_artifact")
                .col(id("id"))
                .col(big_integer("run_id"))
                .col(big_integer("artifact_id"))
                .col(text("role"))
                .col(text_null("used_as"))
                .col(big_integer("created_at"))
                .foreign_key(&mut reference("run_id", "run"))
                .foreign_key(&mut reference("artifact_id", "artifact"))
                .take(),
        )
        .await?;
    let by_run = unique("ux_run_artifact_run_id", "run_artifact", &["run_id", "role", "artifact_id"]);
    manager.create_index(by_run).await?;
    manager.create_index(index("ix_run_artifact_artifact_id", "run_artifact", &["artifact_id", "role"])).await
}
