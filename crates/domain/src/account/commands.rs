//! Making users, keys and the instance's own secrets.

use sea_orm::{ActiveModelTrait, DbErr, EntityTrait, NotSet, PaginatorTrait, Set};

use super::{ApiKey, Email, EntityKind, check_name};
use crate::db::{Db, Source, WriteTx};
use crate::entity;
use crate::error::{Error, Result};
use crate::id::UserId;

/// First parts of the server's own addresses; a page of an entity starts with the entity's name.
const RESERVED: &[&str] = &[
    "api",
    "artifactsV2",
    "assets",
    "authorize",
    "files",
    "graphiql",
    "graphql",
    "healthz",
    "metrics",
    "objects",
    "oidc",
    "orgs",
    "ready",
    "settings",
    "trash",
];

/// A user to make, with a personal entity of the same name.
#[derive(Debug)]
pub struct NewUser<'a> {
    /// User and entity name.
    pub name: &'a str,
    /// Where to reach them, and by which a service may name them.
    pub email: Option<Email>,
    /// Whether they administer the instance.
    pub admin: bool,
    /// A chosen key; a random one otherwise.
    pub api_key: Option<ApiKey>,
}

/// A user just made.
#[derive(Debug)]
pub struct CreatedUser {
    /// Their id.
    pub user_id: UserId,
    /// Their key, which cannot be shown again.
    pub api_key: ApiKey,
}

/// Makes a user, their personal entity and one API key. Fails with `Conflict` when name, email or key is taken.
pub async fn create_user(tx: &WriteTx, new: NewUser<'_>) -> Result<CreatedUser> {
    check_name("name", new.name)?;
    if RESERVED.contains(&new.name) {
        return Err(Error::invalid("NAME_RESERVED", "name", "this name is an address of the server itself"));
    }
    let api_key = new.api_key.unwrap_or_else(|| ApiKey::generate(tx.env()));
    let owner = entity::entity::ActiveModel {
        id: NotSet,
        name: Set(new.name.to_owned()),
        kind: Set(EntityKind::User),
        created_at: Set(tx.now()),
        artifact_ttl_seconds: Set(None),
    };
    let name_taken = |error| taken(error, format!("the name {:?} is taken", new.name));
    let owner = owner.insert(tx.connection()).await.map_err(name_taken)?;
    let user = entity::user::ActiveModel {
        id: NotSet,
        entity_id: Set(owner.id),
        full_name: Set(new.name.to_owned()),
        email: Set(new.email),
        admin: Set(new.admin),
        created_at: Set(tx.now()),
    };
    let user =
        user.insert(tx.connection()).await.map_err(|error| taken(error, "this email is taken".to_owned()))?;
    let stored = entity::api_key::ActiveModel {
        id: NotSet,
        user_id: Set(user.id),
        name: Set(api_key.public_part().to_owned()),
        sha256: Set(ApiKey::hash(api_key.reveal())),
        created_at: Set(tx.now()),
    };
    let key_taken = |error| taken(error, "this API key is taken".to_owned());
    stored.insert(tx.connection()).await.map_err(key_taken)?;
    Ok(CreatedUser { user_id: user.id, api_key })
}

/// Says what is taken where a row of that name was there before.
fn taken(error: DbErr, reason: String) -> Error {
    match Error::from(error) {
        Error::Conflict { .. } => Error::Conflict { reason },
        other => other,
    }
}

/// Makes the first administrator, `admin`, when there is no user at all; `None` when there is one.
pub async fn ensure_administrator(db: &Db, api_key: Option<ApiKey>) -> Result<Option<ApiKey>> {
    let tx = db.begin_write().await?;
    if entity::user::Entity::find().count(tx.connection()).await? > 0 {
        return Ok(None);
    }
    match create_user(&tx, NewUser { name: "admin", email: None, admin: true, api_key }).await {
        Ok(created) => {
            tx.commit().await?;
            Ok(Some(created.api_key))
        }
        // Another server of the same instance was first.
        Err(Error::Conflict { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// 32 random bytes under `name`, made on first use and the same for every server of the instance.
pub async fn shared_secret(db: &Db, name: &'static str) -> Result<Vec<u8>> {
    use sea_orm::sea_query::OnConflict;
    let tx = db.begin_write().await?;
    let fresh = entity::secret::ActiveModel {
        name: Set(name.to_owned()),
        value: Set(tx.env().bytes::<32>().to_vec()),
    };
    entity::secret::Entity::insert(fresh)
        .on_conflict(OnConflict::column(entity::secret::Column::Name).do_nothing().to_owned())
        .exec_without_returning(tx.connection())
        .await?;
    let stored = entity::secret::Entity::find_by_id(name.to_owned()).one(tx.connection()).await?;
    tx.commit().await?;
    stored.map(|secret| secret.value).ok_or_else(|| Error::internal(format!("secret {name} vanished")))
}
