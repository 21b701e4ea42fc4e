//! The tree to SQL, the same for both databases but for what `dialect` says.
//!
//! Every condition is true or false, never NULL, so that `NOT` means what a filter means by it.

use sea_orm::sea_query::{Expr, ExprTrait as _, Func, IntoIden, Query};
use sea_orm::{Condition, DbBackend, Value};

use super::ast::{Comparison, Filter, Scalar, Test};
use super::field::{Column, Field, Kind};
use super::parse::RunFilter;
use crate::db::dialect;
use crate::entity::{entity, run, run_value, user};
use crate::project::Project;
use crate::run::ValueScope;

/// Writes conditions and sort keys on the `run` table of one project.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compiler<'a> {
    project: &'a Project,
    backend: DbBackend,
}

/// A typed expression.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(crate) expr: Expr,
    pub(crate) kind: Kind,
    pub(crate) nullable: bool,
}

impl<'a> Compiler<'a> {
    pub(crate) fn new(project: &'a Project, backend: DbBackend) -> Self {
        Self { project, backend }
    }

    /// The runs of the project that `filter` means.
    pub(crate) fn condition(self, filter: &RunFilter) -> Condition {
        Condition::all()
            .add(run_column(run::Column::ProjectId).eq(self.project.id))
            .add(run_column(run::Column::Lifecycle).eq(filter.lifecycle()))
            .add(self.tree(filter.tree()))
    }

    fn tree(self, filter: &Filter) -> Expr {
        match filter {
            Filter::All(parts) => {
                parts.iter().map(|part| self.tree(part)).reduce(Expr::and).unwrap_or_else(|| constant(true))
            }
            Filter::Any(parts) => {
                parts.iter().map(|part| self.tree(part)).reduce(Expr::or).unwrap_or_else(|| constant(false))
            }
            Filter::Not(inner) => self.tree(inner).not(),
            Filter::Test { field, test } => self.test(field, test),
        }
    }

    fn test(self, field: &Field, test: &Test) -> Expr {
        match field {
            Field::Column(column) => {
                let cell = self.column(*column);
                let present = if cell.nullable { cell.expr.clone().is_not_null() } else { constant(true) };
                let some = |condition: Option<Expr>| match condition {
                    Some(condition) => present.clone().and(condition),
                    None => present.clone(),
                };
                self.passes(test, &[cell], None, some)
            }
            Field::Value { scope, paths } => {
                let cells = value_cells(run_value::Entity);
                let not_null = cells.iter().map(|cell| cell.expr.clone().is_not_null()).reduce(Expr::or);
                let path = is_one_of(value_column(run_value::Column::Path), paths);
                self.passes(test, &cells, not_null, |condition| {
                    self.some_row(*scope, Some(path.clone()), condition)
                })
            }
            Field::Tag => {
                let tag =
                    Cell { expr: value_column(run_value::Column::Path), kind: Kind::Text, nullable: false };
                self.passes(test, &[tag], None, |condition| self.some_row(ValueScope::Tag, None, condition))
            }
            Field::Key(key) => self.passes(test, &[], None, |condition| {
                let path = value_column(run_value::Column::Path).eq(key.as_str());
                self.some_row(ValueScope::Key, Some(path), condition)
            }),
            Field::Unknown => self.passes(test, &[], None, |_| constant(false)),
        }
    }

    /// `some` says that there is a value, and that it satisfies the condition; `not_null` is true of a value that is
    /// not null, where there are nulls that count as values.
    fn passes(
        self,
        test: &Test,
        cells: &[Cell],
        not_null: Option<Expr>,
        some: impl Fn(Option<Expr>) -> Expr,
    ) -> Expr {
        if *test == Test::Exists {
            return some(None);
        }
        let matching = cells.iter().filter_map(|cell| self.cell_passes(cell, test)).reduce(Expr::or);
        let matching = matching.map(|condition| some(Some(condition)));
        let is_null = match test {
            Test::OneOf(operands) if operands.contains(&Scalar::Null) => Some(some(not_null).not()),
            _ => None,
        };
        matching.into_iter().chain(is_null).reduce(Expr::or).unwrap_or_else(|| constant(false))
    }

    /// None where no value of this type can pass.
    fn cell_passes(self, cell: &Cell, test: &Test) -> Option<Expr> {
        let expr = cell.expr.clone();
        match test {
            Test::OneOf(operands) => {
                let mut values: Vec<Value> =
                    operands.iter().filter_map(|operand| bind(cell.kind, operand)).collect();
                match values.len() {
                    0 => None,
                    1 => values.pop().map(|value| expr.eq(value)),
                    _ => Some(expr.is_in(values)),
                }
            }
            Test::Compare(comparison, operand) => {
                let value = bind(cell.kind, operand)?;
                let expr = if cell.kind == Kind::Text { dialect::bytewise(self.backend, expr) } else { expr };
                Some(match comparison {
                    // Objects and lists lie below the lowest number.
                    Comparison::Less if cell.kind == Kind::Number => {
                        expr.clone().gte(f64::MIN).and(expr.lt(value))
                    }
                    Comparison::LessOrEqual if cell.kind == Kind::Number => {
                        expr.clone().gte(f64::MIN).and(expr.lte(value))
                    }
                    Comparison::Less => expr.lt(value),
                    Comparison::LessOrEqual => expr.lte(value),
                    Comparison::Greater => expr.gt(value),
                    Comparison::GreaterOrEqual => expr.gte(value),
                })
            }
            Test::Matches(pattern) if cell.kind == Kind::Text => {
                Some(dialect::matches(self.backend, expr, pattern.rust(), pattern.postgres()))
            }
            Test::Matches(_) | Test::Exists => None,
        }
    }

    /// The run has a row in its index.
    fn some_row(self, scope: ValueScope, path: Option<Expr>, condition: Option<Expr>) -> Expr {
        let mut rows = Query::select();
        rows.column((run_value::Entity, run_value::Column::RunId))
            .from(run_value::Entity)
            .and_where(value_column(run_value::Column::ProjectId).eq(self.project.id))
            .and_where(value_column(run_value::Column::Scope).eq(scope))
            .and_where_option(path)
            .and_where_option(condition);
        dialect::is_among(
            self.backend,
            run_column(run::Column::Id),
            value_column(run_value::Column::RunId),
            rows,
        )
    }

    /// A property of the run.
    pub(crate) fn column(self, column: Column) -> Cell {
        use run::Column as C;
        let (expr, nullable) = match column {
            Column::Name => (run_column(C::Name), false),
            Column::DisplayName => (run_column(C::DisplayName), false),
            Column::State => (run_column(C::State), false),
            Column::Group => (run_column(C::GroupName), true),
            Column::JobType => (run_column(C::JobType), true),
            Column::Sweep => (run_column(C::SweepName), true),
            Column::Host => (run_column(C::Host), true),
            Column::Commit => (run_column(C::CommitHash), true),
            Column::Notes => (run_column(C::Notes), true),
            Column::Description => (run_column(C::Description), true),
            Column::Username => (username(), false),
            Column::Entity => (Expr::val(self.project.entity_name.as_str()), false),
            Column::Project => (Expr::val(self.project.name.as_str()), false),
            Column::CreatedAt => (run_column(C::CreatedAt), false),
            Column::UpdatedAt => (run_column(C::UpdatedAt), false),
            Column::HeartbeatAt => (run_column(C::HeartbeatAt), false),
            Column::Duration => {
                let end = Func::coalesce([run_column(C::FinishedAt), run_column(C::HeartbeatAt)]);
                (Expr::from(end).sub(run_column(C::CreatedAt)), false)
            }
        };
        Cell { expr, kind: column.kind(), nullable }
    }
}

/// The three typed columns of the index, under the name that it has in the statement.
pub(crate) fn value_cells(table: impl IntoIden) -> [Cell; 3] {
    let table = table.into_iden();
    let cell = |column, kind| Cell { expr: Expr::col((table.clone(), column)), kind, nullable: true };
    [
        cell(run_value::Column::Num, Kind::Number),
        cell(run_value::Column::Text, Kind::Text),
        cell(run_value::Column::Bool, Kind::Bool),
    ]
}

fn is_one_of(column: Expr, paths: &[String]) -> Expr {
    match paths {
        [only] => column.eq(only.as_str()),
        paths => column.is_in(paths.iter().map(String::as_str)),
    }
}

fn run_column(column: run::Column) -> Expr {
    Expr::col((run::Entity, column))
}

fn value_column(column: run_value::Column) -> Expr {
    Expr::col((run_value::Entity, column))
}

fn username() -> Expr {
    let mut name = Query::select();
    name.column((entity::Entity, entity::Column::Name))
        .from(user::Entity)
        .inner_join(
            entity::Entity,
            Expr::col((entity::Entity, entity::Column::Id)).equals((user::Entity, user::Column::EntityId)),
        )
        .and_where(Expr::col((user::Entity, user::Column::Id)).eq(run_column(run::Column::UserId)));
    Expr::SubQuery(None, Box::new(name.into()))
}

fn bind(kind: Kind, operand: &Scalar) -> Option<Value> {
    match (kind, operand) {
        (Kind::Number, Scalar::Number(number)) => Some((*number).into()),
        (Kind::Text, Scalar::Text(text)) => Some(text.as_str().into()),
        (Kind::Bool, Scalar::Bool(bool)) => Some((*bool).into()),
        (Kind::Integer, Scalar::Micros(micros)) => Some((*micros).into()),
        _ => None,
    }
}

fn constant(truth: bool) -> Expr {
    Expr::cust(if truth { "TRUE" } else { "FALSE" })
}
