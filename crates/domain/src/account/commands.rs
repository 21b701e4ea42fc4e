//! Making users, and the instance's own secrets.

use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveModelTrait, DbErr, EntityTrait, NotSet, PaginatorTrait, Set};

use super::{ApiKey, Email, Entity, EntityKind, Role, check_name, invites, keys, members};
use crate::db::{Db, Source, WriteTx};
use crate::entity;
use crate::error::{Error, Result};
use crate::id::{EntityId, OrganizationId, UserId};

/// First parts of the server's own addresses; a page of an entity starts with the entity's name.
const RESERVED: &[&str] = &[
    "api",
    "artifacts",
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

/// Makes a user, their personal entity and one API key, and lets them in where they were invited. Fails with `Conflict`
/// when name, email or key is taken.
pub async fn create_user(tx: &WriteTx, new: NewUser<'_>) -> Result<CreatedUser> {
    let NewUser { name, email, admin, api_key } = new;
    let account = Account { name, full_name: name, email: email.clone(), admin, team_id: None };
    let (user_id, own) = insert_user(tx, account).await?;
    members::join(tx, &own, user_id, Role::Admin).await?;
    let api_key = api_key.unwrap_or_else(|| ApiKey::generate(tx.env()));
    keys::store(tx, user_id, &api_key, None).await?;
    if let Some(email) = email {
        invites::accept(tx, user_id, &email).await?;
    }
    Ok(CreatedUser { user_id, api_key })
}

/// Makes a user of that address, called by the first part of it, with a number where that is taken.
pub async fn invite_user(tx: &WriteTx, email: Email, admin: bool) -> Result<CreatedUser> {
    /// More of one name are to be named by hand.
    const MOST_OF_A_NAME: usize = 100;
    let first = email.local_part();
    let candidates =
        std::iter::once(first.clone()).chain((2..MOST_OF_A_NAME).map(|n| format!("{first}-{n}")));
    for name in candidates {
        let is_taken = RESERVED.contains(&name.as_str()) || super::entity_named(tx, &name).await?.is_some();
        if !is_taken {
            return create_user(tx, NewUser { name: &name, email: Some(email), admin, api_key: None }).await;
        }
    }
    Err(Error::Conflict { reason: format!("there are many users called {first:?}") })
}

/// A row of `user` to make.
pub(super) struct Account<'a> {
    pub(super) name: &'a str,
    pub(super) full_name: &'a str,
    pub(super) email: Option<Email>,
    pub(super) admin: bool,
    pub(super) team_id: Option<EntityId>,
}

pub(super) async fn insert_user(tx: &WriteTx, account: Account<'_>) -> Result<(UserId, Entity)> {
    let own = insert_entity(tx, account.name, EntityKind::User, None).await?;
    let user = entity::user::ActiveModel {
        id: NotSet,
        entity_id: Set(own.id),
        full_name: Set(account.full_name.to_owned()),
        email: Set(account.email),
        admin: Set(account.admin),
        team_id: Set(account.team_id),
        created_at: Set(tx.now()),
    };
    let email_taken = |error| taken(error, "this email is taken".to_owned());
    let user = user.insert(tx.connection()).await.map_err(email_taken)?;
    Ok((user.id, own))
}

/// Makes an entity. `Conflict` when the name is taken.
pub(super) async fn insert_entity(
    tx: &WriteTx,
    name: &str,
    kind: EntityKind,
    organization_id: Option<OrganizationId>,
) -> Result<Entity> {
    check_name("name", name)?;
    if RESERVED.contains(&name) {
        return Err(Error::invalid("NAME_RESERVED", "name", "this name is an address of the server itself"));
    }
    let fresh = entity::entity::ActiveModel {
        id: NotSet,
        name: Set(name.to_owned()),
        kind: Set(kind),
        organization_id: Set(organization_id),
        artifact_ttl_seconds: Set(None),
        created_at: Set(tx.now()),
    };
    let name_taken = |error| taken(error, format!("the name {name:?} is taken"));
    fresh.insert(tx.connection()).await.map_err(name_taken)
}

/// Says what is taken where a row of that name was there before.
pub(super) fn taken(error: DbErr, reason: String) -> Error {
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
    let tx = db.begin_write().await?;
    let secret = ensure_secret(&tx, name).await?;
    tx.commit().await?;
    Ok(secret)
}

pub(super) async fn ensure_secret(tx: &WriteTx, name: &'static str) -> Result<Vec<u8>> {
    let fresh = entity::secret::ActiveModel {
        name: Set(name.to_owned()),
        value: Set(tx.env().bytes::<32>().to_vec()),
    };
    entity::secret::Entity::insert(fresh)
        .on_conflict(OnConflict::column(entity::secret::Column::Name).do_nothing().to_owned())
        .exec_without_returning(tx.connection())
        .await?;
    let stored = find_secret(tx, name).await?;
    stored.ok_or_else(|| Error::internal(format!("secret {name} vanished")))
}

pub(super) async fn find_secret(db: &impl Source, name: &'static str) -> Result<Option<Vec<u8>>> {
    let stored = entity::secret::Entity::find_by_id(name.to_owned()).one(db.connection()).await?;
    Ok(stored.map(|secret| secret.value))
}
