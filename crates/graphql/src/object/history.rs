//! History as the client asks for it.

use std::collections::HashSet;

use async_graphql::{Context, SimpleObject};
use serde::Deserialize;

use counterweight_domain as domain;
use counterweight_domain::history::{LogLine as Line, SampleSpec, StepRange, Stream};
use counterweight_domain::id::RunId;

use crate::connection::{self, PageInfo, at_most};
use crate::context::{ContextExt as _, RequestContext};
use crate::error::{OrGraphql as _, Result};
use crate::scalars::{Json, JsonString};

/// Rows that a chart shows when it names no number.
const DEFAULT_SAMPLES: usize = 500;
const MOST_SPECS: usize = 100;
const MOST_KEYS: usize = 1000;

/// History that lies in Parquet files, and what does not yet.
#[derive(SimpleObject)]
pub(crate) struct ParquetHistory {
    /// Files to read, which hold all of the history; none while part of it is live.
    pub(crate) parquet_urls: Vec<String>,
    /// The first and the last live row, cut down to the wanted keys; the client takes the lowest `_step` as the
    /// boundary.
    pub(crate) live_data: Vec<Json>,
}

/// A console line.
#[derive(SimpleObject)]
pub(crate) struct LogLine {
    /// Zero-based.
    number: i32,
    /// As the writer wrote it, without a zone.
    timestamp: Option<String>,
    /// `error` for the standard error stream.
    level: Option<String>,
    /// The writer's label in shared mode.
    label: Option<String>,
    /// The text.
    line: String,
}

/// A page of console lines.
#[derive(SimpleObject)]
pub(crate) struct LogLineConnection {
    /// One for each line, ascending.
    edges: Vec<LogLineEdge>,
    /// Where the page ends.
    page_info: PageInfo,
}

/// A console line in a list.
#[derive(SimpleObject)]
struct LogLineEdge {
    /// The line.
    node: LogLine,
}

impl LogLineConnection {
    /// The number of the first line after a cursor.
    pub(crate) fn start_after(run: RunId, cursor: Option<&str>) -> Result<i64> {
        let after: Option<i64> = connection::decode(&Self::list(run), cursor)?;
        Ok(after.map_or(0, |after| after.saturating_add(1).max(0)))
    }

    fn list(run: RunId) -> String {
        format!("log lines of run {run}")
    }

    /// The `wanted` lines from number `start` on.
    pub(crate) async fn page(ctx: &Context<'_>, run: RunId, start: i64, wanted: u64) -> Result<Self> {
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        let RequestContext { loader, reader, .. } = ctx.request()?;
        let stream = loader.load_one((run, Stream::Console)).await.or_graphql()?;
        let line_count = stream.map_or(0, |stream| stream.line_count);
        let page = reader.line_page(run, line_count, start, wanted).await.or_graphql()?;
        let end = page.lines.last().map(|line| line.number);
        let has_next_page = end.is_some_and(|end| end + 1 < page.line_count);
        let end_cursor = end.map(|end| connection::encode(&Self::list(run), &end)).transpose()?;
        let edges = page.lines.into_iter().map(LogLineEdge::from).collect();
        Ok(Self { edges, page_info: PageInfo { end_cursor, has_next_page } })
    }
}

impl From<Line> for LogLineEdge {
    fn from(line: Line) -> Self {
        let Line { number, timestamp, level, label, line } = line;
        let number = i32::try_from(number).unwrap_or(i32::MAX);
        Self { node: LogLine { number, timestamp, level, label, line } }
    }
}

/// How many rows are wanted.
pub(crate) fn samples(wanted: Option<i32>) -> usize {
    wanted.and_then(|wanted| usize::try_from(wanted).ok()).unwrap_or(DEFAULT_SAMPLES)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    /// Whoever names none wants no rows.
    #[serde(default)]
    keys: Vec<String>,
    samples: Option<usize>,
    min_step: Option<i64>,
    max_step: Option<i64>,
}

/// What rows cost beside other fields: a client's page of 100 000 rows of one run must pass, and one of every run in a
/// list must not.
pub(crate) fn cost(samples: usize) -> usize {
    100 + samples.min(domain::history::MOST_ROWS) / 10
}

/// What all rows of a `sampledHistory` cost. What is wrong with a spec is told later.
pub(crate) fn specs_cost(specs: &[JsonString]) -> usize {
    let samples = |spec: &JsonString| parse_spec(spec).map_or(0, |spec| spec.samples);
    specs.iter().map(samples).map(cost).fold(1, usize::saturating_add)
}

/// Reads the specs of `sampledHistory`.
pub(crate) fn parse_specs(specs: &[JsonString]) -> Result<Vec<SampleSpec>> {
    at_most(MOST_SPECS, specs.len(), "specs")?;
    specs.iter().map(parse_spec).collect()
}

/// Reads one. Its `maxStep` is the first step that is not wanted, as with `history`; but newer clients, which are known by
/// naming `_step` once more after the keys of their user, mean the last one that is.
fn parse_spec(text: &JsonString) -> Result<SampleSpec> {
    let invalid =
        |error: serde_json::Error| domain::Error::invalid("SPEC_INVALID", "specs", error.to_string());
    let spec: Spec = serde_json::from_str(&text.0).map_err(invalid).or_graphql()?;
    let samples = spec.samples.unwrap_or(DEFAULT_SAMPLES);
    let is_inclusive = spec.keys.iter().filter(|key| *key == "_step").count() > 1;
    let max = spec.max_step.map(|max| if is_inclusive { max.saturating_add(1) } else { max });
    let range = StepRange { min: spec.min_step, max };
    Ok(SampleSpec { keys: distinct_keys(spec.keys)?, samples, range })
}

/// Each key once, where it comes first.
pub(crate) fn distinct_keys(mut keys: Vec<String>) -> Result<Vec<String>> {
    at_most(MOST_KEYS, keys.len(), "keys")?;
    let mut seen = HashSet::new();
    keys.retain(|key| seen.insert(key.clone()));
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> StepRange {
        parse_spec(&JsonString(text.to_owned())).unwrap().range
    }

    #[test]
    fn the_window_of_either_client_is_understood() {
        let ten_steps = StepRange { min: Some(0), max: Some(10) };
        for newer in [r#"["_step","a","_step"]"#, r#"["a","_step","_step"]"#] {
            let spec = format!(r#"{{"keys":{newer},"minStep":0,"maxStep":9,"samples":10}}"#);
            assert_eq!(range(&spec), ten_steps);
        }
        // The last page of a scan has fewer steps than a page may have, any number of them.
        for samples in 10..13 {
            for older in [r#"["a"]"#, r#"["a","_step"]"#] {
                let spec = format!(r#"{{"keys":{older},"minStep":0,"maxStep":10,"samples":{samples}}}"#);
                assert_eq!(range(&spec), ten_steps);
            }
        }
        assert_eq!(range(r#"{"keys":["a"]}"#), StepRange::default());
        assert!(parse_spec(&JsonString("[".to_owned())).is_err());
    }

    #[test]
    fn rows_cost_more_the_more_are_asked_for() {
        let spec = |samples: usize| JsonString(format!(r#"{{"keys":["a"],"samples":{samples}}}"#));
        assert_eq!(specs_cost(&[spec(1000), spec(20)]), 303);
        assert!(cost(samples(Some(100_000))) < crate::schema::COMPLEXITY / 10);
        // Whoever wants every row asks for more than there can be.
        assert!(cost(samples(Some(i32::MAX))) < crate::schema::COMPLEXITY / 10);
        let everything = vec![spec(usize::MAX); 20];
        assert!(specs_cost(&everything) > crate::schema::COMPLEXITY);
    }
}
