use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use object_store::memory::InMemory;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    Error, MultipartId, ObjectMeta, ObjectStore as _, ObjectStoreExt as _, PutPayload, PutResult, Result,
};

use crate::uploads::{Begun, Uploads, invalid_part, no_such_upload};

/// Uploads into an [`InMemory`] store, whose own take parts in their order only.
///
/// `<number>` says where an upload goes, `<number>/<part>` is a part of it.
#[derive(Debug)]
pub(crate) struct MemoryUploads {
    objects: Arc<InMemory>,
    staged: InMemory,
    begun: AtomicU64,
}

impl MemoryUploads {
    pub(crate) fn into(objects: Arc<InMemory>) -> Self {
        Self { objects, staged: InMemory::new(), begun: AtomicU64::new(0) }
    }

    async fn find(&self, path: &Path, id: &MultipartId) -> Result<()> {
        let goes_to = match self.staged.get(&Path::from(id.as_str())).await {
            Ok(found) => found.bytes().await?,
            Err(_) => return Err(no_such_upload(path)),
        };
        if goes_to == path.as_ref().as_bytes() { Ok(()) } else { Err(no_such_upload(path)) }
    }

    async fn forget(&self, id: &MultipartId) -> Result<()> {
        let upload = Path::from(id.as_str());
        let parts: Vec<ObjectMeta> = self.staged.list(Some(&upload)).try_collect().await?;
        for part in parts {
            self.staged.delete(&part.location).await?;
        }
        self.staged.delete(&upload).await
    }
}

#[async_trait]
impl MultipartStore for MemoryUploads {
    async fn create_multipart(&self, path: &Path) -> Result<MultipartId> {
        let id = self.begun.fetch_add(1, Ordering::Relaxed).to_string();
        self.staged.put(&Path::from(id.as_str()), path.to_string().into()).await?;
        Ok(id)
    }

    async fn put_part(
        &self,
        path: &Path,
        id: &MultipartId,
        part_idx: usize,
        data: PutPayload,
    ) -> Result<PartId> {
        self.find(path, id).await?;
        let content_id = part_idx.to_string();
        self.staged.put(&Path::from_iter([id.as_str(), &content_id]), data).await?;
        Ok(PartId { content_id })
    }

    async fn complete_multipart(
        &self,
        path: &Path,
        id: &MultipartId,
        parts: Vec<PartId>,
    ) -> Result<PutResult> {
        self.find(path, id).await?;
        let mut content: Vec<Bytes> = Vec::with_capacity(parts.len());
        for part in parts {
            let part = self.staged.get(&Path::from_iter([id.as_str(), &part.content_id])).await;
            content.push(part.map_err(|_| invalid_part("InMemory"))?.bytes().await?);
        }
        let put = self.objects.put(path, content.into_iter().collect()).await?;
        self.forget(id).await?;
        Ok(put)
    }

    async fn abort_multipart(&self, path: &Path, id: &MultipartId) -> Result<()> {
        self.find(path, id).await?;
        self.forget(id).await
    }
}

impl Uploads for MemoryUploads {
    fn unfinished(&self, prefix: &Path) -> BoxStream<'static, Result<Begun>> {
        let (staged, prefix) = (self.staged.clone(), prefix.clone());
        let begun = async move {
            let mut begun = Vec::new();
            for upload in staged.list_with_delimiter(None).await?.objects {
                let path = staged.get(&upload.location).await?.bytes().await?;
                let path = String::from_utf8_lossy(&path);
                let path = Path::parse(path).map_err(Error::from)?;
                if path.prefix_matches(&prefix) {
                    let id = upload.location.to_string();
                    begun.push(Begun { path, id, active_at: upload.last_modified });
                }
            }
            Ok::<_, Error>(stream::iter(begun).map(Ok))
        };
        stream::once(begun).try_flatten().boxed()
    }
}
