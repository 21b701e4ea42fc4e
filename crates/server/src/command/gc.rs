use std::fmt::Write as _;

use anyhow::{Context as _, ensure};
use counterweight_domain::{Db, Error, switch};
use counterweight_worker::gc::{self, GcReport};

use super::{doctor, resources, say, worker};
use crate::config::Config;

pub(super) async fn run(config: &Config, dry_run: bool) -> anyhow::Result<()> {
    let db = if dry_run { up_to_date(config).await? } else { resources::open_database(config).await? };
    // Else a pass that may do nothing would look like one that found nothing.
    ensure!(
        dry_run || !switch::stops_collector(&db).await?,
        "the collector is stopped, so nothing was done; `gc status` says why"
    );
    let blobs = resources::open_objects(config)?;
    let report = gc::pass(&db, &blobs, &worker::gc_settings(config), dry_run).await?;
    say(&describe(&report, dry_run)?)?;
    ensure!(
        report.failed == 0,
        "the object store kept {} objects; they are tried again later",
        report.failed
    );
    Ok(())
}

/// The database as it is, if that will do.
pub(super) async fn up_to_date(config: &Config) -> anyhow::Result<Db> {
    let db = doctor::open_database(config).await?;
    let pending = counterweight_migrations::count_pending(db.migration_connection()).await;
    let pending = pending.map_err(Error::from).context("cannot read what the database holds")?;
    ensure!(pending == 0, "migrations to apply: {pending}, which `migrate` and `serve` do");
    Ok(db)
}

fn describe(report: &GcReport, dry_run: bool) -> Result<String, std::fmt::Error> {
    let GcReport { scanned, doomed, swept, bytes, failed: _, receipts, objects } = report;
    let mut text = String::new();
    for object in objects {
        writeln!(text, "{object}")?;
    }
    if dry_run {
        write!(text, "Looked at {scanned} blobs: {doomed} would become unreachable, and ")?;
        writeln!(text, "{swept} objects with {bytes} bytes would be removed now.")?;
    } else {
        write!(text, "Looked at {scanned} blobs: {doomed} became unreachable, and ")?;
        writeln!(text, "{swept} objects with {bytes} bytes were removed. Receipts issued: {receipts}.")?;
    }
    Ok(text)
}
