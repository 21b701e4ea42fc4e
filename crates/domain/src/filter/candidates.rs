//! The parts of a filter that an index answers by itself.

use sea_orm::sea_query::{Expr, ExprTrait as _, Order, Query, SelectStatement, UnionType};

use super::ast::{Filter, Scalar, Test};
use super::compile::{Cell, Compiler, rows_at, run_column, tag, value_column};
use super::field::{Column, Field, Kind};
use super::index;
use super::parse::RunFilter;
use crate::entity::{run, run_value};
use crate::run::{Lifecycle, ValueScope};

/// Parts of a filter that are looked at.
const MOST: usize = 8;

/// Ranges of an index that one of them may take.
const MOST_RANGES: usize = 16;

/// Runs among which are all that a filter means, to be read from an index.
#[derive(Clone, Debug)]
pub(crate) struct Candidates {
    /// A run may be in several.
    ranges: Vec<Range>,
}

/// One range of an index.
#[derive(Clone, Debug)]
struct Range {
    /// Selects ids.
    ids: SelectStatement,
    /// What the index has them ordered by.
    order: Vec<Expr>,
}

impl Candidates {
    /// The ids, each once, under the name `run_id`.
    pub(crate) fn ids(&self) -> SelectStatement {
        let mut ranges = self.ranges.iter().map(|range| range.ids.clone());
        let mut all = ranges.next().unwrap_or_default();
        for range in ranges {
            all.union(UnionType::All, range);
        }
        Query::select().distinct().column(run_value::Column::RunId).from_subquery(all, "ranges").take()
    }

    /// How many there are, counting no further than `most` in each range.
    pub(crate) fn count(&self, most: u64) -> Expr {
        let count = |range: &Range| {
            let mut ids = range.ids.clone();
            // Or `PostgreSQL` might read the table until it has met so many.
            for expr in range.order.clone() {
                ids.order_by_expr(expr, Order::Asc);
            }
            let count = Query::select()
                .expr(Expr::cust("COUNT(*)"))
                .from_subquery(ids.limit(most).take(), "range")
                .take();
            Expr::SubQuery(None, Box::new(count.into()))
        };
        self.ranges.iter().map(count).reduce(Expr::add).unwrap_or_else(|| 0.into())
    }
}

impl Compiler<'_> {
    /// The candidates that each of the conditions of `filter` leaves.
    pub(crate) fn candidates(self, filter: &RunFilter) -> Vec<Candidates> {
        let ranges = |part: &&Filter| self.ranges(part, filter.lifecycle());
        let usable = |ranges: &Vec<_>| (1..=MOST_RANGES).contains(&ranges.len());
        let parts = conjuncts(filter.tree());
        let found = parts.iter().filter_map(ranges).filter(usable);
        found.take(MOST).map(|ranges| Candidates { ranges }).collect()
    }

    /// All runs of the project that have the lifecycle which `filter` means.
    pub(crate) fn everything(self, filter: &RunFilter) -> Candidates {
        Candidates { ranges: vec![self.runs(filter.lifecycle(), None)] }
    }

    /// None where no index answers.
    fn ranges(self, filter: &Filter, lifecycle: Lifecycle) -> Option<Vec<Range>> {
        match filter {
            Filter::Test { field, test } => self.test_ranges(field, test, lifecycle),
            Filter::Any(parts) => {
                let any = |part| conjuncts(part).into_iter().find_map(|part| self.ranges(part, lifecycle));
                parts.iter().map(any).collect::<Option<Vec<_>>>().map(|ranges| ranges.concat())
            }
            Filter::All(_) | Filter::Not(_) => None,
        }
    }

    fn test_ranges(self, field: &Field, test: &Test, lifecycle: Lifecycle) -> Option<Vec<Range>> {
        match test {
            Test::OneOf(operands) if operands.contains(&Scalar::Null) => return None,
            Test::Matches(_) => return None,
            Test::OneOf(_) | Test::Compare(..) | Test::Exists => {}
        }
        let exists = *test == Test::Exists;
        match field {
            Field::Value { scope, paths } => {
                let conditions =
                    if exists { vec![None] } else { self.values_pass(test).into_iter().map(Some).collect() };
                let at = |path: &String| {
                    let path = Some(value_column(run_value::Column::Path).eq(path.as_str()));
                    conditions
                        .iter()
                        .map(move |condition| self.range(*scope, path.clone(), condition.clone()))
                };
                Some(paths.iter().flat_map(at).collect())
            }
            Field::Tag => {
                let condition = self.cell_passes(&tag(), test);
                (exists || condition.is_some()).then(|| vec![self.range(ValueScope::Tag, condition, None)])
            }
            Field::Key(key) => {
                let path = value_column(run_value::Column::Path).eq(key.as_str());
                exists.then(|| vec![self.range(ValueScope::Key, Some(path), None)])
            }
            Field::Column(column) => {
                let condition = self.indexed(*column, test)?;
                let mut range = self.runs(lifecycle, Some(self.sort_column(*column)));
                range.ids.and_where(condition);
                Some(vec![range])
            }
            Field::Unknown => None,
        }
    }

    /// The project's runs, in the order of a column or by age.
    fn runs(self, lifecycle: Lifecycle, column: Option<Cell>) -> Range {
        let id = run_column(run::Column::Id);
        let ids = Query::select()
            .expr_as(id.clone(), run_value::Column::RunId)
            .from(run::Entity)
            .and_where(run_column(run::Column::ProjectId).eq(self.project.id))
            .and_where(run_column(run::Column::Lifecycle).eq(lifecycle))
            .take();
        Range { ids, order: column.map(|cell| cell.ordered(self.backend)).into_iter().chain([id]).collect() }
    }

    fn range(self, scope: ValueScope, path: Option<Expr>, condition: Option<Expr>) -> Range {
        use run_value::Column::{Bool, Num, Path, ProjectId, RunId, Text};
        let mut ids = rows_at(scope, path, condition);
        ids.and_where(value_column(ProjectId).eq(self.project.id));
        Range { ids, order: [Path, Num, Text, Bool, RunId].into_iter().map(value_column).collect() }
    }

    /// A condition that an index on the runs answers, no narrower than `test`.
    fn indexed(self, column: Column, test: &Test) -> Option<Expr> {
        if !column.is_indexed() {
            return None;
        }
        let cell = self.sort_column(column);
        let condition = match (cell.kind, test) {
            (Kind::Text, Test::OneOf(operands)) => {
                let begins = |operand: &Scalar| match operand {
                    Scalar::Text(operand) => Some(index::cut(operand)),
                    _ => None,
                };
                cell.ordered(self.backend).is_in(operands.iter().filter_map(begins))
            }
            (Kind::Integer, Test::OneOf(_) | Test::Compare(..)) => self.cell_passes(&cell, test)?,
            _ => return None,
        };
        // The index has only the runs that have a value.
        let present = cell.nullable.then(|| self.column(column).expr.is_not_null());
        present.into_iter().chain([condition]).reduce(Expr::and)
    }
}

/// The conditions that must all hold, the equalities first: they leave the fewest.
fn conjuncts(filter: &Filter) -> Vec<&Filter> {
    let mut found = Vec::new();
    flatten(filter, &mut found);
    found.sort_by_key(|part| matches!(part, Filter::Test { test: Test::Compare(..) | Test::Exists, .. }));
    found
}

fn flatten<'a>(filter: &'a Filter, found: &mut Vec<&'a Filter>) {
    match filter {
        Filter::All(parts) => parts.iter().for_each(|part| flatten(part, found)),
        Filter::Any(parts) if parts.len() == 1 => flatten(&parts[0], found),
        Filter::Any(_) | Filter::Not(_) | Filter::Test { .. } => found.push(filter),
    }
}
