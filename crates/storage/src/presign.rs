use std::time::Duration;

use object_store::{Error, ObjectStoreExt as _};
use url::Url;

use crate::blob::{BlobStore, within_patience};
use crate::digest::Md5Digest;
use crate::error::StorageError;
use crate::key::ObjectKey;

/// What the store says of an object without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// The size of the object.
    pub size_bytes: u64,
    /// The store's name for these bytes.
    pub etag: Option<String>,
}

impl Stat {
    /// Whether the store's name is this MD5. Where it is not that tells nothing: names are MD5s only on some stores, for
    /// what came in one piece and is not encrypted with a key of its own. [`BlobStore::check`] reads the bytes.
    pub fn is_named(&self, md5: &Md5Digest) -> bool {
        self.etag.as_ref().is_some_and(|etag| etag.trim_matches('"') == hex::encode(md5.0))
    }
}

impl BlobStore {
    /// A URL at which the store itself gives the object out, ranges included; none where it has no URLs. The content
    /// type is the store's.
    pub async fn presign_get(
        &self,
        key: &ObjectKey,
        lifetime: Duration,
    ) -> Result<Option<Url>, StorageError> {
        self.presign("GET", key, lifetime).await
    }

    /// A URL at which the store itself takes the object in, all at once; none where it has no URLs.
    ///
    /// Nothing is known of what comes there, and it can come again until the URL has expired: size and digest are asked
    /// for afterwards, by [`BlobStore::stat`] and, where that leaves a doubt, [`BlobStore::check`].
    pub async fn presign_put(
        &self,
        key: &ObjectKey,
        lifetime: Duration,
    ) -> Result<Option<Url>, StorageError> {
        self.presign("PUT", key, lifetime).await
    }

    /// What the store says of an object.
    pub async fn stat(&self, key: &ObjectKey) -> Result<Stat, StorageError> {
        let found = within_patience(self.backend.objects.head(&self.path(key))).await??;
        Ok(Stat { size_bytes: found.size, etag: found.e_tag })
    }

    async fn presign(
        &self,
        method: &str,
        key: &ObjectKey,
        lifetime: Duration,
    ) -> Result<Option<Url>, StorageError> {
        let Some(signer) = &self.backend.signer else { return Ok(None) };
        let method =
            method.parse().map_err(|error| Error::Generic { store: "presign", source: Box::new(error) })?;
        Ok(Some(within_patience(signer.signed_url(method, &self.path(key), lifetime)).await??))
    }
}

#[cfg(test)]
mod tests {
    use object_store::aws::AmazonS3Builder;

    use super::*;
    use crate::backend::Backend;
    use crate::testing::{ANY, TestStore, content, key, put};

    const HOUR: Duration = Duration::from_hours(1);

    #[tokio::test]
    async fn a_store_says_what_it_has() {
        for store in TestStore::each() {
            let missing = store.blobs.stat(&key("a/b")).await;
            assert!(matches!(missing, Err(StorageError::NotFound)), "{missing:?}");
            let stored = put(&store.blobs, "a/b", &content(1000), ANY).await.unwrap();
            let stat = store.blobs.stat(&key("a/b")).await.unwrap();
            assert_eq!(stat.size_bytes, 1000);
            assert_eq!(stat.is_named(&stored.md5), store.is_moto);
            assert!(!stat.is_named(&Md5Digest::of(b"others")));
        }
    }

    #[tokio::test]
    async fn a_bucket_signs_for_one_object_and_one_use() {
        let builder = AmazonS3Builder::new().with_bucket_name("bucket");
        let builder = builder.with_access_key_id("id").with_secret_access_key("secret");
        let url = Url::parse("s3://bucket/prefix").unwrap();
        let blobs = BlobStore::on(Backend::s3(builder, &url).unwrap());
        let get = blobs.presign_get(&key("a/b"), HOUR).await.unwrap().unwrap();
        let put = blobs.presign_put(&key("a/b"), HOUR).await.unwrap().unwrap();
        for url in [&get, &put] {
            assert!(url.path().ends_with("/bucket/prefix/a/b"), "{url}");
            assert!(url.query_pairs().any(|pair| pair == ("X-Amz-Expires".into(), "3600".into())), "{url}");
        }
        let signature =
            |url: &Url| url.query_pairs().find(|(name, _)| name == "X-Amz-Signature").unwrap().1.into_owned();
        assert_ne!(signature(&get), signature(&put));
    }

    #[tokio::test]
    async fn a_folder_and_the_memory_sign_nothing() {
        for store in [TestStore::memory(), TestStore::local()] {
            assert_eq!(store.blobs.presign_get(&key("a"), HOUR).await.unwrap(), None);
            assert_eq!(store.blobs.presign_put(&key("a"), HOUR).await.unwrap(), None);
        }
    }
}
