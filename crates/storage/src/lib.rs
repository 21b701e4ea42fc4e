//! Bytes: an object store behind typed keys, and URLs that carry their own permission.

mod azure;
mod backend;
mod blob;
mod bucket;
mod digest;
mod error;
#[cfg(any(test, feature = "fault"))]
mod fault;
mod folder;
mod gather;
mod key;
mod memory;
mod multipart;
mod part;
mod presign;
mod receive;
mod signed_url;
#[cfg(any(test, feature = "fault"))]
mod test_s3;
#[cfg(test)]
mod testing;
mod upload;
mod uploads;

pub use blob::{BlobStore, Listed, ObjectBody, PutLimit, Stored};
pub use digest::{ContentDigest, ContentHasher, DigestAlgorithm, DigestError, Md5Digest, Md5Hasher};
pub use error::{BoxError, Cause, Misconfiguration, StorageError};
#[cfg(any(test, feature = "fault"))]
pub use fault::{Fate, Fault, Faults, Watch};
pub use key::{KeyError, ObjectKey};
pub use multipart::{CompletedPart, MOST_PARTS, Part, PartNumber, Unfinished, UploadId, UploadIdError};
pub use presign::Stat;
pub use signed_url::{SealError, TokenError, UrlSigner};
pub use upload::LARGEST_OBJECT;
