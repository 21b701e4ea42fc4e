//! A list of files that a writer sent for a version.

use sea_orm::entity::prelude::*;

use crate::artifact::ManifestKind;
use crate::clock::Timestamp;
use crate::id::{ArtifactId, BlobId, ManifestId};

/// A list of files that a writer sent for a version.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "artifact_manifest")]
pub struct Model {
    /// Storage id.
    #[sea_orm(primary_key)]
    pub id: ManifestId,
    /// The version.
    pub artifact_id: ArtifactId,
    /// What it is a list of.
    pub kind: ManifestKind,
    /// The file's name.
    pub name: String,
    /// MD5 of its bytes in base64; empty until that is known.
    pub digest: String,
    /// The version that it adds to.
    pub base_artifact_id: Option<ArtifactId>,
    /// Its bytes, once they have arrived.
    pub blob_id: Option<BlobId>,
    /// When it was announced.
    pub created_at: Timestamp,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
