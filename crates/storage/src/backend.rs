use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::memory::InMemory;
use object_store::prefix::PrefixStore;
use object_store::{ClientConfigKey, ObjectStore, RetryConfig};
use url::Url;

use crate::error::{Misconfiguration, StorageError};
use crate::folder::LocalFolder;
use crate::upload::S3_PARTS;

/// The store that `url` names, `file:///folder`, `s3://bucket/prefix` or `memory://`, and how many parts an object
/// may have there.
pub(crate) fn open(url: &str) -> Result<(Arc<dyn ObjectStore>, u64), StorageError> {
    let url = Url::parse(url).map_err(Misconfiguration::Url)?;
    match url.scheme() {
        "file" => {
            let path = url.to_file_path().map_err(|()| Misconfiguration::NotAFolder)?;
            Ok((Arc::new(open_folder(&path)?), u64::MAX))
        }
        "memory" => Ok((Arc::new(InMemory::new()), u64::MAX)),
        "s3" => Ok((open_s3(&url)?, S3_PARTS)),
        scheme => Err(Misconfiguration::Scheme(scheme.to_owned()).into()),
    }
}

fn open_folder(path: &Path) -> Result<LocalFolder, Misconfiguration> {
    LocalFolder::create(path)
        .map_err(|source| Misconfiguration::Folder { path: path.to_owned(), source: Arc::new(source) })
}

/// Credentials, region and endpoint come from the `AWS_` variables.
fn open_s3(url: &Url) -> Result<Arc<dyn ObjectStore>, StorageError> {
    let bucket = url.host_str().ok_or(Misconfiguration::NoBucket)?;
    let mut builder = AmazonS3Builder::from_env();
    let is_plain_http = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint]
        .iter()
        .find_map(|key| builder.get_config_value(key))
        .is_some_and(|endpoint| endpoint.starts_with("http://"));
    if is_plain_http {
        builder = builder.with_allow_http(true);
    }
    let store = builder
        .with_bucket_name(bucket)
        // A download lasts as long as its reader needs; `BlobStore` bounds each step instead.
        .with_config(AmazonS3ConfigKey::Client(ClientConfigKey::Timeout), "1day")
        .with_retry(RetryConfig {
            max_retries: 4,
            retry_timeout: Duration::from_secs(20),
            ..RetryConfig::default()
        })
        .build()
        .map_err(|error| Misconfiguration::Refused(Arc::new(error)))?;
    match url.path().trim_matches('/') {
        "" => Ok(Arc::new(store)),
        prefix => Ok(Arc::new(PrefixStore::new(store, prefix))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(url: &str) -> Misconfiguration {
        match open(url) {
            Err(StorageError::Misconfigured(reason)) => reason,
            other => panic!("{url}: {other:?}"),
        }
    }

    #[test]
    fn a_missing_folder_is_made() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("data/objects");
        open(Url::from_file_path(&folder).unwrap().as_str()).unwrap();
        assert!(folder.is_dir());
    }

    #[test]
    fn a_bucket_opens_without_being_asked() {
        open("s3://bucket").unwrap();
        assert!(open("s3://bucket/a/prefix/").unwrap().0.to_string().contains("a/prefix"));
    }

    #[test]
    fn says_what_is_wrong_with_an_address() {
        assert!(matches!(refusal("./data"), Misconfiguration::Url(_)));
        assert!(matches!(refusal("ftp://host/x"), Misconfiguration::Scheme(scheme) if scheme == "ftp"));
        assert!(matches!(refusal("file://host/x"), Misconfiguration::NotAFolder));
        assert!(matches!(refusal("s3:///prefix"), Misconfiguration::NoBucket));
        let file = tempfile::NamedTempFile::new().unwrap();
        let url = Url::from_file_path(file.path()).unwrap();
        assert!(matches!(refusal(url.as_str()), Misconfiguration::Folder { .. }));
    }
}
