//! Reading users, entities and keys.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, Value};

use super::{ApiKey, Caller, Entity, StoredApiKey};
use crate::db::{Source, dialect};
use crate::entity;
use crate::error::Result;
use crate::id::{EntityId, UserId};

/// A user with the name of their personal entity.
#[derive(Clone, Debug, FromQueryResult)]
pub struct User {
    /// Storage id.
    pub id: UserId,
    /// The personal entity.
    pub entity_id: EntityId,
    /// Its name.
    pub username: String,
    /// As shown.
    pub full_name: String,
    /// Where to reach them.
    pub email: Option<String>,
    /// Whether they administer the instance.
    pub admin: bool,
}

const SELECT_USER: &str = r#"SELECT u.id, u.entity_id, e.name AS username, u.full_name, u.email, u.admin
    FROM "user" u JOIN entity e ON e.id = u.entity_id"#;

/// The user that an API key signs in; `None` for an unknown key.
pub async fn authenticate(db: &impl Source, key: &str) -> Result<Option<Caller>> {
    // Plan: unique index on api_key.sha256, then two primary keys.
    let sql = format!("{SELECT_USER} JOIN api_key k ON k.user_id = u.id WHERE k.sha256 = $1");
    let statement = dialect::statement(db.connection(), sql, [ApiKey::hash(key).into()]);
    let user = User::find_by_statement(statement).one(db.connection()).await?;
    Ok(user.map(|user| Caller {
        user_id: user.id,
        entity_id: user.entity_id,
        username: user.username,
        admin: user.admin,
    }))
}

/// Users by id.
pub async fn get_users(db: &impl Source, ids: &[UserId]) -> Result<HashMap<UserId, User>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let marks = (1..=ids.len()).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
    let values: Vec<Value> = ids.iter().map(|id| id.0.into()).collect();
    let statement =
        dialect::statement(db.connection(), format!("{SELECT_USER} WHERE u.id IN ({marks})"), values);
    let users = User::find_by_statement(statement).all(db.connection()).await?;
    Ok(users.into_iter().map(|user| (user.id, user)).collect())
}

/// One user.
pub async fn get_user(db: &impl Source, id: UserId) -> Result<User> {
    let mut users = get_users(db, &[id]).await?;
    users.remove(&id).ok_or_else(|| crate::Error::not_found("user", id.to_string()))
}

/// The entity called `name` (the caller's own where none is named), if the caller may see it.
pub async fn find_entity(db: &impl Source, caller: &Caller, name: Option<&str>) -> Result<Option<Entity>> {
    let mut query =
        entity::entity::Entity::find().filter(entity::entity::Column::Id.is_in(caller.entities()));
    query = match name {
        Some(name) if !name.is_empty() => query.filter(entity::entity::Column::Name.eq(name)),
        _ => query.filter(entity::entity::Column::Id.eq(caller.entity_id)),
    };
    Ok(query.one(db.connection()).await?)
}

/// Entities by id.
pub async fn get_entities(db: &impl Source, ids: &[EntityId]) -> Result<HashMap<EntityId, Entity>> {
    let rows = entity::entity::Entity::find()
        .filter(entity::entity::Column::Id.is_in(ids.iter().copied()))
        .all(db.connection())
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// A user's keys, oldest first, by their public part.
pub async fn list_api_keys(db: &impl Source, user: UserId) -> Result<Vec<StoredApiKey>> {
    Ok(entity::api_key::Entity::find()
        .filter(entity::api_key::Column::UserId.eq(user))
        .order_by_asc(entity::api_key::Column::Id)
        .all(db.connection())
        .await?)
}
