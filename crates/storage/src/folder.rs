mod uploads;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

use self::uploads::UPLOADS;

const STORE: &str = "LocalFolder";
const READ_BYTES: u64 = 256 * 1024;
const DELETE_BATCH: usize = 1000;

/// A folder of the local disk as an object store: what it has acknowledged survives a loss of power.
///
/// [`LocalFileSystem`] reads and lists; it never syncs, so writes and deletes are done here. Until it is whole, an
/// object is staged as `<name>#<number>` beside its place, a name that [`LocalFileSystem`] does not list. Parts that
/// come in requests of their own wait in a folder of theirs.
#[derive(Debug)]
pub(crate) struct LocalFolder {
    root: Arc<FilePath>,
    files: LocalFileSystem,
}

impl LocalFolder {
    /// Opens the folder, and makes it if it is missing.
    pub(crate) fn create(root: &FilePath) -> io::Result<Self> {
        let missing: Vec<_> = root.ancestors().take_while(|folder| !folder.exists()).collect();
        fs::create_dir_all(root)?;
        for folder in missing.into_iter().filter_map(FilePath::parent) {
            sync(folder)?;
        }
        let root = fs::canonicalize(root)?;
        if !root.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let files = LocalFileSystem::new_with_prefix(&root)?;
        Ok(Self { root: root.into(), files })
    }
}

impl std::fmt::Display for LocalFolder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{STORE}({})", self.root.display())
    }
}

#[async_trait]
impl ObjectStore for LocalFolder {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if !matches!(options.mode, PutMode::Overwrite) {
            return Err(Error::NotImplemented {
                operation: "conditional put".to_owned(),
                implementer: self.to_string(),
            });
        }
        let place = self.files.path_to_filesystem(location)?;
        let root = Arc::clone(&self.root);
        blocking(move || {
            let mut staged = Staged::create(root, place)?;
            write(&staged.file, &payload, 0)?;
            staged.publish()
        })
        .await?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        _options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let place = self.files.path_to_filesystem(location)?;
        let root = Arc::clone(&self.root);
        let staged = blocking(move || Staged::create(root, place)).await?;
        Ok(Box::new(StagedUpload { file: Arc::clone(&staged.file), staged: Some(staged), offset: 0 }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let mut result = self.files.get_opts(location, options).await?;
        if let GetResultPayload::File(file, _) = result.payload {
            result.payload = GetResultPayload::Stream(read(file, result.range.clone()));
        }
        Ok(result)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (root, files) = (Arc::clone(&self.root), self.files.clone());
        locations
            .chunks(DELETE_BATCH)
            .then(move |locations| {
                let (root, files) = (Arc::clone(&root), files.clone());
                async move {
                    match blocking(move || Ok(delete(&root, &files, locations))).await {
                        Ok(results) => results,
                        Err(error) => vec![Err(error)],
                    }
                }
            })
            .flat_map(stream::iter)
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let is_object = |object: &ObjectMeta| !object.location.as_ref().starts_with(UPLOADS);
        self.files.list(prefix).try_filter(move |object| std::future::ready(is_object(object))).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.files.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, _from: &Path, _to: &Path, _options: CopyOptions) -> Result<()> {
        Err(Error::NotImplemented { operation: "copy".to_owned(), implementer: self.to_string() })
    }
}

/// A file that is not yet an object. Dropped before [`Staged::publish`], it goes without a trace.
#[derive(Debug)]
struct Staged {
    root: Arc<FilePath>,
    place: PathBuf,
    path: PathBuf,
    file: Arc<File>,
    is_published: bool,
}

impl Staged {
    fn create(root: Arc<FilePath>, place: PathBuf) -> io::Result<Self> {
        let mut number = 1;
        loop {
            let path = staging_path(&place, number);
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => {
                    let file = Arc::new(file);
                    return Ok(Self { root, place, path, file, is_published: false });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                // Also when a delete has just removed the emptied folder: then it is made once more.
                Err(error) if error.kind() == io::ErrorKind::NotFound && root.is_dir() => {
                    missing_is_fine(fs::create_dir_all(folder_of(&place)))?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn publish(&mut self) -> io::Result<()> {
        self.file.sync_all()?;
        let is_new = !self.place.exists();
        fs::rename(&self.path, &self.place)?;
        self.is_published = true;
        if let Err(error) = sync_up(&self.root, folder_of(&self.place)) {
            if is_new {
                fs::remove_file(&self.place)?;
            }
            return Err(error);
        }
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if self.is_published {
            return;
        }
        if let Err(error) = missing_is_fine(fs::remove_file(&self.path)) {
            tracing::warn!(path = %self.path.display(), %error, "could not remove a staged file");
        }
        remove_emptied(&self.root, folder_of(&self.place));
    }
}

#[derive(Debug)]
struct StagedUpload {
    file: Arc<File>,
    staged: Option<Staged>,
    offset: u64,
}

#[async_trait]
impl MultipartUpload for StagedUpload {
    fn put_part(&mut self, part: PutPayload) -> UploadPart {
        let (file, offset) = (Arc::clone(&self.file), self.offset);
        self.offset += part.content_length() as u64;
        Box::pin(blocking(move || {
            write(&file, &part, offset)?;
            // At once, so that the end of a large upload does not wait for all of it.
            file.sync_data()
        }))
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let over = || failure(io::Error::other("the upload is over"));
        let mut staged = self.staged.take().ok_or_else(over)?;
        blocking(move || staged.publish()).await?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn abort(&mut self) -> Result<()> {
        let staged = self.staged.take();
        blocking(move || {
            drop(staged);
            Ok(())
        })
        .await
    }
}

fn write(file: &File, payload: &PutPayload, mut offset: u64) -> io::Result<()> {
    for bytes in payload {
        file.write_all_at(bytes, offset)?;
        offset += bytes.len() as u64;
    }
    Ok(())
}

fn read(file: File, range: Range<u64>) -> BoxStream<'static, Result<Bytes>> {
    let file = Arc::new(file);
    stream::try_unfold(range, move |rest| {
        let file = Arc::clone(&file);
        async move {
            if rest.is_empty() {
                return Ok(None);
            }
            let end = rest.end.min(rest.start + READ_BYTES);
            let length =
                usize::try_from(end - rest.start).map_err(|error| failure(io::Error::other(error)))?;
            let bytes = blocking(move || {
                let mut bytes = vec![0; length];
                file.read_exact_at(&mut bytes, rest.start)?;
                Ok(Bytes::from(bytes))
            })
            .await?;
            Ok(Some((bytes, end..rest.end)))
        }
    })
    .boxed()
}

/// Removes the objects and what killed uploads left of them; the results come in the order of `locations`.
fn delete(root: &FilePath, files: &LocalFileSystem, locations: Vec<Result<Path>>) -> Vec<Result<Path>> {
    let mut results = locations;
    let mut by_folder: BTreeMap<PathBuf, Vec<(usize, PathBuf)>> = BTreeMap::new();
    for (index, result) in results.iter_mut().enumerate() {
        match result.as_ref().map(|location| files.path_to_filesystem(location)) {
            Ok(Ok(place)) => {
                by_folder.entry(folder_of(&place).to_owned()).or_default().push((index, place));
            }
            Ok(Err(error)) => *result = Err(error),
            Err(_) => {}
        }
    }
    for (index, place) in by_folder.values().flatten() {
        if let Err(error) = remove(root, place) {
            results[*index] = Err(failure(error));
        }
    }
    // All are removed before the first folder is synced: that writes most of it down, and the other syncs find little to do.
    let kept = by_folder.keys().map(|folder| remove_emptied(root, folder));
    let changed: BTreeSet<&FilePath> = kept.flat_map(|folder| up_to(root, folder)).collect();
    for folder in changed {
        if let Err(error) = missing_is_fine(sync(folder)) {
            let inside = by_folder.iter().filter(|(of, _)| of.starts_with(folder));
            for (index, _) in inside.flat_map(|(_, places)| places) {
                results[*index] = Err(failure(io::Error::new(error.kind(), error.to_string())));
            }
        }
    }
    results
}

/// Removes an object, and what killed uploads left of it: as a key is written by one upload at a time and each takes the first
/// free number, their numbers have no gaps.
fn remove(root: &FilePath, place: &FilePath) -> io::Result<()> {
    missing_is_fine(fs::remove_file(place))?;
    uploads::forget_all(root, place)?;
    for number in 1.. {
        match fs::remove_file(staging_path(place, number)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            removed => removed?,
        }
    }
    Ok(())
}

fn staging_path(place: &FilePath, number: u64) -> PathBuf {
    let mut path = place.to_owned().into_os_string();
    path.push(format!("#{number}"));
    path.into()
}

/// Removes the folder and its parents as far as they are empty; returns the first that stays.
fn remove_emptied<'a>(root: &FilePath, folder: &'a FilePath) -> &'a FilePath {
    let mut folder = folder;
    while folder != root
        && missing_is_fine(fs::remove_dir(folder)).is_ok()
        && let Some(parent) = folder.parent()
    {
        folder = parent;
    }
    folder
}

fn sync(folder: &FilePath) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Syncs the folder and its parents up to the root, for a parent may be as new as the object in it.
fn sync_up(root: &FilePath, folder: &FilePath) -> io::Result<()> {
    // A folder that somebody has just emptied and removed holds nothing to be kept.
    up_to(root, folder).try_for_each(|folder| missing_is_fine(sync(folder)))
}

/// The folder and its parents, the root being the last.
fn up_to<'a>(root: &FilePath, folder: &'a FilePath) -> impl Iterator<Item = &'a FilePath> {
    folder.ancestors().take_while(move |folder| folder.starts_with(root))
}

fn folder_of(place: &FilePath) -> &FilePath {
    place.parent().unwrap_or(place)
}

fn missing_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn failure(error: io::Error) -> Error {
    Error::Generic { store: STORE, source: Box::new(error) }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await?.map_err(failure)
}
