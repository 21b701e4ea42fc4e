//! A job that waits for the release of a hold.

use sea_orm::entity::prelude::*;

use crate::id::HoldId;

/// A job that waits for the release of a hold.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "held_job")]
pub struct Model {
    /// The hold.
    #[sea_orm(primary_key, auto_increment = false)]
    pub hold_id: HoldId,
    /// The job, as JSON.
    #[sea_orm(primary_key, auto_increment = false)]
    pub job: String,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
