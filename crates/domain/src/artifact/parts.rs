//! Files that are sent in parts, each in a request of its own (protocol reference 4.5).

use std::fmt;
use std::str::FromStr;

use counterweight_storage::{
    BlobStore, CompletedPart, Md5Digest, ObjectKey, PartNumber, StorageError, UploadId as StoreUpload,
};
use sea_orm::{ActiveModelTrait as _, DeriveValueType, EntityTrait as _, IntoActiveModel as _, Set};
use serde::{Deserialize, Serialize};

use super::StoredUpload;
use super::uploads::{digests_of, find_upload, finish_upload, hold_pending, writable};
use crate::account::Caller;
use crate::blob;
use crate::db::{Db, Source as _};
use crate::entity::artifact_upload;
use crate::error::{Error, Result};
use crate::id::{ArtifactId, BlobId, UploadId};

/// An upload in parts that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveValueType)]
#[sea_orm(value_type = "String")]
pub struct Multipart {
    blob_id: BlobId,
    key: ObjectKey,
    upload: StoreUpload,
    /// What each part must be, from the first.
    parts: Vec<Md5Digest>,
}

impl fmt::Display for Multipart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        serde_json::to_string(self).map_err(|_| fmt::Error)?.fmt(f)
    }
}

impl FromStr for Multipart {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        serde_json::from_str(text)
    }
}

/// Where one part is to be put, and what it must be.
#[derive(Clone, Debug)]
pub struct PartTarget {
    /// The object that it is a part of.
    pub key: ObjectKey,
    /// What the store calls the upload.
    pub upload: StoreUpload,
    /// Which part.
    pub part: PartNumber,
    /// Its MD5.
    pub md5: Md5Digest,
}

fn no_upload(id: UploadId) -> Error {
    Error::not_found("upload", id.to_node_id())
}

/// Begins to take a file in these parts, from the first. A writer that begins again starts anew.
pub async fn begin_parts(db: &Db, blobs: &BlobStore, id: UploadId, parts: Vec<Md5Digest>) -> Result<()> {
    let tx = db.begin_write().await?;
    let announced = find_upload(&tx, id).await?;
    hold_pending(&tx, announced.artifact_id).await?;
    let (blob_id, key) = blob::begin(&tx).await?;
    tx.commit().await?;
    let upload = blobs.begin_multipart(&key).await.map_err(Error::unavailable)?;
    let tx = db.begin_write().await?;
    let announced = find_upload(&tx, id).await?;
    hold_pending(&tx, announced.artifact_id).await?;
    let mut row = announced.into_active_model();
    row.multipart = Set(Some(Multipart { blob_id, key, upload, parts }));
    row.update(tx.connection()).await?;
    tx.commit().await
}

/// Where a part is to be put; for links, which nobody signs in for.
pub async fn begin_part(db: &Db, id: UploadId, number: u32) -> Result<PartTarget> {
    let tx = db.begin_write().await?;
    let announced = find_upload(&tx, id).await?;
    hold_pending(&tx, announced.artifact_id).await?;
    let Multipart { key, upload, parts, .. } = announced.multipart.ok_or_else(|| no_upload(id))?;
    let of = u32::try_from(parts.len()).map_err(Error::internal)?;
    let part = PartNumber::new(number, of).ok_or_else(|| no_upload(id))?;
    let index = usize::try_from(number - 1).map_err(Error::internal)?;
    let md5 = *parts.get(index).ok_or_else(|| no_upload(id))?;
    Ok(PartTarget { key, upload, part, md5 })
}

async fn announced(db: &Db, caller: &Caller, artifact: ArtifactId, id: UploadId) -> Result<StoredUpload> {
    writable(db, caller, artifact).await?;
    let found = artifact_upload::Entity::find_by_id(id).one(db.connection()).await?;
    found.filter(|found| found.artifact_id == artifact).ok_or_else(|| no_upload(id))
}

/// Puts the parts together: the file has arrived if its bytes are what was announced. Doing it again is of no effect,
/// since the client repeats a call whose answer was lost.
pub async fn complete_parts(
    db: &Db,
    blobs: &BlobStore,
    caller: &Caller,
    artifact: ArtifactId,
    id: UploadId,
    parts: &[CompletedPart],
) -> Result<String> {
    let found = announced(db, caller, artifact, id).await?;
    let (digest, expected) = (found.content_digest, digests_of(&found));
    let Some(Multipart { blob_id, key, upload, .. }) = found.multipart else {
        return if found.blob_id.is_some() { Ok(digest.base64()) } else { Err(no_upload(id)) };
    };
    let refused = |error| match error {
        StorageError::InvalidParts => {
            Error::invalid("PARTS_INVALID", "completedParts", "are not the parts that were sent")
        }
        StorageError::NoSuchUpload => no_upload(id),
        other => Error::unavailable(other),
    };
    blobs.complete_multipart(&key, &upload, parts).await.map_err(refused)?;
    let stored = blobs.check(&key, &expected).await.map_err(|error| match error {
        StorageError::DigestMismatch { .. } => Error::invalid(
            "DIGEST_MISMATCH",
            "completedParts",
            "the parts together do not have the announced digest",
        ),
        other => Error::unavailable(other),
    })?;
    let finished = finish_upload(db, id, blob_id, stored.size_bytes, Some(stored.md5)).await;
    if finished.is_err() {
        blob::discard_late(db, blobs, blob_id, key).await;
    }
    finished.map(|()| digest.base64())
}

/// Gives up an upload in parts.
pub async fn abort_parts(
    db: &Db,
    blobs: &BlobStore,
    caller: &Caller,
    artifact: ArtifactId,
    id: UploadId,
) -> Result<()> {
    let found = announced(db, caller, artifact, id).await?;
    let Some(Multipart { key, upload, .. }) = found.multipart.clone() else { return Ok(()) };
    let tx = db.begin_write().await?;
    let mut row = found.into_active_model();
    row.multipart = Set(None);
    row.update(tx.connection()).await?;
    tx.commit().await?;
    blobs.abort_multipart(&key, &upload).await.map_err(Error::unavailable)
}
