//! What users call the things that are held.

use std::collections::HashMap;

use sea_orm::FromQueryResult;

use super::{HoldKind, Subject};
use crate::db::{Source, dialect};
use crate::error::Result;
use crate::id::{ArtifactId, ProjectId, RunId};

#[derive(FromQueryResult)]
struct Row {
    id: i64,
    path: String,
}

/// In SQL, the path of a thing `r` after that of its project `p`, and the tables that lead there.
pub(crate) fn source(kind: HoldKind) -> (&'static str, &'static str) {
    match kind {
        HoldKind::Run => ("'/' || r.name", "run r JOIN project p ON p.id = r.project_id"),
        HoldKind::Artifact => (
            "'/' || c.name || COALESCE(':v' || m.version_index, '')",
            "artifact r JOIN artifact_collection c ON c.id = r.collection_id \
             JOIN project p ON p.id = c.project_id \
             LEFT JOIN artifact_membership m ON m.collection_id = c.id AND m.artifact_id = r.id",
        ),
        HoldKind::Project => ("''", "project r JOIN project p ON p.id = r.id"),
    }
}

/// `entity/project`, `entity/project/run` or `entity/project/collection:v0` of each, whatever became of it.
pub async fn get_paths(db: &impl Source, subjects: &[Subject]) -> Result<HashMap<Subject, String>> {
    let mut found = HashMap::new();
    for kind in [HoldKind::Run, HoldKind::Artifact, HoldKind::Project] {
        let ids: Vec<i64> = subjects
            .iter()
            .filter(|subject| subject.kind() == kind)
            .map(|subject| subject.number())
            .collect();
        if ids.is_empty() {
            continue;
        }
        // Plan: primary keys.
        let (path, from) = source(kind);
        let sql = format!(
            "SELECT r.id, e.name || '/' || p.name || {path} AS path FROM {from} \
             JOIN entity e ON e.id = p.entity_id WHERE r.id = ANY($1)"
        );
        let rows = Row::find_by_statement(dialect::statement(db.connection(), sql, [dialect::list(&ids)]));
        for Row { id, path } in rows.all(db.connection()).await? {
            let subject = match kind {
                HoldKind::Run => Subject::Run(RunId(id)),
                HoldKind::Artifact => Subject::Artifact(ArtifactId(id)),
                HoldKind::Project => Subject::Project(ProjectId(id)),
            };
            found.insert(subject, path);
        }
    }
    Ok(found)
}
