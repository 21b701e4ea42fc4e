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
/// The client has some twenty kinds of media; a key has one of them.
const MOST_TYPES: usize = 32;
const LONGEST_TYPE: usize = 64;
const LONGEST_PREVIOUS_VALUE: usize = 1024;

/// Whether there is anything kept about a key beside its lines.
pub(super) fn is_countable(key: &str) -> bool {
    key.len() <= LONGEST_KEY && !key.contains('\0')
}

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
        } else if self.0.len() < MOST_KEYS && is_countable(key) {
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
                    known.add(kind, *count);
                }
                known.previous = statistics.previous.clone();
            } else if self.0.len() < MOST_KEYS {
                self.0.insert(key.clone(), statistics.clone());
                added.push(key.clone());
            }
        }
        added
    }

    /// Takes away what rows counted that are gone. The last value stays: what replaces them brings its own.
    pub(super) fn subtract(&mut self, gone: &Self) {
        for (key, statistics) in &gone.0 {
            let Some(known) = self.0.get_mut(key) else { continue };
            for (kind, count) in &statistics.types {
                if let Some(have) = known.types.get_mut(kind) {
                    *have = have.saturating_sub(*count);
                }
            }
            known.types.retain(|_, count| *count > 0);
            if known.types.is_empty() {
                self.0.remove(key);
            }
        }
    }

    /// Takes the last values of keys from rows that were counted apart.
    pub(super) fn recall(&mut self, rows: &Self) {
        for (key, statistics) in &rows.0 {
            if let Some(known) = self.0.get_mut(key) {
                known.previous = statistics.previous.clone();
            }
        }
    }

    /// Whether something was logged under a key, or under its members.
    pub(super) fn has(&self, key: &str) -> bool {
        let of_member =
            |name: &str| name.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        self.0
            .range(key.to_owned()..)
            .take_while(|(name, _)| name.starts_with(key))
            .any(|(name, _)| of_member(name))
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
        self.add(type_of(value), 1);
        self.previous = previous(value);
    }

    fn add(&mut self, kind: &str, count: u64) {
        if let Some(have) = self.types.get_mut(kind) {
            *have += count;
        } else if self.types.len() < MOST_TYPES {
            self.types.insert(kind.to_owned(), count);
        }
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
        Value::Object(object) => {
            let kind = object.get("_type").and_then(Value::as_str);
            kind.filter(|kind| kind.len() <= LONGEST_TYPE).unwrap_or("map")
        }
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

    #[test]
    fn what_is_taken_away_was_never_counted() {
        let (kept, gone) = (r#"{"loss": 1, "name": "x"}"#, r#"{"loss": "NaN", "only": true, "name": 2}"#);
        let mut keys = Keys::default();
        keys.count(kept).unwrap();
        let alone = keys.to_history_keys(None)["keys"]["loss"]["typeCounts"].clone();
        keys.count(gone).unwrap();
        let mut replaced = Keys::default();
        replaced.count(gone).unwrap();
        keys.subtract(&replaced);
        assert_eq!(keys.to_history_keys(None)["keys"]["loss"]["typeCounts"], alone);
        assert_eq!(keys.to_history_keys(None)["keys"]["only"], Value::Null);
    }

    #[test]
    fn made_up_types_do_not_pile_up() {
        let mut keys = Keys::default();
        for n in 0..1000 {
            keys.count(&format!(
                r#"{{"a": {{"_type": "t{n}"}}, "b": {{"_type": "{}"}}}}"#,
                "x".repeat(65 + n)
            ))
            .unwrap();
        }
        assert_eq!(keys.0["a"].types.len(), MOST_TYPES);
        assert!(keys.0["b"].types.contains_key("map"));
    }
}
