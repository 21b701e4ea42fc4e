//! From files that have arrived to a version.
//!
//! What a manifest lists becomes entries while the version is still pending, batch by batch, so that no transaction is as
//! long as a manifest; then one transaction gives it its place and its aliases. Until then nobody sees any of it.

use counterweight_storage::{BlobStore, Md5Digest, ObjectKey, PutLimit};
use futures_util::{TryStreamExt as _, stream};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, EntityTrait as _, FromQueryResult, IntoActiveModel as _, NotSet,
    QueryFilter as _, Set,
};

use super::manifest::{MOST_BYTES, Manifest, ManifestEntry};
use super::queries::Located;
use super::{
    Artifact, ArtifactRole, ArtifactState, ManifestKind, StoredManifest, aliases, collections, lineage,
    manifests, queries, ttl,
};
use crate::account::Caller;
use crate::blob;
use crate::db::{Db, Source as _, WriteTx, dialect};
use crate::entity::artifact_manifest as manifest_entity;
use crate::entity::blob as blob_entity;
use crate::entity::{
    artifact, artifact_entry as entry, artifact_membership as membership, artifact_upload as upload,
};
use crate::error::{Error, Result};
use crate::id::{ArtifactId, EntityId};
use crate::run::{self, Lifecycle};

/// Entries that one transaction writes.
const BATCH: usize = 500;
/// Missing files that an error names.
const MOST_NAMES: usize = 20;
/// How a manifest is called where the server made it of others.
const MERGED_NAME: &str = "wandb_manifest.json";

/// Makes a pending version whole: every file that its manifest lists must have arrived. Committing it again answers with
/// the same version, since the client repeats a call whose answer was lost.
pub async fn commit(db: &Db, blobs: &BlobStore, caller: &Caller, id: ArtifactId) -> Result<Artifact> {
    let located = queries::locate_to_write(db, caller, id).await?;
    if located.artifact.state == ArtifactState::Committed {
        return Ok(located.artifact);
    }
    let (manifest, digest) = whole_manifest(db, blobs, caller, &located).await?;
    match write_entries(db, id, located.project.entity_id, &manifest).await? {
        Progress::Written => {}
        Progress::CommittedMeanwhile => return Ok(queries::locate(db, caller, id).await?.artifact),
    }
    publish(db, caller, &located, &manifest, digest).await
}

enum Progress {
    Written,
    CommittedMeanwhile,
}

/// The manifest of all files, and the version's digest. Where writers sent parts of it, they are put together and stored.
async fn whole_manifest(
    db: &Db,
    blobs: &BlobStore,
    caller: &Caller,
    located: &Located,
) -> Result<(Manifest, String)> {
    let version = &located.artifact;
    let mut stored = manifests::of_artifact(db, version.id).await?;
    stored.retain(|manifest| manifest.blob_id.is_some());
    if let Some(full) = stored.iter().rfind(|manifest| manifest.kind == ManifestKind::Full) {
        let manifest = read(db, blobs, full).await?;
        if manifest.digest(version.digest_algorithm)? != version.digest.to_ascii_lowercase() {
            let reason = "the manifest does not have the digest that the version was begun with";
            return Err(Error::invalid("DIGEST_MISMATCH", "digest", reason));
        }
        return Ok((manifest, version.digest.clone()));
    }
    let Some((first, others)) = stored.split_first() else {
        let reason = "the manifest of this version has not arrived".to_owned();
        return Err(Error::Precondition { code: "MANIFEST_MISSING", reason });
    };
    let (mut whole, parts) = match stored.iter().rev().find_map(|manifest| manifest.base_artifact_id) {
        Some(base) => (read_current(db, blobs, caller, base).await?, &stored[..]),
        None => (read(db, blobs, first).await?, others),
    };
    for part in parts {
        whole.add(read(db, blobs, part).await?)?;
    }
    store_merged(db, blobs, version.id, &whole).await?;
    let digest = whole.digest(version.digest_algorithm)?;
    Ok((whole, digest))
}

async fn read(db: &Db, blobs: &BlobStore, manifest: &StoredManifest) -> Result<Manifest> {
    let missing = || Error::internal("a manifest without its bytes");
    let id = manifest.blob_id.ok_or_else(missing)?;
    let blob = blob_entity::Entity::find_by_id(id).one(db.connection()).await?.ok_or_else(missing)?;
    if blob.size_bytes.unsigned_abs() > MOST_BYTES {
        let reason = format!("has more than {} MiB", MOST_BYTES >> 20);
        return Err(Error::invalid("MANIFEST_INVALID", "manifest", reason));
    }
    let key = ObjectKey::parse(blob.object_key).map_err(Error::internal)?;
    let body = blobs.get(&key, None).await.map_err(Error::unavailable)?;
    let bytes: Vec<_> = body.stream.try_collect().await.map_err(Error::unavailable)?;
    Manifest::parse(&bytes.concat())
}

async fn read_current(db: &Db, blobs: &BlobStore, caller: &Caller, id: ArtifactId) -> Result<Manifest> {
    queries::locate(db, caller, id).await?;
    let manifest = manifests::get_current_manifests(db, &[id]).await?.remove(&id);
    let manifest = manifest.ok_or_else(|| Error::Precondition {
        code: "MANIFEST_MISSING",
        reason: "the version that this one adds to has no manifest".to_owned(),
    })?;
    read(db, blobs, &manifest).await
}

/// Keeps the manifest that was put together, as what the version's readers get.
async fn store_merged(db: &Db, blobs: &BlobStore, version: ArtifactId, whole: &Manifest) -> Result<()> {
    let json = whole.to_json()?;
    let tx = db.begin_write().await?;
    let (blob_id, key) = blob::begin(&tx).await?;
    tx.commit().await?;
    let (size_bytes, md5) = (json.len() as u64, Md5Digest::of(&json));
    let limit = PutLimit { max_bytes: size_bytes, expected_bytes: Some(size_bytes) };
    let body = stream::iter([Ok(json.into())]);
    blobs.put_stream(&key, body, limit).await.map_err(Error::unavailable)?;
    let tx = db.begin_write().await?;
    blob::complete(&tx, blob_id, size_bytes, md5).await?;
    let row = manifest_entity::ActiveModel {
        id: NotSet,
        artifact_id: Set(version),
        kind: Set(ManifestKind::Full),
        name: Set(MERGED_NAME.to_owned()),
        digest: Set(md5.to_string()),
        base_artifact_id: Set(None),
        blob_id: Set(Some(blob_id)),
        created_at: Set(tx.now()),
    };
    row.insert(tx.connection()).await?;
    tx.commit().await
}

/// Writes the entries of a pending version, in place of what an earlier attempt left.
async fn write_entries(db: &Db, id: ArtifactId, owner: EntityId, manifest: &Manifest) -> Result<Progress> {
    let tx = db.begin_write().await?;
    if !hold_pending(&tx, id).await? {
        return Ok(Progress::CommittedMeanwhile);
    }
    entry::Entity::delete_many().filter(entry::Column::ArtifactId.eq(id)).exec(tx.connection()).await?;
    tx.commit().await?;
    let mut missing = Missing::default();
    let mut batch = Vec::with_capacity(BATCH);
    let mut entries = manifest.entries();
    loop {
        batch.clear();
        for entry in entries.by_ref().take(BATCH) {
            batch.push(entry?);
        }
        if batch.is_empty() {
            return missing.check();
        }
        let tx = db.begin_write().await?;
        if !hold_pending(&tx, id).await? {
            return Ok(Progress::CommittedMeanwhile);
        }
        write_batch(&tx, id, owner, &batch, &mut missing).await?;
        tx.commit().await?;
    }
}

/// Locks a version; whether it is still to be committed.
async fn hold_pending(tx: &WriteTx, id: ArtifactId) -> Result<bool> {
    Ok(queries::hold(tx, id).await?.state == ArtifactState::Pending)
}

/// Files of a manifest that nobody sent.
#[derive(Default)]
struct Missing {
    names: Vec<String>,
    count: usize,
}

impl Missing {
    fn add(&mut self, path: &str) {
        self.count += 1;
        if self.names.len() < MOST_NAMES {
            self.names.push(path.to_owned());
        }
    }

    fn check(self) -> Result<Progress> {
        if self.count == 0 {
            return Ok(Progress::Written);
        }
        let more = match self.count - self.names.len() {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        let reason = format!("these files have not arrived: {}{more}", self.names.join(", "));
        Err(Error::Precondition { code: "ARTIFACT_FILES_MISSING", reason })
    }
}

async fn write_batch(
    tx: &WriteTx,
    id: ArtifactId,
    owner: EntityId,
    batch: &[ManifestEntry],
    missing: &mut Missing,
) -> Result<()> {
    let contents: Vec<_> = batch.iter().filter_map(|entry| entry.content).collect();
    let stored = blob::touch_content(tx, owner, &contents).await?;
    let mut rows = Vec::with_capacity(batch.len());
    for ManifestEntry { path, digest, size_bytes, reference, content } in batch {
        let found = content.and_then(|content| stored.get(&content));
        if content.is_some() && found.is_none() {
            missing.add(path.as_str());
            continue;
        }
        rows.push(entry::ActiveModel {
            id: NotSet,
            artifact_id: Set(id),
            path: Set(path.as_str().to_owned()),
            digest: Set(digest.clone()),
            size_bytes: Set(found.map_or(*size_bytes, |found| found.size_bytes)),
            reference: Set(reference.clone()),
            blob_id: Set(found.map(|found| found.id)),
        });
    }
    if !rows.is_empty() {
        entry::Entity::insert_many(rows).exec_without_returning(tx.connection()).await?;
    }
    Ok(())
}

#[derive(FromQueryResult)]
struct Weight {
    files: i64,
    bytes: i64,
}

/// Gives the version its place, its aliases and its state, in one transaction.
async fn publish(
    db: &Db,
    caller: &Caller,
    located: &Located,
    manifest: &Manifest,
    digest: String,
) -> Result<Artifact> {
    let id = located.artifact.id;
    let tx = db.begin_write().await?;
    // Before the collection, as where a run is deleted with what it made.
    let run = match located.artifact.run_id {
        Some(run) => Some(run::hold(&tx, run).await?),
        None => None,
    };
    let collection = collections::hold(&tx, located.collection.id).await?;
    if !hold_pending(&tx, id).await? {
        return Ok(queries::locate(&tx, caller, id).await?.artifact);
    }
    // Plan: ux_artifact_entry_artifact_id_path.
    let weight = dialect::statement(
        tx.connection(),
        "SELECT COUNT(*) AS files, CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT) AS bytes \
         FROM artifact_entry WHERE artifact_id = $1",
        [id.into()],
    );
    let weight = Weight::find_by_statement(weight).one(tx.connection()).await?;
    let weight = weight.ok_or_else(|| Error::internal("a count without a row"))?;
    if usize::try_from(weight.files) != Ok(manifest.len()) {
        return Err(Error::Conflict {
            reason: "this version is being committed by somebody else".to_owned(),
        });
    }
    let version_index = collections::next_version(&tx, &collection).await?;
    let place = membership::ActiveModel {
        id: NotSet,
        collection_id: Set(collection.id),
        artifact_id: Set(id),
        version_index: Set(version_index),
        created_at: Set(tx.now()),
    };
    place.insert(tx.connection()).await?;
    let wanted: Vec<String> =
        located.artifact.requested_aliases.0.iter().map(|wanted| wanted.alias.clone()).collect();
    aliases::assign(&tx, &located.project, &collection, id, &wanted, caller).await?;
    // A tombstone keeps nothing.
    if let Some(run) = run.filter(|run| run.lifecycle != Lifecycle::Purged) {
        lineage::note(&tx, run.id, id, ArtifactRole::Output, None).await?;
    }
    upload::Entity::delete_many().filter(upload::Column::ArtifactId.eq(id)).exec(tx.connection()).await?;
    let mut row = located.artifact.clone().into_active_model();
    row.state = Set(ArtifactState::Committed);
    row.digest = Set(digest);
    row.size_bytes = Set(weight.bytes);
    row.file_count = Set(weight.files);
    row.commit_hash = Set(Some(hex::encode(tx.env().bytes::<20>())));
    row.committed_at = Set(Some(tx.now()));
    row.updated_at = Set(tx.now());
    row.update(tx.connection()).await?;
    ttl::refresh_version(&tx, id).await?;
    let committed = artifact::Entity::find_by_id(id).one(tx.connection()).await?;
    tx.commit().await?;
    committed.ok_or_else(|| Error::internal("a version vanished while it was committed"))
}
