//! Per-key statistics of a stream, kept up to date on ingest and never found by scanning. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::step::whole;
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
    /// Counts a row in one pass over its text, and returns its `_step`. A row is a JSON object; where it names a key
    /// twice, both values count.
    pub(super) fn count(&mut self, row: &str) -> serde_json::Result<Option<i64>> {
        let text = json::quote_non_finite(row);
        let mut reader = serde_json::Deserializer::from_str(&text);
        let step = reader.deserialize_map(Row(self))?;
        reader.end()?;
        Ok(step)
    }

    fn count_leaf(&mut self, key: &str, value: &Value) {
        if let Some(known) = self.0.get_mut(key) {
            known.count(value);
        } else if self.0.len() < MOST_KEYS && key.len() <= LONGEST_KEY && !key.contains('\0') {
            let mut new = KeyStatistics::default();
            new.count(value);
            self.0.insert(key.to_owned(), new);
        }
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

impl KeyStatistics {
    fn count(&mut self, value: &Value) {
        match self.types.get_mut(type_of(value)) {
            Some(count) => *count += 1,
            None => {
                self.types.insert(type_of(value).to_owned(), 1);
            }
        }
        self.previous = previous(value);
    }
}

/// Counts a row value by value, while it is read.
struct Row<'k>(&'k mut Keys);

impl<'de> Visitor<'de> for Row<'_> {
    type Value = Option<i64>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut row: A) -> Result<Option<i64>, A::Error> {
        let mut step = None;
        while let Some((Key(key), value)) = row.next_entry()? {
            if key == "_step" {
                step = whole(&value);
            }
            if value.is_object() {
                let nested = Map::from_iter([(key.into_owned(), value)]);
                json::for_each_leaf(&nested, &mut |path, leaf| self.0.count_leaf(path, leaf));
            } else {
                self.0.count_leaf(&key, &value);
            }
        }
        Ok(step)
    }
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

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
            keys.count(&row.to_string()).unwrap();
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
