//! Organizations: teams that share registries. One has a name to show, and an entity that owns the registries and to
//! which its members belong.

use std::collections::HashMap;

use sea_orm::sea_query::Query;
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, Condition, EntityTrait as _, IntoActiveModel as _, NotSet,
    QueryFilter as _, QueryOrder as _, Set,
};

use super::commands::{insert_entity, taken};
use super::{Caller, Entity, EntityKind, Organization};
use crate::db::{Source, WriteTx};
use crate::entity::organization::{self, Column};
use crate::entity::{entity, member};
use crate::error::{Error, Result};
use crate::id::{EntityId, OrganizationId, UserId};

const LONGEST_NAME: usize = 128;

/// Makes an organization and its entity, called the same where no other name is given. `Conflict` when one of the names
/// is taken.
pub async fn create_organization(
    tx: &WriteTx,
    name: &str,
    entity_name: Option<&str>,
) -> Result<(Organization, Entity)> {
    let fits = !name.trim().is_empty() && name.chars().count() <= LONGEST_NAME;
    if !fits || name.chars().any(char::is_control) {
        let reason = format!("a name has 1 to {LONGEST_NAME} characters, and no control characters");
        return Err(Error::invalid("NAME_INVALID", "name", reason));
    }
    let entity = insert_entity(tx, entity_name.unwrap_or(name), EntityKind::Organization, None).await?;
    let fresh = organization::ActiveModel {
        id: NotSet,
        name: Set(name.to_owned()),
        entity_id: Set(entity.id),
        created_at: Set(tx.now()),
    };
    let name_taken = |error| taken(error, format!("there is an organization {name:?} already"));
    let organization = fresh.insert(tx.connection()).await.map_err(name_taken)?;
    let mut entity = entity.into_active_model();
    entity.organization_id = Set(Some(organization.id));
    Ok((organization, entity.update(tx.connection()).await?))
}

/// The organization of that name, or whose entity has it, if the caller belongs to it.
pub async fn find_organization(
    db: &impl Source,
    caller: &Caller,
    name: &str,
) -> Result<Option<Organization>> {
    let query = named(name).filter(caller.may_see(Column::EntityId));
    Ok(query.one(db.connection()).await?)
}

/// The organization of that name, or whose entity has it, for whoever operates the server.
pub async fn organization_named(db: &impl Source, name: &str) -> Result<Option<Organization>> {
    Ok(named(name).one(db.connection()).await?)
}

/// What is called so is found before that whose entity is.
fn named(name: &str) -> sea_orm::Select<organization::Entity> {
    let mut entity = Query::select();
    entity.column(entity::Column::Id).from(entity::Entity).and_where(entity::Column::Name.eq(name));
    let by_name = Column::Name.eq(name);
    organization::Entity::find()
        .filter(Condition::any().add(by_name.clone()).add(Column::EntityId.in_subquery(entity)))
        .order_by_desc(by_name)
}

pub(super) async fn get(db: &impl Source, id: OrganizationId) -> Result<Option<Organization>> {
    Ok(organization::Entity::find_by_id(id).one(db.connection()).await?)
}

/// Organizations by id.
pub async fn get_organizations(
    db: &impl Source,
    ids: &[OrganizationId],
) -> Result<HashMap<OrganizationId, Organization>> {
    let rows = organization::Entity::find().filter(Column::Id.is_in(ids.iter().copied()));
    Ok(rows.all(db.connection()).await?.into_iter().map(|row| (row.id, row)).collect())
}

/// The organizations of a user, as far as the caller belongs to them too, by name.
pub async fn list_organizations(
    db: &impl Source,
    caller: &Caller,
    user: UserId,
) -> Result<Vec<Organization>> {
    let mut theirs = Query::select();
    theirs.column(member::Column::EntityId).from(member::Entity).and_where(member::Column::UserId.eq(user));
    let rows = organization::Entity::find()
        .filter(caller.may_see(Column::EntityId))
        .filter(Column::EntityId.in_subquery(theirs))
        .order_by_asc(Column::Name);
    Ok(rows.all(db.connection()).await?)
}

/// The teams of an organization that the caller belongs to, by name; its administrators see all of them.
pub async fn list_teams_of(
    db: &impl Source,
    caller: &Caller,
    organization: &Organization,
) -> Result<Vec<Entity>> {
    // Plan: ix_entity_organization_id.
    let mut rows = entity::Entity::find()
        .filter(entity::Column::OrganizationId.eq(organization.id))
        .filter(entity::Column::Kind.eq(EntityKind::Team))
        .order_by_asc(entity::Column::Name);
    if !administers(db, caller, organization.entity_id).await? {
        rows = rows.filter(caller.may_see(entity::Column::Id));
    }
    Ok(rows.all(db.connection()).await?)
}

async fn administers(db: &impl Source, caller: &Caller, entity: EntityId) -> Result<bool> {
    match super::members::require(db, caller, entity, super::Role::Admin).await {
        Ok(()) => Ok(true),
        Err(Error::Forbidden) => Ok(false),
        Err(error) => Err(error),
    }
}
