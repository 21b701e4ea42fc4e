//! The bytes of files, from their announcement until they have arrived.

use std::collections::{BTreeSet, HashMap};

use counterweight_storage::{ContentDigest as StoredDigest, Md5Digest, ObjectKey};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait as _, EntityTrait as _, NotSet, QueryFilter as _, Set};

use super::queries::{self, Located};
use super::{Artifact, ArtifactState, ContentDigest, DigestAlgorithm};
use crate::account::Caller;
use crate::blob::{self, Content};
use crate::db::{Db, Source, WriteTx};
use crate::entity::artifact_collection as collection;
use crate::entity::artifact_upload::{self, ActiveModel, Column, Entity};
use crate::error::{Error, Result};
use crate::file::FileName;
use crate::id::{ArtifactId, BlobId, EntityId, UploadId};
use crate::project;

/// What a writer may announce in one call.
const MOST_FILES: usize = 10_000;
/// Values per statement, far below what either database takes.
const BATCH: usize = 500;

/// A file that a writer is about to send.
#[derive(Clone, Debug)]
pub struct FileSpec {
    /// Its version.
    pub artifact: ArtifactId,
    /// Its path.
    pub path: FileName,
    /// What its bytes are.
    pub digest: ContentDigest,
    /// Their MD5, where it is known too.
    pub md5: Option<ContentDigest>,
}

/// What became of an announcement.
#[derive(Clone, Debug)]
pub struct Announced {
    /// Its row.
    pub id: UploadId,
    /// Whether they are here already.
    pub stored: bool,
}

/// Notes files that are about to arrive, in the order in which they were given. What the entity has stored already need
/// not be sent, and stays for as long as the version is not given up.
pub async fn announce_files(tx: &WriteTx, caller: &Caller, specs: &[FileSpec]) -> Result<Vec<Announced>> {
    if specs.len() > MOST_FILES {
        let reason = format!("at most {MOST_FILES} files at once");
        return Err(Error::invalid("TOO_MANY", "artifactFiles", reason));
    }
    let versions: BTreeSet<ArtifactId> = specs.iter().map(|spec| spec.artifact).collect();
    let mut owners = HashMap::new();
    for id in versions {
        owners.insert(id, writable(tx, caller, id).await?.project.entity_id);
    }
    let mut announced = Vec::with_capacity(specs.len());
    for batch in specs.chunks(BATCH) {
        announced.extend(announce_batch(tx, batch, &owners).await?);
    }
    Ok(announced)
}

async fn announce_batch(
    tx: &WriteTx,
    batch: &[FileSpec],
    owners: &HashMap<ArtifactId, EntityId>,
) -> Result<Vec<Announced>> {
    let mut known = HashMap::new();
    for owner in owners.values().copied().collect::<BTreeSet<_>>() {
        let here = batch.iter().filter(|spec| owners[&spec.artifact] == owner).map(|spec| spec.digest);
        let digests: Vec<ContentDigest> = here.collect();
        known.extend(
            blob::touch_content(tx, owner, &digests)
                .await?
                .into_iter()
                .map(|(digest, blob)| ((owner, digest), blob)),
        );
    }
    let stored = |spec: &FileSpec| known.get(&(owners[&spec.artifact], spec.digest));
    // The same file may be announced twice in one call; the last word counts.
    let mut rows = HashMap::new();
    for spec in batch {
        let row = ActiveModel {
            id: NotSet,
            artifact_id: Set(spec.artifact),
            path: Set(spec.path.as_str().to_owned()),
            content_digest: Set(spec.digest),
            md5: Set(spec.md5.map(ContentDigest::base64)),
            multipart: Set(None),
            blob_id: Set(stored(spec).map(|stored| stored.id)),
        };
        rows.insert((spec.artifact, spec.path.as_str()), row);
    }
    let again = OnConflict::columns([Column::ArtifactId, Column::Path])
        .update_columns([Column::ContentDigest, Column::Md5, Column::Multipart, Column::BlobId])
        .to_owned();
    let rows =
        Entity::insert_many(rows.into_values()).on_conflict(again).exec_with_returning(tx.connection());
    let rows: Vec<artifact_upload::Model> = rows.await?;
    let ids: HashMap<(ArtifactId, &str), UploadId> =
        rows.iter().map(|row| ((row.artifact_id, row.path.as_str()), row.id)).collect();
    batch
        .iter()
        .map(|spec| {
            let id = ids.get(&(spec.artifact, spec.path.as_str())).copied();
            Ok(Announced {
                id: id.ok_or_else(|| Error::internal("an announced file has no row"))?,
                stored: stored(spec).is_some(),
            })
        })
        .collect()
}

/// A version whose files may still arrive, if the caller may see it.
pub(super) async fn writable(db: &impl Source, caller: &Caller, id: ArtifactId) -> Result<Located> {
    let located = queries::locate_to_write(db, caller, id).await?;
    check_pending(&located.artifact)?;
    Ok(located)
}

fn check_pending(found: &Artifact) -> Result<()> {
    if found.state == ArtifactState::Pending {
        return Ok(());
    }
    Err(Error::Precondition {
        code: "ARTIFACT_COMMITTED",
        reason: "this version is committed; its files can no longer change".to_owned(),
    })
}

/// A version that is not committed, locked until the transaction ends, and who owns it. For links, which nobody signs in
/// for.
pub(super) async fn hold_pending(tx: &WriteTx, id: ArtifactId) -> Result<(Artifact, EntityId)> {
    let missing = || Error::not_found("artifact", id.to_node_id());
    let held = queries::hold(tx, id).await?;
    check_pending(&held)?;
    let place = collection::Entity::find_by_id(held.collection_id).one(tx.connection()).await?;
    let place = place.ok_or_else(missing)?;
    let project = project::find_live(tx, place.project_id).await?.ok_or_else(missing)?;
    Ok((held, project.entity_id))
}

pub(super) async fn find_upload(tx: &WriteTx, id: UploadId) -> Result<artifact_upload::Model> {
    let found = Entity::find_by_id(id).one(tx.connection()).await?;
    found.ok_or_else(|| Error::not_found("file", id.to_node_id()))
}

/// All that is known of a file's bytes.
pub(super) fn digests_of(upload: &artifact_upload::Model) -> Vec<StoredDigest> {
    let md5 = upload.md5.as_deref().map(|md5| ContentDigest::parse(DigestAlgorithm::Md5, md5, "md5"));
    let md5 = md5.and_then(Result::ok);
    [upload.content_digest].into_iter().chain(md5).map(ContentDigest::stored).collect()
}

/// Announces the bytes of a file: where they are to be put, and what they must hash to.
pub async fn begin_upload(db: &Db, id: UploadId) -> Result<(BlobId, ObjectKey, Vec<StoredDigest>)> {
    let tx = db.begin_write().await?;
    let upload = find_upload(&tx, id).await?;
    hold_pending(&tx, upload.artifact_id).await?;
    let (blob, key) = blob::begin(&tx).await?;
    tx.commit().await?;
    Ok((blob, key, digests_of(&upload)))
}

/// The bytes have arrived, are durable and are what was announced.
pub async fn finish_upload(
    db: &Db,
    id: UploadId,
    blob_id: BlobId,
    size_bytes: u64,
    md5: Option<Md5Digest>,
) -> Result<()> {
    let tx = db.begin_write().await?;
    let upload = find_upload(&tx, id).await?;
    let (_, owner) = hold_pending(&tx, upload.artifact_id).await?;
    let content = Content { owner, digest: upload.content_digest };
    blob::complete_content(&tx, blob_id, size_bytes, md5, Some(content)).await?;
    let arrived = ActiveModel { blob_id: Set(Some(blob_id)), multipart: Set(None), ..ActiveModel::default() };
    Entity::update_many().set(arrived).filter(Column::Id.eq(id)).exec(tx.connection()).await?;
    tx.commit().await
}
