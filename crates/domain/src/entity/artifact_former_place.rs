//! A place that a version in the trash had in a collection.

use sea_orm::entity::prelude::*;

use crate::clock::Timestamp;
use crate::id::{ArtifactId, CollectionId, MembershipId};

/// A place that a version in the trash had in a collection.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "artifact_former_place")]
pub struct Model {
    /// The id that the place had.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: MembershipId,
    /// The version.
    pub artifact_id: ArtifactId,
    /// The collection.
    pub collection_id: CollectionId,
    /// Which version it was there, from 0.
    pub version_index: i64,
    /// What it was called there: a JSON list.
    pub aliases: String,
    /// Since when it was there.
    pub created_at: Timestamp,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
