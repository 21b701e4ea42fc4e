//! That something must not be deleted.

use sea_orm::entity::prelude::*;

use crate::clock::Timestamp;
use crate::hold::HoldKind;
use crate::id::{HoldId, UserId};

/// That something must not be deleted.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "hold")]
pub struct Model {
    /// Storage id.
    #[sea_orm(primary_key)]
    pub id: HoldId,
    /// What is held.
    pub kind: HoldKind,
    /// Its storage id.
    pub subject_id: i64,
    /// Why.
    pub reason: String,
    /// Who holds it.
    pub user_id: UserId,
    /// Since when.
    pub created_at: Timestamp,
    /// Until when.
    pub released_at: Option<Timestamp>,
    /// Who released it.
    pub released_by: Option<UserId>,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
