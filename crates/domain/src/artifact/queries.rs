//! Reading versions, their places, aliases and files.

use std::collections::HashMap;

use sea_orm::sea_query::Order;
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, FromQueryResult, JoinType, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, RelationDef, Select,
};

use super::{Artifact, ArtifactState, Collection, CollectionKind, CollectionState, Membership, VersionName};
use crate::account::{Caller, Role};
use crate::clock::Timestamp;
use crate::db::{Source, WriteTx};
use crate::entity::{
    artifact, artifact_alias as alias, artifact_collection as collection, artifact_entry as entry,
    artifact_membership as membership, blob,
};
use crate::error::{Error, Result};
use crate::id::{ArtifactId, CollectionId, EntryId, ProjectId};
use crate::project::{self, Project};

/// A version with the place where it was made.
pub(super) struct Located {
    pub(super) artifact: Artifact,
    pub(super) collection: Collection,
    pub(super) project: Project,
}

/// The version of that id, pending or committed, if the caller may see its project or one that it is linked to.
pub(super) async fn locate(db: &impl Source, caller: &Caller, id: ArtifactId) -> Result<Located> {
    // Plan: three primary keys.
    let missing = || Error::not_found("artifact", id.to_node_id());
    let artifact = artifact::Entity::find_by_id(id).one(db.connection()).await?;
    let artifact = artifact.filter(|found| found.state != ArtifactState::Deleted).ok_or_else(missing)?;
    let (collection, project) = match super::get_collection(db, caller, artifact.collection_id).await {
        Err(Error::NotFound { .. }) => find_linked(db, caller, &artifact).await?.ok_or_else(missing)?,
        found => found?,
    };
    Ok(Located { artifact, collection, project })
}

/// Where a version was made, if the caller may see a project that it is linked to: those who see a registry use what is in
/// it.
async fn find_linked(
    db: &impl Source,
    caller: &Caller,
    version: &Artifact,
) -> Result<Option<(Collection, Project)>> {
    let source = super::get_collections(db, &[version.collection_id]).await?.remove(&version.collection_id);
    let Some(source) = source.filter(|source| source.state == CollectionState::Live) else { return Ok(None) };
    let places = list_memberships_of(db, version.id).await?;
    let linked: Vec<ProjectId> = places.iter().map(|(_, collection)| collection.project_id).collect();
    if project::get_many(db, caller, &linked).await?.is_empty() {
        return Ok(None);
    }
    Ok(project::find_live(db, source.project_id).await?.map(|project| (source, project)))
}

/// The same, for who may write to the project that it was made in.
pub(super) async fn locate_to_write(db: &impl Source, caller: &Caller, id: ArtifactId) -> Result<Located> {
    let located = locate(db, caller, id).await?;
    project::authorize(db, caller, located.project.id, Role::Member).await?;
    Ok(located)
}

/// The version of that id, and the project that it was made in, for who may delete it.
pub(crate) async fn find_to_write(
    db: &impl Source,
    caller: &Caller,
    id: ArtifactId,
) -> Result<(Artifact, ProjectId)> {
    let located = locate_to_write(db, caller, id).await?;
    Ok((located.artifact, located.project.id))
}

/// A version that is not deleted, locked until the transaction ends: whoever deletes it meanwhile waits.
pub(super) async fn hold(tx: &WriteTx, id: ArtifactId) -> Result<Artifact> {
    let held = artifact::Entity::find_by_id(id).lock_exclusive().one(tx.connection()).await?;
    let held = held.filter(|held| held.state != ArtifactState::Deleted);
    held.ok_or_else(|| Error::not_found("artifact", id.to_node_id()))
}

/// The version of that id, pending or committed, if the caller may see its project; none where there is none.
pub async fn find(db: &impl Source, caller: &Caller, id: ArtifactId) -> Result<Option<Artifact>> {
    match locate(db, caller, id).await {
        Ok(located) => Ok(Some(located.artifact)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Versions by id that are not deleted, for things whose owner was checked.
pub async fn get_many(db: &impl Source, ids: &[ArtifactId]) -> Result<HashMap<ArtifactId, Artifact>> {
    let query = artifact::Entity::find()
        .filter(artifact::Column::Id.is_in(ids.iter().copied()))
        .filter(artifact::Column::State.ne(ArtifactState::Deleted));
    Ok(query.all(db.connection()).await?.into_iter().map(|row| (row.id, row)).collect())
}

/// Versions that were made in a sequence.
pub(super) fn of_collection(id: CollectionId) -> Select<artifact::Entity> {
    artifact::Entity::find().filter(artifact::Column::CollectionId.eq(id))
}

/// The place that a name means in a collection, whose project was found through its door.
pub async fn find_membership(
    db: &impl Source,
    collection: CollectionId,
    name: VersionName<'_>,
) -> Result<Option<Membership>> {
    let places = membership::Entity::find().filter(membership::Column::CollectionId.eq(collection));
    let word = match name {
        // Plan: ux_artifact_membership_version.
        VersionName::Index(index) => {
            let place = places.filter(membership::Column::VersionIndex.eq(index));
            return Ok(place.one(db.connection()).await?);
        }
        VersionName::Word(word) => word,
    };
    // Plan: ux_artifact_alias_collection_id_alias, then ux_artifact_membership_artifact.
    let named = alias::Entity::find()
        .filter(alias::Column::CollectionId.eq(collection))
        .filter(alias::Column::Alias.eq(word))
        .one(db.connection())
        .await?;
    if let Some(named) = named {
        let place = places.filter(membership::Column::ArtifactId.eq(named.artifact_id));
        return Ok(place.one(db.connection()).await?);
    }
    // Plan: ix_artifact_digest.
    let digested = of_collection(collection)
        .filter(artifact::Column::Digest.eq(word))
        .filter(artifact::Column::State.eq(ArtifactState::Committed))
        .order_by_desc(artifact::Column::Id)
        .one(db.connection())
        .await?;
    let Some(digested) = digested else { return Ok(None) };
    Ok(places.filter(membership::Column::ArtifactId.eq(digested.id)).one(db.connection()).await?)
}

/// The places of versions in the sequences that they were made in.
pub async fn get_source_memberships(
    db: &impl Source,
    ids: &[ArtifactId],
) -> Result<HashMap<ArtifactId, Membership>> {
    // Plan: ix_artifact_membership_artifact_id, then the primary key.
    let made: RelationDef = membership::Entity::belongs_to(artifact::Entity)
        .from((membership::Column::ArtifactId, membership::Column::CollectionId))
        .to((artifact::Column::Id, artifact::Column::CollectionId))
        .into();
    let query = membership::Entity::find()
        .join(JoinType::InnerJoin, made)
        .filter(membership::Column::ArtifactId.is_in(ids.iter().copied()));
    let rows = query.all(db.connection()).await?;
    Ok(rows.into_iter().map(|row| (row.artifact_id, row)).collect())
}

/// The places of versions in portfolios.
pub async fn get_links(db: &impl Source, ids: &[ArtifactId]) -> Result<HashMap<ArtifactId, Vec<Membership>>> {
    // Plan: ix_artifact_membership_artifact_id, then the primary key.
    let place: RelationDef = membership::Entity::belongs_to(collection::Entity)
        .from(membership::Column::CollectionId)
        .to(collection::Column::Id)
        .into();
    let query = membership::Entity::find()
        .join(JoinType::InnerJoin, place)
        .filter(membership::Column::ArtifactId.is_in(ids.iter().copied()))
        .filter(collection::Column::Kind.eq(CollectionKind::Portfolio))
        .order_by_asc(membership::Column::Id);
    let mut found: HashMap<ArtifactId, Vec<Membership>> = HashMap::new();
    for row in query.all(db.connection()).await? {
        found.entry(row.artifact_id).or_default().push(row);
    }
    Ok(found)
}

/// All live places of a version, that in its sequence first.
pub async fn list_memberships_of(db: &impl Source, id: ArtifactId) -> Result<Vec<(Membership, Collection)>> {
    // Plan: ix_artifact_membership_artifact_id, then the primary key.
    let query = membership::Entity::find()
        .filter(membership::Column::ArtifactId.eq(id))
        .order_by_asc(membership::Column::Id);
    let places = query.all(db.connection()).await?;
    let ids: Vec<CollectionId> = places.iter().map(|place| place.collection_id).collect();
    let collections = super::get_collections(db, &ids).await?;
    let with_collection = |place: Membership| {
        let collection = collections.get(&place.collection_id)?;
        (collection.state == CollectionState::Live).then(|| (place, collection.clone()))
    };
    Ok(places.into_iter().filter_map(with_collection).collect())
}

/// An alias with its collection.
pub use crate::entity::artifact_alias::Model as Alias;

/// The aliases of versions in all collections, by name.
pub async fn get_aliases(db: &impl Source, ids: &[ArtifactId]) -> Result<HashMap<ArtifactId, Vec<Alias>>> {
    // Plan: ix_artifact_alias_artifact_id.
    let query = alias::Entity::find()
        .filter(alias::Column::ArtifactId.is_in(ids.iter().copied()))
        .order_by_asc(alias::Column::Alias);
    let mut found: HashMap<ArtifactId, Vec<Alias>> = HashMap::new();
    for row in query.all(db.connection()).await? {
        found.entry(row.artifact_id).or_default().push(row);
    }
    Ok(found)
}

/// A page of a collection's aliases, by name; `after` is the last one seen.
pub async fn list_aliases(
    db: &impl Source,
    collection: CollectionId,
    after: Option<String>,
    limit: u64,
) -> Result<Vec<Alias>> {
    // Plan: ux_artifact_alias_collection_id_alias.
    let mut query = alias::Entity::find().filter(alias::Column::CollectionId.eq(collection));
    if let Some(after) = after {
        query = query.filter(alias::Column::Alias.gt(after));
    }
    Ok(query.order_by_asc(alias::Column::Alias).limit(limit).all(db.connection()).await?)
}

/// A file of a version, with what is known of its bytes.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct EntryFile {
    /// Storage id.
    pub id: EntryId,
    /// Its version.
    pub artifact_id: ArtifactId,
    /// Its path.
    pub path: String,
    /// As the manifest says.
    pub digest: String,
    /// How many bytes.
    pub size_bytes: i64,
    /// Where its bytes are, if not here.
    pub reference: Option<String>,
    /// Where they are in the store, if they are here.
    pub object_key: Option<String>,
    /// Base64, of the bytes that are here.
    pub md5: Option<String>,
    /// When they arrived.
    pub stored_at: Option<Timestamp>,
}

/// Which files of a version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FileQuery {
    /// Exactly these; empty for all.
    pub paths: Vec<String>,
    /// The last path seen.
    pub after: Option<String>,
}

/// Files of versions with what is known of their bytes, as [`EntryFile`]s.
pub(super) fn entries() -> Select<entry::Entity> {
    let bytes: RelationDef =
        entry::Entity::belongs_to(blob::Entity).from(entry::Column::BlobId).to(blob::Column::Id).into();
    entry::Entity::find()
        .join(JoinType::LeftJoin, bytes)
        .column_as(blob::Column::ObjectKey, "object_key")
        .column_as(blob::Column::Md5, "md5")
        .column_as(blob::Column::CreatedAt, "stored_at")
}

/// A page of a version's files, by path. Whoever calls this has found the version through its door.
pub async fn list_entries(
    db: &impl Source,
    artifact: ArtifactId,
    wanted: &FileQuery,
    limit: u64,
) -> Result<Vec<EntryFile>> {
    // Plan: ux_artifact_entry_artifact_id_path serves order, cursor and paths.
    let mut query = entries().filter(entry::Column::ArtifactId.eq(artifact));
    if !wanted.paths.is_empty() {
        query = query.filter(entry::Column::Path.is_in(&wanted.paths));
    }
    if let Some(after) = &wanted.after {
        query = query.filter(entry::Column::Path.gt(after));
    }
    query = query.order_by(entry::Column::Path, Order::Asc).limit(limit);
    Ok(query.into_model().all(db.connection()).await?)
}

/// A file of a version, for links that were signed for it. They end with the version, its collection and its project.
pub async fn entry_content(db: &impl Source, id: EntryId) -> Result<EntryFile> {
    let missing = || Error::not_found("file", id.to_node_id());
    let found: Option<EntryFile> =
        entries().filter(entry::Column::Id.eq(id)).into_model().one(db.connection()).await?;
    let found = found.ok_or_else(missing)?;
    if is_live(db, found.artifact_id).await? { Ok(found) } else { Err(missing()) }
}

/// Whether a version can still be found: for links, which nobody signs in for.
pub(super) async fn is_live(db: &impl Source, id: ArtifactId) -> Result<bool> {
    let Some(artifact) = get_many(db, &[id]).await?.remove(&id) else { return Ok(false) };
    let collection = collection::Entity::find_by_id(artifact.collection_id).one(db.connection()).await?;
    let Some(collection) = collection.filter(|found| found.state == CollectionState::Live) else {
        return Ok(false);
    };
    Ok(project::find_live(db, collection.project_id).await?.is_some())
}
