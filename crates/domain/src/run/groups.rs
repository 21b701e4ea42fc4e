//! The groups of a project's runs, with counts and aggregates, page by page. One statement per page.

use sea_orm::sea_query::{
    Alias, Asterisk, CaseStatement, Expr, ExprTrait as _, Func, JoinType, Query, SelectStatement,
};
use sea_orm::{ConnectionTrait as _, DbBackend, QueryResult};

use super::ValueScope;
use super::grouping::{Aggregate, Function, GroupKey, GroupOrder, GroupValue, Grouping, RunGroup};
use super::prefix::starts_with;
use super::sort_key::{SortKey, comes_after};
use crate::db::Source;
use crate::db::page::{self, ListId, MOST_ITEMS, Page, SortValue, cursor_invalid};
use crate::entity::{run, run_value};
use crate::error::Result;
use crate::filter::{Cell, Compiler, Field, Kind, RunFilter, value_cells};
use crate::project::Project;

/// Larger numbers are not added: some databases fail where a sum leaves the range.
const LARGEST_ADDED: f64 = 1e300;
const RUN_COUNT: &str = "run_count";
const MICROS_PER_SECOND: i64 = 1_000_000;

/// A page of the groups of those runs of `project` that the filter means: up to `first` after the cursor.
///
/// A cursor stands for the values by which groups are sorted, so it is good whatever comes and goes.
pub async fn list_groups(
    db: &impl Source,
    project: &Project,
    filter: &RunFilter,
    grouping: &Grouping,
    first: u64,
    after: Option<&str>,
) -> Result<Page<RunGroup>> {
    let connection = db.connection();
    let backend = connection.get_database_backend();
    let list = ListId::new(&["groups", &project.id.to_string(), filter.source(), grouping.source()]);
    let after = after.map(|cursor| page::decode_cursor(list, cursor)).transpose()?;
    let first = Ord::min(first, MOST_ITEMS);
    let groups = Groups { backend, project, filter, grouping };
    let sort = groups.sort_keys();
    let rows = connection.query_all(&groups.page(&sort, first + 1, after.as_deref())?).await?;
    let page_len = usize::try_from(first).unwrap_or(usize::MAX);
    let has_next = rows.len() > page_len;
    let mut items = Vec::with_capacity(rows.len());
    for row in rows.iter().take(page_len) {
        let place = sort.iter().map(|key| key.read(row)).collect::<Result<Vec<_>>>()?;
        items.push((groups.read(row)?, page::encode_cursor(list, &place)?));
    }
    Ok(Page { items, has_next })
}

struct Groups<'a> {
    backend: DbBackend,
    project: &'a Project,
    filter: &'a RunFilter,
    grouping: &'a Grouping,
}

/// A column by which the rows are grouped: where it is in a row, and its name after that.
struct KeyColumn {
    /// Which key.
    key: usize,
    alias: String,
    cell: Cell,
}

impl Groups<'_> {
    /// A page of the groups.
    fn page(&self, sort: &[SortKey], limit: u64, after: Option<&[SortValue]>) -> Result<SelectStatement> {
        let mut page = Query::select();
        page.column(Asterisk)
            .from_subquery(self.groups(), "run_group")
            // Without a key there is a group even of no runs.
            .and_where(Expr::col(RUN_COUNT).gt(0))
            .limit(limit);
        if let Some(after) = after {
            if after.len() != sort.len() {
                return Err(cursor_invalid());
            }
            page.and_where(comes_after(self.backend, sort.iter().zip(after))?);
        }
        for key in sort {
            key.sort(self.backend, &mut page);
            page.expr_as(key.cell.expr.clone(), Alias::new(&key.alias));
        }
        Ok(page)
    }

    /// Every group.
    fn groups(&self) -> SelectStatement {
        let mut groups = Query::select();
        for KeyColumn { alias, .. } in self.key_columns() {
            groups.column(Alias::new(&alias)).group_by_col(Alias::new(&alias));
        }
        groups.expr_as(Expr::cust("COUNT(*)"), RUN_COUNT);
        for position in 0..self.grouping.measures.len() {
            let number = Expr::col(measure(position));
            let size = Expr::from(Func::abs(number.clone()));
            let added = CaseStatement::new().case(size.clone().lte(LARGEST_ADDED), number.clone());
            let sum =
                CaseStatement::new().case(size.max().lte(LARGEST_ADDED), Expr::Case(Box::new(added)).sum());
            groups
                .expr_as(number.clone().count(), column("count", position))
                .expr_as(number.clone().min(), column("min", position))
                .expr_as(number.max(), column("max", position))
                .expr_as(sum, column("sum", position));
        }
        groups.from_subquery(self.rows(), "run_row").take()
    }

    /// A row for each run, and for each of its tags where it is grouped by them: the keys and the numbers.
    fn rows(&self) -> SelectStatement {
        let compiler = Compiler::new(self.project, self.backend);
        let mut rows = Query::select();
        rows.column((run::Entity, run::Column::Id)).cond_where(compiler.condition(self.filter));
        let mut drives = false;
        for (position, key) in self.grouping.keys.iter().enumerate() {
            let Some((scope, path)) = indexed(&key.field) else { continue };
            let table = table(position);
            let on = is_at(&table, scope, path);
            if self.grouping.present.is_none() {
                rows.join_as(JoinType::LeftJoin, run_value::Entity, table, on);
                continue;
            }
            drives = true;
            let of_project = Expr::col((table.clone(), run_value::Column::ProjectId)).eq(self.project.id);
            // CROSS keeps SQLite from beginning with the runs.
            rows.from_as(run_value::Entity, table).cross_join(run::Entity).and_where(of_project.and(on));
        }
        if !drives {
            rows.from(run::Entity);
        }
        let columns = self.key_columns();
        if let Some(prefix) = &self.grouping.present {
            let values = columns.iter().filter_map(|column| self.is_value(&column.cell, prefix));
            rows.and_where(values.reduce(Expr::or).unwrap_or_else(|| Expr::cust("FALSE")));
        }
        for KeyColumn { alias, cell, .. } in columns {
            rows.expr_as(cell.expr, Alias::new(alias));
        }
        for (position, key) in self.grouping.measures.iter().enumerate() {
            let number = number(compiler, &mut rows, position, &key.field);
            rows.expr_as(number, measure(position));
        }
        rows
    }

    /// The columns of all keys, where they are in a row.
    fn key_columns(&self) -> Vec<KeyColumn> {
        let compiler = Compiler::new(self.project, self.backend);
        let mut columns = Vec::new();
        for (key, GroupKey { field, .. }) in self.grouping.keys.iter().enumerate() {
            let cells = match field {
                Field::Column(column) => vec![compiler.column(*column)],
                Field::Value { .. } => value_cells(table(key)).into(),
                Field::Tag => vec![tag_cell(key)],
                Field::Key(_) => vec![logged_cell(key)],
                Field::Unknown => Vec::new(),
            };
            for cell in cells {
                let alias = format!("key_{}", columns.len());
                columns.push(KeyColumn { key, alias, cell });
            }
        }
        columns
    }

    /// There is such a value, and where it is a string it starts with `prefix`. Other values start with nothing.
    fn is_value(&self, cell: &Cell, prefix: &str) -> Option<Expr> {
        match cell.kind {
            Kind::Text if prefix.is_empty() => Some(cell.expr.clone().is_not_null()),
            Kind::Text => Some(starts_with(self.backend, cell.expr.clone(), prefix)),
            _ if !prefix.is_empty() => None,
            Kind::Number => Some(cell.expr.clone().gte(f64::MIN)),
            Kind::Bool | Kind::Integer => Some(cell.expr.clone().is_not_null()),
        }
    }

    /// By what the groups are sorted: the order, then whatever keys it does not name, which are different for each.
    fn sort_keys(&self) -> Vec<SortKey> {
        let Grouping { keys, terms, .. } = self.grouping;
        let named = |position| terms.iter().any(|term| term.by == GroupOrder::Key(position));
        let unnamed =
            (0..keys.len()).filter(|position| !named(*position)).map(|key| (GroupOrder::Key(key), false));
        let columns = self.key_columns();
        let mut sort = Vec::new();
        for (by, descending) in terms.iter().map(|term| (term.by, term.descending)).chain(unnamed) {
            let cells = match by {
                GroupOrder::RunCount => vec![group_cell(Expr::col(RUN_COUNT), Kind::Integer, false)],
                GroupOrder::Key(key) => columns
                    .iter()
                    .filter(|column| column.key == key)
                    .map(|column| group_cell(Expr::col(Alias::new(&column.alias)), column.cell.kind, true))
                    .collect(),
                GroupOrder::Aggregate(position, function) => vec![aggregate_cell(position, function)],
            };
            for cell in cells {
                let alias = format!("sort_{}", sort.len());
                sort.push(SortKey { cell, descending, alias });
            }
        }
        sort
    }

    fn read(&self, row: &QueryResult) -> Result<RunGroup> {
        let mut values = vec![GroupValue::Missing; self.grouping.keys.len()];
        for KeyColumn { key, alias, cell } in self.key_columns() {
            let alias = alias.as_str();
            let found = match cell.kind {
                Kind::Number => row.try_get::<Option<f64>>("", alias)?.map(|number| {
                    if number < f64::MIN { GroupValue::Container } else { GroupValue::Number(number) }
                }),
                Kind::Text => row.try_get::<Option<String>>("", alias)?.map(GroupValue::Text),
                Kind::Bool => row.try_get::<Option<bool>>("", alias)?.map(GroupValue::Bool),
                Kind::Integer => None,
            };
            if let Some(found) = found {
                values[key] = found;
            }
        }
        let aggregate = |position| -> Result<Aggregate> {
            let number = |name: &str| row.try_get("", &format!("{name}_{position}"));
            Ok(Aggregate {
                count: row.try_get("", &format!("count_{position}"))?,
                min: number("min")?,
                max: number("max")?,
                sum: number("sum")?,
            })
        };
        let aggregates = (0..self.grouping.measures.len()).map(aggregate).collect::<Result<Vec<_>>>()?;
        Ok(RunGroup { values, run_count: row.try_get("", RUN_COUNT)?, aggregates })
    }
}

/// Where in the index a field is; a tag is at any path.
fn indexed(field: &Field) -> Option<(ValueScope, Option<&str>)> {
    match field {
        Field::Value { scope, paths } => Some((*scope, paths.first().map(String::as_str))),
        Field::Tag => Some((ValueScope::Tag, None)),
        Field::Key(key) => Some((ValueScope::Key, Some(key))),
        Field::Column(_) | Field::Unknown => None,
    }
}

/// The number of a measure, NULL where there is none.
fn number(compiler: Compiler<'_>, rows: &mut SelectStatement, position: usize, field: &Field) -> Expr {
    match field {
        Field::Column(duration) => {
            compiler.column(*duration).expr.cast_as("double precision").div(MICROS_PER_SECOND)
        }
        Field::Value { scope, paths } => {
            let table = Alias::new(format!("measure_{position}"));
            let number = Expr::col((table.clone(), run_value::Column::Num));
            // Objects and lists lie below the lowest number.
            let on = is_at(&table, *scope, Some(&paths[0])).and(number.clone().gte(f64::MIN));
            rows.join_as(JoinType::LeftJoin, run_value::Entity, table, on);
            number
        }
        _ => Expr::cust("CAST(NULL AS double precision)"),
    }
}

/// The run's values at a path, or its values at any.
fn is_at(table: &Alias, scope: ValueScope, path: Option<&str>) -> Expr {
    let column = |column: run_value::Column| Expr::col((table.clone(), column));
    let at = column(run_value::Column::RunId)
        .equals((run::Entity, run::Column::Id))
        .and(column(run_value::Column::Scope).eq(scope));
    match path {
        Some(path) => at.and(column(run_value::Column::Path).eq(path)),
        None => at,
    }
}

fn table(position: usize) -> Alias {
    Alias::new(format!("value_{position}"))
}

fn column(name: &str, position: usize) -> Alias {
    Alias::new(format!("{name}_{position}"))
}

fn measure(position: usize) -> Alias {
    column("number", position)
}

fn tag_cell(position: usize) -> Cell {
    Cell { expr: Expr::col((table(position), run_value::Column::Path)), kind: Kind::Text, nullable: true }
}

/// True where the key was logged, else NULL.
fn logged_cell(position: usize) -> Cell {
    let there = Expr::col((table(position), run_value::Column::RunId)).is_not_null();
    let expr = CaseStatement::new().case(there, Expr::cust("TRUE")).into();
    Cell { expr, kind: Kind::Bool, nullable: true }
}

fn group_cell(expr: Expr, kind: Kind, nullable: bool) -> Cell {
    Cell { expr, kind, nullable }
}

fn aggregate_cell(position: usize, function: Function) -> Cell {
    let of = |name| Expr::col(column(name, position));
    match function {
        Function::Count => group_cell(of("count"), Kind::Integer, false),
        Function::Min => group_cell(of("min"), Kind::Number, true),
        Function::Max => group_cell(of("max"), Kind::Number, true),
        Function::Sum => group_cell(of("sum"), Kind::Number, true),
        Function::Mean => group_cell(of("sum").div(of("count")), Kind::Number, true),
    }
}
