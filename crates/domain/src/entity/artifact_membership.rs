//! That a version is in a collection: the sequence it was made in, or a portfolio it is linked to.

use sea_orm::entity::prelude::*;

use crate::clock::Timestamp;
use crate::id::{ArtifactId, CollectionId, MembershipId};

/// That a version is in a collection: the sequence it was made in, or a portfolio it is linked to.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "artifact_membership")]
pub struct Model {
    /// Storage id.
    #[sea_orm(primary_key)]
    pub id: MembershipId,
    /// The collection.
    pub collection_id: CollectionId,
    /// The version.
    pub artifact_id: ArtifactId,
    /// Which version it is in this collection, from 0.
    pub version_index: i64,
    /// Since when.
    pub created_at: Timestamp,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
