//! Names under which versions are found: sequences, where they are made, and portfolios, where they are linked to.

use std::collections::HashMap;

use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, EntityTrait as _, IntoActiveModel as _, NotSet,
    QueryFilter as _, QuerySelect as _, Set,
};

use super::name::check_collection_name;
use super::{ArtifactType, Collection, CollectionKind, CollectionState, DigestAlgorithm, ensure_type, ttl};
use crate::account::{Caller, Role};
use crate::audit::{self, Act, Action, Topic};
use crate::db::{Source, WriteTx};
use crate::entity::artifact_collection::{ActiveModel, Column, Entity};
use crate::error::{Error, Result};
use crate::hold::{self, Target};
use crate::id::{CollectionId, ProjectId};
use crate::project::{self, Project};

/// The live collection of that name, whatever its kind. Whoever calls this has found the project through its door.
pub async fn find_collection(db: &impl Source, project: ProjectId, name: &str) -> Result<Option<Collection>> {
    // Plan: ux_artifact_collection_live_name.
    let query = Entity::find()
        .filter(Column::ProjectId.eq(project))
        .filter(Column::Name.eq(name))
        .filter(Column::State.eq(CollectionState::Live));
    Ok(query.one(db.connection()).await?)
}

/// The live collection of that id and its project, if the caller may see that.
pub async fn get_collection(
    db: &impl Source,
    caller: &Caller,
    id: CollectionId,
) -> Result<(Collection, Project)> {
    let missing = || Error::not_found("artifact collection", id.to_node_id());
    let found = Entity::find_by_id(id).one(db.connection()).await?;
    let found = found.filter(|found| found.state == CollectionState::Live).ok_or_else(missing)?;
    let project = project::get_many(db, caller, &[found.project_id]).await?.remove(&found.project_id);
    Ok((found, project.ok_or_else(missing)?))
}

/// Collections by id, also deleted ones, for things whose owner was checked.
pub async fn get_collections(
    db: &impl Source,
    ids: &[CollectionId],
) -> Result<HashMap<CollectionId, Collection>> {
    let rows = Entity::find().filter(Column::Id.is_in(ids.iter().copied())).all(db.connection()).await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// A collection to make where there is none.
pub(super) struct Wanted<'a> {
    pub(super) kind: CollectionKind,
    pub(super) name: &'a str,
    pub(super) artifact_type: &'a ArtifactType,
    pub(super) algorithm: DigestAlgorithm,
}

/// The collection of that name, made where there is none, and held: nobody else makes versions in it, links to it or
/// deletes it until the transaction ends. One of another kind or type is refused.
pub(super) async fn ensure(tx: &WriteTx, project: &Project, wanted: Wanted<'_>) -> Result<Collection> {
    let Wanted { kind, name, artifact_type, algorithm } = wanted;
    if let Some(found) = find_collection(tx, project.id, name).await? {
        check_fits(tx, &found, kind, artifact_type).await?;
        return hold(tx, found.id).await;
    }
    check_collection_name("artifactCollectionName", name)?;
    let fresh = ActiveModel {
        id: NotSet,
        project_id: Set(project.id),
        artifact_type_id: Set(artifact_type.id),
        kind: Set(kind),
        name: Set(name.to_owned()),
        state: Set(CollectionState::Live),
        description: Set(None),
        digest_algorithm: Set(algorithm),
        next_version: Set(0),
        ttl_seconds: Set(None),
        created_at: Set(tx.now()),
        updated_at: Set(tx.now()),
    };
    // The index is partial, so the conflict is left unnamed.
    Entity::insert(fresh)
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(tx.connection())
        .await?;
    let made = find_collection(tx, project.id, name).await?;
    let made = made.ok_or_else(|| Error::internal("a collection vanished while it was made"))?;
    check_fits(tx, &made, kind, artifact_type).await?;
    hold(tx, made.id).await
}

async fn check_fits(
    tx: &WriteTx,
    found: &Collection,
    kind: CollectionKind,
    artifact_type: &ArtifactType,
) -> Result<()> {
    if found.artifact_type_id != artifact_type.id {
        let types = super::get_types(tx, &[found.artifact_type_id]).await?;
        let other = types.get(&found.artifact_type_id).map_or("", |other| &other.name);
        return Err(Error::Precondition {
            code: "ARTIFACT_TYPE_MISMATCH",
            reason: format!(
                "artifact {} already exists with type {other}; it cannot also be of type {}",
                found.name, artifact_type.name
            ),
        });
    }
    if found.kind == kind {
        return Ok(());
    }
    let reason = match found.kind {
        CollectionKind::Portfolio => "versions are linked to this collection, not made in it",
        CollectionKind::Sequence => "versions are made in this collection, not linked to it",
    };
    Err(Error::Precondition { code: "COLLECTION_KIND_MISMATCH", reason: format!("{}: {reason}", found.name) })
}

/// A live collection, locked until the transaction ends. `SQLite` has one writer and needs no lock.
pub(super) async fn hold(tx: &WriteTx, id: CollectionId) -> Result<Collection> {
    let held = Entity::find_by_id(id).lock_exclusive().one(tx.connection()).await?;
    held.filter(|held| held.state == CollectionState::Live)
        .ok_or_else(|| Error::not_found("artifact collection", id.to_node_id()))
}

/// The next version's index; nobody else gets the same. The collection is held.
pub(super) async fn next_version(tx: &WriteTx, held: &Collection) -> Result<i64> {
    let rows = Entity::update_many()
        .col_expr(Column::NextVersion, Expr::cust("next_version + 1"))
        .col_expr(Column::UpdatedAt, Expr::value(tx.now()))
        .filter(Column::Id.eq(held.id))
        .exec_with_returning(tx.connection())
        .await?;
    let row: Option<&Collection> = rows.first();
    row.map(|row| row.next_version - 1).ok_or_else(|| Error::internal("a held collection vanished"))
}

/// What to change of a collection; `None` keeps what is there.
#[derive(Clone, Debug, Default)]
pub struct CollectionEdit {
    /// Another name.
    pub name: Option<String>,
    /// Other words about it.
    pub description: Option<String>,
    /// How long its versions are kept that say nothing themselves.
    pub ttl: Option<ttl::Ttl>,
}

/// Renames or describes a collection of that kind.
pub async fn edit_collection(
    tx: &WriteTx,
    caller: &Caller,
    id: CollectionId,
    kind: CollectionKind,
    edit: CollectionEdit,
) -> Result<Collection> {
    let held = hold_to_write(tx, caller, id, kind).await?;
    let mut row = held.clone().into_active_model();
    if let Some(name) = edit.name.filter(|name| *name != held.name) {
        check_collection_name("name", &name)?;
        if find_collection(tx, held.project_id, &name).await?.is_some() {
            return Err(name_taken(&name));
        }
        row.name = Set(name);
    }
    if edit.description.is_some() {
        row.description = Set(edit.description);
    }
    if let Some(ttl) = edit.ttl {
        row.ttl_seconds = Set(ttl.stored());
    }
    row.updated_at = Set(tx.now());
    let changed = row.update(tx.connection()).await?;
    if edit.ttl.is_some() {
        ttl::refresh_collection(tx, changed.id).await?;
    }
    Ok(changed)
}

pub(super) fn name_taken(name: &str) -> Error {
    Error::Precondition {
        code: "COLLECTION_NAME_TAKEN",
        reason: format!("there is a collection {name:?} already"),
    }
}

/// Makes a sequence's versions be of another type, which is made where there is none.
pub async fn move_sequence(
    tx: &WriteTx,
    caller: &Caller,
    id: CollectionId,
    type_name: &str,
) -> Result<Collection> {
    let held = hold_to_write(tx, caller, id, CollectionKind::Sequence).await?;
    let artifact_type = ensure_type(tx, held.project_id, type_name, None).await?;
    let mut row = held.into_active_model();
    row.artifact_type_id = Set(artifact_type.id);
    row.updated_at = Set(tx.now());
    Ok(row.update(tx.connection()).await?)
}

/// The collection of that id and kind, held, for who may delete it; `HELD` where something keeps it.
pub(crate) async fn hold_to_delete(
    tx: &WriteTx,
    caller: &Caller,
    id: CollectionId,
    kind: CollectionKind,
) -> Result<Collection> {
    find_to_write(tx, caller, id, kind).await?;
    hold::check(tx, Target::Collection(id)).await?;
    hold(tx, id).await
}

/// The sequence of that id, held, for who may delete versions in it.
pub(crate) async fn hold_to_clean(tx: &WriteTx, caller: &Caller, id: CollectionId) -> Result<Collection> {
    find_to_write(tx, caller, id, CollectionKind::Sequence).await?;
    // Who deletes passes the gate before any row is locked.
    hold::freeze(tx).await?;
    hold(tx, id).await
}

/// Deletes a held collection: a portfolio with its links, a sequence whose versions are deleted already. None goes where a
/// protected alias names something in it.
pub(crate) async fn bury_collection(
    tx: &WriteTx,
    caller: &Caller,
    held: Collection,
    reason: Option<&str>,
) -> Result<Collection> {
    super::delete::clear(tx, &held).await?;
    let act = Act::by(caller.user_id, Action::Delete).because(reason);
    audit::record(tx, act, Topic::Collection(held.id)).await?;
    let mut row = held.into_active_model();
    row.state = Set(CollectionState::Deleted);
    row.updated_at = Set(tx.now());
    Ok(row.update(tx.connection()).await?)
}

/// The collection of that id and kind, held, for who may write to its project.
async fn hold_to_write(
    tx: &WriteTx,
    caller: &Caller,
    id: CollectionId,
    kind: CollectionKind,
) -> Result<Collection> {
    find_to_write(tx, caller, id, kind).await?;
    hold(tx, id).await
}

/// That there is such a collection, and that the caller may write to its project.
async fn find_to_write(tx: &WriteTx, caller: &Caller, id: CollectionId, kind: CollectionKind) -> Result<()> {
    let (found, project) = get_collection(tx, caller, id).await?;
    if found.kind != kind {
        return Err(Error::not_found("artifact collection", id.to_node_id()));
    }
    project::authorize(tx, caller, project.id, Role::Member).await
}
