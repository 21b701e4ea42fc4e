use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use object_store::multipart::PartId;
use object_store::path::Path;
use object_store::{Error, MultipartId};
use tokio::task::JoinSet;

use crate::blob::within_patience;
use crate::error::StorageError;
use crate::gather::{Gather, Room};
use crate::multipart::{MOST_PARTS, PartNumber, of_upload};
use crate::receive::Sink;
use crate::upload::{PART_BYTES, PARTS_IN_FLIGHT};
use crate::uploads::Uploads;

/// The smallest part that clients send has this many bytes, save for the last one.
const LEAST_PART_BYTES: u64 = 100 * 1024 * 1024;
/// What one piece may take of the memory.
const LARGEST_PIECE_BYTES: u64 = 128 * 1024 * 1024;

/// How a client's part is cut into parts of the store, so that it never is in memory as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pieces {
    first: u64,
    count: u64,
    /// The size of each; the last takes what is left.
    bytes: u64,
}

impl Pieces {
    /// Every part has the same number of the store's parts to itself. Where these `are_bounded` in size, and have to
    /// be numbered without gaps, only the last part may leave some of them out.
    pub(crate) fn of(part: PartNumber, size_bytes: u64, are_bounded: bool) -> Result<Self, StorageError> {
        let each = u64::from(MOST_PARTS / part.of()).min(LEAST_PART_BYTES / PART_BYTES);
        let count = (size_bytes / PART_BYTES).clamp(1, each);
        if are_bounded && count < each && part.number() < part.of() {
            return Err(StorageError::PartTooSmall { least: each * PART_BYTES });
        }
        let bytes = size_bytes / count;
        if bytes > LARGEST_PIECE_BYTES {
            return Err(StorageError::TooLarge { limit: each * LARGEST_PIECE_BYTES });
        }
        Ok(Self { first: u64::from(part.number() - 1) * each, count, bytes })
    }
}

/// A part on its way into the store, one piece while the next one fills.
pub(crate) struct PartUpload {
    uploads: Arc<dyn Uploads>,
    path: Path,
    id: MultipartId,
    pieces: Pieces,
    buffer: Gather,
    begun: u64,
    in_flight: JoinSet<object_store::Result<(u64, PartId)>>,
    sent: BTreeMap<u64, PartId>,
}

impl PartUpload {
    pub(crate) fn new(
        room: Room,
        uploads: Arc<dyn Uploads>,
        path: Path,
        id: MultipartId,
        pieces: Pieces,
    ) -> Self {
        let buffer = Gather::new(room, capacity(pieces, 0), pieces.bytes);
        Self { uploads, path, id, pieces, buffer, begun: 0, in_flight: JoinSet::new(), sent: BTreeMap::new() }
    }

    /// Sends the last piece and waits until the store has them all.
    pub(crate) async fn finish(mut self) -> Result<Vec<PartId>, StorageError> {
        self.send_piece().await?;
        self.wait_for_room(0).await?;
        Ok(self.sent.into_values().collect())
    }

    async fn send_piece(&mut self) -> Result<(), StorageError> {
        self.wait_for_room(PARTS_IN_FLIGHT - 1).await?;
        let (uploads, path, id) = (Arc::clone(&self.uploads), self.path.clone(), self.id.clone());
        let number = self.pieces.first + self.begun;
        let (payload, place) = self.buffer.take();
        self.begun += 1;
        self.buffer.full_bytes = capacity(self.pieces, self.begun);
        self.in_flight.spawn(async move {
            let index = usize::try_from(number).unwrap_or(usize::MAX);
            let sent = uploads.put_part(&path, &id, index, payload).await;
            drop(place);
            Ok((number, sent?))
        });
        Ok(())
    }

    /// Waits until at most `pieces` are under way.
    async fn wait_for_room(&mut self, pieces: usize) -> Result<(), StorageError> {
        while self.in_flight.len() > pieces
            && let Some(sent) = within_patience(self.in_flight.join_next()).await?
        {
            let sent = sent.map_err(Error::from).flatten();
            let (number, id) = sent.map_err(|error| of_upload(error.into()))?;
            self.sent.insert(number, id);
        }
        Ok(())
    }
}

impl Sink for PartUpload {
    async fn push(&mut self, mut bytes: Bytes) -> Result<(), StorageError> {
        while !bytes.is_empty() {
            if self.buffer.is_full() {
                self.send_piece().await?;
            }
            self.buffer.fill(&mut bytes).await;
        }
        Ok(())
    }
}

/// How much a piece takes; the last one is never full.
fn capacity(pieces: Pieces, begun: u64) -> usize {
    let is_last = begun + 1 >= pieces.count;
    if is_last { usize::MAX } else { usize::try_from(pieces.bytes).unwrap_or(usize::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn pieces(number: u32, of: u32, size_bytes: u64) -> Result<Pieces, StorageError> {
        Pieces::of(PartNumber::new(number, of).unwrap(), size_bytes, true)
    }

    #[test]
    fn pieces_are_as_small_as_the_store_takes_and_its_numbers_last() {
        for (of, each) in [(1, 20), (21, 20), (500, 20), (1024, 9), (5000, 2), (5001, 1), (10_000, 1)] {
            for (number, size_bytes) in [(1, 100 * MIB), (1, 100 * MIB + 19), (of, 100 * MIB)] {
                let Pieces { first, count, bytes } = pieces(number, of, size_bytes).unwrap();
                assert_eq!((first, count), (u64::from(number - 1) * each, each), "{number} of {of}");
                assert!(first + count <= u64::from(MOST_PARTS));
                assert!(bytes >= PART_BYTES && bytes * count <= size_bytes);
            }
        }
    }

    #[test]
    fn only_the_last_part_may_be_small() {
        for size_bytes in [0, 1, PART_BYTES, 2 * PART_BYTES + 1] {
            let last = pieces(3, 3, size_bytes).unwrap();
            assert_eq!((last.first, last.count), (40, (size_bytes / PART_BYTES).max(1)));
            let error = pieces(2, 3, size_bytes).unwrap_err();
            assert!(matches!(error, StorageError::PartTooSmall { least } if least == 100 * MIB), "{error:?}");
            Pieces::of(PartNumber::new(2, 3).unwrap(), size_bytes, false).unwrap();
        }
    }

    #[test]
    fn no_piece_takes_all_of_the_memory() {
        assert!(matches!(pieces(1, 10_000, u64::MAX), Err(StorageError::TooLarge { .. })));
        pieces(1, 10_000, LARGEST_PIECE_BYTES).unwrap();
    }

    #[test]
    fn there_is_no_part_outside_of_an_upload() {
        for (number, of) in [(0, 1), (0, 0), (2, 1), (1, MOST_PARTS + 1)] {
            assert_eq!(PartNumber::new(number, of), None);
        }
    }
}
