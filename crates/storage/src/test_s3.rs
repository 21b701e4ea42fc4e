//! An S3 for tests.

use std::sync::atomic::{AtomicU64, Ordering};

use object_store::aws::AmazonS3Builder;
use url::Url;

use crate::backend::Backend;
use crate::blob::BlobStore;

/// Its address; `scripts/s3.sh` prints it.
const S3: &str = "COUNTERWEIGHT_TEST_S3_URL";
const BUCKET: &str = "counterweight";

impl BlobStore {
    /// An empty store there. None where no server is given.
    ///
    /// # Panics
    ///
    /// Where the checks of the project run: they give one.
    #[expect(clippy::disallowed_methods, reason = "tests have no config")]
    #[expect(clippy::expect_used, reason = "only tests call it")]
    pub fn on_test_s3() -> Option<Self> {
        static STORES: AtomicU64 = AtomicU64::new(0);
        let endpoint = std::env::var(S3).ok();
        assert!(
            endpoint.is_some() || std::env::var("CI").is_err(),
            "{S3} is not set; scripts/s3.sh starts one"
        );
        let number = STORES.fetch_add(1, Ordering::Relaxed);
        let url = format!("s3://{BUCKET}/{}-{number}/objects", std::process::id());
        let builder = AmazonS3Builder::new()
            .with_endpoint(endpoint?)
            .with_access_key_id("test")
            .with_secret_access_key("test")
            .with_region("eu-central-1");
        let url = Url::parse(&url).expect("a url");
        Some(Self::on(Backend::s3(builder, &url).expect("a bucket")))
    }
}
