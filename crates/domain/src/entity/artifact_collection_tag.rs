//! A tag of a collection.

use sea_orm::entity::prelude::*;

use crate::id::{CollectionId, CollectionTagId};

/// A tag of a collection.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "artifact_collection_tag")]
pub struct Model {
    /// Storage id.
    #[sea_orm(primary_key)]
    pub id: CollectionTagId,
    /// The collection.
    pub collection_id: CollectionId,
    /// Unique in its collection.
    pub name: String,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
