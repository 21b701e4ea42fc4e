//! What the comparison of bucket and database reads and repairs. The worker talks to the object store in between.

use std::collections::HashSet;

use counterweight_storage::ObjectKey;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::NotSet, ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
};

use super::{Blob, BlobState};
use crate::clock::Timestamp;
use crate::db::{Source, WriteTx};
use crate::entity::blob::{ActiveModel, Column, Entity};
use crate::error::{Error, Result};
use crate::id::BlobId;

/// The next blobs in the order of their keys: after one text, up to and including another.
pub async fn list_by_key(source: &impl Source, after: &str, until: &str, limit: u64) -> Result<Vec<Blob>> {
    // Index: that of the unique key, one range of it.
    let blobs = Entity::find()
        .filter(Column::ObjectKey.gt(after))
        .filter(Column::ObjectKey.lte(until))
        .order_by_asc(Column::ObjectKey)
        .limit(limit)
        .all(source.connection())
        .await?;
    Ok(blobs)
}

/// Those of the keys that have a row, in whatever state.
pub async fn known_keys(source: &impl Source, keys: &[ObjectKey]) -> Result<HashSet<String>> {
    let known: Vec<String> = Entity::find()
        .select_only()
        .column(Column::ObjectKey)
        .filter(Column::ObjectKey.is_in(keys.iter().map(ObjectKey::as_str)))
        .into_tuple()
        .all(source.connection())
        .await?;
    Ok(known.into_iter().collect())
}

/// The blob under a key, in whatever state.
pub async fn find_by_key(source: &impl Source, key: &ObjectKey) -> Result<Option<Blob>> {
    Ok(Entity::find().filter(Column::ObjectKey.eq(key.as_str())).one(source.connection()).await?)
}

/// Gives an object that no row knows a row of its own: unreachable, to be swept at `sweep_after`. Answers whether it
/// had none.
pub async fn quarantine(
    tx: &WriteTx,
    key: &ObjectKey,
    size_bytes: u64,
    sweep_after: Timestamp,
) -> Result<bool> {
    let blob = ActiveModel {
        id: NotSet,
        object_key: Set(key.to_string()),
        state: Set(BlobState::Doomed),
        size_bytes: Set(i64::try_from(size_bytes).map_err(Error::internal)?),
        md5: Set(None),
        created_at: Set(tx.now()),
        last_used_at: Set(tx.now()),
        doomed_at: Set(Some(tx.now())),
        sweep_after: Set(Some(sweep_after)),
        sweep_failures: Set(0),
        owner_id: Set(None),
        content_digest: Set(None),
    };
    let unless_known = OnConflict::column(Column::ObjectKey).do_nothing().to_owned();
    let made = Entity::insert(blob).on_conflict(unless_known).exec_without_returning(tx.connection()).await?;
    Ok(made > 0)
}

/// Lets a blob whose bytes are missing have those that lie under another key, which no row knows. Answers whether it
/// was still as it was found.
pub async fn adopt(tx: &WriteTx, id: BlobId, missing: &ObjectKey, found: &ObjectKey) -> Result<bool> {
    let change = ActiveModel { object_key: Set(found.to_string()), ..ActiveModel::default() };
    let adopted = Entity::update_many()
        .set(change)
        .filter(Column::Id.eq(id))
        .filter(Column::State.eq(BlobState::Live))
        .filter(Column::ObjectKey.eq(missing.as_str()))
        .exec(tx.connection())
        .await?;
    Ok(adopted.rows_affected == 1)
}
