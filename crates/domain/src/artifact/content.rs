//! Files by what they are.

use sea_orm::FromQueryResult as _;

use super::{ContentDigest, DigestAlgorithm, EntryFile, queries};
use crate::account::Caller;
use crate::db::{Source, dialect};
use crate::error::{Error, Result};
use crate::id::{ArtifactId, EntityId};
use crate::project;

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
    for algorithm in [DigestAlgorithm::Md5, DigestAlgorithm::Xxh128] {
        let digest = ContentDigest::from_hex(algorithm, &path.hex_digest).ok_or_else(missing)?;
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

/// Who owns the sequence of a version; a version of a registry is stored by those who made it.
async fn owner_of(db: &impl Source, id: ArtifactId) -> Result<Option<EntityId>> {
    let Some(artifact) = queries::get_many(db, &[id]).await?.remove(&id) else { return Ok(None) };
    let Some(collection) = super::get_collections(db, &[artifact.collection_id]).await?.into_values().next()
    else {
        return Ok(None);
    };
    Ok(project::find_live(db, collection.project_id).await?.map(|project| project.entity_id))
}
