//! One window of the bucket beside the rows of the same keys.

use std::collections::BTreeMap;

use counterweight_domain::blob::{self, Blob, BlobState, Referrer};
use counterweight_domain::{Db, Error};
use counterweight_storage::{BlobStore, ContentDigest, Listed, ObjectKey, StorageError};

use super::window::Window;
use super::{Finding, Settings};

/// Rows per statement.
const BATCH: u64 = 1000;
/// How many of those who need a blob are named.
const NAMED: u64 = 10;

/// What one comparison needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk<'a> {
    pub(super) db: &'a Db,
    pub(super) blobs: &'a BlobStore,
    pub(super) settings: &'a Settings,
}

/// Whom a difference is told.
pub(super) type Tell<'a> = &'a mut (dyn FnMut(Finding) -> anyhow::Result<()> + Send);

impl Walk<'_> {
    /// Compares; answers how many rows there were. Rows are read after the listing, so that an upload which began
    /// meanwhile has its row.
    pub(super) async fn compare(
        &self,
        shard: &str,
        after: Option<&ObjectKey>,
        window: Window,
        tell: Tell<'_>,
    ) -> anyhow::Result<u64> {
        let until = window.next().map_or_else(|| format!("{shard}/~"), String::from);
        let mut from = after.map_or_else(|| format!("{shard}/"), ToString::to_string);
        let (mut objects, mut rows) = (window.objects, 0);
        loop {
            let batch = blob::list_by_key(self.db, &from, &until, BATCH).await?;
            let Some(last) = batch.last() else { break };
            from.clone_from(&last.object_key);
            rows += batch.len() as u64;
            for row in batch {
                let key = ObjectKey::parse(row.object_key.clone()).map_err(Error::internal)?;
                let object = objects.remove(&key);
                if is_live(&row) {
                    self.check(&row, &key, object.as_ref(), tell).await?;
                }
            }
        }
        for orphan in self.orphans(objects).await? {
            let quarantined = self.settings.quarantine && self.quarantine(&orphan).await?;
            tell(Finding::Orphan { key: orphan.key, size_bytes: orphan.size_bytes, quarantined })?;
        }
        Ok(rows)
    }

    /// Holds an object to its row.
    async fn check(
        &self,
        row: &Blob,
        key: &ObjectKey,
        object: Option<&Listed>,
        tell: Tell<'_>,
    ) -> anyhow::Result<()> {
        let size_bytes = row.size_bytes.unsigned_abs();
        let found_bytes = match object {
            Some(object) if object.size_bytes == size_bytes => Some(size_bytes),
            _ => self.size_now(key).await?,
        };
        if found_bytes == Some(size_bytes) {
            if self.settings.digests && !self.hashes(row, key).await? && self.is_still_live(row, key).await? {
                tell(Finding::WrongDigest { key: key.clone(), referrers: self.referrers(row).await? })?;
            }
            return Ok(());
        }
        // Asked last: a blob that was swept meanwhile was not live when its bytes went.
        if !self.is_still_live(row, key).await? {
            return Ok(());
        }
        let (key, referrers) = (key.clone(), self.referrers(row).await?);
        tell(match found_bytes {
            Some(found_bytes) => Finding::WrongSize { key, size_bytes, found_bytes, referrers },
            None => Finding::Missing { key, size_bytes, referrers },
        })
    }

    /// Those of the objects that no row knows, that are no upload under way, and that are still there.
    async fn orphans(&self, objects: BTreeMap<ObjectKey, Listed>) -> anyhow::Result<Vec<Listed>> {
        let before = self.db.now().before(self.settings.upload_window);
        let old: Vec<Listed> = objects.into_values().filter(|object| object.put_at < before.0).collect();
        let mut orphans = Vec::new();
        for batch in old.chunks(usize::try_from(BATCH)?) {
            let keys: Vec<_> = batch.iter().map(|object| object.key.clone()).collect();
            let known = blob::known_keys(self.db, &keys).await?;
            for object in batch.iter().filter(|object| !known.contains(object.key.as_str())) {
                // A sweep removes the bytes before the row: without a row, and still there, it is nobody's.
                if self.size_now(&object.key).await?.is_some() {
                    orphans.push(object.clone());
                }
            }
        }
        Ok(orphans)
    }

    async fn quarantine(&self, orphan: &Listed) -> anyhow::Result<bool> {
        let tx = self.db.begin_write().await?;
        let sweep_after = tx.now().after(self.settings.grace);
        let quarantined = blob::quarantine(&tx, &orphan.key, orphan.size_bytes, sweep_after).await?;
        tx.commit().await?;
        Ok(quarantined)
    }

    /// Whether the object hashes to all that its row says.
    async fn hashes(&self, row: &Blob, key: &ObjectKey) -> anyhow::Result<bool> {
        let wanted: Vec<ContentDigest> = row.content_digest.iter().map(|digest| digest.stored()).collect();
        match self.blobs.check(key, &wanted).await {
            Ok(stored) => Ok(row.md5.as_ref().is_none_or(|md5| *md5 == stored.md5.to_string())),
            Err(StorageError::DigestMismatch { .. } | StorageError::NotFound) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn is_still_live(&self, row: &Blob, key: &ObjectKey) -> anyhow::Result<bool> {
        let now = blob::find_by_key(self.db, key).await?;
        Ok(now.is_some_and(|now| now.id == row.id && is_live(&now)))
    }

    async fn referrers(&self, row: &Blob) -> anyhow::Result<Vec<Referrer>> {
        Ok(blob::referrers(self.db, row.id, NAMED).await?)
    }

    /// The size of an object as it is now; none where it is not there.
    async fn size_now(&self, key: &ObjectKey) -> anyhow::Result<Option<u64>> {
        match self.blobs.head(key).await {
            Ok(size) => Ok(Some(size)),
            Err(StorageError::NotFound) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether a row promises its bytes.
pub(super) fn is_live(row: &Blob) -> bool {
    row.state == BlobState::Live
}
