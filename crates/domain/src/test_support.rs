//! A migrated database per test, on either engine, with a clock that stands still until it is moved.

use std::sync::Arc;
use std::time::Duration;

use counterweight_domain::clock::{ManualClock, SeededRandom, SystemRandom};
use counterweight_domain::{Db, Env, Timestamp};
use sea_orm::{ConnectOptions, ConnectionTrait as _, Database, DbBackend, Statement};
use tempfile::TempDir;

const POSTGRES: &str = "COUNTERWEIGHT_TEST_POSTGRES_URL";

/// When tests begin: 2026-01-01.
pub(crate) const START: Timestamp = Timestamp(1_767_225_600_000_000);

/// A database with one project, `ada/demo`, and what a test needs around it.
pub(crate) struct TestDb {
    pub(crate) db: Db,
    pub(crate) clock: Arc<ManualClock>,
    url: String,
    _folder: Option<TempDir>,
}

impl TestDb {
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("test.db").display());
        Self::open(url, Some(folder)).await
    }

    #[expect(clippy::disallowed_methods, reason = "tests have no config")]
    pub(crate) async fn postgres() -> Self {
        let server = std::env::var(POSTGRES).unwrap_or_else(|_| {
            panic!("set {POSTGRES} to the url of a PostgreSQL superuser; scripts/postgres.sh starts a server")
        });
        let name = format!("t_{}", Env::system().uuid().simple());
        let admin = Database::connect(ConnectOptions::new(&server)).await.unwrap();
        admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
        admin.close().await.unwrap();
        let (base, _) = server.rsplit_once('/').unwrap();
        Self::open(format!("{base}/{name}"), None).await
    }

    async fn open(url: String, folder: Option<TempDir>) -> Self {
        let clock = Arc::new(ManualClock::new(START));
        let env = Env::new(clock.clone(), Arc::new(SeededRandom::new(1)));
        let db = Db::connect(&url, 4, env).await.unwrap();
        counterweight_migrations::migrate(db.migration_connection()).await.unwrap();
        let test = Self { db, clock, url, _folder: folder };
        test.execute("INSERT INTO entity (id, name, kind, created_at) VALUES (1, 'ada', 'user', 0)").await;
        test.execute(
            "INSERT INTO \"user\" (id, entity_id, full_name, admin, created_at) \
             VALUES (1, 1, 'Ada', TRUE, 0)",
        )
        .await;
        test.execute("INSERT INTO member (user_id, entity_id, role, created_at) VALUES (1, 1, 'admin', 0)")
            .await;
        test.execute(
            "INSERT INTO project (id, entity_id, name, run_counter, created_at, updated_at) \
             VALUES (1, 1, 'demo', 0, 0, 0)",
        )
        .await;
        test
    }

    /// The same database and clock, as another process sees them.
    pub(crate) async fn second_process(&self) -> Db {
        Db::connect(&self.url, 4, Env::new(self.clock.clone(), Arc::new(SystemRandom))).await.unwrap()
    }

    pub(crate) fn advance(&self, span: Duration) {
        self.clock.advance(span);
    }

    /// A run in the trash since now, for an hour, by the deletion `deletion-<id>`.
    pub(crate) async fn insert_deleted_run(&self, id: i64) {
        let (now, deadline) = (self.db.now().0, self.db.now().after(Duration::from_hours(1)).0);
        self.execute(&format!(
            "INSERT INTO run (id, project_id, user_id, name, display_name, state, lifecycle, created_at, \
             updated_at, heartbeat_at, stop_requested, host, notes, tags, deleted_at, purge_after) \
             VALUES ({id}, 1, 1, 'run{id}', 'pretty', 'finished', 'deleted', {now}, {now}, {now}, FALSE, 'box', \
             'words', '[\"tag\"]', {now}, {deadline})"
        ))
        .await;
        self.execute(&format!(
            "INSERT INTO deletion (id, kind, project_id, user_id, with_artifacts, on_registry_link, state, requested_at, \
             purge_after, run_count, artifact_count, file_count, file_bytes) VALUES ('deletion-{id}', 'runs', 1, 1, \
             FALSE, 'delete', 'pending', {now}, {deadline}, 1, 0, 0, 0)"
        ))
        .await;
        self.execute(&format!(
            "INSERT INTO deletion_item (deletion_id, kind, subject_id, name, state, file_count, file_bytes) \
             VALUES ('deletion-{id}', 'run', {id}, 'run{id}', 'pending', 0, 0)"
        ))
        .await;
    }

    /// Refers to a blob from a file of a run.
    pub(crate) async fn insert_file(&self, run: i64, name: &str, blob: i64) {
        self.execute(&format!(
            "INSERT INTO run_file (run_id, name, blob_id, created_at, updated_at) \
             VALUES ({run}, '{name}', {blob}, 0, 0)"
        ))
        .await;
    }

    pub(crate) async fn execute(&self, sql: &str) {
        self.db.migration_connection().execute_unprepared(sql).await.unwrap();
    }

    /// The one integer that `sql` selects.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let connection = self.db.migration_connection();
        let row = connection.query_one_raw(self.statement(sql)).await.unwrap().unwrap();
        row.try_get_by_index(0).unwrap()
    }

    /// The texts that `sql` selects, one per row.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let connection = self.db.migration_connection();
        let rows = connection.query_all_raw(self.statement(sql)).await.unwrap();
        rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
    }

    fn statement(&self, sql: &str) -> Statement {
        let backend = if self.url.starts_with("sqlite") { DbBackend::Sqlite } else { DbBackend::Postgres };
        Statement::from_string(backend, sql)
    }
}

/// Makes `name::sqlite` and `name::postgres` out of one body.
macro_rules! backend_test {
    ($name:ident, |$test:ident| $body:block) => {
        mod $name {
            use super::*;

            async fn check($test: TestDb) $body

            #[tokio::test]
            async fn sqlite() {
                check(TestDb::sqlite().await).await;
            }

            #[tokio::test]
            async fn postgres() {
                check(TestDb::postgres().await).await;
            }
        }
    };
}
pub(crate) use backend_test;
