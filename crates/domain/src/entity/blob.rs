//! Bytes in the object store.

use sea_orm::entity::prelude::*;

use crate::artifact::ContentDigest;
use crate::blob::BlobState;
use crate::clock::Timestamp;
use crate::id::{BlobId, EntityId};

/// Bytes in the object store.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "blob")]
pub struct Model {
    /// Storage id.
    #[sea_orm(primary_key)]
    pub id: BlobId,
    /// Unique for ever: a key is never used twice.
    pub object_key: String,
    /// Where it stands.
    pub state: BlobState,
    /// Zero while pending.
    pub size_bytes: i64,
    /// Base64; none while pending.
    pub md5: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When a reference was last made; guards the mark.
    pub last_used_at: Timestamp,
    /// When it was marked for collection.
    pub doomed_at: Option<Timestamp>,
    /// When the sweep may take it.
    pub sweep_after: Option<Timestamp>,
    /// How often the store refused to delete it.
    pub sweep_failures: i32,
    /// The entity that need not store the same content again.
    pub owner_id: Option<EntityId>,
    /// What the content is.
    pub content_digest: Option<ContentDigest>,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
