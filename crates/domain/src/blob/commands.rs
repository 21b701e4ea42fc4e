//! From the announcement of bytes to a blob that can be referred to.

use std::collections::HashMap;

use counterweight_storage::{Md5Digest, ObjectKey};
use sea_orm::{
    ActiveValue::NotSet, ActiveValue::Set, ColumnTrait as _, ConnectionTrait as _, EntityTrait as _,
    QueryFilter as _,
};

use super::BlobState;
use super::batch::{STATE, update};
use crate::artifact::ContentDigest;
use crate::db::{Source as _, WriteTx, dialect};
use crate::entity::blob::{ActiveModel, Column, Entity};
use crate::error::{Error, Result};
use crate::id::{BlobId, EntityId};

/// Ids per statement, far below what either database takes.
const BATCH: usize = 1000;

/// Announces bytes: a new row, and the key under which they are to be put. Without a [`complete`] they are
/// collected when the upload window is over.
pub async fn begin(tx: &WriteTx) -> Result<(BlobId, ObjectKey)> {
    let uuid = tx.env().uuid();
    let [.., last] = uuid.as_bytes();
    let key = ObjectKey::parse(format!("{}/{uuid}", shard(*last))).map_err(Error::internal)?;
    let blob = ActiveModel {
        id: NotSet,
        object_key: Set(key.to_string()),
        state: Set(BlobState::Pending),
        size_bytes: Set(0),
        md5: Set(None),
        created_at: Set(tx.now()),
        last_used_at: Set(tx.now()),
        doomed_at: Set(None),
        sweep_after: Set(None),
        sweep_failures: Set(0),
        owner_id: Set(None),
        content_digest: Set(None),
    };
    let inserted = Entity::insert(blob).exec(tx.connection()).await?;
    Ok((inserted.last_insert_id, key))
}

/// The prefixes under which all keys are, in their order.
pub fn shards() -> impl Iterator<Item = String> {
    (0..=u8::MAX).map(shard)
}

fn shard(number: u8) -> String {
    format!("blobs/{number:02x}")
}

/// What bytes are, so that the same need not be stored again for their owner.
#[derive(Clone, Copy, Debug)]
pub struct Content {
    /// Whose they are.
    pub owner: EntityId,
    /// What they are.
    pub digest: ContentDigest,
}

/// Bytes that are stored already.
#[derive(Clone, Copy, Debug)]
pub struct StoredContent {
    /// Where.
    pub id: BlobId,
    /// How many.
    pub size_bytes: i64,
}

/// The bytes are whole: the blob can be referred to. A conflict when the upload came too late or was
/// completed before.
pub async fn complete(tx: &WriteTx, id: BlobId, size_bytes: u64, md5: Md5Digest) -> Result<()> {
    complete_content(tx, id, size_bytes, Some(md5), None).await
}

/// The same, for bytes that are found again by what they are.
pub async fn complete_content(
    tx: &WriteTx,
    id: BlobId,
    size_bytes: u64,
    md5: Option<Md5Digest>,
    content: Option<Content>,
) -> Result<()> {
    let change = ActiveModel {
        state: Set(BlobState::Live),
        size_bytes: Set(i64::try_from(size_bytes).map_err(Error::internal)?),
        md5: Set(md5.map(|md5| md5.to_string())),
        last_used_at: Set(tx.now()),
        owner_id: Set(content.map(|content| content.owner)),
        content_digest: Set(content.map(|content| content.digest)),
        ..ActiveModel::default()
    };
    let completed = Entity::update_many()
        .set(change)
        .filter(Column::Id.eq(id))
        .filter(Column::State.eq(BlobState::Pending))
        .exec(tx.connection())
        .await?;
    if completed.rows_affected == 1 {
        return Ok(());
    }
    Err(Error::Conflict { reason: "the upload is no longer open; start it again".to_owned() })
}

/// Finds what an entity has stored of these contents, and touches it: what is answered can be referred to.
pub async fn touch_content(
    tx: &WriteTx,
    owner: EntityId,
    digests: &[ContentDigest],
) -> Result<HashMap<ContentDigest, StoredContent>> {
    let mut found = HashMap::new();
    for batch in digests.chunks(BATCH) {
        // Plan: ix_blob_content.
        let sql = format!(
            "UPDATE blob SET last_used_at = $1 WHERE owner_id = $2 AND content_digest = ANY($3) \
             AND content_digest IS NOT NULL AND {STATE} = 'live' \
             RETURNING id, content_digest, size_bytes"
        );
        let values = [tx.now().into(), owner.into(), dialect::list(batch)];
        let rows = tx.connection().query_all_raw(dialect::statement(tx.connection(), sql, values)).await?;
        for row in rows {
            let stored =
                StoredContent { id: row.try_get("", "id")?, size_bytes: row.try_get("", "size_bytes")? };
            found.insert(row.try_get("", "content_digest")?, stored);
        }
    }
    Ok(found)
}

/// Must come before new references to existing blobs, in their transaction: the mark cannot take what was
/// touched. A conflict when one of them is not live; then its bytes have to be uploaded again.
///
/// The time is written on the blob's own row because nothing less stops a mark that waits for this
/// transaction: afterwards it sees the changed row, but not the new reference.
pub async fn touch(tx: &WriteTx, ids: &[BlobId]) -> Result<()> {
    let mut distinct = ids.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    for batch in distinct.chunks(BATCH) {
        // Primary key.
        let sql =
            format!("UPDATE blob SET last_used_at = $1 WHERE id = ANY($2) AND {STATE} = 'live' RETURNING id");
        let touched = update(tx, sql, [tx.now().into()], batch).await?;
        if touched.len() != batch.len() {
            return Err(Error::Conflict {
                reason: "the stored bytes are being removed; upload them again".to_owned(),
            });
        }
    }
    Ok(())
}
