//! What content is, by its digest. Pure.

use std::fmt;
use std::str::FromStr;

use counterweight_storage as storage;
use sea_orm::DeriveValueType;

use super::DigestAlgorithm;
use crate::error::{Error, Result};

/// What a file's bytes are: an algorithm, and the digest that it made of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, DeriveValueType)]
#[sea_orm(value_type = "String")]
pub struct ContentDigest(storage::ContentDigest);

impl ContentDigest {
    /// Reads base64; `field` says where it stood.
    pub fn parse(algorithm: DigestAlgorithm, base64: &str, field: &str) -> Result<Self> {
        let digest = storage::ContentDigest::parse(algorithm.into(), base64);
        digest.map(Self).map_err(|_| {
            Error::invalid("DIGEST_INVALID", field, "a file's digest is the base64 of sixteen bytes")
        })
    }

    /// Reads hex, as URLs have it.
    pub fn from_hex(algorithm: DigestAlgorithm, hex: &str) -> Option<Self> {
        storage::ContentDigest::parse_hex(algorithm.into(), hex).ok().map(Self)
    }

    /// The digest in base64.
    pub fn base64(self) -> String {
        self.0.to_string()
    }

    /// As the store checks it.
    pub fn stored(self) -> storage::ContentDigest {
        self.0
    }
}

impl From<DigestAlgorithm> for storage::DigestAlgorithm {
    fn from(algorithm: DigestAlgorithm) -> Self {
        match algorithm {
            DigestAlgorithm::Md5 => Self::Md5,
            DigestAlgorithm::Xxh128 => Self::Xxh128,
        }
    }
}

const MD5: &str = "md5:";
const XXH128: &str = "xxh128:";

/// As the database has it.
impl fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match self.0.algorithm() {
            storage::DigestAlgorithm::Md5 => MD5,
            storage::DigestAlgorithm::Xxh128 => XXH128,
        };
        write!(f, "{prefix}{}", self.0)
    }
}

impl FromStr for ContentDigest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Some(base64) = text.strip_prefix(MD5) {
            Self::parse(DigestAlgorithm::Md5, base64, "digest")
        } else {
            let base64 = text.strip_prefix(XXH128).unwrap_or_default();
            Self::parse(DigestAlgorithm::Xxh128, base64, "digest")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_back_with_its_algorithm() {
        for (algorithm, stored) in [
            (DigestAlgorithm::Md5, "md5:XUFAKrxLKna5cZ2REBfFkg=="),
            (DigestAlgorithm::Xxh128, "xxh128:XUFAKrxLKna5cZ2REBfFkg=="),
        ] {
            let digest = ContentDigest::parse(algorithm, "XUFAKrxLKna5cZ2REBfFkg==", "d").unwrap();
            assert_eq!(digest.to_string(), stored);
            assert_eq!(stored.parse::<ContentDigest>().unwrap(), digest);
            assert_eq!(ContentDigest::from_hex(algorithm, "5d41402abc4b2a76b9719d911017c592"), Some(digest));
        }
        for bad in ["", "XUFAKrxLKna5cZ2REBfFkg", "not base64", "QUFB"] {
            let refused = ContentDigest::parse(DigestAlgorithm::Md5, bad, "files[0].digest").unwrap_err();
            assert_eq!(refused.code(), "DIGEST_INVALID", "{bad:?}");
        }
    }
}
