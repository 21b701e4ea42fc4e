use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _, TryFutureExt as _};
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

    fn meet(&self) -> impl Future<Output = Fate> + Send + use<> {
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
            match fault {
                Some(Fault::Silence) => cleared.await,
                Some(fault) => return Fate::Fails(fault),
                None => {}
            }
            Fate::Passes
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Plan) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Watch for Faults {
    fn call(&self, _: &'static str) -> BoxFuture<'static, Fate> {
        self.meet().boxed()
    }
}

/// What comes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is made, and answered.
    Passes,
    /// It is not made.
    Fails(Fault),
    /// It is made, and its answer is lost.
    Unanswered(Fault),
}

/// Decides, when it likes, what comes of each call of a store.
pub trait Watch: fmt::Debug + Send + Sync {
    /// Waits until the call may be made; it is named for what it does.
    fn call(&self, name: &'static str) -> BoxFuture<'static, Fate>;
}

/// Makes a call, as the watch has it.
async fn meet<T>(fate: BoxFuture<'static, Fate>, call: impl Future<Output = Result<T>>) -> Result<T> {
    match fate.await {
        Fate::Passes => call.await,
        Fate::Fails(fault) => Err(fault.into()),
        Fate::Unanswered(fault) => {
            call.await?;
            Err(fault.into())
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        let kind = match fault {
            Fault::Unavailable | Fault::Silence => io::ErrorKind::ConnectionRefused,
            Fault::OutOfSpace => io::ErrorKind::StorageFull,
        };
        Self::Generic { store: "FaultyStore", source: Box::new(io::Error::from(kind)) }
    }
}

/// An object store that fails on command.
#[derive(Debug)]
struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    watch: Arc<dyn Watch>,
}

impl BlobStore {
    /// The same objects, behind a store that fails on command.
    #[must_use]
    pub fn with_faults(&self, faults: &Faults) -> Self {
        self.watched(Arc::new(faults.clone()))
    }

    /// The same objects, behind a store each of whose calls waits for what the watch says.
    #[must_use]
    pub fn watched(&self, watch: Arc<dyn Watch>) -> Self {
        self.through(|backend| Backend {
            objects: Arc::new(FaultyStore { inner: backend.objects, watch: Arc::clone(&watch) }),
            uploads: Arc::new(FaultyUploads { inner: backend.uploads, watch }),
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
        meet(self.watch.call("put"), self.inner.put_opts(location, payload, options)).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let begun = self.inner.put_multipart_opts(location, options);
        let inner = meet(self.watch.call("put_multipart"), begun).await?;
        Ok(Box::new(FaultyUpload { inner, watch: Arc::clone(&self.watch) }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        meet(self.watch.call("get"), self.inner.get_opts(location, options)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let inner = Arc::clone(&self.inner);
        let deleted = async move { Ok(inner.delete_stream(locations).collect::<Vec<_>>().await) };
        meet(self.watch.call("delete"), deleted).map_ok(stream::iter).try_flatten_stream().boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (inner, prefix) = (Arc::clone(&self.inner), prefix.cloned());
        let listed = async move { Ok(inner.list(prefix.as_ref())) };
        meet(self.watch.call("list"), listed).try_flatten_stream().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        meet(self.watch.call("list"), self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        meet(self.watch.call("copy"), self.inner.copy_opts(from, to, options)).await
    }
}

#[derive(Debug)]
struct FaultyUpload {
    inner: Box<dyn MultipartUpload>,
    watch: Arc<dyn Watch>,
}

#[async_trait]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, part: PutPayload) -> UploadPart {
        Box::pin(meet(self.watch.call("put_part"), self.inner.put_part(part)))
    }

    async fn complete(&mut self) -> Result<PutResult> {
        meet(self.watch.call("complete"), self.inner.complete()).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}

#[derive(Debug)]
struct FaultyUploads {
    inner: Arc<dyn Uploads>,
    watch: Arc<dyn Watch>,
}

#[async_trait]
impl MultipartStore for FaultyUploads {
    async fn create_multipart(&self, path: &Path) -> Result<MultipartId> {
        meet(self.watch.call("create_multipart"), self.inner.create_multipart(path)).await
    }

    async fn put_part(
        &self,
        path: &Path,
        id: &MultipartId,
        part_idx: usize,
        data: PutPayload,
    ) -> Result<PartId> {
        meet(self.watch.call("put_part"), self.inner.put_part(path, id, part_idx, data)).await
    }

    async fn complete_multipart(
        &self,
        path: &Path,
        id: &MultipartId,
        parts: Vec<PartId>,
    ) -> Result<PutResult> {
        meet(self.watch.call("complete"), self.inner.complete_multipart(path, id, parts)).await
    }

    async fn abort_multipart(&self, path: &Path, id: &MultipartId) -> Result<()> {
        meet(self.watch.call("abort"), self.inner.abort_multipart(path, id)).await
    }
}

impl Uploads for FaultyUploads {
    fn unfinished(&self, prefix: &Path) -> BoxStream<'static, Result<Begun>> {
        let (inner, prefix) = (Arc::clone(&self.inner), prefix.clone());
        let found = async move { Ok(inner.unfinished(&prefix)) };
        meet(self.watch.call("list"), found).try_flatten_stream().boxed()
    }
}
