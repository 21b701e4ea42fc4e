use std::fmt::Write as _;

use anyhow::ensure;
use counterweight_worker::gc::{self, GcReport};

use super::{resources, say, worker};
use crate::config::Config;

pub(super) async fn run(config: &Config, dry_run: bool) -> anyhow::Result<()> {
    let db = resources::open_database(config).await?;
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

fn describe(report: &GcReport, dry_run: bool) -> Result<String, std::fmt::Error> {
    let GcReport { scanned, doomed, swept, bytes, failed: _, objects } = report;
    let mut text = String::new();
    for object in objects {
        writeln!(text, "{object}")?;
    }
    if dry_run {
        write!(text, "Looked at {scanned} blobs: {doomed} would become unreachable, and ")?;
        writeln!(text, "{swept} objects with {bytes} bytes would be removed now.")?;
    } else {
        write!(text, "Looked at {scanned} blobs: {doomed} became unreachable, and ")?;
        writeln!(text, "{swept} objects with {bytes} bytes were removed.")?;
    }
    Ok(text)
}
