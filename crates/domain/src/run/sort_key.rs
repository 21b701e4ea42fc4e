//! Sorting by several expressions, and finding what comes after a given place.

use sea_orm::sea_query::{Expr, ExprTrait as _, NullOrdering, Order, SelectStatement};
use sea_orm::{DbBackend, QueryResult};

use crate::db::page::{SortValue, cursor_invalid};
use crate::error::Result;
use crate::filter::{Cell, Kind};

/// One of the expressions that a listing is sorted by. Missing values come last.
#[derive(Clone, Debug)]
pub(super) struct SortKey {
    pub(super) cell: Cell,
    pub(super) descending: bool,
    /// Under this name the value stands in a row.
    pub(super) alias: String,
}

impl SortKey {
    pub(super) fn sort(&self, backend: DbBackend, query: &mut SelectStatement) {
        let direction = if self.descending { Order::Desc } else { Order::Asc };
        let expr = self.cell.ordered(backend);
        // Without the clause, an index on a column that is never NULL serves both directions.
        if self.cell.nullable {
            query.order_by_expr_with_nulls(expr, direction, NullOrdering::Last);
        } else {
            query.order_by_expr(expr, direction);
        }
    }

    pub(super) fn read(&self, row: &QueryResult) -> Result<SortValue> {
        let alias = self.alias.as_str();
        let value = match self.cell.kind {
            Kind::Integer => row.try_get::<Option<i64>>("", alias)?.map(SortValue::Integer),
            Kind::Number => {
                row.try_get::<Option<f64>>("", alias)?.map(|number| SortValue::Number(number.to_bits()))
            }
            Kind::Text => row.try_get::<Option<String>>("", alias)?.map(SortValue::Text),
            Kind::Bool => row.try_get::<Option<bool>>("", alias)?.map(SortValue::Bool),
        };
        Ok(value.unwrap_or(SortValue::Missing))
    }

    /// The value of a cursor as a bound one; none for a missing one.
    fn bind(&self, value: &SortValue) -> Result<Option<Expr>> {
        match (self.cell.kind, value) {
            (_, SortValue::Missing) if self.cell.nullable => Ok(None),
            (Kind::Integer, SortValue::Integer(integer)) => Ok(Some((*integer).into())),
            (Kind::Number, SortValue::Number(bits)) => Ok(Some(f64::from_bits(*bits).into())),
            (Kind::Text, SortValue::Text(text)) if !text.contains('\0') => Ok(Some(text.as_str().into())),
            (Kind::Bool, SortValue::Bool(bool)) => Ok(Some((*bool).into())),
            _ => Err(cursor_invalid()),
        }
    }

    /// Strictly after `bound`, or with `or_at` also at it. None where nothing is.
    fn beyond(&self, backend: DbBackend, bound: Option<&Expr>, or_at: bool) -> Option<Expr> {
        let Some(bound) = bound.cloned() else {
            // Nothing comes after the missing ones.
            return or_at.then(|| self.cell.expr.clone().is_null());
        };
        let expr = self.cell.ordered(backend);
        let beyond = match (self.descending, or_at) {
            (false, false) => expr.gt(bound),
            (false, true) => expr.gte(bound),
            (true, false) => expr.lt(bound),
            (true, true) => expr.lte(bound),
        };
        Some(if self.cell.nullable { beyond.or(self.cell.expr.clone().is_null()) } else { beyond })
    }
}

/// What comes after these values in the order of `keys`: at or beyond the first, and either strictly beyond it or
/// after the rest. In this form the first comparison bounds the scan of an index.
pub(super) fn comes_after<'a>(
    backend: DbBackend,
    places: impl DoubleEndedIterator<Item = (&'a SortKey, &'a SortValue)>,
) -> Result<Expr> {
    let mut after: Option<Expr> = None;
    for (key, value) in places.rev() {
        let bound = key.bind(value)?;
        let strictly = key.beyond(backend, bound.as_ref(), false);
        after = match after {
            None => strictly,
            Some(rest) => {
                let then = strictly.into_iter().chain([rest]).reduce(Expr::or);
                key.beyond(backend, bound.as_ref(), true).into_iter().chain(then).reduce(Expr::and)
            }
        };
    }
    after.ok_or_else(cursor_invalid)
}
