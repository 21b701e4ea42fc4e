//! `/objects/{token}`: bytes in and out for whoever holds a signed URL (protocol reference 4.3, 4.4).

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, ETAG};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use counterweight_domain::artifact::{self, PartTarget};
use counterweight_domain::blob;
use counterweight_domain::file::{self, FileName, Grant};
use counterweight_domain::history;
use counterweight_domain::id::{BlobId, UploadId};
use counterweight_domain::{Error, Result};
use counterweight_storage::{
    BoxError, ContentDigest, DigestAlgorithm, LARGEST_OBJECT, ObjectKey, PutLimit, StorageError, Stored,
    TokenError,
};
use futures_util::TryStreamExt as _;
use futures_util::stream;
use tokio::time::timeout;

use super::download::{self, Asked};
use crate::path::Path;
use crate::problem::Problem;
use crate::state::AppState;

/// How long a body may be silent.
const PATIENCE: Duration = Duration::from_mins(1);

fn open(state: &AppState, token: &str) -> Result<Grant, Problem> {
    state.signer.open(token, state.db.now().0).map_err(|error| {
        let (code, message) = match error {
            TokenError::Expired => ("URL_EXPIRED", "this URL has expired; ask for a new one"),
            TokenError::Forged | TokenError::Malformed => {
                ("URL_INVALID", "this URL was not made by this server")
            }
        };
        // On 403 the client gives up on an artifact's URL and asks for a new one; on a run's file it gives up.
        Problem::new(StatusCode::FORBIDDEN, code, message)
    })
}

fn wrong_use() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "URL_INVALID", "this URL is for something else")
}

/// Gives out a file.
pub async fn get(
    State(state): State<AppState>,
    Path(token): Path<String>,
    asked: Asked,
) -> Result<Response, Problem> {
    let content = match open(&state, &token)? {
        Grant::Download { file_id } => file::get(&state.db, file_id).await?.into(),
        Grant::History { segment_id } => history::get_export(&state.db, segment_id).await?.into(),
        Grant::ArtifactFile { entry_id } => artifact::entry_content(&state.db, entry_id).await?.try_into()?,
        Grant::Manifest { manifest_id } => artifact::manifest_content(&state.db, manifest_id).await?.into(),
        Grant::Upload { .. }
        | Grant::UploadArtifactFile { .. }
        | Grant::UploadPart { .. }
        | Grant::UploadManifest { .. } => {
            return Err(wrong_use());
        }
    };
    download::respond(&state, &content, &asked).await
}

/// Takes in a file. It appears, or replaces what had its name, once all bytes are durable.
pub async fn put(
    State(state): State<AppState>,
    Path(token): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let grant = open(&state, &token)?;
    let (parts, body) = request.into_parts();
    if let Grant::UploadPart { upload_id, number } = grant {
        return put_part(&state, upload_id, number, &parts.headers, body).await;
    }
    let (expected_bytes, mut digests) = (announced(&parts.headers)?, announced_md5(&parts.headers)?);
    let upload = begin(&state, &grant).await?;
    digests.extend(&upload.digests);
    let limit = PutLimit { max_bytes: upload.max_bytes, expected_bytes };
    let stored =
        state.blobs.put_checked(&upload.key, chunks(body), limit, &digests).await.map_err(refused)?;
    let finished = finish(&state, &grant, &upload, stored).await;
    if finished.is_err() {
        blob::discard_late(&state.db, &state.blobs, upload.blob_id, upload.key).await;
    }
    finished?;
    let etag = HeaderValue::try_from(format!("\"{}\"", stored.md5)).map_err(Error::internal)?;
    Ok((StatusCode::OK, [(ETAG, etag)]).into_response())
}

/// Takes in one part of a file, whose length must be known.
async fn put_part(
    state: &AppState,
    upload_id: UploadId,
    number: u32,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (size_bytes, mut digests) = (announced(headers)?, announced_md5(headers)?);
    let size_bytes = size_bytes.ok_or_else(|| {
        Problem::new(StatusCode::LENGTH_REQUIRED, "LENGTH_REQUIRED", "a part comes with its Content-Length")
    })?;
    let PartTarget { key, upload, part, md5 } = artifact::begin_part(&state.db, upload_id, number).await?;
    digests.push(md5.into());
    let stored = state.blobs.put_part(&key, &upload, part, chunks(body), size_bytes, &digests).await;
    let etag = HeaderValue::try_from(stored.map_err(refused)?.etag).map_err(Error::internal)?;
    Ok((StatusCode::OK, [(ETAG, etag)]).into_response())
}

/// Bytes on their way in.
struct Upload {
    blob_id: BlobId,
    key: ObjectKey,
    /// What they must hash to.
    digests: Vec<ContentDigest>,
    max_bytes: u64,
}

async fn begin(state: &AppState, grant: &Grant) -> Result<Upload, Problem> {
    let upload = |(blob_id, key), digests, max_bytes| Upload { blob_id, key, digests, max_bytes };
    match grant {
        Grant::Upload { run_id, name } => {
            FileName::parse("name", name)?;
            Ok(upload(file::begin_upload(&state.db, *run_id).await?, Vec::new(), LARGEST_OBJECT))
        }
        Grant::UploadArtifactFile { upload_id } => {
            let (blob_id, key, digests) = artifact::begin_upload(&state.db, *upload_id).await?;
            Ok(upload((blob_id, key), digests, LARGEST_OBJECT))
        }
        Grant::UploadManifest { manifest_id } => {
            let (blob_id, key, digests) = artifact::begin_manifest_upload(&state.db, *manifest_id).await?;
            Ok(upload((blob_id, key), digests, artifact::MOST_MANIFEST_BYTES))
        }
        Grant::Download { .. }
        | Grant::History { .. }
        | Grant::ArtifactFile { .. }
        | Grant::Manifest { .. }
        | Grant::UploadPart { .. } => Err(wrong_use()),
    }
}

async fn finish(state: &AppState, grant: &Grant, upload: &Upload, stored: Stored) -> Result<()> {
    let (db, blob_id, Stored { size_bytes, md5 }) = (&state.db, upload.blob_id, stored);
    match grant {
        Grant::Upload { run_id, name } => {
            let name = FileName::parse("name", name)?;
            file::finish_upload(db, *run_id, &name, blob_id, size_bytes, md5).await
        }
        Grant::UploadArtifactFile { upload_id } => {
            artifact::finish_upload(db, *upload_id, blob_id, size_bytes, Some(md5)).await
        }
        Grant::UploadManifest { manifest_id } => {
            artifact::finish_manifest_upload(db, *manifest_id, blob_id, size_bytes, md5).await
        }
        _ => Err(Error::internal("an upload that was not begun")),
    }
}

/// A body that is silent for too long has broken off: it must not keep the memory that it shares with others.
fn chunks(body: Body) -> impl futures_util::Stream<Item = Result<bytes::Bytes, BoxError>> + Send {
    stream::try_unfold(body.into_data_stream(), async |mut body| {
        let next = timeout(PATIENCE, body.try_next()).await??;
        Ok(next.map(|bytes| (bytes, body)))
    })
}

fn announced(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(length) = headers.get(CONTENT_LENGTH) else { return Ok(None) };
    let length = length.to_str().ok().and_then(|length| length.parse().ok());
    length.map(Some).ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, "LENGTH_INVALID", "Content-Length is not a number of bytes")
    })
}

fn announced_md5(headers: &HeaderMap) -> Result<Vec<ContentDigest>, Problem> {
    let Some(digest) = headers.get("content-md5") else { return Ok(Vec::new()) };
    let digest = digest.to_str().ok().and_then(|md5| ContentDigest::parse(DigestAlgorithm::Md5, md5).ok());
    digest.map(|digest| vec![digest]).ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", "Content-MD5 is not the base64 of an MD5")
    })
}

/// What went wrong between the client and the store, by who can do something about it.
pub(super) fn refused(error: StorageError) -> Problem {
    match error {
        StorageError::TooLarge { limit } => {
            let message = format!("the file is larger than {} GiB", limit >> 30);
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "FILE_TOO_LARGE", message)
        }
        StorageError::LengthMismatch { expected, got } => {
            let message = format!("{got} bytes arrived where {expected} were announced");
            Problem::new(StatusCode::BAD_REQUEST, "LENGTH_MISMATCH", message)
        }
        StorageError::DigestMismatch { got, .. } => {
            let message = format!("the bytes that arrived have the digest {got}, another was announced");
            Problem::new(StatusCode::BAD_REQUEST, "DIGEST_MISMATCH", message)
        }
        StorageError::Body(_) => {
            Problem::new(StatusCode::REQUEST_TIMEOUT, "BODY_INCOMPLETE", "the body broke off")
        }
        StorageError::OutOfSpace(_) => {
            let message = "the server's storage is full; the upload is tried again later";
            Problem::new(StatusCode::INSUFFICIENT_STORAGE, "STORAGE_FULL", message)
        }
        StorageError::InvalidParts => {
            let message = "the store does not take a part of this size at this place";
            Problem::new(StatusCode::BAD_REQUEST, "PARTS_INVALID", message)
        }
        StorageError::NoSuchUpload => Error::not_found("upload", "in parts").into(),
        other => Error::unavailable(other).into(),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::StreamExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_falls_silent_breaks_off() {
        let said = stream::iter([Ok::<_, BoxError>(Bytes::from_static(b"said"))]);
        let mut body = Box::pin(chunks(Body::from_stream(said.chain(stream::pending()))));
        assert_eq!(body.try_next().await.unwrap().unwrap(), "said");
        body.try_next().await.unwrap_err();
    }
}
