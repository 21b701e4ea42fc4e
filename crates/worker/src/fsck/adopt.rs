//! Bytes that are there under another key: after a database was restored from a copy of another day, say.

use std::collections::{HashMap, HashSet};

use counterweight_domain::{Db, blob};
use counterweight_storage::{BlobStore, ObjectKey};

use super::compare::is_live;
use super::{Finding, Settings, compare_all};

/// How many missing rows, and how many orphans, are held beside each other. Who has more asks again.
const MOST: usize = 10_000;

/// Gives rows whose bytes are missing those of orphans that have the same size and MD5; answers what it did. An orphan is
/// read once, and only if a row of its size misses its bytes.
pub(super) async fn adopt(db: &Db, blobs: &BlobStore, settings: &Settings) -> anyhow::Result<Vec<Finding>> {
    let (mut missing, mut orphans) = (Vec::new(), Vec::new());
    let looking = Settings { digests: false, quarantine: false, ..*settings };
    compare_all(db, blobs, &looking, |finding| {
        match finding {
            Finding::Missing { key, .. } if missing.len() < MOST => missing.push(key.clone()),
            Finding::Orphan { key, size_bytes, .. } if orphans.len() < MOST => {
                orphans.push((key.clone(), *size_bytes));
            }
            _ => {}
        }
        Ok(())
    })
    .await?;
    let (mut wanted, mut sizes) = (HashMap::<_, Vec<ObjectKey>>::new(), HashSet::new());
    for key in missing {
        let Some(row) = blob::find_by_key(db, &key).await? else { continue };
        let Some(md5) = row.md5 else { continue };
        sizes.insert(row.size_bytes.unsigned_abs());
        wanted.entry((row.size_bytes.unsigned_abs(), md5)).or_default().push(key);
    }
    let mut adopted = Vec::new();
    for (key, size_bytes) in orphans.into_iter().filter(|(_, size)| sizes.contains(size)) {
        let md5 = blobs.check(&key, &[]).await?.md5.to_string();
        let Some(instead_of) = wanted.get_mut(&(size_bytes, md5)).and_then(Vec::pop) else { continue };
        if take(db, &instead_of, &key).await? {
            adopted.push(Finding::Adopted { key, instead_of });
        }
    }
    Ok(adopted)
}

async fn take(db: &Db, missing: &ObjectKey, found: &ObjectKey) -> anyhow::Result<bool> {
    let Some(row) = blob::find_by_key(db, missing).await?.filter(is_live) else { return Ok(false) };
    let tx = db.begin_write().await?;
    let is_taken = blob::adopt(&tx, row.id, missing, found).await?;
    tx.commit().await?;
    Ok(is_taken)
}
