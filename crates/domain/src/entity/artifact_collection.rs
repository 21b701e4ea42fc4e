//! A name under which versions of an artifact are found.

use sea_orm::entity::prelude::*;

use crate::artifact::{CollectionKind, CollectionState, DigestAlgorithm};
use crate::clock::Timestamp;
use crate::id::{ArtifactTypeId, CollectionId, ProjectId};

/// A name under which versions of an artifact are found.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "artifact_collection")]
pub struct Model {
    /// Storage id.
    #[sea_orm(primary_key)]
    pub id: CollectionId,
    /// Its project.
    pub project_id: ProjectId,
    /// What its versions are.
    pub artifact_type_id: ArtifactTypeId,
    /// Whether versions are made in it or linked to it.
    pub kind: CollectionKind,
    /// Unique among the live ones of its project.
    pub name: String,
    /// Where it stands.
    pub state: CollectionState,
    /// As its owner wrote it.
    pub description: Option<String>,
    /// How the digests of its versions are made.
    pub digest_algorithm: DigestAlgorithm,
    /// The index of the next version; none is used twice.
    pub next_version: i64,
    /// How long its versions are kept, in seconds, where they say nothing else; 0: for ever.
    pub ttl_seconds: Option<i64>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
