//! Names for versions of a collection.

use std::collections::{BTreeSet, HashSet};

use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, FromQueryResult, NotSet, QueryFilter as _, QueryOrder as _, Set,
    Value,
};

use super::name::{LATEST, check_alias, check_count};
use super::{Collection, collections, queries};
use crate::account::{Caller, Role};
use crate::audit::{self, Act, Action, Topic};
use crate::db::{Source as _, WriteTx, dialect};
use crate::entity::artifact_alias::{ActiveModel, Column, Entity};
use crate::entity::{artifact_membership as membership, protected_alias};
use crate::error::{Error, Result};
use crate::id::{ArtifactId, CollectionId};
use crate::project::{self, Project};

/// An alias, and the collection in which it is set or taken away.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AliasChange {
    /// The collection's owner.
    pub entity_name: String,
    /// Its project.
    pub project_name: String,
    /// Its name.
    pub collection_name: String,
    /// The alias.
    pub alias: String,
}

/// Makes aliases mean this version, each in its collection, in which the version must be.
pub async fn add_aliases(
    tx: &WriteTx,
    caller: &Caller,
    id: ArtifactId,
    changes: &[AliasChange],
) -> Result<()> {
    check_count("aliases", changes.len())?;
    queries::locate(tx, caller, id).await?;
    for (project, collection, aliases) in places(tx, caller, changes).await? {
        let collection = hold_place(tx, collection.id, id).await?;
        assign(tx, &project, &collection, id, &aliases, caller).await?;
    }
    Ok(())
}

/// Takes aliases away from this version. Those that it has not are of no effect.
pub async fn delete_aliases(
    tx: &WriteTx,
    caller: &Caller,
    id: ArtifactId,
    changes: &[AliasChange],
) -> Result<()> {
    check_count("aliases", changes.len())?;
    queries::locate(tx, caller, id).await?;
    for (project, collection, aliases) in places(tx, caller, changes).await? {
        let collection = collections::hold(tx, collection.id).await?;
        check_protected(tx, caller, &project, &aliases).await?;
        let gone = Entity::delete_many()
            .filter(Column::CollectionId.eq(collection.id))
            .filter(Column::ArtifactId.eq(id))
            .filter(Column::Alias.is_in(&aliases))
            .exec(tx.connection())
            .await?;
        if gone.rows_affected > 0 {
            record_gone(tx, caller, id, &aliases).await?;
        }
    }
    Ok(())
}

/// Records that aliases no longer name a version.
pub(super) async fn record_gone(
    tx: &WriteTx,
    caller: &Caller,
    id: ArtifactId,
    aliases: &[String],
) -> Result<()> {
    let names = aliases.join(", ");
    let act = Act::by(caller.user_id, Action::Unalias).because(Some(&names));
    audit::record(tx, act, Topic::Artifacts(&[id])).await
}

/// Changes by collection, in the order of their ids: so no two callers wait for each other in a circle.
async fn places(
    tx: &WriteTx,
    caller: &Caller,
    changes: &[AliasChange],
) -> Result<Vec<(Project, Collection, Vec<String>)>> {
    let mut found: Vec<(Project, Collection, Vec<String>)> = Vec::new();
    let paths: BTreeSet<_> = changes
        .iter()
        .map(|change| (&change.entity_name, &change.project_name, &change.collection_name))
        .collect();
    for (entity, project, collection) in paths {
        let missing = || Error::not_found("artifact collection", format!("{entity}/{project}/{collection}"));
        let place = project::find(tx, caller, Some(entity), Some(project)).await?.ok_or_else(missing)?;
        let there = super::find_collection(tx, place.id, collection).await?.ok_or_else(missing)?;
        project::authorize(tx, caller, place.id, Role::Member).await?;
        let here = |change: &&AliasChange| {
            (&change.entity_name, &change.project_name, &change.collection_name)
                == (entity, project, collection)
        };
        let aliases = changes.iter().filter(here).map(|change| change.alias.clone()).collect();
        found.push((place, there, aliases));
    }
    found.sort_unstable_by_key(|(_, collection, _)| collection.id);
    Ok(found)
}

/// The collection, held, in which the version must have a place.
pub(super) async fn hold_place(tx: &WriteTx, id: CollectionId, artifact: ArtifactId) -> Result<Collection> {
    let held = collections::hold(tx, id).await?;
    // Plan: ux_artifact_membership_artifact.
    let place = membership::Entity::find()
        .filter(membership::Column::CollectionId.eq(id))
        .filter(membership::Column::ArtifactId.eq(artifact));
    if place.one(tx.connection()).await?.is_some() {
        return Ok(held);
    }
    let what = format!("{} in {}", artifact.to_node_id(), held.name);
    Err(Error::not_found("artifact membership", what))
}

/// Makes aliases mean a version that is in a held collection, whatever they meant before.
pub(super) async fn assign(
    tx: &WriteTx,
    project: &Project,
    held: &Collection,
    artifact: ArtifactId,
    aliases: &[String],
    caller: &Caller,
) -> Result<()> {
    let distinct: HashSet<&String> = aliases.iter().collect();
    if distinct.is_empty() {
        return Ok(());
    }
    for alias in &distinct {
        check_alias(alias)?;
    }
    check_protected(tx, caller, project, aliases).await?;
    let rows = distinct.into_iter().map(|alias| ActiveModel {
        id: NotSet,
        collection_id: Set(held.id),
        artifact_id: Set(artifact),
        alias: Set(alias.clone()),
    });
    let moved = OnConflict::columns([Column::CollectionId, Column::Alias])
        .update_column(Column::ArtifactId)
        .to_owned();
    Entity::insert_many(rows).on_conflict(moved).exec_without_returning(tx.connection()).await?;
    Ok(())
}

/// Makes these the aliases that only a project's administrators may move; nobody deletes what they name.
pub async fn protect_aliases(
    tx: &WriteTx,
    caller: &Caller,
    entity_name: &str,
    project_name: &str,
    aliases: &[String],
) -> Result<()> {
    check_count("aliases", aliases.len())?;
    aliases.iter().try_for_each(|alias| check_alias(alias))?;
    let missing = || Error::not_found("project", format!("{entity_name}/{project_name}"));
    let found =
        project::find(tx, caller, Some(entity_name), Some(project_name)).await?.ok_or_else(missing)?;
    project::authorize(tx, caller, found.id, Role::Admin).await?;
    protected_alias::Entity::delete_many()
        .filter(protected_alias::Column::ProjectId.eq(found.id))
        .exec(tx.connection())
        .await?;
    let distinct: BTreeSet<&String> = aliases.iter().collect();
    if distinct.is_empty() {
        return Ok(());
    }
    let rows = distinct
        .into_iter()
        .map(|alias| protected_alias::ActiveModel { project_id: Set(found.id), alias: Set(alias.clone()) });
    protected_alias::Entity::insert_many(rows).exec_without_returning(tx.connection()).await?;
    Ok(())
}

/// Only administrators move an alias that is protected.
pub(super) async fn check_protected(
    tx: &WriteTx,
    caller: &Caller,
    project: &Project,
    aliases: &[String],
) -> Result<()> {
    let query = protected_alias::Entity::find()
        .filter(protected_alias::Column::ProjectId.eq(project.id))
        .filter(protected_alias::Column::Alias.is_in(aliases));
    let Some(protected) = query.one(tx.connection()).await? else { return Ok(()) };
    match project::authorize(tx, caller, project.id, Role::Admin).await {
        Err(Error::Forbidden) => Err(Error::Precondition {
            code: "ALIAS_PROTECTED",
            reason: format!("the alias {:?} is protected; only administrators move it", protected.alias),
        }),
        allowed => allowed,
    }
}

/// Whose aliases are looked at.
pub(super) enum Named<'a> {
    /// Versions', wherever they have them.
    Versions(&'a [ArtifactId]),
    /// All in one collection.
    In(CollectionId),
}

#[derive(FromQueryResult)]
struct ProtectedName {
    path: String,
    alias: String,
}

/// Refuses to delete what a protected alias names, whoever asks, with each of them named: whoever may move the alias has
/// to do that first.
pub(super) async fn check_unprotected(tx: &WriteTx, named: Named<'_>) -> Result<()> {
    /// Ids per statement.
    const BATCH: usize = 500;
    let groups: Vec<(&str, Value)> = match named {
        Named::Versions(ids) => ids.chunks(BATCH).map(|ids| ("artifact_id", dialect::list(ids))).collect(),
        Named::In(collection) => vec![("collection_id", dialect::list(&[collection]))],
    };
    let mut kept = Vec::new();
    for (column, ids) in groups {
        // Plan: an index of artifact_alias, then primary keys.
        let sql = format!(
            "SELECT e.name || '/' || p.name || '/' || c.name || ':v' || m.version_index AS path, n.alias \
             FROM artifact_alias n JOIN artifact_collection c ON c.id = n.collection_id \
             JOIN protected_alias k ON k.project_id = c.project_id AND k.alias = n.alias \
             JOIN project p ON p.id = c.project_id JOIN entity e ON e.id = p.entity_id \
             JOIN artifact_membership m ON m.collection_id = n.collection_id AND m.artifact_id = n.artifact_id \
             WHERE p.state = 'live' AND n.{column} = ANY($1) ORDER BY n.id"
        );
        let rows = ProtectedName::find_by_statement(dialect::statement(tx.connection(), sql, [ids]));
        kept.extend(rows.all(tx.connection()).await?);
    }
    if kept.is_empty() {
        return Ok(());
    }
    let described: Vec<String> =
        kept.into_iter().map(|ProtectedName { path, alias }| format!("{path} ({alias})")).collect();
    Err(Error::Precondition {
        code: "ALIAS_PROTECTED",
        reason: format!(
            "protected aliases keep {}; an administrator can move or remove them first",
            described.join(", ")
        ),
    })
}

/// Where nothing is a held collection's latest, its newest version becomes that.
pub(super) async fn restore_latest(tx: &WriteTx, collection: CollectionId) -> Result<()> {
    let taken = Entity::find().filter(Column::CollectionId.eq(collection)).filter(Column::Alias.eq(LATEST));
    if taken.one(tx.connection()).await?.is_some() {
        return Ok(());
    }
    let Some(newest) = newest(tx, collection).await? else { return Ok(()) };
    set_latest(tx, collection, newest).await
}

/// Makes a version the latest of a held collection again, unless it has a newer one by now.
pub(super) async fn regain_latest(tx: &WriteTx, collection: CollectionId, version: ArtifactId) -> Result<()> {
    if newest(tx, collection).await? == Some(version) {
        set_latest(tx, collection, version).await?;
    }
    Ok(())
}

async fn newest(tx: &WriteTx, collection: CollectionId) -> Result<Option<ArtifactId>> {
    // Plan: ux_artifact_membership_version, backwards.
    let newest = membership::Entity::find()
        .filter(membership::Column::CollectionId.eq(collection))
        .order_by_desc(membership::Column::VersionIndex);
    Ok(newest.one(tx.connection()).await?.map(|place| place.artifact_id))
}

async fn set_latest(tx: &WriteTx, collection: CollectionId, version: ArtifactId) -> Result<()> {
    let row = ActiveModel {
        id: NotSet,
        collection_id: Set(collection),
        artifact_id: Set(version),
        alias: Set(LATEST.to_owned()),
    };
    let moved = OnConflict::columns([Column::CollectionId, Column::Alias])
        .update_column(Column::ArtifactId)
        .to_owned();
    Entity::insert(row).on_conflict(moved).exec_without_returning(tx.connection()).await?;
    Ok(())
}
