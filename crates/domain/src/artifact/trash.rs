//! Versions in the trash: what is remembered of them, and how they come back.

use sea_orm::sea_query::{Expr, ExprTrait as _, OnConflict};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, EntityTrait as _, IntoActiveModel as _, NotSet,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, QueryTrait as _, Set,
};

use super::name::LATEST;
use super::{Artifact, ArtifactState, Collection, CollectionState, aliases, ttl};
use crate::account::{Caller, Role};
use crate::audit::{self, Act, Action, Topic};
use crate::clock::Timestamp;
use crate::db::{Source, WriteTx, dialect};
use crate::deletion::{self, ItemKind};
use crate::entity::artifact::{Column, Entity};
use crate::entity::{
    artifact_alias as alias, artifact_collection as collection, artifact_former_place as former,
    artifact_membership as membership, protected_alias,
};
use crate::error::{Error, Result};
use crate::id::{ArtifactId, CollectionId, MembershipId, ProjectId};
use crate::project;

/// Ids per statement.
const BATCH: usize = 500;

/// A version that came back from the trash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The version.
    pub artifact: Artifact,
    /// Aliases that it does not have again, since another version has them by now or they have come under protection:
    /// `collection:alias`.
    pub lost_aliases: Vec<String>,
    /// Portfolios that it is not in again, since they are gone.
    pub lost_links: Vec<String>,
    /// The places that it has again, and those that it has lost.
    pub(crate) places: Vec<MembershipId>,
    pub(crate) lost_places: Vec<MembershipId>,
}

/// Remembers the places that a version has in held collections, before it loses them.
pub(super) async fn remember_places(tx: &WriteTx, id: ArtifactId) -> Result<()> {
    // Plan: ix_artifact_membership_artifact_id, ix_artifact_alias_artifact_id.
    let places = membership::Entity::find().filter(membership::Column::ArtifactId.eq(id));
    let names =
        alias::Entity::find().filter(alias::Column::ArtifactId.eq(id)).order_by_asc(alias::Column::Id);
    let names = names.all(tx.connection()).await?;
    let mut rows = Vec::new();
    for place in places.all(tx.connection()).await? {
        let here = names.iter().filter(|name| name.collection_id == place.collection_id);
        let aliases: Vec<&str> = here.map(|name| name.alias.as_str()).collect();
        rows.push(former::ActiveModel {
            id: Set(place.id),
            artifact_id: Set(id),
            collection_id: Set(place.collection_id),
            version_index: Set(place.version_index),
            aliases: Set(serde_json::to_string(&aliases).map_err(Error::internal)?),
            created_at: Set(place.created_at),
        });
    }
    if !rows.is_empty() {
        former::Entity::insert_many(rows).exec_without_returning(tx.connection()).await?;
    }
    Ok(())
}

/// Forgets the places that a version had. Answers which they were.
pub(crate) async fn forget_places(tx: &WriteTx, id: ArtifactId) -> Result<Vec<MembershipId>> {
    let places = former::Entity::delete_many()
        .filter(former::Column::ArtifactId.eq(id))
        .exec_with_returning(tx.connection())
        .await?;
    Ok(places.into_iter().map(|place| place.id).collect())
}

/// The sequence of a version in the trash, for who may delete and restore there.
async fn find_home(tx: &WriteTx, caller: &Caller, id: ArtifactId) -> Result<Collection> {
    let missing = || Error::not_found("artifact", id.to_node_id());
    let found = Entity::find_by_id(id).one(tx.connection()).await?;
    let found = found.filter(is_in_trash).ok_or_else(missing)?;
    let home = super::get_collections(tx, &[found.collection_id]).await?.remove(&found.collection_id);
    let home = home.ok_or_else(missing)?;
    if project::get_many(tx, caller, &[home.project_id]).await?.is_empty() {
        return Err(missing());
    }
    project::authorize(tx, caller, home.project_id, Role::Member).await?;
    Ok(home)
}

fn is_in_trash(version: &Artifact) -> bool {
    version.state == ArtifactState::Deleted && version.purge_after.is_some()
}

/// Those of these versions that can be brought back, as their deadline lies after this moment.
pub(crate) async fn restorable(
    tx: &WriteTx,
    ids: Vec<ArtifactId>,
    after: Timestamp,
) -> Result<Vec<ArtifactId>> {
    let mut found = Vec::with_capacity(ids.len());
    for ids in ids.chunks(BATCH) {
        // Plan: the primary key.
        let query = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::Id.is_in(ids.iter().copied()))
            .filter(Expr::cust(dialect::unindexed!("artifact.state")).eq(ArtifactState::Deleted))
            .filter(Column::PurgeAfter.gt(after))
            .order_by_asc(Column::Id);
        found.extend(query.into_tuple::<ArtifactId>().all(tx.connection()).await?);
    }
    Ok(found)
}

/// Brings a version back from the trash: with its place, its links, and the names that no other version has taken meanwhile.
/// Where its sequence was deleted with it, that is back as well; `COLLECTION_NAME_TAKEN` if another one has its name by now.
pub(crate) async fn bring_back(tx: &WriteTx, caller: &Caller, id: ArtifactId) -> Result<Restored> {
    let home = find_home(tx, caller, id).await?;
    let places = former::Entity::find()
        .filter(former::Column::ArtifactId.eq(id))
        .order_by_asc(former::Column::CollectionId)
        .all(tx.connection())
        .await?;
    let mut there = Vec::with_capacity(places.len());
    for place in places {
        let held = collection::Entity::find_by_id(place.collection_id).lock_exclusive();
        let held = held.one(tx.connection()).await?;
        there.push((place, held.ok_or_else(|| Error::internal("a place without its collection"))?));
    }
    // Collections first, as whoever deletes or links it does.
    let found = Entity::find_by_id(id).lock_exclusive().one(tx.connection()).await?;
    let found = found.filter(is_in_trash).ok_or_else(|| Error::not_found("artifact", id.to_node_id()))?;
    let is_over = found.purge_after.is_some_and(|deadline| deadline <= tx.now());
    if is_over && deletion::spared(tx, ItemKind::Artifact, vec![id.0]).await?.is_empty()
        || !deletion::hurried(tx, ItemKind::Artifact, vec![id.0]).await?.is_empty()
    {
        return Err(deletion::deadline_passed("artifact"));
    }
    let deleted_at = found.deleted_at.unwrap_or(tx.now());
    let mut row = found.into_active_model();
    row.state = Set(ArtifactState::Committed);
    row.deleted_at = Set(None);
    row.purge_after = Set(None);
    row.revived_at = Set(Some(tx.now()));
    row.updated_at = Set(tx.now());
    row.update(tx.connection()).await?;
    ttl::refresh_version(tx, id).await?;
    skip_time(tx, id, deleted_at).await?;

    let projects: Vec<ProjectId> = there.iter().map(|(_, held)| held.project_id).collect();
    let seen = project::get_many(tx, caller, &projects).await?;
    let artifact = super::queries::hold(tx, id).await?;
    let mut restored = Restored {
        artifact,
        lost_aliases: Vec::new(),
        lost_links: Vec::new(),
        places: Vec::new(),
        lost_places: Vec::new(),
    };
    for (place, held) in there {
        let is_seen = seen.contains_key(&held.project_id);
        let name = if is_seen { held.name.as_str() } else { "a collection that you may not see" };
        if held.id == home.id {
            revive_collection(tx, &held).await?;
        } else if held.state == CollectionState::Deleted {
            restored.lost_links.push(name.to_owned());
            restored.lost_places.push(place.id);
            continue;
        }
        put_back(tx, &place).await?;
        restored.places.push(place.id);
        let lost = give_names(tx, &held, &place).await?;
        restored.lost_aliases.extend(lost.into_iter().map(|alias| format!("{name}:{alias}")));
    }
    forget_places(tx, id).await?;
    audit::record(tx, Act::by(caller.user_id, Action::Restore), Topic::Artifacts(&[id])).await?;
    Ok(restored)
}

/// The time that a version spent in the trash is not part of its lifetime.
async fn skip_time(tx: &WriteTx, id: ArtifactId, deleted_at: Timestamp) -> Result<()> {
    let spent = tx.now().0 - deleted_at.0;
    Entity::update_many()
        .col_expr(Column::ExpiresAt, Expr::col(Column::ExpiresAt).add(spent))
        .filter(Column::Id.eq(id))
        .filter(Column::ExpiresAt.is_not_null())
        .exec(tx.connection())
        .await?;
    Ok(())
}

async fn revive_collection(tx: &WriteTx, home: &Collection) -> Result<()> {
    if home.state == CollectionState::Live {
        return Ok(());
    }
    if super::find_collection(tx, home.project_id, &home.name).await?.is_some() {
        return Err(super::collections::name_taken(&home.name));
    }
    // The index on live names refuses whoever comes at the same time.
    collection::Entity::update_many()
        .col_expr(collection::Column::State, Expr::val(CollectionState::Live))
        .col_expr(collection::Column::UpdatedAt, Expr::val(tx.now()))
        .filter(collection::Column::Id.eq(home.id))
        .exec(tx.connection())
        .await?;
    Ok(())
}

async fn put_back(tx: &WriteTx, place: &former::Model) -> Result<()> {
    let row = membership::ActiveModel {
        id: Set(place.id),
        collection_id: Set(place.collection_id),
        artifact_id: Set(place.artifact_id),
        version_index: Set(place.version_index),
        created_at: Set(place.created_at),
    };
    membership::Entity::insert(row).exec_without_returning(tx.connection()).await?;
    Ok(())
}

/// Gives a version the names again that it had in a held collection. Answers those that it does not get.
async fn give_names(tx: &WriteTx, held: &Collection, place: &former::Model) -> Result<Vec<String>> {
    let mut names: Vec<String> = serde_json::from_str(&place.aliases).map_err(Error::internal)?;
    if names.iter().any(|name| name == LATEST) {
        names.retain(|name| name != LATEST);
        aliases::regain_latest(tx, held.id, place.artifact_id).await?;
    }
    aliases::restore_latest(tx, held.id).await?;
    // Who restores need not be one who may move an alias that came under protection meanwhile.
    let guarded = protected_alias::Entity::find()
        .filter(protected_alias::Column::ProjectId.eq(held.project_id))
        .filter(protected_alias::Column::Alias.is_in(&names))
        .all(tx.connection())
        .await?;
    let mut lost: Vec<String> = guarded.into_iter().map(|row| row.alias).collect();
    for name in names {
        if lost.contains(&name) {
            continue;
        }
        let row = alias::ActiveModel {
            id: NotSet,
            collection_id: Set(held.id),
            artifact_id: Set(place.artifact_id),
            alias: Set(name.clone()),
        };
        let free = OnConflict::new().do_nothing().to_owned();
        if alias::Entity::insert(row).on_conflict(free).exec_without_returning(tx.connection()).await? == 0 {
            lost.push(name);
        }
    }
    Ok(lost)
}

/// A version in the trash, as lists have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trashed {
    /// The version.
    pub artifact: Artifact,
    /// What it was called: `collection:v0`.
    pub name: String,
}

/// A page of the versions of a project that are in the trash and can be restored still, in the order of their ids; `after` is
/// the last one seen. Whoever calls this has found the project through its door.
pub async fn list_trash(
    db: &impl Source,
    now: Timestamp,
    project: ProjectId,
    after: Option<ArtifactId>,
    limit: u64,
) -> Result<Vec<Trashed>> {
    // Plan: ix_artifact_collection_listing, ix_artifact_trash.
    let sequences = collection::Entity::find()
        .select_only()
        .column(collection::Column::Id)
        .filter(collection::Column::ProjectId.eq(project))
        .into_query();
    let rows = Entity::find()
        .filter(Column::CollectionId.in_subquery(sequences))
        .filter(Column::State.eq(ArtifactState::Deleted))
        .filter(Column::PurgeAfter.gt(now))
        .filter(Column::Id.gt(after.unwrap_or(ArtifactId(0))))
        .order_by_asc(Column::Id)
        .limit(limit)
        .all(db.connection())
        .await?;
    let homes: Vec<CollectionId> = rows.iter().map(|row| row.collection_id).collect();
    let homes = super::get_collections(db, &homes).await?;
    let places = former::Entity::find()
        .filter(former::Column::ArtifactId.is_in(rows.iter().map(|row| row.id)))
        .all(db.connection())
        .await?;
    let name = |row: &Artifact| {
        let home = homes.get(&row.collection_id).map_or("", |home| home.name.as_str());
        let place = places
            .iter()
            .find(|place| place.artifact_id == row.id && place.collection_id == row.collection_id);
        place.map_or_else(|| home.to_owned(), |place| format!("{home}:v{}", place.version_index))
    };
    Ok(rows.iter().map(|row| Trashed { name: name(row), artifact: row.clone() }).collect())
}
