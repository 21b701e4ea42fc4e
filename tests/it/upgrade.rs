//! A database of an earlier version keeps what is in it.

use std::time::Duration;

use counterweight_domain::Env;
use counterweight_domain::history::{self, Merge, Reader, RowBudget, StepRange, Stream};
use counterweight_domain::id::RunId;
use counterweight_domain::run;
use counterweight_migrations::Migrator;
use counterweight_storage::BlobStore;
use sea_orm::ConnectionTrait as _;
use sea_orm_migration::MigratorTrait as _;

use crate::support::{Backend, TestDatabase};

/// zstd of two lines, `{"_step":0,"loss":1}` and `{"_step":1,"loss":2}`.
fn chunk() -> (String, usize) {
    let lines = "{\"_step\":0,\"loss\":1}\n{\"_step\":1,\"loss\":2}\n";
    let body = zstd::bulk::compress(lines.as_bytes(), 1).unwrap();
    (hex::encode(body), lines.len())
}

async fn keeps(backend: Backend) {
    let database = TestDatabase::create_empty(backend).await;
    let db = database.open(2, Env::system()).await;
    let connection = db.migration_connection();
    Migrator::up(connection, Some(1)).await.unwrap();
    let (body, length) = chunk();
    let body = match backend {
        Backend::Sqlite => format!("x'{body}'"),
        Backend::Postgres => format!("'\\x{body}'::bytea"),
    };
    for sql in [
        "INSERT INTO entity (id, name, kind, created_at) VALUES (1, 'ada', 'user', 1)".to_owned(),
        "INSERT INTO \"user\" (id, entity_id, full_name, admin, created_at) VALUES (1, 1, 'ada', false, 1)".to_owned(),
        "INSERT INTO project (id, entity_id, name, run_counter, created_at, updated_at) VALUES (1, 1, 'demo', 1, 1, 1)"
            .to_owned(),
        "INSERT INTO run (id, project_id, user_id, name, display_name, state, lifecycle, created_at, updated_at, \
         heartbeat_at, stop_requested, tags) VALUES (1, 1, 1, 'r', 'r', 'finished', 'live', 1, 1, 1, false, '[]')"
            .to_owned(),
        "INSERT INTO run_document (run_id, config) VALUES (1, '{}')".to_owned(),
        "INSERT INTO run_value (run_id, project_id, scope, path, num) VALUES (1, 1, 1, 'lr', 0.5)".to_owned(),
        "INSERT INTO history_stream (run_id, stream, line_count, last_step, keys) VALUES (1, 1, 2, 1, '{}')".to_owned(),
        format!(
            "INSERT INTO history_chunk (run_id, stream, first_line, line_count, min_step, max_step, raw_bytes, body) \
             VALUES (1, 1, 0, 2, 0, 1, {length}, {body})"
        ),
    ] {
        connection.execute_unprepared(&sql).await.unwrap();
    }
    counterweight_migrations::migrate(connection).await.unwrap();

    let id = RunId(1);
    assert_eq!(run::get_many(&db, &[id]).await.unwrap()[&id].name, "r");
    assert_eq!(database.select("SELECT 1 FROM run_value WHERE path = 'lr' AND num = 0.5").await.len(), 1);
    let own = "SELECT 1 FROM member WHERE user_id = 1 AND entity_id = 1 AND role = 'admin'";
    assert_eq!(database.select(own).await.len(), 1, "what was one's own stays so");
    let blobs = BlobStore::open("memory://").unwrap();
    let reader = Reader::new(db.clone(), blobs.clone());
    let budget = RowBudget::new(1 << 20);
    let rows = async || reader.rows(id, Stream::History, StepRange::default(), 10, &budget).await.unwrap();
    let live = rows().await;
    assert_eq!(live, [r#"{"_step":0,"loss":1}"#, r#"{"_step":1,"loss":2}"#]);
    assert_eq!(history::settle(&db, &blobs, id, Duration::ZERO).await.unwrap(), Merge::Merged(2));
    assert_eq!(rows().await, live);
    drop(reader);
    db.migration_connection().clone().close().await.unwrap();
    drop(db);
    database.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_of_the_first_version_is_kept_sqlite() {
    keeps(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_of_the_first_version_is_kept_postgres() {
    keeps(Backend::Postgres).await;
}
