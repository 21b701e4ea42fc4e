//! A tag of a version.

use sea_orm::entity::prelude::*;

use crate::id::{ArtifactId, ArtifactTagId};

/// A tag of a version.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "artifact_tag")]
pub struct Model {
    /// Storage id.
    #[sea_orm(primary_key)]
    pub id: ArtifactTagId,
    /// The version.
    pub artifact_id: ArtifactId,
    /// Unique for its version.
    pub name: String,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
