use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt as _};
use tokio::task::JoinSet;

use crate::blob::within_patience;
use crate::error::StorageError;
use crate::gather::{Gather, Room};
use crate::receive::Sink;

/// What S3 takes at least.
pub(crate) const PART_BYTES: u64 = 5 * 1024 * 1024;
/// What one part may take of the memory.
const LARGEST_PART_BYTES: u64 = 64 * 1024 * 1024;
/// What S3 takes at most.
pub(crate) const S3_PARTS: u64 = 10_000;
/// The largest object of any store, so that one can be copied into every other.
pub const LARGEST_OBJECT: u64 = LARGEST_PART_BYTES * S3_PARTS;
/// One part travels while the next one fills.
pub(crate) const PARTS_IN_FLIGHT: usize = 2;

/// An object on its way into the store: one put if it is small, parts of equal size if it is not.
///
/// Dropped before its end, it takes its parts along.
pub(crate) struct Upload {
    store: Arc<dyn ObjectStore>,
    path: Path,
    buffer: Gather,
    multipart: Option<Box<dyn MultipartUpload>>,
    in_flight: JoinSet<object_store::Result<()>>,
}

impl Upload {
    /// Of `expected_bytes`, if that is known.
    pub(crate) fn new(
        room: Room,
        store: Arc<dyn ObjectStore>,
        path: Path,
        part_bytes: u64,
        expected_bytes: Option<u64>,
    ) -> Self {
        let full_bytes = usize::try_from(part_bytes).unwrap_or(usize::MAX);
        let needs_bytes = expected_bytes.map_or(part_bytes, |expected| expected.min(part_bytes));
        let buffer = Gather::new(room, full_bytes, needs_bytes);
        Self { store, path, buffer, multipart: None, in_flight: JoinSet::new() }
    }

    /// Makes the object visible, whole.
    pub(crate) async fn complete(&mut self) -> Result<(), StorageError> {
        if self.multipart.is_none() {
            let (payload, place) = self.buffer.take();
            let put = within_patience(self.store.put(&self.path, payload)).await;
            drop(place);
            return put?.map(drop).map_err(StorageError::of_write);
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
        let (payload, place) = self.buffer.take();
        let multipart = match &mut self.multipart {
            Some(multipart) => multipart,
            none => {
                let begun = within_patience(self.store.put_multipart(&self.path)).await?;
                none.insert(begun.map_err(StorageError::of_write)?)
            }
        };
        let put = multipart.put_part(payload);
        self.in_flight.spawn(async move {
            let sent = put.await;
            drop(place);
            sent
        });
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
}

impl Sink for Upload {
    async fn push(&mut self, mut bytes: Bytes) -> Result<(), StorageError> {
        while !bytes.is_empty() {
            // A full part waits for the next byte: without one the object may still be small.
            if self.buffer.is_full() {
                self.send_part().await?;
            }
            self.buffer.fill(&mut bytes).await;
        }
        Ok(())
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
