//! Which keys the runs of a project have: what a column picker offers.
//!
//! A project has few keys and many runs, so keys are found by going from one to the next in the index, not by looking
//! at every run's. How many runs have a key is counted only when asked.

use std::collections::HashMap;

use sea_orm::sea_query::{
    Alias, CaseStatement, CommonTableExpression, Expr, ExprTrait as _, Query, SelectStatement, UnionType,
    WithClause,
};
use sea_orm::{ConnectionTrait as _, DbBackend};

use super::ValueScope;
use super::prefix::starts_with;
use crate::db::Source;
use crate::db::page::{self, ListId, MOST_ITEMS, Page, SortValue, cursor_invalid};
use crate::entity::{run, run_value};
use crate::error::Result;
use crate::filter::{Compiler, Field, RunFilter};
use crate::project::Project;

/// Which part of a run a key belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldSource {
    /// `config.*`
    Config,
    /// `summary_metrics.*`
    Summary,
    /// `system_metrics.*`
    System,
    /// `keys_info.keys.*`: what was logged.
    History,
}

/// How many runs have what at a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TypeCounts {
    /// Runs that have the key, whatever is there.
    pub runs: i64,
    /// Runs with a number there.
    pub numbers: i64,
    /// Runs with a string there.
    pub texts: i64,
    /// Runs with a truth value there.
    pub bools: i64,
    /// Runs with an object or a list there.
    pub containers: i64,
}

impl FieldSource {
    /// How filters, orders and groups spell the key.
    pub fn spell(self, key: &str) -> String {
        let prefix = match self {
            Self::Config => "config",
            Self::Summary => "summary_metrics",
            Self::System => "system_metrics",
            Self::History => "keys_info.keys",
        };
        let path = format!("{prefix}.{key}");
        match (Field::parse(&path), key.split_once('.')) {
            // The first `value` would be taken for the envelope of the entry; so it gets one.
            (Field::Value { paths, .. }, Some((entry, rest))) if paths.len() > 1 => {
                format!("{prefix}.{entry}.value.{rest}")
            }
            _ => path,
        }
    }

    fn scope(self) -> ValueScope {
        match self {
            Self::Config => ValueScope::Config,
            Self::Summary => ValueScope::Summary,
            Self::System => ValueScope::System,
            Self::History => ValueScope::Key,
        }
    }
}

/// A page of the keys that at least one run has which the filter means, by their bytes: those that start with
/// `prefix`, up to `first` after the cursor. What lies inside of objects and lists is there under its dotted path.
pub async fn list_fields(
    db: &impl Source,
    project: &Project,
    filter: &RunFilter,
    source: FieldSource,
    prefix: &str,
    first: u64,
    after: Option<&str>,
) -> Result<Page<String>> {
    let scope = source.scope();
    let list = ListId::new(&["fields", &project.id.to_string(), source.spell("").as_str()]);
    let after = match after.map(|cursor| page::decode_cursor(list, cursor)).transpose()?.as_deref() {
        None => None,
        Some([SortValue::Text(key)]) if !key.contains('\0') => Some(key.clone()),
        Some(_) => return Err(cursor_invalid()),
    };
    let first = Ord::min(first, MOST_ITEMS);
    let keys = Keys { backend: db.connection().get_database_backend(), project, scope, prefix };
    let rows = db.connection().query_all(&keys.page(filter, first + 1, after.as_deref())).await?;
    let page_len = usize::try_from(first).unwrap_or(usize::MAX);
    let mut items = Vec::with_capacity(rows.len());
    for row in rows.iter().take(page_len) {
        let key: String = row.try_get("", "path")?;
        let cursor = page::encode_cursor(list, &[SortValue::Text(key.clone())])?;
        items.push((key, cursor));
    }
    Ok(Page { items, has_next: rows.len() > page_len })
}

/// How many of the runs that the filter means have what at these keys. Reads the keys' rows of all runs.
pub async fn count_types(
    db: &impl Source,
    project: &Project,
    filter: &RunFilter,
    source: FieldSource,
    keys: &[String],
) -> Result<HashMap<String, TypeCounts>> {
    let backend = db.connection().get_database_backend();
    let number = || value(run_value::Column::Num);
    let count = |condition: Expr| Expr::Case(Box::new(CaseStatement::new().case(condition, 1))).count();
    let mut query = Query::select();
    query
        .expr_as(value(run_value::Column::Path), "path")
        .expr_as(Expr::cust("COUNT(*)"), "runs")
        .expr_as(count(number().gte(f64::MIN)), "numbers")
        .expr_as(value(run_value::Column::Text).count(), "texts")
        .expr_as(value(run_value::Column::Bool).count(), "bools")
        .expr_as(count(number().lt(f64::MIN)), "containers")
        .from(run_value::Entity)
        // CROSS keeps SQLite from beginning with the runs.
        .cross_join(run::Entity)
        .and_where(value(run_value::Column::RunId).equals((run::Entity, run::Column::Id)))
        .and_where(value(run_value::Column::ProjectId).eq(project.id))
        .and_where(value(run_value::Column::Scope).eq(source.scope()))
        .and_where(value(run_value::Column::Path).is_in(keys.iter().map(String::as_str)))
        .cond_where(Compiler::new(project, backend).condition(filter))
        .group_by_col((run_value::Entity, run_value::Column::Path));
    let mut counts = HashMap::with_capacity(keys.len());
    for row in db.connection().query_all(&query).await? {
        let count = |name| row.try_get("", name);
        let of_key = TypeCounts {
            runs: count("runs")?,
            numbers: count("numbers")?,
            texts: count("texts")?,
            bools: count("bools")?,
            containers: count("containers")?,
        };
        counts.insert(row.try_get("", "path")?, of_key);
    }
    Ok(counts)
}

struct Keys<'a> {
    backend: DbBackend,
    project: &'a Project,
    scope: ValueScope,
    prefix: &'a str,
}

impl Keys<'_> {
    /// Plan: `ix_run_value_num` (project, scope, path >), one entry for each key; then for each the first of its runs
    /// that the filter means.
    fn page(&self, filter: &RunFilter, limit: u64, after: Option<&str>) -> SelectStatement {
        let path = || Expr::col(("key", "path"));
        let first = after.map(|after| value(run_value::Column::Path).gt(after));
        let mut next = Query::select();
        next.expr(subquery(self.lowest(Some(value(run_value::Column::Path).gt(path())))))
            .from("key")
            .and_where(path().is_not_null());
        let mut keys = CommonTableExpression::new();
        keys.table_name("key").column("path").query(self.lowest(first).union(UnionType::All, next).take());
        let mut with = WithClause::new();
        with.recursive(true).cte(keys);
        // Keys come in order, each from the one before; sorted, all would be looked for before the first is answered.
        Query::select()
            .column(("key", "path"))
            .from("key")
            .and_where(path().is_not_null())
            .and_where(subquery(self.any_run(filter, path())).is_not_null())
            .limit(limit)
            .with_cte(with)
            .take()
    }

    /// The lowest path of the scope, out of those that a condition leaves.
    fn lowest(&self, condition: Option<Expr>) -> SelectStatement {
        let mut lowest = Query::select();
        lowest
            .expr_as(value(run_value::Column::Path).min(), "path")
            .from(run_value::Entity)
            .and_where(value(run_value::Column::ProjectId).eq(self.project.id))
            .and_where(value(run_value::Column::Scope).eq(self.scope))
            .and_where_option(condition);
        if !self.prefix.is_empty() {
            lowest.and_where(starts_with(self.backend, value(run_value::Column::Path), self.prefix));
        }
        lowest
    }

    /// A run with this key that the filter means. Not as EXISTS, which `PostgreSQL` would make a join with all values.
    fn any_run(&self, filter: &RunFilter, path: Expr) -> SelectStatement {
        let held = Alias::new("held");
        let column = |column: run_value::Column| Expr::col((held.clone(), column));
        Query::select()
            .expr(Expr::cust("1"))
            .from_as(run_value::Entity, held.clone())
            // CROSS keeps SQLite from beginning with the runs.
            .cross_join(run::Entity)
            .and_where(column(run_value::Column::RunId).equals((run::Entity, run::Column::Id)))
            .and_where(column(run_value::Column::ProjectId).eq(self.project.id))
            .and_where(column(run_value::Column::Scope).eq(self.scope))
            .and_where(column(run_value::Column::Path).eq(path))
            .cond_where(Compiler::new(self.project, self.backend).for_few().condition(filter))
            .limit(1)
            .take()
    }
}

fn value(column: run_value::Column) -> Expr {
    Expr::col((run_value::Entity, column))
}

fn subquery(query: SelectStatement) -> Expr {
    Expr::SubQuery(None, Box::new(query.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_spelled_so_that_filters_find_it() {
        for (source, key, spelled) in [
            (FieldSource::Config, "net.layers", "config.net.layers"),
            (FieldSource::Config, "value", "config.value"),
            (FieldSource::Config, "net.value.b", "config.net.value.value.b"),
            (FieldSource::Summary, "loss.value", "summary_metrics.loss.value"),
            (FieldSource::History, "a.b", "keys_info.keys.a.b"),
        ] {
            assert_eq!(source.spell(key), spelled);
        }
        assert!(
            matches!(Field::parse("config.net.value.value.b"), Field::Value { paths, .. } if paths[0] == "net.value.b")
        );
    }
}
