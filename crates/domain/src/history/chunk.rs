//! Lines on their way into chunks: checked, counted and compressed before any transaction is opened.

use std::cell::RefCell;

use zstd::bulk::Compressor;

use super::Stream;
use super::keys::Keys;
use super::step::{step_in_text, step_of, with_step};
use crate::error::{Error, Result};
use crate::json;
use crate::run::Document;

/// The client sends at most 10 MiB a line (protocol reference 4.2).
const LONGEST_LINE: usize = 10 * 1024 * 1024;
/// A chunk is closed at either of these, so that reading a few lines never decodes much more.
pub(super) const CHUNK_BYTES: usize = 1024 * 1024;
pub(super) const CHUNK_LINES: usize = 4096;
const COMPRESSION: i32 = 1;

/// Consecutive lines for one stream, as a client sent them.
#[derive(Clone, Debug)]
pub struct Lines {
    /// Which stream.
    pub stream: Stream,
    /// Absolute number of the first line.
    pub offset: u64,
    /// The lines, without newlines.
    pub content: Vec<String>,
}

/// Lines that were checked, counted and compressed.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub(super) stream: Stream,
    pub(super) offset: i64,
    pub(super) line_count: i64,
    pub(super) chunks: Vec<Chunk>,
    pub(super) keys: Keys,
    pub(super) last_step: Option<i64>,
    /// Whether every line has a step.
    has_steps: bool,
    /// The latest system metrics, for the run's document.
    pub(super) system_metrics: Option<Document>,
}

/// A chunk not yet stored.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    pub(super) first_line: i64,
    pub(super) line_count: i64,
    pub(super) steps: Option<(i64, i64)>,
    pub(super) raw_bytes: i32,
    pub(super) body: Vec<u8>,
}

impl Prepared {
    /// Checks `lines` and readies them for storing. CPU-bound, in proportion to their size.
    pub fn new(lines: Lines) -> Result<Self> {
        let Lines { stream, offset, content } = lines;
        let field = stream.file_name();
        let offset = i64::try_from(offset).ok().filter(|offset| *offset < i64::MAX / 2).ok_or_else(|| {
            Error::invalid("OFFSET_INVALID", format!("files.{field}.offset"), "is not a line number")
        })?;
        let mut keys = Keys::default();
        let mut steps = Vec::with_capacity(content.len());
        for (index, line) in content.iter().enumerate() {
            let at = || format!("files.{field}.content[{index}]");
            if line.len() > LONGEST_LINE {
                return Err(Error::invalid("LINE_TOO_LONG", at(), format!("at most {LONGEST_LINE} bytes")));
            }
            if stream == Stream::Console {
                steps.push(None);
                continue;
            }
            if line.contains('\n') {
                return Err(Error::invalid("LINE_INVALID", at(), "a line must not contain a newline"));
            }
            let step =
                keys.count(line).map_err(|error| Error::invalid("LINE_INVALID", at(), error.to_string()))?;
            steps.push(step);
        }
        Ok(Self {
            stream,
            offset,
            line_count: count(content.len()),
            last_step: steps.iter().copied().flatten().max(),
            has_steps: steps.iter().all(Option::is_some),
            system_metrics: match stream {
                Stream::Events if !content.is_empty() => Some(Document::system_metrics(&content)?),
                _ => None,
            },
            chunks: split(offset, &content, &steps)?,
            keys,
        })
    }
}

impl Prepared {
    /// The same rows, each with a step: the number of its line, where the writer gave it none.
    pub(super) fn with_steps(self) -> Result<Self> {
        if self.stream != Stream::History || self.has_steps {
            return Ok(self);
        }
        let mut content = Vec::new();
        for chunk in &self.chunks {
            for (number, row) in (chunk.first_line..).zip(decode(&chunk.body, chunk.raw_bytes)?) {
                content.push(if step_in_text(&row).is_some() { row } else { with_step(&row, number) });
            }
        }
        let offset = u64::try_from(self.offset).map_err(Error::internal)?;
        Self::new(Lines { stream: self.stream, offset, content })
    }
}

fn split(offset: i64, content: &[String], steps: &[Option<i64>]) -> Result<Vec<Chunk>> {
    let mut chunks = Vec::new();
    let mut start = 0;
    while start < content.len() {
        let mut end = start;
        let mut bytes = 0;
        while end < content.len() && end - start < CHUNK_LINES && (end == start || bytes < CHUNK_BYTES) {
            bytes += content[end].len() + 1;
            end += 1;
        }
        chunks.push(Chunk::new(offset + count(start), &content[start..end], &steps[start..end])?);
        start = end;
    }
    Ok(chunks)
}

impl Chunk {
    /// A chunk of lines at these steps.
    pub(super) fn new(first_line: i64, lines: &[String], steps: &[Option<i64>]) -> Result<Self> {
        let mut raw = String::with_capacity(lines.iter().map(|line| line.len() + 1).sum());
        for line in lines {
            // A console line is whatever was printed; what would end it early is shown, not kept.
            for (index, part) in line.split('\n').enumerate() {
                raw.push_str(if index == 0 { "" } else { " " });
                raw.push_str(part);
            }
            raw.push('\n');
        }
        let known = || steps.iter().copied().flatten();
        Ok(Self {
            first_line,
            line_count: count(lines.len()),
            steps: known().min().zip(known().max()),
            raw_bytes: i32::try_from(raw.len()).map_err(Error::internal)?,
            body: compress(raw.as_bytes()).map_err(Error::internal)?,
        })
    }

    /// A chunk of lines that were stored before.
    pub(super) fn of_stored(stream: Stream, first_line: i64, lines: &[String]) -> Result<Self> {
        let steps: Vec<Option<i64>> = lines
            .iter()
            .map(|line| {
                if stream == Stream::Console {
                    return None;
                }
                step_of(json::parse(line).ok()?.as_object()?)
            })
            .collect();
        Self::new(first_line, lines, &steps)
    }
}

/// A thread makes its compressor once: the tables inside are larger than most chunks.
fn compress(raw: &[u8]) -> std::io::Result<Vec<u8>> {
    thread_local! {
        static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    }
    COMPRESSOR.with_borrow_mut(|made| match made {
        Some(compressor) => compressor.compress(raw),
        None => made.insert(Compressor::new(COMPRESSION)?).compress(raw),
    })
}

/// The lines of a stored chunk, each ended by a newline.
pub(super) fn text(body: &[u8], raw_bytes: i32) -> Result<String> {
    let capacity = usize::try_from(raw_bytes).map_err(Error::internal)?;
    let raw = zstd::bulk::decompress(body, capacity).map_err(Error::internal)?;
    String::from_utf8(raw).map_err(Error::internal)
}

/// The lines of a stored chunk.
pub(super) fn decode(body: &[u8], raw_bytes: i32) -> Result<Vec<String>> {
    Ok(text(body, raw_bytes)?.split_terminator('\n').map(str::to_owned).collect())
}

fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(stream: Stream, content: &[&str]) -> Lines {
        Lines { stream, offset: 7, content: content.iter().map(|line| (*line).to_owned()).collect() }
    }

    #[test]
    fn lines_come_back_byte_for_byte() {
        let sent = [r#"{"_step":1,"x":NaN}"#, r#"{"_step":3,"big":12345678901234567890123}"#, r#"{"a":"é"}"#];
        let prepared = Prepared::new(lines(Stream::History, &sent)).unwrap();
        assert_eq!(prepared.chunks.len(), 1);
        let chunk = &prepared.chunks[0];
        assert_eq!((chunk.first_line, chunk.line_count, chunk.steps), (7, 3, Some((1, 3))));
        assert_eq!(decode(&chunk.body, chunk.raw_bytes).unwrap(), sent);
        assert_eq!(prepared.last_step, Some(3));
    }

    #[test]
    fn what_is_not_an_object_is_refused_with_its_place() {
        for bad in ["[1]", "3", "{", "", "{} {}", "{\"a\":1e999}", "{\"a\":1}\n{\"b\":2}"] {
            let error = Prepared::new(lines(Stream::History, &["{}", bad])).unwrap_err();
            assert_eq!(error.code(), "LINE_INVALID", "{bad:?}");
            assert!(error.to_string().contains("content[1]"), "{error}");
        }
        assert!(Prepared::new(lines(Stream::Console, &["[1]", "", "a\nb"])).is_ok());
    }

    #[test]
    fn many_lines_become_several_chunks_without_a_gap() {
        let content: Vec<String> = (0..10_000).map(|step| format!("{{\"_step\":{step}}}")).collect();
        let sent = Lines { stream: Stream::History, offset: 0, content };
        let prepared = Prepared::new(sent).unwrap();
        let mut next = 0;
        for chunk in &prepared.chunks {
            assert_eq!(chunk.first_line, next);
            next += chunk.line_count;
        }
        assert_eq!(next, 10_000);
        assert_eq!(prepared.chunks.len(), 3);
    }
}
