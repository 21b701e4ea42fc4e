use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt as _, PutPayload, PutPayloadMut};
use tokio::task::JoinSet;

use crate::blob::within_patience;
use crate::error::StorageError;

const PART_BYTES: u64 = 5 * 1024 * 1024;
/// What one part may take of the memory.
const LARGEST_PART_BYTES: u64 = 64 * 1024 * 1024;
/// What S3 takes.
pub(crate) const S3_PARTS: u64 = 10_000;
/// The largest object of any store, so that one can be copied into every other.
pub const LARGEST_OBJECT: u64 = LARGEST_PART_BYTES * S3_PARTS;
/// One part travels while the next one fills.
const PARTS_IN_FLIGHT: usize = 2;
/// Pieces below this are copied together, so that a part never is a list of a million crumbs.
const CRUMB_BYTES: usize = 4096;

/// An object on its way into the store: one put if it is small, parts of equal size if it is not.
///
/// Dropped before its end, it takes its parts along.
pub(crate) struct Upload {
    store: Arc<dyn ObjectStore>,
    path: Path,
    part_bytes: usize,
    buffer: PutPayloadMut,
    multipart: Option<Box<dyn MultipartUpload>>,
    in_flight: JoinSet<object_store::Result<()>>,
}

impl Upload {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, path: Path, part_bytes: u64) -> Self {
        Self {
            store,
            path,
            part_bytes: usize::try_from(part_bytes).unwrap_or(usize::MAX),
            buffer: PutPayloadMut::new(),
            multipart: None,
            in_flight: JoinSet::new(),
        }
    }

    pub(crate) async fn push(&mut self, mut bytes: Bytes) -> Result<(), StorageError> {
        while !bytes.is_empty() {
            // A full part waits for the next byte: without one the object may still be small.
            if self.buffer.content_length() == self.part_bytes {
                self.send_part().await?;
            }
            let room = self.part_bytes - self.buffer.content_length();
            let piece = bytes.split_to(room.min(bytes.len()));
            if piece.len() < CRUMB_BYTES {
                self.buffer.extend_from_slice(&piece);
            } else {
                self.buffer.push(piece);
            }
        }
        Ok(())
    }

    /// Makes the object visible, whole.
    pub(crate) async fn complete(&mut self) -> Result<(), StorageError> {
        if self.multipart.is_none() {
            let payload = self.take_buffer();
            let put = self.store.put(&self.path, payload);
            within_patience(put).await?.map_err(StorageError::of_write)?;
            return Ok(());
        }
        self.send_part().await?;
        self.wait_for_room(0).await?;
        if let Some(multipart) = &mut self.multipart {
            within_patience(multipart.complete()).await?.map_err(StorageError::of_write)?;
        }
        self.multipart = None;
        Ok(())
    }

    /// Leaves nothing behind.
    pub(crate) async fn abort(&mut self) {
        self.in_flight.shutdown().await;
        if let Some(multipart) = self.multipart.take() {
            abort(multipart, &self.path).await;
        }
    }

    async fn send_part(&mut self) -> Result<(), StorageError> {
        self.wait_for_room(PARTS_IN_FLIGHT - 1).await?;
        let part = self.take_buffer();
        let multipart = match &mut self.multipart {
            Some(multipart) => multipart,
            none => {
                let begun = within_patience(self.store.put_multipart(&self.path)).await?;
                none.insert(begun.map_err(StorageError::of_write)?)
            }
        };
        self.in_flight.spawn(multipart.put_part(part));
        Ok(())
    }

    /// Waits until at most `parts` are under way.
    async fn wait_for_room(&mut self, parts: usize) -> Result<(), StorageError> {
        while self.in_flight.len() > parts
            && let Some(sent) = within_patience(self.in_flight.join_next()).await?
        {
            sent.map_err(object_store::Error::from).flatten().map_err(StorageError::of_write)?;
        }
        Ok(())
    }

    fn take_buffer(&mut self) -> PutPayload {
        std::mem::take(&mut self.buffer).freeze()
    }
}

/// How large the parts of an object are where it may have `most_parts`: as small as they can be.
pub(crate) fn part_bytes(expected_bytes: Option<u64>, most_parts: u64) -> u64 {
    expected_bytes.unwrap_or(0).div_ceil(most_parts).clamp(PART_BYTES, LARGEST_PART_BYTES)
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(multipart) = self.multipart.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let path = self.path.clone();
            runtime.spawn(async move { abort(multipart, &path).await });
        }
    }
}

async fn abort(mut multipart: Box<dyn MultipartUpload>, path: &Path) {
    if let Err(error) = multipart.abort().await {
        tracing::warn!(object.key = %path, %error, "could not abort an upload");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn parts_grow_only_when_there_would_be_too_many() {
        for (expected, bytes) in [
            (None, PART_BYTES),
            (Some(0), PART_BYTES),
            (Some(PART_BYTES * S3_PARTS), PART_BYTES),
            (Some(PART_BYTES * S3_PARTS + 1), PART_BYTES + 1),
            (Some(LARGEST_OBJECT), LARGEST_PART_BYTES),
            (Some(u64::MAX), LARGEST_PART_BYTES),
        ] {
            assert_eq!(part_bytes(expected, S3_PARTS), bytes, "{expected:?}");
            assert_eq!(part_bytes(expected.map(|bytes| bytes.min(600 * GIB)), u64::MAX), PART_BYTES);
        }
    }
}
