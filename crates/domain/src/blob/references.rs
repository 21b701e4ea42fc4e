//! Who points at blobs. A table that refers to `blob` is named here and nowhere else.

/// Columns that hold a blob's id, each with an index on it.
pub(super) const REFERENCES: &[(&str, &str)] = &[
    ("run_file", "blob_id"),
    ("history_segment", "rows_blob_id"),
    ("history_segment", "columns_blob_id"),
    ("artifact_entry", "blob_id"),
    ("artifact_upload", "blob_id"),
    ("artifact_manifest", "blob_id"),
];

/// An SQL condition on a row of `blob`: something refers to it.
pub(super) fn referenced() -> String {
    let clauses: Vec<_> = REFERENCES
        .iter()
        .map(|(table, column)| format!("EXISTS (SELECT 1 FROM {table} WHERE {table}.{column} = blob.id)"))
        .collect();
    format!("({})", clauses.join(" OR "))
}
