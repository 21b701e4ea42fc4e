//! Reading a body whole, within a limit that also holds for what comes out of gzip, and within the memory that all
//! bodies share.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use axum::http::{HeaderMap, StatusCode};
use bytes::{Bytes, BytesMut};
use counterweight_domain::Error;
use flate2::read::MultiGzDecoder;
use futures_util::TryStreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::problem::Problem;

/// Largest body of `/graphql`; configs and summaries of several MB occur.
pub const GRAPHQL_LIMIT: usize = 16 << 20;

/// Largest body of `file_stream`; the client sends about 10 MiB at once.
pub const FILE_STREAM_LIMIT: usize = 24 << 20;

/// Small bodies, and what belongs to each, take this much.
const LEAST: usize = 64 << 10;
/// Bodies that are read and prepared at the same time, in bytes.
const AT_ONCE: usize = 256 << 20;
/// How long a body waits for its place, and how long one that is read may be silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// The memory in which bodies are read.
#[derive(Clone, Debug)]
pub struct BodyMemory(Arc<Semaphore>);

/// A body that was read, in its memory.
#[derive(Debug)]
pub struct ReadBody {
    bytes: Bytes,
    _place: OwnedSemaphorePermit,
}

impl ReadBody {
    /// Its bytes, without gzip.
    #[expect(clippy::len_without_is_empty, reason = "nobody asks")]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Makes something else of it, and gives its memory back.
    pub fn prepare<T>(self, prepare: impl FnOnce(&[u8]) -> T) -> T {
        prepare(&self.bytes)
    }
}

impl Default for BodyMemory {
    fn default() -> Self {
        Self::new(AT_ONCE)
    }
}

impl BodyMemory {
    fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes)))
    }

    /// Reads `body` and undoes its gzip.
    pub async fn read(&self, headers: &HeaderMap, body: Body, limit: usize) -> Result<ReadBody, Problem> {
        let gzip = is_gzip(headers)?;
        let announced = announced_bytes(headers).filter(|_| !gzip);
        let place = self.take(announced.map_or(limit, |bytes| bytes.min(limit).max(LEAST))).await?;
        let mut bytes = collect(body, limit).await?;
        if gzip {
            let inflated = tokio::task::spawn_blocking(move || inflate(&bytes, limit)).await;
            bytes = inflated.map_err(|error| Problem::from(Error::internal(error)))??;
        }
        Ok(ReadBody { bytes, _place: place })
    }

    async fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let bytes = u32::try_from(bytes).map_err(Error::internal)?;
        let place = timeout(PATIENCE, Arc::clone(&self.0).acquire_many_owned(bytes)).await;
        let place = place.map_err(|_| Error::unavailable("too many bodies are being read"))?;
        Ok(place.map_err(Error::internal)?)
    }
}

fn is_gzip(headers: &HeaderMap) -> Result<bool, Problem> {
    let Some(encoding) = headers.get(CONTENT_ENCODING) else { return Ok(false) };
    match encoding.as_bytes().to_ascii_lowercase().as_slice() {
        b"identity" => Ok(false),
        b"gzip" | b"x-gzip" => Ok(true),
        _ => Err(unsupported_encoding()),
    }
}

fn announced_bytes(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// A client that is still sending does not hear a refusal, so what is too much is read on and dropped, for a while.
async fn collect(body: Body, limit: usize) -> Result<Bytes, Problem> {
    let mut stream = body.into_data_stream();
    let mut kept = BytesMut::new();
    let mut total = 0_usize;
    let mut next = async || match timeout(PATIENCE, stream.try_next()).await {
        Ok(Ok(chunk)) => Ok(chunk),
        _ => Err(broken_off()),
    };
    while let Some(chunk) = next().await? {
        total = total.saturating_add(chunk.len());
        if total <= limit {
            kept.extend_from_slice(&chunk);
        } else if total > limit.saturating_mul(8) {
            break;
        } else {
            kept = BytesMut::new();
        }
    }
    if total > limit { Err(Problem::too_large(limit)) } else { Ok(kept.freeze()) }
}

fn inflate(bytes: &[u8], limit: usize) -> Result<Bytes, Problem> {
    let mut inflated = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(bytes).take(most).read_to_end(&mut inflated).map_err(|_| {
        Problem::new(StatusCode::BAD_REQUEST, "BODY_INVALID", "the body is not the gzip it says it is")
    })?;
    if inflated.len() > limit { Err(Problem::too_large(limit)) } else { Ok(inflated.into()) }
}

/// The connection broke; a client that is still there may try again.
fn broken_off() -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT, "BODY_INCOMPLETE", "the body broke off")
}

fn unsupported_encoding() -> Problem {
    let message = "the body's encoding is not supported, only gzip is";
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "ENCODING_UNSUPPORTED", message)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use axum::http::HeaderValue;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    async fn read_as(encoding: Option<&'static str>, body: Vec<u8>) -> Result<Bytes, u16> {
        let encoding = encoding.map(|encoding| (CONTENT_ENCODING, HeaderValue::from_static(encoding)));
        let headers = HeaderMap::from_iter(encoding);
        let read = BodyMemory::default().read(&headers, body.into(), 1000).await;
        read.map(|body| body.bytes).map_err(|problem| problem.status().as_u16())
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[tokio::test]
    async fn the_limit_holds_before_and_after_gzip() {
        let (fits, too_much) = (vec![b'x'; 1000], vec![b'x'; 1001]);
        assert_eq!(read_as(None, fits.clone()).await.unwrap(), fits);
        assert_eq!(read_as(None, too_much.clone()).await, Err(413));
        assert_eq!(read_as(Some("gzip"), gzip(&fits)).await.unwrap(), fits);
        assert_eq!(read_as(Some("gzip"), gzip(&too_much)).await, Err(413));
    }

    #[tokio::test]
    async fn several_gzip_members_are_one_body() {
        let body = [gzip(b"one "), gzip(b"two")].concat();
        assert_eq!(read_as(Some("GZIP"), body).await.unwrap(), "one two");
    }

    #[tokio::test]
    async fn what_is_not_gzip_is_refused() {
        assert_eq!(read_as(Some("gzip"), b"plain".to_vec()).await, Err(400));
        let mut cut = gzip(b"some bytes");
        cut.truncate(12);
        assert_eq!(read_as(Some("gzip"), cut).await, Err(400));
        assert_eq!(read_as(Some("br"), Vec::new()).await, Err(415));
    }

    #[tokio::test]
    async fn a_broken_connection_is_not_the_clients_fault() {
        let stream = futures_util::stream::iter([Err::<Bytes, _>(std::io::Error::other("reset"))]);
        let body = Body::from_stream(stream);
        let problem = BodyMemory::default().read(&HeaderMap::new(), body, 10).await.unwrap_err();
        assert_eq!(problem.status(), StatusCode::REQUEST_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_gives_its_memory_back() {
        let memory = BodyMemory::new(FILE_STREAM_LIMIT);
        let silent = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
        let problem = memory.read(&HeaderMap::new(), silent, FILE_STREAM_LIMIT).await.unwrap_err();
        assert_eq!(problem.status(), StatusCode::REQUEST_TIMEOUT);
        assert_eq!(memory.0.available_permits(), FILE_STREAM_LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_wait_for_their_memory_but_not_for_ever() {
        const ROOM: usize = 3 * LEAST;
        let announced = |bytes: usize| HeaderMap::from_iter([(CONTENT_LENGTH, HeaderValue::from(bytes))]);
        let gzip = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static("gzip"))]);
        let memory = BodyMemory::new(ROOM);
        let read = |headers, limit| {
            let memory = memory.clone();
            async move { memory.read(&headers, Body::empty(), limit).await }
        };
        for (headers, limit, taken) in [
            (announced(1), ROOM, LEAST),
            (announced(2 * LEAST), ROOM, 2 * LEAST),
            (announced(usize::MAX), ROOM, ROOM),
            (HeaderMap::new(), ROOM, ROOM),
        ] {
            let body = read(headers, limit).await.unwrap();
            assert_eq!(memory.0.available_permits(), ROOM - taken);
            drop(body);
            assert_eq!(memory.0.available_permits(), ROOM);
        }
        let held = read(announced(LEAST), ROOM).await.unwrap();
        for headers in [gzip, HeaderMap::new(), announced(ROOM)] {
            let problem = read(headers, ROOM).await.unwrap_err();
            assert_eq!((problem.status().as_u16(), problem.code()), (503, "UNAVAILABLE"));
        }
        let waiting = tokio::spawn(read(announced(ROOM), ROOM));
        tokio::task::yield_now().await;
        drop(held);
        assert!(waiting.await.unwrap().is_ok());
    }
}
