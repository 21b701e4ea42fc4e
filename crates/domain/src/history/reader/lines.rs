//! Lines by their number: the end of a stream, and pages of the console.

use std::ops::Range;

use super::{Layout, Reader, Walk};
use crate::error::Result;
use crate::history::{LogLine, Stream, console};
use crate::id::RunId;

/// Consecutive console lines.
#[derive(Clone, Debug)]
pub struct LinePage {
    /// Ascending; lines never written are blank.
    pub lines: Vec<LogLine>,
    /// One past the last line of the stream.
    pub line_count: i64,
}

impl Reader {
    /// Visits lines of a stream in order.
    pub(in crate::history) async fn for_each_line_of(
        &self,
        run: RunId,
        stream: Stream,
        lines: Range<i64>,
        mut visit: impl FnMut(i64, &str) + Send,
    ) -> Result<()> {
        let visit = |number, line: &str| {
            visit(number, line);
            Ok(())
        };
        self.for_each_line(Walk::lines(run, stream, lines), visit).await
    }

    /// The last `wanted` lines, ascending.
    pub async fn tail(&self, run: RunId, stream: Stream, wanted: usize) -> Result<Vec<String>> {
        let layout = Layout::load(&self.db, run, stream).await?;
        let start = layout.line_count().saturating_sub(number(wanted)).max(0);
        let mut lines = Vec::new();
        self.for_each_line(Walk::lines(run, stream, start..i64::MAX), |_, line| {
            lines.push(line.to_owned());
            Ok(())
        })
        .await?;
        lines.drain(..lines.len().saturating_sub(wanted));
        Ok(lines)
    }

    /// Console lines from number `start`, at most `wanted`, of a stream that has `line_count`.
    pub async fn line_page(
        &self,
        run: RunId,
        line_count: i64,
        start: i64,
        wanted: usize,
    ) -> Result<LinePage> {
        let end = line_count.min(start.saturating_add(number(wanted)));
        let mut lines: Vec<LogLine> = (start..end).map(|number| console::parse_line(number, "")).collect();
        self.for_each_line(Walk::lines(run, Stream::Console, start..end), |number, raw| {
            let slot = usize::try_from(number - start).ok().and_then(|index| lines.get_mut(index));
            if let Some(slot) = slot {
                *slot = console::parse_line(number, raw);
            }
            Ok(())
        })
        .await?;
        Ok(LinePage { lines, line_count })
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
