//! The client's Mongo-like filters over projects, answered on each of them: an entity has few. Pure.

use std::cmp::Ordering;

use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value};

use super::Project;
use crate::clock::Timestamp;
use crate::error::{Error, Result};

const DEEPEST: usize = 16;
const MOST_NODES: usize = 256;
const LONGEST_LIST: usize = 1000;
const LONGEST_PATTERN: usize = 1000;
const LARGEST_PATTERN: usize = 1 << 20;

/// A condition on a project.
#[derive(Debug)]
pub(super) enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
    Test(Field, Test),
}

/// What can be asked about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field {
    Id,
    Name,
    EntityId,
    Description,
    CreatedAt,
    UpdatedAt,
}

/// What the value of a field must satisfy. A missing value is none.
#[derive(Debug)]
pub(super) enum Test {
    OneOf(Vec<Option<Scalar>>),
    Compare(fn(Ordering) -> bool, Scalar),
    Matches(Regex),
    Exists,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd)]
pub(super) enum Scalar {
    Integer(i64),
    Text(String),
}

impl Filter {
    /// Reads a filter; nothing and `{}` mean everything.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let source = if text.trim().is_empty() { "{}" } else { text };
        let document = serde_json::from_str(source).map_err(|error| invalid(error.to_string()))?;
        Parser { nodes: 0 }.object(&document, 1)
    }

    /// Whether it is true of this project.
    pub(super) fn holds(&self, project: &Project) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(project)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(project)),
            Self::Not(inner) => !inner.holds(project),
            Self::Test(field, test) => test.passes(field.of(project)),
        }
    }

    fn not(self) -> Self {
        Self::Not(Box::new(self))
    }
}

impl Field {
    fn parse(name: &str) -> Result<Self> {
        Ok(match name {
            "id" | "project_id" => Self::Id,
            "name" => Self::Name,
            "entity_id" => Self::EntityId,
            "description" => Self::Description,
            "created_at" | "createdAt" => Self::CreatedAt,
            "updated_at" | "updatedAt" => Self::UpdatedAt,
            _ => return Err(invalid(format!("projects have no field {name:?}"))),
        })
    }

    fn of(self, project: &Project) -> Option<Scalar> {
        Some(match self {
            Self::Id => Scalar::Integer(project.id.0),
            Self::Name => Scalar::Text(project.name.clone()),
            Self::EntityId => Scalar::Integer(project.entity_id.0),
            Self::Description => Scalar::Text(project.description.clone()?),
            Self::CreatedAt => Scalar::Integer(project.created_at.0),
            Self::UpdatedAt => Scalar::Integer(project.updated_at.0),
        })
    }

    fn operand(self, value: &Value) -> Result<Option<Scalar>> {
        let is_moment = matches!(self, Self::CreatedAt | Self::UpdatedAt);
        match value {
            Value::Null => Ok(None),
            Value::String(text) if is_moment => {
                let moment = Timestamp::parse(text);
                moment
                    .map(|moment| Some(Scalar::Integer(moment.0)))
                    .ok_or_else(|| invalid("not a date and time"))
            }
            Value::String(text) => Ok(Some(Scalar::Text(text.clone()))),
            Value::Number(number) if !is_moment => {
                let whole = number.as_i64().ok_or_else(|| invalid("not a whole number"))?;
                Ok(Some(Scalar::Integer(whole)))
            }
            _ => Err(invalid("a value is compared with a string, a number or null")),
        }
    }
}

impl Test {
    fn passes(&self, value: Option<Scalar>) -> bool {
        match (self, value) {
            (Self::OneOf(operands), value) => operands.contains(&value),
            (Self::Exists, value) => value.is_some(),
            (Self::Compare(passes, operand), Some(value)) => value.partial_cmp(operand).is_some_and(passes),
            (Self::Matches(pattern), Some(Scalar::Text(text))) => pattern.is_match(&text),
            _ => false,
        }
    }
}

struct Parser {
    nodes: usize,
}

impl Parser {
    fn object(&mut self, value: &Value, depth: usize) -> Result<Filter> {
        let entries = match value {
            Value::Object(entries) => entries,
            Value::Null => return Ok(Filter::All(Vec::new())),
            _ => return Err(invalid("a condition is an object")),
        };
        self.check(depth)?;
        let mut parts = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            parts.push(match key.as_str() {
                "$and" => Filter::All(self.list(value, depth)?),
                "$or" => Filter::Any(self.list(value, depth)?),
                "$nor" => Filter::Any(self.list(value, depth)?).not(),
                "$not" => self.object(value, depth + 1)?.not(),
                name => self.condition(Field::parse(name)?, value, depth)?,
            });
        }
        Ok(Filter::All(parts))
    }

    fn list(&mut self, value: &Value, depth: usize) -> Result<Vec<Filter>> {
        as_list(value)?.iter().map(|item| self.object(item, depth + 1)).collect()
    }

    fn condition(&mut self, field: Field, value: &Value, depth: usize) -> Result<Filter> {
        match value {
            Value::Object(operators) => self.operators(field, operators, depth + 1),
            value => Ok(Filter::Test(field, Test::OneOf(vec![field.operand(value)?]))),
        }
    }

    fn operators(&mut self, field: Field, operators: &Map<String, Value>, depth: usize) -> Result<Filter> {
        self.check(depth)?;
        let parts = operators.iter().map(|(operator, value)| self.operator(field, operator, value, depth));
        Ok(Filter::All(parts.collect::<Result<_>>()?))
    }

    fn operator(&mut self, field: Field, operator: &str, value: &Value, depth: usize) -> Result<Filter> {
        let one_of = |values: &[Value]| {
            let operands = values.iter().map(|value| field.operand(value)).collect::<Result<_>>()?;
            Ok(Filter::Test(field, Test::OneOf(operands)))
        };
        let compare = |passes: fn(Ordering) -> bool| {
            let operand = field.operand(value)?.ok_or_else(|| invalid("null has no order"))?;
            Ok(Filter::Test(field, Test::Compare(passes, operand)))
        };
        let text = || value.as_str().ok_or_else(|| invalid(format!("{operator} takes a string")));
        match operator {
            "$eq" => one_of(std::slice::from_ref(value)),
            "$ne" => Ok(one_of(std::slice::from_ref(value))?.not()),
            "$in" => one_of(as_list(value)?),
            "$nin" => Ok(one_of(as_list(value)?)?.not()),
            "$lt" => compare(Ordering::is_lt),
            "$lte" => compare(Ordering::is_le),
            "$gt" => compare(Ordering::is_gt),
            "$gte" => compare(Ordering::is_ge),
            "$regex" => Ok(Filter::Test(field, Test::Matches(pattern(text()?)?))),
            "$contains" => Ok(Filter::Test(field, Test::Matches(pattern(&regex::escape(text()?))?))),
            "$exists" => match value.as_bool() {
                Some(true) => Ok(Filter::Test(field, Test::Exists)),
                Some(false) => Ok(Filter::Test(field, Test::Exists).not()),
                None => Err(invalid("$exists takes true or false")),
            },
            "$not" => Ok(self.condition(field, value, depth)?.not()),
            _ => Err(invalid(format!("there is no operator {operator}"))),
        }
    }

    fn check(&mut self, depth: usize) -> Result<()> {
        self.nodes += 1;
        if depth > DEEPEST || self.nodes > MOST_NODES {
            let limits = format!("at most {DEEPEST} deep and {MOST_NODES} conditions");
            return Err(invalid(limits));
        }
        Ok(())
    }
}

fn pattern(text: &str) -> Result<Regex> {
    if text.len() > LONGEST_PATTERN {
        return Err(invalid(format!("a pattern has at most {LONGEST_PATTERN} bytes")));
    }
    RegexBuilder::new(text).size_limit(LARGEST_PATTERN).build().map_err(|error| invalid(error.to_string()))
}

fn as_list(value: &Value) -> Result<&[Value]> {
    match value {
        Value::Array(items) if items.len() <= LONGEST_LIST => Ok(items),
        Value::Array(_) => Err(invalid(format!("a list has at most {LONGEST_LIST} values"))),
        _ => Err(invalid("must be a list")),
    }
}

fn invalid(reason: impl Into<String>) -> Error {
    Error::invalid("FILTER_INVALID", "filters", reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::EntityKind;
    use crate::id::{EntityId, ProjectId};
    use crate::project::Access;

    fn holds(filter: &str) -> bool {
        let project = Project {
            id: ProjectId(7),
            entity_id: EntityId(2),
            entity_name: "acme".to_owned(),
            owner_kind: EntityKind::Organization,
            name: "wandb-registry-model".to_owned(),
            description: None,
            repo: None,
            run_counter: 0,
            created_at: Timestamp::parse("2026-01-01").unwrap(),
            updated_at: Timestamp::parse("2026-01-02").unwrap(),
            access: Access::Private,
            allows_all_artifact_types: true,
            keeps_linked: false,
        };
        Filter::parse(filter).unwrap().holds(&project)
    }

    #[test]
    fn filters_mean_what_they_say() {
        for (filter, expected) in [
            ("", true),
            (r#"{"name": "wandb-registry-model"}"#, true),
            (r#"{"name": "model"}"#, false),
            (r#"{"name": {"$regex": "mod"}}"#, true),
            (r#"{"name": {"$contains": "o.e"}}"#, false),
            (r#"{"name": {"$in": ["a", "wandb-registry-model"]}}"#, true),
            (r#"{"name": {"$nin": ["a"]}, "id": 7}"#, true),
            (r#"{"$or": [{"id": 8}, {"entity_id": 2}]}"#, true),
            (r#"{"$and": [{"id": 7}, {"entity_id": 3}]}"#, false),
            (r#"{"$nor": [{"id": 8}]}"#, true),
            (r#"{"$not": {"name": {"$not": {"$regex": "^wandb"}}}}"#, true),
            (r#"{"description": null}"#, true),
            (r#"{"description": {"$exists": true}}"#, false),
            (r#"{"created_at": {"$gte": "2026-01-01", "$lt": "2026-01-02"}}"#, true),
            (r#"{"updated_at": {"$gt": "2026-01-02"}}"#, false),
        ] {
            assert_eq!(holds(filter), expected, "{filter}");
        }
    }

    #[test]
    fn what_cannot_be_answered_is_refused() {
        let deep = format!("{}{}", r#"{"$not":"#.repeat(20), "{}".to_owned() + &"}".repeat(20));
        for filter in [
            "[]",
            "{",
            r#"{"colour": 1}"#,
            r#"{"name": {"$near": 1}}"#,
            r#"{"name": {"$regex": "("}}"#,
            r#"{"created_at": "soon"}"#,
            r#"{"$or": {}}"#,
            &deep,
        ] {
            assert_eq!(Filter::parse(filter).unwrap_err().code(), "FILTER_INVALID", "{filter}");
        }
    }
}
