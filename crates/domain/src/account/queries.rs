//! Reading users and entities.

use std::collections::HashMap;

use sea_orm::{ColumnTrait as _, EntityTrait as _, FromQueryResult, QueryFilter as _, Value};

use super::caller::Principals;
use super::{ApiKey, Caller, Email, Entity, EntityKind, Identity};
use crate::db::{Source, dialect};
use crate::entity::{entity, member};
use crate::error::{Error, Result};
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
    /// The team of a service account; a person has none.
    pub team_id: Option<EntityId>,
    /// Its name.
    pub team_name: Option<String>,
}

impl User {
    /// The entity that is meant where they name none.
    pub fn home_id(&self) -> EntityId {
        self.team_id.unwrap_or(self.entity_id)
    }

    /// Its name.
    pub fn home_name(&self) -> &str {
        self.team_name.as_deref().unwrap_or(&self.username)
    }
}

/// Of `"user" u`, its own entity `e` and its team `t`.
pub(super) const USER_COLUMNS: &str =
    "u.id, u.entity_id, e.name AS username, u.full_name, u.email, u.admin, u.team_id, t.name AS team_name";

const USERS: &str =
    r#"FROM "user" u JOIN entity e ON e.id = u.entity_id LEFT JOIN entity t ON t.id = u.team_id"#;

/// The user that an API key signs in; `None` for an unknown key.
pub async fn authenticate(db: &impl Source, key: &str) -> Result<Option<Caller>> {
    // Plan: unique index on api_key.sha256, then primary keys.
    let sql = format!("SELECT {USER_COLUMNS} {USERS} JOIN api_key k ON k.user_id = u.id WHERE k.sha256 = $1");
    let statement = dialect::statement(db.connection(), sql, [ApiKey::hash(key).into()]);
    let user = User::find_by_statement(statement).one(db.connection()).await?;
    Ok(user.map(Caller::from))
}

/// Whose the runs are that this caller creates: the user they speak for, where they may and there is one, or their own.
pub(crate) async fn find_author(db: &impl Source, caller: &Caller) -> Result<UserId> {
    let Some((Identity { username, email }, principals)) = caller.speaks_for() else {
        return Ok(caller.user_id);
    };
    // What cannot be an address is nobody's.
    let email = email.as_deref().and_then(|email| Email::parse(email).ok());
    let by_name = match username {
        Some(name) => user_named(db, name).await?,
        None => None,
    };
    let found = match (by_name, email) {
        (None, Some(email)) => user_of(db, &email).await?,
        (found, _) => found,
    };
    let Some(user) = found else { return Ok(caller.user_id) };
    let may = match principals {
        Principals::Anyone => true,
        Principals::MembersOf(team) => {
            member::Entity::find_by_id((user.id, team)).one(db.connection()).await?.is_some()
        }
    };
    Ok(if may { user.id } else { caller.user_id })
}

/// The user of that name, for whoever may know of all of them.
pub async fn user_named(db: &impl Source, name: &str) -> Result<Option<User>> {
    Ok(select_users(db, "e.name = $1", name.into()).await?.pop())
}

pub(super) async fn user_of(db: &impl Source, email: &Email) -> Result<Option<User>> {
    Ok(select_users(db, "u.email = $1", email.as_str().into()).await?.pop())
}

/// Users by id.
pub async fn get_users(db: &impl Source, ids: &[UserId]) -> Result<HashMap<UserId, User>> {
    let users = select_users(db, "u.id = ANY($1)", dialect::list(ids)).await?;
    Ok(users.into_iter().map(|user| (user.id, user)).collect())
}

/// The users whose personal entities these are.
pub async fn get_owners(db: &impl Source, ids: &[EntityId]) -> Result<HashMap<EntityId, User>> {
    let users = select_users(db, "u.entity_id = ANY($1)", dialect::list(ids)).await?;
    Ok(users.into_iter().map(|user| (user.entity_id, user)).collect())
}

async fn select_users(db: &impl Source, condition: &str, value: Value) -> Result<Vec<User>> {
    let sql = format!("SELECT {USER_COLUMNS} {USERS} WHERE {condition}");
    let statement = dialect::statement(db.connection(), sql, [value]);
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
        r"SELECT {USER_COLUMNS} {USERS} WHERE lower(e.name) LIKE $1 ESCAPE '\' OR u.email LIKE $1 ESCAPE '\'
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
    users.remove(&id).ok_or_else(|| Error::not_found("user", id.to_string()))
}

/// The entity called `name` (the caller's own where none is named), if the caller may see it.
pub async fn find_entity(db: &impl Source, caller: &Caller, name: Option<&str>) -> Result<Option<Entity>> {
    let mut query = entity::Entity::find().filter(caller.may_see(entity::Column::Id));
    query = match name {
        Some(name) if !name.is_empty() => query.filter(entity::Column::Name.eq(name)),
        _ => query.filter(entity::Column::Id.eq(caller.entity_id)),
    };
    Ok(query.one(db.connection()).await?)
}

/// The entity of that name, for whoever operates the server.
pub async fn entity_named(db: &impl Source, name: &str) -> Result<Option<Entity>> {
    Ok(entity::Entity::find().filter(entity::Column::Name.eq(name)).one(db.connection()).await?)
}

/// The entities in which these users own projects: their own first, then their teams by name; as far as the caller may see
/// them.
pub async fn list_entities(
    db: &impl Source,
    caller: &Caller,
    users: &[UserId],
) -> Result<HashMap<UserId, Vec<Entity>>> {
    // Plan: the primary key of member.
    let members = member::Entity::find()
        .filter(member::Column::UserId.is_in(users.iter().copied()))
        .filter(caller.may_see(member::Column::EntityId))
        .all(db.connection())
        .await?;
    let ids: Vec<EntityId> = members.iter().map(|member| member.entity_id).collect();
    let entities = get_entities(db, &ids).await?;
    let mut found: HashMap<UserId, Vec<Entity>> = HashMap::new();
    for member in members {
        let Some(entity) = entities.get(&member.entity_id) else { continue };
        if entity.kind != EntityKind::Organization {
            found.entry(member.user_id).or_default().push(entity.clone());
        }
    }
    for entities in found.values_mut() {
        entities.sort_by(|a, b| {
            (a.kind != EntityKind::User, &a.name).cmp(&(b.kind != EntityKind::User, &b.name))
        });
    }
    Ok(found)
}

/// Entities by id.
pub async fn get_entities(db: &impl Source, ids: &[EntityId]) -> Result<HashMap<EntityId, Entity>> {
    let rows = entity::Entity::find()
        .filter(entity::Column::Id.is_in(ids.iter().copied()))
        .all(db.connection())
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}
