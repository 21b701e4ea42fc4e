//! Reading files of runs.

use std::collections::HashMap;

use sea_orm::sea_query::{Asterisk, Expr, ExprTrait, Func, LikeExpr, Order, Query, WindowStatement};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, FromQueryResult, JoinType, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait as _, RelationDef, Select,
};

use crate::clock::Timestamp;
use crate::db::{Source, dialect};
use crate::entity::run_file::Column;
use crate::entity::{blob, project, run, run_file};
use crate::error::{Error, Result};
use crate::id::{BlobId, FileId, RunId};
use crate::project::ProjectState;
use crate::run::Lifecycle;

/// A file with what is known of its bytes.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct File {
    /// Storage id.
    pub id: FileId,
    /// Its run.
    pub run_id: RunId,
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub blob_id: BlobId,
    /// Where they are.
    pub object_key: String,
    /// How many.
    pub size_bytes: i64,
    /// Base64.
    pub md5: Option<String>,
    /// When the bytes last changed.
    pub updated_at: Timestamp,
}

/// Which files of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FileQuery {
    /// Exactly these; empty for all.
    pub names: Vec<String>,
    /// SQL `LIKE`, without regard to the case of ASCII letters, `\` escapes.
    pub pattern: Option<String>,
    /// The last name seen.
    pub after: Option<String>,
}

fn select() -> Select<run_file::Entity> {
    let bytes: RelationDef =
        run_file::Entity::belongs_to(blob::Entity).from(Column::BlobId).to(blob::Column::Id).into();
    run_file::Entity::find()
        .join(JoinType::InnerJoin, bytes)
        .column_as(blob::Column::ObjectKey, "object_key")
        .column_as(blob::Column::SizeBytes, "size_bytes")
        .column_as(blob::Column::Md5, "md5")
}

/// A page of a run's files by name.
pub async fn list(db: &impl Source, run: RunId, wanted: &FileQuery, limit: u64) -> Result<Vec<File>> {
    // Plan: ux_run_file_run_id_name serves order, cursor and names; a pattern reads the run's files.
    let backend = db.connection().get_database_backend();
    let query = select().filter(Column::RunId.eq(run)).filter(wanted.condition(backend)?);
    Ok(query.order_by_asc(Column::Name).limit(limit).into_model().all(db.connection()).await?)
}

/// The same page of several runs, in one statement.
pub async fn list_many(
    db: &impl Source,
    runs: &[RunId],
    wanted: &FileQuery,
    limit: u64,
) -> Result<HashMap<RunId, Vec<File>>> {
    if let [run] = runs {
        return Ok(HashMap::from([(*run, list(db, *run, wanted, limit).await?)]));
    }
    // Plan: ux_run_file_run_id_name, all that is wanted of these runs.
    let mut by_run = WindowStatement::partition_by((run_file::Entity, Column::RunId));
    by_run.order_by((run_file::Entity, Column::Name), Order::Asc);
    let wanted = wanted.condition(db.connection().get_database_backend())?;
    let mut files = select().filter(Column::RunId.is_in(runs.iter().copied())).filter(wanted).into_query();
    files.expr_window_as(Func::cust("ROW_NUMBER"), by_run, "place");
    let mut page = Query::select();
    page.column(Asterisk)
        .from_subquery(files, "files")
        .and_where(Expr::col("place").lte(i64::try_from(limit).unwrap_or(i64::MAX)))
        .order_by("name", Order::Asc);
    let mut found: HashMap<RunId, Vec<File>> = HashMap::new();
    for row in db.connection().query_all(&page).await? {
        let file = File::from_query_result(&row, "")?;
        found.entry(file.run_id).or_default().push(file);
    }
    Ok(found)
}

impl FileQuery {
    fn condition(&self, backend: DbBackend) -> Result<Condition> {
        let mut condition = Condition::all();
        if !self.names.is_empty() {
            condition = condition.add(Column::Name.is_in(&self.names));
        }
        if let Some(pattern) = &self.pattern {
            condition = condition.add(like(backend, pattern)?);
        }
        if let Some(after) = &self.after {
            condition = condition.add(Column::Name.gt(after));
        }
        Ok(condition)
    }
}

pub(super) fn like(backend: DbBackend, pattern: &str) -> Result<Expr> {
    let escapes = pattern.chars().rev().take_while(|c| *c == '\\').count();
    if escapes % 2 == 1 || pattern.len() > 4096 || pattern.contains('\0') {
        return Err(Error::invalid(
            "PATTERN_INVALID",
            "pattern",
            "ends in an escape, is too long or has a NUL",
        ));
    }
    // Only ASCII has a case here: SQLite knows no other, and PostgreSQL's depends on its locale.
    let name = dialect::bytewise(backend, Expr::col((run_file::Entity, Column::Name)));
    let pattern = LikeExpr::new(pattern.to_ascii_lowercase()).escape('\\');
    Ok(Expr::expr(Func::lower(name)).like(pattern))
}

/// One file by name.
pub async fn find(db: &impl Source, run: RunId, name: &str) -> Result<Option<File>> {
    let query = select().filter(Column::RunId.eq(run)).filter(Column::Name.eq(name));
    Ok(query.into_model().one(db.connection()).await?)
}

/// One file by id, for links that were signed for it. They end with their run and its project.
pub async fn get(db: &impl Source, id: FileId) -> Result<File> {
    let owner: RelationDef =
        run_file::Entity::belongs_to(run::Entity).from(Column::RunId).to(run::Column::Id).into();
    let place: RelationDef =
        run::Entity::belongs_to(project::Entity).from(run::Column::ProjectId).to(project::Column::Id).into();
    let found = select()
        .join(JoinType::InnerJoin, owner)
        .join(JoinType::InnerJoin, place)
        .filter(Column::Id.eq(id))
        .filter(project::Column::State.eq(ProjectState::Live))
        .filter(run::Column::Lifecycle.is_in([Lifecycle::Live, Lifecycle::Archived]));
    let found = found.into_model().one(db.connection()).await?;
    found.ok_or_else(|| Error::not_found("file", id.to_node_id()))
}

/// How many files each run has.
pub async fn count_many(db: &impl Source, runs: &[RunId]) -> Result<HashMap<RunId, i64>> {
    let counts: Vec<(RunId, i64)> = run_file::Entity::find()
        .select_only()
        .column(Column::RunId)
        .column_as(Column::Id.count(), "files")
        .filter(Column::RunId.is_in(runs.iter().copied()))
        .group_by(Column::RunId)
        .into_tuple()
        .all(db.connection())
        .await?;
    Ok(counts.into_iter().collect())
}
