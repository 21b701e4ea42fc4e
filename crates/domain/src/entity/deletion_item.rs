//! A thing that a deletion is about, and what became of it.

use sea_orm::entity::prelude::*;

use crate::deletion::{ItemKind, ItemState};

/// A thing that a deletion is about, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "deletion_item")]
pub struct Model {
    /// The deletion.
    #[sea_orm(primary_key, auto_increment = false)]
    pub deletion_id: String,
    /// What it is.
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: ItemKind,
    /// Its storage id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject_id: i64,
    /// What users called it.
    pub name: String,
    /// What became of it.
    pub state: ItemState,
    /// Why, where that needs saying.
    pub detail: Option<String>,
    /// Of a run: its files.
    pub file_count: i64,
    /// Their bytes.
    pub file_bytes: i64,
}

/// No joins are declared; queries name their own.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
