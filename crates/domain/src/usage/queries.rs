//! Three statements for one figure.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait as _, FromQueryResult, Value};

use super::{Scope, Usage};
use crate::account::{self, Caller};
use crate::blob::referenced;
use crate::clock::Timestamp;
use crate::db::{Db, Source, dialect};
use crate::error::{Error, Result};
use crate::id::{EntityId, RunId};

/// Ids per statement.
const BATCH: usize = 500;

/// What becomes of the bytes of a run `r` in a project `p`, the most alive first.
const RUN_CLASS: &str = "CASE WHEN p.state = 'purged' OR r.lifecycle = 'purged' \
                         OR (r.lifecycle = 'deleted' AND r.purge_after <= $2) THEN 3 \
                         WHEN p.state = 'deleted' OR r.lifecycle = 'deleted' THEN 2 \
                         WHEN r.lifecycle = 'archived' THEN 1 ELSE 0 END";

/// The same of a version `a` of an artifact.
const ARTIFACT_CLASS: &str = "CASE WHEN p.state = 'purged' \
                              OR (a.state = 'deleted' AND (a.purge_after IS NULL OR a.purge_after <= $2)) THEN 3 \
                              WHEN p.state = 'deleted' OR a.state = 'deleted' THEN 2 ELSE 0 END";

/// Runs, by their project.
pub(super) const RUNS: &str = "FROM project p JOIN run r ON r.project_id = p.id";

/// Versions of artifacts, by their project.
pub(super) const ARTIFACTS: &str = "FROM project p JOIN artifact_collection c ON c.project_id = p.id \
                                    JOIN artifact a ON a.collection_id = c.id";

impl Scope {
    /// The condition on a row of `p` or `r`, whose one value is `$1`.
    pub(super) fn condition(self) -> &'static str {
        match self {
            Self::Entity(_) => "p.entity_id = $1",
            Self::Project(_) => "p.id = $1",
            Self::Run(_) => "r.id = $1",
        }
    }

    pub(super) fn value(self) -> Value {
        match self {
            Self::Entity(id) => id.into(),
            Self::Project(id) => id.into(),
            Self::Run(id) => id.into(),
        }
    }
}

#[derive(FromQueryResult)]
struct Part {
    class: i32,
    bytes: i64,
    shared: i64,
    purges_from: Option<Timestamp>,
    purges_until: Option<Timestamp>,
}

/// What a scope has now.
pub async fn get(db: &Db, scope: Scope) -> Result<Usage> {
    get_at(db, db.now(), scope).await
}

/// What an entity has; none where the caller does not belong to it.
pub async fn of_entity(db: &Db, caller: &Caller, id: EntityId) -> Result<Option<Usage>> {
    if account::get_roles(db, caller, &[id]).await?.is_empty() {
        return Ok(None);
    }
    get(db, Scope::Entity(id)).await.map(Some)
}

async fn get_at(source: &impl Source, now: Timestamp, scope: Scope) -> Result<Usage> {
    let mut usage = Usage::default();
    for (sql, is_database) in [(files(scope), false), (lines(scope), true), (blobs(scope), false)] {
        let statement = dialect::statement(source.connection(), sql, [scope.value(), now.into()]);
        for part in Part::find_by_statement(statement).all(source.connection()).await? {
            usage.add(&part, is_database)?;
        }
    }
    Ok(usage)
}

impl Usage {
    fn add(&mut self, part: &Part, is_database: bool) -> Result<()> {
        let bytes = match part.class {
            0 => &mut self.live,
            1 => &mut self.archived,
            2 => &mut self.trash,
            3 => &mut self.reclaimable,
            other => return Err(Error::internal(format!("bytes of an unknown class {other}"))),
        };
        *bytes += part.bytes;
        self.shared += part.shared;
        if is_database {
            self.database += part.bytes;
        }
        if part.class == 2 {
            self.purges_from = self.purges_from.into_iter().chain(part.purges_from).min();
            self.purges_until = self.purges_until.into_iter().chain(part.purges_until).max();
        }
        Ok(())
    }
}

/// Files of runs. Plan: project by owner or id, run by project, `run_storage` by its key.
fn files(scope: Scope) -> String {
    format!(
        "SELECT {RUN_CLASS} AS class, CAST(COALESCE(SUM(s.file_bytes), 0) AS BIGINT) AS bytes, \
         CAST(0 AS BIGINT) AS shared, MIN(COALESCE(r.purge_after, d.purge_after)) AS purges_from, \
         MAX(COALESCE(r.purge_after, d.purge_after)) AS purges_until \
         {RUNS} LEFT JOIN run_storage s ON s.run_id = r.id \
         LEFT JOIN deletion d ON d.project_id = p.id AND d.kind = 'project' AND d.state = 'pending' \
         WHERE {} GROUP BY 1",
        scope.condition()
    )
}

/// Lines that are still in the database. Plan: `ix_history_stream_live`.
fn lines(scope: Scope) -> String {
    format!(
        "SELECT {RUN_CLASS} AS class, CAST(SUM(h.live_bytes) AS BIGINT) AS bytes, CAST(0 AS BIGINT) AS shared, \
         CAST(NULL AS BIGINT) AS purges_from, CAST(NULL AS BIGINT) AS purges_until \
         {RUNS} JOIN history_stream h ON h.run_id = r.id WHERE {} AND h.live_bytes > 0 GROUP BY 1",
        scope.condition()
    )
}

/// What several things may refer to, each once. Plan: the children of each run and version by their parent, then the blob.
fn blobs(scope: Scope) -> String {
    format!(
        "SELECT class, CAST(SUM(b.size_bytes) AS BIGINT) AS bytes, \
         CAST(SUM(CASE WHEN first_owner <> last_owner THEN b.size_bytes ELSE 0 END) AS BIGINT) AS shared, \
         MIN(first_due) AS purges_from, MAX(last_due) AS purges_until \
         FROM (SELECT blob_id, MIN(class) AS class, MIN(owner) AS first_owner, MAX(owner) AS last_owner, \
         MIN(purge_after) AS first_due, MAX(purge_after) AS last_due FROM ({}) AS reference GROUP BY blob_id) AS used JOIN blob b ON b.id = used.blob_id GROUP BY class",
        references(scope)
    )
}

/// Blobs that a scope refers to, but for files of runs: with their class, and with what refers to them. Of a segment that
/// are all the runs that have it, also those outside.
pub(super) fn references(scope: Scope) -> String {
    let condition = scope.condition();
    let mut rows: Vec<String> = ["rows_blob_id", "columns_blob_id"]
        .iter()
        .map(|column| {
            format!(
                "SELECT p.id AS project_id, g.{column} AS blob_id, {RUN_CLASS} AS class, o.run_id AS owner, \
                 CAST(NULL AS BIGINT) AS purge_after \
                 {RUNS} JOIN history_segment g ON g.run_id = r.id \
                 JOIN history_segment o ON o.{column} = g.{column} WHERE {condition}"
            )
        })
        .collect();
    if !matches!(scope, Scope::Run(_)) {
        rows.extend(["artifact_entry", "artifact_manifest", "artifact_upload"].iter().map(|table| {
            format!(
                "SELECT p.id AS project_id, t.blob_id, {ARTIFACT_CLASS} AS class, a.id AS owner, a.purge_after \
                 {ARTIFACTS} JOIN {table} t ON t.artifact_id = a.id WHERE {condition} AND t.blob_id IS NOT NULL"
            )
        }));
    }
    rows.join(" UNION ALL ")
}

/// The bytes of runs, in the bucket and in the database; what several of them share is counted for each.
pub(crate) async fn of_runs(source: &impl Source, ids: &[RunId]) -> Result<HashMap<RunId, i64>> {
    let mut found = HashMap::with_capacity(ids.len());
    for ids in ids.chunks(BATCH) {
        // Plan: the keys of each table by run, then blobs by their key.
        let segments = |column| {
            format!(
                "SELECT g.run_id, b.size_bytes FROM history_segment g JOIN blob b ON b.id = g.{column} \
                 WHERE g.run_id = ANY($1)"
            )
        };
        let sql = format!(
            "SELECT run_id, CAST(SUM(bytes) AS BIGINT) AS bytes FROM (\
             SELECT run_id, file_bytes AS bytes FROM run_storage WHERE run_id = ANY($1) \
             UNION ALL SELECT run_id, live_bytes FROM history_stream WHERE run_id = ANY($1) \
             UNION ALL {} UNION ALL {}) AS part GROUP BY run_id",
            segments("rows_blob_id"),
            segments("columns_blob_id")
        );
        let statement = dialect::statement(source.connection(), sql, [dialect::list(ids)]);
        for row in source.connection().query_all_raw(statement).await? {
            found.insert(row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        }
    }
    Ok(found)
}

/// Bytes of objects that nothing refers to any more: they go with the next collections.
pub async fn unreferenced_bytes(source: &impl Source) -> Result<i64> {
    let sql = format!(
        "SELECT CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT) AS bytes FROM blob WHERE NOT {}",
        referenced()
    );
    let statement = dialect::statement(source.connection(), sql, []);
    let row = source.connection().query_one_raw(statement).await?;
    Ok(row.map(|row| row.try_get("", "bytes")).transpose()?.unwrap_or_default())
}
