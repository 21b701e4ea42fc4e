//! The step at which a row was logged. Pure.

use serde_json::{Map, Value};

/// The `_step` of a row.
pub(super) fn step_of(row: &Map<String, Value>) -> Option<i64> {
    whole(row.get("_step")?)
}

/// A whole number, also when it was written as `15.0`.
#[expect(clippy::cast_possible_truncation, reason = "checked to be whole and within 53 bits")]
pub(super) fn whole(number: &Value) -> Option<i64> {
    number.as_i64().or_else(|| {
        let float = number.as_f64()?;
        (float.fract() == 0.0 && float.abs() < 9e15).then_some(float as i64)
    })
}
