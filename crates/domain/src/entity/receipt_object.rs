//! An object to which what went with a deletion referred.

use sea_orm::entity::prelude::*;

use crate::clock::Timestamp;
use crate::id::BlobId;

/// An object to which what went with a deletion referred.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "receipt_object")]
pub struct Model {
    /// The deletion.
    #[sea_orm(primary_key, auto_increment = false)]
    pub deletion_id: String,
    /// The blob.
    #[sea_orm(primary_key, auto_increment = false)]
    pub blob_id: BlobId,
    /// Where its bytes were.
    pub object_key: String,
    /// What they were.
    pub digest: Option<String>,
    /// How many.
    pub size_bytes: i64,
    /// When the store had removed them.
    pub removed_at: Option<Timestamp>,
    /// What the store said, or why they are kept.
    pub answer: Option<String>,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
