//! The client's Mongo-like JSON to a tree. Pure.

use std::marker::PhantomData;

use serde_json::{Map, Value};

use super::ast::{Comparison, Filter, Scalar, Test};
use super::field::{Column, Field, Kind};
use super::index;
use super::pattern::Pattern;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::run::Lifecycle;

const DEEPEST: usize = 16;
const MOST_NODES: usize = 256;
const LONGEST_LIST: usize = 1000;
/// Every operand is bound to a statement, and a statement has a limit (32 766 on `SQLite`).
const MOST_OPERANDS: usize = 10_000;

/// Which runs of a project.
#[derive(Clone, Debug, PartialEq)]
pub struct RunFilter {
    source: String,
    tree: Filter,
    lifecycle: Lifecycle,
}

impl RunFilter {
    /// Reads a filter; nothing and `{}` mean all live runs.
    pub fn parse(text: &str) -> Result<Self> {
        let source = if text.trim().is_empty() { "{}" } else { text };
        let document = serde_json::from_str(source).map_err(|error| invalid("", error.to_string()))?;
        let mut parser = Parser::<Field>::default();
        let tree = parser.object(&document, "", 1, true)?;
        let lifecycle = if parser.archived == Some(true) { Lifecycle::Archived } else { Lifecycle::Live };
        Ok(Self { source: source.to_owned(), tree, lifecycle })
    }

    /// Live runs, or with `"archived": true` the archived ones.
    pub fn lifecycle(&self) -> Lifecycle {
        self.lifecycle
    }

    /// The same, only runs of this group, or only those without one.
    pub(crate) fn within_group(&self, group: Option<&str>) -> Self {
        let group = group.map_or(Scalar::Null, |group| Scalar::Text(group.to_owned()));
        self.and(Field::Column(Column::Group), Test::OneOf(vec![group]))
    }

    /// The same, only runs that have a number under this key of their summary.
    pub(crate) fn with_number(&self, key: &str) -> Self {
        let lowest = Scalar::Number(f64::MIN);
        self.and(Field::of_summary(key), Test::Compare(Comparison::GreaterOrEqual, lowest))
    }

    fn and(&self, field: Field, test: Test) -> Self {
        let tree = Filter::all(vec![self.tree.clone(), Filter::Test { field, test }]);
        Self { tree, ..self.clone() }
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    pub(super) fn tree(&self) -> &Filter {
        &self.tree
    }
}

/// What a filter can name, on one kind of record.
pub(crate) trait FilterField: Clone {
    /// Reads a path as the client spells it.
    fn parse(path: &str) -> Self;

    /// Reads a string in the form in which the field's own values are stored.
    fn text(&self, text: &str, at: &str) -> Result<Scalar>;

    /// The same for a number.
    fn number(&self, number: f64) -> Scalar {
        Scalar::Number(number)
    }

    /// Whether records of this kind are archived, so that a filter chooses between those and the others.
    const ARCHIVES: bool = false;
}

impl FilterField for Field {
    fn parse(path: &str) -> Self {
        Self::parse(path)
    }

    fn text(&self, text: &str, at: &str) -> Result<Scalar> {
        match self {
            Self::Column(Column::Duration) => Ok(Scalar::Text(text.to_owned())),
            Self::Column(column) if column.kind() == Kind::Integer => moment(text, at),
            Self::Value { .. } => Ok(Scalar::Text(index::cut(text))),
            _ => Ok(Scalar::Text(index::storable(text).into_owned())),
        }
    }

    fn number(&self, number: f64) -> Scalar {
        match self {
            Self::Column(Column::Duration) => Scalar::Micros(micros(number)),
            _ => Scalar::Number(number),
        }
    }

    const ARCHIVES: bool = true;
}

/// Reads a date and time.
pub(crate) fn moment(text: &str, at: &str) -> Result<Scalar> {
    let moment = Timestamp::parse(text).ok_or_else(|| {
        invalid(at, "not a date and time; write for example 2026-01-31 or 2026-01-31T12:00:00Z")
    })?;
    Ok(Scalar::Micros(moment.0))
}

/// Reads a filter on records that are never archived; nothing and `{}` mean all of them.
pub(super) fn parse_records<F: FilterField>(text: &str) -> Result<Filter<F>> {
    let source = if text.trim().is_empty() { "{}" } else { text };
    let document = serde_json::from_str(source).map_err(|error| invalid("", error.to_string()))?;
    Parser::default().object(&document, "", 1, true)
}

struct Parser<F> {
    nodes: usize,
    operands: usize,
    archived: Option<bool>,
    field: PhantomData<F>,
}

impl<F> Default for Parser<F> {
    fn default() -> Self {
        Self { nodes: 0, operands: 0, archived: None, field: PhantomData }
    }
}

impl<F: FilterField> Parser<F> {
    /// An object whose entries must all hold. `required` while only conjunctions lie above it.
    fn object(&mut self, value: &Value, at: &str, depth: usize, required: bool) -> Result<Filter<F>> {
        let entries = match value {
            Value::Object(entries) => entries,
            // The client's filter builder leaves null where a condition is switched off.
            Value::Null => return Ok(Filter::EVERYTHING),
            _ => return Err(invalid(at, "must be an object")),
        };
        check_depth(depth, at)?;
        let mut parts = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let at = pointer(at, key);
            match key.as_str() {
                "$and" => parts.push(Filter::All(self.list(value, &at, depth, required)?)),
                "$or" => parts.push(Filter::Any(self.list(value, &at, depth, false)?)),
                "$nor" => parts.push(Filter::Any(self.list(value, &at, depth, false)?).not()),
                "$not" => parts.push(self.object(value, &at, depth + 1, false)?.not()),
                "archived" if F::ARCHIVES => self.choose_lifecycle(value, &at, required)?,
                operator if operator.starts_with('$') => return Err(unknown_operator(&at, operator)),
                path => parts.push(self.condition(&F::parse(path), value, &at, depth)?),
            }
            self.count_node(&at)?;
        }
        Ok(Filter::all(parts))
    }

    fn list(&mut self, value: &Value, at: &str, depth: usize, required: bool) -> Result<Vec<Filter<F>>> {
        let items = as_list(value, at)?;
        let items = items.iter().enumerate();
        items.map(|(index, item)| self.object(item, &format!("{at}/{index}"), depth + 1, required)).collect()
    }

    fn choose_lifecycle(&mut self, value: &Value, at: &str, required: bool) -> Result<()> {
        if !required {
            return Err(invalid(at, "archived stands at the top, or in an $and at the top"));
        }
        let chosen = value.get("$eq").unwrap_or(value).as_bool();
        let chosen = chosen.ok_or_else(|| invalid(at, "archived is true or false"))?;
        if self.archived.replace(chosen).is_some_and(|earlier| earlier != chosen) {
            return Err(invalid(at, "archived is given twice"));
        }
        Ok(())
    }

    /// What stands at a field: operators, or a value to be equal to.
    fn condition(&mut self, field: &F, value: &Value, at: &str, depth: usize) -> Result<Filter<F>> {
        match value {
            Value::Object(operators) => self.operators(field, operators, at, depth + 1),
            value => {
                let operand = self.operand(field, value, at)?;
                Ok(test(field, Test::OneOf(vec![operand])))
            }
        }
    }

    fn operators(
        &mut self,
        field: &F,
        operators: &Map<String, Value>,
        at: &str,
        depth: usize,
    ) -> Result<Filter<F>> {
        check_depth(depth, at)?;
        if operators.is_empty() {
            return Err(invalid(at, "an operator is missing"));
        }
        let mut parts = Vec::with_capacity(operators.len());
        for (operator, value) in operators {
            let at = pointer(at, operator);
            parts.push(self.operator(field, operator, value, &at, depth)?);
            self.count_node(&at)?;
        }
        Ok(Filter::all(parts))
    }

    fn operator(
        &mut self,
        field: &F,
        operator: &str,
        value: &Value,
        at: &str,
        depth: usize,
    ) -> Result<Filter<F>> {
        let compare = |parser: &mut Self, comparison| {
            Ok(test(field, Test::Compare(comparison, parser.operand(field, value, at)?)))
        };
        match operator {
            "$eq" => Ok(test(field, Test::OneOf(vec![self.operand(field, value, at)?]))),
            "$ne" => Ok(test(field, Test::OneOf(vec![self.operand(field, value, at)?])).not()),
            "$in" => Ok(test(field, Test::OneOf(self.operands(field, value, at)?))),
            "$nin" => Ok(test(field, Test::OneOf(self.operands(field, value, at)?)).not()),
            "$all" => self.all_of(field, value, at),
            "$lt" => compare(self, Comparison::Less),
            "$lte" => compare(self, Comparison::LessOrEqual),
            "$gt" => compare(self, Comparison::Greater),
            "$gte" => compare(self, Comparison::GreaterOrEqual),
            "$exists" => match value.as_bool() {
                Some(true) => Ok(test(field, Test::Exists)),
                Some(false) => Ok(test(field, Test::Exists).not()),
                None => Err(invalid(at, "$exists takes true or false")),
            },
            "$regex" => Ok(test(field, Test::Matches(pattern(value, at, Pattern::new)?))),
            "$contains" => Ok(test(field, Test::Matches(pattern(value, at, Pattern::containing)?))),
            "$not" => match value {
                Value::Object(operators) => Ok(self.operators(field, operators, at, depth + 1)?.not()),
                _ => Err(invalid(at, "$not takes an object with an operator")),
            },
            key if key.starts_with('$') => Err(unknown_operator(at, key)),
            _ => Err(invalid(
                at,
                "a value is compared with a string, a number, true, false or null, not an object",
            )),
        }
    }

    /// Each of a list is among the field's values; nothing matches the empty list.
    fn all_of(&mut self, field: &F, value: &Value, at: &str) -> Result<Filter<F>> {
        let operands = self.operands(field, value, at)?;
        if operands.is_empty() {
            return Ok(Filter::Any(Vec::new()));
        }
        for _ in &operands {
            self.count_node(at)?;
        }
        Ok(Filter::all(operands.into_iter().map(|operand| test(field, Test::OneOf(vec![operand]))).collect()))
    }

    fn operands(&mut self, field: &F, value: &Value, at: &str) -> Result<Vec<Scalar>> {
        let items = as_list(value, at)?.iter().enumerate();
        items.map(|(index, item)| self.operand(field, item, &format!("{at}/{index}"))).collect()
    }

    /// A value in the form in which the field's own are stored.
    fn operand(&mut self, field: &F, value: &Value, at: &str) -> Result<Scalar> {
        self.operands += 1;
        if self.operands > MOST_OPERANDS {
            return Err(invalid(at, format!("a filter has at most {MOST_OPERANDS} values")));
        }
        match value {
            Value::Null => Ok(Scalar::Null),
            Value::Bool(bool) => Ok(Scalar::Bool(*bool)),
            Value::Number(number) => Ok(number.as_f64().map_or(Scalar::Null, |number| field.number(number))),
            Value::String(text) => field.text(text, at),
            Value::Array(_) | Value::Object(_) => {
                Err(invalid(at, "a value is compared with a string, a number, true, false or null"))
            }
        }
    }

    fn count_node(&mut self, at: &str) -> Result<()> {
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            return Err(invalid(at, format!("a filter has at most {MOST_NODES} conditions")));
        }
        Ok(())
    }
}

fn test<F: Clone>(field: &F, test: Test) -> Filter<F> {
    Filter::Test { field: field.clone(), test }
}

fn check_depth(depth: usize, at: &str) -> Result<()> {
    if depth > DEEPEST { Err(invalid(at, format!("nested more than {DEEPEST} deep"))) } else { Ok(()) }
}

fn as_list<'a>(value: &'a Value, at: &str) -> Result<&'a [Value]> {
    match value {
        Value::Array(items) if items.len() > LONGEST_LIST => {
            Err(invalid(at, format!("a list has at most {LONGEST_LIST} values")))
        }
        Value::Array(items) => Ok(items),
        _ => Err(invalid(at, "must be a list")),
    }
}

fn pattern(value: &Value, at: &str, read: impl Fn(&str) -> Result<Pattern, String>) -> Result<Pattern> {
    let text = value.as_str().ok_or_else(|| invalid(at, "must be a string"))?;
    read(text).map_err(|reason| invalid(at, reason))
}

#[expect(clippy::cast_possible_truncation, reason = "stops at the longest span there is")]
fn micros(seconds: f64) -> i64 {
    (seconds * 1e6).round() as i64
}

fn pointer(at: &str, key: &str) -> String {
    format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"))
}

fn unknown_operator(at: &str, operator: &str) -> Error {
    invalid(at, format!("there is no operator {operator}"))
}

fn invalid(at: &str, reason: impl Into<String>) -> Error {
    Error::invalid("FILTER_INVALID", at, reason)
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
