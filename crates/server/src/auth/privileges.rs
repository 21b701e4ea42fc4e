use axum::http::HeaderMap;
use counterweight_domain::account::{Caller, Identity};
use counterweight_domain::history::WriterId;

/// Sent by `wandb.Api()` with every request, whoever signs in.
const USE_ADMIN_PRIVILEGES: &str = "use-admin-privileges";

/// Sent by runs: whom a service logs for. Empty where there is nobody.
const USERNAME: &str = "x-wandb-username";
const EMAIL: &str = "x-wandb-user-email";

/// Sent in shared mode: which of a run's writers speaks.
const WRITER: &str = "x-wandb-client-id";

/// No name or address is longer.
const LONGEST: usize = 512;

/// The caller with what the request asks for beyond their own: the rights of an administrator, and to act in another
/// user's name. Who is none has neither, and is not refused, since the client asks for both without knowing. And which
/// of a run's writers it is.
pub(super) fn claim(caller: Caller, headers: &HeaderMap) -> Caller {
    let caller = match text(headers, USE_ADMIN_PRIVILEGES) {
        Some(wanted) if wanted.eq_ignore_ascii_case("true") => caller.with_privileges(),
        _ => caller,
    };
    let caller = match text(headers, WRITER).and_then(|name| WriterId::parse(name).ok()) {
        Some(writer) => caller.writing_as(writer),
        None => caller,
    };
    let [username, email] = [USERNAME, EMAIL].map(|name| text(headers, name).map(str::to_owned));
    if username.is_none() && email.is_none() {
        return caller;
    }
    caller.speaking_for(Identity { username, email })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let text = str::from_utf8(headers.get(name)?.as_bytes()).ok()?.trim();
    Some(text).filter(|text| !text.is_empty() && text.len() <= LONGEST && !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        headers
    }

    #[test]
    fn what_is_empty_too_long_or_no_text_is_not_there() {
        assert_eq!(text(&headers(USERNAME, " ada "), USERNAME), Some("ada"));
        assert_eq!(text(&headers(USERNAME, "größe"), USERNAME), Some("größe"));
        assert_eq!(text(&headers(USERNAME, ""), USERNAME), None);
        assert_eq!(text(&headers(USERNAME, &"x".repeat(LONGEST + 1)), USERNAME), None);
        assert_eq!(text(&headers(USERNAME, "ada"), EMAIL), None);
        let broken =
            HeaderMap::from_iter([(USERNAME.parse().unwrap(), HeaderValue::from_bytes(b"\xff").unwrap())]);
        assert_eq!(text(&broken, USERNAME), None);
    }
}
