use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use object_store::azure::MicrosoftAzure;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{MultipartId, PutPayload, PutResult, Result};

use crate::uploads::{Begun, Uploads};

/// Azure has no uploads, only blocks that belong to the path; it forgets those that nobody uses after a week.
const BLOCKS: &str = "blocks";

/// Uploads into a container of Azure.
#[derive(Debug)]
pub(crate) struct AzureUploads(pub(crate) Arc<MicrosoftAzure>);

#[async_trait]
impl MultipartStore for AzureUploads {
    async fn create_multipart(&self, _path: &Path) -> Result<MultipartId> {
        Ok(BLOCKS.to_owned())
    }

    async fn put_part(
        &self,
        path: &Path,
        id: &MultipartId,
        part_idx: usize,
        data: PutPayload,
    ) -> Result<PartId> {
        self.0.put_part(path, id, part_idx, data).await
    }

    async fn complete_multipart(
        &self,
        path: &Path,
        id: &MultipartId,
        parts: Vec<PartId>,
    ) -> Result<PutResult> {
        self.0.complete_multipart(path, id, parts).await
    }

    async fn abort_multipart(&self, path: &Path, id: &MultipartId) -> Result<()> {
        self.0.abort_multipart(path, id).await
    }
}

impl Uploads for AzureUploads {
    fn unfinished(&self, _prefix: &Path) -> BoxStream<'static, Result<Begun>> {
        stream::empty().boxed()
    }
}
