//! Reading receipts.

use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};

use super::{Receipt, ReceiptItem, ReceiptObject};
use crate::account::Caller;
use crate::audit::SubjectKind;
use crate::db::Source;
use crate::entity::{receipt, receipt_item as item, receipt_object as object};
use crate::error::{Error, Result};
use crate::id::BlobId;
use crate::project;

/// The receipt of a deletion, also while something is outstanding, if the caller may see its project.
pub async fn find(db: &impl Source, caller: &Caller, deletion_id: &str) -> Result<Option<Receipt>> {
    let found = receipt::Entity::find_by_id(deletion_id).one(db.connection()).await?;
    let Some(found) = found else { return Ok(None) };
    let seen = project::find_any(db, caller, found.project_id).await?;
    Ok(seen.map(|_| found))
}

/// The same for who operates the server.
pub async fn get(db: &impl Source, deletion_id: &str) -> Result<Receipt> {
    let found = receipt::Entity::find_by_id(deletion_id).one(db.connection()).await?;
    found.ok_or_else(|| Error::not_found("receipt", deletion_id))
}

/// A page of the objects of a receipt, whose owner was checked; `after` is the last one seen.
pub async fn list_objects(
    db: &impl Source,
    deletion_id: &str,
    after: Option<BlobId>,
    limit: u64,
) -> Result<Vec<ReceiptObject>> {
    // Plan: the primary key.
    let mut query = object::Entity::find().filter(object::Column::DeletionId.eq(deletion_id));
    if let Some(after) = after {
        query = query.filter(object::Column::BlobId.gt(after));
    }
    Ok(query.order_by_asc(object::Column::BlobId).limit(limit).all(db.connection()).await?)
}

/// A page of the things that went, in the same way.
pub async fn list_items(
    db: &impl Source,
    deletion_id: &str,
    kind: SubjectKind,
    after: Option<i64>,
    limit: u64,
) -> Result<Vec<ReceiptItem>> {
    // Plan: the primary key.
    let mut query = item::Entity::find()
        .filter(item::Column::DeletionId.eq(deletion_id))
        .filter(item::Column::Kind.eq(kind));
    if let Some(after) = after {
        query = query.filter(item::Column::SubjectId.gt(after));
    }
    Ok(query.order_by_asc(item::Column::SubjectId).limit(limit).all(db.connection()).await?)
}
