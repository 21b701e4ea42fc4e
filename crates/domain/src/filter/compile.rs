//! The tree to SQL, the same for both databases but for what `dialect` says.
//!
//! Every condition is true or false, never NULL, so that `NOT` means what a filter means by it.

use sea_orm::sea_query::{Expr, ExprTrait as _, Func, IntoIden, Query, SelectStatement};
use sea_orm::{Condition, DbBackend, Value};

use super::ast::{Comparison, Filter, Scalar, Test};
use super::field::{Column, Field, Kind};
use super::parse::RunFilter;
use crate::db::dialect;
use crate::entity::{entity, run, run_value, user};
use crate::project::Project;
use crate::run::{Lifecycle, ValueScope};

/// Writes conditions and sort keys on the `run` table of one project.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compiler<'a> {
    pub(super) project: &'a Project,
    pub(super) backend: DbBackend,
    few: bool,
    id: Option<&'a Expr>,
}

/// A typed expression.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(crate) expr: Expr,
    pub(crate) kind: Kind,
    pub(crate) nullable: bool,
}

impl Cell {
    /// As it is compared and sorted: strings go by their bytes.
    pub(crate) fn ordered(&self, backend: DbBackend) -> Expr {
        match self.kind {
            Kind::Text => dialect::bytewise(backend, self.expr.clone()),
            Kind::Number | Kind::Bool | Kind::Integer => self.expr.clone(),
        }
    }
}

impl<'a> Compiler<'a> {
    pub(crate) fn new(project: &'a Project, backend: DbBackend) -> Self {
        Self { project, backend, few: false, id: None }
    }

    /// For a statement that asks about runs it already has: each run's own values are read, not those of all runs, and
    /// no index leads anywhere else.
    pub(crate) fn for_few(self) -> Self {
        Self { few: true, ..self }
    }

    /// The run's id, where the statement knows it before it has the run.
    pub(crate) fn with_id(self, id: &'a Expr) -> Self {
        Self { id: Some(id), ..self }
    }

    /// The project whose runs are meant.
    pub(crate) fn project(self) -> &'a Project {
        self.project
    }

    /// The database that is written for.
    pub(crate) fn backend(self) -> DbBackend {
        self.backend
    }

    /// The runs of the project that `filter` means.
    pub(crate) fn condition(self, filter: &RunFilter) -> Condition {
        self.condition_in(filter, filter.lifecycle())
    }

    /// The runs of this lifecycle that `filter` would mean if they were listed.
    pub(crate) fn condition_in(self, filter: &RunFilter, lifecycle: Lifecycle) -> Condition {
        Condition::all()
            .add(run_column(run::Column::ProjectId).eq(self.project.id))
            .add(run_column(run::Column::Lifecycle).eq(lifecycle))
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
                let mut cell = self.column(*column);
                if self.few {
                    cell.expr = dialect::off_index(self.backend, cell.expr);
                }
                let present = if cell.nullable { cell.expr.clone().is_not_null() } else { constant(true) };
                let some = |condition: Option<Expr>| match condition {
                    Some(condition) => present.clone().and(condition),
                    None => present.clone(),
                };
                passes(test, self.cell_passes(&cell, test), None, some)
            }
            Field::Value { scope, paths } => {
                let not_null = value_cells(run_value::Entity).into_iter().map(|cell| cell.expr.is_not_null());
                let path = is_one_of(value_column(run_value::Column::Path), paths);
                let matching = self.values_pass(test).into_iter().reduce(Expr::or);
                passes(test, matching, not_null.reduce(Expr::or), |condition| {
                    self.some_row(*scope, Some(path.clone()), condition)
                })
            }
            Field::Tag => passes(test, self.cell_passes(&tag(), test), None, |condition| {
                self.some_row(ValueScope::Tag, None, condition)
            }),
            Field::Key(key) => passes(test, None, None, |condition| {
                let path = value_column(run_value::Column::Path).eq(key.as_str());
                self.some_row(ValueScope::Key, Some(path), condition)
            }),
            Field::Unknown => passes(test, None, None, |_| constant(false)),
        }
    }

    /// What a row of the index passes by, for each type that can. A value has one type, so the others are null; saying
    /// so lets the index find it.
    pub(super) fn values_pass(self, test: &Test) -> Vec<Expr> {
        let cells = value_cells(run_value::Entity);
        let passes = |(position, cell): (usize, &Cell)| {
            let condition = self.cell_passes(cell, test)?;
            cells[..position]
                .iter()
                .map(|other| other.expr.clone().is_null())
                .chain([condition])
                .reduce(Expr::and)
        };
        cells.iter().enumerate().filter_map(passes).collect()
    }

    /// None where no value of this type can pass.
    pub(super) fn cell_passes(self, cell: &Cell, test: &Test) -> Option<Expr> {
        cell_passes(self.backend, cell, test)
    }

    /// The run has a row in its index.
    fn some_row(self, scope: ValueScope, path: Option<Expr>, condition: Option<Expr>) -> Expr {
        let mut rows = rows_at(scope, path, condition);
        let run_id = value_column(run_value::Column::RunId);
        let id = self.id.cloned().unwrap_or_else(|| run_column(run::Column::Id));
        if self.few {
            return dialect::has_one(self.backend, rows.and_where(run_id.eq(id)).take());
        }
        rows.and_where(value_column(run_value::Column::ProjectId).eq(self.project.id));
        dialect::is_among(self.backend, id, run_id, rows)
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

    /// A property of the run as runs are sorted by it. Long strings are cut, as in the index of values.
    pub(crate) fn sort_column(self, column: Column) -> Cell {
        let mut cell = self.column(column);
        if column.is_long() {
            cell.expr = dialect::cut(cell.expr);
        }
        cell
    }
}

/// None where no value of this type can pass.
pub(super) fn cell_passes(backend: DbBackend, cell: &Cell, test: &Test) -> Option<Expr> {
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
            let expr = cell.ordered(backend);
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
            Some(dialect::matches(backend, expr, pattern.rust(), pattern.postgres()))
        }
        Test::Matches(_) | Test::Exists => None,
    }
}

/// `some` says that there is a value, and that it satisfies the condition; `matching` is that condition, none where no
/// value can; `not_null` is true of a value that is not null, where there are nulls that count as values.
pub(super) fn passes(
    test: &Test,
    matching: Option<Expr>,
    not_null: Option<Expr>,
    some: impl Fn(Option<Expr>) -> Expr,
) -> Expr {
    if *test == Test::Exists {
        return some(None);
    }
    let matching = matching.map(|condition| some(Some(condition)));
    let is_null = match test {
        Test::OneOf(operands) if operands.contains(&Scalar::Null) => Some(some(not_null).not()),
        _ => None,
    };
    matching.into_iter().chain(is_null).reduce(Expr::or).unwrap_or_else(|| constant(false))
}

/// Rows of the index, of any project.
pub(super) fn rows_at(scope: ValueScope, path: Option<Expr>, condition: Option<Expr>) -> SelectStatement {
    Query::select()
        .column((run_value::Entity, run_value::Column::RunId))
        .from(run_value::Entity)
        .and_where(value_column(run_value::Column::Scope).eq(scope))
        .and_where_option(path)
        .and_where_option(condition)
        .take()
}

/// The tag of a row of the index.
pub(super) fn tag() -> Cell {
    Cell { expr: value_column(run_value::Column::Path), kind: Kind::Text, nullable: false }
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

pub(super) fn run_column(column: run::Column) -> Expr {
    Expr::col((run::Entity, column))
}

pub(super) fn value_column(column: run_value::Column) -> Expr {
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

pub(super) fn constant(truth: bool) -> Expr {
    Expr::cust(if truth { "TRUE" } else { "FALSE" })
}
