use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::digest::ContentDigest;

/// The error of a body handed to the store.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// What lies under a [`StorageError`]; shared, because one refused request can fail a thousand keys.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// Why the store did not do it, sorted by what the caller can do.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StorageError {
    /// There is no object under the key.
    #[error("no such object")]
    NotFound,
    /// There is no such upload: completed, aborted, or never begun.
    #[error("no such upload")]
    NoSuchUpload,
    /// The parts are not those that the store was given, or not all of them.
    #[error("the parts do not make up an object")]
    InvalidParts,
    /// A part other than the last is smaller than the store takes.
    #[error("a part other than the last has at least {least} bytes")]
    PartTooSmall {
        /// The size that would have been accepted.
        least: u64,
    },
    /// The body is larger than allowed.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The size that would have been accepted.
        limit: u64,
    },
    /// The body has not the size that was announced.
    #[error("{expected} bytes were announced, {got} came")]
    LengthMismatch {
        /// The announced size.
        expected: u64,
        /// What came until the upload was given up.
        got: u64,
    },
    /// The bytes are not those that were announced.
    #[error("the bytes have the digest {got}, not {wanted}")]
    DigestMismatch {
        /// What they should hash to.
        wanted: ContentDigest,
        /// What they hash to, by the same algorithm.
        got: ContentDigest,
    },
    /// The stream of the body broke.
    #[error("the body broke off")]
    Body(#[source] Cause),
    /// The disk is full or the quota used up.
    #[error("the object store is full")]
    OutOfSpace(#[source] Cause),
    /// The wanted range holds no byte of the object.
    #[error("the range lies outside the {size_bytes} bytes of the object")]
    InvalidRange {
        /// The size of the object.
        size_bytes: u64,
    },
    /// The store does not answer as it should; a later try may pass.
    #[error("the object store is unavailable")]
    Unavailable(#[source] Cause),
    /// Only the operator can help.
    #[error("the object store is misconfigured")]
    Misconfigured(#[source] Misconfiguration),
}

/// What an operator has to put right.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Misconfiguration {
    /// The setting is not a URL.
    #[error("its address is not a url")]
    Url(#[from] url::ParseError),
    /// A URL of something else.
    #[error("a `{0}` url is not supported, use `file`, `s3`, `gs`, `az` or `memory`")]
    Scheme(String),
    /// `file://` with a host or without a path.
    #[error("a `file` url names an absolute folder, as in `file:///var/lib/counterweight`")]
    NotAFolder,
    /// `s3://` and the like without a bucket.
    #[error("the url names a bucket, as in `s3://bucket/prefix`")]
    NoBucket,
    /// The folder can be neither used nor made.
    #[error("cannot use the folder {path}", path = .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// The store knows us and says no: credentials, rights, a bucket that does not exist.
    #[error("the store refuses the request")]
    Refused(#[source] Cause),
}

impl StorageError {
    /// For writes, where "not found" speaks of the bucket, not of the object.
    pub(crate) fn of_write(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => refused(error),
            _ => error.into(),
        }
    }
}

impl From<object_store::Error> for StorageError {
    fn from(error: object_store::Error) -> Self {
        use object_store::Error::{
            NotFound, NotImplemented, NotSupported, PermissionDenied, Unauthenticated,
            UnknownConfigurationKey,
        };
        match error {
            NotFound { .. } => Self::NotFound,
            PermissionDenied { .. }
            | Unauthenticated { .. }
            | UnknownConfigurationKey { .. }
            | NotSupported { .. }
            | NotImplemented { .. } => refused(error),
            _ => match io_kind(&error) {
                Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                    Self::OutOfSpace(Arc::new(error))
                }
                Some(io::ErrorKind::PermissionDenied) => refused(error),
                _ => Self::Unavailable(Arc::new(error)),
            },
        }
    }
}

impl From<Misconfiguration> for StorageError {
    fn from(error: Misconfiguration) -> Self {
        Self::Misconfigured(error)
    }
}

fn refused(error: object_store::Error) -> StorageError {
    Misconfiguration::Refused(Arc::new(error)).into()
}

/// The kind of the first input/output error in the chain of sources.
fn io_kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    std::iter::successors(Some(error), |&error| error.source())
        .find_map(|error| error.downcast_ref::<io::Error>())
        .map(io::Error::kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store_error(kind: io::ErrorKind) -> StorageError {
        let source = Box::new(io::Error::from(kind));
        object_store::Error::Generic { store: "test", source }.into()
    }

    #[test]
    fn a_full_disk_is_told_from_a_failing_one() {
        assert!(matches!(store_error(io::ErrorKind::StorageFull), StorageError::OutOfSpace(_)));
        assert!(matches!(store_error(io::ErrorKind::QuotaExceeded), StorageError::OutOfSpace(_)));
        assert!(matches!(store_error(io::ErrorKind::ConnectionReset), StorageError::Unavailable(_)));
        assert!(matches!(
            store_error(io::ErrorKind::PermissionDenied),
            StorageError::Misconfigured(Misconfiguration::Refused(_))
        ));
    }

    #[test]
    fn keeps_the_source() {
        let error = store_error(io::ErrorKind::StorageFull);
        assert!(error.source().and_then(Error::source).is_some());
    }
}
