//! The comparison of bucket and database: what one has and the other does not know, or knows otherwise.
//!
//! Both are walked shard by shard, and what is found is asked for again before it is told, since uploads and sweeps
//! go on meanwhile.

mod adopt;
mod compare;
#[cfg(test)]
mod tests;
mod window;

use std::time::Duration;

use counterweight_domain::blob::Referrer;
use counterweight_domain::{Db, blob};
use counterweight_storage::{BlobStore, ObjectKey};
use serde::Serialize;

use self::compare::Walk;

/// How to compare.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Objects younger than this may be uploads under way, and are left out.
    pub upload_window: Duration,
    /// How long an object in quarantine stays.
    pub grace: Duration,
    /// Read every object, and hold it to what it should hash to.
    pub digests: bool,
    /// Let the collector have the objects that no row knows.
    pub quarantine: bool,
    /// Give rows whose bytes are missing those of an object that no row knows and that has the same.
    pub adopt: bool,
    /// Objects held in memory at once.
    pub window: usize,
}

/// What [`Settings::window`] is: some ten megabytes.
pub const WINDOW: usize = 50_000;

/// One difference, and what was done about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
pub enum Finding {
    /// An object that no row knows.
    Orphan {
        /// Where it is.
        key: ObjectKey,
        /// How large it is.
        size_bytes: u64,
        /// Whether the collector has it now.
        quarantined: bool,
    },
    /// A row whose bytes are not there.
    Missing {
        /// Where they should be.
        key: ObjectKey,
        /// How many there should be.
        size_bytes: u64,
        /// Who needs them; the first few.
        referrers: Vec<Referrer>,
    },
    /// An object of another size than its row says.
    WrongSize {
        /// Where it is.
        key: ObjectKey,
        /// What the row says.
        size_bytes: u64,
        /// What the store says.
        found_bytes: u64,
        /// Who needs it; the first few.
        referrers: Vec<Referrer>,
    },
    /// An object that does not hash to what its row says.
    WrongDigest {
        /// Where it is.
        key: ObjectKey,
        /// Who needs it; the first few.
        referrers: Vec<Referrer>,
    },
    /// A row whose bytes were missing has those of an object that no row knew.
    Adopted {
        /// Where the bytes are, and where the row says now that they are.
        key: ObjectKey,
        /// Where it said that they were.
        instead_of: ObjectKey,
    },
}

/// What was compared, and how many differences there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Objects of the bucket.
    pub objects: u64,
    /// Their bytes.
    pub object_bytes: u64,
    /// Rows of the database.
    pub rows: u64,
    /// Objects that no row knows.
    pub orphans: u64,
    /// Rows whose bytes are not there.
    pub missing: u64,
    /// Objects of another size than their rows say.
    pub wrong_sizes: u64,
    /// Objects that do not hash to what their rows say.
    pub wrong_digests: u64,
    /// Rows that were given other bytes.
    pub adopted: u64,
}

impl Summary {
    /// How many differences there were, repaired ones too.
    pub fn differences(&self) -> u64 {
        self.orphans + self.missing + self.wrong_sizes + self.wrong_digests + self.adopted
    }

    fn count(&mut self, finding: &Finding) {
        let counter = match finding {
            Finding::Orphan { .. } => &mut self.orphans,
            Finding::Missing { .. } => &mut self.missing,
            Finding::WrongSize { .. } => &mut self.wrong_sizes,
            Finding::WrongDigest { .. } => &mut self.wrong_digests,
            Finding::Adopted { .. } => &mut self.adopted,
        };
        *counter += 1;
    }
}

/// Compares everything, and tells each difference as it is found. An error means that it could not be finished.
pub async fn check(
    db: &Db,
    blobs: &BlobStore,
    settings: &Settings,
    mut tell: impl FnMut(&Finding) -> anyhow::Result<()> + Send,
) -> anyhow::Result<Summary> {
    let adopted = if settings.adopt { adopt::adopt(db, blobs, settings).await? } else { Vec::new() };
    adopted.iter().try_for_each(&mut tell)?;
    let mut summary = compare_all(db, blobs, settings, tell).await?;
    for finding in &adopted {
        summary.count(finding);
    }
    Ok(summary)
}

async fn compare_all(
    db: &Db,
    blobs: &BlobStore,
    settings: &Settings,
    mut tell: impl FnMut(&Finding) -> anyhow::Result<()> + Send,
) -> anyhow::Result<Summary> {
    let walk = Walk { db, blobs, settings };
    let mut summary = Summary::default();
    for shard in blob::shards() {
        let mut after = None;
        loop {
            let window = window::read(blobs, &shard, after.as_ref(), settings.window).await?;
            summary.objects += window.objects.len() as u64;
            summary.object_bytes += window.objects.values().map(|object| object.size_bytes).sum::<u64>();
            let next = window.next();
            let mut count = |finding: Finding| {
                summary.count(&finding);
                tell(&finding)
            };
            let rows = walk.compare(&shard, after.as_ref(), window, &mut count).await?;
            summary.rows += rows;
            let Some(next) = next else { break };
            after = Some(next);
        }
    }
    Ok(summary)
}
