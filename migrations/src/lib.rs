//! The database's history, the same for `SQLite` and `PostgreSQL`.
//!
//! Forward only; a released migration is never edited. Each runs in a transaction on both databases.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend};

mod m20261122_000001_first_slice;
mod m20261122_000002_projects;
mod m20261122_000003_alerts;
mod m20261122_000004_run_changes;
mod m20261122_000005_listing_indexes;
mod m20261122_000006_history_segments;
mod m20261122_000007_writers;
mod m20261124_000008_artifacts;
mod m20261124_000009_organizations;
mod m20261124_000010_inherited_summary;
mod m20261124_000011_sweeps;
mod m20261124_000012_storage;
mod m20261124_000013_job_api;
mod m20261124_000014_holds;
mod m20261124_000015_deletions;
mod m20261124_000016_audit;
mod m20261124_000016_receipts;
mod m20261130_000017_artifact_trash;
mod m20261130_000018_retention;
mod m20261130_000019_sweep_order;
mod m20261130_000020_bulk_items;
mod m20261130_000021_extended;
mod m20261130_000022_sealed;
mod table;

/// Runs the migrations in order.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261122_000001_first_slice::Migration),
            Box::new(m20261122_000002_projects::Migration),
            Box::new(m20261122_000003_alerts::Migration),
            Box::new(m20261122_000004_run_changes::Migration),
            Box::new(m20261122_000005_listing_indexes::Migration),
            Box::new(m20261122_000006_history_segments::Migration),
            Box::new(m20261122_000007_writers::Migration),
            Box::new(m20261124_000008_artifacts::Migration),
            Box::new(m20261124_000009_organizations::Migration),
            Box::new(m20261124_000010_inherited_summary::Migration),
            Box::new(m20261124_000011_sweeps::Migration),
            Box::new(m20261124_000012_storage::Migration),
            Box::new(m20261124_000013_job_api::Migration),
            Box::new(m20261124_000014_holds::Migration),
            Box::new(m20261124_000015_deletions::Migration),
            Box::new(m20261124_000016_audit::Migration),
            Box::new(m20261124_000016_receipts::Migration),
            Box::new(m20261130_000017_artifact_trash::Migration),
            Box::new(m20261130_000018_retention::Migration),
            Box::new(m20261130_000019_sweep_order::Migration),
            Box::new(m20261130_000020_bulk_items::Migration),
            Box::new(m20261130_000021_extended::Migration),
            Box::new(m20261130_000022_sealed::Migration),
        ]
    }
}

/// How many migrations [`migrate`] would apply. Writes nothing.
pub async fn count_pending(connection: &DatabaseConnection) -> Result<usize, DbErr> {
    let all = Migrator::migrations().len();
    if !SchemaManager::new(connection).has_table("seaql_migrations").await? {
        return Ok(all);
    }
    let applied = Migrator::get_migration_models(connection).await?;
    Ok(all.saturating_sub(applied.len()))
}

/// Brings the database up to date. Several servers may start together: on `PostgreSQL` an advisory lock, on
/// `SQLite` the single writer keeps them apart.
pub async fn migrate(connection: &DatabaseConnection) -> Result<(), DbErr> {
    use sea_orm_migration::sea_orm::TransactionTrait as _;
    // "counterw" as a number; held until the guard transaction ends.
    const LOCK: i64 = 0x636f_756e_7465_7277;
    if connection.get_database_backend() != DbBackend::Postgres {
        return Migrator::up(connection, None).await;
    }
    let guard = connection.begin().await?;
    // It waits for as long as the other server migrates, and idles for as long as this one does.
    guard.execute_unprepared("SET LOCAL lock_timeout = 0").await?;
    guard.execute_unprepared("SET LOCAL idle_in_transaction_session_timeout = 0").await?;
    guard.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({LOCK})")).await?;
    Migrator::up(connection, None).await?;
    guard.commit().await
}
