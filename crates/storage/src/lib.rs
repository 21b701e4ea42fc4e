//! Bytes: an object store behind typed keys, and URLs that carry their own permission.

mod backend;
mod blob;
mod digest;
mod error;
#[cfg(any(test, feature = "fault"))]
mod fault;
mod folder;
mod key;
mod signed_url;
mod upload;

pub use blob::{BlobStore, Listed, ObjectBody, PutLimit, Stored};
pub use digest::{Md5Digest, Md5Error, Md5Hasher};
pub use error::{BoxError, Cause, Misconfiguration, StorageError};
#[cfg(any(test, feature = "fault"))]
pub use fault::{Fault, Faults, FaultyStore};
pub use key::{KeyError, ObjectKey};
pub use signed_url::{SealError, TokenError, UrlSigner};
pub use upload::LARGEST_OBJECT;
