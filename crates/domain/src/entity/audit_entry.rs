//! Something that was done.

use sea_orm::entity::prelude::*;

use crate::audit::{Action, Counts, SubjectKind};
use crate::clock::Timestamp;
use crate::id::{AuditEntryId, EntityId, UserId};

/// Something that was done.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_entry")]
pub struct Model {
    /// Storage id.
    #[sea_orm(primary_key)]
    pub id: AuditEntryId,
    /// When.
    pub recorded_at: Timestamp,
    /// Who did it; none: a deadline.
    pub actor_id: Option<UserId>,
    /// What.
    pub action: Action,
    /// What it was done to.
    pub kind: SubjectKind,
    /// Its storage id.
    pub subject_id: i64,
    /// Whose it was; none: nobody's any more.
    pub entity_id: Option<EntityId>,
    /// What users called it.
    pub path: String,
    /// As the actor gave it.
    pub reason: Option<String>,
    /// How many of what went with it.
    pub counts: Counts,
    /// SHA-256 of a document that belongs to it, in hex.
    pub digest: Option<String>,
    /// Its place in the chain; none: not sealed yet.
    pub position: Option<i64>,
    /// The hash of the entry before it.
    pub previous: Option<String>,
    /// Of all of this.
    pub hash: Option<String>,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
