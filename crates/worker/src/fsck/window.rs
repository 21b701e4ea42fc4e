//! A piece of the bucket, in the order of its keys. A store need not list in an order, a folder does not: so the lowest
//! keys are picked out of the whole listing of a shard, and those above them are listed again.

use std::collections::BTreeMap;

use counterweight_storage::{BlobStore, Listed, ObjectKey, StorageError};
use futures_util::TryStreamExt as _;

/// All objects of a shard after one key, up to another.
#[derive(Debug, Default)]
pub(super) struct Window {
    pub(super) objects: BTreeMap<ObjectKey, Listed>,
    is_last: bool,
}

impl Window {
    /// The key after which the next one begins, if there is more.
    pub(super) fn next(&self) -> Option<ObjectKey> {
        if self.is_last { None } else { self.objects.keys().next_back().cloned() }
    }
}

/// Reads the objects after `after`: all of them, or the `limit` lowest.
pub(super) async fn read(
    blobs: &BlobStore,
    shard: &str,
    after: Option<&ObjectKey>,
    limit: usize,
) -> Result<Window, StorageError> {
    let mut listing = match after {
        Some(after) => blobs.list_after(shard, after),
        None => blobs.list(shard),
    };
    let mut window = Window { objects: BTreeMap::new(), is_last: true };
    while let Some(object) = listing.try_next().await? {
        window.objects.insert(object.key.clone(), object);
        if window.objects.len() > limit {
            window.objects.pop_last();
            window.is_last = false;
        }
    }
    Ok(window)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use counterweight_storage::PutLimit;
    use futures_util::stream;

    use super::*;

    #[tokio::test]
    async fn many_objects_are_read_in_order_and_never_more_than_the_limit_at_once() {
        const LIMIT: usize = 7;
        let folder = tempfile::tempdir().unwrap();
        let folder = format!("file://{}", folder.path().display());
        for url in ["memory://", &folder] {
            let blobs = BlobStore::open(url).unwrap();
            let mut keys = Vec::new();
            for number in 0..50_u32 {
                let key = ObjectKey::parse(format!("blobs/07/{:02}", (number * 37) % 50)).unwrap();
                let body = stream::iter([Ok(Bytes::from_static(b"x"))]);
                let limit = PutLimit { max_bytes: 1, expected_bytes: None };
                blobs.put_stream(&key, body, limit).await.unwrap();
                keys.push(key);
            }
            keys.sort_unstable();
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let window = read(&blobs, "blobs/07", after.as_ref(), LIMIT).await.unwrap();
                assert!(window.objects.len() <= LIMIT);
                after = window.next();
                seen.extend(window.objects.into_keys());
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(seen, keys, "{url}");
        }
    }
}
