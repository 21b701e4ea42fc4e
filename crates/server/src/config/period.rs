//! Durations as people write them.

use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// "30s", "5m", "1h 30m", "7d", "168h0m0s".
pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| D::Error::custom(format!("{text:?} is not a duration like \"30s\" or \"7d\"")))
}

/// The same, or "never".
pub(super) fn duration_or_never<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text == "never" {
        return Ok(None);
    }
    let span = parse(&text);
    span.map(Some)
        .ok_or_else(|| D::Error::custom(format!("{text:?} is neither a duration like \"30d\" nor \"never\"")))
}

fn parse(text: &str) -> Option<Duration> {
    humantime::parse_duration(text).ok()
}
