use std::fmt::Display;
use std::time::Duration;

use anyhow::{Context as _, bail};
use counterweight_migrations::Migrator;
use sea_orm_migration::MigratorTrait as _;

use super::{resources, say};
use crate::config::Config;
use crate::problem::chain;

/// What leases of jobs allow for.
const MOST_SKEW: Duration = Duration::from_secs(5);

/// Checks one thing after the other and goes on after a failure, so that one run tells everything.
pub(super) async fn run(config: &Config) -> anyhow::Result<()> {
    let checks = [
        ("database", config.database_name(), check_database(config).await),
        ("object store", config.object_store_name(), check_objects(config).await),
    ];
    let mut failed = Vec::new();
    for (part, place, outcome) in &checks {
        match outcome {
            Ok(found) => say(&line("ok", part, place, found))?,
            Err(error) => {
                say(&line("failed", part, place, &chain(error.as_ref())))?;
                failed.push(*part);
            }
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    bail!("{} failed", failed.join(" and "))
}

fn line(verdict: &str, part: &str, place: &str, found: &impl Display) -> String {
    format!("{verdict:<7} {part:<13} {place}: {found}")
}

async fn check_database(config: &Config) -> anyhow::Result<String> {
    let db = resources::connect(config).await?;
    let skew = db.clock_skew().await?;
    if skew > MOST_SKEW {
        bail!(
            "its clock and this machine's are {} s apart, more than {} s",
            skew.as_secs(),
            MOST_SKEW.as_secs()
        );
    }
    let pending = Migrator::get_pending_migrations(db.migration_connection()).await?;
    Ok(match pending.len() {
        0 => "answers, and is up to date".to_owned(),
        n => format!("answers; migrations to apply: {n}, which `migrate` and `serve` do"),
    })
}

async fn check_objects(config: &Config) -> anyhow::Result<String> {
    let blobs = resources::open_objects(config)?;
    blobs.probe().await.context("cannot write, read and delete an object")?;
    Ok("writes, reads and deletes".to_owned())
}
