//! The step at which a row was logged. Pure.

use serde_json::{Map, Value};

use crate::json;

/// Where a row says it.
pub(super) const KEY: &str = "_step";
const MEMBER: &str = "\"_step\":";

/// The `_step` of a row.
pub(super) fn step_of(row: &Map<String, Value>) -> Option<i64> {
    whole(row.get(KEY)?)
}

/// The `_step` of a row in its text. A row without objects inside names its step in one place, and need not be read for
/// it.
pub(super) fn step_in_text(row: &str) -> Option<i64> {
    let mut named = row.match_indices(MEMBER);
    let flat = row.bytes().filter(|byte| *byte == b'{').count() == 1;
    if let (Some((at, _)), None, true) = (named.next(), named.next(), flat) {
        let value = row[at + MEMBER.len()..].trim_start();
        let end = value.find([',', '}', ' ']).unwrap_or(value.len());
        if let Ok(step) = value[..end].parse() {
            return Some(step);
        }
    }
    step_of(json::parse(row).ok()?.as_object()?)
}

/// The text of a row that has no step, with this one.
pub(super) fn with_step(row: &str, step: i64) -> String {
    let inside = row.trim_start().trim_start_matches('{').trim_start();
    let comma = if inside.starts_with('}') { "" } else { "," };
    format!("{{{MEMBER}{step}{comma}{inside}")
}

/// A whole number, also when it was written as `15.0`.
#[expect(clippy::cast_possible_truncation, reason = "checked to be whole and within 53 bits")]
pub(super) fn whole(number: &Value) -> Option<i64> {
    number.as_i64().or_else(|| {
        let float = number.as_f64()?;
        (float.fract() == 0.0 && float.abs() < 9e15).then_some(float as i64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_given_a_step() {
        for (row, given) in [
            ("{}", r#"{"_step":7}"#),
            (" { } ", r#"{"_step":7} "#),
            (r#"{"a":{"b":1}}"#, r#"{"_step":7,"a":{"b":1}}"#),
        ] {
            assert_eq!(with_step(row, 7), given);
            assert_eq!(step_in_text(given), Some(7));
        }
    }

    #[test]
    fn a_step_is_found_without_reading_the_row_and_with() {
        for (row, step) in [
            (r#"{"_step":15,"a":1}"#, Some(15)),
            (r#"{"a":NaN, "_step": 3 }"#, Some(3)),
            (r#"{"_step":15.0}"#, Some(15)),
            (r#"{"a":{"_step":4}}"#, None),
            (r#"{"a":{"_step":4},"_step":5}"#, Some(5)),
            (r#"{"a":"\"_step\":7","_step":8}"#, Some(8)),
            (r#"{"a":"{","_step":-9}"#, Some(-9)),
            (r#"{"_step":"x"}"#, None),
            (r#"{"_step":1,"_step":2}"#, Some(2)),
        ] {
            assert_eq!(step_in_text(row), step, "{row}");
        }
    }
}
