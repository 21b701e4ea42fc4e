//! Opening pools, and checking that they are what we asked for.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};
use tokio::sync::Notify;

use super::Db;
use crate::clock::Env;
use crate::error::{Error, Result};

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

impl Db {
    /// Opens `sqlite:PATH` or `postgres://…`. `pool` is the number of connections for reading.
    pub async fn connect(url: &str, pool: u32, env: Env) -> Result<Self> {
        let jobs_added = Arc::new(Notify::new());
        if let Some(path) = url.strip_prefix("sqlite:") {
            let url = format!("sqlite://{}?mode=rwc", path.trim_start_matches("//"));
            let writer = sqlite(&url, 1, false).await?;
            check_journal(&writer).await?;
            let readers = sqlite(&url, pool, true).await?;
            Ok(Self { readers, writer, env, jobs_added })
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let mut options = ConnectOptions::new(url);
            options
                .max_connections(pool)
                .acquire_timeout(ACQUIRE_TIMEOUT)
                .connect_timeout(ACQUIRE_TIMEOUT)
                .set_application_name("counterweight")
                .sqlx_logging(true)
                .sqlx_logging_level(LOG_LEVEL);
            let pool = Database::connect(options).await?;
            Ok(Self { readers: pool.clone(), writer: pool, env, jobs_added })
        } else {
            Err(Error::invalid(
                "DATABASE_URL_INVALID",
                "database_url",
                "must start with sqlite: or postgres://",
            ))
        }
    }
}

const LOG_LEVEL: log::LevelFilter = log::LevelFilter::Trace;

async fn sqlite(url: &str, connections: u32, read_only: bool) -> Result<DatabaseConnection> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .sqlx_logging(true)
        .sqlx_logging_level(LOG_LEVEL)
        .map_sqlx_sqlite_opts(move |options| {
            options
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .foreign_keys(true)
                .busy_timeout(BUSY_TIMEOUT)
                .with_regexp()
                .pragma("query_only", if read_only { "ON" } else { "OFF" })
        });
    Ok(Database::connect(options).await?)
}

/// WAL is refused silently on some file systems; then readers would block the writer.
async fn check_journal(connection: &DatabaseConnection) -> Result<()> {
    let statement = super::dialect::statement(connection, "PRAGMA journal_mode", []);
    let row = connection.query_one_raw(statement).await?;
    let mode: Option<String> = row.map(|row| row.try_get_by_index(0)).transpose()?;
    if mode.as_deref() == Some("wal") {
        return Ok(());
    }
    Err(Error::invalid(
        "DATABASE_UNFIT",
        "database_url",
        "this file system does not support SQLite's WAL mode",
    ))
}
