//! Making, listing and deleting API keys.

use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, EntityTrait as _, NotSet, PaginatorTrait as _, QueryFilter as _,
    QueryOrder as _, Set,
};

use super::commands::taken;
use super::{ApiKey, Caller, StoredApiKey};
use crate::db::{Source, WriteTx};
use crate::entity::api_key::{self, Column};
use crate::error::{Error, Result};
use crate::id::{ApiKeyId, UserId};

/// Whoever needs more forgets to delete them.
const MOST_OF_A_USER: u64 = 100;

const LONGEST_DESCRIPTION: usize = 1000;

/// A user's keys, oldest first, by their public part.
pub async fn list_api_keys(db: &impl Source, user: UserId) -> Result<Vec<StoredApiKey>> {
    let keys = api_key::Entity::find().filter(Column::UserId.eq(user)).order_by_asc(Column::Id);
    Ok(keys.all(db.connection()).await?)
}

/// One more key of the caller, which cannot be shown again. `Conflict` when they have too many.
pub async fn generate_api_key(
    tx: &WriteTx,
    caller: &Caller,
    description: Option<String>,
) -> Result<(StoredApiKey, ApiKey)> {
    if description.as_ref().is_some_and(|text| text.len() > LONGEST_DESCRIPTION || text.contains('\0')) {
        let reason = format!("at most {LONGEST_DESCRIPTION} bytes and no NUL");
        return Err(Error::invalid("TEXT_INVALID", "description", reason));
    }
    if count(tx, caller.user_id).await? >= MOST_OF_A_USER {
        return Err(Error::Conflict { reason: format!("a user has at most {MOST_OF_A_USER} API keys") });
    }
    let key = ApiKey::generate(tx.env());
    let stored = store(tx, caller.user_id, &key, description).await?;
    Ok((stored, key))
}

/// Deletes a key of the caller; an administrator's reach is that of all. `Conflict` for a user's last key, without which
/// they could not sign in again.
pub async fn delete_api_key(tx: &WriteTx, caller: &Caller, id: ApiKeyId) -> Result<()> {
    let mut query = api_key::Entity::find_by_id(id);
    if !caller.reaches_all() {
        query = query.filter(Column::UserId.eq(caller.user_id));
    }
    let found = query.one(tx.connection()).await?;
    let found = found.ok_or_else(|| Error::not_found("API key", id.to_node_id()))?;
    if count(tx, found.user_id).await? == 1 {
        return Err(Error::Conflict { reason: "this is the user's last API key".to_owned() });
    }
    api_key::Entity::delete_by_id(found.id).exec(tx.connection()).await?;
    Ok(())
}

/// Keeps what a key is recognised by. `Conflict` when it is somebody's.
pub(super) async fn store(
    tx: &WriteTx,
    user_id: UserId,
    key: &ApiKey,
    description: Option<String>,
) -> Result<StoredApiKey> {
    let fresh = api_key::ActiveModel {
        id: NotSet,
        user_id: Set(user_id),
        name: Set(key.public_part().to_owned()),
        sha256: Set(ApiKey::hash(key.reveal())),
        description: Set(description),
        created_at: Set(tx.now()),
    };
    fresh.insert(tx.connection()).await.map_err(|error| taken(error, "this API key is taken".to_owned()))
}

async fn count(tx: &WriteTx, user: UserId) -> Result<u64> {
    Ok(api_key::Entity::find().filter(Column::UserId.eq(user)).count(tx.connection()).await?)
}
