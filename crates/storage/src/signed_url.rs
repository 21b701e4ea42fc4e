use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

const VERSION: u8 = 1;
const MAX_TOKEN_BYTES: usize = 4096;
const HEADER_BYTES: usize = 1 + size_of::<i64>();
const MAC_BYTES: usize = 32;

/// Makes and opens the tokens that let a URL stand for a permission until it expires.
///
/// A token is the url-safe base64 of: version (1 byte), expiry (8 bytes, big endian), claims (JSON), HMAC-SHA256 of
/// all before it.
#[derive(Clone)]
pub struct UrlSigner(Hmac<Sha256>);

/// Why a token does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token at all, or one of another version.
    #[error("the link is malformed")]
    Malformed,
    /// Not sealed with this secret, or changed since.
    #[error("the link is not signed by this server")]
    Forged,
    /// It was good once.
    #[error("the link has expired")]
    Expired,
}

/// Why claims cannot be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The claims have no JSON form.
    #[error("the claims cannot be written as json")]
    Claims(#[from] serde_json::Error),
    /// The token would not open again.
    #[error("the claims do not fit into a token of {MAX_TOKEN_BYTES} bytes")]
    TooLong,
}

impl UrlSigner {
    /// A signer that opens what any other signer with the same secret has sealed.
    pub fn new(secret: &[u8]) -> Self {
        let mut key = [0; 64];
        key[..MAC_BYTES].copy_from_slice(&Sha256::digest(secret));
        Self(Hmac::new(&key.into()))
    }

    /// A token for `claims`, good until `expires_at` (microseconds since the epoch); one segment of a URL path.
    pub fn seal<T: Serialize>(&self, claims: &T, expires_at: i64) -> Result<String, SealError> {
        let mut sealed = vec![VERSION];
        sealed.extend(expires_at.to_be_bytes());
        serde_json::to_writer(&mut sealed, claims)?;
        let mac = self.0.clone().chain_update(&sealed).finalize().into_bytes();
        sealed.extend(mac);
        let token = URL_SAFE_NO_PAD.encode(sealed);
        if token.len() > MAX_TOKEN_BYTES { Err(SealError::TooLong) } else { Ok(token) }
    }

    /// The claims of a token that is ours and has not expired at `now` (microseconds since the epoch).
    pub fn open<T: DeserializeOwned>(&self, token: &str, now: i64) -> Result<T, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Malformed);
        }
        let sealed = URL_SAFE_NO_PAD.decode(token).map_err(|_| TokenError::Malformed)?;
        let (signed, mac) = sealed.split_last_chunk::<MAC_BYTES>().ok_or(TokenError::Malformed)?;
        let (header, claims) = signed.split_first_chunk::<HEADER_BYTES>().ok_or(TokenError::Malformed)?;
        let [version, expires_at @ ..] = *header;
        if version != VERSION {
            return Err(TokenError::Malformed);
        }
        self.0.clone().chain_update(signed).verify(mac.into()).map_err(|_| TokenError::Forged)?;
        if now >= i64::from_be_bytes(expires_at) {
            return Err(TokenError::Expired);
        }
        serde_json::from_slice(claims).map_err(|_| TokenError::Malformed)
    }
}

impl fmt::Debug for UrlSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UrlSigner(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer() -> UrlSigner {
        UrlSigner::new(b"one secret")
    }

    fn open(token: &str, now: i64) -> Result<String, TokenError> {
        signer().open(token, now)
    }

    #[test]
    fn opens_until_it_expires() {
        let token = signer().seal(&"claims", 100).unwrap();
        assert_eq!(open(&token, 99).as_deref(), Ok("claims"));
        assert_eq!(open(&token, 100), Err(TokenError::Expired));
    }

    #[test]
    fn is_one_segment_of_a_path() {
        let token = signer().seal(&"\u{fffd}/?#%".repeat(40), i64::MAX).unwrap();
        assert!(token.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'));
    }

    #[test]
    fn another_secret_does_not_open_it() {
        let token = UrlSigner::new(b"another secret").seal(&"claims", 100).unwrap();
        assert_eq!(open(&token, 0), Err(TokenError::Forged));
    }

    #[test]
    fn no_changed_byte_goes_unseen() {
        let sealed = URL_SAFE_NO_PAD.decode(signer().seal(&"claims", 100).unwrap()).unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            let expected = if at == 0 { TokenError::Malformed } else { TokenError::Forged };
            assert_eq!(open(&URL_SAFE_NO_PAD.encode(changed), 0), Err(expected), "byte {at}");
        }
    }

    #[test]
    fn no_truncated_token_opens() {
        let token = signer().seal(&"claims", 100).unwrap();
        for end in 0..token.len() {
            assert!(open(&token[..end], 0).is_err(), "{end} characters");
        }
        assert_eq!(open("", 0), Err(TokenError::Malformed));
        assert_eq!(open("not base64!", 0), Err(TokenError::Malformed));
        assert_eq!(open(&format!("{token}="), 0), Err(TokenError::Malformed));
    }

    #[test]
    fn claims_of_another_shape_are_malformed() {
        let token = signer().seal(&7, 100).unwrap();
        assert_eq!(open(&token, 0), Err(TokenError::Malformed));
    }

    #[test]
    fn oversized_claims_are_neither_sealed_nor_opened() {
        let claims = "x".repeat(MAX_TOKEN_BYTES);
        assert!(matches!(signer().seal(&claims, 100), Err(SealError::TooLong)));
        assert_eq!(open(&claims, 0), Err(TokenError::Malformed));
    }

    #[test]
    fn never_prints_the_secret() {
        assert_eq!(format!("{:?}", signer()), "UrlSigner(***)");
    }
}
