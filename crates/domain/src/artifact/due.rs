//! Versions that have reached an age: for what goes by itself.

use std::collections::HashSet;

use sea_orm::{ActiveEnum as _, ConnectionTrait as _, FromQueryResult, Value};

use super::ArtifactRole;
use super::expire::NOTHING_KEEPS;
use crate::clock::Timestamp;
use crate::db::{Source, dialect};
use crate::error::Result;
use crate::hold;
use crate::id::{ArtifactId, CollectionId, ProjectId, RunId};

/// Ids per statement.
const BATCH: usize = 500;

/// A committed version in the sequence that it was made in, and what may keep it.
#[expect(
    clippy::struct_excessive_bools,
    reason = "a row of one statement, which answers each question apart"
)]
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub(crate) struct DueVersion {
    pub(crate) id: ArtifactId,
    pub(crate) collection_id: CollectionId,
    pub(crate) committed_at: Timestamp,
    /// `collection:v0`.
    pub(crate) name: String,
    pub(crate) size_bytes: i64,
    /// How many committed versions of its collection are younger, counted no further than asked for.
    pub(crate) younger: i64,
    pub(crate) is_held: bool,
    /// Whether a registry has it, or a protected alias names it.
    pub(crate) is_kept: bool,
    pub(crate) is_aliased: bool,
    pub(crate) is_linked: bool,
}

/// Which versions of a project are due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DueVersions<'a> {
    pub(crate) project_id: ProjectId,
    pub(crate) type_name: Option<&'a str>,
    pub(crate) collection_name: Option<&'a str>,
    /// Committed then, or before; if it was in the trash, back then, or before.
    pub(crate) until: Timestamp,
    /// How far younger ones are counted.
    pub(crate) ranks: u32,
}

/// Where a page of due versions ends.
pub(crate) type DueVersionPlace = (CollectionId, Timestamp, ArtifactId);

impl DueVersions<'_> {
    /// The next of them after this one, collection by collection, the oldest first.
    pub(crate) async fn list(
        self,
        db: &impl Source,
        after: Option<DueVersionPlace>,
        limit: u64,
    ) -> Result<Vec<DueVersion>> {
        let mut values = self.values();
        let mut condition = "";
        if let Some((collection, at, id)) = after {
            condition = " AND (s.id > $6 OR s.id = $6 AND (artifact.committed_at > $7 \
                         OR artifact.committed_at = $7 AND artifact.id > $8))";
            values.extend([collection.into(), at.into(), id.into()]);
        }
        // Plan: ix_artifact_collection_listing, then ix_artifact_committed_at.
        let order = format!("{condition} ORDER BY s.id, artifact.committed_at, artifact.id LIMIT {limit}");
        self.select(db, &order, values).await
    }

    /// Those of these that are due.
    pub(crate) async fn among(self, db: &impl Source, ids: &[ArtifactId]) -> Result<Vec<DueVersion>> {
        let mut found = Vec::new();
        for ids in ids.chunks(BATCH) {
            let values = self.values().into_iter().chain([dialect::list(ids)]);
            // Plan: primary keys.
            found.extend(self.select(db, " AND artifact.id = ANY($6)", values.collect()).await?);
        }
        Ok(found)
    }

    fn values(self) -> Vec<Value> {
        let name = |name: Option<&str>| Value::from(name.unwrap_or_default());
        vec![
            self.project_id.into(),
            self.until.into(),
            i64::from(self.ranks).into(),
            name(self.type_name),
            name(self.collection_name),
        ]
    }

    async fn select(self, db: &impl Source, rest: &str, values: Vec<Value>) -> Result<Vec<DueVersion>> {
        let sql = format!(
            "SELECT artifact.id, artifact.collection_id, artifact.committed_at, artifact.size_bytes, \
             s.name || ':v' || place.version_index AS name, \
             (SELECT COUNT(*) FROM (SELECT 1 FROM artifact_membership o JOIN artifact b ON b.id = o.artifact_id \
             WHERE o.collection_id = s.id AND o.version_index > place.version_index AND b.collection_id = s.id \
             AND b.state = 'committed' LIMIT $3) AS newer) AS younger, \
             NOT ({held}) AS is_held, NOT ({NOTHING_KEEPS}) AS is_kept, \
             EXISTS (SELECT 1 FROM artifact_alias n WHERE n.artifact_id = artifact.id) AS is_aliased, \
             EXISTS (SELECT 1 FROM artifact_membership l JOIN artifact_collection t ON t.id = l.collection_id \
             JOIN project q ON q.id = t.project_id WHERE l.artifact_id = artifact.id AND t.kind = 'portfolio' \
             AND q.state = 'live') AS is_linked \
             FROM artifact_collection s JOIN artifact ON artifact.collection_id = s.id \
             JOIN artifact_membership place ON place.collection_id = s.id AND place.artifact_id = artifact.id \
             WHERE s.project_id = $1 AND s.state = 'live' AND s.kind = 'sequence' \
             AND artifact.state = 'committed' AND artifact.committed_at <= $2 \
             AND (artifact.revived_at IS NULL OR artifact.revived_at <= $2) \
             AND ($4 = '' OR s.artifact_type_id IN (SELECT y.id FROM artifact_type y \
             WHERE y.project_id = $1 AND y.name = $4)) AND ($5 = '' OR s.name = $5){rest}",
            held = hold::no_hold_on_version(),
        );
        let statement = dialect::statement(db.connection(), sql, values);
        Ok(DueVersion::find_by_statement(statement).all(db.connection()).await?)
    }
}

/// Those of these runs that logged a version which is linked to a portfolio, or has an alias that somebody gave it: not
/// `latest`, which the server gives.
pub(crate) async fn made_to_last(db: &impl Source, runs: &[RunId]) -> Result<HashSet<RunId>> {
    let mut found = HashSet::new();
    for runs in runs.chunks(BATCH) {
        // Plan: ux_run_artifact_run_id, then primary keys, ix_artifact_alias_artifact_id, ix_artifact_membership_artifact_id.
        let sql = "SELECT DISTINCT u.run_id FROM run_artifact u JOIN artifact a ON a.id = u.artifact_id \
             WHERE u.run_id = ANY($2) AND u.role = $1 AND a.state = 'committed' \
             AND (EXISTS (SELECT 1 FROM artifact_alias n WHERE n.artifact_id = a.id AND n.alias <> 'latest') \
             OR EXISTS (SELECT 1 FROM artifact_membership l JOIN artifact_collection t ON t.id = l.collection_id \
             JOIN project q ON q.id = t.project_id WHERE l.artifact_id = a.id AND t.kind = 'portfolio' \
             AND q.state = 'live'))";
        let values = [ArtifactRole::Output.to_value().into(), dialect::list(runs)];
        let rows = db.connection().query_all_raw(dialect::statement(db.connection(), sql, values)).await?;
        for row in rows {
            found.insert(row.try_get_by_index(0)?);
        }
    }
    Ok(found)
}
