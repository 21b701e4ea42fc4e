//! How long what is unwanted is kept, in the instance, an entity or a project.

use sea_orm::entity::prelude::*;

use crate::retention::ScopeKind;

/// How long what is unwanted is kept, in the instance, an entity or a project.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "retention_period")]
pub struct Model {
    /// Where it holds.
    #[sea_orm(primary_key, auto_increment = false)]
    pub scope: ScopeKind,
    /// The entity or project; 0 for the instance.
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject_id: i64,
    /// From deletion to purge; none: as what is around it says.
    pub trash_seconds: Option<i64>,
    /// From archiving to deletion; 0: for ever; none: as what is around it says.
    pub archive_seconds: Option<i64>,
    /// From the deletion of a version of an artifact to its purge; none: as what is around it says.
    pub artifact_seconds: Option<i64>,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
