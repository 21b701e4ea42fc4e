//! A run that a program queued under a key of its own.

use sea_orm::entity::prelude::*;

use crate::clock::Timestamp;
use crate::id::{RunId, UserId};

/// A run that a program queued under a key of its own.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "submission")]
pub struct Model {
    /// Who queued it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: UserId,
    /// The program's word for this submission.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// Stands for what was asked for.
    pub fingerprint: String,
    /// What came of it; none within the transaction that makes it.
    pub run_id: Option<RunId>,
    /// When.
    pub created_at: Timestamp,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
