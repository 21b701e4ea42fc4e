//! Reading users, entities and keys.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, Value};

use super::{ApiKey, Caller, Email, Entity, Identity, StoredApiKey};
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
    pub email: Option<Email>,
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
    Ok(user.map(Caller::from))
}

/// Whose the runs are that this caller creates: the user they speak for, where they may and there is one, or their own.
pub(crate) async fn find_author(db: &impl Source, caller: &Caller) -> Result<UserId> {
    let Some(Identity { username, email }) = caller.speaks_for() else { return Ok(caller.user_id) };
    // What cannot be an address is nobody's.
    let email = email.as_deref().and_then(|email| Email::parse(email).ok());
    // Plan: the unique indexes of entity.name and user.email.
    for (column, value) in
        [("e.name", username.clone()), ("u.email", email.map(|email| email.as_str().to_owned()))]
    {
        let Some(value) = value else { continue };
        if let Some(user) = select_users(db, column, vec![value.into()]).await?.pop() {
            return Ok(user.id);
        }
    }
    Ok(caller.user_id)
}

/// Users by id.
pub async fn get_users(db: &impl Source, ids: &[UserId]) -> Result<HashMap<UserId, User>> {
    let users = select_users(db, "u.id", ids.iter().map(|id| id.0.into()).collect()).await?;
    Ok(users.into_iter().map(|user| (user.id, user)).collect())
}

/// The users whose personal entities these are.
pub async fn get_owners(db: &impl Source, ids: &[EntityId]) -> Result<HashMap<EntityId, User>> {
    let users = select_users(db, "u.entity_id", ids.iter().map(|id| id.0.into()).collect()).await?;
    Ok(users.into_iter().map(|user| (user.entity_id, user)).collect())
}

async fn select_users(db: &impl Source, column: &str, values: Vec<Value>) -> Result<Vec<User>> {
    if values.is_empty() {
        return Ok(Vec::new());
    }
    let marks = (1..=values.len()).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
    let sql = format!("{SELECT_USER} WHERE {column} IN ({marks})");
    let statement = dialect::statement(db.connection(), sql, values);
    Ok(User::find_by_statement(statement).all(db.connection()).await?)
}

/// At most `limit` users whose name or email holds `text`, for administrators who use their rights; none for others. Who
/// is called exactly so comes first.
pub async fn search_users(db: &impl Source, caller: &Caller, text: &str, limit: u64) -> Result<Vec<User>> {
    if !caller.reaches_all() {
        return Ok(Vec::new());
    }
    // There are few users, and this reads them all.
    let sql = format!(
        r"{SELECT_USER} WHERE lower(e.name) LIKE $1 ESCAPE '\' OR u.email LIKE $1 ESCAPE '\'
        ORDER BY CASE WHEN lower(e.name) = $2 OR u.email = $2 THEN 0 ELSE 1 END, e.name LIMIT $3"
    );
    let text = text.to_lowercase();
    let escaped = text.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_");
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let values = [format!("%{escaped}%").into(), text.into(), limit.into()];
    let statement = dialect::statement(db.connection(), sql, values);
    Ok(User::find_by_statement(statement).all(db.connection()).await?)
}

/// One user.
pub async fn get_user(db: &impl Source, id: UserId) -> Result<User> {
    let mut users = get_users(db, &[id]).await?;
    users.remove(&id).ok_or_else(|| crate::Error::not_found("user", id.to_string()))
}

/// The entity called `name` (the caller's own where none is named), if the caller may see it.
pub async fn find_entity(db: &impl Source, caller: &Caller, name: Option<&str>) -> Result<Option<Entity>> {
    let mut query = entity::entity::Entity::find().filter(caller.may_see(entity::entity::Column::Id));
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
