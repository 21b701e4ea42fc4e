//! Per-key statistics of a stream, kept up to date on ingest and never found by scanning. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::json;

/// Keys beyond these are stored with their lines but not counted: a stream that makes up keys without end would
/// otherwise grow its statistics without end.
const MOST_KEYS: usize = 20_000;
const LONGEST_KEY: usize = 512;
const LONGEST_PREVIOUS_VALUE: usize = 1024;

/// What was logged under one key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct KeyStatistics {
    /// Lines per type, in the client's words.
    #[serde(rename = "t")]
    types: BTreeMap<String, u64>,
    /// The last value, unless it is a large one.
    #[serde(rename = "p", default, skip_serializing_if = "Value::is_null")]
    previous: Value,
}

/// The statistics of a stream, by flattened key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Keys(BTreeMap<String, KeyStatistics>);

impl Keys {
    /// Counts one row.
    pub(super) fn count(&mut self, row: &Map<String, Value>) {
        json::for_each_leaf(row, &mut |key, value| {
            if !self.0.contains_key(key) {
                if self.0.len() >= MOST_KEYS || key.len() > LONGEST_KEY || key.contains('\0') {
                    return;
                }
                self.0.insert(key.to_owned(), KeyStatistics::default());
            }
            let Some(statistics) = self.0.get_mut(key) else { return };
            match statistics.types.get_mut(type_of(value)) {
                Some(count) => *count += 1,
                None => {
                    statistics.types.insert(type_of(value).to_owned(), 1);
                }
            }
            statistics.previous = previous(value);
        });
    }

    /// Adds what later rows counted. Returns the keys that are new.
    pub(super) fn merge(&mut self, later: &Self) -> Vec<String> {
        let mut added = Vec::new();
        for (key, statistics) in &later.0 {
            if let Some(known) = self.0.get_mut(key) {
                for (kind, count) in &statistics.types {
                    *known.types.entry(kind.clone()).or_default() += count;
                }
                known.previous = statistics.previous.clone();
            } else if self.0.len() < MOST_KEYS {
                self.0.insert(key.clone(), statistics.clone());
                added.push(key.clone());
            }
        }
        added
    }

    /// The shape of `historyKeys` (protocol reference 5.7).
    pub(super) fn to_history_keys(&self, last_step: Option<i64>) -> Value {
        let keys: Map<String, Value> = self
            .0
            .iter()
            .map(|(key, statistics)| {
                let counts: Vec<Value> = statistics
                    .types
                    .iter()
                    .map(|(kind, count)| json!({"type": kind, "count": count}))
                    .collect();
                (key.clone(), json!({"typeCounts": counts, "previousValue": statistics.previous}))
            })
            .collect();
        json!({"sets": [], "keys": keys, "lastStep": last_step})
    }
}

fn type_of(value: &Value) -> &str {
    match value {
        Value::Null => "nil",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(text) if matches!(text.as_str(), "NaN" | "Infinity" | "-Infinity") => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(object) => object.get("_type").and_then(Value::as_str).unwrap_or("map"),
    }
}

fn previous(value: &Value) -> Value {
    match value {
        Value::String(text) if text.len() > LONGEST_PREVIOUS_VALUE => Value::Null,
        Value::Array(_) | Value::Object(_) => Value::Null,
        small => small.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(rows: &[Value]) -> Keys {
        let mut keys = Keys::default();
        for row in rows {
            keys.count(row.as_object().unwrap());
        }
        keys
    }

    #[test]
    fn counting_in_two_batches_is_counting_at_once() {
        let rows = [
            json!({"loss": 1.0, "dict": {"val1": 1}}),
            json!({"loss": "NaN", "name": "x"}),
            json!({"loss": 0.5, "name": null}),
        ];
        let mut merged = count(&rows[..1]);
        let added = merged.merge(&count(&rows[1..]));
        assert_eq!(merged, count(&rows));
        assert_eq!(added, ["name"]);
        let shown = merged.to_history_keys(Some(2));
        assert_eq!(shown["lastStep"], 2);
        assert_eq!(shown["keys"]["loss"]["previousValue"], 0.5);
        assert_eq!(shown["keys"]["loss"]["typeCounts"], json!([{"type": "number", "count": 3}]));
        assert_eq!(shown["keys"]["dict.val1"]["previousValue"], 1);
    }
}
