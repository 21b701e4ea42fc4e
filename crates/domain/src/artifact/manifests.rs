//! The lists of files that writers send. Their bytes are kept as they came.

use std::collections::HashMap;

use counterweight_storage::{ContentDigest, Md5Digest, ObjectKey};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, EntityTrait as _, IntoActiveModel as _, NotSet,
    QueryFilter as _, QueryOrder as _, Set,
};

use super::uploads::{hold_pending, writable};
use super::{ManifestKind, StoredManifest, queries};
use crate::account::Caller;
use crate::blob;
use crate::db::{Db, Source, WriteTx};
use crate::entity::artifact_manifest::{ActiveModel, Column, Entity};
use crate::entity::blob as blob_entity;
use crate::error::{Error, Result};
use crate::file::FileName;
use crate::id::{ArtifactId, BlobId, ManifestId};

/// A manifest to announce.
#[derive(Clone, Debug)]
pub struct NewManifest {
    /// Its version.
    pub artifact: ArtifactId,
    /// What it is a list of.
    pub kind: ManifestKind,
    /// The file's name.
    pub name: String,
    /// MD5 of its bytes in base64; empty where the writer does not know it yet.
    pub digest: String,
    /// The version that it adds to.
    pub base: Option<ArtifactId>,
}

/// Announces a manifest. The writer of a full one announces it twice, before and after its files have arrived: that is
/// the same manifest. Each writer of several has one of its own.
pub async fn create_manifest(tx: &WriteTx, caller: &Caller, new: NewManifest) -> Result<StoredManifest> {
    let NewManifest { artifact, kind, name, digest, base } = new;
    writable(tx, caller, artifact).await?;
    let name = FileName::parse("name", &name)?;
    check_digest(&digest)?;
    if let Some(base) = base {
        queries::locate(tx, caller, base).await?;
    }
    if kind == ManifestKind::Full
        && let Some(found) = of_artifact(tx, artifact).await?.into_iter().find(|one| one.kind == kind)
    {
        let mut row = found.into_active_model();
        row.name = Set(name.as_str().to_owned());
        row.digest = Set(digest);
        row.base_artifact_id = Set(base);
        return Ok(row.update(tx.connection()).await?);
    }
    let fresh = ActiveModel {
        id: NotSet,
        artifact_id: Set(artifact),
        kind: Set(kind),
        name: Set(name.as_str().to_owned()),
        digest: Set(digest),
        base_artifact_id: Set(base),
        blob_id: Set(None),
        created_at: Set(tx.now()),
    };
    Ok(fresh.insert(tx.connection()).await?)
}

/// Tells the digest of a manifest whose bytes are about to arrive.
pub async fn update_manifest(
    tx: &WriteTx,
    caller: &Caller,
    id: ManifestId,
    digest: Option<String>,
    base: Option<ArtifactId>,
) -> Result<StoredManifest> {
    let missing = || Error::not_found("artifact manifest", id.to_node_id());
    let found = Entity::find_by_id(id).one(tx.connection()).await?.ok_or_else(missing)?;
    match writable(tx, caller, found.artifact_id).await {
        Err(Error::NotFound { .. }) => return Err(missing()),
        seen => seen?,
    };
    let mut row = found.into_active_model();
    if let Some(digest) = digest {
        check_digest(&digest)?;
        row.digest = Set(digest);
    }
    if let Some(base) = base {
        queries::locate(tx, caller, base).await?;
        row.base_artifact_id = Set(Some(base));
    }
    Ok(row.update(tx.connection()).await?)
}

fn check_digest(digest: &str) -> Result<()> {
    if digest.is_empty() || digest.parse::<Md5Digest>().is_ok() {
        return Ok(());
    }
    Err(Error::invalid("DIGEST_INVALID", "digest", "a manifest's digest is the base64 of its MD5"))
}

/// All manifests of a version, in the order in which they were announced.
pub(super) async fn of_artifact(db: &impl Source, id: ArtifactId) -> Result<Vec<StoredManifest>> {
    // Plan: ix_artifact_manifest_artifact_id.
    let query = Entity::find().filter(Column::ArtifactId.eq(id)).order_by_asc(Column::Id);
    Ok(query.all(db.connection()).await?)
}

/// Announces the bytes of a manifest: where they are to be put, and what they must hash to, where that is known.
pub async fn begin_manifest_upload(
    db: &Db,
    id: ManifestId,
) -> Result<(BlobId, ObjectKey, Vec<ContentDigest>)> {
    let tx = db.begin_write().await?;
    let found = find(&tx, id).await?;
    hold_pending(&tx, found.artifact_id).await?;
    let (blob, key) = blob::begin(&tx).await?;
    tx.commit().await?;
    let md5 = found.digest.parse::<Md5Digest>().ok();
    Ok((blob, key, md5.map(ContentDigest::from).into_iter().collect()))
}

/// The bytes of a manifest have arrived and are durable.
pub async fn finish_manifest_upload(
    db: &Db,
    id: ManifestId,
    blob_id: BlobId,
    size_bytes: u64,
    md5: Md5Digest,
) -> Result<()> {
    let tx = db.begin_write().await?;
    let found = find(&tx, id).await?;
    hold_pending(&tx, found.artifact_id).await?;
    blob::complete(&tx, blob_id, size_bytes, md5).await?;
    let mut row = found.into_active_model();
    row.blob_id = Set(Some(blob_id));
    row.update(tx.connection()).await?;
    tx.commit().await
}

async fn find(tx: &WriteTx, id: ManifestId) -> Result<StoredManifest> {
    let found = Entity::find_by_id(id).one(tx.connection()).await?;
    found.ok_or_else(|| Error::not_found("artifact manifest", id.to_node_id()))
}

/// The full manifests of versions, whole or merged, for things whose owner was checked.
pub async fn get_current_manifests(
    db: &impl Source,
    ids: &[ArtifactId],
) -> Result<HashMap<ArtifactId, StoredManifest>> {
    let query = Entity::find()
        .filter(Column::ArtifactId.is_in(ids.iter().copied()))
        .filter(Column::Kind.eq(ManifestKind::Full))
        .filter(Column::BlobId.is_not_null())
        .order_by_asc(Column::Id);
    Ok(query.all(db.connection()).await?.into_iter().map(|row| (row.artifact_id, row)).collect())
}

/// A manifest and its bytes, for links that were signed for it. They end with the version.
pub async fn manifest_content(
    db: &impl Source,
    id: ManifestId,
) -> Result<(StoredManifest, blob_entity::Model)> {
    let missing = || Error::not_found("artifact manifest", id.to_node_id());
    let found = Entity::find_by_id(id).one(db.connection()).await?.ok_or_else(missing)?;
    if !queries::is_live(db, found.artifact_id).await? {
        return Err(missing());
    }
    let blob =
        blob_entity::Entity::find_by_id(found.blob_id.ok_or_else(missing)?).one(db.connection()).await?;
    Ok((found, blob.ok_or_else(missing)?))
}
