//! The runs of a project that a filter means, in an order, page by page. One statement per page.
//!
//! Pages go by value, not by position: a page holds what comes after the last item of the one before, so every run
//! is seen exactly once while others come and go.

use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, Func, JoinType, NullOrdering, Order, SelectStatement};
use sea_orm::{ConnectionTrait as _, EntityTrait as _, FromQueryResult as _, QueryResult, QueryTrait as _};

use super::{Run, ValueScope};
use crate::db::Source;
use crate::db::page::{self, ListId, MOST_ITEMS, Page, SortValue, cursor_invalid};
use crate::entity::{run, run_value};
use crate::error::{Error, Result};
use crate::filter::{Cell, Compiler, Field, Kind, RunFilter, RunOrder, value_cells};
use crate::project::Project;

/// A page of `project`'s runs: up to `first` after the cursor.
pub async fn list(
    db: &impl Source,
    project: &Project,
    filter: &RunFilter,
    order: &RunOrder,
    first: u64,
    after: Option<&str>,
) -> Result<Page<Run>> {
    let connection = db.connection();
    let compiler = Compiler::new(project, connection.get_database_backend());
    let list = ListId::new(&[&project.id.to_string(), filter.source(), order.source()]);
    let first = Ord::min(first, MOST_ITEMS);

    let mut query = run::Entity::find().into_query();
    let keys = sort_keys(compiler, order, &mut query);
    query.cond_where(compiler.condition(filter)).limit(first + 1);
    if let Some(after) = after {
        let values = page::decode_cursor(list, after)?;
        query.and_where(comes_after(&keys, &values)?);
    }
    for (position, key) in keys.iter().enumerate() {
        query.expr_as(key.expr.clone(), Alias::new(alias(position)));
        key.sort(&mut query);
    }

    let rows = connection.query_all(&query).await?;
    let page_len = usize::try_from(first).unwrap_or(usize::MAX);
    let has_next = rows.len() > page_len;
    let mut items = Vec::with_capacity(rows.len().min(page_len));
    for row in rows.iter().take(page_len) {
        let values = keys.iter().enumerate().map(|(position, key)| key.read(row, &alias(position)));
        let cursor = page::encode_cursor(list, &values.collect::<Result<Vec<_>>>()?)?;
        items.push((Run::from_query_result(row, "")?, cursor));
    }
    Ok(Page { items, has_next })
}

/// How many of `project`'s runs the filter means.
pub async fn count(db: &impl Source, project: &Project, filter: &RunFilter) -> Result<u64> {
    let connection = db.connection();
    let mut query = SelectStatement::new();
    query
        .expr_as(Expr::cust("COUNT(*)"), "runs")
        .from(run::Entity)
        .cond_where(Compiler::new(project, connection.get_database_backend()).condition(filter));
    let row = connection.query_one(&query).await?.ok_or_else(|| Error::internal("COUNT gave no row"))?;
    let count: i64 = row.try_get("", "runs")?;
    u64::try_from(count).map_err(Error::internal)
}

fn alias(position: usize) -> String {
    format!("sort_{position}")
}

/// One of the expressions that a listing is sorted by. Missing values come last.
struct SortKey {
    expr: Expr,
    kind: Kind,
    nullable: bool,
    descending: bool,
}

/// What `order` sorts by, the id last; joins the index where it sorts by an indexed value. Such a value stands in
/// one of three columns: numbers come first, then strings, then truth values.
fn sort_keys(compiler: Compiler<'_>, order: &RunOrder, query: &mut SelectStatement) -> Vec<SortKey> {
    let mut keys = Vec::new();
    let mut descending = false;
    for (position, term) in order.terms().iter().enumerate() {
        descending = term.descending;
        let cells = match &term.field {
            Field::Column(column) => vec![compiler.column(*column)],
            Field::Value { scope, paths } => indexed_cells(compiler, position, *scope, paths, query),
            Field::Tag | Field::Key(_) | Field::Unknown => Vec::new(),
        };
        keys.extend(cells.iter().map(|cell| SortKey {
            expr: compiler.ordered(cell),
            kind: cell.kind,
            nullable: cell.nullable,
            descending,
        }));
    }
    let id = Expr::col((run::Entity, run::Column::Id));
    keys.push(SortKey { expr: id, kind: Kind::Integer, nullable: false, descending });
    keys
}

/// Joins the row of each path and takes the first that has a value. Objects and lists have none to sort by.
fn indexed_cells(
    compiler: Compiler<'_>,
    position: usize,
    scope: ValueScope,
    paths: &[String],
    query: &mut SelectStatement,
) -> Vec<Cell> {
    let mut joined: Vec<[Cell; 3]> = Vec::with_capacity(paths.len());
    for (choice, path) in paths.iter().enumerate() {
        let table = Alias::new(format!("value_{position}_{choice}"));
        let column = |column: run_value::Column| Expr::col((table.clone(), column));
        let on = column(run_value::Column::RunId)
            .equals((run::Entity, run::Column::Id))
            .and(column(run_value::Column::ProjectId).eq(compiler.project_id()))
            .and(column(run_value::Column::Scope).eq(scope))
            .and(column(run_value::Column::Path).eq(path.as_str()))
            .and(column(run_value::Column::Num).is_null().or(column(run_value::Column::Num).gte(f64::MIN)));
        query.join_as(JoinType::LeftJoin, run_value::Entity, table.clone(), on);
        joined.push(value_cells(table));
    }
    let first_of = |position: usize| {
        let mut cell = joined.first()?[position].clone();
        if joined.len() > 1 {
            cell.expr = Func::coalesce(joined.iter().map(|cells| cells[position].expr.clone())).into();
        }
        Some(cell)
    };
    (0..3).filter_map(first_of).collect()
}

impl SortKey {
    fn sort(&self, query: &mut SelectStatement) {
        let direction = if self.descending { Order::Desc } else { Order::Asc };
        // Without the clause, an index on a column that is never NULL serves both directions.
        if self.nullable {
            query.order_by_expr_with_nulls(self.expr.clone(), direction, NullOrdering::Last);
        } else {
            query.order_by_expr(self.expr.clone(), direction);
        }
    }

    fn read(&self, row: &QueryResult, alias: &str) -> Result<SortValue> {
        let value = match self.kind {
            Kind::Integer => row.try_get::<Option<i64>>("", alias)?.map(SortValue::Integer),
            Kind::Number => row.try_get::<Option<f64>>("", alias)?.map(|number| SortValue::Number(number.to_bits())),
            Kind::Text => row.try_get::<Option<String>>("", alias)?.map(SortValue::Text),
            Kind::Bool => row.try_get::<Option<bool>>("", alias)?.map(SortValue::Bool),
        };
        Ok(value.unwrap_or(SortValue::Missing))
    }

    /// The value of a cursor as a bound one; none for a missing one.
    fn bind(&self, value: &SortValue) -> Result<Option<Expr>> {
        match (self.kind, value) {
            (_, SortValue::Missing) if self.nullable => Ok(None),
            (Kind::Integer, SortValue::Integer(integer)) => Ok(Some((*integer).into())),
            (Kind::Number, SortValue::Number(bits)) => Ok(Some(f64::from_bits(*bits).into())),
            (Kind::Text, SortValue::Text(text)) if !text.contains('\0') => Ok(Some(text.as_str().into())),
            (Kind::Bool, SortValue::Bool(bool)) => Ok(Some((*bool).into())),
            _ => Err(cursor_invalid()),
        }
    }

    /// Strictly after `bound`, or with `or_at` also at it.
    fn beyond(&self, bound: Option<&Expr>, or_at: bool) -> Option<Expr> {
        let expr = self.expr.clone();
        let Some(bound) = bound.cloned() else {
            // Nothing comes after the missing ones.
            return or_at.then(|| expr.is_null());
        };
        let beyond = match (self.descending, or_at) {
            (false, false) => expr.gt(bound),
            (false, true) => expr.gte(bound),
            (true, false) => expr.lt(bound),
            (true, true) => expr.lte(bound),
        };
        Some(if self.nullable { beyond.or(self.expr.clone().is_null()) } else { beyond })
    }
}

/// What comes after these values in the order of `keys`: at or beyond the first, and either strictly beyond it or
/// after the rest. In this form the first comparison bounds the scan of an index.
fn comes_after(keys: &[SortKey], values: &[SortValue]) -> Result<Expr> {
    if keys.len() != values.len() {
        return Err(cursor_invalid());
    }
    let mut after: Option<Expr> = None;
    for (key, value) in keys.iter().zip(values).rev() {
        let bound = key.bind(value)?;
        let strictly = key.beyond(bound.as_ref(), false);
        after = match after {
            None => strictly,
            Some(rest) => {
                let then = strictly.into_iter().chain([rest]).reduce(Expr::or);
                key.beyond(bound.as_ref(), true).into_iter().chain(then).reduce(Expr::and)
            }
        };
    }
    after.ok_or_else(cursor_invalid)
}
