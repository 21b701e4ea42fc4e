//! A kind of artifact within a project, such as `dataset` or `model`.

use sea_orm::entity::prelude::*;

use crate::clock::Timestamp;
use crate::id::{ArtifactTypeId, ProjectId};

/// A kind of artifact within a project, such as `dataset` or `model`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "artifact_type")]
pub struct Model {
    /// Storage id.
    #[sea_orm(primary_key)]
    pub id: ArtifactTypeId,
    /// Its project.
    pub project_id: ProjectId,
    /// Unique in its project.
    pub name: String,
    /// As its owner wrote it.
    pub description: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
