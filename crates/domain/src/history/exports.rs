//! Files of a history to hand out.

use sea_orm::EntityTrait as _;

use super::reader::Layout;
use super::{HistoryStream, Stream};
use crate::clock::Timestamp;
use crate::db::Source;
use crate::entity::{blob, history_segment, project, run};
use crate::error::{Error, Result};
use crate::id::SegmentId;
use crate::project::ProjectState;

/// A Parquet file of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Where its bytes are.
    pub object_key: String,
    /// How many.
    pub size_bytes: i64,
    /// Base64.
    pub md5: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The files that hold all of a run's history, in its order; none while part of it is live.
///
/// The client reads a history from these files alone, and keeps those it has fetched under their place in the list. So
/// a list only ever grows at its end, and none is given where a file would not give each row back in its own shape.
pub async fn list_exports(db: &impl Source, stream: &HistoryStream) -> Result<Vec<SegmentId>> {
    if stream.rewritten || stream.merged_lines < stream.line_count {
        return Ok(Vec::new());
    }
    let layout = Layout::load(db, stream.run_id, Stream::History).await?;
    for segment in &layout.segments {
        if !segment.sealed || !segment.schema()?.reads_back() {
            return Ok(Vec::new());
        }
    }
    if !layout.chunks.is_empty() {
        return Ok(Vec::new());
    }
    Ok(layout.segments.iter().map(|segment| segment.id).collect())
}

/// The file of a segment, as long as its run can be read.
pub async fn get_export(db: &impl Source, id: SegmentId) -> Result<Export> {
    let missing = || Error::not_found("file", id.to_node_id());
    let segment = history_segment::Entity::find_by_id(id).one(db.connection()).await?.ok_or_else(missing)?;
    let run = run::Entity::find_by_id(segment.run_id).one(db.connection()).await?.ok_or_else(missing)?;
    let project = project::Entity::find_by_id(run.project_id).one(db.connection()).await?;
    if !run.lifecycle.is_reachable() || project.is_none_or(|project| project.state != ProjectState::Live) {
        return Err(missing());
    }
    let blob = blob::Entity::find_by_id(segment.columns_blob_id).one(db.connection()).await?;
    let blob = blob.ok_or_else(missing)?;
    let blob::Model { object_key, size_bytes, md5, created_at, .. } = blob;
    Ok(Export { object_key, size_bytes, md5, created_at })
}
