//! Rows into Parquet, a row group at a time.

use std::io::Write;
use std::mem::size_of;
use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use serde_json::{Map, Value};

use crate::layout::{Kind, Layout, Node};
use crate::shape::{Schema, non_finite};
use crate::{Result, SegmentError};

/// A row group is closed at either of these, which bound the memory of who writes and of who reads.
pub(crate) const GROUP_ROWS: usize = 32_768;
const GROUP_BYTES: usize = 16 * 1024 * 1024;
/// Whoever reads a few rows decodes so many.
const PAGE_ROWS: usize = 2048;
/// Every column has an entry for every row group at the end of the file, and a reader holds them all.
const MOST_ENTRIES: usize = 200_000;

/// Writes rows into a Parquet file, in the order given.
pub struct ColumnsWriter<W: Write + Send> {
    file: SerializedFileWriter<Counted<W>>,
    layout: Layout,
    columns: Vec<Column>,
    rows: usize,
    groups: usize,
    bytes: usize,
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Bytes at the end of the file that say where everything is.
    pub footer_bytes: u64,
}

/// Values of a column that wait for their row group to be full.
struct Column {
    values: Values,
    definitions: Vec<i16>,
    repetitions: Option<Vec<i16>>,
}

enum Values {
    Bool(Vec<bool>),
    Int(Vec<i64>),
    Double(Vec<f64>),
    Text(Vec<ByteArray>),
    Json(Vec<ByteArray>),
}

impl<W: Write + Send> ColumnsWriter<W> {
    /// Begins a file. Every row must have been added to `schema`.
    pub fn new(schema: &Schema, sink: W) -> Result<Self> {
        let layout = Layout::of(schema)?;
        let properties = WriterProperties::builder()
            .set_created_by("counterweight".to_owned())
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true)
            .set_data_page_row_count_limit(PAGE_ROWS)
            .set_write_batch_size(PAGE_ROWS)
            // Most columns hold numbers that hardly repeat.
            .set_dictionary_enabled(false)
            .build();
        let sink = Counted { sink, bytes: 0 };
        let file = SerializedFileWriter::new(sink, Arc::clone(&layout.parquet), Arc::new(properties))?;
        let columns = columns(&layout);
        Ok(Self { file, layout, columns, rows: 0, groups: 0, bytes: 0 })
    }

    /// Adds a row.
    pub fn push(&mut self, row: &Map<String, Value>) -> Result<()> {
        for (key, node) in &self.layout.root {
            self.bytes += push(&mut self.columns, node, row.get(key), 0);
        }
        self.rows += 1;
        if self.rows >= GROUP_ROWS || self.bytes >= GROUP_BYTES {
            self.close_group()?;
        }
        Ok(())
    }

    /// Whether the file has as many parts as a reader can hold: then it is to be ended, and the next one begun.
    pub fn is_full(&self) -> bool {
        self.groups * self.columns.len() >= MOST_ENTRIES
    }

    /// Ends the file.
    pub fn finish(mut self) -> Result<(W, Written)> {
        self.close_group()?;
        let before = self.file.bytes_written() as u64;
        let Counted { sink, bytes } = self.file.into_inner()?;
        Ok((sink, Written { footer_bytes: bytes.saturating_sub(before) }))
    }

    fn close_group(&mut self) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut group = self.file.next_row_group()?;
        for column in &mut self.columns {
            let mut writer = group
                .next_column()?
                .ok_or_else(|| SegmentError::Damaged("fewer columns than the schema has".to_owned()))?;
            column.write(&mut writer)?;
            writer.close()?;
        }
        group.close()?;
        self.rows = 0;
        self.bytes = 0;
        self.groups += 1;
        Ok(())
    }
}

/// Counts what goes through it.
struct Counted<W> {
    sink: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.sink.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.sink.flush()
    }
}

fn columns(layout: &Layout) -> Vec<Column> {
    fn lists(nodes: &[(String, Node)], found: &mut Vec<usize>) {
        for (_, node) in nodes {
            match node {
                Node::Leaf(_) => {}
                Node::List(column) => found.push(*column),
                Node::Group(members) => lists(members, found),
            }
        }
    }
    let mut repeated = Vec::new();
    lists(&layout.root, &mut repeated);
    let column = |(index, kind): (usize, &Kind)| Column {
        values: match kind {
            Kind::Bool => Values::Bool(Vec::new()),
            Kind::Int => Values::Int(Vec::new()),
            Kind::Double => Values::Double(Vec::new()),
            Kind::Text => Values::Text(Vec::new()),
            Kind::Json => Values::Json(Vec::new()),
        },
        definitions: Vec::new(),
        repetitions: repeated.contains(&index).then(Vec::new),
    };
    layout.leaves.iter().enumerate().map(column).collect()
}

/// Adds a value below `level` optional parents that are there, and says about how many bytes it takes.
fn push(columns: &mut [Column], node: &Node, value: Option<&Value>, level: i16) -> usize {
    let value = value.filter(|value| !value.is_null());
    match node {
        Node::Group(members) => {
            let object = value.and_then(Value::as_object);
            let level = if object.is_some() { level + 1 } else { level };
            let member = |(key, node): &(String, Node)| {
                push(columns, node, object.and_then(|object| object.get(key)), level)
            };
            members.iter().map(member).sum()
        }
        Node::Leaf(index) => {
            let Some(column) = columns.get_mut(*index) else { return 0 };
            let bytes = value.and_then(|value| column.values.push(value));
            column.level(level + i16::from(bytes.is_some()), 0);
            bytes.unwrap_or_default() + size_of::<i16>()
        }
        Node::List(index) => {
            let Some(column) = columns.get_mut(*index) else { return 0 };
            let Some(items) = value.and_then(Value::as_array) else {
                column.level(level, 0);
                return size_of::<i16>();
            };
            if items.is_empty() {
                column.level(level + 1, 0);
            }
            let mut bytes = size_of::<i16>();
            for (number, item) in items.iter().enumerate() {
                bytes += column.values.push(item).unwrap_or_default() + 2 * size_of::<i16>();
                column.level(level + 2, i16::from(number > 0));
            }
            bytes
        }
    }
}

impl Column {
    fn level(&mut self, definition: i16, repetition: i16) {
        self.definitions.push(definition);
        if let Some(repetitions) = &mut self.repetitions {
            repetitions.push(repetition);
        }
    }

    fn write(&mut self, writer: &mut SerializedColumnWriter<'_>) -> Result<()> {
        let definitions = Some(std::mem::take(&mut self.definitions));
        let repetitions = self.repetitions.as_mut().map(std::mem::take);
        let (definitions, repetitions) = (definitions.as_deref(), repetitions.as_deref());
        match &mut self.values {
            Values::Bool(values) => {
                writer.typed::<BoolType>().write_batch(&std::mem::take(values), definitions, repetitions)?
            }
            Values::Int(values) => {
                writer.typed::<Int64Type>().write_batch(&std::mem::take(values), definitions, repetitions)?
            }
            Values::Double(values) => {
                writer.typed::<DoubleType>().write_batch(&std::mem::take(values), definitions, repetitions)?
            }
            Values::Text(values) | Values::Json(values) => writer.typed::<ByteArrayType>().write_batch(
                &std::mem::take(values),
                definitions,
                repetitions,
            )?,
        };
        Ok(())
    }
}

impl Values {
    /// Adds a value that fits, and says about how many bytes it takes.
    fn push(&mut self, value: &Value) -> Option<usize> {
        match self {
            Self::Bool(values) => values.push(value.as_bool()?),
            Self::Int(values) => values.push(value.as_i64()?),
            Self::Double(values) => values.push(match value {
                Value::String(text) => non_finite(text)?,
                number => number.as_f64()?,
            }),
            Self::Text(values) => {
                let text = value.as_str()?;
                values.push(ByteArray::from(text));
                return Some(size_of::<ByteArray>() + text.len());
            }
            Self::Json(values) => {
                let text = value.to_string();
                let bytes = size_of::<ByteArray>() + text.len();
                values.push(ByteArray::from(text.into_bytes()));
                return Some(bytes);
            }
        }
        Some(size_of::<f64>())
    }
}

impl<W: Write + Send> std::fmt::Debug for ColumnsWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ColumnsWriter")
            .field("rows", &self.rows)
            .field("groups", &self.groups)
            .finish_non_exhaustive()
    }
}
