use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const MAX_BYTES: usize = 512;

/// Where an object lives inside the store: a relative path that means the same on every backend.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectKey(String);

/// Why a text is not an [`ObjectKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Longer than every backend takes.
    #[error("an object key has at most {MAX_BYTES} bytes, this one has {0}")]
    TooLong(usize),
    /// Nothing between two slashes, or at an end.
    #[error("an object key has no empty segment")]
    EmptySegment,
    /// `.` or `..`, which a file system reads as another folder.
    #[error("an object key has no `.` or `..` segment")]
    DotSegment,
    /// Outside `[a-z0-9_./-]`.
    #[error("an object key cannot hold {0:?}")]
    Character(char),
}

impl ObjectKey {
    /// Checks `text` and keeps it as it is.
    pub fn parse(text: impl Into<String>) -> Result<Self, KeyError> {
        let text = text.into();
        if text.len() > MAX_BYTES {
            return Err(KeyError::TooLong(text.len()));
        }
        for segment in text.split('/') {
            match segment {
                "" => return Err(KeyError::EmptySegment),
                "." | ".." => return Err(KeyError::DotSegment),
                _ => {}
            }
            let is_foreign = |c: &char| !matches!(c, 'a'..='z' | '0'..='9' | '_' | '.' | '-');
            if let Some(c) = segment.chars().find(is_foreign) {
                return Err(KeyError::Character(c));
            }
        }
        Ok(Self(text))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for ObjectKey {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for ObjectKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for ObjectKey {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        Self::parse(text)
    }
}

impl From<ObjectKey> for String {
    fn from(key: ObjectKey) -> Self {
        key.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_plain_relative_paths() {
        for text in ["a", "runs/12/files/0f-9_a.bin", "...", "a/.b", &"x".repeat(MAX_BYTES)] {
            assert_eq!(ObjectKey::parse(text).map(String::from).as_deref(), Ok(text));
        }
    }

    #[test]
    fn refuses_what_a_backend_could_read_differently() {
        let long = "x".repeat(MAX_BYTES + 1);
        let table = [
            ("", KeyError::EmptySegment),
            ("/etc/passwd", KeyError::EmptySegment),
            ("a//b", KeyError::EmptySegment),
            ("a/", KeyError::EmptySegment),
            (".", KeyError::DotSegment),
            ("a/../b", KeyError::DotSegment),
            ("a/.", KeyError::DotSegment),
            ("A", KeyError::Character('A')),
            ("a b", KeyError::Character(' ')),
            ("a#1", KeyError::Character('#')),
            ("a%2f", KeyError::Character('%')),
            ("a\\b", KeyError::Character('\\')),
            ("a\0", KeyError::Character('\0')),
            ("é", KeyError::Character('é')),
            (long.as_str(), KeyError::TooLong(MAX_BYTES + 1)),
        ];
        for (text, error) in table {
            assert_eq!(ObjectKey::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn is_checked_again_when_read_from_json() {
        let key = ObjectKey::parse("a/b").unwrap();
        assert_eq!(serde_json::to_string(&key).unwrap(), r#""a/b""#);
        assert_eq!(serde_json::from_str::<ObjectKey>(r#""a/b""#).unwrap(), key);
        assert!(serde_json::from_str::<ObjectKey>(r#""../b""#).is_err());
    }
}
