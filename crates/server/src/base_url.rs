use axum::extract::FromRequestParts;
use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode};

use crate::problem::Problem;
use crate::state::AppState;

/// The address of this server as the client knows it, without a slash at the end: `http://127.0.0.1:8080`.
///
/// It is the setting `server.external_url`, or else what the request names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(pub String);

impl FromRequestParts<AppState> for BaseUrl {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        if let Some(url) = &state.external_url {
            return Ok(Self(url.as_str().trim_end_matches('/').to_owned()));
        }
        let authority = parts.uri.authority().map(Authority::as_str);
        named(&parts.headers, authority)
            .ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "HOST_INVALID", "the request names no host"))
    }
}

/// A proxy in front says in `X-Forwarded-Proto` whether the client came by https.
fn named(headers: &HeaderMap, authority: Option<&str>) -> Option<BaseUrl> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(HOST.as_str()).or(authority)?;
    let fits = !host.is_empty()
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte));
    let scheme = if text("x-forwarded-proto") == Some("https") { "https" } else { "http" };
    fits.then(|| BaseUrl(format!("{scheme}://{host}")))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn base_url(pairs: &[(&'static str, &'static str)]) -> Option<String> {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        named(&pairs.collect(), Some("authority:1")).map(|url| url.0)
    }

    #[test]
    fn is_what_the_request_names() {
        assert_eq!(base_url(&[("host", "127.0.0.1:8080")]).unwrap(), "http://127.0.0.1:8080");
        assert_eq!(base_url(&[("host", "[::1]:80")]).unwrap(), "http://[::1]:80");
        assert_eq!(base_url(&[]).unwrap(), "http://authority:1");
        assert_eq!(base_url(&[("host", "h"), ("x-forwarded-proto", "https")]).unwrap(), "https://h");
        assert_eq!(base_url(&[("host", "h"), ("x-forwarded-proto", "javascript")]).unwrap(), "http://h");
    }

    #[test]
    fn a_host_that_is_none_is_refused() {
        for host in ["", "a b", "a/b", "a@b", "a\"b"] {
            assert_eq!(base_url(&[("host", host)]), None, "{host:?}");
        }
    }
}
