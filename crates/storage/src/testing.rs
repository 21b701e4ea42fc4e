//! The stores that each behaviour is tested on, and what the tests do with them.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::stream::{self, TryStreamExt as _};
use url::Url;

use crate::blob::{BlobStore, Listed, PutLimit, Stored};
use crate::error::{BoxError, StorageError};
use crate::key::ObjectKey;
use crate::multipart::Unfinished;

pub(crate) const PART: usize = 5 * 1024 * 1024;
pub(crate) const ANY: PutLimit = PutLimit { max_bytes: u64::MAX, expected_bytes: None };

/// An empty store, and the folder behind it if there is one.
pub(crate) struct TestStore {
    pub(crate) blobs: BlobStore,
    folder: Option<tempfile::TempDir>,
    /// Moto has no proper answer where an upload is unknown.
    pub(crate) is_moto: bool,
}

impl TestStore {
    pub(crate) fn memory() -> Self {
        Self { blobs: BlobStore::open("memory://").unwrap(), folder: None, is_moto: false }
    }

    pub(crate) fn local() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = Url::from_file_path(folder.path()).unwrap();
        Self { blobs: BlobStore::open(url.as_str()).unwrap(), folder: Some(folder), is_moto: false }
    }

    /// None where no server is given.
    pub(crate) fn s3() -> Option<Self> {
        Some(Self { blobs: BlobStore::on_test_s3()?, folder: None, is_moto: true })
    }

    pub(crate) fn each() -> Vec<Self> {
        [Self::memory(), Self::local()].into_iter().chain(Self::s3()).collect()
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.as_ref().unwrap().path()
    }

    pub(crate) async fn is_empty(&self) -> bool {
        let is_folder_empty = self.folder.as_ref().is_none_or(|folder| entries(folder.path()).is_empty());
        is_folder_empty && unfinished(&self.blobs).await.is_empty()
    }

    /// Neither objects, nor parts of any.
    pub(crate) async fn assert_empty(&self) {
        assert_eq!(listed(&self.blobs, "").await, []);
        assert_eq!(unfinished(&self.blobs).await, []);
        if let Some(folder) = &self.folder {
            assert_eq!(entries(folder.path()), Vec::<PathBuf>::new());
        }
    }
}

pub(crate) fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

pub(crate) fn key(text: &str) -> ObjectKey {
    ObjectKey::parse(text).unwrap()
}

pub(crate) fn pieces(bytes: &[u8], size: usize) -> Vec<Result<Bytes, BoxError>> {
    bytes.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect()
}

pub(crate) async fn put(
    blobs: &BlobStore,
    to: &str,
    bytes: &[u8],
    limit: PutLimit,
) -> Result<Stored, StorageError> {
    blobs.put_stream(&key(to), stream::iter(pieces(bytes, 700_001)), limit).await
}

pub(crate) async fn read(
    blobs: &BlobStore,
    from: &str,
    range: Option<Range<u64>>,
) -> Result<Vec<u8>, StorageError> {
    let body = blobs.get(&key(from), range).await?;
    let content: Vec<Bytes> = body.stream.try_collect().await?;
    Ok(content.concat())
}

pub(crate) async fn listed(blobs: &BlobStore, prefix: &str) -> Vec<(String, u64)> {
    let objects: Vec<Listed> = blobs.list(prefix).try_collect().await.unwrap();
    let mut objects: Vec<_> = objects.into_iter().map(|o| (o.key.to_string(), o.size_bytes)).collect();
    objects.sort();
    objects
}

pub(crate) async fn unfinished(blobs: &BlobStore) -> Vec<Unfinished> {
    const YEAR_3000: i64 = 32_503_680_000_000_000;
    blobs.list_unfinished(YEAR_3000).try_collect().await.unwrap()
}

/// Bytes that do not repeat with the size of a part.
pub(crate) fn content(size: usize) -> Vec<u8> {
    let mut bytes = (0..251).collect::<Vec<u8>>().repeat(size / 251 + 1);
    bytes.truncate(size);
    bytes
}
