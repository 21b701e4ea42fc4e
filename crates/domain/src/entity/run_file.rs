//! A file of a run.

use sea_orm::entity::prelude::*;

use crate::clock::Timestamp;
use crate::id::{BlobId, FileId, RunId};

/// A file of a run.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "run_file")]
pub struct Model {
    /// Storage id.
    #[sea_orm(primary_key)]
    pub id: FileId,
    /// Its run.
    pub run_id: RunId,
    /// Forward slashes; unique in its run.
    pub name: String,
    /// Its bytes.
    pub blob_id: BlobId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
