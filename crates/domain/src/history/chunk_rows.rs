//! Chunks as rows.

use sea_orm::{EntityTrait, NotSet, Set};

use super::Stream;
use super::chunk::Chunk;
use crate::db::{Source as _, WriteTx};
use crate::entity::history_chunk::{ActiveModel, Entity};
use crate::error::Result;
use crate::id::RunId;

/// The row of a new chunk.
pub(super) fn to_row(run: RunId, stream: Stream, chunk: Chunk) -> ActiveModel {
    ActiveModel {
        id: NotSet,
        run_id: Set(run),
        stream: Set(stream),
        first_line: Set(chunk.first_line),
        line_count: Set(chunk.line_count),
        min_step: Set(chunk.steps.map(|(min, _)| min)),
        max_step: Set(chunk.steps.map(|(_, max)| max)),
        raw_bytes: Set(chunk.raw_bytes),
        body: Set(chunk.body),
    }
}

/// Stores rows in one statement.
pub(super) async fn insert(tx: &WriteTx, rows: Vec<ActiveModel>) -> Result<()> {
    if !rows.is_empty() {
        Entity::insert_many(rows).exec_without_returning(tx.connection()).await?;
    }
    Ok(())
}
