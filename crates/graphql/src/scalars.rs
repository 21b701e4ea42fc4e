//! The client's scalars (protocol reference 3).

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use counterweight_domain::{Error, Timestamp};

use crate::error::{OrGraphql as _, Result};

/// A string that holds serialised JSON.
#[derive(Clone, Debug)]
pub(crate) struct JsonString(pub(crate) String);

/// A string that holds serialised JSON.
#[Scalar(name = "JSONString")]
impl ScalarType for JsonString {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text) => Ok(Self(text)),
            other => Err(InputValueError::expected_type(other)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

/// Any JSON value, not encoded as a string. Kept as text: there may be very many values in it.
#[derive(Clone, Debug)]
pub(crate) struct Json(Box<RawValue>);

impl Json {
    /// What a value is in JSON.
    pub(crate) fn of(value: &impl Serialize) -> Result<Self> {
        to_raw_value(value).map(Self).map_err(Error::internal).or_graphql()
    }
}

/// Any JSON value, not encoded as a string.
#[Scalar(name = "JSON")]
impl ScalarType for Json {
    fn parse(value: Value) -> InputValueResult<Self> {
        Ok(Self(to_raw_value(&value.into_json()?)?))
    }

    fn to_value(&self) -> Value {
        async_graphql::to_value(&self.0).unwrap_or(Value::Null)
    }
}

/// A 64-bit integer, written as a JSON number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Int64(pub(crate) i64);

/// A 64-bit integer, written as a JSON number.
#[Scalar(name = "Int64")]
impl ScalarType for Int64 {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::Number(number) => {
                number.as_i64().map(Self).ok_or_else(|| InputValueError::custom("not a 64-bit integer"))
            }
            Value::String(text) => text.parse().map(Self).map_err(|_| InputValueError::expected_type(value)),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::from(self.0)
    }
}

/// A moment, as RFC 3339 in UTC.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DateTime(pub(crate) Timestamp);

/// A moment, as RFC 3339 in UTC.
#[Scalar(name = "DateTime")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => Timestamp::parse(text)
                .map(Self)
                .ok_or_else(|| InputValueError::custom("not an RFC 3339 time")),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_rfc3339())
    }
}

/// A span of time: whole milliseconds, as a JSON number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Duration(pub(crate) std::time::Duration);

/// A span of time: whole milliseconds, as a JSON number.
#[Scalar(name = "Duration")]
impl ScalarType for Duration {
    fn parse(value: Value) -> InputValueResult<Self> {
        let millis = match &value {
            Value::Number(number) => number.as_u64(),
            _ => return Err(InputValueError::expected_type(value)),
        };
        let span = millis.map(std::time::Duration::from_millis).map(Self);
        span.ok_or_else(|| InputValueError::custom("not a whole number of milliseconds"))
    }

    fn to_value(&self) -> Value {
        Value::from(u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX))
    }
}

/// A list of numbers; null in the place of one that there is not. A scalar, since a chart has very many.
#[derive(Clone, Debug)]
pub(crate) struct Numbers(pub(crate) Vec<Option<f64>>);

/// A list of numbers; null in the place of one that there is not. A scalar, since a chart has very many.
#[Scalar(name = "Numbers")]
impl ScalarType for Numbers {
    fn parse(value: Value) -> InputValueResult<Self> {
        Ok(Self(async_graphql::from_value(value)?))
    }

    fn to_value(&self) -> Value {
        Value::List(self.0.iter().map(|number| number.map_or(Value::Null, Value::from)).collect())
    }
}
