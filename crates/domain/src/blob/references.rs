//! Who points at blobs. A table that refers to `blob` is named here and nowhere else.

use sea_orm::{FromQueryResult, Value};
use serde::Serialize;

use crate::db::{Source, dialect};
use crate::error::Result;
use crate::id::{ArtifactId, BlobId, RunId};

/// A column that holds a blob's id, with an index on it.
pub(super) struct Reference {
    pub(super) table: &'static str,
    pub(super) column: &'static str,
    /// The column that says whose reference it is, with an index that begins with it.
    owner: &'static str,
}

const OF_RUN: &str = "run_id";
const OF_ARTIFACT: &str = "artifact_id";

pub(super) const REFERENCES: &[Reference] = &[
    Reference { table: "run_file", column: "blob_id", owner: OF_RUN },
    Reference { table: "history_segment", column: "rows_blob_id", owner: OF_RUN },
    Reference { table: "history_segment", column: "columns_blob_id", owner: OF_RUN },
    Reference { table: "artifact_entry", column: "blob_id", owner: OF_ARTIFACT },
    Reference { table: "artifact_upload", column: "blob_id", owner: OF_ARTIFACT },
    Reference { table: "artifact_manifest", column: "blob_id", owner: OF_ARTIFACT },
];

/// An SQL condition on a row of `blob`: something refers to it.
pub(crate) fn referenced() -> String {
    let clauses: Vec<_> = REFERENCES
        .iter()
        .map(|Reference { table, column, .. }| {
            format!("EXISTS (SELECT 1 FROM {table} WHERE {table}.{column} = blob.id)")
        })
        .collect();
    format!("({})", clauses.join(" OR "))
}

/// A statement that selects the blobs that these runs and versions refer to: `id`, `size_bytes`, how many of these references
/// there are (`found`) and how many in all (`all_of_them`). None where there is nothing to ask.
pub(crate) fn references_of(runs: &[RunId], artifacts: &[ArtifactId]) -> Option<(String, [Value; 2])> {
    if runs.is_empty() && artifacts.is_empty() {
        return None;
    }
    let own: Vec<_> = REFERENCES
        .iter()
        .map(|Reference { table, column, owner }| {
            let ids = if *owner == OF_RUN { "$1" } else { "$2" };
            format!("SELECT {column} AS blob_id FROM {table} WHERE {owner} = ANY({ids})")
        })
        .collect();
    let all: Vec<_> = REFERENCES
        .iter()
        .map(|Reference { table, column, .. }| {
            format!("(SELECT COUNT(*) FROM {table} WHERE {table}.{column} = own.blob_id)")
        })
        .collect();
    let sql = format!(
        "SELECT b.id, b.size_bytes, own.found, {} AS all_of_them FROM \
         (SELECT blob_id, COUNT(*) AS found FROM ({}) AS mine WHERE blob_id IS NOT NULL GROUP BY blob_id) AS own \
         JOIN blob b ON b.id = own.blob_id",
        all.join(" + "),
        own.join(" UNION ALL ")
    );
    Some((sql, [dialect::list(runs), dialect::list(artifacts)]))
}

/// Who refers to a blob, for people.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult, Serialize)]
pub struct Referrer {
    /// The table that does.
    pub kind: String,
    /// `entity/project/run`, or `entity/project/collection:version`.
    pub place: String,
    /// The file there; empty where there is one only.
    pub name: String,
}

/// Up to `limit` things that refer to a blob.
pub async fn referrers(source: &impl Source, id: BlobId, limit: u64) -> Result<Vec<Referrer>> {
    // Plan: the index of each reference; primary keys from there.
    let rows: Vec<_> = REFERENCES.iter().map(rows_of).collect();
    let sql = format!("SELECT kind, place, name FROM ({}) AS found LIMIT $2", rows.join(" UNION ALL "));
    let values: [Value; 2] = [id.into(), i64::try_from(limit).unwrap_or(i64::MAX).into()];
    let statement = dialect::statement(source.connection(), sql, values);
    Ok(Referrer::find_by_statement(statement).all(source.connection()).await?)
}

/// Selects the [`Referrer`]s of one column.
fn rows_of(Reference { table, column, owner }: &Reference) -> String {
    let name = match *table {
        "run_file" | "artifact_manifest" => "t.name",
        "artifact_entry" | "artifact_upload" => "t.path",
        _ => "''",
    };
    let (place, joined) = if *owner == OF_ARTIFACT {
        (
            "c.name || ':' || COALESCE('v' || CAST(m.version_index AS TEXT), a.state)",
            "JOIN artifact a ON a.id = t.artifact_id JOIN artifact_collection c ON c.id = a.collection_id \
             LEFT JOIN artifact_membership m ON m.artifact_id = a.id AND m.collection_id = c.id \
             JOIN project p ON p.id = c.project_id",
        )
    } else {
        ("r.name", "JOIN run r ON r.id = t.run_id JOIN project p ON p.id = r.project_id")
    };
    format!(
        "SELECT '{table}' AS kind, e.name || '/' || p.name || '/' || {place} AS place, {name} AS name \
         FROM {table} t {joined} JOIN entity e ON e.id = p.entity_id WHERE t.{column} = $1"
    )
}

/// An SQL expression on a row of `blob`: in words, what refers to it; null where nothing does.
pub(crate) fn who_refers() -> String {
    let clauses = REFERENCES.iter().map(|Reference { table, column, .. }| {
        format!(
            "WHEN EXISTS (SELECT 1 FROM {table} WHERE {table}.{column} = blob.id) THEN 'kept: {table} refers to it'"
        )
    });
    format!("CASE {} END", clauses.collect::<Vec<_>>().join(" "))
}

/// The columns of a table that hold a blob's id.
pub(crate) fn columns_of(table: &str) -> Vec<&'static str> {
    REFERENCES.iter().filter(|reference| reference.table == table).map(|reference| reference.column).collect()
}
