//! That a run made or used a version.

use sea_orm::entity::prelude::*;

use crate::artifact::ArtifactRole;
use crate::clock::Timestamp;
use crate::id::{ArtifactId, RunArtifactId, RunId};

/// That a run made or used a version.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "run_artifact")]
pub struct Model {
    /// Storage id.
    #[sea_orm(primary_key)]
    pub id: RunArtifactId,
    /// The run.
    pub run_id: RunId,
    /// The version.
    pub artifact_id: ArtifactId,
    /// Which of the two.
    pub role: ArtifactRole,
    /// What it used it as.
    pub used_as: Option<String>,
    /// Since when.
    pub created_at: Timestamp,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
