//! What is noted on the way from deleted to gone.

use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ActiveEnum as _, ColumnTrait as _, ConnectionTrait as _, EntityTrait as _, IntoActiveModel as _,
    QueryFilter as _, QuerySelect as _,
};

use super::Receipt;
use crate::audit::SubjectKind;
use crate::blob;
use crate::db::dialect::{self, Listed};
use crate::db::{Source as _, WriteTx};
use crate::entity::{receipt, receipt_item as item, receipt_object as object};
use crate::error::{Error, Result};
use crate::hold::{self, HoldKind};
use crate::id::{ArtifactId, BlobId};

/// Ids per statement.
const BATCH: usize = 1000;

/// Rows that belong to things that go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'a> {
    /// Their table.
    pub(crate) table: &'a str,
    /// The key by which they are told apart.
    pub(crate) key: &'a str,
    /// The column with the id of what they belong to, with which an index starts.
    pub(crate) owner: &'a str,
    /// Those ids.
    pub(crate) ids: &'a [i64],
}

/// Removes up to `limit` of these rows, and notes for the deletion, if there is one, to which objects they referred.
/// Answers how many rows there were.
pub(crate) async fn remove_rows(
    tx: &WriteTx,
    deletion_id: Option<&str>,
    Rows { table, key, owner, ids }: Rows<'_>,
    limit: i64,
) -> Result<i64> {
    // The index that starts with the owner, no further than the limit.
    let owned = format!("FROM {table} WHERE {owner} = ANY($1)");
    let limited = format!("{owned} LIMIT $2");
    let mut values = vec![dialect::list(ids)];
    let count = format!("SELECT COUNT(*) FROM (SELECT 1 {limited}) AS found");
    let upto = values.iter().cloned().chain([(limit + 1).into()]);
    let row = tx.connection().query_one_raw(dialect::statement(tx.connection(), count, upto)).await?;
    let found: i64 = row.ok_or_else(|| Error::internal("a count without a row"))?.try_get_by_index(0)?;
    if found == 0 {
        return Ok(0);
    }
    // All of them by that index alone, where they are not too many: to name them one by one takes several times as long.
    let sql = if found <= limit {
        format!("DELETE {owned}")
    } else {
        values.push(limit.into());
        format!("DELETE FROM {table} WHERE ({key}) IN (SELECT {key} {limited})")
    };
    let columns = blob::columns_of(table);
    let (Some(deletion_id), false) = (deletion_id, columns.is_empty()) else {
        let statement = dialect::statement(tx.connection(), sql, values);
        let removed = tx.connection().execute_raw(statement).await?.rows_affected();
        return i64::try_from(removed).map_err(Error::internal);
    };
    let sql = format!("{sql} RETURNING {}", columns.join(", "));
    let rows = tx.connection().query_all_raw(dialect::statement(tx.connection(), sql, values)).await?;
    let mut blobs: Vec<BlobId> = Vec::with_capacity(rows.len());
    for row in &rows {
        for column in 0..columns.len() {
            blobs.extend(row.try_get_by_index::<Option<BlobId>>(column)?);
        }
    }
    blobs.sort_unstable();
    blobs.dedup();
    for blobs in blobs.chunks(BATCH) {
        // Plan: the primary key of blob.
        let sql = "INSERT INTO receipt_object (deletion_id, blob_id, object_key, digest, size_bytes) \
             SELECT $1, b.id, b.object_key, COALESCE(b.content_digest, 'md5:' || b.md5), b.size_bytes \
             FROM blob b WHERE b.id = ANY($2) ON CONFLICT DO NOTHING";
        let values = [deletion_id.into(), dialect::list(blobs)];
        tx.connection().execute_raw(dialect::statement(tx.connection(), sql, values)).await?;
    }
    i64::try_from(rows.len()).map_err(Error::internal)
}

/// Notes that things go with a deletion, before what users call them is gone.
pub(crate) async fn items<Id: Listed>(
    tx: &WriteTx,
    deletion_id: &str,
    kind: HoldKind,
    ids: &[Id],
) -> Result<()> {
    let (path, from) = hold::source(kind);
    for ids in ids.chunks(BATCH) {
        // Plan: primary keys.
        let sql = format!(
            "INSERT INTO receipt_item (deletion_id, kind, subject_id, path) \
             SELECT $1, $2, r.id, e.name || '/' || p.name || {path} \
             FROM {from} JOIN entity e ON e.id = p.entity_id WHERE r.id = ANY($3) ON CONFLICT DO NOTHING"
        );
        let values = [deletion_id.into(), kind.to_value().into(), dialect::list(ids)];
        tx.connection().execute_raw(dialect::statement(tx.connection(), sql, values)).await?;
    }
    Ok(())
}

/// A thing that was to go with a deletion is back.
pub(crate) async fn withdraw(tx: &WriteTx, deletion_id: &str, kind: HoldKind, id: i64) -> Result<()> {
    item::Entity::delete_many()
        .filter(item::Column::DeletionId.eq(deletion_id))
        .filter(item::Column::Kind.eq(kind))
        .filter(item::Column::SubjectId.eq(id))
        .exec(tx.connection())
        .await?;
    Ok(())
}

/// The deletion that a version goes by; none where it ended by itself.
pub(crate) async fn deletion_of(tx: &WriteTx, version: ArtifactId) -> Result<Option<String>> {
    // Plan: ix_receipt_item_subject.
    let query = item::Entity::find()
        .select_only()
        .column(item::Column::DeletionId)
        .filter(item::Column::Kind.eq(SubjectKind::Artifact))
        .filter(item::Column::SubjectId.eq(version));
    Ok(query.into_tuple().one(tx.connection()).await?)
}

/// The rows of things are gone.
pub(crate) async fn purged(tx: &WriteTx, deletion_id: &str, kind: SubjectKind, ids: &[i64]) -> Result<()> {
    item::Entity::update_many()
        .col_expr(item::Column::PurgedAt, Expr::value(tx.now()))
        .filter(item::Column::DeletionId.eq(deletion_id))
        .filter(item::Column::Kind.eq(kind))
        .filter(dialect::among(item::Column::SubjectId, ids))
        .exec(tx.connection())
        .await?;
    Ok(())
}

/// All rows of a deletion are gone, or about to go by jobs of their own: from here on its receipt is to be issued.
pub(crate) async fn open(tx: &WriteTx, receipt: Receipt) -> Result<()> {
    receipt::Entity::insert(receipt.into_active_model())
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(tx.connection())
        .await?;
    Ok(())
}

/// The store has removed these.
pub(crate) async fn removed(tx: &WriteTx, blobs: &[BlobId]) -> Result<()> {
    /// What [`counterweight_storage::BlobStore`] says to a removal, also where there was nothing any more.
    const ANSWER: &str = "gone";
    for blobs in blobs.chunks(BATCH) {
        // Plan: ix_receipt_object_blob_id.
        object::Entity::update_many()
            .col_expr(object::Column::RemovedAt, Expr::value(tx.now()))
            .col_expr(object::Column::Answer, Expr::value(ANSWER))
            .filter(object::Column::BlobId.is_in(blobs.iter().copied()))
            .filter(object::Column::Answer.is_null())
            .exec(tx.connection())
            .await?;
    }
    Ok(())
}
