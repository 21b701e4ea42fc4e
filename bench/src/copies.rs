//! Many runs, each with a file, made behind the server's back: over HTTP that would take an hour.

use std::path::{Path, PathBuf};

use sea_orm::{ConnectionTrait as _, DbBackend};
use serde_json::json;

use crate::counterweight::Counterweight;

/// The runs of this are in the way, and those of [`WANTED`] are not.
pub(crate) const UNWANTED: &str = "unwanted";
pub(crate) const WANTED: &str = "wanted";

/// What is in each file.
pub(crate) const FILE: [u8; 64] = [b'.'; 64];
pub(crate) const FILE_BYTES: usize = FILE.len();

const MAKE: &str = "mutation($i: UpsertBucketInput!) { upsertBucket(input: $i) { inserted } }";

/// The filter that means the runs with a tag.
pub(crate) fn filter(tag: &str) -> String {
    json!({"tags": {"$in": [tag]}}).to_string()
}

/// Makes `count` runs with a tag, a config and a summary, which have ended, and a file for each.
pub(crate) async fn make(
    server: Counterweight,
    project: &str,
    tag: &str,
    count: usize,
) -> anyhow::Result<Counterweight> {
    let values = |value: &dyn Fn(usize) -> serde_json::Value| {
        serde_json::Value::Object((0..5).map(|key| (format!("value_{key}"), value(key))).collect())
    };
    let first = json!({
        "entityName": "admin", "modelName": project, "name": format!("{tag}-0"), "tags": [tag],
        "config": values(&|key| json!({"value": key, "desc": null})).to_string(),
        "summaryMetrics": values(&|key| json!(key)).to_string(),
    });
    server.ask(MAKE, json!({"i": first})).await?;
    let server = server
        .rest_while(async |database| {
            for sql in statements(tag, count) {
                database.execute_unprepared(&sql).await?;
            }
            // Runs that are written one by one are counted by then.
            if database.get_database_backend() == DbBackend::Postgres {
                database.execute_unprepared("ANALYZE").await?;
            }
            Ok(database.close().await?)
        })
        .await?;
    if let Some(bucket) = server.bucket() {
        bucket.fill(tag, count).await?;
        return Ok(server);
    }
    let (folder, tag) = (server.objects(), tag.to_owned());
    tokio::task::spawn_blocking(move || write_files(&folder, &tag, count)).await??;
    Ok(server)
}

/// Copies the first run; gives each its file.
fn statements(tag: &str, count: usize) -> Vec<String> {
    let (last, digits) = (count - 1, tag.len() + 2);
    let key =
        format!("'blobs/' || (10 + CAST(substr(r.name, {digits}) AS INTEGER) % {SHARDS}) || '/' || r.name");
    let of_first = format!("SELECT id FROM run WHERE name = '{tag}-0'");
    let copies = format!("r.name LIKE '{tag}-%' AND r.name <> '{tag}-0'");
    vec![
        format!(
            "INSERT INTO run (project_id, user_id, name, display_name, state, lifecycle, created_at, updated_at,
             heartbeat_at, stop_requested, tags)
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {last})
             SELECT r.project_id, r.user_id, '{tag}-' || n.i, r.display_name, r.state, r.lifecycle,
             r.created_at + n.i, r.updated_at, r.heartbeat_at, r.stop_requested, r.tags
             FROM n CROSS JOIN run r WHERE r.name = '{tag}-0'"
        ),
        format!("UPDATE run SET state = 'finished', exit_code = 0, finished_at = heartbeat_at WHERE name LIKE '{tag}-%'"),
        format!(
            "INSERT INTO run_document (run_id, config, summary) SELECT r.id, d.config, d.summary
             FROM run r CROSS JOIN run_document d WHERE {copies} AND d.run_id = ({of_first})"
        ),
        format!(
            "INSERT INTO run_value (run_id, project_id, scope, path, num, text, bool)
             SELECT r.id, v.project_id, v.scope, v.path, v.num, v.text, v.bool
             FROM run r CROSS JOIN run_value v WHERE {copies} AND v.run_id = ({of_first})"
        ),
        format!(
            "INSERT INTO history_stream (run_id, stream, line_count, keys, merged_lines, live_chunks, live_bytes,
             rewritten) SELECT r.id, s.stream, 0, s.keys, 0, 0, 0, s.rewritten
             FROM run r CROSS JOIN history_stream s WHERE {copies} AND s.run_id = ({of_first})"
        ),
        format!(
            "INSERT INTO blob (object_key, state, size_bytes, md5, created_at, last_used_at, sweep_failures)
             SELECT {key}, 'live', {FILE_BYTES}, 'AAAAAAAAAAAAAAAAAAAAAA==', r.created_at, r.heartbeat_at, 0
             FROM run r WHERE r.name LIKE '{tag}-%'"
        ),
        format!(
            "INSERT INTO run_file (run_id, name, blob_id, created_at, updated_at)
             SELECT r.id, 'output.log', b.id, b.created_at, b.created_at
             FROM run r JOIN blob b ON b.object_key = {key} WHERE r.name LIKE '{tag}-%'"
        ),
    ]
}

/// Folders that the files are spread over.
pub(crate) const SHARDS: usize = 90;

/// The files of `count` runs, each where the server keeps its object.
pub(crate) fn write_files(folder: &Path, tag: &str, count: usize) -> anyhow::Result<()> {
    for shard in 0..SHARDS {
        std::fs::create_dir_all(folder.join(format!("blobs/{}", 10 + shard)))?;
    }
    for number in 0..count {
        std::fs::write(file(folder, tag, number), FILE)?;
    }
    Ok(())
}

/// Where the file of a run is.
pub(crate) fn file(folder: &Path, tag: &str, number: usize) -> PathBuf {
    folder.join(key(tag, number))
}

/// The key of that object.
pub(crate) fn key(tag: &str, number: usize) -> String {
    format!("blobs/{}/{tag}-{number}", 10 + number % SHARDS)
}
