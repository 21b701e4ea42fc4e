use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// No header that carries a key is longer.
const LONGEST: usize = 4096;

/// The API key in `Authorization`: the password of `Basic` (any user name, the client says `api`), or `Bearer`.
pub(super) fn api_key(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok().filter(|value| value.len() <= LONGEST)?;
    let (scheme, credentials) = value.trim().split_once(' ')?;
    let key = if scheme.eq_ignore_ascii_case("bearer") {
        credentials.trim().to_owned()
    } else if scheme.eq_ignore_ascii_case("basic") {
        let decoded = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
        decoded.split_once(':')?.1.to_owned()
    } else {
        return None;
    };
    Some(key).filter(|key| !key.is_empty())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn parse(value: &str) -> Option<String> {
        api_key(&HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(value).unwrap())]))
    }

    fn basic(credentials: &str) -> Option<String> {
        parse(&format!("Basic {}", STANDARD.encode(credentials)))
    }

    #[test]
    fn basic_takes_the_password_of_any_user() {
        assert_eq!(basic("api:key").as_deref(), Some("key"));
        assert_eq!(basic(":key").as_deref(), Some("key"));
        assert_eq!(basic("me:k:e:y").as_deref(), Some("k:e:y"));
        assert_eq!(parse(&format!("basic {}", STANDARD.encode("api:key"))).as_deref(), Some("key"));
    }

    #[test]
    fn bearer_is_the_key() {
        assert_eq!(parse("Bearer key").as_deref(), Some("key"));
        assert_eq!(parse("BEARER  key ").as_deref(), Some("key"));
    }

    #[test]
    fn anything_else_is_no_key() {
        assert_eq!(api_key(&HeaderMap::new()), None);
        for value in ["", "key", "Basic", "Basic !!!", "Bearer ", "Digest key", "Basic a2V5"] {
            assert_eq!(parse(value), None, "{value:?}");
        }
        assert_eq!(basic("api:"), None);
        assert_eq!(parse(&format!("Bearer {}", "x".repeat(LONGEST))), None);
    }
}
