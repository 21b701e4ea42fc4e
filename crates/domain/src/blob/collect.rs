//! Steps of the collection, each for one batch: find candidates, doom, sweep. The worker puts them in order
//! and talks to the object store in between, when no transaction is open.

use std::collections::{BTreeMap, HashSet};

use counterweight_storage::ObjectKey;
use sea_orm::{ActiveEnum as _, ConnectionTrait as _, FromQueryResult, Value};

use super::BlobState;
use super::batch::{STATE, update};
use super::references::referenced;
use crate::audit::{self, Act, Action, Topic};
use crate::clock::Timestamp;
use crate::db::{Source, WriteTx, dialect};
use crate::error::{Error, Result};
use crate::id::BlobId;
use crate::job::backoff;
use crate::receipt;

/// A blob, as the collection sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Storage id.
    pub id: BlobId,
    /// Where its bytes are.
    pub key: ObjectKey,
    /// How many.
    pub size_bytes: u64,
    /// Whether something refers to it.
    pub referenced: bool,
    /// How often the store refused to delete it.
    pub sweep_failures: u32,
    last_used_at: Timestamp,
    sweep_after: Option<Timestamp>,
}

/// Where the walk over candidates stands: after this blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    last_used_at: Timestamp,
    id: BlobId,
}

impl Cursor {
    /// Before all blobs.
    pub const START: Self = Self { last_used_at: Timestamp(i64::MIN), id: BlobId(0) };
}

impl From<&Candidate> for Cursor {
    fn from(last: &Candidate) -> Self {
        Self { last_used_at: last.last_used_at, id: last.id }
    }
}

/// Which blobs become unreachable: those in a state, unreferenced, and unused since a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doom {
    /// `Pending`: uploads that never came. `Live`: bytes that nothing needs any more.
    pub state: BlobState,
    /// Used before this moment, not at or after it.
    pub unused_since: Timestamp,
}

/// The next blobs in the state, unused since the moment, referenced or not, in the order of last use.
pub async fn candidates(
    source: &impl Source,
    doom: Doom,
    after: Cursor,
    limit: u64,
) -> Result<Vec<Candidate>> {
    // Index: ix_blob_mark, one range of it per batch.
    let batch = "SELECT * FROM blob WHERE state = $1 AND last_used_at < $2 AND (last_used_at, id) > ($3, $4) \
                 ORDER BY last_used_at, id LIMIT $5";
    let values = [
        doom.state.to_value().into(),
        doom.unused_since.into(),
        after.last_used_at.into(),
        after.id.into(),
        rows(limit),
    ];
    select(source, batch, "last_used_at, id", values).await
}

/// Makes those of `ids` unreachable that still are what they were found to be; their bytes may go at
/// `sweep_after`. Answers which.
///
/// State, use and references are asked again in the statement that writes, so that a [`super::touch`] or a
/// [`super::complete`] which is under way is waited for, and then wins.
pub async fn doom(tx: &WriteTx, doom: Doom, ids: &[BlobId], sweep_after: Timestamp) -> Result<Vec<BlobId>> {
    // Primary key, and one index probe per reference.
    let sql = format!(
        "UPDATE blob SET state = 'doomed', doomed_at = $1, sweep_after = $2, sweep_failures = 0 \
         WHERE id = ANY($5) AND {STATE} = $3 AND last_used_at < $4 AND NOT {} RETURNING id",
        referenced()
    );
    let values =
        [tx.now().into(), sweep_after.into(), doom.state.to_value().into(), doom.unused_since.into()];
    update(tx, sql, values, ids).await
}

/// Where the walk over what is due stands: after this blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweepCursor {
    tried: Tried,
    sweep_after: Timestamp,
    id: BlobId,
}

/// Whether the store was asked before to delete something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tried {
    Never = 0,
    InVain = 1,
}

impl SweepCursor {
    /// Before all blobs.
    pub const START: Self = Self::before(Tried::Never);

    const fn before(tried: Tried) -> Self {
        Self { tried, sweep_after: Timestamp(i64::MIN), id: BlobId(0) }
    }
}

impl From<&Candidate> for SweepCursor {
    fn from(last: &Candidate) -> Self {
        let tried = if last.sweep_failures > 0 { Tried::InVain } else { Tried::Never };
        Self { sweep_after: last.sweep_after.unwrap_or_default(), id: last.id, ..Self::before(tried) }
    }
}

/// The next doomed blobs whose grace is over at `now`: those that never failed first, each in the order in which they became
/// due, so that objects which the store will not delete hold up no other.
pub async fn due_for_sweep(
    source: &impl Source,
    now: Timestamp,
    after: SweepCursor,
    limit: u64,
) -> Result<Vec<Candidate>> {
    let mut due = due_in_order(source, now, after, limit).await?;
    let left = limit.saturating_sub(due.len() as u64);
    if left > 0 && after.tried == Tried::Never {
        due.extend(due_in_order(source, now, SweepCursor::before(Tried::InVain), left).await?);
    }
    Ok(due)
}

async fn due_in_order(
    source: &impl Source,
    now: Timestamp,
    SweepCursor { tried, sweep_after, id }: SweepCursor,
    limit: u64,
) -> Result<Vec<Candidate>> {
    // Index: ix_blob_sweep, one range of it per batch.
    let batch = format!(
        "SELECT * FROM blob WHERE state = 'doomed' AND (CASE WHEN sweep_failures > 0 THEN 1 ELSE 0 END) = {} \
         AND sweep_after <= $1 AND (sweep_after, id) > ($2, $3) ORDER BY sweep_after, id LIMIT $4",
        tried as u8
    );
    let values = [now.into(), sweep_after.into(), id.into(), rows(limit)];
    select(source, &batch, "sweep_after, id", values).await
}

/// Takes the grace from a batch of blobs that an administrator wanted gone at once. Whether there may be more.
pub async fn hurry(tx: &WriteTx, limit: u64) -> Result<bool> {
    // Plan: ix_receipt_open, ix_receipt_object_open, primary keys.
    let sql = format!(
        "UPDATE blob SET sweep_after = $1 WHERE id IN (SELECT b.id FROM receipt r \
         JOIN deletion d ON d.id = r.deletion_id JOIN receipt_object o ON o.deletion_id = r.deletion_id \
         JOIN blob b ON b.id = o.blob_id WHERE r.issued_at IS NULL AND d.urgent AND o.answer IS NULL \
         AND {} = 'doomed' AND b.sweep_failures = 0 AND b.sweep_after > $1 LIMIT $2) AND {STATE} = 'doomed'",
        dialect::unindexed!("b.state")
    );
    let statement = dialect::statement(tx.connection(), sql, [tx.now().into(), rows(limit)]);
    Ok(tx.connection().execute_raw(statement).await?.rows_affected() >= limit)
}

/// Takes doomed blobs back to which something refers after all. It takes a fault to get here; the bytes are
/// kept. Answers which.
pub async fn revive(tx: &WriteTx, ids: &[BlobId]) -> Result<Vec<BlobId>> {
    // Primary key. Only what was completed has a digest.
    let sql = format!(
        "UPDATE blob SET state = CASE WHEN md5 IS NULL AND content_digest IS NULL THEN 'pending' ELSE 'live' END, last_used_at = $1, \
         doomed_at = NULL, sweep_after = NULL, sweep_failures = 0 \
         WHERE id = ANY($2) AND {STATE} = 'doomed' AND {} RETURNING id",
        referenced()
    );
    update(tx, sql, [tx.now().into()], ids).await
}

/// The bytes are gone: the rows follow. Answers which were still there.
pub async fn forget(tx: &WriteTx, gone: &[Candidate]) -> Result<HashSet<BlobId>> {
    let ids: Vec<BlobId> = gone.iter().map(|blob| blob.id).collect();
    // Primary key.
    let sql = format!("DELETE FROM blob WHERE id = ANY($1) AND {STATE} = 'doomed' RETURNING id");
    let forgotten: HashSet<BlobId> = update(tx, sql, [], &ids).await?.into_iter().collect();
    let removed = gone.iter().filter(|blob| forgotten.contains(&blob.id));
    let removed: Vec<_> = removed.map(|blob| (blob.id, &blob.key, blob.size_bytes)).collect();
    audit::record(tx, Act::of_itself(Action::Remove), Topic::Objects(&removed)).await?;
    receipt::removed(tx, &removed.iter().map(|(id, ..)| *id).collect::<Vec<_>>()).await?;
    Ok(forgotten)
}

/// The store did not delete these: each waits longer than the last time, for ever.
pub async fn sweep_failed(tx: &WriteTx, failed: &[Candidate]) -> Result<()> {
    let mut by_failures: BTreeMap<u32, Vec<BlobId>> = BTreeMap::new();
    for blob in failed {
        by_failures.entry(blob.sweep_failures.saturating_add(1)).or_default().push(blob.id);
    }
    for (failures, ids) in by_failures {
        // Primary key.
        let sql = format!(
            "UPDATE blob SET sweep_failures = $1, sweep_after = $2 \
             WHERE id = ANY($3) AND {STATE} = 'doomed' RETURNING id"
        );
        let sweep_after = tx.now().after(backoff(failures, tx.env()));
        update(tx, sql, [i32::try_from(failures).unwrap_or(i32::MAX).into(), sweep_after.into()], &ids)
            .await?;
    }
    Ok(())
}

fn rows(limit: u64) -> Value {
    i64::try_from(limit).unwrap_or(i64::MAX).into()
}

#[derive(FromQueryResult)]
struct Row {
    id: BlobId,
    object_key: String,
    size_bytes: i64,
    last_used_at: Timestamp,
    sweep_after: Option<Timestamp>,
    sweep_failures: i32,
    referenced: bool,
}

/// Reads a batch of blobs in an order, and whether each is referenced. That is asked outside the batch, so
/// that `PostgreSQL` knows for how few; else it reads all references at once.
async fn select(
    source: &impl Source,
    batch: &str,
    order: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<Vec<Candidate>> {
    let sql = format!(
        "SELECT id, object_key, size_bytes, last_used_at, sweep_after, sweep_failures, {} AS referenced \
         FROM ({batch}) AS blob ORDER BY {order}",
        referenced()
    );
    let statement = dialect::statement(source.connection(), sql, values);
    let rows = Row::find_by_statement(statement).all(source.connection()).await?;
    rows.into_iter()
        .map(|row| {
            Ok(Candidate {
                id: row.id,
                key: ObjectKey::parse(row.object_key).map_err(Error::internal)?,
                size_bytes: row.size_bytes.unsigned_abs(),
                referenced: row.referenced,
                sweep_failures: row.sweep_failures.unsigned_abs(),
                last_used_at: row.last_used_at,
                sweep_after: row.sweep_after,
            })
        })
        .collect()
}
