//! API keys: their shape and their hash. Pure.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::clock::Env;
use crate::error::{Error, Result};

/// A key as the client sends it. Never stored, never printed by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// Both client releases accept a key of 40 characters: the older one demands exactly these, the newer at
    /// least these after the first `-`.
    const LENGTH: usize = 40;
    const LONGEST: usize = 512;

    /// A new random key of 160 bits.
    pub fn generate(env: &Env) -> Self {
        Self(hex::encode(env.bytes::<20>()))
    }

    /// Checks a chosen key against the client's own rule, so that no key is made that it would refuse.
    pub fn parse(text: &str) -> Result<Self> {
        let secret = text.split_once('-').map_or(text, |(_, rest)| rest);
        let fits = secret.len() >= Self::LENGTH
            && text.len() <= Self::LONGEST
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if fits {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::invalid(
            "API_KEY_INVALID",
            "api_key",
            format!("a key has at least {} letters, digits, _ or - (after its first -)", Self::LENGTH),
        ))
    }

    /// What is stored of a key: its SHA-256 in hexadecimal. Keys are random, so no salt is needed.
    pub fn hash(text: &str) -> String {
        hex::encode(Sha256::digest(text.as_bytes()))
    }

    /// The part that may be shown.
    pub(crate) fn public_part(&self) -> &str {
        &self.0[..8]
    }

    /// The key itself, to print once.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_the_client_would_refuse_are_refused() {
        let forty = "a".repeat(40);
        for good in [forty.clone(), format!("local-{forty}"), "k_".repeat(43)] {
            assert!(ApiKey::parse(&good).is_ok(), "{good}");
        }
        for bad in ["", "short", &"a".repeat(39), &format!("local-{}", "a".repeat(39)), &format!("{forty}\n")]
        {
            assert_eq!(ApiKey::parse(bad).unwrap_err().code(), "API_KEY_INVALID", "{bad:?}");
        }
    }

    #[test]
    fn a_generated_key_fits_and_hides_itself() {
        let key = ApiKey::generate(&Env::system());
        assert_eq!(key.reveal().len(), 40);
        assert!(ApiKey::parse(key.reveal()).is_ok());
        assert_eq!(format!("{key:?}"), "ApiKey(***)");
    }
}
