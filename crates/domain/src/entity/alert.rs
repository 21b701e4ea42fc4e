//! Something that a run told its owner.

use sea_orm::entity::prelude::*;

use crate::alert::AlertSeverity;
use crate::clock::Timestamp;
use crate::id::{AlertId, RunId};

/// Something that a run told its owner.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "alert")]
pub struct Model {
    /// Storage id.
    #[sea_orm(primary_key)]
    pub id: AlertId,
    /// The run that told it.
    pub run_id: RunId,
    /// What it is about; alerts of one title wait for each other.
    pub title: String,
    /// What there is to say.
    pub text: String,
    /// How urgent it is.
    pub severity: AlertSeverity,
    /// When it was told.
    pub created_at: Timestamp,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
