//! What is counted about a stream on ingest.

use std::collections::HashMap;

use sea_orm::{ActiveEnum as _, ColumnTrait as _, ConnectionTrait as _, EntityTrait as _, QueryFilter as _};
use serde_json::Value;

use super::keys::Keys;
use super::{HistoryStream, Stream};
use crate::db::{Source, dialect};
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

/// Those of these runs whose history is not all in files to hand out.
pub(crate) async fn unsettled(db: &impl Source, runs: &[RunId]) -> Result<Vec<RunId>> {
    // Plan: indexes that begin with the run. What was cut off a file that was handed out is known to the stream.
    let sql = "SELECT id FROM run WHERE id = ANY($2) AND ( \
         EXISTS (SELECT 1 FROM history_chunk WHERE run_id = run.id AND stream = $1) \
         OR EXISTS (SELECT 1 FROM history_segment WHERE run_id = run.id AND NOT sealed) \
         OR EXISTS (SELECT 1 FROM history_stream WHERE run_id = run.id AND stream = $1 AND rewritten))";
    let values = [Stream::History.to_value().into(), dialect::list(runs)];
    let rows = db.connection().query_all_raw(dialect::statement(db.connection(), sql, values)).await?;
    rows.iter().map(|row| Ok(row.try_get("", "id")?)).collect()
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
