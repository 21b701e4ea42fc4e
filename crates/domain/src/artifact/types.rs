//! Kinds of artifacts within a project.

use std::collections::HashMap;

use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, NotSet, QueryFilter as _, QueryOrder as _, QuerySelect as _, Set,
};

use super::ArtifactType;
use super::name::check_collection_name;
use crate::db::{Source, WriteTx};
use crate::entity::artifact_type::{ActiveModel, Column, Entity};
use crate::error::{Error, Result};
use crate::id::{ArtifactTypeId, ProjectId};

/// The type of that name, made where there is none. Whoever calls this has found the project through its door.
pub async fn ensure_type(
    tx: &WriteTx,
    project: ProjectId,
    name: &str,
    description: Option<String>,
) -> Result<ArtifactType> {
    if let Some(found) = find_type(tx, project, name).await? {
        return Ok(found);
    }
    check_collection_name("artifactTypeName", name)?;
    let fresh = ActiveModel {
        id: NotSet,
        project_id: Set(project),
        name: Set(name.to_owned()),
        description: Set(description),
        created_at: Set(tx.now()),
    };
    Entity::insert(fresh)
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(tx.connection())
        .await?;
    let made = find_type(tx, project, name).await?;
    made.ok_or_else(|| Error::internal("a type vanished while it was made"))
}

/// The type of that name.
pub async fn find_type(db: &impl Source, project: ProjectId, name: &str) -> Result<Option<ArtifactType>> {
    // Plan: ux_artifact_type_project_id_name.
    let query = Entity::find().filter(Column::ProjectId.eq(project)).filter(Column::Name.eq(name));
    Ok(query.one(db.connection()).await?)
}

/// A page of a project's types by name; `after` is the last name seen.
pub async fn list_types(
    db: &impl Source,
    project: ProjectId,
    after: Option<String>,
    limit: u64,
) -> Result<Vec<ArtifactType>> {
    // Plan: ux_artifact_type_project_id_name.
    let mut query = Entity::find().filter(Column::ProjectId.eq(project));
    if let Some(after) = after {
        query = query.filter(Column::Name.gt(after));
    }
    Ok(query.order_by_asc(Column::Name).limit(limit).all(db.connection()).await?)
}

/// Types by id, for things whose owner was checked.
pub async fn get_types(
    db: &impl Source,
    ids: &[ArtifactTypeId],
) -> Result<HashMap<ArtifactTypeId, ArtifactType>> {
    let rows = Entity::find().filter(Column::Id.is_in(ids.iter().copied())).all(db.connection()).await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}
