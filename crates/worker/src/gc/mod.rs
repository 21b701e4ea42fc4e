//! The collection of bytes: what is unwanted becomes unreachable, waits for the grace, and is removed.
//!
//! No transaction is open while the object store is asked for something.

mod abandon;
mod mark;
mod sweep;
#[cfg(test)]
mod tests;
mod throttle;

use std::time::Duration;

use counterweight_domain::collector::{self, Counts};
use counterweight_domain::{Db, Result, receipt, switch};
use counterweight_storage::{BlobStore, ObjectKey};
use metrics::histogram;
use tokio_util::sync::CancellationToken;

pub use self::throttle::Throttle;

/// Blobs per statement, transaction and request to the store.
const BATCH: u64 = 1000;

/// When bytes go.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How often a pass starts by itself.
    pub interval: Duration,
    /// How long bytes stay in the store after they became unreachable: longer than any link to them is good
    /// for.
    pub grace: Duration,
    /// How long bytes that nothing refers to are left alone after their last use: longer than any
    /// transaction.
    pub min_age: Duration,
    /// How long an announced upload may take.
    pub upload_window: Duration,
    /// How fast objects are removed.
    pub throttle: Throttle,
}

/// What one pass did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GcReport {
    /// Blobs that were looked at.
    pub scanned: u64,
    /// Blobs that became unreachable.
    pub doomed: u64,
    /// Objects that were removed from the store.
    pub swept: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that the store did not remove; they are tried again later.
    pub failed: u64,
    /// Receipts that were issued, since nothing of their deletions is outstanding.
    pub receipts: u64,
    /// Only in a dry run: every object that would be removed, now or when its grace is over.
    pub objects: Vec<ObjectKey>,
}

/// Runs a pass now. With `dry_run` it writes nothing and names what it would remove.
pub async fn pass(db: &Db, blobs: &BlobStore, settings: &Settings, dry_run: bool) -> Result<GcReport> {
    run(db, blobs, settings, dry_run, &CancellationToken::new()).await
}

/// Runs a pass that ends after the batch in which `stop` is cancelled.
pub(crate) async fn pass_until(
    db: &Db,
    blobs: &BlobStore,
    settings: &Settings,
    stop: &CancellationToken,
) -> Result<GcReport> {
    run(db, blobs, settings, false, stop).await
}

async fn run(
    db: &Db,
    blobs: &BlobStore,
    settings: &Settings,
    dry_run: bool,
    stop: &CancellationToken,
) -> Result<GcReport> {
    let db = &db.for_walks();
    Pass { db, blobs, settings, dry_run, stop, report: GcReport::default() }.run().await
}

struct Pass<'a> {
    db: &'a Db,
    blobs: &'a BlobStore,
    settings: &'a Settings,
    dry_run: bool,
    stop: &'a CancellationToken,
    report: GcReport,
}

impl Pass<'_> {
    /// Runs, and writes down what it did.
    async fn run(self) -> Result<GcReport> {
        if self.dry_run {
            return self.phases().await;
        }
        let (db, Throttle { objects_per_second, bytes_per_second }) = (self.db, self.settings.throttle);
        if switch::stops_collector(db).await? {
            return Ok(self.report);
        }
        let id = collector::begin(db, objects_per_second, bytes_per_second).await?;
        let report = self.phases().await?;
        let GcReport { scanned, doomed, swept, bytes, failed, .. } = report;
        collector::end(db, id, Counts { scanned, doomed, swept, bytes, failed }).await?;
        Ok(report)
    }

    /// Whether the next batch may begin: nobody stopped this pass, or all of them.
    async fn goes_on(&self) -> Result<bool> {
        Ok(!self.stop.is_cancelled() && (self.dry_run || !switch::stops_collector(self.db).await?))
    }

    async fn phases(mut self) -> Result<GcReport> {
        let begin = self.db.now();
        self.expire().await?;
        let expired = self.db.now();
        self.mark().await?;
        self.hurry().await?;
        let marked = self.db.now();
        self.sweep().await?;
        let swept = self.db.now();
        if !self.dry_run {
            self.report.receipts = receipt::issue(self.db).await?;
        }
        self.abandon().await;
        let abandoned = self.db.now();
        self.reclaim().await?;
        let reclaimed = self.db.now();
        if !self.dry_run {
            for (phase, from, to) in [
                ("expire", begin, expired),
                ("mark", expired, marked),
                ("sweep", marked, swept),
                ("abandon", swept, abandoned),
                ("reclaim", abandoned, reclaimed),
            ] {
                let span = Duration::from_micros(to.0.saturating_sub(from.0).max(0).unsigned_abs());
                histogram!("counterweight_gc_phase_seconds", "phase" => phase).record(span);
            }
        }
        Ok(self.report)
    }

    /// Rows that purges and sweeps have removed leave the disk too.
    async fn reclaim(&self) -> Result<()> {
        if self.dry_run {
            return Ok(());
        }
        while self.goes_on().await? && self.db.reclaim().await? {}
        Ok(())
    }
}
