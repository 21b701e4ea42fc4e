//! Reading a body whole, within a limit that also holds for what comes out of gzip.

use std::io::Read as _;

use axum::body::Body;
use axum::http::header::CONTENT_ENCODING;
use axum::http::{HeaderMap, StatusCode};
use bytes::{Bytes, BytesMut};
use counterweight_domain::Error;
use flate2::read::MultiGzDecoder;
use futures_util::TryStreamExt as _;

use crate::problem::Problem;

/// Largest body of `/graphql`; configs and summaries of several MB occur.
pub const GRAPHQL_LIMIT: usize = 16 << 20;

/// Largest body of `file_stream`; the client sends about 10 MiB at once.
pub const FILE_STREAM_LIMIT: usize = 24 << 20;

/// Reads `body` and undoes its gzip.
pub async fn read(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Problem> {
    let gzip = match headers.get(CONTENT_ENCODING).map(|encoding| encoding.as_bytes().to_ascii_lowercase()) {
        None => false,
        Some(encoding) => match encoding.as_slice() {
            b"identity" => false,
            b"gzip" | b"x-gzip" => true,
            _ => return Err(unsupported_encoding()),
        },
    };
    let bytes = collect(body, limit).await?;
    if !gzip {
        return Ok(bytes);
    }
    let inflated = tokio::task::spawn_blocking(move || inflate(&bytes, limit)).await;
    inflated.map_err(|error| Problem::from(Error::internal(error)))?
}

/// A client that is still sending does not hear a refusal, so what is too much is read on and dropped, for a while.
async fn collect(body: Body, limit: usize) -> Result<Bytes, Problem> {
    let mut stream = body.into_data_stream();
    let mut kept = BytesMut::new();
    let mut total = 0_usize;
    while let Some(chunk) = stream.try_next().await.map_err(|_| broken_off())? {
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
        read(&headers, body.into(), 1000).await.map_err(|problem| problem.status().as_u16())
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
        let problem = read(&HeaderMap::new(), Body::from_stream(stream), 10).await.unwrap_err();
        assert_eq!(problem.status(), StatusCode::REQUEST_TIMEOUT);
    }
}
