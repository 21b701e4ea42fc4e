//! Filters and orders on records other than runs: collections, versions, registries. Their fields are columns, rows that
//! belong to them, and members of a JSON document.

use sea_orm::sea_query::{Expr, ExprTrait as _, Order, SelectStatement};
use sea_orm::{Condition, DbBackend};

use super::ast::{Filter, Test};
use super::compile::{Cell, cell_passes, constant, passes};
use super::parse::{FilterField, parse_records};
use crate::db::page::{ListId, SortValue, cursor_invalid, decode_cursor};
use crate::error::{Error, Result};

/// Where the values of a field are.
pub(crate) enum Values {
    /// One value, or null for none.
    Column(Cell),
    /// A value in each of these rows, which belong to the record at hand.
    Rows(Box<SelectStatement>, Cell),
    /// One value, of whichever of these types it is; all are null where there is none.
    AnyOf(Vec<Cell>),
    /// A name that nobody knows: missing on every record.
    Unknown,
}

impl Values {
    /// A value in each of these rows.
    pub(crate) fn rows(rows: SelectStatement, value: Cell) -> Self {
        Self::Rows(Box::new(rows), value)
    }
}

/// A field of a kind of record.
pub(crate) trait RecordField: FilterField + PartialEq {
    /// Where its values are.
    fn values(&self, backend: DbBackend) -> Values;
}

/// Which records of a kind.
#[derive(Clone, Debug)]
pub struct RecordFilter<F> {
    source: String,
    tree: Filter<F>,
}

#[expect(private_bounds, reason = "the crate alone knows the kinds of records")]
impl<F: RecordField> RecordFilter<F> {
    /// Reads a filter; nothing and `{}` mean all records.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        Ok(Self { source: text.to_owned(), tree: parse_records(text)? })
    }

    /// As it was written.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// The condition on the record at hand.
    pub(crate) fn condition(&self, backend: DbBackend) -> Expr {
        tree(backend, &self.tree)
    }
}

fn tree<F: RecordField>(backend: DbBackend, filter: &Filter<F>) -> Expr {
    match filter {
        Filter::All(parts) => {
            parts.iter().map(|part| tree(backend, part)).reduce(Expr::and).unwrap_or_else(|| constant(true))
        }
        Filter::Any(parts) => {
            parts.iter().map(|part| tree(backend, part)).reduce(Expr::or).unwrap_or_else(|| constant(false))
        }
        Filter::Not(inner) => tree(backend, inner).not(),
        Filter::Test { field, test } => field_passes(backend, field, test),
    }
}

fn field_passes<F: RecordField>(backend: DbBackend, field: &F, test: &Test) -> Expr {
    match field.values(backend) {
        Values::Column(cell) => {
            let present = if cell.nullable { cell.expr.clone().is_not_null() } else { constant(true) };
            passes(test, cell_passes(backend, &cell, test), None, |condition| match condition {
                Some(condition) => present.clone().and(condition),
                None => present.clone(),
            })
        }
        Values::Rows(rows, cell) => passes(test, cell_passes(backend, &cell, test), None, |condition| {
            let mut rows = rows.clone();
            Expr::exists(rows.and_where_option(condition).take())
        }),
        Values::AnyOf(cells) => {
            let present = cells.iter().map(|cell| cell.expr.clone().is_not_null()).reduce(Expr::or);
            let present = present.unwrap_or_else(|| constant(false));
            let typed = |cell: &Cell| {
                let condition = cell_passes(backend, cell, test)?;
                Some(cell.expr.clone().is_not_null().and(condition))
            };
            let matching = cells.iter().filter_map(typed).reduce(Expr::or);
            passes(test, matching, None, |condition| condition.unwrap_or_else(|| present.clone()))
        }
        Values::Unknown => passes(test, None, None, |_| constant(false)),
    }
}

/// The order of a list of records: by one column, and by id where that is the same.
#[derive(Clone, Debug)]
pub struct RecordOrder<F> {
    source: String,
    field: F,
    descending: bool,
}

#[expect(private_bounds, reason = "the crate alone knows the kinds of records")]
impl<F: RecordField> RecordOrder<F> {
    /// Reads `[+|-]path`; nothing means `default`. `ORDER_INVALID` for what is not a column.
    pub(crate) fn parse(text: &str, default: &str) -> Result<Self> {
        let source = if text.trim().is_empty() { default } else { text.trim() };
        let path = source.strip_prefix(['+', '-']).unwrap_or(source);
        let field = F::parse(path);
        // Neither database decides what is a column.
        if !matches!(field.values(DbBackend::Sqlite), Values::Column(cell) if !cell.nullable) {
            let reason = format!("this list cannot be ordered by {path:?}");
            return Err(Error::invalid("ORDER_INVALID", "order", reason));
        }
        Ok(Self { source: source.to_owned(), field, descending: source.starts_with('-') })
    }

    /// What it goes by.
    pub(crate) fn field(&self) -> &F {
        &self.field
    }

    /// The list that this order and `parts` make.
    pub(crate) fn list(&self, parts: &[&str]) -> ListId {
        let mut all = parts.to_vec();
        all.push(&self.source);
        ListId::new(&all)
    }

    /// Sorts a statement and begins behind a cursor.
    pub(crate) fn apply(
        &self,
        query: &mut SelectStatement,
        backend: DbBackend,
        id: Expr,
        list: ListId,
        after: Option<&str>,
    ) -> Result<()> {
        let Values::Column(cell) = self.field.values(backend) else {
            return Err(Error::internal("an order that is not a column"));
        };
        let value = cell.ordered(backend);
        let order = if self.descending { Order::Desc } else { Order::Asc };
        query.order_by_expr(value.clone(), order.clone()).order_by_expr(id.clone(), order);
        let Some(after) = after.filter(|after| !after.is_empty()) else { return Ok(()) };
        let (value_seen, id_seen) = match decode_cursor(list, after)?.as_slice() {
            [SortValue::Integer(value), SortValue::Integer(id)] => (Expr::val(*value), *id),
            [SortValue::Text(value), SortValue::Integer(id)] => (Expr::val(value.as_str()), *id),
            _ => return Err(cursor_invalid()),
        };
        let (beyond, id_beyond) = if self.descending {
            (value.clone().lt(value_seen.clone()), id.lt(id_seen))
        } else {
            (value.clone().gt(value_seen.clone()), id.gt(id_seen))
        };
        let same = Condition::all().add(value.eq(value_seen)).add(id_beyond);
        query.cond_where(Condition::any().add(beyond).add(same));
        Ok(())
    }
}
