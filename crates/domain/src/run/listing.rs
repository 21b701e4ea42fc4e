//! The runs of a project that a filter means, in an order, page by page. One statement per page.
//!
//! Pages go by value, not by position: a page holds what comes after the last item of the one before, so every run
//! is seen exactly once while others come and go.

use sea_orm::sea_query::{
    Alias, Asterisk, CommonTableExpression, Expr, ExprTrait as _, JoinType, Query, SelectStatement, UnionType,
};
use sea_orm::{ConnectionTrait as _, DbBackend, FromQueryResult as _, Iterable as _};

use super::sort_key::{SortKey, comes_after};
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
    let backend = connection.get_database_backend();
    let list = ListId::new(&[&project.id.to_string(), filter.source(), order.source()]);
    let after = after.map(|cursor| page::decode_cursor(list, cursor)).transpose()?;
    let first = Ord::min(first, MOST_ITEMS);
    let listing = Listing { backend, project, filter, order, limit: first + 1 };
    let (query, keys) = listing.statement(after.as_deref())?;

    let rows = connection.query_all(&query).await?;
    let page_len = usize::try_from(first).unwrap_or(usize::MAX);
    let has_next = rows.len() > page_len;
    let mut items = Vec::with_capacity(rows.len());
    for row in rows.iter().take(page_len) {
        let values = keys.iter().map(|key| key.read(row)).collect::<Result<Vec<_>>>()?;
        items.push((Run::from_query_result(row, "")?, page::encode_cursor(list, &values)?));
    }
    Ok(Page { items, has_next })
}

/// How many of `project`'s runs the filter means.
pub async fn count(db: &impl Source, project: &Project, filter: &RunFilter) -> Result<u64> {
    let connection = db.connection();
    let mut query = Query::select();
    query
        .expr_as(Expr::cust("COUNT(*)"), "runs")
        .from(run::Entity)
        .cond_where(Compiler::new(project, connection.get_database_backend()).condition(filter));
    let row = connection.query_one(&query).await?.ok_or_else(|| Error::internal("COUNT gave no row"))?;
    let count: i64 = row.try_get("", "runs")?;
    u64::try_from(count).map_err(Error::internal)
}

struct Listing<'a> {
    backend: DbBackend,
    project: &'a Project,
    filter: &'a RunFilter,
    order: &'a RunOrder,
    limit: u64,
}

/// A part of the listing: its rows, not yet sorted, and what to sort them by.
struct Part {
    query: SelectStatement,
    keys: Vec<SortKey>,
}

/// Numbers at a path of the index, from a lowest one.
struct Driver<'a> {
    scope: ValueScope,
    path: &'a str,
    from: f64,
}

/// The columns of a sorted-by indexed value: numbers come first, then strings, then truth values.
const NUMBER: usize = 0;
const TEXT_AND_BOOL: [usize; 2] = [1, 2];

impl Listing<'_> {
    fn statement(&self, after: Option<&[SortValue]>) -> Result<(SelectStatement, Vec<SortKey>)> {
        let all = self.part(None);
        if after.is_some_and(|values| values.len() != all.keys.len()) {
            return Err(cursor_invalid());
        }
        let keys = all.keys.clone();
        let statement = match self.driver(after) {
            Some(driver) => self.numbers_then_rest(self.part(Some(&driver)), all, after)?,
            None => self.page(all, &[], after)?,
        };
        Ok((statement, keys))
    }

    /// What the page can be read from, in order: the order begins with an indexed value, and numbers are left.
    fn driver(&self, after: Option<&[SortValue]>) -> Option<Driver<'_>> {
        let term = self.order.terms().first()?;
        let Field::Value { scope, paths } = &term.field else { return None };
        let from = match after.and_then(<[_]>::first) {
            Some(SortValue::Missing) => return None,
            Some(SortValue::Number(bits)) if !term.descending => f64::from_bits(*bits),
            _ => f64::MIN,
        };
        Some(Driver { scope: *scope, path: paths.first()?, from })
    }

    /// Sorted by an indexed value, a page mostly holds numbers. An index has them in order, so they are read from it
    /// and only as far as the page goes; the runs without a number are looked at only when the page has room.
    fn numbers_then_rest(
        &self,
        numbers: Part,
        mut rest: Part,
        after: Option<&[SortValue]>,
    ) -> Result<SelectStatement> {
        let keys: Vec<SortKey> = rest.keys.iter().map(SortKey::outside).collect();
        let mut found = Query::select();
        found.expr(Expr::cust("COUNT(*)")).from("numbers");
        let limit = i64::try_from(self.limit).map_err(Error::internal)?;
        let mut room = Query::select();
        room.expr(Expr::cust("1")).and_where(Expr::SubQuery(None, Box::new(found.into())).lt(limit));
        // As a table of one row or none, not as a condition: without it no run is read.
        rest.query
            .from_clear()
            .from_subquery(room, "room")
            .from(run::Entity)
            .and_where(rest.keys[NUMBER].cell.expr.clone().is_null());

        let mut numbers_cte = CommonTableExpression::new();
        numbers_cte
            .table_name("numbers")
            .query(self.page(numbers, &TEXT_AND_BOOL, after)?)
            .materialized(true);
        let mut rest_rows = Query::select();
        rest_rows.column(Asterisk).from_subquery(self.page(rest, &[NUMBER], None)?, "rest");
        let mut rows = Query::select();
        rows.column(Asterisk).from("numbers").union(UnionType::All, rest_rows);
        let mut page = Query::select();
        page.column(Asterisk).from_subquery(rows, "page").with_cte(numbers_cte).limit(self.limit);
        for key in keys {
            key.sort(self.backend, &mut page);
        }
        Ok(page)
    }

    /// Bounds, sorts and limits a part, by all keys but those that are missing throughout it.
    fn page(&self, part: Part, without: &[usize], after: Option<&[SortValue]>) -> Result<SelectStatement> {
        let Part { mut query, keys } = part;
        let used = || keys.iter().enumerate().filter(|(position, _)| !without.contains(position));
        if let Some(values) = after {
            let places: Vec<_> = used().map(|(position, key)| (key, &values[position])).collect();
            query.and_where(comes_after(self.backend, places.into_iter())?);
        }
        for (_, key) in used() {
            key.sort(self.backend, &mut query);
        }
        for key in &keys {
            query.expr_as(key.cell.expr.clone(), Alias::new(&key.alias));
        }
        Ok(query.limit(self.limit).take())
    }

    /// The runs that the filter means; `driver` keeps those with a number at a path, which is the order's first.
    fn part(&self, driver: Option<&Driver<'_>>) -> Part {
        let compiler = Compiler::new(self.project, self.backend);
        let mut query = Query::select();
        query.columns(run::Column::iter().map(|column| (run::Entity, column)));
        query.cond_where(compiler.condition(self.filter));
        match driver {
            None => query.from(run::Entity),
            // CROSS keeps SQLite from beginning with the runs.
            Some(Driver { scope, path, from }) => {
                let value = Alias::new(table(0));
                query
                    .from_as(run_value::Entity, value.clone())
                    .cross_join(run::Entity)
                    .and_where(self.is_at(&value, *scope, path))
                    .and_where(Expr::col((value, run_value::Column::Num)).gte(*from))
            }
        };
        let mut keys = Vec::new();
        let mut descending = false;
        let mut joined = 0;
        for term in self.order.terms() {
            descending = term.descending;
            let mut add = |cell| {
                let alias = format!("sort_{}", keys.len());
                keys.push(SortKey { cell, descending, alias });
            };
            match &term.field {
                Field::Column(column) => add(compiler.column(*column)),
                Field::Value { scope, paths } => {
                    for path in paths {
                        let value = Alias::new(table(joined));
                        let is_driver = driver.is_some() && joined == 0;
                        if !is_driver {
                            self.join(&mut query, &value, *scope, path);
                        }
                        joined += 1;
                        let mut cells = value_cells(value);
                        cells[NUMBER].nullable = !is_driver;
                        cells.into_iter().for_each(&mut add);
                    }
                }
                Field::Tag | Field::Key(_) | Field::Unknown => {}
            }
        }
        let id = match driver {
            None => Expr::col((run::Entity, run::Column::Id)),
            Some(_) => Expr::col((Alias::new(table(0)), run_value::Column::RunId)),
        };
        let alias = format!("sort_{}", keys.len());
        keys.push(SortKey {
            cell: Cell { expr: id, kind: Kind::Integer, nullable: false },
            descending,
            alias,
        });
        Part { query, keys }
    }

    /// Joins the row of a path, if there is one. Objects and lists have no value to sort by.
    fn join(&self, query: &mut SelectStatement, value: &Alias, scope: ValueScope, path: &str) {
        let number = Expr::col((value.clone(), run_value::Column::Num));
        let sorts = number.clone().is_null().or(number.gte(f64::MIN));
        let on = self.is_at(value, scope, path).and(sorts);
        query.join_as(JoinType::LeftJoin, run_value::Entity, value.clone(), on);
    }

    fn is_at(&self, value: &Alias, scope: ValueScope, path: &str) -> Expr {
        let column = |column: run_value::Column| Expr::col((value.clone(), column));
        column(run_value::Column::RunId)
            .equals((run::Entity, run::Column::Id))
            .and(column(run_value::Column::ProjectId).eq(self.project.id))
            .and(column(run_value::Column::Scope).eq(scope))
            .and(column(run_value::Column::Path).eq(path))
    }
}

fn table(position: usize) -> String {
    format!("value_{position}")
}
