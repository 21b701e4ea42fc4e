//! What must hold between database and object store whenever nothing is under way.

use std::collections::BTreeMap;

use counterweight_domain::Db;
use counterweight_domain::id::EntityId;
use counterweight_domain::usage::{self, Scope};
use counterweight_storage::BlobStore;
use futures_util::TryStreamExt as _;

use super::TestDatabase;

/// All objects, with their sizes.
pub(crate) async fn objects(blobs: &BlobStore) -> BTreeMap<String, u64> {
    blobs.list("").map_ok(|object| (object.key.to_string(), object.size_bytes)).try_collect().await.unwrap()
}

pub(crate) async fn check(db: &Db, database: &TestDatabase, blobs: &BlobStore) {
    let objects = objects(blobs).await;
    let live = database
        .texts("SELECT object_key || ' ' || size_bytes FROM blob WHERE state = 'live' ORDER BY object_key")
        .await;
    for blob in live {
        let (key, size) = blob.split_once(' ').unwrap();
        assert_eq!(objects.get(key).map(u64::to_string).as_deref(), Some(size), "live blob {key}");
    }
    let known = database.texts("SELECT object_key FROM blob").await;
    let unknown: Vec<_> = objects.keys().filter(|key| !known.contains(key)).collect();
    assert_eq!(unknown, Vec::<&String>::new(), "objects without a row");
    let not_live = "SELECT f.name FROM run_file f JOIN blob b ON b.id = f.blob_id WHERE b.state <> 'live'";
    assert_eq!(database.texts(not_live).await, Vec::<String>::new(), "files without bytes");
    let not_live =
        "SELECT n.path FROM artifact_entry n JOIN blob b ON b.id = n.blob_id WHERE b.state <> 'live'";
    assert_eq!(database.texts(not_live).await, Vec::<String>::new(), "artifact files without bytes");
    let not_live = "SELECT b.object_key FROM history_segment s \
                    JOIN blob b ON b.id IN (s.rows_blob_id, s.columns_blob_id) WHERE b.state <> 'live'";
    assert_eq!(database.texts(not_live).await, Vec::<String>::new(), "segments without bytes");
    for table in ["artifact_upload", "artifact_manifest"] {
        let not_live = format!(
            "SELECT b.object_key FROM {table} t JOIN blob b ON b.id = t.blob_id WHERE b.state <> 'live'"
        );
        assert_eq!(database.texts(&not_live).await, Vec::<String>::new(), "{table} without bytes");
    }
    for child in [
        "run_file",
        "run_document",
        "run_value",
        "history_stream",
        "history_chunk",
        "history_segment",
        "history_span",
        "history_rollup",
        "alert",
        "run_artifact",
    ] {
        let left = format!(
            "SELECT COUNT(*) FROM {child} c JOIN run r ON r.id = c.run_id WHERE r.lifecycle = 'purged'"
        );
        assert_eq!(database.number(&left).await, 0, "{child} of purged runs");
    }
    check_figures(db, database, &objects).await;
}

/// What the storage figures say is what the bucket lists.
async fn check_figures(db: &Db, database: &TestDatabase, objects: &BTreeMap<String, u64>) {
    let miscounted = "SELECT r.name FROM run r LEFT JOIN run_storage s ON s.run_id = r.id \
                      WHERE COALESCE(s.file_bytes, 0) <> COALESCE((SELECT SUM(b.size_bytes) FROM run_file f \
                      JOIN blob b ON b.id = f.blob_id WHERE f.run_id = r.id), 0)";
    assert_eq!(database.texts(miscounted).await, Vec::<String>::new(), "bytes of runs");
    let mut figures = usage::unreferenced_bytes(db).await.unwrap();
    for entity in database.texts("SELECT CAST(id AS TEXT) FROM entity").await {
        let scope = Scope::Entity(EntityId(entity.parse().unwrap()));
        figures += usage::get(db, scope).await.unwrap().objects();
    }
    // A sweep that was cut off has removed the bytes, and not yet the row.
    for blob in
        database.texts("SELECT object_key || ' ' || size_bytes FROM blob WHERE state = 'doomed'").await
    {
        let (key, size) = blob.split_once(' ').unwrap();
        if !objects.contains_key(key) {
            figures -= size.parse::<i64>().unwrap();
        }
    }
    let pending =
        database.texts("SELECT object_key FROM blob WHERE state = 'pending' OR size_bytes = 0").await;
    let listed = objects.iter().filter(|(key, _)| !pending.contains(key));
    let listed: u64 = listed.map(|(_, size)| size).sum();
    assert_eq!(figures.unsigned_abs(), listed, "bytes of all");
}
