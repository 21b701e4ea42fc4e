//! What has the most bytes.

use sea_orm::FromQueryResult;

use super::Scope;
use super::queries::{ARTIFACTS, RUNS, references};
use crate::account::Caller;
use crate::db::{Db, Source as _, dialect};
use crate::error::Result;
use crate::id::{ArtifactId, ProjectId, RunId};
use crate::project;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumerKind {
    /// Projects, by all that they have.
    Project,
    /// Runs, by their files and history.
    Run,
    /// Versions of artifacts, by the sizes of their files, each counted in full.
    Artifact,
}

/// Something, and its bytes.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Consumer {
    id: i64,
    project_id: ProjectId,
    /// The name of a project or run, or `collection:version`.
    pub name: String,
    /// How many.
    pub bytes: i64,
}

impl Consumer {
    /// The global id of the thing.
    pub fn node_id(&self, kind: ConsumerKind) -> String {
        match kind {
            ConsumerKind::Project => ProjectId(self.id).to_node_id(),
            ConsumerKind::Run => RunId(self.id).to_node_id(),
            ConsumerKind::Artifact => ArtifactId(self.id).to_node_id(),
        }
    }
}

/// A page of consumers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumers {
    /// Each with its place in the list. Those that the caller may not see are passed over.
    pub found: Vec<(u64, Consumer)>,
    /// Whether there are more after it.
    pub has_more: bool,
}

/// Up to `limit` things after the first `offset`, the largest first.
pub async fn list_consumers(
    db: &Db,
    caller: &Caller,
    scope: Scope,
    kind: ConsumerKind,
    offset: u64,
    limit: u64,
) -> Result<Consumers> {
    let rows = match kind {
        ConsumerKind::Project => projects(scope),
        ConsumerKind::Run => runs(scope),
        ConsumerKind::Artifact => artifacts(scope),
    };
    let sql = format!(
        "SELECT id, project_id, name, CAST(bytes AS BIGINT) AS bytes FROM ({rows}) AS consumer \
         WHERE bytes > 0 AND $2 = $2 ORDER BY bytes DESC, id LIMIT $3 OFFSET $4"
    );
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let values = [scope.value(), db.now().into(), number(limit + 1).into(), number(offset).into()];
    let statement = dialect::statement(db.connection(), sql, values);
    let mut rows = Consumer::find_by_statement(statement).all(db.connection()).await?;
    let has_more = rows.len() as u64 > limit;
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let mut ids: Vec<ProjectId> = rows.iter().map(|consumer| consumer.project_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let seen = project::get_roles(db, caller, &ids).await?;
    let found = (offset + 1..).zip(rows).filter(|(_, consumer)| seen.contains_key(&consumer.project_id));
    Ok(Consumers { found: found.collect(), has_more })
}

fn projects(scope: Scope) -> String {
    let condition = scope.condition();
    format!(
        "SELECT p.id, p.id AS project_id, p.name, SUM(part.bytes) AS bytes FROM (\
         SELECT p.id, SUM(s.file_bytes) AS bytes {RUNS} JOIN run_storage s ON s.run_id = r.id \
         WHERE {condition} GROUP BY p.id \
         UNION ALL SELECT p.id, SUM(h.live_bytes) {RUNS} JOIN history_stream h ON h.run_id = r.id \
         WHERE {condition} AND h.live_bytes > 0 GROUP BY p.id \
         UNION ALL SELECT used.project_id, SUM(b.size_bytes) \
         FROM (SELECT DISTINCT project_id, blob_id FROM ({}) AS reference) AS used \
         JOIN blob b ON b.id = used.blob_id GROUP BY used.project_id\
         ) AS part JOIN project p ON p.id = part.id GROUP BY p.id, p.name",
        references(scope)
    )
}

fn runs(scope: Scope) -> String {
    let condition = scope.condition();
    format!(
        "SELECT r.id, p.id AS project_id, r.name, COALESCE(s.file_bytes, 0) \
         + COALESCE((SELECT SUM(h.live_bytes) FROM history_stream h \
         WHERE h.run_id = r.id AND h.live_bytes > 0), 0) \
         + COALESCE((SELECT SUM(b.size_bytes) FROM history_segment g JOIN blob b ON b.id = g.rows_blob_id \
         WHERE g.run_id = r.id), 0) \
         + COALESCE((SELECT SUM(b.size_bytes) FROM history_segment g JOIN blob b ON b.id = g.columns_blob_id \
         WHERE g.run_id = r.id), 0) AS bytes \
         {RUNS} LEFT JOIN run_storage s ON s.run_id = r.id WHERE {condition} AND r.lifecycle <> 'purged'"
    )
}

fn artifacts(scope: Scope) -> String {
    // A run's are those that it made.
    let condition = match scope {
        Scope::Run(_) => "a.run_id = $1",
        scope => scope.condition(),
    };
    format!(
        "SELECT a.id, p.id AS project_id, c.name || COALESCE(':v' || CAST(m.version_index AS TEXT), '') AS name, \
         a.size_bytes AS bytes {ARTIFACTS} \
         LEFT JOIN artifact_membership m ON m.artifact_id = a.id AND m.collection_id = c.id \
         WHERE {condition} AND a.state = 'committed'"
    )
}
