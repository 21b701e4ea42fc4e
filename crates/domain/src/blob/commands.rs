//! From the announcement of bytes to a blob that can be referred to.

use counterweight_storage::{Md5Digest, ObjectKey};
use sea_orm::{ActiveValue::NotSet, ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _};

use super::BlobState;
use super::batch::{STATE, update};
use crate::db::{Source as _, WriteTx, dialect};
use crate::entity::blob::{ActiveModel, Column, Entity};
use crate::error::{Error, Result};
use crate::id::BlobId;

/// Ids per statement, far below what either database takes.
const BATCH: usize = 1000;

/// Announces bytes: a new row, and the key under which they are to be put. Without a [`complete`] they are
/// collected when the upload window is over.
pub async fn begin(tx: &WriteTx) -> Result<(BlobId, ObjectKey)> {
    let uuid = tx.env().uuid();
    let [.., last] = uuid.as_bytes();
    let key = ObjectKey::parse(format!("blobs/{last:02x}/{uuid}")).map_err(Error::internal)?;
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
    };
    let inserted = Entity::insert(blob).exec(tx.connection()).await?;
    Ok((inserted.last_insert_id, key))
}

/// The bytes are whole: the blob can be referred to. A conflict when the upload came too late or was
/// completed before.
pub async fn complete(tx: &WriteTx, id: BlobId, size_bytes: u64, md5: Md5Digest) -> Result<()> {
    let change = ActiveModel {
        state: Set(BlobState::Live),
        size_bytes: Set(i64::try_from(size_bytes).map_err(Error::internal)?),
        md5: Set(Some(md5.to_string())),
        last_used_at: Set(tx.now()),
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
        let sql = format!(
            "UPDATE blob SET last_used_at = $1 WHERE id IN ({}) AND {STATE} = 'live' RETURNING id",
            dialect::placeholders(1, batch.len())
        );
        let touched = update(tx, sql, [tx.now().into()], batch).await?;
        if touched.len() != batch.len() {
            return Err(Error::Conflict {
                reason: "the stored bytes are being removed; upload them again".to_owned(),
            });
        }
    }
    Ok(())
}
