//! The rows of `run_value`: every leaf of a document under its dotted path. Pure.
//!
//! Paths are looked up shallowest first, so a literal key `a.b` hides a `b` inside an object `a`. Strings are cut to
//! 256 characters, in the index and in the operands of a filter alike: two strings that agree so far count as equal.

use std::borrow::Cow;
use std::collections::{HashSet, VecDeque};

use serde_json::Value;

/// Longer paths, in bytes, are not indexed.
pub(crate) const LONGEST_PATH: usize = 512;

/// Rows of one document.
const MOST_ROWS: usize = 10_000;

/// Characters of a string.
const LONGEST_TEXT: usize = 256;

/// The number of an object or a list. It is there and it is not null, and it compares with nothing: JSON has no
/// infinite numbers, and comparisons start at the lowest finite one.
pub(super) const CONTAINER: f64 = f64::NEG_INFINITY;

/// Entries of a config that belong to the client, not to the user.
const BOOKKEEPING: [&str; 2] = ["_wandb", "wandb_version"];

/// A value of a document. At most one of the three is set; none for null.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct IndexedValue {
    /// Nested keys, and positions in lists, joined by dots.
    pub(crate) path: String,
    /// A number; negative infinity for an object or a list.
    pub(crate) num: Option<f64>,
    /// A string, cut.
    pub(crate) text: Option<String>,
    /// A truth value.
    pub(crate) bool: Option<bool>,
}

/// The rows of a config, whose entries may come in an envelope: `{"lr": {"value": 0.1}}`.
pub(crate) fn config_values(document: &Value) -> Vec<IndexedValue> {
    flatten(config_entries(document))
}

/// The rows of a summary, or of a line of system metrics.
pub(crate) fn summary_values(document: &Value) -> Vec<IndexedValue> {
    flatten(entries(document))
}

/// The user's entries of a config, out of their envelopes.
pub(super) fn config_entries(document: &Value) -> impl Iterator<Item = (&str, &Value)> {
    entries(document)
        .filter(|(key, _)| !BOOKKEEPING.contains(key))
        .map(|(key, entry)| (key, entry.get("value").unwrap_or(entry)))
}

/// The entries of an object; none of anything else.
pub(super) fn entries(document: &Value) -> impl Iterator<Item = (&str, &Value)> {
    document.as_object().into_iter().flatten().map(|(key, value)| (key.as_str(), value))
}

/// `text` as both databases can store it: `PostgreSQL` has no NUL.
pub(super) fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{FFFD}")) } else { Cow::Borrowed(text) }
}

/// `text` as the index keeps it.
pub(super) fn cut(text: &str) -> String {
    let end = text.char_indices().nth(LONGEST_TEXT).map_or(text.len(), |(position, _)| position);
    storable(&text[..end]).into_owned()
}

/// Breadth first, so that the shallowest of equal paths is the one that stays, and what exceeds the limit is deep.
fn flatten<'a>(entries: impl Iterator<Item = (&'a str, &'a Value)>) -> Vec<IndexedValue> {
    let mut rows = Vec::new();
    let mut taken = HashSet::new();
    let mut queue = VecDeque::new();
    let mut visited = 0;
    let mut enqueue = |queue: &mut VecDeque<_>, path: String, value: &'a Value| {
        if visited < MOST_ROWS && path.len() <= LONGEST_PATH {
            visited += 1;
            queue.push_back((path, value));
        }
    };
    for (key, value) in entries {
        enqueue(&mut queue, storable(key).into_owned(), value);
    }
    while let Some((path, value)) = queue.pop_front() {
        match value {
            Value::Object(object) => {
                for (key, value) in object {
                    enqueue(&mut queue, format!("{path}.{}", storable(key)), value);
                }
            }
            Value::Array(list) => {
                for (position, value) in list.iter().enumerate() {
                    enqueue(&mut queue, format!("{path}.{position}"), value);
                }
            }
            _ => {}
        }
        if taken.insert(path.clone()) {
            rows.push(row(path, value));
        }
    }
    rows
}

fn row(path: String, value: &Value) -> IndexedValue {
    let empty = IndexedValue { path, num: None, text: None, bool: None };
    match value {
        Value::Null => empty,
        Value::Bool(bool) => IndexedValue { bool: Some(*bool), ..empty },
        Value::Number(number) => IndexedValue { num: number.as_f64(), ..empty },
        Value::String(text) => IndexedValue { text: Some(cut(text)), ..empty },
        Value::Array(_) | Value::Object(_) => IndexedValue { num: Some(CONTAINER), ..empty },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn number(path: &str, num: f64) -> IndexedValue {
        IndexedValue { path: path.to_owned(), num: Some(num), text: None, bool: None }
    }

    fn paths(rows: &[IndexedValue]) -> Vec<&str> {
        rows.iter().map(|row| row.path.as_str()).collect()
    }

    #[test]
    fn config_entries_leave_their_envelopes() {
        let rows = config_values(&json!({
            "lr": {"value": 0.5, "desc": null},
            "net": {"value": {"layers": [64, 32]}},
            "raw": 2,
            "_wandb": {"value": {"t": {"1": [1]}}},
        }));
        let expected = [
            number("lr", 0.5),
            number("net", CONTAINER),
            number("raw", 2.0),
            number("net.layers", CONTAINER),
            number("net.layers.0", 64.0),
            number("net.layers.1", 32.0),
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn each_type_has_its_column_and_null_has_none() {
        let empty = |path: &str| IndexedValue { path: path.to_owned(), num: None, text: None, bool: None };
        let rows = summary_values(&json!({"bool": true, "null": null, "text": "a\0b"}));
        let expected = [
            IndexedValue { bool: Some(true), ..empty("bool") },
            empty("null"),
            IndexedValue { text: Some("a\u{FFFD}b".to_owned()), ..empty("text") },
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn a_literal_key_hides_the_path_but_not_what_lies_below() {
        let rows = summary_values(&json!({"a": {"b": {"c": 1}}, "a.b": 2}));
        assert_eq!(rows, [number("a", CONTAINER), number("a.b", 2.0), number("a.b.c", 1.0)]);
    }

    #[test]
    fn long_strings_are_cut_between_characters() {
        let rows = summary_values(&json!({"text": "é".repeat(300)}));
        assert_eq!(rows[0].text.as_deref(), Some("é".repeat(256).as_str()));
    }

    #[test]
    fn a_document_has_a_limit_of_rows_and_of_path_length() {
        let list: Vec<u32> = (0..20_000).collect();
        let rows = summary_values(&json!({"first": {"list": list}, "last": 1}));
        assert_eq!(rows.len(), 10_000);
        assert_eq!(paths(&rows)[..4], ["first", "last", "first.list", "first.list.0"]);
        let rows = summary_values(&json!({"k".repeat(512): 1, "l".repeat(513): {"below": 1}}));
        assert_eq!(paths(&rows), ["k".repeat(512)]);
    }
}
