use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryFutureExt as _};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartId, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};
use tokio::sync::Notify;

use crate::backend::Backend;
use crate::blob::BlobStore;
use crate::uploads::{Begun, Uploads};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The store does not answer.
    Unavailable,
    /// The store is full.
    OutOfSpace,
    /// The store does not answer before [`Faults::clear`]: long enough to be cut off, or overtaken, during the call.
    Silence,
}

/// Decides which calls of a store fail. Each request counts as one call, so does each part of an upload.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<Plan>>);

#[derive(Debug, Default)]
struct Plan {
    calls: u64,
    failing: Failing,
    silent: bool,
    cleared: Arc<Notify>,
}

#[derive(Debug, Default)]
enum Failing {
    #[default]
    None,
    Call(u64, Fault),
    All(Fault),
}

impl Faults {
    /// Lets the `n`-th call from now on fail; 1 is the next.
    pub fn fail_call(&self, n: u64, fault: Fault) {
        self.change(|plan| plan.failing = Failing::Call(plan.calls + n, fault));
    }

    /// Lets all calls fail.
    pub fn fail_all(&self, fault: Fault) {
        self.change(|plan| plan.failing = Failing::All(fault));
    }

    /// Lets all calls pass, also those that were met with silence.
    pub fn clear(&self) {
        self.change(|plan| {
            (plan.failing, plan.silent) = (Failing::None, false);
            plan.cleared.notify_waiters();
        });
    }

    /// Whether a call is met with silence.
    pub fn is_silent(&self) -> bool {
        self.change(|plan| plan.silent)
    }

    /// How many calls there were so far.
    pub fn calls(&self) -> u64 {
        self.change(|plan| plan.calls)
    }

    /// What comes of a call.
    fn pass(&self) -> impl Future<Output = Result<()>> + Send + use<> {
        let (fault, cleared) = self.change(|plan| {
            plan.calls += 1;
            let fault = match plan.failing {
                Failing::Call(n, fault) if n == plan.calls => Some(fault),
                Failing::All(fault) => Some(fault),
                _ => None,
            };
            plan.silent |= fault == Some(Fault::Silence);
            (fault, plan.cleared.clone().notified_owned())
        });
        async move {
            let kind = match fault {
                None => return Ok(()),
                Some(Fault::Unavailable) => io::ErrorKind::ConnectionRefused,
                Some(Fault::OutOfSpace) => io::ErrorKind::StorageFull,
                Some(Fault::Silence) => {
                    cleared.await;
                    return Ok(());
                }
            };
            Err(Error::Generic { store: "FaultyStore", source: Box::new(io::Error::from(kind)) })
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Plan) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// An object store that fails on command.
#[derive(Debug)]
struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    faults: Faults,
}

impl BlobStore {
    /// The same objects, behind a store that fails on command.
    #[must_use]
    pub fn with_faults(&self, faults: &Faults) -> Self {
        self.through(|backend| Backend {
            objects: Arc::new(FaultyStore { inner: backend.objects, faults: faults.clone() }),
            uploads: Arc::new(FaultyUploads { inner: backend.uploads, faults: faults.clone() }),
            ..backend
        })
    }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultyStore({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.faults.pass().await?;
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.faults.pass().await?;
        let inner = self.inner.put_multipart_opts(location, options).await?;
        Ok(Box::new(FaultyUpload { inner, faults: self.faults.clone() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.faults.pass().await?;
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let inner = Arc::clone(&self.inner);
        let passed = self.faults.pass().map_ok(move |()| inner.delete_stream(locations));
        passed.try_flatten_stream().boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (inner, prefix) = (Arc::clone(&self.inner), prefix.cloned());
        let passed = self.faults.pass().map_ok(move |()| inner.list(prefix.as_ref()));
        passed.try_flatten_stream().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.faults.pass().await?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.faults.pass().await?;
        self.inner.copy_opts(from, to, options).await
    }
}

#[derive(Debug)]
struct FaultyUpload {
    inner: Box<dyn MultipartUpload>,
    faults: Faults,
}

#[async_trait]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, part: PutPayload) -> UploadPart {
        let (passed, put) = (self.faults.pass(), self.inner.put_part(part));
        Box::pin(async move {
            passed.await?;
            put.await
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.faults.pass().await?;
        self.inner.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}

#[derive(Debug)]
struct FaultyUploads {
    inner: Arc<dyn Uploads>,
    faults: Faults,
}

#[async_trait]
impl MultipartStore for FaultyUploads {
    async fn create_multipart(&self, path: &Path) -> Result<MultipartId> {
        self.faults.pass().await?;
        self.inner.create_multipart(path).await
    }

    async fn put_part(
        &self,
        path: &Path,
        id: &MultipartId,
        part_idx: usize,
        data: PutPayload,
    ) -> Result<PartId> {
        self.faults.pass().await?;
        self.inner.put_part(path, id, part_idx, data).await
    }

    async fn complete_multipart(
        &self,
        path: &Path,
        id: &MultipartId,
        parts: Vec<PartId>,
    ) -> Result<PutResult> {
        self.faults.pass().await?;
        self.inner.complete_multipart(path, id, parts).await
    }

    async fn abort_multipart(&self, path: &Path, id: &MultipartId) -> Result<()> {
        self.faults.pass().await?;
        self.inner.abort_multipart(path, id).await
    }
}

impl Uploads for FaultyUploads {
    fn unfinished(&self, prefix: &Path) -> BoxStream<'static, Result<Begun>> {
        let (inner, prefix) = (Arc::clone(&self.inner), prefix.clone());
        self.faults.pass().map_ok(move |()| inner.unfinished(&prefix)).try_flatten_stream().boxed()
    }
}
