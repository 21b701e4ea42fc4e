use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use object_store::aws::{AmazonS3, AwsAuthorizer};
use object_store::client::{HttpClient, HttpConnector as _, HttpRequest, HttpRequestBody, ReqwestConnector};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::signer::Signer as _;
use object_store::{ClientOptions, Error, MultipartId, PutPayload, PutResult, Result};
use serde::Deserialize;
use url::Url;

use crate::uploads::{Begun, Uploads};

const STORE: &str = "S3";
const DEFAULT_REGION: &str = "us-east-1";
const MOMENT: Duration = Duration::from_secs(1);

/// Uploads into a bucket. [`AmazonS3`] does all but list them.
#[derive(Debug)]
pub(crate) struct S3Uploads {
    store: AmazonS3,
    lister: Lister,
}

#[derive(Clone, Debug)]
struct Lister {
    store: AmazonS3,
    region: String,
    http: HttpClient,
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

impl S3Uploads {
    pub(crate) fn new(store: AmazonS3, region: Option<String>) -> Result<Self> {
        let http = ReqwestConnector::default().connect(&ClientOptions::new().with_allow_http(true))?;
        let region = region.unwrap_or_else(|| DEFAULT_REGION.to_owned());
        Ok(Self { lister: Lister { store: store.clone(), region, http }, store })
    }
}

#[async_trait]
impl MultipartStore for S3Uploads {
    async fn create_multipart(&self, path: &Path) -> Result<MultipartId> {
        self.store.create_multipart(path).await
    }

    async fn put_part(
        &self,
        path: &Path,
        id: &MultipartId,
        index: usize,
        data: PutPayload,
    ) -> Result<PartId> {
        self.store.put_part(path, id, index, data).await
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

impl Uploads for S3Uploads {
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
        let mut url = self.bucket().await?;
        let folder = if prefix.is_root() { String::new() } else { format!("{prefix}/") };
        url.query_pairs_mut()
            .append_pair("uploads", "")
            .append_pair("prefix", &folder)
            .append_pair("key-marker", &after.next_key_marker)
            .append_pair("upload-id-marker", &after.next_upload_id_marker);
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.uri_mut() = url.as_str().parse().map_err(failure)?;
        let credential = self.store.credentials().get_credential().await?;
        AwsAuthorizer::new(&credential, "s3", &self.region).authorize(&mut request, None);
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

    /// The address of the bucket: an object's, without the object.
    async fn bucket(&self) -> Result<Url> {
        let mut url =
            self.store.signed_url("GET".parse().map_err(failure)?, &Path::from("object"), MOMENT).await?;
        url.set_query(None);
        url.path_segments_mut().map_err(|()| failure("the endpoint is not a url"))?.pop();
        Ok(url)
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
