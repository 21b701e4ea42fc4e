//! Files by what they are.

use sea_orm::{
    ColumnTrait as _, EntityTrait as _, FromQueryResult as _, JoinType, QueryFilter as _, QuerySelect as _,
    RelationDef,
};

use super::{ArtifactState, ContentDigest, DigestAlgorithm, EntryFile, lineage, queries};
use crate::account::{self, Caller};
use crate::db::{Source, dialect};
use crate::entity::{artifact, artifact_entry as entry, blob, project as project_entity};
use crate::error::{Error, Result};
use crate::id::{ArtifactId, EntityId};
use crate::project::{self, ProjectState, visible_to};

/// Where a client looks for a file whose digest it knows.
#[derive(Clone, Debug)]
pub struct ContentPath {
    /// The collection's owner.
    pub entity: String,
    /// Its project.
    pub project: String,
    /// A collection that has a version with the file.
    pub collection: String,
    /// That version, where it is known.
    pub artifact: Option<ArtifactId>,
    /// Of the file's bytes.
    pub hex_digest: String,
    /// Its name; only shown.
    pub name: String,
}

/// A file of a version that is in a collection which the caller may see.
pub async fn content_by_digest(db: &impl Source, caller: &Caller, path: &ContentPath) -> Result<EntryFile> {
    let missing = || Error::not_found("file", &path.name);
    let place =
        project::find(db, caller, Some(&path.entity), Some(&path.project)).await?.ok_or_else(missing)?;
    let collection = super::find_collection(db, place.id, &path.collection).await?.ok_or_else(missing)?;
    let mut owners = vec![place.entity_id];
    if let Some(artifact) = path.artifact {
        owners.extend(owner_of(db, artifact).await?);
    }
    for digest in digests(&path.hex_digest) {
        for owner in &owners {
            // Plan: ix_blob_content, ix_artifact_entry_blob_id, ux_artifact_membership_artifact.
            let sql = "SELECT f.id, f.artifact_id, f.path, f.digest, f.size_bytes, f.reference, b.object_key, b.md5, \
                       b.created_at AS stored_at FROM blob b JOIN artifact_entry f ON f.blob_id = b.id \
                       JOIN artifact_membership m ON m.artifact_id = f.artifact_id AND m.collection_id = $1 \
                       WHERE b.owner_id = $2 AND b.content_digest = $3 AND b.content_digest IS NOT NULL LIMIT 1";
            let values = [collection.id.into(), (*owner).into(), digest.to_string().into()];
            let statement = dialect::statement(db.connection(), sql, values);
            if let Some(found) = EntryFile::find_by_statement(statement).one(db.connection()).await? {
                return Ok(found);
            }
        }
    }
    Err(missing())
}

/// A file of a version that was made in a project of an entity which the caller may see, as older clients ask for it.
pub async fn content_of_entity(
    db: &impl Source,
    caller: &Caller,
    entity: &str,
    hex_digest: &str,
) -> Result<EntryFile> {
    let missing = || Error::not_found("file", hex_digest);
    let owner = account::find_entity(db, caller, Some(entity)).await?.ok_or_else(missing)?;
    let to_version: RelationDef = entry::Entity::belongs_to(artifact::Entity)
        .from(entry::Column::ArtifactId)
        .to(artifact::Column::Id)
        .into();
    for digest in digests(hex_digest) {
        // Plan: ix_blob_content, ix_artifact_entry_blob_id, then primary keys.
        let query = queries::entries()
            .join(JoinType::InnerJoin, to_version.clone())
            .join(JoinType::InnerJoin, lineage::to_collection())
            .join(JoinType::InnerJoin, lineage::to_project())
            .filter(blob::Column::OwnerId.eq(owner.id))
            .filter(blob::Column::ContentDigest.eq(digest))
            .filter(blob::Column::ContentDigest.is_not_null())
            .filter(artifact::Column::State.eq(ArtifactState::Committed))
            .filter(project_entity::Column::State.eq(ProjectState::Live))
            .filter(visible_to(caller))
            .limit(1);
        if let Some(found) = query.into_model().one(db.connection()).await? {
            return Ok(found);
        }
    }
    Err(missing())
}

/// What the sixteen bytes may be the digest of; nothing where they are none.
fn digests(hex: &str) -> impl Iterator<Item = ContentDigest> {
    let by = |algorithm| ContentDigest::from_hex(algorithm, hex);
    [by(DigestAlgorithm::Md5), by(DigestAlgorithm::Xxh128)].into_iter().flatten()
}

/// Who owns the sequence of a version; a version of a registry is stored by those who made it.
async fn owner_of(db: &impl Source, id: ArtifactId) -> Result<Option<EntityId>> {
    let Some(artifact) = queries::get_many(db, &[id]).await?.remove(&id) else { return Ok(None) };
    let Some(collection) = super::get_collections(db, &[artifact.collection_id]).await?.into_values().next()
    else {
        return Ok(None);
    };
    Ok(project::find_live(db, collection.project_id).await?.map(|project| project.entity_id))
}
