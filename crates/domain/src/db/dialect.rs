//! The only place that asks which database it is.

use sea_orm::sea_query::{BinOper, Expr, ExprTrait as _, SelectStatement};
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};

/// `SQLite` busy, locked, I/O error, full, cannot open.
const PASSING_ERRORS: &[u32] = &[5, 6, 10, 13, 14];

/// `PostgreSQL` classes and states: connection, read-only after a failover, idle for too long in a transaction,
/// transaction rollback, insufficient resources, lock not had in time, operator intervention.
const PASSING_STATES: &[&str] = &["08", "25006", "25P03", "40", "53", "55P03", "57", "58"];

/// Whether an error of this code is trouble that passes.
pub(super) fn passes(code: &str) -> bool {
    const SQLSTATE_LENGTH: usize = 5;
    if code.len() == SQLSTATE_LENGTH {
        return PASSING_STATES.iter().any(|state| code.starts_with(state));
    }
    // The lowest byte of `SQLite`'s extended code is the code that it extends.
    code.parse::<u32>().is_ok_and(|extended| PASSING_ERRORS.contains(&(extended & 0xff)))
}

/// `PostgreSQL`: a character that is not in the database's encoding. Rust's strings are valid, so it is NUL.
pub(super) const NUL_IN_TEXT: &str = "22021";

/// A raw statement. Both databases take `$1`-style placeholders.
pub(crate) fn statement(
    connection: &impl ConnectionTrait,
    sql: impl Into<String>,
    values: impl IntoIterator<Item = Value>,
) -> Statement {
    Statement::from_sql_and_values(connection.get_database_backend(), sql, values)
}

/// Ends a `SELECT` so that two transactions never pick the same row, and neither waits for the other. `SQLite` has
/// no such clause and needs none: its one writer is alone.
pub(crate) fn skip_locked(connection: &impl ConnectionTrait) -> &'static str {
    match connection.get_database_backend() {
        DbBackend::Postgres => "FOR UPDATE SKIP LOCKED",
        _ => "",
    }
}

/// `$first, $second, …` for the `count` values that follow the first `before` ones of a statement.
pub(crate) fn placeholders(before: usize, count: usize) -> String {
    (before + 1..=before + count).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ")
}

/// A string as it compares and sorts by its bytes, whatever the database's locale.
pub(crate) fn bytewise(backend: DbBackend, text: Expr) -> Expr {
    match backend {
        DbBackend::Postgres => Expr::cust_with_expr(r#"$1 COLLATE "C""#, text),
        _ => text,
    }
}

/// A regular expression occurs in `text`; each database takes its own dialect.
pub(crate) fn matches(backend: DbBackend, text: Expr, rust: &str, postgres: &str) -> Expr {
    match backend {
        DbBackend::Postgres => text.binary(BinOper::Custom("~"), postgres),
        _ => text.binary(BinOper::Custom("REGEXP"), rust),
    }
}

/// `id` is the `key` of one of the `rows`, which select their key. `SQLite` makes a list of them once, where for an
/// `EXISTS` it may read all of them again for each id. `PostgreSQL` turns `EXISTS`, also negated, into a join of any
/// size, where for `NOT IN` it needs the list to fit into memory.
pub(crate) fn is_among(backend: DbBackend, id: Expr, key: Expr, mut rows: SelectStatement) -> Expr {
    match backend {
        DbBackend::Postgres => Expr::exists(rows.and_where(key.eq(id)).take()),
        _ => id.in_subquery(rows),
    }
}

/// How the file of a database gives back the space of deleted rows.
pub(super) struct Reclaim {
    /// Counts pages that hold nothing.
    pub(super) unused: Statement,
    /// Takes some of them off the file.
    pub(super) step: Statement,
    /// Empties the log of past writes.
    pub(super) log: Statement,
}

/// None where the database uses such space again by itself, as `PostgreSQL`'s autovacuum does.
pub(super) fn reclaim(connection: &impl ConnectionTrait) -> Option<Reclaim> {
    let backend = connection.get_database_backend();
    let pragma = |sql| Statement::from_string(backend, sql);
    (backend == DbBackend::Sqlite).then(|| Reclaim {
        unused: pragma("PRAGMA freelist_count"),
        step: pragma("PRAGMA incremental_vacuum(1000)"),
        log: pragma("PRAGMA wal_checkpoint(TRUNCATE)"),
    })
}

/// Reads the database's clock in microseconds; none where that clock is this machine's.
pub(super) fn clock(connection: &impl ConnectionTrait) -> Option<Statement> {
    let sql = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT) AS now";
    let backend = connection.get_database_backend();
    (backend == DbBackend::Postgres).then(|| Statement::from_string(backend, sql))
}
