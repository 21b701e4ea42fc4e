//! Switches of the whole instance: rows that every process reads before it goes on, so that one command reaches all.

use sea_orm::{ConnectionTrait as _, FromQueryResult};

use crate::account::Caller;
use crate::clock::Timestamp;
use crate::db::{Db, Source, dialect};
use crate::error::Result;

/// What can be switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// Nothing is purged, expired or removed from the store.
    CollectorPaused,
    /// Nothing is changed at all; reading goes on.
    ReadOnly,
}

/// That it is on: since when, and why.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct SwitchedOn {
    /// Since when.
    pub set_at: Timestamp,
    /// Free text.
    pub reason: Option<String>,
}

impl Switch {
    fn name(self) -> &'static str {
        match self {
            Self::CollectorPaused => "collector_paused",
            Self::ReadOnly => "read_only",
        }
    }
}

/// Whether it is on, and why.
pub async fn get(source: &impl Source, switch: Switch) -> Result<Option<SwitchedOn>> {
    let sql = "SELECT set_at, reason FROM switch WHERE name = $1";
    let statement = dialect::statement(source.connection(), sql, [switch.name().into()]);
    Ok(SwitchedOn::find_by_statement(statement).one(source.connection()).await?)
}

/// Whether the collector has to stop.
pub async fn stops_collector(source: &impl Source) -> Result<bool> {
    let sql = "SELECT 1 FROM switch LIMIT 1";
    let row = source.connection().query_one_raw(dialect::statement(source.connection(), sql, [])).await?;
    Ok(row.is_some())
}

/// Switches it on; one that is on already keeps its time and gets another reason.
pub async fn turn_on(db: &Db, switch: Switch, reason: Option<String>) -> Result<()> {
    let tx = db.begin_write_always().await?;
    let sql = "INSERT INTO switch (name, set_at, reason) VALUES ($1, $2, $3) \
               ON CONFLICT (name) DO UPDATE SET reason = excluded.reason";
    let values = [switch.name().into(), tx.now().into(), reason.into()];
    tx.connection().execute_raw(dialect::statement(tx.connection(), sql, values)).await?;
    tx.commit().await
}

/// Switches it off.
pub async fn turn_off(db: &Db, switch: Switch) -> Result<()> {
    let tx = db.begin_write_always().await?;
    let sql = "DELETE FROM switch WHERE name = $1";
    tx.connection().execute_raw(dialect::statement(tx.connection(), sql, [switch.name().into()])).await?;
    tx.commit().await
}

/// Switches it for an administrator of the instance.
pub async fn set(db: &Db, caller: &Caller, switch: Switch, on: bool, reason: Option<String>) -> Result<()> {
    caller.require_administrator()?;
    if on { turn_on(db, switch, reason).await } else { turn_off(db, switch).await }
}
