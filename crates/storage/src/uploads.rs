use std::fmt;

use chrono::{DateTime, Utc};
use futures_util::stream::BoxStream;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{Error, MultipartId, Result};

/// Uploads whose parts come in requests of their own.
///
/// Where the parts are numbered without gaps, and in order, the store puts them together as they are.
pub(crate) trait Uploads: MultipartStore + fmt::Debug {
    /// Those under `prefix` that nobody has completed or aborted.
    fn unfinished(&self, prefix: &Path) -> BoxStream<'static, Result<Begun>>;
}

/// An upload that is neither completed nor aborted.
#[derive(Clone, Debug)]
pub(crate) struct Begun {
    /// Where its object will be.
    pub(crate) path: Path,
    pub(crate) id: MultipartId,
    /// When it was begun; in a folder, when its last part came.
    pub(crate) active_at: DateTime<Utc>,
}

pub(crate) fn no_such_upload(path: &Path) -> Error {
    Error::NotFound { path: path.to_string(), source: "there is no such upload".into() }
}

/// What S3 says of a part that it was never given.
pub(crate) fn invalid_part(store: &'static str) -> Error {
    Error::Generic { store, source: "InvalidPart".into() }
}

/// Whether the store refuses the parts themselves.
pub(crate) fn is_about_parts(error: &Error) -> bool {
    const CODES: [&str; 4] = ["InvalidPart", "EntityTooSmall", "InvalidBlockList", "InvalidBlobOrBlock"];
    let chain = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    chain.map(ToString::to_string).any(|text| CODES.iter().any(|code| text.contains(code)))
}
