//! Answering with a file's bytes, whole or in part.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED, LOCATION,
    RANGE,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use counterweight_domain::artifact::{EntryFile, StoredManifest};
use counterweight_domain::blob::Blob;
use counterweight_domain::file::File;
use counterweight_domain::history::Export;
use counterweight_domain::{Error, Timestamp};
use counterweight_storage::{ObjectKey, StorageError};
use mime_guess::Mime;

use crate::config::Presign;
use crate::problem::Problem;
use crate::state::AppState;

/// Who is sent to the store goes there at once.
const REDIRECT_LIFETIME: Duration = Duration::from_mins(15);

/// Bytes in the store, and what is said of them.
pub(super) struct Content {
    object_key: String,
    size_bytes: i64,
    md5: Option<String>,
    mime: Mime,
    updated_at: Timestamp,
}

impl From<File> for Content {
    fn from(file: File) -> Self {
        let File { object_key, size_bytes, md5, updated_at, name, .. } = file;
        let mime = mime_guess::from_path(&name).first_or_octet_stream();
        Self { object_key, size_bytes, md5, mime, updated_at }
    }
}

/// A file of a version. A reference has no bytes here.
impl TryFrom<EntryFile> for Content {
    type Error = Error;

    fn try_from(entry: EntryFile) -> Result<Self, Error> {
        let EntryFile { id, object_key, size_bytes, md5, stored_at, path, .. } = entry;
        let object_key = object_key.ok_or_else(|| Error::not_found("file", id.to_node_id()))?;
        let mime = mime_guess::from_path(&path).first_or_octet_stream();
        Ok(Self { object_key, size_bytes, md5, mime, updated_at: stored_at.unwrap_or_default() })
    }
}

impl From<(StoredManifest, Blob)> for Content {
    fn from((manifest, blob): (StoredManifest, Blob)) -> Self {
        let Blob { object_key, size_bytes, md5, .. } = blob;
        let mime = mime_guess::mime::APPLICATION_JSON;
        Self { object_key, size_bytes, md5, mime, updated_at: manifest.created_at }
    }
}

impl From<Export> for Content {
    fn from(export: Export) -> Self {
        let Export { object_key, size_bytes, md5, created_at } = export;
        let mime = mime_guess::mime::APPLICATION_OCTET_STREAM;
        Self { object_key, size_bytes, md5, mime, updated_at: created_at }
    }
}

/// How a file is asked for.
#[derive(Debug)]
pub struct Asked {
    method: Method,
    headers: HeaderMap,
}

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self { method: parts.method.clone(), headers: parts.headers.clone() })
    }
}

/// The file, or the one range of it that the request asks for; several ranges at once are answered with the whole.
/// Or the way to the store, which answers all of that itself.
pub(super) async fn respond(state: &AppState, content: &Content, asked: &Asked) -> Result<Response, Problem> {
    let key = ObjectKey::parse(content.object_key.clone()).map_err(Error::internal)?;
    if state.presign == Presign::Auto
        && asked.method == Method::GET
        && let Some(url) =
            state.blobs.presign_get(&key, REDIRECT_LIFETIME).await.map_err(Error::unavailable)?
    {
        let location = HeaderValue::try_from(url.as_str()).map_err(Error::internal)?;
        let headers = [(LOCATION, location), (CACHE_CONTROL, HeaderValue::from_static("no-store"))];
        return Ok((StatusCode::TEMPORARY_REDIRECT, headers).into_response());
    }
    let size = u64::try_from(content.size_bytes).map_err(Error::internal)?;
    let range = match asked.headers.get(RANGE).and_then(|range| range.to_str().ok()) {
        Some(range) => wanted(range, size)?,
        None => None,
    };
    let body = state.blobs.get(&key, range.clone()).await.map_err(|error| match error {
        StorageError::NotFound => Error::internal(format!("object {key} of a stored file is missing")),
        other => Error::unavailable(other),
    })?;
    let (status, length) = match &range {
        Some(range) => (StatusCode::PARTIAL_CONTENT, range.end - range.start),
        None => (StatusCode::OK, size),
    };
    let mut response = Response::builder()
        .status(status)
        .header(ACCEPT_RANGES, "bytes")
        .header(CONTENT_LENGTH, length)
        .header(CONTENT_TYPE, content.mime.as_ref())
        .header(CACHE_CONTROL, "private, no-cache")
        .header(LAST_MODIFIED, content.updated_at.to_http_date());
    if let Some(md5) = &content.md5 {
        response = response.header(ETAG, format!("\"{md5}\""));
    }
    if let Some(range) = range {
        response = response.header(CONTENT_RANGE, format!("bytes {}-{}/{size}", range.start, range.end - 1));
    }
    Ok(response.body(Body::from_stream(body.stream)).map_err(Error::internal)?)
}

fn wanted(range: &str, size: u64) -> Result<Option<std::ops::Range<u64>>, Problem> {
    let unsatisfiable = || {
        let total = HeaderValue::try_from(format!("bytes */{size}")).map_err(Error::internal)?;
        let message = "the file has no such range";
        Err(Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, "RANGE_INVALID", message)
            .header(CONTENT_RANGE, total))
    };
    // A header that is not understood is ignored, as RFC 9110 asks.
    let Ok(parsed) = http_range_header::parse_range_header(range) else { return Ok(None) };
    match parsed.validate(size) {
        Ok(ranges) if ranges.len() == 1 => Ok(Some(*ranges[0].start()..ranges[0].end() + 1)),
        Ok(_) => Ok(None),
        Err(_) => unsatisfiable(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_http_means_them() {
        assert_eq!(wanted("bytes=0-0", 10).unwrap(), Some(0..1));
        assert_eq!(wanted("bytes=4-", 10).unwrap(), Some(4..10));
        assert_eq!(wanted("bytes=-3", 10).unwrap(), Some(7..10));
        assert_eq!(wanted("bytes=0-1,4-5", 10).unwrap(), None);
        assert_eq!(wanted("lines=0-1", 10).unwrap(), None);
        assert_eq!(wanted("bytes=10-", 10).unwrap_err().status(), StatusCode::RANGE_NOT_SATISFIABLE);
    }
}
