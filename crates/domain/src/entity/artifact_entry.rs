//! A file of a version.

use sea_orm::entity::prelude::*;

use crate::id::{ArtifactId, BlobId, EntryId};

/// A file of a version.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "artifact_entry")]
pub struct Model {
    /// Storage id.
    #[sea_orm(primary_key)]
    pub id: EntryId,
    /// The version.
    pub artifact_id: ArtifactId,
    /// Its path, with forward slashes; unique in its version.
    pub path: String,
    /// As the manifest says.
    pub digest: String,
    /// How many bytes.
    pub size_bytes: i64,
    /// Where its bytes are, if not here.
    pub reference: Option<String>,
    /// Its bytes, if they are here.
    pub blob_id: Option<BlobId>,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
