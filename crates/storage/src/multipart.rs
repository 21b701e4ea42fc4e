use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use chrono::DateTime;
use futures_util::stream::{BoxStream, Stream, StreamExt as _, TryStreamExt as _};
use object_store::multipart::PartId;
use object_store::{Error, MultipartId};
use serde::{Deserialize, Serialize};

use crate::blob::{BlobStore, PutLimit, patiently, within_patience};
use crate::digest::{ContentDigest, Md5Digest};
use crate::error::{BoxError, StorageError};
use crate::key::ObjectKey;
use crate::part::{PartUpload, Pieces};
use crate::receive::receive;
use crate::uploads::is_about_parts;

/// How many parts an upload may have: as many as S3 takes.
pub const MOST_PARTS: u32 = 10_000;
/// How long a store may take to put parts together.
const COMPLETION_PATIENCE: Duration = Duration::from_mins(30);

/// What the longest name of an upload may have.
const MAX_ID_BYTES: usize = 1024;

/// Names an upload that has begun. The store's own text, good together with the key of the object only.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UploadId(MultipartId);

/// The text names no upload of any store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an upload is named by at most {MAX_ID_BYTES} visible characters")]
pub struct UploadIdError;

/// Which part of how many, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PartNumber {
    number: u32,
    of: u32,
}

/// What the store has taken of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What the client has to say again at the end: names the bytes, and where the store has them.
    pub etag: String,
    /// The size of the part.
    pub size_bytes: u64,
    /// The MD5 of the part.
    pub md5: Md5Digest,
}

/// A part, as the client names it at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletedPart {
    /// Counted from 1.
    pub number: u32,
    /// What [`Part::etag`] was.
    pub etag: String,
}

/// An upload that is neither completed nor aborted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// Where its object will be.
    pub key: ObjectKey,
    /// Its name.
    pub upload: UploadId,
}

impl UploadId {
    /// Checks `text`, for which every store has an answer then, and keeps it as it is.
    pub fn parse(text: impl Into<String>) -> Result<Self, UploadIdError> {
        let text = text.into();
        let is_name = (1..=MAX_ID_BYTES).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if is_name { Ok(Self(text)) } else { Err(UploadIdError) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for UploadId {
    type Error = UploadIdError;

    fn try_from(text: String) -> Result<Self, UploadIdError> {
        Self::parse(text)
    }
}

impl From<UploadId> for String {
    fn from(id: UploadId) -> Self {
        id.0
    }
}

impl PartNumber {
    /// Part `number` of `of`, if there can be such a one.
    pub fn new(number: u32, of: u32) -> Option<Self> {
        ((1..=of).contains(&number) && of <= MOST_PARTS).then_some(Self { number, of })
    }

    /// Which one, counted from 1.
    pub fn number(self) -> u32 {
        self.number
    }

    /// How many there are.
    pub fn of(self) -> u32 {
        self.of
    }
}

impl BlobStore {
    /// Begins an object whose parts come in requests of their own.
    pub async fn begin_multipart(&self, key: &ObjectKey) -> Result<UploadId, StorageError> {
        let begun = within_patience(self.backend.uploads.create_multipart(&self.path(key))).await?;
        begun.map(UploadId).map_err(StorageError::of_write)
    }

    /// Streams one part into the store: exactly `size_bytes`, which hash to each of `digests`.
    ///
    /// Parts come in any order, also at the same time; one that comes again replaces the one that came before. A store
    /// that puts limits on parts takes only the last one smaller than 100 MiB.
    pub async fn put_part(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        part: PartNumber,
        body: impl Stream<Item = Result<Bytes, BoxError>> + Send,
        size_bytes: u64,
        digests: &[ContentDigest],
    ) -> Result<Part, StorageError> {
        let pieces = Pieces::of(part, size_bytes, self.backend.parts.are_bounded)?;
        let (room, uploads) = (self.room.clone(), Arc::clone(&self.backend.uploads));
        let mut pieces = PartUpload::new(room, uploads, self.path(key), upload.0.clone(), pieces);
        let limit = PutLimit { max_bytes: size_bytes, expected_bytes: Some(size_bytes) };
        let stored = receive(&mut pieces, body, limit, digests).await?;
        let etag = etag(stored.md5, &pieces.finish().await?);
        Ok(Part { etag, size_bytes, md5: stored.md5 })
    }

    /// Puts the parts together and answers the size of the object, which is there whole and for good then.
    ///
    /// Goes on when its caller goes away. Asked again afterwards it answers the same.
    pub async fn complete_multipart(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        parts: &[CompletedPart],
    ) -> Result<u64, StorageError> {
        let parts = in_order(parts)?;
        let (uploads, path, id) = (Arc::clone(&self.backend.uploads), self.path(key), upload.0.clone());
        let completion = tokio::spawn(async move {
            let completion = uploads.complete_multipart(&path, &id, parts);
            tokio::time::timeout(COMPLETION_PATIENCE, completion).await
        });
        let completed = completion.await.map_err(Error::from)?;
        let error = match completed.map_err(|error| StorageError::Unavailable(Arc::new(error)))? {
            Ok(_) => return self.head(key).await,
            Err(error) if is_about_parts(&error) => return Err(StorageError::InvalidParts),
            Err(error) => error,
        };
        // Somebody else may have completed it, or the answer alone was lost: no other upload has this key.
        self.head(key).await.map_err(|_| of_upload(error.into()))
    }

    /// Forgets an upload and its parts. One that is not there is a success.
    pub async fn abort_multipart(&self, key: &ObjectKey, upload: &UploadId) -> Result<(), StorageError> {
        match within_patience(self.backend.uploads.abort_multipart(&self.path(key), &upload.0)).await? {
            Err(Error::NotFound { .. }) => Ok(()),
            aborted => aborted.map_err(StorageError::from),
        }
    }

    /// Every upload with parts that nobody has completed or aborted and that began before that moment (microseconds
    /// since the epoch): also what is left of a [`BlobStore::put_stream`] whose process was killed, except in a folder,
    /// where it goes when its key is deleted.
    ///
    /// Azure forgets such parts by itself after a week, and lists none.
    pub fn list_unfinished(&self, begun_before: i64) -> BoxStream<'static, Result<Unfinished, StorageError>> {
        let blobs = self.clone();
        let moment = DateTime::from_timestamp_micros(begun_before);
        patiently(self.backend.uploads.unfinished(&self.backend.prefix))
            .try_filter_map(move |begun| {
                let is_due = moment.is_some_and(|moment| begun.active_at < moment);
                let key = if is_due { blobs.key(&begun.path) } else { None };
                std::future::ready(Ok(key.map(|key| Unfinished { key, upload: UploadId(begun.id) })))
            })
            .boxed()
    }
}

/// Where an upload is asked for, nothing else can be missing.
pub(crate) fn of_upload(error: StorageError) -> StorageError {
    if matches!(error, StorageError::NotFound) { StorageError::NoSuchUpload } else { error }
}

fn etag(md5: Md5Digest, ids: &[PartId]) -> String {
    let ids: Vec<&str> = ids.iter().map(|id| id.content_id.as_str()).collect();
    format!("\"{}-{}\"", hex::encode(md5.0), URL_SAFE_NO_PAD.encode(ids.join("\n")))
}

fn pieces_of(etag: &str) -> Option<Vec<PartId>> {
    let (_, ids) = etag.trim_matches('"').split_once('-')?;
    let ids = String::from_utf8(URL_SAFE_NO_PAD.decode(ids).ok()?).ok()?;
    Some(ids.split('\n').map(|id| PartId { content_id: id.to_owned() }).collect())
}

/// What the store calls the parts, if each of them is there once.
fn in_order(parts: &[CompletedPart]) -> Result<Vec<PartId>, StorageError> {
    let mut parts: Vec<&CompletedPart> = parts.iter().collect();
    parts.sort_by_key(|part| part.number);
    let has_each = parts.iter().map(|part| part.number).eq(1..=u32::try_from(parts.len()).unwrap_or(0));
    let pieces = parts.iter().map(|part| pieces_of(&part.etag)).collect::<Option<Vec<_>>>();
    match pieces {
        Some(pieces) if has_each && !pieces.is_empty() => Ok(pieces.concat()),
        _ => Err(StorageError::InvalidParts),
    }
}

#[cfg(test)]
mod tests;
