//! What runs made, and where it can be found: for who is about to delete it.

use std::collections::HashMap;

use sea_orm::{ActiveEnum as _, FromQueryResult};

use super::{ArtifactRole, CollectionKind};
use crate::db::{Source, dialect};
use crate::error::Result;
use crate::id::{ArtifactId, CollectionId, MembershipId, ProjectId, RunId};

/// Ids per statement.
const BATCH: usize = 500;

/// A version that a run logged, or began.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub(crate) struct Made {
    /// The run.
    pub(crate) run_id: RunId,
    /// The version.
    pub(crate) artifact_id: ArtifactId,
    /// Where it was made.
    pub(crate) project_id: ProjectId,
    /// The sequence that it was made in.
    pub(crate) name: String,
}

/// What these runs made that is not deleted: also what another run has logged as well, and what is not finished.
pub(crate) async fn made_by(db: &impl Source, runs: &[RunId]) -> Result<Vec<Made>> {
    let mut made = Vec::new();
    for batch in runs.chunks(BATCH) {
        // Plan: ux_run_artifact_run_id and ix_artifact_run_id, then primary keys.
        let sql = "SELECT l.run_id, a.id AS artifact_id, c.project_id, c.name FROM run_artifact l \
             JOIN artifact a ON a.id = l.artifact_id JOIN artifact_collection c ON c.id = a.collection_id \
             WHERE l.run_id = ANY($2) AND l.role = $1 AND a.state <> 'deleted' \
             UNION SELECT a.run_id, a.id, c.project_id, c.name FROM artifact a \
             JOIN artifact_collection c ON c.id = a.collection_id \
             WHERE a.run_id = ANY($2) AND a.state = 'pending' ORDER BY run_id, artifact_id";
        let values = [ArtifactRole::Output.to_value().into(), dialect::list(batch)];
        let statement = dialect::statement(db.connection(), sql, values);
        made.extend(Made::find_by_statement(statement).all(db.connection()).await?);
    }
    Ok(made)
}

/// Where a version is, and what it is called there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedPlace {
    pub(crate) id: MembershipId,
    pub(crate) artifact_id: ArtifactId,
    pub(crate) project_id: ProjectId,
    /// `entity/project/collection:v0`.
    pub(crate) path: String,
    /// Whether it was linked there, not made there.
    pub(crate) is_link: bool,
    /// Whether the project keeps what is linked to it.
    pub(crate) keeps_linked: bool,
    pub(crate) aliases: Vec<String>,
    /// Those of them that are protected.
    pub(crate) protected: Vec<String>,
}

#[derive(FromQueryResult)]
struct PlaceRow {
    id: MembershipId,
    artifact_id: ArtifactId,
    collection_id: CollectionId,
    kind: CollectionKind,
    project_id: ProjectId,
    path: String,
    keeps_linked: bool,
}

#[derive(FromQueryResult)]
struct AliasRow {
    artifact_id: ArtifactId,
    collection_id: CollectionId,
    alias: String,
    protected: bool,
}

/// All places of these versions in projects that are not deleted.
pub(crate) async fn places_of(db: &impl Source, ids: &[ArtifactId]) -> Result<Vec<NamedPlace>> {
    let mut places = Vec::new();
    for batch in ids.chunks(BATCH) {
        let mut aliases = aliases_of(db, batch).await?;
        // Plan: ux_artifact_membership_artifact, then primary keys.
        let sql = "SELECT m.id, m.artifact_id, m.collection_id, c.kind, c.project_id, p.keeps_linked, \
             e.name || '/' || p.name || '/' || c.name || ':v' || m.version_index AS path \
             FROM artifact_membership m JOIN artifact_collection c ON c.id = m.collection_id \
             JOIN project p ON p.id = c.project_id JOIN entity e ON e.id = p.entity_id \
             WHERE m.artifact_id = ANY($1) AND p.state = 'live' ORDER BY m.id";
        let statement = dialect::statement(db.connection(), sql, [dialect::list(batch)]);
        for row in PlaceRow::find_by_statement(statement).all(db.connection()).await? {
            let named = aliases.remove(&(row.artifact_id, row.collection_id)).unwrap_or_default();
            let protected = named.iter().filter(|(_, protected)| *protected);
            places.push(NamedPlace {
                id: row.id,
                artifact_id: row.artifact_id,
                project_id: row.project_id,
                path: row.path,
                is_link: row.kind == CollectionKind::Portfolio,
                keeps_linked: row.keeps_linked,
                protected: protected.map(|(alias, _)| alias.clone()).collect(),
                aliases: named.into_iter().map(|(alias, _)| alias).collect(),
            });
        }
    }
    Ok(places)
}

type Named = HashMap<(ArtifactId, CollectionId), Vec<(String, bool)>>;

async fn aliases_of(db: &impl Source, ids: &[ArtifactId]) -> Result<Named> {
    // Plan: ix_artifact_alias_artifact_id, then primary keys.
    let sql = "SELECT n.artifact_id, n.collection_id, n.alias, k.alias IS NOT NULL AS protected \
         FROM artifact_alias n JOIN artifact_collection c ON c.id = n.collection_id \
         LEFT JOIN protected_alias k ON k.project_id = c.project_id AND k.alias = n.alias \
         WHERE n.artifact_id = ANY($1) ORDER BY n.id";
    let statement = dialect::statement(db.connection(), sql, [dialect::list(ids)]);
    let mut named = Named::new();
    for row in AliasRow::find_by_statement(statement).all(db.connection()).await? {
        let at = (row.artifact_id, row.collection_id);
        named.entry(at).or_default().push((row.alias, row.protected));
    }
    Ok(named)
}
