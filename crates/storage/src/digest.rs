use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};

/// The MD5 of an object, written in base64 as W&B does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Md5Digest(pub [u8; 16]);

/// The text is not the base64 of sixteen bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an md5 digest is the base64 of sixteen bytes")]
pub struct Md5Error;

impl Md5Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Md5::digest(bytes).into())
    }
}

impl fmt::Display for Md5Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl FromStr for Md5Digest {
    type Err = Md5Error;

    fn from_str(text: &str) -> Result<Self, Md5Error> {
        let bytes = STANDARD.decode(text).map_err(|_| Md5Error)?;
        bytes.try_into().map(Self).map_err(|_| Md5Error)
    }
}

impl TryFrom<String> for Md5Digest {
    type Error = Md5Error;

    fn try_from(text: String) -> Result<Self, Md5Error> {
        text.parse()
    }
}

impl From<Md5Digest> for String {
    fn from(digest: Md5Digest) -> Self {
        digest.to_string()
    }
}

/// Computes an [`Md5Digest`] from bytes that come in pieces.
#[derive(Clone, Debug, Default)]
pub struct Md5Hasher(Md5);

impl Md5Hasher {
    /// Adds the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all pieces.
    pub fn finish(self) -> Md5Digest {
        Md5Digest(self.0.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_the_clients_form() {
        let digest = Md5Digest::of(b"hello");
        assert_eq!(digest.to_string(), "XUFAKrxLKna5cZ2REBfFkg==");
        assert_eq!("XUFAKrxLKna5cZ2REBfFkg==".parse(), Ok(digest));
    }

    #[test]
    fn pieces_hash_like_the_whole() {
        let mut hasher = Md5Hasher::default();
        hasher.update(b"he");
        hasher.update(b"");
        hasher.update(b"llo");
        assert_eq!(hasher.finish(), Md5Digest::of(b"hello"));
    }

    #[test]
    fn refuses_other_lengths_and_alphabets() {
        for text in ["", "XUFA", "5d41402abc4b2a76b9719d911017c592", "XUFAKrxLKna5cZ2REBfFkg"] {
            assert_eq!(text.parse::<Md5Digest>(), Err(Md5Error), "{text:?}");
        }
    }
}
