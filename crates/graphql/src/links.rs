//! URLs of files: absolute, since part of the client cannot resolve others, and self-authorising, since its uploads
//! carry no credentials (protocol reference 1.3).

use std::sync::Arc;
use std::time::Duration;

use counterweight_domain::file::Grant;
use counterweight_domain::{Error, Result, Timestamp};
use counterweight_storage::UrlSigner;

/// Makes the URLs of one request.
#[derive(Clone, Debug)]
pub struct Links {
    base_url: String,
    signer: Arc<UrlSigner>,
    expires_at: Timestamp,
}

impl Links {
    /// URLs below `base_url` (scheme, host and port, no slash at the end) that hold for `lifetime` from `now`.
    pub fn new(base_url: String, signer: Arc<UrlSigner>, now: Timestamp, lifetime: Duration) -> Self {
        Self { base_url, signer, expires_at: now.after(lifetime) }
    }

    /// A URL that allows what `grant` says to whoever holds it.
    pub(crate) fn signed(&self, grant: &Grant) -> Result<String> {
        let token = self.signer.seal(grant, self.expires_at.0).map_err(Error::internal)?;
        Ok(format!("{}/objects/{token}", self.base_url))
    }

    /// The lasting URL of a run's file, for those who sign in.
    pub(crate) fn file(&self, entity: &str, project: &str, run: &str, name: &str) -> String {
        let mut url = format!("{}/files", self.base_url);
        for part in [entity, project, run].into_iter().chain(name.split('/')) {
            url.push('/');
            encode_segment(part, &mut url);
        }
        url
    }
}

/// Percent-encodes all but the unreserved characters of RFC 3986.
fn encode_segment(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            into.push('%');
            into.push_str(&hex::encode_upper([byte]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_urls_encode_each_part() {
        let signer = Arc::new(UrlSigner::new(&[0; 32]));
        let links = Links::new("http://h:1".into(), signer, Timestamp(0), Duration::from_secs(1));
        assert_eq!(links.file("e", "p q", "r", "a/ü#.txt"), "http://h:1/files/e/p%20q/r/a/%C3%BC%23.txt");
    }
}
