//! The only door to the database.
//!
//! Reading goes through [`Db`] or an open [`WriteTx`] (both are a [`Source`]); writing only through
//! [`Db::begin_write`]. While a transaction is open there is no object I/O, no HTTP and no second connection.

mod connect;
pub(crate) mod dialect;
pub(crate) mod page;
mod reclaim;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sea_orm::sqlx::Error as SqlxError;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, RuntimeErr, SqlErr,
    SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use tokio::sync::{Notify, Semaphore, SemaphorePermit};

use crate::clock::{Env, Timestamp, Turn};
use crate::error::{Error, Result};
use crate::switch::{self, Switch};

pub use self::page::Page;

/// How many at once do what keeps a thread and a core busy for as long as it lasts.
const HEAVY: usize = 2;

/// Pools, clock and random source of one process.
#[derive(Clone, Debug)]
pub struct Db {
    readers: DatabaseConnection,
    walker: DatabaseConnection,
    writer: DatabaseConnection,
    env: Env,
    jobs_added: Arc<Notify>,
    heavy: Arc<Semaphore>,
    heeds_read_only: bool,
}

/// What a query may read from: the pool, or the transaction it runs in.
pub trait Source: Sync {
    /// sea-orm's side of it.
    type Connection: ConnectionTrait;
    /// The connection to run statements on.
    fn connection(&self) -> &Self::Connection;
}

impl Source for Db {
    type Connection = DatabaseConnection;
    fn connection(&self) -> &DatabaseConnection {
        &self.readers
    }
}

impl Source for WriteTx {
    type Connection = DatabaseTransaction;
    fn connection(&self) -> &DatabaseTransaction {
        &self.tx
    }
}

impl Db {
    /// The same database for requests: while the instance is read-only, nothing begins to write through it.
    #[must_use]
    pub fn for_requests(&self) -> Self {
        Self { heeds_read_only: true, ..self.clone() }
    }

    /// The same database for who reads all of a table. With the readers' connections that would drive out of their caches what
    /// listings have there, and fill those of all of them.
    #[must_use]
    pub fn for_walks(&self) -> Self {
        Self { readers: self.walker.clone(), ..self.clone() }
    }

    /// Waits for a turn to do what keeps a thread and a core busy for long; it is over when what is returned is dropped.
    pub(crate) async fn heavy_turn(&self) -> Result<SemaphorePermit<'_>> {
        self.heavy.acquire().await.map_err(Error::internal)
    }

    /// Opens a transaction that may write. `SQLite` takes its one write lock here, so it can only be busy here.
    pub async fn begin_write(&self) -> Result<WriteTx> {
        let tx = self.begin_write_always().await?;
        // Asked inside, so that on `SQLite` nothing is written once the switch is on.
        if self.heeds_read_only && switch::get(&tx, Switch::ReadOnly).await?.is_some() {
            return Err(Error::ReadOnly);
        }
        Ok(tx)
    }

    /// The same, also while the instance is read-only: for the switches themselves.
    pub(crate) async fn begin_write_always(&self) -> Result<WriteTx> {
        self.env.turn(Turn::Begin).await;
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let tx = self.writer.begin_with_options(options).await?;
        let (env, now) = (self.env.clone(), self.env.now());
        Ok(WriteTx { tx, env, now, jobs_added: self.jobs_added.clone(), adds_jobs: AtomicBool::new(false) })
    }

    /// Clock and random source.
    pub fn env(&self) -> &Env {
        &self.env
    }

    /// The current moment.
    pub fn now(&self) -> Timestamp {
        self.env.now()
    }

    /// Told after each commit that enqueued a job. A hint only; the queue's table is the truth.
    pub fn jobs_added(&self) -> &Notify {
        &self.jobs_added
    }

    /// Answers when the database does.
    pub async fn ping(&self) -> Result<()> {
        Ok(self.readers.ping().await?)
    }

    /// How far the database's clock is from this machine's. Leases are claimed by the machine's, so servers whose
    /// clocks differ by more than a few seconds take over each other's jobs too early.
    pub async fn clock_skew(&self) -> Result<Duration> {
        let Some(statement) = dialect::clock(&self.readers) else { return Ok(Duration::ZERO) };
        let row = self.readers.query_one_raw(statement).await?;
        let theirs: i64 = row.ok_or_else(|| Error::internal("a clock without a time"))?.try_get("", "now")?;
        Ok(Duration::from_micros(theirs.abs_diff(self.now().0)))
    }

    /// The pool that may write, for the migrator.
    pub fn migration_connection(&self) -> &DatabaseConnection {
        &self.writer
    }
}

/// A transaction. Verbs borrow it; [`WriteTx::commit`] consumes it; dropping it rolls back.
#[must_use = "a transaction that is not committed is rolled back"]
#[derive(Debug)]
pub struct WriteTx {
    tx: DatabaseTransaction,
    env: Env,
    now: Timestamp,
    jobs_added: Arc<Notify>,
    adds_jobs: AtomicBool,
}

impl WriteTx {
    /// The moment at which everything in this transaction happens.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Clock and random source.
    pub fn env(&self) -> &Env {
        &self.env
    }

    /// Lets the commit wake the worker.
    pub(crate) fn adds_job(&self) {
        self.adds_jobs.store(true, Ordering::Relaxed);
    }

    /// Makes it last.
    pub async fn commit(self) -> Result<()> {
        self.env.turn(Turn::Commit).await;
        self.tx.commit().await?;
        if self.adds_jobs.into_inner() {
            self.jobs_added.notify_one();
        }
        Ok(())
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        if let Some(SqlErr::UniqueConstraintViolation(_)) = error.sql_err() {
            return Self::Conflict { reason: "someone else wrote the same name at the same time".to_owned() };
        }
        if holds_nul(&error) {
            return Self::invalid("TEXT_INVALID", "text", "must not contain NUL");
        }
        if passes(&error) { Self::unavailable(error) } else { Self::internal(error) }
    }
}

fn sqlx_error(error: &DbErr) -> Option<&SqlxError> {
    match error {
        DbErr::Conn(runtime) | DbErr::Exec(runtime) | DbErr::Query(runtime) => match runtime {
            RuntimeErr::SqlxError(error) => Some(error),
            RuntimeErr::Internal(_) => None,
        },
        _ => None,
    }
}

/// Whether a text had a NUL, which `PostgreSQL` neither stores nor compares with.
fn holds_nul(error: &DbErr) -> bool {
    let code = sqlx_error(error).and_then(|error| error.as_database_error()?.code());
    code.is_some_and(|code| code == dialect::NUL_IN_TEXT)
}

/// Whether the same statement may succeed later: the database is away, busy, full, or chose us as a victim.
fn passes(error: &DbErr) -> bool {
    if matches!(error, DbErr::ConnectionAcquire(_)) {
        return true;
    }
    let Some(error) = sqlx_error(error) else { return false };
    match error {
        SqlxError::Database(database) => database.code().is_some_and(|code| dialect::passes(&code)),
        SqlxError::Io(_)
        | SqlxError::Tls(_)
        | SqlxError::Protocol(_)
        | SqlxError::PoolTimedOut
        | SqlxError::PoolClosed
        | SqlxError::WorkerCrashed => true,
        _ => false,
    }
}
