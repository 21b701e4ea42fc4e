//! What is counted about a stream on ingest.

use std::collections::HashMap;

use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use serde_json::Value;

use super::keys::Keys;
use super::{HistoryStream, Stream};
use crate::db::Source;
use crate::entity::history_stream::{Column, Entity};
use crate::error::{Error, Result};
use crate::id::RunId;

/// What is live is read line by line, so a chart stays fast only while it is little.
const MOST_LIVE_LINES: i64 = 8192;
const MOST_LIVE_CHUNKS: i64 = 512;
const MOST_LIVE_BYTES: i64 = 16 * 1024 * 1024;

/// The counters of all streams of runs.
pub async fn get_streams(db: &impl Source, ids: &[RunId]) -> Result<HashMap<(RunId, Stream), HistoryStream>> {
    let rows = Entity::find().filter(Column::RunId.is_in(ids.iter().copied())).all(db.connection()).await?;
    Ok(rows.into_iter().map(|row| ((row.run_id, row.stream), row)).collect())
}

/// `historyKeys`: none before the first row.
pub fn history_keys(stream: &HistoryStream) -> Result<Option<Value>> {
    if stream.line_count == 0 {
        return Ok(None);
    }
    let keys: Keys = serde_json::from_str(&stream.keys).map_err(Error::internal)?;
    Ok(Some(keys.to_history_keys(stream.last_step)))
}

/// Whether so much is live that it is to be merged.
pub(super) fn waits_for_merge(stream: &HistoryStream) -> bool {
    measure(stream) > 0
}

/// How many times over.
pub(super) fn measure(stream: &HistoryStream) -> i64 {
    let lines = (stream.line_count - stream.merged_lines) / MOST_LIVE_LINES;
    lines.max(stream.live_chunks / MOST_LIVE_CHUNKS).max(stream.live_bytes / MOST_LIVE_BYTES)
}
