//! What a sweep's owner wrote: YAML, read once it comes and whenever it is needed. Pure.

use serde_json::{Map, Value};

use super::search::{Halving, Method, Search, Space};
use crate::error::{Error, Result};

/// Bytes of a config.
const LONGEST: usize = 256 * 1024;

/// Words that the client's documentation knows.
const KNOWN: [&str; 17] = [
    "method",
    "metric",
    "parameters",
    "run_cap",
    "early_terminate",
    "program",
    "command",
    "name",
    "description",
    "project",
    "entity",
    "controller",
    "scheduler",
    "job",
    "image_uri",
    "launch",
    "$schema",
];

/// What a sweep's owner wrote.
#[derive(Clone, Debug)]
pub struct Config {
    pub(super) search: Search,
    pub(super) method: Method,
    pub(super) metric: Option<Metric>,
    pub(super) halving: Option<Halving>,
    pub(super) program: Option<String>,
    run_cap: Option<u64>,
    document: Map<String, Value>,
}

/// What runs are compared by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Metric {
    pub(super) name: String,
    pub(super) maximizes: bool,
}

impl Metric {
    /// A value of it as a loss: the smaller the better.
    pub(super) fn loss(&self, value: f64) -> f64 {
        if self.maximizes { -value } else { value }
    }
}

fn invalid(field: &str, reason: impl Into<String>) -> Error {
    Error::invalid("SWEEP_CONFIG_INVALID", field, reason)
}

impl Config {
    /// Reads a config. `SWEEP_CONFIG_INVALID` names what cannot be searched by.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > LONGEST {
            return Err(invalid("config", format!("at most {LONGEST} bytes")));
        }
        let read: Result<Value, _> = serde_saphyr::from_str(text);
        let read = read.map_err(|error| invalid("config", error.to_string()))?;
        let Value::Object(document) = read else { return Err(invalid("config", "is an object in YAML")) };
        let method = document.get("method").and_then(Value::as_str).and_then(Method::parse);
        let method = method.ok_or_else(|| invalid("method", "is grid, random, bayes or custom"))?;
        let parameters = object(&document, "parameters")?;
        let search = match (method, parameters) {
            (Method::Custom, _) => Search::Nothing,
            (_, None) => return Err(invalid("parameters", "there are none")),
            (_, Some(parameters)) => Search::new(method, Space::parse(parameters)?)?,
        };
        let metric = metric(&document)?;
        if method == Method::Bayes && metric.is_none() {
            return Err(invalid("metric", "is what bayes goes by, and must be named"));
        }
        let halving = object(&document, "early_terminate")?.map(Halving::parse).transpose()?;
        if halving.is_some() && metric.is_none() {
            return Err(invalid("metric", "is what early_terminate goes by, and must be named"));
        }
        let program = document.get("program").and_then(Value::as_str).map(ToOwned::to_owned);
        let run_cap = match document.get("run_cap") {
            None | Some(Value::Null) => None,
            Some(cap) => {
                let cap = cap.as_u64().filter(|cap| *cap > 0);
                Some(cap.ok_or_else(|| invalid("run_cap", "is a whole number, 1 or more"))?)
            }
        };
        Ok(Self { search, method, metric, halving, program, run_cap, document })
    }

    /// What its owner may want to look at again.
    pub(super) fn warnings(&self) -> Vec<String> {
        let unknown = self.document.keys().filter(|key| !KNOWN.contains(&key.as_str()));
        unknown.map(|key| format!("{key}: is not a part of a sweep's config")).collect()
    }

    /// Whether it says the same, however it is written.
    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        self.document == other.document
    }

    /// The client's word for how parameters are chosen.
    pub(super) fn method_word(&self) -> &str {
        self.document.get("method").and_then(Value::as_str).unwrap_or_default()
    }

    /// How many runs there will be; none: without end.
    pub fn expected_runs(&self) -> Option<u64> {
        let size = self.search.size().filter(|_| self.method != Method::Custom);
        match (size, self.run_cap) {
            (Some(size), Some(cap)) => Some(size.min(cap)),
            (size, cap) => size.or(cap),
        }
    }
}

fn object<'a>(document: &'a Map<String, Value>, field: &str) -> Result<Option<&'a Map<String, Value>>> {
    match document.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(_) => Err(invalid(field, "is an object")),
    }
}

fn metric(document: &Map<String, Value>) -> Result<Option<Metric>> {
    let Some(written) = object(document, "metric")? else { return Ok(None) };
    let name = written.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| invalid("metric.name", "is the key of a run's summary"))?.to_owned();
    let maximizes = match written.get("goal").map(Value::as_str) {
        None | Some(Some("minimize")) => false,
        Some(Some("maximize")) => true,
        _ => return Err(invalid("metric.goal", "is minimize or maximize")),
    };
    Ok(Some(Metric { name, maximizes }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRID: &str =
        "method: grid\nparameters:\n  x:\n    values: [0.01, 5.0e-02]\n  y:\n    values:\n    - 1\n    - 2\n";

    fn refusal(text: &str) -> String {
        let error = Config::parse(text).unwrap_err();
        assert_eq!(error.code(), "SWEEP_CONFIG_INVALID");
        error.to_string()
    }

    #[test]
    fn a_config_says_how_many_runs_there_will_be() {
        let expected = |more: &str| Config::parse(&format!("{GRID}{more}")).unwrap().expected_runs();
        assert_eq!(expected(""), Some(4));
        assert_eq!(expected("run_cap: 3\n"), Some(3));
        assert_eq!(expected("run_cap: 9\n"), Some(4));
        let random = GRID.replace("grid", "random");
        assert_eq!(Config::parse(&random).unwrap().expected_runs(), None);
        assert_eq!(Config::parse(&format!("{random}run_cap: 9")).unwrap().expected_runs(), Some(9));
        assert_eq!(Config::parse("method: custom").unwrap().expected_runs(), None);
    }

    #[test]
    fn what_cannot_be_searched_by_is_named() {
        assert!(refusal("method: [").starts_with("config"));
        assert!(refusal("- grid").starts_with("config"));
        assert!(refusal(&"#".repeat(LONGEST + 1)).starts_with("config"));
        assert!(refusal("parameters: {x: {value: 1}}").starts_with("method"));
        assert!(refusal("method: grid").starts_with("parameters"));
        assert!(refusal("method: bayes\nparameters: {x: {value: 1}}").starts_with("metric"));
        assert!(refusal(&format!("{GRID}metric: {{goal: minimize}}")).starts_with("metric.name"));
        assert!(refusal(&format!("{GRID}metric: {{name: a, goal: best}}")).starts_with("metric.goal"));
        assert!(refusal(&format!("{GRID}run_cap: 0")).starts_with("run_cap"));
        assert!(
            refusal(&format!("{GRID}early_terminate: {{type: hyperband, min_iter: 3}}"))
                .starts_with("metric")
        );
    }

    #[test]
    fn a_word_that_nobody_knows_is_warned_of() {
        let config = Config::parse(&format!("{GRID}metrics: {{name: loss}}\n")).unwrap();
        assert_eq!(config.warnings(), ["metrics: is not a part of a sweep's config"]);
        assert!(config.says_the_same(&Config::parse(&format!("metrics: {{name: 'loss'}}\n{GRID}")).unwrap()));
    }
}
