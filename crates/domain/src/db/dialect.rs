//! The only place that asks which database it is.

use sea_orm::sea_query::{
    Alias, ArrayType, Asterisk, BinOper, Expr, ExprTrait as _, Func, IntoIden, JoinType, Query,
    SelectStatement, ValueType,
};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, DbBackend, Statement, Value};
use serde::Serialize;

use crate::error::{Error, Result};

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

/// A raw statement, as `PostgreSQL` takes it: with `$1`-style placeholders, and `= ANY($1)` for one of a [`list`].
pub(crate) fn statement(
    connection: &impl ConnectionTrait,
    sql: impl Into<String>,
    values: impl IntoIterator<Item = Value>,
) -> Statement {
    let (backend, sql) = (connection.get_database_backend(), sql.into());
    let values: Vec<Value> = values.into_iter().collect();
    if backend == DbBackend::Postgres || !values.iter().any(|value| matches!(value, Value::Array(..))) {
        return Statement::from_sql_and_values(backend, sql, values);
    }
    let (sql, values) = spread(&sql.replace("= ANY(", "IN ("), &values);
    Statement::from_sql_and_values(backend, sql, values)
}

/// Ids or texts as one value of a [`statement`].
pub(crate) fn list<T: Listed>(items: &[T]) -> Value {
    Value::Array(T::array_type(), Some(Box::new(items.iter().map(|item| (*item).into()).collect())))
}

/// What a [`list`] can be of.
pub(crate) trait Listed: Copy + Into<Value> + ValueType {}

impl<T: Copy + Into<Value> + ValueType> Listed for T {}

/// For `SQLite`, which has no lists: a placeholder for each value, in the order in which they stand, and none with a number. `SQLite`
/// looks for a numbered one among all before it: a thousand of them take it several times as long as all the rest. A list in a
/// subquery would do, but in an `EXISTS` with an `OR` beside it 3.51.3 finds nothing by it.
fn spread(sql: &str, values: &[Value]) -> (String, Vec<Value>) {
    let mut parts = sql.split('$');
    let (mut text, mut spread) = (parts.next().unwrap_or_default().to_owned(), Vec::new());
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        let (number, rest) = part.split_at(end);
        let value = number.parse::<usize>().ok().and_then(|number| values.get(number.checked_sub(1)?));
        let before = spread.len();
        match value {
            Some(Value::Array(_, items)) => {
                spread.extend(items.iter().flat_map(|items| items.iter().cloned()));
            }
            Some(value) => spread.push(value.clone()),
            None => text.extend(["$", number]),
        }
        text.push_str(&vec!["?"; spread.len() - before].join(", "));
        text.push_str(rest);
    }
    (text, spread)
}

/// Rows of several values as one value of a [`statement`], for [`rows`].
pub(crate) fn document(rows: &[impl Serialize]) -> Result<Value> {
    Ok(serde_json::to_string(rows).map_err(Error::internal)?.into())
}

/// The rows of a [`document`], which is the value of this number: the first of a row's values is `value ->> 0`.
pub(crate) fn rows(connection: &impl ConnectionTrait, number: usize) -> String {
    match connection.get_database_backend() {
        DbBackend::Postgres => format!("json_array_elements(CAST(${number} AS json))"),
        _ => format!("json_each(${number})"),
    }
}

/// Ends a `SELECT` so that two transactions never pick the same row, and neither waits for the other. `SQLite` has
/// no such clause and needs none: its one writer is alone.
pub(crate) fn skip_locked(connection: &impl ConnectionTrait) -> &'static str {
    match connection.get_database_backend() {
        DbBackend::Postgres => "FOR UPDATE SKIP LOCKED",
        _ => "",
    }
}

/// How a transaction goes through a gate.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Passage {
    /// With any number of others.
    Together,
    /// When nobody else is behind it, and nobody enters meanwhile.
    Alone,
}

/// Goes through a gate, until the transaction ends. `SQLite`'s one writer is alone anyway.
pub(crate) fn pass_gate(connection: &impl ConnectionTrait, gate: i64, how: Passage) -> Option<Statement> {
    let function = match how {
        Passage::Together => "pg_advisory_xact_lock_shared",
        Passage::Alone => "pg_advisory_xact_lock",
    };
    let postgres = connection.get_database_backend() == DbBackend::Postgres;
    postgres.then(|| statement(connection, format!("SELECT {function}($1)"), [gate.into()]))
}

/// A text column of rows that are found by their keys. Where many have just come to have a value, either database would else
/// read all that have it, and again for each key: it takes the value for rare until its statistics are made anew.
macro_rules! unindexed {
    ($column:literal) => {
        concat!("(", $column, " || '')")
    };
}
pub(crate) use unindexed;

/// That a column is one of these ids, and so lies between the least and the greatest of them. Without the bounds `PostgreSQL` reads
/// all rows that have the values of the columns before it in an index, and again for each batch: it takes them for few until its
/// statistics are made anew.
pub(crate) fn among<T: Copy + Ord + Into<Value>>(column: impl ColumnTrait, ids: &[T]) -> Condition {
    let bounds = ids.iter().min().zip(ids.iter().max());
    let bounds = bounds.map(|(least, greatest)| column.between(*least, *greatest));
    Condition::all().add(column.is_in(ids.iter().copied())).add_option(bounds)
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
/// `EXISTS` it may read all of them again for each id; and looks each id up in it, where two lists that led to the ids
/// would be gone through once for each entry of the other. `PostgreSQL` turns `EXISTS`, also negated, into a join of any
/// size, where for `NOT IN` it needs the list to fit into memory.
pub(crate) fn is_among(backend: DbBackend, id: Expr, key: Expr, mut rows: SelectStatement) -> Expr {
    match backend {
        DbBackend::Postgres => Expr::exists(rows.and_where(key.eq(id)).take()),
        _ => off_index(backend, id).in_subquery(rows),
    }
}

/// There is one of the `rows`, looked up for this run alone. Either database would make a join of it, `PostgreSQL` by an
/// estimate that knows nothing of how paths and values go together, `SQLite` after all other tables. `OFFSET 0` and
/// `LIMIT 1` keep them from that.
pub(crate) fn has_one(backend: DbBackend, mut rows: SelectStatement) -> Expr {
    match backend {
        DbBackend::Postgres => rows.offset(0),
        _ => rows.limit(1),
    };
    Expr::exists(rows)
}

/// Joins the row of `table` that `on` finds by a key, for each row before it: never the other way round, and never
/// from the whole table. `SQLite` is told by `CROSS JOIN`, `PostgreSQL` by `LATERAL` with `OFFSET 0`.
pub(crate) fn look_up(
    query: &mut SelectStatement,
    backend: DbBackend,
    missing: Missing,
    table: impl IntoIden,
    alias: Alias,
    on: Expr,
) {
    let table = table.into_iden();
    match (backend, missing) {
        (DbBackend::Postgres, missing) => {
            let mut row = Query::select();
            row.column(Asterisk).from_as(table, alias.clone()).and_where(on).offset(0);
            let join = match missing {
                Missing::Drops => JoinType::InnerJoin,
                Missing::IsNull => JoinType::LeftJoin,
            };
            query.join_lateral(join, row, alias, Expr::cust("TRUE"));
        }
        (_, Missing::Drops) => {
            query.join_as(JoinType::CrossJoin, table, alias, Expr::cust("TRUE")).and_where(on);
        }
        (_, Missing::IsNull) => {
            query.join_as(JoinType::LeftJoin, table, alias, on);
        }
    }
}

/// What becomes of a row for which [`look_up`] finds nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Missing {
    /// It is left out.
    Drops,
    /// It stays, with nulls.
    IsNull,
}

/// A column that is to be read from a row at hand. `SQLite` keeps no statistics and would take any index on it, however
/// little that index narrows down.
pub(crate) fn off_index(backend: DbBackend, column: Expr) -> Expr {
    match backend {
        DbBackend::Postgres => column,
        _ => Expr::cust_with_expr("+?", column),
    }
}

/// The beginning of a string, as long as an index has room for. Its indexes are on this very expression.
pub(crate) fn cut(text: Expr) -> Expr {
    Func::cust("substr").args([text, Expr::cust("1"), Expr::cust("256")]).into()
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

/// The member at `path` of a JSON document, as a number, as a text, and as a truth value: each null where it is not one.
pub(crate) fn json_member(backend: DbBackend, document: &Expr, path: &[String]) -> [Expr; 3] {
    if backend == DbBackend::Postgres {
        let parts = path.iter().map(|part| part.clone().into()).collect();
        let path = Value::Array(ArrayType::String, Some(Box::new(parts)));
        return [
            ("number", "(($1)::jsonb #> $2)::text::double precision"),
            ("string", "(($1)::jsonb #>> $2)"),
            ("boolean", "(($1)::jsonb #> $2)::text::boolean"),
        ]
        .map(|(of, value)| {
            let sql = format!("CASE WHEN jsonb_typeof(($1)::jsonb #> $2) = '{of}' THEN {value} END");
            Expr::cust_with_exprs(sql, [document.clone(), Expr::val(path.clone())])
        });
    }
    // A quote has no place in a path of SQLite's.
    let parts: Vec<String> = path.iter().map(|part| part.replace('"', "")).collect();
    let path = format!("$.\"{}\"", parts.join("\".\""));
    ["'integer', 'real'", "'text'", "'true', 'false'"].map(|of| {
        let sql = format!("CASE WHEN json_type(?, ?) IN ({of}) THEN json_extract(?, ?) END");
        let values = [document.clone(), Expr::val(path.clone())];
        Expr::cust_with_exprs(sql, values.iter().chain(&values).cloned())
    })
}

/// Reads the database's clock in microseconds; none where that clock is this machine's.
pub(super) fn clock(connection: &impl ConnectionTrait) -> Option<Statement> {
    let sql = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT) AS now";
    let backend = connection.get_database_backend();
    (backend == DbBackend::Postgres).then(|| Statement::from_string(backend, sql))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_spread_wherever_it_stands() {
        let (sql, values) =
            spread("a = $2 AND b IN ($1) OR c IN ($1) AND d = $2", &[list(&[7_i64, 8]), "x".into()]);
        assert_eq!(sql, "a = ? AND b IN (?, ?) OR c IN (?, ?) AND d = ?");
        assert_eq!(
            values,
            ["x".into(), 7_i64.into(), 8_i64.into(), 7_i64.into(), 8_i64.into(), Value::from("x")]
        );
        assert_eq!(spread("a IN ($1)", &[list::<i64>(&[])]), ("a IN ()".to_owned(), Vec::new()));
    }
}
