//! Storing and deleting files. The bytes themselves travel between these verbs, outside any transaction.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::sea_query::{Expr, ExprTrait as _, OnConflict};
use sea_orm::{
    ColumnTrait, ConnectionTrait as _, EntityTrait, FromQueryResult, JoinType, NotSet, QueryFilter,
    QuerySelect, RelationDef, Set,
};

use counterweight_storage::{Md5Digest, ObjectKey};

use super::FileName;
use super::queries::like;
use crate::account::{Caller, Role};
use crate::audit::{self, Act, Action, Topic};
use crate::blob;
use crate::bulk::Which;
use crate::db::{Db, Source, WriteTx};
use crate::entity::blob as blob_entity;
use crate::entity::run_file::{self, Column};
use crate::error::{Error, Result};
use crate::hold::{self, Target};
use crate::id::{BlobId, FileId, ProjectId, RunId};
use crate::project::{self, Project};
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

/// Refuses a pattern that means nothing.
pub(crate) fn check_pattern(db: &impl Source, pattern: &str) -> Result<()> {
    if pattern.is_empty() {
        return Err(Error::invalid("PATTERN_INVALID", "pattern", "must not be empty; % means every file"));
    }
    like(db.connection().get_database_backend(), pattern).map(|_| ())
}

/// Deletes the files of held runs whose names match a pattern, as `File.files` takes it.
pub(crate) async fn delete_matching(
    tx: &WriteTx,
    caller: &Caller,
    runs: &[RunId],
    pattern: &str,
) -> Result<()> {
    let gone = run_file::Entity::delete_many()
        .filter(Column::RunId.is_in(runs.iter().copied()))
        .filter(like(tx.connection().get_database_backend(), pattern)?)
        .exec_with_returning(tx.connection())
        .await?;
    record(tx, caller, gone.iter().map(|row| row.run_id), Some(pattern)).await
}

/// What the files of some runs come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromQueryResult)]
pub struct Matching {
    /// Runs that have such a file.
    pub run_count: i64,
    /// Files.
    pub file_count: i64,
    /// Their bytes.
    pub file_bytes: i64,
}

/// What [`bulk::delete_files`](crate::bulk::delete_files) would delete now. Writes nothing.
pub async fn count_matching(
    db: &impl Source,
    caller: &Caller,
    project: &Project,
    which: &Which,
    pattern: &str,
) -> Result<Matching> {
    check_pattern(db, pattern)?;
    let runs = which.select(db, caller, project, false).await?;
    // Plan: the runs as their listing finds them, ux_run_file_run_id_name, the primary key of blob.
    let query = run_file::Entity::find()
        .select_only()
        .column_as(Expr::col((run_file::Entity, Column::RunId)).count_distinct(), "run_count")
        .column_as(Expr::col((run_file::Entity, Column::Id)).count(), "file_count")
        .column_as(Expr::cust("CAST(COALESCE(SUM(blob.size_bytes), 0) AS BIGINT)"), "file_bytes")
        .join(JoinType::InnerJoin, to_blob())
        .filter(Column::RunId.in_subquery(runs))
        .filter(like(db.connection().get_database_backend(), pattern)?);
    Ok(query.into_model().one(db.connection()).await?.unwrap_or_default())
}

fn to_blob() -> RelationDef {
    run_file::Entity::belongs_to(blob_entity::Entity).from(Column::BlobId).to(blob_entity::Column::Id).into()
}

/// Records how many files of which runs are gone.
async fn record(
    tx: &WriteTx,
    caller: &Caller,
    owners: impl Iterator<Item = RunId>,
    reason: Option<&str>,
) -> Result<()> {
    let mut counts: BTreeMap<RunId, i64> = BTreeMap::new();
    for owner in owners {
        *counts.entry(owner).or_default() += 1;
    }
    for (run, files) in counts {
        let counts = [("files", files)];
        let act = Act::by(caller.user_id, Action::Delete).because(reason).with(&counts);
        audit::record(tx, act, Topic::Runs(&[run])).await?;
    }
    Ok(())
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
    let missing = |id: &FileId| Error::not_found("file", id.to_node_id());
    let mut projects = BTreeSet::new();
    for id in ids {
        let row = rows.iter().find(|row| row.id == *id).ok_or_else(|| missing(id))?;
        let owner = run::find_by_id(tx, caller, row.run_id).await?.ok_or_else(|| missing(id))?;
        if project.is_some_and(|project| project != owner.project_id) {
            return Err(missing(id));
        }
        projects.insert(owner.project_id);
    }
    for project in &projects {
        project::authorize(tx, caller, *project, Role::Member).await?;
    }
    let owners: BTreeSet<RunId> = rows.iter().map(|row| row.run_id).collect();
    let owners = Vec::from_iter(owners);
    hold::check(tx, Target::Runs(&owners)).await?;
    // Another call may have deleted or moved a run since it was looked up, or the file.
    let held = run::load_for_update(tx, &owners).await?;
    let is_there = |row: &run_file::Model| {
        held.get(&row.run_id)
            .is_some_and(|run| run.lifecycle.is_reachable() && projects.contains(&run.project_id))
    };
    if let Some(row) = rows.iter().find(|row| !is_there(row)) {
        return Err(missing(&row.id));
    }
    let gone = run_file::Entity::delete_many()
        .filter(Column::Id.is_in(ids.iter().copied()))
        .exec_with_returning(tx.connection())
        .await?;
    if let Some(row) = rows.iter().find(|row| gone.iter().all(|gone| gone.id != row.id)) {
        return Err(missing(&row.id));
    }
    record(tx, caller, gone.iter().map(|row| row.run_id), None).await
}
