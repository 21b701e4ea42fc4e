//! One scalar of a run's config or summary, or one tag: the index that filters and orders use.

use sea_orm::entity::prelude::*;

use crate::id::{ProjectId, RunId};
use crate::run::ValueScope;

/// One scalar of a run's config or summary, or one tag: the index that filters and orders use.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "run_value")]
pub struct Model {
    /// Its run.
    #[sea_orm(primary_key, auto_increment = false)]
    pub run_id: RunId,
    /// The run's, so that an index serves one project.
    pub project_id: ProjectId,
    /// Config, summary or tags.
    #[sea_orm(primary_key, auto_increment = false)]
    pub scope: ValueScope,
    /// Flattened key, joined by dots; for a tag, the tag.
    #[sea_orm(primary_key, auto_increment = false)]
    pub path: String,
    /// Set for numbers.
    pub num: Option<f64>,
    /// Set for strings, cut to an indexable length.
    pub text: Option<String>,
    /// Set for booleans.
    pub bool: Option<bool>,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
