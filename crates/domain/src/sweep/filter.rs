//! What filters of sweeps can name: what those of runs can, as far as sweeps have it.

use sea_orm::DbBackend;
use sea_orm::sea_query::Expr;

use crate::entity::sweep::{Column, Entity};
use crate::error::Result;
use crate::filter::{Cell, FilterField, Kind, RecordField, RecordFilter, Scalar, Values, moment};

/// Which sweeps; nothing means all.
pub fn parse(filter: &str) -> Result<RecordFilter<SweepField>> {
    RecordFilter::parse(filter)
}

/// A field of a sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SweepField {
    /// The sweep id that users see.
    Name,
    /// Whether agents are given runs.
    State,
    /// How parameters are chosen.
    Method,
    /// The pretty name.
    DisplayName,
    /// Words about it.
    Description,
    /// When it was made.
    CreatedAt,
    /// When it last changed.
    UpdatedAt,
    /// What nobody knows.
    Unknown,
}

impl FilterField for SweepField {
    fn parse(path: &str) -> Self {
        match path {
            "name" | "sweep" => Self::Name,
            "state" => Self::State,
            "method" => Self::Method,
            "display_name" | "displayName" => Self::DisplayName,
            "description" => Self::Description,
            "created_at" | "createdAt" => Self::CreatedAt,
            "updated_at" | "updatedAt" => Self::UpdatedAt,
            _ => Self::Unknown,
        }
    }

    fn text(&self, text: &str, at: &str) -> Result<Scalar> {
        match self {
            Self::CreatedAt | Self::UpdatedAt => moment(text, at),
            _ => Ok(Scalar::Text(text.to_owned())),
        }
    }
}

impl RecordField for SweepField {
    fn values(&self, _: DbBackend) -> Values {
        let cell = |column: Column, kind, nullable| {
            Values::Column(Cell { expr: Expr::col((Entity, column)), kind, nullable })
        };
        match self {
            Self::Name => cell(Column::Name, Kind::Text, false),
            Self::State => cell(Column::State, Kind::Text, false),
            Self::Method => cell(Column::Method, Kind::Text, false),
            Self::DisplayName => cell(Column::DisplayName, Kind::Text, true),
            Self::Description => cell(Column::Description, Kind::Text, true),
            Self::CreatedAt => cell(Column::CreatedAt, Kind::Integer, false),
            Self::UpdatedAt => cell(Column::UpdatedAt, Kind::Integer, false),
            Self::Unknown => Values::Unknown,
        }
    }
}
