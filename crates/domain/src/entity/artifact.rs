//! One version of an artifact.

use sea_orm::entity::prelude::*;

use crate::artifact::{Aliases, ArtifactState, DigestAlgorithm};
use crate::clock::Timestamp;
use crate::id::{ArtifactId, CollectionId, RunId, UserId};

/// One version of an artifact.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "artifact")]
pub struct Model {
    /// Storage id.
    #[sea_orm(primary_key)]
    pub id: ArtifactId,
    /// The sequence that it was made in.
    pub collection_id: CollectionId,
    /// Where it stands.
    pub state: ArtifactState,
    /// Of its manifest's entries, in hex.
    pub digest: String,
    /// How the digest is made.
    pub digest_algorithm: DigestAlgorithm,
    /// What its writer calls it before it has an id.
    pub client_id: Option<String>,
    /// What its writer calls its sequence before that has an id.
    pub sequence_client_id: Option<String>,
    /// Shared by the writers that make it together.
    pub distributed_id: Option<String>,
    /// The run that made it.
    pub run_id: Option<RunId>,
    /// Who made it.
    pub user_id: UserId,
    /// As its owner wrote it.
    pub description: Option<String>,
    /// A JSON object.
    pub metadata: Option<String>,
    /// Aliases that it gets once it is committed.
    pub requested_aliases: Aliases,
    /// The run's step when it was logged.
    pub history_step: Option<i64>,
    /// Given when it was committed.
    pub commit_hash: Option<String>,
    /// Of all its files, references included.
    pub size_bytes: i64,
    /// Entries of its manifest.
    pub file_count: i64,
    /// How long it is kept, in seconds; 0: for ever; none: as its collection says.
    pub ttl_seconds: Option<i64>,
    /// When it is deleted by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was begun.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it was committed.
    pub committed_at: Option<Timestamp>,
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
    /// In the trash: until when it can be brought back.
    pub purge_after: Option<Timestamp>,
    /// When it was last brought back.
    pub revived_at: Option<Timestamp>,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
