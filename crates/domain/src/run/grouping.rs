//! How runs are put into groups: what they are grouped by, what is aggregated, in which order groups come. Pure.

use serde_json::{Value, json};

use super::ValueScope;
use crate::error::{Error, Result};
use crate::filter::{Column, Field, Kind, RunFilter};

const MOST_KEYS: usize = 8;
const MOST_AGGREGATIONS: usize = 16;
const MOST_TERMS: usize = 8;

/// How to group runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grouping {
    pub(super) keys: Vec<GroupKey>,
    pub(super) measures: Vec<GroupKey>,
    pub(super) terms: Vec<GroupTerm>,
    /// Only values that are there, and strings only if they start like this.
    pub(super) present: Option<String>,
    source: String,
}

/// A field, and how the caller spells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GroupKey {
    pub(super) path: String,
    pub(super) field: Field,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GroupTerm {
    pub(super) by: GroupOrder,
    pub(super) descending: bool,
}

/// What groups are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GroupOrder {
    /// How many runs they have.
    RunCount,
    /// The value of a key.
    Key(usize),
    /// An aggregate of a measure.
    Aggregate(usize, Function),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Count,
    Min,
    Max,
    Sum,
    Mean,
}

/// What the runs of a group have in common.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupValue {
    /// No value, or null.
    Missing,
    /// A number.
    Number(f64),
    /// A string, cut to 256 characters.
    Text(String),
    /// A truth value.
    Bool(bool),
    /// Any object or list.
    Container,
}

/// Runs that agree on every key.
#[derive(Clone, Debug, PartialEq)]
pub struct RunGroup {
    /// A value for each key.
    pub values: Vec<GroupValue>,
    /// How many runs.
    pub run_count: i64,
    /// One for each aggregation.
    pub aggregates: Vec<Aggregate>,
}

/// What the numbers of a group's runs come to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Aggregate {
    /// Runs that have a number there.
    pub count: i64,
    /// The lowest.
    pub min: Option<f64>,
    /// The highest.
    pub max: Option<f64>,
    /// All together; none where a number is too large to be added, beyond 1e300.
    pub sum: Option<f64>,
}

impl Aggregate {
    /// The sum divided by the count.
    #[expect(clippy::cast_precision_loss, reason = "no project has 2^53 runs")]
    pub fn mean(&self) -> Option<f64> {
        self.sum.map(|sum| sum / self.count as f64)
    }
}

impl Grouping {
    /// Groups by field paths, as filters spell them; `tags` puts a run into a group for each of its tags. Aggregates
    /// the numbers at other paths. `order` is a list such as `-count,+config.lr,-mean(summary_metrics.loss)`; groups
    /// that are equal in it, or all of them without one, come by their keys.
    pub fn parse(keys: &[String], aggregations: &[String], order: &str) -> Result<Self> {
        if keys.len() > MOST_KEYS || aggregations.len() > MOST_AGGREGATIONS {
            let most = format!("at most {MOST_KEYS} keys and {MOST_AGGREGATIONS} aggregations");
            return Err(Error::invalid("TOO_MANY", "groupBy", most));
        }
        let keys = keys.iter().map(|path| key(path)).collect::<Result<Vec<_>>>()?;
        if let Some(twice) =
            (1..keys.len()).find(|end| keys[..*end].iter().any(|key| key.path == keys[*end].path))
        {
            return Err(key_invalid(&keys[twice].path, "is there twice"));
        }
        let measures = aggregations.iter().map(|path| measure(path)).collect::<Result<Vec<_>>>()?;
        let terms = match order.trim() {
            "" => Vec::new(),
            order => order.split(',').map(|text| term(text, &keys, &measures)).collect::<Result<_>>()?,
        };
        if terms.len() > MOST_TERMS {
            return Err(order_invalid(format!("at most {MOST_TERMS} terms")));
        }
        Ok(Self::new(keys, measures, terms, order, None))
    }

    /// The values of one field, those of most runs first; missing ones are left out. With a prefix, strings that start
    /// with it.
    pub fn values_of(path: &str, prefix: &str) -> Result<Self> {
        let terms = vec![GroupTerm { by: GroupOrder::RunCount, descending: true }];
        Ok(Self::new(vec![key(path)?], Vec::new(), terms, prefix, Some(prefix.to_owned())))
    }

    fn new(
        keys: Vec<GroupKey>,
        measures: Vec<GroupKey>,
        terms: Vec<GroupTerm>,
        order: &str,
        present: Option<String>,
    ) -> Self {
        let paths = |fields: &[GroupKey]| fields.iter().map(|key| key.path.clone()).collect::<Vec<_>>();
        let source = json!([paths(&keys), paths(&measures), order, present.is_some()]).to_string();
        Self { keys, measures, terms, present, source }
    }

    /// What it groups by, as the caller spells it.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.path.as_str())
    }

    /// What it aggregates, as the caller spells it.
    pub fn aggregations(&self) -> impl Iterator<Item = &str> {
        self.measures.iter().map(|measure| measure.path.as_str())
    }

    /// What tells it from another one.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// The filter that means exactly the runs of a group, out of those that `filter` means.
    pub fn filter_of(&self, filter: &RunFilter, group: &RunGroup) -> String {
        let outer: Option<Value> = serde_json::from_str(filter.source()).ok().filter(Value::is_object);
        let own = self.keys.iter().zip(&group.values).flat_map(|(key, value)| key.conditions(value));
        json!({ "$and": outer.into_iter().chain(own).collect::<Vec<_>>() }).to_string()
    }
}

impl GroupKey {
    /// What is true of runs with this value.
    fn conditions(&self, value: &GroupValue) -> Vec<Value> {
        let path = self.spelled();
        let at = |condition: Value| json!({ path.as_str(): condition });
        match value {
            GroupValue::Missing => vec![at(Value::Null)],
            GroupValue::Number(number) => vec![at((*number).into())],
            GroupValue::Text(text) => vec![at(text.as_str().into())],
            GroupValue::Bool(_) if matches!(self.field, Field::Key(_)) => {
                vec![at(json!({ "$exists": true }))]
            }
            GroupValue::Bool(bool) => vec![at((*bool).into())],
            // There, and nothing else.
            GroupValue::Container => [
                json!({ "$ne": null }),
                json!({ "$not": {"$gte": f64::MIN} }),
                json!({ "$not": {"$regex": ""} }),
                json!({ "$nin": [true, false] }),
            ]
            .map(at)
            .into(),
        }
    }

    /// The path without the envelope of a config entry, wherever a filter then means the same.
    fn spelled(&self) -> String {
        if let Field::Value { scope: ValueScope::Config, paths } = &self.field {
            let plain = format!("config.{}", paths[0]);
            if matches!(Field::parse(&plain), Field::Value { paths, .. } if paths.len() == 1) {
                return plain;
            }
        }
        self.path.clone()
    }
}

/// What can be grouped by. Where a path may or may not have an envelope in it, it has.
fn key(path: &str) -> Result<GroupKey> {
    let field = match Field::parse(path) {
        Field::Column(column) if column.kind() == Kind::Integer => {
            return Err(key_invalid(path, "is a time; runs are grouped by words, numbers and truth values"));
        }
        Field::Value { scope, mut paths } => {
            paths.truncate(1);
            Field::Value { scope, paths }
        }
        field => field,
    };
    Ok(GroupKey { path: path.to_owned(), field })
}

fn measure(path: &str) -> Result<GroupKey> {
    let measure = match Field::parse(path) {
        field @ Field::Column(Column::Duration) => GroupKey { path: path.to_owned(), field },
        Field::Value { .. } | Field::Unknown => key(path)?,
        _ => {
            let reason =
                format!("{path} has no numbers; aggregate a config or summary value, or the duration");
            return Err(Error::invalid("AGGREGATION_INVALID", "aggregations", reason));
        }
    };
    Ok(measure)
}

fn term(text: &str, keys: &[GroupKey], measures: &[GroupKey]) -> Result<GroupTerm> {
    let text = text.trim();
    let descending = text.starts_with('-');
    let what = text.strip_prefix(['+', '-']).unwrap_or(text);
    let position = |of: &[GroupKey], path: &str| of.iter().position(|key| key.path == path);
    let aggregate = || {
        let (function, path) = what.strip_suffix(')')?.split_once('(')?;
        Some(GroupOrder::Aggregate(position(measures, path)?, Function::parse(function)?))
    };
    let by = position(keys, what).map(GroupOrder::Key);
    let by = by.or_else(|| (what == "count").then_some(GroupOrder::RunCount)).or_else(aggregate);
    let by = by.ok_or_else(|| {
        order_invalid(format!(
            "{what} is neither count, nor a key, nor like mean(path) of an aggregated path"
        ))
    })?;
    Ok(GroupTerm { by, descending })
}

impl Function {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "count" => Self::Count,
            "min" => Self::Min,
            "max" => Self::Max,
            "sum" => Self::Sum,
            "mean" => Self::Mean,
            _ => return None,
        })
    }
}

fn key_invalid(path: &str, reason: &str) -> Error {
    Error::invalid("GROUP_BY_INVALID", "groupBy", format!("{path} {reason}"))
}

fn order_invalid(reason: impl Into<String>) -> Error {
    Error::invalid("ORDER_INVALID", "order", reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(keys: &[&str], aggregations: &[&str], order: &str) -> Result<Grouping> {
        let texts = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
        Grouping::parse(&texts(keys), &texts(aggregations), order)
    }

    #[test]
    fn an_order_names_the_count_the_keys_and_the_aggregates() {
        let grouping = parse(
            &["group", "config.lr"],
            &["summary_metrics.f(x)"],
            "-count, config.lr,+mean(summary_metrics.f(x))",
        );
        let by: Vec<_> = grouping.unwrap().terms.iter().map(|term| (term.by, term.descending)).collect();
        let mean = GroupOrder::Aggregate(0, Function::Mean);
        assert_eq!(by, [(GroupOrder::RunCount, true), (GroupOrder::Key(1), false), (mean, false)]);
    }

    #[test]
    fn what_cannot_be_grouped_aggregated_or_sorted_is_refused() {
        for (keys, aggregations, order, code) in [
            (&["created_at"][..], &[][..], "", "GROUP_BY_INVALID"),
            (&["tags", "tags"], &[], "", "GROUP_BY_INVALID"),
            (&["state"], &["state"], "", "AGGREGATION_INVALID"),
            (&["state"], &["created_at"], "", "AGGREGATION_INVALID"),
            (&["state"], &[], "group", "ORDER_INVALID"),
            (&["state"], &["duration"], "median(duration)", "ORDER_INVALID"),
            (&["state"], &["duration"], "mean(config.lr)", "ORDER_INVALID"),
            (&["state"], &[], ",", "ORDER_INVALID"),
            (&["state"], &[], "count,count,count,count,count,count,count,count,count", "ORDER_INVALID"),
            (&["a", "b", "c", "d", "e", "f", "g", "h", "i"], &[], "", "TOO_MANY"),
            (&[], &["duration"; 17], "", "TOO_MANY"),
        ] {
            assert_eq!(parse(keys, aggregations, order).unwrap_err().code(), code, "{keys:?} {order}");
        }
    }

    #[test]
    fn a_group_has_a_filter_of_its_own() {
        let grouping = parse(&["config.a.value.b", "tags"], &[], "").unwrap();
        let values = vec![GroupValue::Number(0.5), GroupValue::Missing];
        let group = RunGroup { values, run_count: 1, aggregates: Vec::new() };
        let filter = RunFilter::parse(r#"{"state":"running"}"#).unwrap();
        let expected = json!({ "$and": [{"state": "running"}, {"config.a.b": 0.5}, {"tags": null}] });
        assert_eq!(grouping.filter_of(&filter, &group), expected.to_string());
    }
}
