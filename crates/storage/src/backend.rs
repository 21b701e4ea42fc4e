use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ClientConfigKey, ObjectStore, RetryConfig};
use url::Url;

use crate::error::{Misconfiguration, StorageError};
use crate::folder::LocalFolder;
use crate::memory::MemoryUploads;
use crate::s3::S3Uploads;
use crate::upload::S3_PARTS;
use crate::uploads::Uploads;

/// Where the objects are, by what can be done there.
#[derive(Clone, Debug)]
pub(crate) struct Backend {
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) uploads: Arc<dyn Uploads>,
    /// What every path begins with.
    pub(crate) prefix: Path,
    pub(crate) parts: Parts,
}

/// What a backend takes of the parts of an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts {
    /// How many one object may have.
    pub(crate) most: u64,
    /// Whether they have to be numbered without gaps, and all but the last be larger than 5 MiB.
    pub(crate) are_bounded: bool,
}

impl Parts {
    const ANY: Self = Self { most: u64::MAX, are_bounded: false };
    const S3: Self = Self { most: S3_PARTS, are_bounded: true };
}

impl Backend {
    /// The store that `url` names: `file:///folder`, `s3://bucket/prefix` or `memory://`.
    pub(crate) fn open(url: &str) -> Result<Self, StorageError> {
        let url = Url::parse(url).map_err(Misconfiguration::Url)?;
        match url.scheme() {
            "file" => {
                let path = url.to_file_path().map_err(|()| Misconfiguration::NotAFolder)?;
                let folder = Arc::new(open_folder(&path)?);
                let objects = Arc::<LocalFolder>::clone(&folder);
                Ok(Self { objects, uploads: folder, prefix: Path::default(), parts: Parts::ANY })
            }
            "memory" => {
                let objects = Arc::new(InMemory::new());
                let uploads = Arc::new(MemoryUploads::into(Arc::clone(&objects)));
                Ok(Self { objects, uploads, prefix: Path::default(), parts: Parts::ANY })
            }
            "s3" => Self::s3(AmazonS3Builder::from_env(), &url),
            scheme => Err(Misconfiguration::Scheme(scheme.to_owned()).into()),
        }
    }

    /// Credentials, region and endpoint are those of `builder`.
    pub(crate) fn s3(mut builder: AmazonS3Builder, url: &Url) -> Result<Self, StorageError> {
        let bucket = url.host_str().ok_or(Misconfiguration::NoBucket)?;
        let is_plain_http = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint]
            .iter()
            .find_map(|key| builder.get_config_value(key))
            .is_some_and(|endpoint| endpoint.starts_with("http://"));
        if is_plain_http {
            builder = builder.with_allow_http(true);
        }
        let region = builder.get_config_value(&AmazonS3ConfigKey::Region);
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
            .map_err(refused)?;
        let uploads = S3Uploads::new(store.clone(), region).map_err(refused)?;
        let prefix = Path::from(url.path().trim_matches('/'));
        Ok(Self { objects: Arc::new(store), uploads: Arc::new(uploads), prefix, parts: Parts::S3 })
    }

    /// The path of what is called `inside` here.
    pub(crate) fn within(&self, inside: &Path) -> Path {
        self.prefix.parts().chain(inside.parts()).collect()
    }
}

fn open_folder(path: &FilePath) -> Result<LocalFolder, Misconfiguration> {
    LocalFolder::create(path)
        .map_err(|source| Misconfiguration::Folder { path: path.to_owned(), source: Arc::new(source) })
}

fn refused(error: object_store::Error) -> Misconfiguration {
    Misconfiguration::Refused(Arc::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(url: &str) -> Misconfiguration {
        match Backend::open(url) {
            Err(StorageError::Misconfigured(reason)) => reason,
            other => panic!("{url}: {other:?}"),
        }
    }

    #[test]
    fn a_missing_folder_is_made() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("data/objects");
        Backend::open(Url::from_file_path(&folder).unwrap().as_str()).unwrap();
        assert!(folder.is_dir());
    }

    #[test]
    fn a_bucket_opens_without_being_asked() {
        Backend::open("s3://bucket").unwrap();
        let backend = Backend::open("s3://bucket/a/prefix/").unwrap();
        assert_eq!(backend.within(&Path::from("b")), Path::from("a/prefix/b"));
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
