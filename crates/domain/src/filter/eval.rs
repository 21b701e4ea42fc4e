//! What a filter means, said once more on a plain document: the oracle of the tests.
//!
//! The document has the client's names in `snake_case` (`name`, `config`, `summary_metrics`, `tags`, …); moments and
//! durations are microseconds, `keys` lists the logged keys.

use serde_json::Value;

use super::ast::{Comparison, Filter, Scalar, Test};
use super::field::{Column, Field, Kind};
use super::index;
use crate::run::ValueScope;

/// A value of a run: a scalar, or an object or a list.
enum Found {
    Scalar(Scalar),
    Container,
}

pub(super) fn eval(filter: &Filter, document: &Value) -> bool {
    match filter {
        Filter::All(parts) => parts.iter().all(|part| eval(part, document)),
        Filter::Any(parts) => parts.iter().any(|part| eval(part, document)),
        Filter::Not(inner) => !eval(inner, document),
        Filter::Test { field, test } => passes(test, &values(field, document)),
    }
}

/// The scalars of a field, nulls left out.
pub(super) fn scalars(field: &Field, document: &Value) -> Vec<Scalar> {
    let scalar = |found| match found {
        Found::Scalar(scalar) if scalar != Scalar::Null => Some(scalar),
        _ => None,
    };
    values(field, document).into_iter().filter_map(scalar).collect()
}

fn passes(test: &Test, values: &[Found]) -> bool {
    let mut scalars = values.iter().filter_map(|value| match value {
        Found::Scalar(scalar) if *scalar != Scalar::Null => Some(scalar),
        _ => None,
    });
    match test {
        Test::Exists => !values.is_empty(),
        Test::OneOf(operands) => {
            let is_null = values.iter().all(|value| matches!(value, Found::Scalar(Scalar::Null)));
            (is_null && operands.contains(&Scalar::Null)) || scalars.any(|scalar| operands.contains(scalar))
        }
        Test::Compare(comparison, operand) => scalars.any(|scalar| compares(scalar, *comparison, operand)),
        Test::Matches(pattern) => {
            let pattern = regex::Regex::new(pattern.rust()).unwrap();
            scalars.any(|scalar| matches!(scalar, Scalar::Text(found) if pattern.is_match(found)))
        }
    }
}

fn compares(value: &Scalar, comparison: Comparison, operand: &Scalar) -> bool {
    let ordering = match (value, operand) {
        (Scalar::Bool(a), Scalar::Bool(b)) => Some(a.cmp(b)),
        (Scalar::Number(a), Scalar::Number(b)) => a.partial_cmp(b),
        (Scalar::Text(a), Scalar::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        (Scalar::Micros(a), Scalar::Micros(b)) => Some(a.cmp(b)),
        _ => None,
    };
    ordering.is_some_and(|ordering| match comparison {
        Comparison::Less => ordering.is_lt(),
        Comparison::LessOrEqual => ordering.is_le(),
        Comparison::Greater => ordering.is_gt(),
        Comparison::GreaterOrEqual => ordering.is_ge(),
    })
}

fn values(field: &Field, document: &Value) -> Vec<Found> {
    match field {
        Field::Column(column) => match &document[column_name(*column)] {
            Value::Null => Vec::new(),
            Value::Number(micros) if column.kind() == Kind::Integer => {
                vec![Found::Scalar(Scalar::Micros(micros.as_i64().unwrap()))]
            }
            value => vec![found(value)],
        },
        Field::Value { scope, paths } => {
            let entries: Vec<(&str, &Value)> = match scope {
                ValueScope::Config => index::config_entries(&document["config"]).collect(),
                ValueScope::Summary => index::entries(&document["summary_metrics"]).collect(),
                _ => index::entries(&document["system_metrics"]).collect(),
            };
            let at = |path: &String| shallowest(&entries, path).map(|(_, value)| indexed(value));
            paths.iter().filter_map(at).collect()
        }
        Field::Tag => document["tags"].as_array().into_iter().flatten().map(found).collect(),
        Field::Key(key) => {
            let keys = document["keys"].as_array().into_iter().flatten();
            keys.filter(|logged| *logged == key).map(|_| Found::Container).collect()
        }
        Field::Unknown => Vec::new(),
    }
}

/// The value at a dotted path, found by the fewest keys; keys may have dots of their own.
fn shallowest<'a>(entries: &[(&str, &'a Value)], path: &str) -> Option<(usize, &'a Value)> {
    let mut best: Option<(usize, &Value)> = None;
    for (key, value) in entries {
        let here = if *key == path {
            Some((1, *value))
        } else {
            path.strip_prefix(key).and_then(|rest| rest.strip_prefix('.')).and_then(|rest| {
                let (depth, found) = match value {
                    Value::Array(list) => {
                        let positions: Vec<String> =
                            (0..list.len()).map(|position| position.to_string()).collect();
                        let entries: Vec<_> = positions.iter().map(String::as_str).zip(list).collect();
                        shallowest(&entries, rest)?
                    }
                    value => shallowest(&index::entries(value).collect::<Vec<_>>(), rest)?,
                };
                Some((depth + 1, found))
            })
        };
        if let Some((depth, _)) = here
            && best.is_none_or(|(least, _)| depth < least)
        {
            best = here;
        }
    }
    best
}

/// A value as the index has it.
fn indexed(value: &Value) -> Found {
    match found(value) {
        Found::Scalar(Scalar::Text(text)) => Found::Scalar(Scalar::Text(index::cut(&text))),
        found => found,
    }
}

fn found(value: &Value) -> Found {
    Found::Scalar(match value {
        Value::Null => Scalar::Null,
        Value::Bool(bool) => Scalar::Bool(*bool),
        Value::Number(number) => Scalar::Number(number.as_f64().unwrap()),
        Value::String(text) => Scalar::Text(text.clone()),
        Value::Array(_) | Value::Object(_) => return Found::Container,
    })
}

fn column_name(column: Column) -> &'static str {
    match column {
        Column::Name => "name",
        Column::DisplayName => "display_name",
        Column::State => "state",
        Column::Group => "group",
        Column::JobType => "job_type",
        Column::Sweep => "sweep",
        Column::Host => "host",
        Column::Commit => "commit",
        Column::Notes => "notes",
        Column::Description => "description",
        Column::Username => "username",
        Column::Entity => "entity",
        Column::Project => "project",
        Column::CreatedAt => "created_at",
        Column::UpdatedAt => "updated_at",
        Column::HeartbeatAt => "heartbeat_at",
        Column::Duration => "duration",
    }
}
