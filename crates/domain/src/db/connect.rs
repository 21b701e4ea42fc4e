//! Opening pools, and checking that they are what we asked for.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::sqlite::{SqliteAutoVacuum, SqliteJournalMode, SqliteSynchronous};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};
use tokio::sync::{Notify, Semaphore};

use super::{Db, HEAVY};
use crate::clock::Env;
use crate::error::{Error, Result};

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// One stuck transaction neither holds up all others nor keeps its locks. And nothing is compiled: a statement with many
/// conditions takes seconds to compile and milliseconds to run. What the `options` of a URL set is left as it is.
const POSTGRES_SETTINGS: [(&str, &str); 3] =
    [("lock_timeout", "3s"), ("idle_in_transaction_session_timeout", "60s"), ("jit", "off")];

impl Db {
    /// Opens `sqlite:PATH` or `postgres://…`. `pool` is the number of connections for reading.
    pub async fn connect(url: &str, pool: u32, env: Env) -> Result<Self> {
        let (jobs_added, heavy) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(HEAVY)));
        if let Some(path) = sqlite_path(url) {
            let url = format!("sqlite://{path}?mode=rwc");
            let writer = sqlite(&url, 1, Use::Write).await?;
            check_writer(&writer).await?;
            let readers = sqlite(&url, pool, Use::Read).await?;
            let walker = sqlite(&url, 1, Use::Walk).await?;
            Ok(Self { readers, walker, writer, env, jobs_added, heavy, heeds_read_only: false })
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let mut options = ConnectOptions::new(url);
            options
                .max_connections(pool)
                .acquire_timeout(ACQUIRE_TIMEOUT)
                .connect_timeout(ACQUIRE_TIMEOUT)
                .set_application_name("counterweight")
                .map_sqlx_postgres_opts(|options| {
                    let given = options.get_options().unwrap_or_default().to_owned();
                    options.options(POSTGRES_SETTINGS.into_iter().filter(|(name, _)| !given.contains(name)))
                })
                .sqlx_logging(true)
                .sqlx_logging_level(LOG_LEVEL)
                .sqlx_slow_statements_logging_settings(log::LevelFilter::Warn, SLOW);
            let pool = Database::connect(options).await?;
            let (readers, walker) = (pool.clone(), pool.clone());
            Ok(Self { readers, walker, writer: pool, env, jobs_added, heavy, heeds_read_only: false })
        } else {
            Err(Error::invalid(
                "DATABASE_URL_INVALID",
                "database_url",
                "must start with sqlite: or postgres://",
            ))
        }
    }

    /// Opens a database that is there, and makes none.
    pub async fn connect_existing(url: &str, pool: u32, env: Env) -> Result<Self> {
        match sqlite_path(url) {
            Some(path) if !Path::new(path).exists() => Err(Error::Precondition {
                code: "DATABASE_MISSING",
                reason: format!("{path} is missing; `serve` and `migrate` make it"),
            }),
            _ => Self::connect(url, pool, env).await,
        }
    }
}

fn sqlite_path(url: &str) -> Option<&str> {
    url.strip_prefix("sqlite:").map(|path| path.trim_start_matches("//"))
}

/// How `PRAGMA auto_vacuum` calls it.
const INCREMENTAL: i64 = 2;
/// In kibibytes, for each reader: a page of a long listing touches more than `SQLite`'s own two megabytes.
const READER_CACHE: &str = "-4096";
/// A statement that takes longer is in the log, without its values.
const SLOW: Duration = Duration::from_secs(1);
const LOG_LEVEL: log::LevelFilter = log::LevelFilter::Trace;

/// What a pool is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Write,
    Read,
    Walk,
}

async fn sqlite(url: &str, connections: u32, to: Use) -> Result<DatabaseConnection> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .connect_lazy(to == Use::Walk)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .sqlx_logging(true)
        .sqlx_logging_level(LOG_LEVEL)
        .sqlx_slow_statements_logging_settings(log::LevelFilter::Warn, SLOW)
        .map_sqlx_sqlite_opts(move |options| {
            let options = options
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .foreign_keys(true)
                .busy_timeout(BUSY_TIMEOUT)
                .with_regexp();
            match to {
                // Deleted rows are overwritten with zeros, and `Db::reclaim` takes their pages off the file.
                Use::Write => {
                    options.auto_vacuum(SqliteAutoVacuum::Incremental).pragma("secure_delete", "ON")
                }
                Use::Read => options.pragma("query_only", "ON").pragma("cache_size", READER_CACHE),
                Use::Walk => options.pragma("query_only", "ON"),
            }
        });
    Ok(Database::connect(options).await?)
}

/// WAL is refused silently on some file systems; then readers would block the writer. `auto_vacuum` is refused
/// silently once there are tables; then the file would never shrink.
async fn check_writer(connection: &DatabaseConnection) -> Result<()> {
    const SQL: &str = "SELECT journal_mode, auto_vacuum FROM pragma_journal_mode, pragma_auto_vacuum";
    let row = connection.query_one_raw(super::dialect::statement(connection, SQL, [])).await?;
    let row = row.ok_or_else(|| Error::internal("a pragma without a value"))?;
    let (journal, vacuum): (String, i64) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
    let unfit = |reason| Err(Error::invalid("DATABASE_UNFIT", "database_url", reason));
    if journal != "wal" {
        return unfit("this file system does not support SQLite's WAL mode");
    }
    if vacuum != INCREMENTAL {
        return unfit(
            "this file cannot shrink; run `PRAGMA auto_vacuum = INCREMENTAL; VACUUM;` on it with `sqlite3` once",
        );
    }
    Ok(())
}
