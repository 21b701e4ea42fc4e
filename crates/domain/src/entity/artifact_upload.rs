//! A file that was announced for a version which is not committed yet.

use sea_orm::entity::prelude::*;

use crate::artifact::{ContentDigest, Multipart};
use crate::id::{ArtifactId, BlobId, UploadId};

/// A file that was announced for a version which is not committed yet.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "artifact_upload")]
pub struct Model {
    /// Storage id.
    #[sea_orm(primary_key)]
    pub id: UploadId,
    /// The version.
    pub artifact_id: ArtifactId,
    /// Its path; unique in its version.
    pub path: String,
    /// What its bytes must be.
    pub content_digest: ContentDigest,
    /// Their MD5 in base64, where that is known too.
    pub md5: Option<String>,
    /// The upload in parts that is under way.
    pub multipart: Option<Multipart>,
    /// Its bytes, once they have arrived.
    pub blob_id: Option<BlobId>,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
