//! Chosen columns of chosen row groups, from the bytes that hold them.

use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use parquet::column::page::PageReader;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;

use crate::{Result, SegmentError};

/// The length of the metadata and the magic number end a file.
const TRAILER: usize = 8;

/// Where everything is in a file.
#[derive(Clone, Debug)]
pub struct Columns {
    metadata: Arc<ParquetMetaData>,
}

/// A value of a column of scalars.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any number.
    Double(f64),
    /// A text.
    Text(String),
}

impl Columns {
    /// Reads the end of a file, as many bytes as were said when it was written.
    pub fn parse(footer: &[u8]) -> Result<Self> {
        let metadata = footer.len().checked_sub(TRAILER).and_then(|end| footer.get(..end));
        let metadata = metadata.ok_or_else(|| SegmentError::Damaged("the end is missing".to_owned()))?;
        Ok(Self { metadata: Arc::new(ParquetMetaDataReader::decode_metadata(metadata)?) })
    }

    /// How many rows each row group has.
    pub fn group_rows(&self) -> impl Iterator<Item = u64> + '_ {
        self.metadata.row_groups().iter().map(|group| group.num_rows().unsigned_abs())
    }

    /// The number of the column with this path.
    pub fn column(&self, path: &[String]) -> Option<usize> {
        let columns = self.metadata.file_metadata().schema_descr().columns();
        columns.iter().position(|column| column.path().parts() == path)
    }

    /// Which bytes of the file hold a column of a row group.
    pub fn byte_range(&self, group: usize, column: usize) -> Result<Range<u64>> {
        let (start, length) = self.chunk(group, column)?.byte_range();
        Ok(start..start + length)
    }

    fn chunk(&self, group: usize, column: usize) -> Result<&parquet::file::metadata::ColumnChunkMetaData> {
        let found = self.metadata.row_groups().get(group).and_then(|group| group.columns().get(column));
        found.ok_or_else(|| SegmentError::Damaged(format!("no column {column} in row group {group}")))
    }

    /// The values of a column in some rows of a row group, from the column's bytes: one for each row, none where it
    /// has none.
    pub fn decode(
        &self,
        group: usize,
        column: usize,
        bytes: Bytes,
        rows: Range<usize>,
    ) -> Result<Vec<Option<Scalar>>> {
        let chunk = self.chunk(group, column)?;
        let all = self.metadata.row_group(group).num_rows();
        let all = usize::try_from(all).map_err(|_| SegmentError::Damaged("a row count".to_owned()))?;
        let source = Arc::new(Part { start: chunk.byte_range().0, bytes });
        let pages: Box<dyn PageReader> = Box::new(SerializedPageReader::new(source, chunk, all, None)?);
        let deepest = chunk.column_descr().max_def_level();
        let text = |value: &ByteArray| {
            std::str::from_utf8(value.data())
                .map(|text| Scalar::Text(text.to_owned()))
                .map_err(|error| SegmentError::Damaged(error.to_string()))
        };
        match get_column_reader(chunk.column_descr_ptr(), pages) {
            ColumnReader::BoolColumnReader(reader) => {
                values(reader, rows, deepest, |value| Ok(Scalar::Bool(*value)))
            }
            ColumnReader::Int64ColumnReader(reader) => {
                values(reader, rows, deepest, |value| Ok(Scalar::Int(*value)))
            }
            ColumnReader::DoubleColumnReader(reader) => {
                values(reader, rows, deepest, |value| Ok(Scalar::Double(*value)))
            }
            ColumnReader::ByteArrayColumnReader(reader) => values(reader, rows, deepest, text),
            _ => Err(SegmentError::Damaged("a column of a type that is never written".to_owned())),
        }
    }
}

fn values<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    wanted: Range<usize>,
    deepest: i16,
    scalar: impl Fn(&T::T) -> Result<Scalar>,
) -> Result<Vec<Option<Scalar>>> {
    let rows = wanted.len();
    let mut present = Vec::with_capacity(rows);
    let mut definitions = Vec::with_capacity(rows);
    if reader.skip_records(wanted.start)? < wanted.start {
        return Err(SegmentError::Damaged("a column ends early".to_owned()));
    }
    while definitions.len() < rows {
        let left = rows - definitions.len();
        let (read, _, _) = reader.read_records(left, Some(&mut definitions), None, &mut present)?;
        if read == 0 {
            return Err(SegmentError::Damaged("a column ends early".to_owned()));
        }
    }
    let mut present = present.iter();
    let value = |level: i16| {
        if level < deepest {
            return Ok(None);
        }
        let value = present.next().ok_or_else(|| SegmentError::Damaged("a value is missing".to_owned()))?;
        scalar(value).map(Some)
    };
    definitions.into_iter().map(value).collect()
}

/// A part of a file, at its place.
struct Part {
    start: u64,
    bytes: Bytes,
}

impl Part {
    fn from(&self, start: u64) -> ParquetResult<Bytes> {
        let at = start.checked_sub(self.start).and_then(|at| usize::try_from(at).ok());
        match at {
            Some(at) if at <= self.bytes.len() => Ok(self.bytes.slice(at..)),
            _ => Err(ParquetError::EOF(format!("byte {start} was not fetched"))),
        }
    }
}

impl Length for Part {
    fn len(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl ChunkReader for Part {
    type T = Box<dyn Read>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(Box::new(self.from(start)?.reader()))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let bytes = self.from(start)?;
        if length > bytes.len() {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} were not fetched")));
        }
        Ok(bytes.slice(..length))
    }
}
