//! Bytes that arrived and were refused.

use counterweight_storage::{BlobStore, ObjectKey};
use sea_orm::EntityTrait as _;

use super::BlobState;
use crate::db::{Db, Source as _};
use crate::entity::blob::Entity;
use crate::id::BlobId;

/// After a refused upload, removes its bytes if no collection would find them: the row is gone, or is about to go. What is
/// pending is collected, and what is live is needed.
pub async fn discard_late(db: &Db, blobs: &BlobStore, id: BlobId, key: ObjectKey) {
    let known = match Entity::find_by_id(id).one(db.connection()).await {
        Ok(found) => found.is_some_and(|blob| blob.state != BlobState::Doomed),
        Err(error) => {
            tracing::warn!(object.key = %key, error = &error as &dyn std::error::Error, "perhaps left behind");
            return;
        }
    };
    if known {
        return;
    }
    for (key, outcome) in blobs.delete_many(&[key]).await {
        if let Err(error) = outcome {
            tracing::warn!(object.key = %key, error = &error as &dyn std::error::Error, "not removed");
        }
    }
}
