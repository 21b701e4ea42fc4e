//! A rule by which runs or versions are archived or deleted.

use sea_orm::entity::prelude::*;

use crate::clock::Timestamp;
use crate::id::{RetentionRuleId, UserId};
use crate::retention::{Definition, ScopeKind};

/// A rule by which runs or versions are archived or deleted.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "retention_rule")]
pub struct Model {
    /// Storage id.
    #[sea_orm(primary_key)]
    pub id: RetentionRuleId,
    /// Where it holds.
    pub scope: ScopeKind,
    /// The entity or project; 0 for the instance.
    pub subject_id: i64,
    /// What people call it.
    pub name: String,
    /// Whether it is applied.
    pub enabled: bool,
    /// What it takes and what it keeps.
    pub definition: Definition,
    /// Who last said so: what it deletes is deleted on their behalf.
    pub user_id: UserId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
