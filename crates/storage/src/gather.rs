use std::sync::Arc;

use bytes::Bytes;
use object_store::{PutPayload, PutPayloadMut};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Pieces below this are copied together, so that a payload never is a list of a million crumbs.
const CRUMB_BYTES: usize = 4096;
/// What all payloads may take of the memory.
const ROOM_BYTES: u32 = 128 * 1024 * 1024;

/// The memory that the payloads of all uploads share.
#[derive(Clone, Debug)]
pub(crate) struct Room(Arc<Semaphore>);

/// A payload's share of the memory; given back when dropped.
pub(crate) type Place = Option<OwnedSemaphorePermit>;

impl Default for Room {
    fn default() -> Self {
        Self::of(ROOM_BYTES)
    }
}

impl Room {
    fn of(bytes: u32) -> Self {
        Self(Arc::new(Semaphore::new(bytes.try_into().unwrap_or(Semaphore::MAX_PERMITS))))
    }

    /// Waits for so many bytes, or for all that there are.
    async fn take(&self, bytes: u64) -> Place {
        let bytes = u32::try_from(bytes).unwrap_or(ROOM_BYTES).clamp(1, ROOM_BYTES);
        // Nobody closes it.
        Arc::clone(&self.0).acquire_many_owned(bytes).await.ok()
    }
}

/// Gathers the pieces of a body into payloads of one size.
///
/// A payload has all of its memory before it begins, and keeps it until it is stored. So whoever has some can go on,
/// and nobody waits for one who waits.
pub(crate) struct Gather {
    room: Room,
    /// What a payload may take.
    needs_bytes: u64,
    /// What it ends at.
    pub(crate) full_bytes: usize,
    buffer: PutPayloadMut,
    place: Place,
}

impl Gather {
    /// Payloads of `full_bytes`, or of `needs_bytes` where the body is known to be no longer.
    pub(crate) fn new(room: Room, full_bytes: usize, needs_bytes: u64) -> Self {
        Self { room, needs_bytes, full_bytes, buffer: PutPayloadMut::new(), place: None }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.buffer.content_length() == self.full_bytes
    }

    /// Takes from the front of `bytes` what there is room for.
    pub(crate) async fn fill(&mut self, bytes: &mut Bytes) {
        if self.place.is_none() {
            self.place = self.room.take(self.needs_bytes).await;
        }
        let room = self.full_bytes - self.buffer.content_length();
        let piece = bytes.split_to(room.min(bytes.len()));
        if piece.len() < CRUMB_BYTES {
            self.buffer.extend_from_slice(&piece);
        } else {
            self.buffer.push(piece);
        }
    }

    /// What was gathered, and its memory; the next payload begins.
    pub(crate) fn take(&mut self) -> (PutPayload, Place) {
        (std::mem::take(&mut self.buffer).freeze(), self.place.take())
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use futures_util::poll;

    use super::*;

    #[tokio::test]
    async fn a_payload_waits_until_there_is_room_for_all_of_it() {
        let room = Room::of(10);
        let mut gathers = [0; 3].map(|_| Gather::new(room.clone(), 5, 5));
        let [first, second, third] = &mut gathers;
        for gather in [&mut *first, second] {
            gather.fill(&mut Bytes::from_static(b"1")).await;
        }
        let mut bytes = Bytes::from_static(b"abc");
        let mut waiting = Box::pin(third.fill(&mut bytes));
        assert_eq!(poll!(&mut waiting), Poll::Pending);
        first.fill(&mut Bytes::from_static(b"2345")).await;
        let (payload, place) = first.take();
        assert_eq!(payload.content_length(), 5);
        assert_eq!(poll!(&mut waiting), Poll::Pending);
        drop(place);
        waiting.await;
        assert!(bytes.is_empty());
    }
}
