use std::future::Future;

use bytes::Bytes;
use futures_util::stream::{Stream, StreamExt as _};

use crate::blob::{PutLimit, Stored};
use crate::digest::{ContentDigest, Hasher};
use crate::error::{BoxError, StorageError};

/// Where the pieces of a body go.
pub(crate) trait Sink {
    fn push(&mut self, bytes: Bytes) -> impl Future<Output = Result<(), StorageError>> + Send;
}

/// Passes `body` on to `sink` as long as it keeps to the limit, and says what it was if it has the `digests`.
pub(crate) async fn receive(
    sink: &mut impl Sink,
    body: impl Stream<Item = Result<Bytes, BoxError>> + Send,
    limit: PutLimit,
    digests: &[ContentDigest],
) -> Result<Stored, StorageError> {
    let PutLimit { max_bytes, expected_bytes } = limit;
    if expected_bytes.is_some_and(|expected| expected > max_bytes) {
        return Err(StorageError::TooLarge { limit: max_bytes });
    }
    let mut body = std::pin::pin!(body);
    let mut size_bytes = 0;
    let mut hasher = Hasher::for_checking(digests);
    while let Some(bytes) = body.next().await {
        let bytes = bytes.map_err(|error| StorageError::Body(error.into()))?;
        size_bytes += bytes.len() as u64;
        match expected_bytes {
            Some(expected) if size_bytes > expected => {
                return Err(StorageError::LengthMismatch { expected, got: size_bytes });
            }
            None if size_bytes > max_bytes => return Err(StorageError::TooLarge { limit: max_bytes }),
            _ => {}
        }
        hasher.update(&bytes);
        sink.push(bytes).await?;
    }
    match expected_bytes {
        Some(expected) if size_bytes < expected => {
            return Err(StorageError::LengthMismatch { expected, got: size_bytes });
        }
        _ => {}
    }
    let found = hasher.finish();
    found.check(digests)?;
    Ok(Stored { size_bytes, md5: found.md5 })
}
