use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_128;

use crate::error::StorageError;

/// The MD5 of an object, written in base64 as W&B does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Md5Digest(pub [u8; 16]);

/// The text is not the base64 of sixteen bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a digest is the base64 of sixteen bytes")]
pub struct DigestError;

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
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        decode(text).map(Self)
    }
}

impl TryFrom<String> for Md5Digest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, DigestError> {
        text.parse()
    }
}

impl From<Md5Digest> for String {
    fn from(digest: Md5Digest) -> Self {
        digest.to_string()
    }
}

/// How bytes are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DigestAlgorithm {
    /// MD5.
    Md5,
    /// The 128 bits of `XXH3`, most significant byte first.
    Xxh128,
}

/// What bytes hash to, by one of the algorithms that the client uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ContentDigest {
    algorithm: DigestAlgorithm,
    bytes: [u8; 16],
}

impl ContentDigest {
    /// Reads the base64 of a digest, exactly as [`fmt::Display`] writes it.
    pub fn parse(algorithm: DigestAlgorithm, text: &str) -> Result<Self, DigestError> {
        Ok(Self { algorithm, bytes: decode(text)? })
    }

    /// Reads the hexadecimal digits of a digest.
    pub fn parse_hex(algorithm: DigestAlgorithm, text: &str) -> Result<Self, DigestError> {
        let bytes = hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(DigestError)?;
        Ok(Self { algorithm, bytes })
    }

    /// The digest of `bytes`.
    pub fn of(algorithm: DigestAlgorithm, bytes: &[u8]) -> Self {
        let mut hasher = ContentHasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    /// How the bytes were hashed.
    pub fn algorithm(&self) -> DigestAlgorithm {
        self.algorithm
    }

    /// The digest in lowercase hexadecimal digits.
    pub fn to_hex(&self) -> String {
        hex::encode(self.bytes)
    }
}

impl fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.bytes))
    }
}

impl From<Md5Digest> for ContentDigest {
    fn from(digest: Md5Digest) -> Self {
        Self { algorithm: DigestAlgorithm::Md5, bytes: digest.0 }
    }
}

fn decode(text: &str) -> Result<[u8; 16], DigestError> {
    STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(DigestError)
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

/// Computes a [`ContentDigest`] from bytes that come in pieces.
#[derive(Clone)]
pub struct ContentHasher(ByAlgorithm);

#[derive(Clone)]
enum ByAlgorithm {
    Md5(Md5Hasher),
    Xxh128(Box<XxHash3_128>),
}

impl ContentHasher {
    /// Has seen nothing yet.
    pub fn new(algorithm: DigestAlgorithm) -> Self {
        Self(match algorithm {
            DigestAlgorithm::Md5 => ByAlgorithm::Md5(Md5Hasher::default()),
            DigestAlgorithm::Xxh128 => ByAlgorithm::Xxh128(Box::new(XxHash3_128::new())),
        })
    }

    /// Adds the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            ByAlgorithm::Md5(hasher) => hasher.update(bytes),
            ByAlgorithm::Xxh128(hasher) => hasher.write(bytes),
        }
    }

    /// The digest of all pieces.
    pub fn finish(self) -> ContentDigest {
        match self.0 {
            ByAlgorithm::Md5(hasher) => hasher.finish().into(),
            ByAlgorithm::Xxh128(hasher) => {
                ContentDigest { algorithm: DigestAlgorithm::Xxh128, bytes: hasher.finish_128().to_be_bytes() }
            }
        }
    }
}

impl fmt::Debug for ContentHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContentHasher").finish_non_exhaustive()
    }
}

/// Hashes in one pass by MD5, and by XXH128 where that is asked for.
pub(crate) struct Hasher {
    md5: Md5Hasher,
    xxh128: Option<ContentHasher>,
}

/// What a [`Hasher`] found.
pub(crate) struct Digests {
    pub(crate) md5: Md5Digest,
    xxh128: Option<ContentDigest>,
}

impl Hasher {
    /// Finds out what it takes to check `wanted`.
    pub(crate) fn for_checking(wanted: &[ContentDigest]) -> Self {
        let has_xxh128 = wanted.iter().any(|digest| digest.algorithm == DigestAlgorithm::Xxh128);
        let xxh128 = has_xxh128.then(|| ContentHasher::new(DigestAlgorithm::Xxh128));
        Self { md5: Md5Hasher::default(), xxh128 }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        if let Some(xxh128) = &mut self.xxh128 {
            xxh128.update(bytes);
        }
    }

    pub(crate) fn finish(self) -> Digests {
        Digests { md5: self.md5.finish(), xxh128: self.xxh128.map(ContentHasher::finish) }
    }
}

impl Digests {
    /// Whether the bytes are what was `wanted` of them.
    pub(crate) fn check(&self, wanted: &[ContentDigest]) -> Result<(), StorageError> {
        for &wanted in wanted {
            match self.by(wanted.algorithm) {
                Some(got) if got != wanted => return Err(StorageError::DigestMismatch { wanted, got }),
                _ => {}
            }
        }
        Ok(())
    }

    fn by(&self, algorithm: DigestAlgorithm) -> Option<ContentDigest> {
        match algorithm {
            DigestAlgorithm::Md5 => Some(self.md5.into()),
            DigestAlgorithm::Xxh128 => self.xxh128,
        }
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
    fn hashes_as_the_client_does() {
        let long: Vec<u8> = (0..=250).cycle().take(3 * 1024 * 1024 + 7).collect();
        for (bytes, md5, xxh128) in [
            (&b""[..], "1B2M2Y8AsgTpgAmY7PhCfg==", "maoG0wFHmNhgAcMkRo1Jfw=="),
            (b"hello", "XUFAKrxLKna5cZ2REBfFkg==", "tenBrQcbPn/Hec+qXlI4GA=="),
            (&[b'a'; 300], "TlR10SWjPGGQcY51rcG3BA==", "XlY/LLKNIAXB0XWB2Ot+IQ=="),
            (&long, "YqIsskWkz9saioulebLzig==", "b8ouwOPl9Dhiy5TDa4oljw=="),
        ] {
            for (algorithm, text) in [(DigestAlgorithm::Md5, md5), (DigestAlgorithm::Xxh128, xxh128)] {
                let digest = ContentDigest::of(algorithm, bytes);
                assert_eq!(digest.to_string(), text, "{} bytes by {algorithm:?}", bytes.len());
                assert_eq!(ContentDigest::parse(algorithm, text), Ok(digest));
            }
        }
    }

    #[test]
    fn hex_names_the_same_bytes() {
        let digest = ContentDigest::of(DigestAlgorithm::Xxh128, b"hello");
        assert_eq!(digest.to_hex(), "b5e9c1ad071b3e7fc779cfaa5e523818");
        assert_eq!(ContentDigest::parse_hex(DigestAlgorithm::Xxh128, &digest.to_hex()), Ok(digest));
        for text in ["", "b5e9", "tenBrQcbPn/Hec+qXlI4GA=="] {
            assert_eq!(ContentDigest::parse_hex(DigestAlgorithm::Xxh128, text), Err(DigestError), "{text:?}");
        }
    }

    #[test]
    fn pieces_hash_like_the_whole() {
        let bytes = b"hello".repeat(10_000);
        let whole = [DigestAlgorithm::Md5, DigestAlgorithm::Xxh128].map(|a| ContentDigest::of(a, &bytes));
        let mut hasher = Hasher::for_checking(&whole);
        for piece in [&bytes[..7], &[], &bytes[7..3000], &bytes[3000..]] {
            hasher.update(piece);
        }
        let digests = hasher.finish();
        assert_eq!(whole.map(|digest| digests.by(digest.algorithm())), whole.map(Some));
    }

    #[test]
    fn refuses_other_lengths_and_alphabets() {
        for text in [
            "",
            "XUFA",
            "5d41402abc4b2a76b9719d911017c592",
            "XUFAKrxLKna5cZ2REBfFkg",
            "XUFAKrxLKna5cZ2REBfFkh==",
            " XUFAKrxLKna5cZ2REBfFkg==",
            "tenBrQcbPn_Hec-qXlI4GA==",
        ] {
            assert_eq!(text.parse::<Md5Digest>(), Err(DigestError), "{text:?}");
            assert_eq!(ContentDigest::parse(DigestAlgorithm::Xxh128, text), Err(DigestError), "{text:?}");
        }
    }
}
