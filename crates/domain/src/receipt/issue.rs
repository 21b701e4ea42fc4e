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
use crate::db::{Db, Source as _, WriteTx, dialect};
use crate::entity::receipt::{Column, Entity};
use crate::entity::{receipt_item as item, receipt_object as object};
use crate::error::Result;

/// Receipts that are looked at together.
const BATCH: u64 = 100;
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
    let tx = db.begin_write().await?;
    keep_what_is_needed(&tx, &receipt.deletion_id).await?;
    let is_outstanding = is_outstanding(&tx, &receipt.deletion_id).await?;
    let now = tx.now();
    tx.commit().await?;
    if is_outstanding {
        return Ok(false);
    }
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

/// Notes which objects stay, since something else refers to them.
async fn keep_what_is_needed(tx: &WriteTx, deletion_id: &str) -> Result<()> {
    // Plan: ix_receipt_object_open, then one index probe per reference.
    let sql = format!(
        "UPDATE receipt_object SET answer = (SELECT {} FROM blob WHERE blob.id = receipt_object.blob_id) \
         WHERE deletion_id = $1 AND answer IS NULL AND EXISTS \
         (SELECT 1 FROM blob WHERE blob.id = receipt_object.blob_id AND {})",
        blob::who_refers(),
        blob::referenced()
    );
    tx.connection().execute_raw(dialect::statement(tx.connection(), sql, [deletion_id.into()])).await?;
    Ok(())
}

async fn is_outstanding(tx: &WriteTx, deletion_id: &str) -> Result<bool> {
    // Plan: ix_receipt_object_open, ix_receipt_item_open.
    let object = object::Entity::find()
        .filter(object::Column::DeletionId.eq(deletion_id))
        .filter(object::Column::Answer.is_null());
    let item = item::Entity::find()
        .filter(item::Column::DeletionId.eq(deletion_id))
        .filter(item::Column::PurgedAt.is_null());
    Ok(object.one(tx.connection()).await?.is_some() || item.one(tx.connection()).await?.is_some())
}
