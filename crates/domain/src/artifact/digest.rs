//! What content is, by its digest. Pure.

use std::fmt;
use std::str::FromStr;

use counterweight_storage::Md5Digest;
use sea_orm::DeriveValueType;

use super::DigestAlgorithm;
use crate::error::{Error, Result};

/// What a file's bytes are: an algorithm, and the digest that it made of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, DeriveValueType)]
#[sea_orm(value_type = "String")]
pub struct ContentDigest {
    algorithm: DigestAlgorithm,
    /// Both algorithms make sixteen bytes, and W&B writes both in base64.
    bytes: Md5Digest,
}

impl ContentDigest {
    /// Reads base64; `field` says where it stood.
    pub fn parse(algorithm: DigestAlgorithm, base64: &str, field: &str) -> Result<Self> {
        let bytes = base64.parse();
        let bytes = bytes.map_err(|_| {
            Error::invalid("DIGEST_INVALID", field, "a file's digest is the base64 of sixteen bytes")
        })?;
        Ok(Self { algorithm, bytes })
    }

    /// Reads hex, as URLs have it.
    pub fn from_hex(algorithm: DigestAlgorithm, hex: &str) -> Option<Self> {
        let bytes = hex::decode(hex).ok()?.try_into().ok()?;
        Some(Self { algorithm, bytes: Md5Digest(bytes) })
    }

    /// How it was made.
    pub fn algorithm(self) -> DigestAlgorithm {
        self.algorithm
    }

    /// The digest in base64.
    pub fn base64(self) -> String {
        self.bytes.to_string()
    }

    /// The sixteen bytes, for where they are those of an MD5.
    pub fn md5(self) -> Md5Digest {
        self.bytes
    }
}

const MD5: &str = "md5:";
const XXH128: &str = "xxh128:";

/// As the database has it.
impl fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match self.algorithm {
            DigestAlgorithm::Md5 => MD5,
            DigestAlgorithm::Xxh128 => XXH128,
        };
        write!(f, "{prefix}{}", self.bytes)
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
