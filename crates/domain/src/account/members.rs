//! Who belongs to a team or an organization, and what they may do there.

use std::collections::HashMap;

use sea_orm::sea_query::{OnConflict, Query, SelectStatement};
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QuerySelect as _, Set,
};

use super::{Caller, Entity, EntityKind, Role, User, queries};
use crate::db::{Source, WriteTx};
use crate::entity::member::{self, Column};
use crate::entity::{api_key, entity, project, project_member, user};
use crate::error::{Error, Result};
use crate::id::{EntityId, UserId};

/// What the caller may do in each of these entities; what they do not belong to is left out.
pub async fn get_roles(
    db: &impl Source,
    caller: &Caller,
    ids: &[EntityId],
) -> Result<HashMap<EntityId, Role>> {
    if caller.reaches_all() {
        return Ok(ids.iter().map(|id| (*id, Role::Admin)).collect());
    }
    // Plan: the primary key.
    let rows = member::Entity::find()
        .filter(Column::UserId.eq(caller.user_id))
        .filter(Column::EntityId.is_in(ids.iter().copied()))
        .all(db.connection())
        .await?;
    Ok(rows.into_iter().map(|row| (row.entity_id, row.role)).collect())
}

/// Refuses who may do less than `least` in an entity that they may see.
pub(crate) async fn require(db: &impl Source, caller: &Caller, entity: EntityId, least: Role) -> Result<()> {
    let role = get_roles(db, caller, &[entity]).await?.remove(&entity);
    if role.is_some_and(|role| role >= least) { Ok(()) } else { Err(Error::Forbidden) }
}

/// Lets a user into a team or an organization, or changes what they may do there. Only its administrators do that.
pub async fn add_member(
    tx: &WriteTx,
    caller: &Caller,
    entity: &Entity,
    username: &str,
    role: Role,
) -> Result<()> {
    require(tx, caller, entity.id, Role::Admin).await?;
    admit(tx, entity, &user_called(tx, username).await?, role).await
}

async fn user_called(tx: &WriteTx, name: &str) -> Result<User> {
    queries::user_named(tx, name).await?.ok_or_else(|| Error::not_found("user", name))
}

/// The same, whoever asks.
pub async fn admit(tx: &WriteTx, entity: &Entity, user: &User, role: Role) -> Result<()> {
    if entity.kind == EntityKind::User {
        let reason = "a personal entity belongs to its user alone";
        return Err(Error::invalid("ENTITY_INVALID", "entityName", reason));
    }
    if user.team_id.is_some_and(|team| team != entity.id) {
        let reason = "a service account belongs to its own team alone";
        return Err(Error::invalid("USER_INVALID", "username", reason));
    }
    join(tx, entity, user.id, role).await
}

/// Makes a user a member, or changes what they may do, and lets them into the organization of a team. `LAST_ADMIN` where
/// nobody would be left to let others in.
pub(super) async fn join(tx: &WriteTx, entity: &Entity, user: UserId, role: Role) -> Result<()> {
    hold(tx, entity.id).await?;
    let before = member::Entity::find_by_id((user, entity.id)).one(tx.connection()).await?;
    insert(tx, entity.id, user, role, OnRepeat::Replace).await?;
    if before.is_some_and(|before| before.role == Role::Admin) && role != Role::Admin {
        require_administrators(tx, entity).await?;
    }
    if entity.kind == EntityKind::Team
        && let Some(organization) = entity.organization_id
        && let Some(organization) = super::organizations::get(tx, organization).await?
    {
        insert(tx, organization.entity_id, user, role.min(Role::Member), OnRepeat::Keep).await?;
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum OnRepeat {
    Replace,
    Keep,
}

async fn insert(
    tx: &WriteTx,
    entity_id: EntityId,
    user_id: UserId,
    role: Role,
    on_repeat: OnRepeat,
) -> Result<()> {
    let fresh = member::ActiveModel {
        user_id: Set(user_id),
        entity_id: Set(entity_id),
        role: Set(role),
        created_at: Set(tx.now()),
    };
    let mut on_conflict = OnConflict::columns([Column::UserId, Column::EntityId]);
    match on_repeat {
        OnRepeat::Replace => on_conflict.update_column(Column::Role),
        OnRepeat::Keep => on_conflict.do_nothing(),
    };
    member::Entity::insert(fresh).on_conflict(on_conflict).exec_without_returning(tx.connection()).await?;
    Ok(())
}

/// Shuts a user out of a team, or out of an organization and all of its teams. Its administrators do that, and whoever
/// leaves. A service account that is shut out cannot sign in again.
pub async fn remove_member(tx: &WriteTx, caller: &Caller, entity: &Entity, username: &str) -> Result<()> {
    if username != caller.username {
        require(tx, caller, entity.id, Role::Admin).await?;
    }
    remove(tx, entity, user_called(tx, username).await?.id).await
}

/// The same, by id.
pub(super) async fn remove_member_by_id(
    tx: &WriteTx,
    caller: &Caller,
    entity: &Entity,
    user: UserId,
) -> Result<()> {
    if user != caller.user_id {
        require(tx, caller, entity.id, Role::Admin).await?;
    }
    remove(tx, entity, user).await
}

async fn remove(tx: &WriteTx, entity: &Entity, user: UserId) -> Result<()> {
    if entity.kind == EntityKind::User {
        let reason = "a personal entity belongs to its user alone";
        return Err(Error::invalid("ENTITY_INVALID", "entityName", reason));
    }
    let mut left = vec![entity.clone()];
    if entity.kind == EntityKind::Organization {
        let teams = entity::Entity::find()
            .filter(entity::Column::OrganizationId.eq(entity.organization_id))
            .filter(entity::Column::Kind.eq(EntityKind::Team))
            .filter(entity::Column::Id.in_subquery(entities_of(user)));
        left.extend(teams.all(tx.connection()).await?);
    }
    left.sort_by_key(|entity| entity.id);
    for entity in &left {
        leave(tx, entity, user).await?;
    }
    Ok(())
}

async fn leave(tx: &WriteTx, entity: &Entity, who: UserId) -> Result<()> {
    hold(tx, entity.id).await?;
    let found = member::Entity::find_by_id((who, entity.id)).one(tx.connection()).await?;
    let found = found.ok_or_else(|| Error::not_found("member", who.to_node_id()))?;
    member::Entity::delete_by_id((who, entity.id)).exec(tx.connection()).await?;
    if found.role == Role::Admin {
        require_administrators(tx, entity).await?;
    }
    let mut projects = Query::select();
    projects
        .column(project::Column::Id)
        .from(project::Entity)
        .and_where(project::Column::EntityId.eq(entity.id));
    project_member::Entity::delete_many()
        .filter(project_member::Column::UserId.eq(who))
        .filter(project_member::Column::ProjectId.in_subquery(projects))
        .exec(tx.connection())
        .await?;
    let mut service_account = Query::select();
    service_account
        .column(user::Column::Id)
        .from(user::Entity)
        .and_where(user::Column::Id.eq(who))
        .and_where(user::Column::TeamId.eq(entity.id));
    api_key::Entity::delete_many()
        .filter(api_key::Column::UserId.in_subquery(service_account))
        .exec(tx.connection())
        .await?;
    Ok(())
}

fn entities_of(user: UserId) -> SelectStatement {
    let mut entities = Query::select();
    entities.column(Column::EntityId).from(member::Entity).and_where(Column::UserId.eq(user));
    entities
}

/// Somebody must be left who can let others in, as long as anybody is left.
async fn require_administrators(tx: &WriteTx, entity: &Entity) -> Result<()> {
    let of = || member::Entity::find().filter(Column::EntityId.eq(entity.id));
    let administrators = of().filter(Column::Role.eq(Role::Admin)).count(tx.connection()).await?;
    if administrators > 0 || of().count(tx.connection()).await? == 0 {
        return Ok(());
    }
    let reason = format!("{} would have no administrator left", entity.name);
    Err(Error::Precondition { code: "LAST_ADMIN", reason })
}

/// Locked until the transaction ends: of two administrators who leave, the second finds the first one gone.
async fn hold(tx: &WriteTx, id: EntityId) -> Result<()> {
    entity::Entity::find_by_id(id).lock_exclusive().one(tx.connection()).await?;
    Ok(())
}
