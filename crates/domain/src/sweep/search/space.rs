//! All parameters of a sweep, nested ones by their paths.

use serde_json::{Map, Value, json};

use super::distribution::Distribution;
use super::draw::Draw;
use crate::error::{Error, Result};

/// Parameters of a sweep.
const MOST: usize = 1000;
/// Objects within each other.
const DEEPEST: usize = 10;

/// The parameters of a sweep, by name.
#[derive(Clone, Debug)]
pub(crate) struct Space(Vec<Parameter>);

/// A parameter that has a value of its own.
#[derive(Clone, Debug)]
struct Parameter {
    path: Vec<String>,
    distribution: Distribution,
}

impl Space {
    /// Reads the `parameters` of a config.
    pub(crate) fn parse(parameters: &Map<String, Value>) -> Result<Self> {
        let mut found = Vec::new();
        collect(&mut Vec::new(), parameters, &mut found)?;
        if found.is_empty() {
            return Err(Error::invalid("SWEEP_CONFIG_INVALID", "parameters", "there are none"));
        }
        Ok(Self(found))
    }

    pub(super) fn distributions(&self) -> impl Iterator<Item = &Distribution> {
        self.0.iter().map(|parameter| &parameter.distribution)
    }

    /// Where the distribution stands that cannot be counted.
    pub(super) fn name(&self, position: usize) -> String {
        self.0[position].path.join(".")
    }

    pub(super) fn draw(&self, draw: &mut Draw) -> Vec<Value> {
        self.distributions().map(|distribution| distribution.draw(draw)).collect()
    }

    /// The values in the client's envelopes: `{"lr": {"value": 0.1}}`.
    pub(super) fn assemble(&self, values: &[Value]) -> Map<String, Value> {
        let mut plain = Map::new();
        for (parameter, value) in self.0.iter().zip(values) {
            insert(&mut plain, &parameter.path, value);
        }
        plain.into_iter().map(|(name, value)| (name, json!({ "value": value }))).collect()
    }

    /// Where a run lies that has this config; none where it lacks a parameter, or has what no run of the sweep has.
    pub(super) fn coordinates(&self, config: &Map<String, Value>) -> Option<Vec<f64>> {
        let mut all = Vec::with_capacity(self.0.len());
        for parameter in &self.0 {
            let (first, rest) = parameter.path.split_first()?;
            let mut value = config.get(first)?.get("value")?;
            for name in rest {
                value = value.get(name)?;
            }
            all.extend(parameter.distribution.coordinates(value)?);
        }
        Some(all)
    }
}

fn insert(within: &mut Map<String, Value>, path: &[String], value: &Value) {
    let Some((first, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        within.insert(first.clone(), value.clone());
    } else if let Value::Object(inner) = within.entry(first).or_insert_with(|| Value::Object(Map::new())) {
        insert(inner, rest, value);
    }
}

fn collect(
    path: &mut Vec<String>,
    parameters: &Map<String, Value>,
    found: &mut Vec<Parameter>,
) -> Result<()> {
    for (name, written) in parameters {
        path.push(name.clone());
        let at = path.join(".");
        let invalid =
            |reason: &str| Error::invalid("SWEEP_CONFIG_INVALID", format!("parameters.{at}"), reason);
        let fields = written.as_object().ok_or_else(|| invalid("is an object"))?;
        match fields.get("parameters") {
            Some(_) if path.len() >= DEEPEST => return Err(invalid("lies too deep")),
            Some(Value::Object(inner)) => collect(path, inner, found)?,
            Some(_) => return Err(invalid("parameters is an object")),
            None => {
                let distribution = Distribution::parse(&at, fields)?;
                found.push(Parameter { path: path.clone(), distribution });
            }
        }
        if found.len() > MOST {
            return Err(invalid("is one of too many; a sweep has at most 1000"));
        }
        path.pop();
    }
    Ok(())
}
