//! Console lines, in the two forms in which clients send them. Pure.

use serde::Deserialize;

/// A console line, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Zero-based.
    pub number: i64,
    /// As the client wrote it, without a zone.
    pub timestamp: Option<String>,
    /// `error` for the standard error stream.
    pub level: Option<String>,
    /// The writer's label in shared mode.
    pub label: Option<String>,
    /// The text.
    pub line: String,
}

#[derive(Deserialize)]
struct Structured {
    level: Option<String>,
    ts: Option<String>,
    label: Option<String>,
    content: String,
}

/// Reads `{"ts":…,"content":…}`, or `[ERROR ]<timestamp> text`, or anything as plain text (protocol reference 4.2).
pub fn parse_line(number: i64, raw: &str) -> LogLine {
    if raw.starts_with('{')
        && let Ok(Structured { level, ts, label, content }) = serde_json::from_str(raw)
    {
        return LogLine { number, timestamp: ts, level, label, line: content };
    }
    let (level, rest) = match raw.strip_prefix("ERROR ") {
        Some(rest) => (Some("error".to_owned()), rest),
        None => (None, raw),
    };
    match rest.split_once(' ').filter(|(stamp, _)| is_timestamp(stamp)) {
        Some((stamp, text)) => {
            LogLine { number, timestamp: Some(stamp.to_owned()), level, label: None, line: text.to_owned() }
        }
        None if is_timestamp(rest) => {
            LogLine { number, timestamp: Some(rest.to_owned()), level, label: None, line: String::new() }
        }
        None => LogLine { number, timestamp: None, level: None, label: None, line: raw.to_owned() },
    }
}

fn is_timestamp(text: &str) -> bool {
    text.len() >= 19 && text.as_bytes().get(10) == Some(&b'T') && crate::Timestamp::parse(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_and_plain_text_are_read() {
        let structured =
            parse_line(0, r#"{"level":"error","ts":"2026-01-01T00:00:00.123456","content":"no"}"#);
        assert_eq!(structured.level.as_deref(), Some("error"));
        assert_eq!(structured.line, "no");
        let plain = parse_line(1, "2026-01-01T00:00:00.123456 step 1");
        assert_eq!(
            (plain.timestamp.as_deref(), plain.line.as_str()),
            (Some("2026-01-01T00:00:00.123456"), "step 1")
        );
        let error = parse_line(2, "ERROR 2026-01-01T00:00:00.123456 boom");
        assert_eq!((error.level.as_deref(), error.line.as_str()), (Some("error"), "boom"));
        let odd = parse_line(3, "ERROR boom {");
        assert_eq!((odd.level, odd.line.as_str()), (None, "ERROR boom {"));
        assert_eq!(parse_line(4, "").line, "");
    }
}
