use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, Stream, StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, GetResult, ObjectMeta, ObjectStoreExt as _};

use crate::backend::Backend;
use crate::digest::{ContentDigest, Hasher, Md5Digest};
use crate::error::{BoxError, StorageError};
use crate::gather::Room;
use crate::key::ObjectKey;
use crate::receive::receive;
use crate::upload::{Upload, part_bytes};

/// How long one step of the store may take: a part, a page of a listing, a piece of a download.
const PATIENCE: Duration = Duration::from_mins(1);
/// What S3 deletes in one request.
const DELETE_BATCH: usize = 1000;

/// The bytes of everything, by key: a local folder, an S3 bucket, or memory.
#[derive(Clone, Debug)]
pub struct BlobStore {
    pub(crate) backend: Backend,
    pub(crate) room: Room,
    probes: Arc<AtomicU64>,
}

/// What a body may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PutLimit {
    /// The largest size that is accepted.
    pub max_bytes: u64,
    /// The exact size, if it was announced.
    pub expected_bytes: Option<u64>,
}

/// What the store has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The size of the object.
    pub size_bytes: u64,
    /// The MD5 of the object.
    pub md5: Md5Digest,
}

/// An object, or a part of it, on its way out.
pub struct ObjectBody {
    /// The size of the whole object.
    pub total_bytes: u64,
    /// Which bytes of it follow.
    pub range: Range<u64>,
    /// The bytes.
    pub stream: BoxStream<'static, Result<Bytes, StorageError>>,
}

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Where the object is.
    pub key: ObjectKey,
    /// The size of the object.
    pub size_bytes: u64,
    /// When it was put, by the store's clock, in microseconds since the Unix epoch.
    pub put_at: i64,
}

impl BlobStore {
    /// Opens `file:///folder` (made if missing), `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`
    /// (with the usual `AWS_`, `GOOGLE_` and `AZURE_` variables) or `memory://`.
    pub fn open(url: &str) -> Result<Self, StorageError> {
        Ok(Self::on(Backend::open(url)?))
    }

    pub(crate) fn on(backend: Backend) -> Self {
        Self { backend, room: Room::default(), probes: Arc::default() }
    }

    /// Streams `body` into the store and hashes it on the way.
    ///
    /// The object is there whole and for good when this succeeds, and is not there when `body` breaks the limit or
    /// breaks off.
    pub async fn put_stream(
        &self,
        key: &ObjectKey,
        body: impl Stream<Item = Result<Bytes, BoxError>> + Send,
        limit: PutLimit,
    ) -> Result<Stored, StorageError> {
        self.put_checked(key, body, limit, &[]).await
    }

    /// The same, for bytes that hash to each of `digests`.
    pub async fn put_checked(
        &self,
        key: &ObjectKey,
        body: impl Stream<Item = Result<Bytes, BoxError>> + Send,
        limit: PutLimit,
        digests: &[ContentDigest],
    ) -> Result<Stored, StorageError> {
        let most_parts = self.backend.parts.most;
        let part_bytes = part_bytes(limit.expected_bytes, most_parts);
        let (room, objects) = (self.room.clone(), Arc::clone(&self.backend.objects));
        let mut upload = Upload::new(room, objects, self.path(key), part_bytes, limit.expected_bytes);
        let max_bytes = limit.max_bytes.min(part_bytes.saturating_mul(most_parts));
        let limit = PutLimit { max_bytes, ..limit };
        let result = async {
            let stored = receive(&mut upload, body, limit, digests).await?;
            upload.complete().await?;
            Ok(stored)
        }
        .await;
        if result.is_err() {
            upload.abort().await;
        }
        result
    }

    /// Reads an object that is there, and hashes it: for one that came in a way that did not.
    pub async fn check(&self, key: &ObjectKey, digests: &[ContentDigest]) -> Result<Stored, StorageError> {
        let mut body = self.get(key, None).await?;
        let mut hasher = Hasher::for_checking(digests);
        while let Some(bytes) = body.stream.try_next().await? {
            hasher.update(&bytes);
        }
        let found = hasher.finish();
        found.check(digests)?;
        Ok(Stored { size_bytes: body.total_bytes, md5: found.md5 })
    }

    /// Reads an object, or those bytes of `range` that it has.
    pub async fn get(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<ObjectBody, StorageError> {
        let path = self.path(key);
        let has_range = range.is_some();
        if range.as_ref().is_some_and(Range::is_empty) {
            return Err(StorageError::InvalidRange { size_bytes: self.head(key).await? });
        }
        let options = GetOptions::new().with_range(range.clone().map(GetRange::Bounded));
        match within_patience(self.backend.objects.get_opts(&path, options)).await? {
            Ok(found) => Ok(found.into()),
            // No two backends say in the same way that a range starts behind the end.
            Err(error) if has_range && !matches!(error, object_store::Error::NotFound { .. }) => {
                let size_bytes = self.head(key).await?;
                match range {
                    Some(range) if range.start >= size_bytes => {
                        Err(StorageError::InvalidRange { size_bytes })
                    }
                    _ => Err(error.into()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The size of an object.
    pub async fn head(&self, key: &ObjectKey) -> Result<u64, StorageError> {
        Ok(within_patience(self.backend.objects.head(&self.path(key))).await??.size)
    }

    /// Deletes objects and says of each, in the same order, how it went. One that is not there is a success.
    pub async fn delete_many(&self, keys: &[ObjectKey]) -> Vec<(ObjectKey, Result<(), StorageError>)> {
        let mut outcomes = Vec::with_capacity(keys.len());
        for batch in keys.chunks(DELETE_BATCH) {
            let paths: Vec<_> = batch.iter().map(|key| Ok(self.path(key))).collect();
            let deletion =
                self.backend.objects.delete_stream(stream::iter(paths).boxed()).collect::<Vec<_>>();
            let results = match within_patience(deletion).await {
                Ok(results) => results.into_iter().map(|result| forgive_missing(result.map(drop))).collect(),
                Err(error) => vec![Err(error)],
            };
            outcomes.extend(batch.iter().cloned().zip(one_for_each(results, batch.len())));
        }
        outcomes
    }

    /// Every object whose key begins with the segments of `prefix`; the order is the backend's.
    pub fn list(&self, prefix: &str) -> BoxStream<'static, Result<Listed, StorageError>> {
        self.listed(self.backend.objects.list(Some(&self.backend.within(&Path::from(prefix)))))
    }

    /// Those of them whose keys come after `after`; the order is the backend's all the same.
    pub fn list_after(
        &self,
        prefix: &str,
        after: &ObjectKey,
    ) -> BoxStream<'static, Result<Listed, StorageError>> {
        let prefix = self.backend.within(&Path::from(prefix));
        self.listed(self.backend.objects.list_with_offset(Some(&prefix), &self.path(after)))
    }

    fn listed(
        &self,
        found: BoxStream<'static, object_store::Result<ObjectMeta>>,
    ) -> BoxStream<'static, Result<Listed, StorageError>> {
        let blobs = self.clone();
        patiently(found)
            .try_filter_map(move |object| {
                let put_at = object.last_modified.timestamp_micros();
                let listed = blobs.key(&object.location);
                let listed = listed.map(|key| Listed { key, size_bytes: object.size, put_at });
                std::future::ready(Ok(listed))
            })
            .boxed()
    }

    /// Writes, reads and deletes a small object.
    pub async fn probe(&self) -> Result<(), StorageError> {
        const CONTENT: &[u8] = b"counterweight";
        let number = self.probes.fetch_add(1, Ordering::Relaxed);
        let path = self.backend.within(&Path::from(format!("probe/{}-{number}", std::process::id())));
        within_patience(self.backend.objects.put(&path, CONTENT.into()))
            .await?
            .map_err(StorageError::of_write)?;
        match within_patience(self.backend.objects.get(&path)).await? {
            Ok(found) => {
                let content: Vec<Bytes> = ObjectBody::from(found).stream.try_collect().await?;
                if content.concat() != CONTENT {
                    let error = std::io::Error::other("an object came back changed");
                    return Err(StorageError::Unavailable(Arc::new(error)));
                }
            }
            // Another host may use the same name at the same moment and be the first to delete.
            Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        forgive_missing(within_patience(self.backend.objects.delete(&path)).await?)
    }

    pub(crate) fn path(&self, key: &ObjectKey) -> Path {
        self.backend.within(&Path::from(key.as_str()))
    }

    /// The key of what is there, if it is one of ours.
    pub(crate) fn key(&self, path: &Path) -> Option<ObjectKey> {
        let inside: Path = path.prefix_match(&self.backend.prefix)?.collect();
        match ObjectKey::parse(inside.as_ref()) {
            Ok(key) => Some(key),
            Err(error) => {
                tracing::warn!(object.key = %path, %error, "the store holds an object that is not ours");
                None
            }
        }
    }

    /// The same objects, through another backend.
    #[cfg(any(test, feature = "fault"))]
    pub(crate) fn through(&self, wrap: impl FnOnce(Backend) -> Backend) -> Self {
        Self { backend: wrap(self.backend.clone()), ..self.clone() }
    }
}

impl std::fmt::Debug for ObjectBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObjectBody")
            .field("total_bytes", &self.total_bytes)
            .field("range", &self.range)
            .finish_non_exhaustive()
    }
}

impl From<GetResult> for ObjectBody {
    fn from(found: GetResult) -> Self {
        Self {
            total_bytes: found.meta.size,
            range: found.range.clone(),
            stream: patiently(found.into_stream()),
        }
    }
}

/// Bounds one step, so that a store that hangs is an error.
pub(crate) async fn within_patience<T>(step: impl Future<Output = T>) -> Result<T, StorageError> {
    tokio::time::timeout(PATIENCE, step).await.map_err(|error| StorageError::Unavailable(Arc::new(error)))
}

/// Bounds each step of a stream; a reader that takes its time between them is not counted.
pub(crate) fn patiently<T: Send + 'static>(
    steps: BoxStream<'static, object_store::Result<T>>,
) -> BoxStream<'static, Result<T, StorageError>> {
    stream::try_unfold(steps, async |mut steps| {
        let next = within_patience(steps.try_next()).await??;
        Ok(next.map(|item| (item, steps)))
    })
    .boxed()
}

fn forgive_missing(deleted: object_store::Result<()>) -> Result<(), StorageError> {
    match deleted {
        Err(object_store::Error::NotFound { .. }) => Ok(()),
        deleted => deleted.map_err(StorageError::from),
    }
}

/// A request that failed as a whole reports one error for all its keys.
fn one_for_each(mut results: Vec<Result<(), StorageError>>, keys: usize) -> Vec<Result<(), StorageError>> {
    if results.len() != keys {
        let whole = results.into_iter().find(Result::is_err);
        let short = || std::io::Error::other("the store did not say whether it deleted the object");
        results = vec![whole.unwrap_or_else(|| Err(StorageError::Unavailable(Arc::new(short())))); keys];
    }
    results
}

#[cfg(test)]
mod tests;
