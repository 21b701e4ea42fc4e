//! The statements that a page of a listing is read with.
//!
//! Missing values come last, so a list is made of segments: first the runs that have a value to be sorted by, then,
//! by the next key, those that lack it, and so on. Each segment is one range of an index, read in its order and only
//! as far as the page goes.

use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, Order, Query, SelectStatement};
use sea_orm::{DbBackend, Iterable as _};

use super::ValueScope;
use super::access::Access;
use super::sort_key::{SortKey, comes_after};
use crate::db::dialect::{self, Missing};
use crate::db::page::SortValue;
use crate::entity::{run, run_value};
use crate::error::Result;
use crate::filter::{Cell, Column, Compiler, Field, Kind, RunFilter, RunOrder, value_cells};
use crate::project::Project;

/// What is listed, and in which order.
#[derive(Debug)]
pub(crate) struct Listing<'a> {
    compiler: Compiler<'a>,
    filter: &'a RunFilter,
    keys: Vec<SortKey>,
    /// Of each key.
    places: Vec<Place>,
    values: Vec<IndexedPath>,
}

/// A path of the index of values that runs are sorted by.
#[derive(Debug)]
struct IndexedPath {
    scope: ValueScope,
    path: String,
}

/// Where the values of a sort key are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In this column of the run.
    Run(Column),
    /// The run's id.
    Id,
    /// In the index of values, joined as this one of the listing's values; it has three keys, of which at most one is
    /// not missing.
    Value(usize),
}

impl<'a> Listing<'a> {
    pub(crate) fn new(compiler: Compiler<'a>, filter: &'a RunFilter, order: &RunOrder) -> Self {
        let mut listing = Self { compiler, filter, keys: Vec::new(), places: Vec::new(), values: Vec::new() };
        let mut descending = false;
        for term in order.terms() {
            descending = term.descending;
            match &term.field {
                Field::Column(column) if column.is_the_projects() => {}
                Field::Column(column) => {
                    listing.add_key(compiler.sort_column(*column), descending, Place::Run(*column));
                }
                Field::Value { scope, paths } => {
                    for path in paths {
                        let value = listing.values.len();
                        listing.values.push(IndexedPath { scope: *scope, path: path.clone() });
                        for cell in value_cells(table(value)) {
                            listing.add_key(cell, descending, Place::Value(value));
                        }
                    }
                }
                Field::Tag | Field::Key(_) | Field::Unknown => {}
            }
        }
        // Ties go by age.
        let id = Cell { expr: run_column(run::Column::Id), kind: Kind::Integer, nullable: false };
        listing.add_key(id, descending, Place::Id);
        listing
    }

    fn add_key(&mut self, cell: Cell, descending: bool, place: Place) {
        let alias = format!("sort_{}", self.keys.len());
        self.keys.push(SortKey { cell, descending, alias });
        self.places.push(place);
    }

    /// What the list is sorted by; the last is the run's id.
    pub(super) fn keys(&self) -> &[SortKey] {
        &self.keys
    }

    pub(super) fn project(&self) -> &'a Project {
        self.compiler.project()
    }

    pub(super) fn filter(&self) -> &'a RunFilter {
        self.filter
    }

    /// Whether an index has the runs in this order, or at least in that of the first key.
    pub(super) fn is_indexed(&self) -> bool {
        match self.places.first() {
            Some(Place::Run(column)) => column.is_indexed(),
            Some(Place::Value(_) | Place::Id) | None => true,
        }
    }

    /// Statements whose rows, one after the other, are the list after the values of a cursor.
    pub(super) fn segments(
        &self,
        access: &Access,
        after: Option<&[SortValue]>,
    ) -> Result<Vec<SelectStatement>> {
        if !matches!(access, Access::InOrder) {
            return Ok(vec![self.sorted(access, after)?]);
        }
        let missing = |value: &&SortValue| **value == SortValue::Missing;
        let first = after.map_or(0, |values| values.iter().take_while(missing).count());
        let mut segments = Vec::new();
        for (position, key) in self.keys.iter().enumerate().skip(first) {
            let after = after.filter(|_| position == first);
            segments.push(self.segment(position, after)?);
            if !key.cell.nullable {
                break;
            }
        }
        Ok(segments)
    }

    /// All runs that are accessed, sorted by all keys.
    fn sorted(&self, access: &Access, after: Option<&[SortValue]>) -> Result<SelectStatement> {
        let mut query = Query::select();
        let mut keys = self.keys.clone();
        let known_id = access.begin(&mut query, self.backend());
        if let Some(id) = keys.last_mut() {
            id.cell.expr = known_id;
        }
        self.select(&mut query, &keys, None);
        for key in &keys {
            key.sort(self.backend(), &mut query);
        }
        if let Some(values) = after {
            query.and_where(comes_after(self.backend(), keys.iter().zip(values))?);
        }
        Ok(query)
    }

    /// The runs that have a value at the key of this position, and none at those before it.
    fn segment(&self, position: usize, after: Option<&[SortValue]>) -> Result<SelectStatement> {
        let mut keys = self.keys.clone();
        keys[position].cell.nullable = false;
        let mut query = Query::select();
        let lead = match self.places[position] {
            Place::Id => {
                query.from(run::Entity);
                None
            }
            Place::Run(column) => {
                let Cell { expr, nullable, .. } = self.compiler.column(column);
                query.from(run::Entity).and_where_option(nullable.then(|| expr.is_not_null()));
                None
            }
            Place::Value(lead) => {
                // A cursor bounds an ascending range itself; of two bounds SQLite may take the other.
                let bounded = after.is_some() && !keys[position].descending;
                self.read_values(&mut query, lead, &keys[position], bounded);
                if let Some(id) = keys.last_mut() {
                    id.cell.expr = value_column(lead, run_value::Column::RunId);
                }
                Some(lead)
            }
        };
        self.select(&mut query, &keys, lead);

        // The others of the same value are missing: it has one type.
        let is_other =
            |at: usize| at != position && lead.is_some_and(|lead| self.places[at] == Place::Value(lead));
        for at in (0..position).filter(|at| !is_other(*at)) {
            query.and_where(dialect::off_index(self.backend(), keys[at].cell.expr.clone()).is_null());
        }
        let rest = || (position..keys.len()).filter(|at| !is_other(*at)).map(|at| (at, &keys[at]));
        if let Some(lead) = lead {
            // As the index has it; the columns before the one that is set are null.
            let direction = if keys[position].descending { Order::Desc } else { Order::Asc };
            for cell in value_cells(table(lead)) {
                query.order_by_expr(cell.expr, direction.clone());
            }
        }
        for (_, key) in rest().skip(usize::from(lead.is_some())) {
            key.sort(self.backend(), &mut query);
        }
        if let Some(values) = after {
            let places: Vec<_> = rest().map(|(at, key)| (key, &values[at])).collect();
            query.and_where(comes_after(self.backend(), places.into_iter())?);
        }
        Ok(query)
    }

    /// Reads the index of values where it has a value of the type of `key`; `bounded` where something else says from
    /// which one on.
    fn read_values(&self, query: &mut SelectStatement, value: usize, key: &SortKey, bounded: bool) {
        query.from_as(run_value::Entity, table(value)).and_where(self.is_at(value));
        query.and_where(value_column(value, run_value::Column::ProjectId).eq(self.project().id));
        for cell in value_cells(table(value)) {
            if cell.kind == key.cell.kind {
                query.and_where_option((!bounded).then(|| cell.expr.gte(lowest(cell.kind))));
                break;
            }
            query.and_where(cell.expr.is_null());
        }
        let is_its = run_column(run::Column::Id).eq(value_column(value, run_value::Column::RunId));
        dialect::look_up(query, self.backend(), Missing::Drops, run::Entity, Alias::new("run"), is_its);
    }

    /// Selects runs with their keys, the last of which is their id: those that the filter means.
    fn select(&self, query: &mut SelectStatement, keys: &[SortKey], lead: Option<usize>) {
        query.columns(run::Column::iter().map(|column| (run::Entity, column)));
        for key in keys {
            query.expr_as(key.cell.expr.clone(), Alias::new(&key.alias));
        }
        let compiler = self.compiler.for_few();
        query.cond_where(match keys.last() {
            Some(id) => compiler.with_id(&id.cell.expr).condition(self.filter),
            None => compiler.condition(self.filter),
        });
        for value in (0..self.values.len()).filter(|value| lead != Some(*value)) {
            let number = value_column(value, run_value::Column::Num);
            let on = self
                .is_at(value)
                .and(value_column(value, run_value::Column::RunId).eq(run_column(run::Column::Id)))
                // Objects and lists have no value to sort by.
                .and(number.clone().is_null().or(number.gte(f64::MIN)));
            dialect::look_up(query, self.backend(), Missing::IsNull, run_value::Entity, table(value), on);
        }
    }

    fn is_at(&self, value: usize) -> Expr {
        let IndexedPath { scope, path } = &self.values[value];
        let is_scope = value_column(value, run_value::Column::Scope).eq(*scope);
        is_scope.and(value_column(value, run_value::Column::Path).eq(path.as_str()))
    }

    fn backend(&self) -> DbBackend {
        self.compiler.backend()
    }
}

/// The name of a value's row in a statement.
fn table(value: usize) -> Alias {
    Alias::new(format!("value_{value}"))
}

fn value_column(value: usize, column: run_value::Column) -> Expr {
    Expr::col((table(value), column))
}

fn run_column(column: run::Column) -> Expr {
    Expr::col((run::Entity, column))
}

/// Every value of a type is at it or above; objects and lists lie below the lowest number.
fn lowest(kind: Kind) -> Expr {
    match kind {
        Kind::Number => f64::MIN.into(),
        Kind::Text => "".into(),
        Kind::Bool => false.into(),
        Kind::Integer => i64::MIN.into(),
    }
}
