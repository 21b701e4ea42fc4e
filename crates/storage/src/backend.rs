use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{ClientConfigKey, ObjectStore, RetryConfig};
use url::Url;

use crate::azure::AzureUploads;
use crate::bucket::{Access, BucketUploads};
use crate::error::{Misconfiguration, StorageError};
use crate::folder::LocalFolder;
use crate::memory::MemoryUploads;
use crate::upload::S3_PARTS;
use crate::uploads::Uploads;

/// Where the objects are, by what can be done there.
#[derive(Clone, Debug)]
pub(crate) struct Backend {
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) uploads: Arc<dyn Uploads>,
    /// Makes URLs that the store itself answers; a folder and the memory answer none.
    pub(crate) signer: Option<Arc<dyn Signer>>,
    /// What every path begins with.
    pub(crate) prefix: Path,
    pub(crate) parts: Parts,
}

/// A download lasts as long as its reader needs; `BlobStore` bounds each step instead.
const TIMEOUT: ClientConfigKey = ClientConfigKey::Timeout;
const NO_TIMEOUT: &str = "1day";
const DEFAULT_REGION: &str = "us-east-1";
/// What Azure takes at most.
const AZURE_BLOCKS: u64 = 50_000;
/// Where Google's buckets are.
const GOOGLE: &str = "https://storage.googleapis.com";

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
    const AZURE: Self = Self { most: AZURE_BLOCKS, are_bounded: false };
}

impl Backend {
    /// The store that `url` names: `file:///folder`, `s3://bucket/prefix`, `gs://bucket/prefix`,
    /// `az://container/prefix` or `memory://`.
    pub(crate) fn open(url: &str) -> Result<Self, StorageError> {
        let url = Url::parse(url).map_err(Misconfiguration::Url)?;
        match url.scheme() {
            "file" => Ok(Self::folder(&url.to_file_path().map_err(|()| Misconfiguration::NotAFolder)?)?),
            "memory" => Ok(Self::memory()),
            "s3" => Ok(Self::s3(AmazonS3Builder::from_env(), &url)?),
            "gs" => Ok(Self::google(GoogleCloudStorageBuilder::from_env(), &url)?),
            "az" => Ok(Self::azure(MicrosoftAzureBuilder::from_env(), &url)?),
            scheme => Err(Misconfiguration::Scheme(scheme.to_owned()).into()),
        }
    }

    fn memory() -> Self {
        let objects = Arc::new(InMemory::new());
        let uploads = Arc::new(MemoryUploads::into(Arc::clone(&objects)));
        Self { objects, uploads, signer: None, prefix: Path::default(), parts: Parts::ANY }
    }

    fn folder(path: &FilePath) -> Result<Self, Misconfiguration> {
        let refused = |source| Misconfiguration::Folder { path: path.to_owned(), source: Arc::new(source) };
        let folder = Arc::new(LocalFolder::create(path).map_err(refused)?);
        let objects = Arc::<LocalFolder>::clone(&folder);
        Ok(Self { objects, uploads: folder, signer: None, prefix: Path::default(), parts: Parts::ANY })
    }

    /// Credentials, region and endpoint are those of `builder`.
    pub(crate) fn s3(mut builder: AmazonS3Builder, url: &Url) -> Result<Self, Misconfiguration> {
        let is_plain_http = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint]
            .iter()
            .find_map(|key| builder.get_config_value(key))
            .is_some_and(|endpoint| endpoint.starts_with("http://"));
        if is_plain_http {
            builder = builder.with_allow_http(true);
        }
        let region = builder.get_config_value(&AmazonS3ConfigKey::Region);
        let region = region.unwrap_or_else(|| DEFAULT_REGION.to_owned());
        let builder = builder.with_bucket_name(bucket(url)?).with_retry(retries());
        let store =
            builder.with_config(AmazonS3ConfigKey::Client(TIMEOUT), NO_TIMEOUT).build().map_err(refused)?;
        let access = Access::S3 { store: store.clone(), region };
        let uploads = BucketUploads::new(store.clone(), access).map_err(refused)?;
        Ok(Self::cloud(Arc::new(store), uploads, url, Parts::S3))
    }

    fn google(builder: GoogleCloudStorageBuilder, url: &Url) -> Result<Self, Misconfiguration> {
        let base = builder.get_config_value(&GoogleConfigKey::BaseUrl).unwrap_or_else(|| GOOGLE.to_owned());
        let address = Url::parse(&format!("{base}/{}", bucket(url)?))?;
        let builder = builder.with_bucket_name(bucket(url)?).with_retry(retries());
        let store =
            builder.with_config(GoogleConfigKey::Client(TIMEOUT), NO_TIMEOUT).build().map_err(refused)?;
        let access = Access::Google { store: store.clone(), bucket: address };
        let uploads = BucketUploads::new(store.clone(), access).map_err(refused)?;
        Ok(Self::cloud(Arc::new(store), uploads, url, Parts::S3))
    }

    fn azure(builder: MicrosoftAzureBuilder, url: &Url) -> Result<Self, Misconfiguration> {
        let builder = builder.with_container_name(bucket(url)?).with_retry(retries());
        let store =
            builder.with_config(AzureConfigKey::Client(TIMEOUT), NO_TIMEOUT).build().map_err(refused)?;
        let store = Arc::new(store);
        Ok(Self::cloud(Arc::clone(&store), AzureUploads(store), url, Parts::AZURE))
    }

    fn cloud<T>(store: Arc<T>, uploads: impl Uploads, url: &Url, parts: Parts) -> Self
    where
        T: ObjectStore + Signer,
    {
        let objects = Arc::<T>::clone(&store);
        let prefix = Path::from(url.path().trim_matches('/'));
        Self { objects, uploads: Arc::new(uploads), signer: Some(store), prefix, parts }
    }

    /// The path of what is called `inside` here.
    pub(crate) fn within(&self, inside: &Path) -> Path {
        self.prefix.parts().chain(inside.parts()).collect()
    }
}

fn bucket(url: &Url) -> Result<&str, Misconfiguration> {
    url.host_str().ok_or(Misconfiguration::NoBucket)
}

fn retries() -> RetryConfig {
    RetryConfig { max_retries: 4, retry_timeout: Duration::from_secs(20), ..RetryConfig::default() }
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
        let azure = MicrosoftAzureBuilder::new().with_account("account").with_access_key("a2V5");
        let container = Url::parse("az://container/a/prefix").unwrap();
        for backend in
            [Backend::open("gs://bucket/a/prefix/"), Ok(Backend::azure(azure, &container).unwrap())]
        {
            assert_eq!(backend.unwrap().within(&Path::from("b")), Path::from("a/prefix/b"));
        }
        Backend::open("s3://bucket").unwrap();
        let backend = Backend::open("s3://bucket/a/prefix/").unwrap();
        assert_eq!(backend.within(&Path::from("b")), Path::from("a/prefix/b"));
    }

    #[test]
    fn says_what_is_wrong_with_an_address() {
        assert!(matches!(refusal("./data"), Misconfiguration::Url(_)));
        assert!(matches!(refusal("ftp://host/x"), Misconfiguration::Scheme(scheme) if scheme == "ftp"));
        assert!(matches!(refusal("file://host/x"), Misconfiguration::NotAFolder));
        for url in ["s3:///prefix", "gs:///prefix", "az:///prefix"] {
            assert!(matches!(refusal(url), Misconfiguration::NoBucket), "{url}");
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        let url = Url::from_file_path(file.path()).unwrap();
        assert!(matches!(refusal(url.as_str()), Misconfiguration::Folder { .. }));
    }
}
