//! Tags of versions and of collections.

use std::collections::{BTreeSet, HashMap};

use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait as _, EntityTrait as _, NotSet, QueryFilter as _, QueryOrder as _, Set};

use super::name::{check_count, check_tag};
use super::{ArtifactTag, Collection, CollectionTag};
use crate::account::{Caller, Role};
use crate::db::{Source, WriteTx};
use crate::entity::{artifact_collection_tag as collection_tag, artifact_tag};
use crate::error::Result;
use crate::id::{ArtifactId, CollectionId};
use crate::project;

/// Checks tags that someone wants to set.
pub(super) fn check(tags: &[String]) -> Result<()> {
    check_count("tags", tags.len())?;
    tags.iter().try_for_each(|tag| check_tag(tag))
}

/// Adds tags to a version; those that it has stay.
pub(super) async fn add(tx: &WriteTx, artifact: ArtifactId, tags: &[String]) -> Result<()> {
    check(tags)?;
    if tags.is_empty() {
        return Ok(());
    }
    let distinct: BTreeSet<&String> = tags.iter().collect();
    let rows = distinct.into_iter().map(|tag| artifact_tag::ActiveModel {
        id: NotSet,
        artifact_id: Set(artifact),
        name: Set(tag.clone()),
    });
    let stays = OnConflict::columns([artifact_tag::Column::ArtifactId, artifact_tag::Column::Name])
        .do_nothing()
        .to_owned();
    artifact_tag::Entity::insert_many(rows)
        .on_conflict(stays)
        .exec_without_returning(tx.connection())
        .await?;
    Ok(())
}

/// Adds tags to a version and takes others away. Whoever calls this has found the version through its door.
pub async fn change_tags(
    tx: &WriteTx,
    artifact: ArtifactId,
    added: &[String],
    removed: &[String],
) -> Result<()> {
    check(removed)?;
    artifact_tag::Entity::delete_many()
        .filter(artifact_tag::Column::ArtifactId.eq(artifact))
        .filter(artifact_tag::Column::Name.is_in(removed))
        .exec(tx.connection())
        .await?;
    add(tx, artifact, added).await
}

/// Adds tags to a collection, or takes them away. Whoever calls this has found the collection through its door.
pub async fn change_collection_tags(
    tx: &WriteTx,
    caller: &Caller,
    collection: &Collection,
    added: &[String],
    removed: &[String],
) -> Result<Vec<CollectionTag>> {
    check(added)?;
    check(removed)?;
    project::authorize(tx, caller, collection.project_id, Role::Member).await?;
    collection_tag::Entity::delete_many()
        .filter(collection_tag::Column::CollectionId.eq(collection.id))
        .filter(collection_tag::Column::Name.is_in(removed))
        .exec(tx.connection())
        .await?;
    if !added.is_empty() {
        let distinct: BTreeSet<&String> = added.iter().collect();
        let rows = distinct.into_iter().map(|tag| collection_tag::ActiveModel {
            id: NotSet,
            collection_id: Set(collection.id),
            name: Set(tag.clone()),
        });
        let stays = OnConflict::columns([collection_tag::Column::CollectionId, collection_tag::Column::Name])
            .do_nothing()
            .to_owned();
        let insert = collection_tag::Entity::insert_many(rows).on_conflict(stays);
        insert.exec_without_returning(tx.connection()).await?;
    }
    Ok(get_collection_tags(tx, &[collection.id]).await?.remove(&collection.id).unwrap_or_default())
}

/// The tags of versions, by name.
pub async fn get_tags(db: &impl Source, ids: &[ArtifactId]) -> Result<HashMap<ArtifactId, Vec<ArtifactTag>>> {
    // Plan: ux_artifact_tag_artifact_id_name.
    let query = artifact_tag::Entity::find()
        .filter(artifact_tag::Column::ArtifactId.is_in(ids.iter().copied()))
        .order_by_asc(artifact_tag::Column::Name);
    let mut found: HashMap<ArtifactId, Vec<ArtifactTag>> = HashMap::new();
    for tag in query.all(db.connection()).await? {
        found.entry(tag.artifact_id).or_default().push(tag);
    }
    Ok(found)
}

/// The tags of collections, by name.
pub async fn get_collection_tags(
    db: &impl Source,
    ids: &[CollectionId],
) -> Result<HashMap<CollectionId, Vec<CollectionTag>>> {
    // Plan: ux_artifact_collection_tag_name.
    let query = collection_tag::Entity::find()
        .filter(collection_tag::Column::CollectionId.is_in(ids.iter().copied()))
        .order_by_asc(collection_tag::Column::Name);
    let mut found: HashMap<CollectionId, Vec<CollectionTag>> = HashMap::new();
    for tag in query.all(db.connection()).await? {
        found.entry(tag.collection_id).or_default().push(tag);
    }
    Ok(found)
}
