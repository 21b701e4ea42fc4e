use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use object_store::aws::{AmazonS3, AwsAuthorizer};
use object_store::client::{HttpClient, HttpConnector as _, HttpRequest, HttpRequestBody, ReqwestConnector};
use object_store::gcp::GoogleCloudStorage;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::signer::Signer as _;
use object_store::{ClientOptions, Error, MultipartId, PutPayload, PutResult, Result};
use serde::Deserialize;
use url::Url;

use crate::uploads::{Begun, Uploads};

const STORE: &str = "bucket";
const MOMENT: Duration = Duration::from_secs(1);

/// Uploads into a bucket of S3 or Google, whose own client does all but list them.
#[derive(Debug)]
pub(crate) struct BucketUploads<T> {
    store: T,
    lister: Lister,
}

/// Asks for the uploads over the XML that both have in common.
#[derive(Clone, Debug)]
pub(crate) struct Lister {
    http: HttpClient,
    access: Access,
}

/// How a bucket is asked.
#[derive(Clone, Debug)]
pub(crate) enum Access {
    S3 { store: AmazonS3, region: String },
    Google { store: GoogleCloudStorage, bucket: Url },
}

/// One page of the bucket's answer.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Page {
    is_truncated: bool,
    next_key_marker: String,
    next_upload_id_marker: String,
    upload: Vec<Entry>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    key: String,
    upload_id: String,
    initiated: String,
}

impl<T> BucketUploads<T> {
    pub(crate) fn new(store: T, access: Access) -> Result<Self> {
        let http = ReqwestConnector::default().connect(&ClientOptions::new().with_allow_http(true))?;
        Ok(Self { store, lister: Lister { http, access } })
    }
}

#[async_trait]
impl<T: MultipartStore> MultipartStore for BucketUploads<T> {
    async fn create_multipart(&self, path: &Path) -> Result<MultipartId> {
        self.store.create_multipart(path).await
    }

    async fn put_part(
        &self,
        path: &Path,
        id: &MultipartId,
        part_idx: usize,
        data: PutPayload,
    ) -> Result<PartId> {
        self.store.put_part(path, id, part_idx, data).await
    }

    async fn complete_multipart(
        &self,
        path: &Path,
        id: &MultipartId,
        parts: Vec<PartId>,
    ) -> Result<PutResult> {
        self.store.complete_multipart(path, id, parts).await
    }

    async fn abort_multipart(&self, path: &Path, id: &MultipartId) -> Result<()> {
        self.store.abort_multipart(path, id).await
    }
}

impl<T: MultipartStore + fmt::Debug> Uploads for BucketUploads<T> {
    fn unfinished(&self, prefix: &Path) -> BoxStream<'static, Result<Begun>> {
        let (lister, prefix) = (self.lister.clone(), prefix.clone());
        let pages = stream::try_unfold(Some(Page::default()), move |after| {
            let (lister, prefix) = (lister.clone(), prefix.clone());
            async move {
                let Some(after) = after else { return Ok::<_, Error>(None) };
                let mut page = lister.page(&prefix, &after).await?;
                let begun: Vec<_> = page.upload.drain(..).map(Entry::into_begun).collect();
                Ok(Some((stream::iter(begun), page.is_truncated.then_some(page))))
            }
        });
        pages.try_flatten().boxed()
    }
}

impl Lister {
    async fn page(&self, prefix: &Path, after: &Page) -> Result<Page> {
        let mut url = self.access.bucket().await?;
        let folder = if prefix.is_root() { String::new() } else { format!("{prefix}/") };
        url.query_pairs_mut()
            .append_pair("uploads", "")
            .append_pair("prefix", &folder)
            .append_pair("key-marker", &after.next_key_marker)
            .append_pair("upload-id-marker", &after.next_upload_id_marker);
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.uri_mut() = url.as_str().parse().map_err(failure)?;
        self.access.authorize(&mut request).await?;
        let response = self.http.execute(request).await.map_err(failure)?;
        let status = response.status();
        let body: Vec<_> = response.into_body().bytes_stream().try_collect().await.map_err(failure)?;
        let body = String::from_utf8_lossy(&body.concat()).into_owned();
        if status.is_success() {
            quick_xml::de::from_str(&body).map_err(failure)
        } else {
            let source = format!("{status}: {body}").into();
            let path = prefix.to_string();
            Err(match status.as_u16() {
                403 => Error::PermissionDenied { path, source },
                404 => Error::NotFound { path, source },
                _ => Error::Generic { store: STORE, source },
            })
        }
    }
}

impl Access {
    async fn bucket(&self) -> Result<Url> {
        match self {
            // The address of an object, without the object.
            Self::S3 { store, .. } => {
                let object = Path::from("object");
                let mut url = store.signed_url("GET".parse().map_err(failure)?, &object, MOMENT).await?;
                url.set_query(None);
                url.path_segments_mut().map_err(|()| failure("the endpoint is not a url"))?.pop();
                Ok(url)
            }
            Self::Google { bucket, .. } => Ok(bucket.clone()),
        }
    }

    async fn authorize(&self, request: &mut HttpRequest) -> Result<()> {
        match self {
            Self::S3 { store, region } => {
                let credential = store.credentials().get_credential().await?;
                AwsAuthorizer::new(&credential, "s3", region).authorize(request, None);
            }
            Self::Google { store, .. } => {
                let credential = store.credentials().get_credential().await?;
                let bearer = format!("Bearer {}", credential.bearer).parse().map_err(failure)?;
                request.headers_mut().insert("authorization", bearer);
            }
        }
        Ok(())
    }
}

impl Entry {
    fn into_begun(self) -> Result<Begun> {
        let active_at = DateTime::parse_from_rfc3339(&self.initiated).map_err(failure)?;
        let path = Path::parse(self.key)?;
        Ok(Begun { path, id: self.upload_id, active_at: active_at.with_timezone(&Utc) })
    }
}

fn failure(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Generic { store: STORE, source: error.into() }
}
