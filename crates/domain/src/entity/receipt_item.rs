//! A thing that went with a deletion.

use sea_orm::entity::prelude::*;

use crate::audit::SubjectKind;
use crate::clock::Timestamp;

/// A thing that went with a deletion.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "receipt_item")]
pub struct Model {
    /// The deletion.
    #[sea_orm(primary_key, auto_increment = false)]
    pub deletion_id: String,
    /// What it was.
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: SubjectKind,
    /// Its storage id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject_id: i64,
    /// What users called it.
    pub path: String,
    /// When its rows were gone.
    pub purged_at: Option<Timestamp>,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
