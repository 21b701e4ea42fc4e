//! A migrated database per test.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use std::process::Command;

use counterweight_domain::{Db, Env};
use sea_orm::{
    ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, DbBackend, QueryResult, Statement,
};
use tempfile::TempDir;
use tokio::sync::OnceCell;

const POSTGRES: &str = "COUNTERWEIGHT_TEST_POSTGRES_URL";
/// Held while the template is made; any number will do.
const TEMPLATE_LOCK: i64 = 0x7465_6d70;

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

/// The database of one test, gone when the test has passed.
pub(crate) struct TestDatabase {
    backend: Backend,
    url: String,
    direct: DatabaseConnection,
    folder: Option<TempDir>,
}

impl TestDatabase {
    pub(crate) async fn create(backend: Backend) -> Self {
        match backend {
            Backend::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                let url = format!("sqlite:{}", folder.path().join("test.db").display());
                migrate(&url).await;
                let direct = connect(&url.replacen("sqlite:", "sqlite://", 1)).await;
                Self { backend, url, direct, folder: Some(folder) }
            }
            Backend::Postgres => {
                let server = postgres_url();
                let template = template(&server).await;
                let name = format!("t_{}", Env::system().uuid().simple());
                let admin = connect(&server).await;
                execute(&admin, &format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
                admin.close().await.unwrap();
                let url = database_url(&server, &name);
                Self { backend, direct: connect(&url).await, url, folder: None }
            }
        }
    }

    /// The same in memory, as often as one likes: `SQLite`'s is migrated once, and then copied.
    pub(crate) async fn create_fast(backend: Backend) -> Self {
        static MIGRATED: OnceCell<Vec<u8>> = OnceCell::const_new();
        let Backend::Sqlite = backend else { return Self::create(backend).await };
        let migrated = MIGRATED.get_or_init(async || {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("test.db");
            migrate(&format!("sqlite:{}", file.display())).await;
            // As one file, whatever is still in the log.
            let (whole, copy) =
                (connect(&format!("sqlite://{}", file.display())).await, folder.path().join("copy.db"));
            execute(&whole, &format!("VACUUM INTO '{}'", copy.display())).await;
            whole.close().await.unwrap();
            std::fs::read(copy).unwrap()
        });
        let memory = Path::new("/dev/shm");
        let folder =
            if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let file = folder.path().join("test.db");
        std::fs::write(&file, migrated.await).unwrap();
        let url = format!("sqlite:{}", file.display());
        let direct = connect(&url.replacen("sqlite:", "sqlite://", 1)).await;
        Self { backend, url, direct, folder: Some(folder) }
    }

    pub(crate) fn backend(&self) -> Backend {
        self.backend
    }

    /// Another one after each commit that wrote something. On `PostgreSQL`, where it tells who has begun and not ended, also after
    /// others, of all its databases.
    pub(crate) async fn version(&self) -> i64 {
        self.number(match self.backend {
            Backend::Sqlite => "PRAGMA data_version",
            Backend::Postgres => "SELECT hashtextextended(CAST(pg_current_snapshot() AS TEXT), 0)",
        })
        .await
    }

    /// How many connections wait for a lock.
    pub(crate) async fn waiting_for_locks(&self) -> usize {
        self.connections("wait_event_type = 'Lock'").await
    }

    /// How many connections are in a transaction and wait for no lock: also those whose client is gone, and whose last statement, which
    /// may be a commit, the server has yet to end.
    pub(crate) async fn open_transactions(&self) -> usize {
        let others =
            "state = 'active' AND wait_event_type IS DISTINCT FROM 'Lock' AND pid <> pg_backend_pid()";
        self.connections(&format!("(state LIKE 'idle in transaction%' OR {others})")).await
    }

    async fn connections(&self, which: &str) -> usize {
        let sql =
            format!("SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND {which}");
        usize::try_from(self.number(&sql).await).unwrap()
    }

    /// Without a table.
    pub(crate) async fn create_empty(backend: Backend) -> Self {
        match backend {
            Backend::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                let url = format!("sqlite:{}", folder.path().join("test.db").display());
                let direct = connect(&format!("{}?mode=rwc", url.replacen("sqlite:", "sqlite://", 1))).await;
                Self { backend, url, direct, folder: Some(folder) }
            }
            Backend::Postgres => {
                let server = postgres_url();
                let name = format!("t_{}", Env::system().uuid().simple());
                let admin = connect(&server).await;
                execute(&admin, &format!("CREATE DATABASE {name}")).await;
                admin.close().await.unwrap();
                let url = database_url(&server, &name);
                Self { backend, direct: connect(&url).await, url, folder: None }
            }
        }
    }

    /// Opens it as the product does, with another clock and random source.
    pub(crate) async fn open(&self, connections: u32, env: Env) -> Db {
        Db::connect(&self.url, connections, env).await.unwrap()
    }

    /// The same, where a transaction waits for another for as long as that takes.
    pub(crate) async fn open_patient(&self, connections: u32, env: Env) -> Db {
        let patience = match self.backend {
            Backend::Sqlite => "",
            Backend::Postgres => "?options[lock_timeout]=0&options[idle_in_transaction_session_timeout]=0",
        };
        Db::connect(&format!("{}{patience}", self.url), connections, env).await.unwrap()
    }

    /// The rows that `sql` selects.
    pub(crate) async fn select(&self, sql: &str) -> Vec<QueryResult> {
        let backend = match self.backend {
            Backend::Sqlite => DbBackend::Sqlite,
            Backend::Postgres => DbBackend::Postgres,
        };
        self.direct.query_all_raw(Statement::from_string(backend, sql)).await.unwrap()
    }

    /// The one number that `sql` selects.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let rows = self.select(sql).await;
        let [row] = rows.as_slice() else { panic!("{} rows: {sql}", rows.len()) };
        row.try_get_by_index(0).unwrap()
    }

    /// The texts that `sql` selects, one per row.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let rows = self.select(sql).await;
        rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
    }

    /// Runs a statement that answers nothing.
    pub(crate) async fn execute(&self, sql: &str) {
        execute(&self.direct, sql).await;
    }

    /// What the disk holds of it; only of `SQLite`.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let folder = self.folder.as_ref().expect("a database in a folder").path();
        let files = folder.read_dir().unwrap().map(|file| file.unwrap().path());
        // By another process: this one would lose SQLite's locks with the first of its files that it closes.
        Command::new("cat").args(files).output().unwrap().stdout
    }

    /// Closes it; what passed leaves nothing behind.
    pub(crate) async fn drop(self) {
        self.direct.close().await.unwrap();
        if self.backend == Backend::Postgres {
            let (_, name) = self.url.rsplit_once('/').unwrap();
            let admin = connect(&postgres_url()).await;
            execute(&admin, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
            admin.close().await.unwrap();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "tests have no config")]
fn postgres_url() -> String {
    std::env::var(POSTGRES).unwrap_or_else(|_| {
        panic!("set {POSTGRES} to the url of a PostgreSQL superuser; scripts/postgres.sh starts a server")
    })
}

fn database_url(server: &str, name: &str) -> String {
    let (base, _) = server.rsplit_once('/').unwrap();
    format!("{base}/{name}")
}

/// The name of a migrated database to copy, made by the first test that needs it.
async fn template(server: &str) -> String {
    let name = format!("template_{:016x}", build());
    let admin = connect(server).await;
    let exists = format!("SELECT 1 FROM pg_database WHERE datname = '{name}'");
    let exists = || admin.query_one_raw(Statement::from_string(DbBackend::Postgres, exists.clone()));
    if exists().await.unwrap().is_none() {
        execute(&admin, &format!("SELECT pg_advisory_lock({TEMPLATE_LOCK})")).await;
        if exists().await.unwrap().is_none() {
            // Renamed when it is whole, so that one that was broken off is never copied.
            let unfinished = format!("{name}_unfinished");
            execute(&admin, &format!("DROP DATABASE IF EXISTS {unfinished}")).await;
            execute(&admin, &format!("CREATE DATABASE {unfinished}")).await;
            migrate(&database_url(server, &unfinished)).await;
            execute(&admin, &format!("ALTER DATABASE {unfinished} RENAME TO {name}")).await;
        }
        execute(&admin, &format!("SELECT pg_advisory_unlock({TEMPLATE_LOCK})")).await;
    }
    admin.close().await.unwrap();
    name
}

/// Names this build of the tests, and with it the migrations inside: another one makes its own template.
fn build() -> u64 {
    let program = std::env::current_exe().unwrap();
    let file = program.metadata().unwrap();
    let mut hasher = DefaultHasher::new();
    (program, file.len(), file.modified().unwrap()).hash(&mut hasher);
    hasher.finish()
}

async fn migrate(url: &str) {
    let db = Db::connect(url, 2, Env::system()).await.unwrap();
    counterweight_migrations::migrate(db.migration_connection()).await.unwrap();
    db.migration_connection().clone().close().await.unwrap();
}

async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await.unwrap()
}

async fn execute(connection: &DatabaseConnection, sql: &str) {
    connection.execute_unprepared(sql).await.unwrap();
}
