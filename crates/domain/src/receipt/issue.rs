//! From nothing outstanding to a receipt in the chain.

use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};
use sha2::{Digest as _, Sha256};

use super::{Receipt, document};
use crate::audit::{self, Act, Action, Topic};
use crate::blob;
use crate::db::{Db, Source as _, dialect};
use crate::entity::receipt::{Column, Entity};
use crate::entity::{receipt_item as item, receipt_object as object};
use crate::error::Result;
use crate::id::BlobId;

/// Receipts that are looked at together.
const BATCH: u64 = 100;
/// Objects that are looked at together.
const OBJECTS: i64 = 1000;
/// What this program is.
const SOFTWARE: &str = concat!("counterweight ", env!("CARGO_PKG_VERSION"));

/// Issues the receipts of deletions of which nothing is outstanding; answers how many.
pub async fn issue(db: &Db) -> Result<u64> {
    let (mut issued, mut after) = (0, None);
    loop {
        // Plan: ix_receipt_open.
        let mut query = Entity::find().filter(Column::IssuedAt.is_null()).order_by_asc(Column::DeletionId);
        if let Some(after) = &after {
            query = query.filter(Column::DeletionId.gt::<&String>(after));
        }
        let batch = query.limit(BATCH).all(db.connection()).await?;
        let Some(last) = batch.last() else { return Ok(issued) };
        after = Some(last.deletion_id.clone());
        for receipt in batch {
            issued += u64::from(issue_one(db, receipt).await?);
        }
    }
}

async fn issue_one(db: &Db, receipt: Receipt) -> Result<bool> {
    keep_what_is_needed(db, &receipt.deletion_id).await?;
    if is_outstanding(db, &receipt.deletion_id).await? {
        return Ok(false);
    }
    let now = db.now();
    let receipt = Receipt { issued_at: Some(now), software: Some(SOFTWARE.to_owned()), ..receipt };
    let mut hasher = Sha256::new();
    document::write_lines(db, &receipt, &mut |line| {
        hasher.update(line);
        Ok(())
    })
    .await?;
    let digest = hex::encode(hasher.finalize());
    let tx = db.begin_write().await?;
    let changed = Entity::update_many()
        .col_expr(Column::IssuedAt, Expr::value(now))
        .col_expr(Column::Software, Expr::value(SOFTWARE))
        .col_expr(Column::Digest, Expr::value(digest.as_str()))
        .filter(Column::DeletionId.eq(&receipt.deletion_id))
        .filter(Column::IssuedAt.is_null())
        .exec(tx.connection())
        .await?;
    if changed.rows_affected == 0 {
        return Ok(false);
    }
    let act = Act::of_itself(Action::Receipt).because(Some(&receipt.deletion_id)).proving(&digest);
    audit::record(&tx, act, Topic::Project(receipt.project_id)).await?;
    tx.commit().await?;
    Ok(true)
}

/// Notes which objects stay, since something else refers to them. They are looked for before anything is written: few of
/// a hundred thousand do, and nobody waits for the others.
async fn keep_what_is_needed(db: &Db, deletion_id: &str) -> Result<()> {
    let mut after = BlobId(0);
    loop {
        // Plan: ix_receipt_object_open, in its order; then the primary key of blob, and one index probe per reference.
        let sql = format!(
            "SELECT o.blob_id, {} AS is_needed FROM (SELECT blob_id FROM receipt_object \
             WHERE deletion_id = $1 AND answer IS NULL AND blob_id > $2 ORDER BY blob_id LIMIT $3) AS o \
             LEFT JOIN blob ON blob.id = o.blob_id ORDER BY o.blob_id",
            blob::referenced()
        );
        let values = [deletion_id.into(), after.into(), OBJECTS.into()];
        let rows = db.connection().query_all_raw(dialect::statement(db.connection(), sql, values)).await?;
        let mut needed = Vec::new();
        for row in &rows {
            after = row.try_get_by_index(0)?;
            if row.try_get_by_index(1)? {
                needed.push(after);
            }
        }
        keep(db, deletion_id, &needed).await?;
        if rows.is_empty() {
            return Ok(());
        }
    }
}

/// In the order of the ids.
async fn keep(db: &Db, deletion_id: &str, needed: &[BlobId]) -> Result<()> {
    let (Some(first), Some(last)) = (needed.first(), needed.last()) else { return Ok(()) };
    let tx = db.begin_write().await?;
    // Plan: the primary key, with bounds as of `dialect::among`; then that of blob, and one index probe per reference.
    let sql = format!(
        "UPDATE receipt_object SET answer = (SELECT {} FROM blob WHERE blob.id = receipt_object.blob_id) \
         WHERE deletion_id = $1 AND blob_id = ANY($2) AND blob_id BETWEEN $3 AND $4 AND answer IS NULL AND EXISTS \
         (SELECT 1 FROM blob WHERE blob.id = receipt_object.blob_id AND {})",
        blob::who_refers(),
        blob::referenced()
    );
    let values = [deletion_id.into(), dialect::list(needed), (*first).into(), (*last).into()];
    tx.connection().execute_raw(dialect::statement(tx.connection(), sql, values)).await?;
    tx.commit().await
}

async fn is_outstanding(db: &Db, deletion_id: &str) -> Result<bool> {
    // Things first: once nothing of them is left, no object is added. Plan: ix_receipt_item_open, ix_receipt_object_open.
    let object = object::Entity::find()
        .filter(object::Column::DeletionId.eq(deletion_id))
        .filter(object::Column::Answer.is_null());
    let item = item::Entity::find()
        .filter(item::Column::DeletionId.eq(deletion_id))
        .filter(item::Column::PurgedAt.is_null());
    Ok(item.one(db.connection()).await?.is_some() || object.one(db.connection()).await?.is_some())
}
