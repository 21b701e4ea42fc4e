//! A name for one version of a collection.

use sea_orm::entity::prelude::*;

use crate::id::{ArtifactAliasId, ArtifactId, CollectionId};

/// A name for one version of a collection.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "artifact_alias")]
pub struct Model {
    /// Storage id.
    #[sea_orm(primary_key)]
    pub id: ArtifactAliasId,
    /// The collection.
    pub collection_id: CollectionId,
    /// The version.
    pub artifact_id: ArtifactId,
    /// Unique in its collection.
    pub alias: String,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
