//! Storing and deleting files. The bytes themselves travel between these verbs, outside any transaction.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, NotSet, QueryFilter, Set};

use counterweight_storage::{Md5Digest, ObjectKey};

use super::FileName;
use crate::account::{Caller, Role};
use crate::audit::{self, Act, Action, Topic};
use crate::blob;
use crate::db::{Db, Source, WriteTx};
use crate::entity::run_file::{self, Column};
use crate::error::{Error, Result};
use crate::hold::{self, Target};
use crate::id::{BlobId, FileId, ProjectId, RunId};
use crate::project;
use crate::run;

/// Announces bytes for a run's file, under a key that was never used before. If they never arrive, the collector
/// takes what is left of them.
pub async fn begin_upload(db: &Db, run_id: RunId) -> Result<(BlobId, ObjectKey)> {
    let tx = db.begin_write().await?;
    run::hold_reachable(&tx, run_id).await?;
    let announced = blob::begin(&tx).await?;
    tx.commit().await?;
    Ok(announced)
}

/// The bytes have arrived and are durable: the file now has them, and what it had before is unreferenced.
pub async fn finish_upload(
    db: &Db,
    run_id: RunId,
    name: &FileName,
    blob_id: BlobId,
    size_bytes: u64,
    md5: Md5Digest,
) -> Result<()> {
    let tx = db.begin_write().await?;
    blob::complete(&tx, blob_id, size_bytes, md5).await?;
    run::hold_reachable(&tx, run_id).await?;
    let row = run_file::ActiveModel {
        id: NotSet,
        run_id: Set(run_id),
        name: Set(name.as_str().to_owned()),
        blob_id: Set(blob_id),
        created_at: Set(tx.now()),
        updated_at: Set(tx.now()),
    };
    run_file::Entity::insert(row)
        .on_conflict(
            OnConflict::columns([Column::RunId, Column::Name])
                .update_columns([Column::BlobId, Column::UpdatedAt])
                .to_owned(),
        )
        .exec_without_returning(tx.connection())
        .await?;
    tx.commit().await
}

/// Deletes files of runs that the caller may write, in `project` where it is given. All or none: an id that is not
/// there fails the call.
pub async fn delete(tx: &WriteTx, caller: &Caller, ids: &[FileId], project: Option<ProjectId>) -> Result<()> {
    const MOST: usize = 1000;
    if ids.len() > MOST {
        return Err(Error::invalid("TOO_MANY", "files", format!("at most {MOST} files at once")));
    }
    let rows =
        run_file::Entity::find().filter(Column::Id.is_in(ids.iter().copied())).all(tx.connection()).await?;
    let mut projects = BTreeSet::new();
    for id in ids {
        let missing = || Error::not_found("file", id.to_node_id());
        let row = rows.iter().find(|row| row.id == *id).ok_or_else(missing)?;
        let owner = run::find_by_id(tx, caller, row.run_id).await?.ok_or_else(missing)?;
        if project.is_some_and(|project| project != owner.project_id) {
            return Err(missing());
        }
        projects.insert(owner.project_id);
    }
    for project in projects {
        project::authorize(tx, caller, project, Role::Member).await?;
    }
    let mut counts: BTreeMap<RunId, i64> = BTreeMap::new();
    for row in &rows {
        *counts.entry(row.run_id).or_default() += 1;
    }
    let owners: Vec<RunId> = counts.keys().copied().collect();
    hold::check(tx, Target::Runs(&owners)).await?;
    for (run, files) in counts {
        let counts = [("files", files)];
        let act = Act::by(caller.user_id, Action::Delete).with(&counts);
        audit::record(tx, act, Topic::Runs(&[run])).await?;
    }
    run_file::Entity::delete_many()
        .filter(Column::Id.is_in(ids.iter().copied()))
        .exec(tx.connection())
        .await?;
    Ok(())
}
