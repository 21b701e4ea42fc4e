//! Which runs made a version, and which used it.

use sea_orm::sea_query::{OnConflict, Query};
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, JoinType, NotSet, PaginatorTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, RelationDef, Select, Set,
};

use super::{Artifact, ArtifactRole, ArtifactState, queries};
use crate::account::Caller;
use crate::db::{Source, WriteTx};
use crate::entity::run_artifact::{ActiveModel, Column, Entity};
use crate::entity::{
    artifact, artifact_collection as collection, project as project_entity, run as run_entity,
};
use crate::error::{Error, Result};
use crate::id::{ArtifactId, RunArtifactId, RunId};
use crate::project::{ProjectState, visible_to};
use crate::run::{self, Lifecycle, Run};

/// A run that uses a version.
#[derive(Clone, Debug)]
pub struct Use {
    /// The run's owner.
    pub entity_name: String,
    /// The run's project.
    pub project_name: String,
    /// The run id.
    pub run_name: String,
    /// The version.
    pub artifact: ArtifactId,
    /// What it is used as.
    pub used_as: Option<String>,
}

/// Notes that a run uses a version. Doing it again changes nothing but what it is used as.
pub async fn use_artifact(tx: &WriteTx, caller: &Caller, wanted: Use) -> Result<Artifact> {
    let Use { entity_name, project_name, run_name, artifact, used_as } = wanted;
    let run = run::resolve_to_write(tx, caller, &entity_name, &project_name, &run_name).await?;
    let located = queries::locate(tx, caller, artifact).await?;
    if located.artifact.state != ArtifactState::Committed {
        return Err(Error::Precondition {
            code: "ARTIFACT_NOT_COMMITTED",
            reason: "the files of this version have not all arrived".to_owned(),
        });
    }
    note(tx, run.id, artifact, ArtifactRole::Input, used_as).await?;
    Ok(located.artifact)
}

/// Notes what a run has to do with a version.
pub(super) async fn note(
    tx: &WriteTx,
    run: RunId,
    artifact: ArtifactId,
    role: ArtifactRole,
    used_as: Option<String>,
) -> Result<()> {
    let row = ActiveModel {
        id: NotSet,
        run_id: Set(run),
        artifact_id: Set(artifact),
        role: Set(role),
        used_as: Set(used_as),
        created_at: Set(tx.now()),
    };
    let again = OnConflict::columns([Column::RunId, Column::Role, Column::ArtifactId])
        .update_column(Column::UsedAs)
        .to_owned();
    Entity::insert(row).on_conflict(again).exec_without_returning(tx.connection()).await?;
    Ok(())
}

/// From a version to the sequence that it was made in.
pub(super) fn to_collection() -> RelationDef {
    artifact::Entity::belongs_to(collection::Entity)
        .from(artifact::Column::CollectionId)
        .to(collection::Column::Id)
        .into()
}

/// From a collection to its project.
pub(super) fn to_project() -> RelationDef {
    collection::Entity::belongs_to(project_entity::Entity)
        .from(collection::Column::ProjectId)
        .to(project_entity::Column::Id)
        .into()
}

/// The versions that a run made or used and that the caller may see.
fn of_run(caller: &Caller, run: RunId, role: ArtifactRole) -> Select<Entity> {
    // Plan: ux_run_artifact_run_id, then primary keys.
    let to_version: RelationDef =
        Entity::belongs_to(artifact::Entity).from(Column::ArtifactId).to(artifact::Column::Id).into();
    Entity::find()
        .join(JoinType::InnerJoin, to_version)
        .join(JoinType::InnerJoin, to_collection())
        .join(JoinType::InnerJoin, to_project())
        .filter(Column::RunId.eq(run))
        .filter(Column::Role.eq(role))
        .filter(artifact::Column::State.eq(ArtifactState::Committed))
        .filter(project_entity::Column::State.eq(ProjectState::Live))
        .filter(visible_to(caller))
}

/// A page of the versions that a run made or used, in the order in which it did, those that the caller may see; `after`
/// is the last one seen.
pub async fn list_of_run(
    db: &impl Source,
    caller: &Caller,
    run: RunId,
    role: ArtifactRole,
    after: Option<RunArtifactId>,
    limit: u64,
) -> Result<Vec<(RunArtifactId, Artifact)>> {
    let mut query = of_run(caller, run, role).order_by_asc(Column::Id).limit(limit);
    if let Some(after) = after {
        query = query.filter(Column::Id.gt(after));
    }
    let edges = query.all(db.connection()).await?;
    let ids: Vec<ArtifactId> = edges.iter().map(|edge| edge.artifact_id).collect();
    let mut found = super::get_many(db, &ids).await?;
    Ok(edges.into_iter().filter_map(|edge| Some((edge.id, found.remove(&edge.artifact_id)?))).collect())
}

/// How many of them there are.
pub async fn count_of_run(db: &impl Source, caller: &Caller, run: RunId, role: ArtifactRole) -> Result<u64> {
    Ok(of_run(caller, run, role).count(db.connection()).await?)
}

/// The runs that used a version and that the caller may see, oldest first.
pub async fn list_users(
    db: &impl Source,
    caller: &Caller,
    artifact: ArtifactId,
    limit: u64,
) -> Result<Vec<Run>> {
    // Plan: ix_run_artifact_artifact_id, then primary keys.
    let edges = Entity::find()
        .filter(Column::ArtifactId.eq(artifact))
        .filter(Column::Role.eq(ArtifactRole::Input))
        .order_by_asc(Column::Id)
        .limit(limit)
        .all(db.connection())
        .await?;
    let ids = edges.iter().map(|edge| edge.run_id);
    let mut visible = Query::select();
    visible
        .column(project_entity::Column::Id)
        .from(project_entity::Entity)
        .and_where(project_entity::Column::State.eq(ProjectState::Live))
        .cond_where(visible_to(caller));
    let query = run_entity::Entity::find()
        .filter(run_entity::Column::Id.is_in(ids))
        .filter(run_entity::Column::Lifecycle.is_in([Lifecycle::Live, Lifecycle::Archived]))
        .filter(run_entity::Column::ProjectId.in_subquery(visible))
        .order_by_asc(run_entity::Column::Id);
    Ok(query.all(db.connection()).await?)
}
