use bytes::Bytes;
use object_store::{PutPayload, PutPayloadMut};

/// Pieces below this are copied together, so that a payload never is a list of a million crumbs.
const CRUMB_BYTES: usize = 4096;

/// Gathers the pieces of a body into payloads of one size.
pub(crate) struct Gather {
    full_bytes: usize,
    buffer: PutPayloadMut,
}

impl Gather {
    pub(crate) fn new(full_bytes: usize) -> Self {
        Self { full_bytes, buffer: PutPayloadMut::new() }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.buffer.content_length() == self.full_bytes
    }

    /// Takes from the front of `bytes` what there is room for.
    pub(crate) fn fill(&mut self, bytes: &mut Bytes) {
        let room = self.full_bytes - self.buffer.content_length();
        let piece = bytes.split_to(room.min(bytes.len()));
        if piece.len() < CRUMB_BYTES {
            self.buffer.extend_from_slice(&piece);
        } else {
            self.buffer.push(piece);
        }
    }

    /// What was gathered; the next payload begins.
    pub(crate) fn take(&mut self) -> PutPayload {
        std::mem::take(&mut self.buffer).freeze()
    }
}
