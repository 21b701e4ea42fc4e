use std::fs::{self, File};
use std::io;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{Error, MultipartId, PutPayload, PutResult, Result};

use super::{LocalFolder, STORE, Staged, blocking, missing_is_fine, remove_emptied, sync_up, write};
use crate::uploads::{Begun, Uploads, invalid_part, no_such_upload};

/// Where the parts are, `#uploads/<path of the object>/#<id>/<part>`: not a name that an object can have.
pub(super) const UPLOADS: &str = "#uploads";

#[async_trait]
impl MultipartStore for LocalFolder {
    async fn create_multipart(&self, path: &Path) -> Result<MultipartId> {
        let (root, home) = (Arc::clone(&self.root), self.uploads_to(path)?);
        let id = blocking(move || {
            let id = create(&home)?;
            sync_up(&root, &home)?;
            Ok(id)
        });
        Ok(id.await?.to_string())
    }

    async fn put_part(
        &self,
        path: &Path,
        id: &MultipartId,
        part_idx: usize,
        data: PutPayload,
    ) -> Result<PartId> {
        let folder = self.upload(path, id)?;
        let put = blocking(move || {
            let place = folder.join(part_idx.to_string());
            // Never made anew: without its folder the upload is over.
            let mut staged = Staged::create(folder.into(), place)?;
            write(&staged.file, &data, 0)?;
            staged.publish()
        });
        put.await.map_err(|error| or_no_such_upload(error, path))?;
        Ok(PartId { content_id: part_idx.to_string() })
    }

    async fn complete_multipart(
        &self,
        path: &Path,
        id: &MultipartId,
        parts: Vec<PartId>,
    ) -> Result<PutResult> {
        let parts = parts.iter().map(|part| part.content_id.parse()).collect::<Result<Vec<u64>, _>>();
        let parts = parts.map_err(|_| invalid_part(STORE))?;
        let (folder, place) = (self.upload(path, id)?, self.files.path_to_filesystem(path)?);
        let root = Arc::clone(&self.root);
        let joined = blocking(move || {
            // Who asks again while the parts are put together waits, and finds them gone.
            let upload = File::open(&folder)?;
            upload.lock()?;
            let Some(mut staged) = join(&root, &folder, place, &parts)? else { return Ok(false) };
            staged.publish()?;
            if let Err(error) = forget(&root, &folder) {
                tracing::warn!(path = %folder.display(), %error, "could not remove the parts of an object");
            }
            Ok(true)
        });
        let is_whole = joined.await.map_err(|error| or_no_such_upload(error, path))?;
        if is_whole { Ok(PutResult { e_tag: None, version: None }) } else { Err(invalid_part(STORE)) }
    }

    async fn abort_multipart(&self, path: &Path, id: &MultipartId) -> Result<()> {
        let (root, folder) = (Arc::clone(&self.root), self.upload(path, id)?);
        blocking(move || forget(&root, &folder)).await
    }
}

impl Uploads for LocalFolder {
    fn unfinished(&self, prefix: &Path) -> BoxStream<'static, Result<Begun>> {
        let (root, prefix) = (Arc::clone(&self.root), prefix.clone());
        let begun = blocking(move || {
            let mut begun = Vec::new();
            find(&root.join(UPLOADS), &prefix, &Path::default(), &mut begun)?;
            Ok(stream::iter(begun).map(Ok))
        });
        stream::once(begun).try_flatten().boxed()
    }
}

impl LocalFolder {
    fn uploads_to(&self, path: &Path) -> Result<PathBuf> {
        uploads_to(&self.root, &self.files.path_to_filesystem(path)?).ok_or_else(|| Error::InvalidPath {
            source: object_store::path::Error::EmptySegment { path: path.to_string() },
        })
    }

    fn upload(&self, path: &Path, id: &MultipartId) -> Result<PathBuf> {
        let id: u64 = id.parse().map_err(|_| no_such_upload(path))?;
        Ok(self.uploads_to(path)?.join(name(id)))
    }
}

/// Where the uploads to `place` are.
fn uploads_to(root: &FilePath, place: &FilePath) -> Option<PathBuf> {
    Some(root.join(UPLOADS).join(place.strip_prefix(root).ok()?))
}

fn name(id: u64) -> String {
    format!("#{id}")
}

fn id(name: &str) -> Option<u64> {
    name.strip_prefix('#')?.parse().ok()
}

fn create(home: &FilePath) -> io::Result<u64> {
    let mut id = 1;
    loop {
        match fs::create_dir(home.join(name(id))) {
            Ok(()) => return Ok(id),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => id += 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir_all(home)?,
            Err(error) => return Err(error),
        }
    }
}

/// The object made of the parts, by a copy inside the kernel; none if one of them was never put.
fn join(
    root: &Arc<FilePath>,
    folder: &FilePath,
    place: PathBuf,
    parts: &[u64],
) -> io::Result<Option<Staged>> {
    let staged = Staged::create(Arc::clone(root), place)?;
    for part in parts {
        let mut part = match File::open(folder.join(part.to_string())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && folder.is_dir() => return Ok(None),
            part => part?,
        };
        io::copy(&mut part, &mut &*staged.file)?;
    }
    Ok(Some(staged))
}

fn forget(root: &FilePath, folder: &FilePath) -> io::Result<()> {
    missing_is_fine(fs::remove_dir_all(folder))?;
    remove_emptied(root, super::folder_of(folder));
    Ok(())
}

/// Forgets the uploads to an object that is being deleted.
pub(super) fn forget_all(root: &FilePath, place: &FilePath) -> io::Result<()> {
    let Some(home) = uploads_to(root, place) else { return Ok(()) };
    let entries = match fs::read_dir(&home) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(());
        }
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_str().and_then(id).is_some() {
            forget(root, &entry.path())?;
        }
    }
    Ok(())
}

fn find(folder: &FilePath, prefix: &Path, path: &Path, begun: &mut Vec<Begun>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        match id(name) {
            Some(id) if path.prefix_matches(prefix) => match entry.metadata() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                metadata => {
                    let active_at = metadata?.modified()?.into();
                    begun.push(Begun { path: path.clone(), id: id.to_string(), active_at });
                }
            },
            Some(_) => {}
            None => find(&entry.path(), prefix, &path.clone().join(name), begun)?,
        }
    }
    Ok(())
}

fn or_no_such_upload(error: Error, path: &Path) -> Error {
    let is_missing = std::error::Error::source(&error)
        .and_then(|source| source.downcast_ref::<io::Error>())
        .is_some_and(|error| error.kind() == io::ErrorKind::NotFound);
    if is_missing { no_such_upload(path) } else { error }
}
