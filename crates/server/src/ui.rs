//! The page: files that vite built, inside the program.

use std::borrow::Cow;

use axum::body::Bytes;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::problem::Problem;

#[derive(RustEmbed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Assets;

const NOT_BUILT: &str = "The page was not built into this server: run `make web`, then build the server again.\n\
    The API works without it, at /graphql.\n";

/// The page may load from this server alone; monaco makes its workers from blobs and its styles in place.
macro_rules! page_policy {
    (frame-ancestors $who:literal) => {
        HeaderValue::from_static(concat!(
            "default-src 'self'; worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; font-src 'self' data:; \
             img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors ",
            $who
        ))
    };
}

const PAGE_POLICY: HeaderValue = page_policy!(frame-ancestors "'none'");

/// Of the address that `to_html()` makes for a notebook, wherever that runs. The API key is one tab's and one site's own,
/// so that a frame in a foreign page is not signed in.
const EMBEDDED_POLICY: HeaderValue = page_policy!(frame-ancestors "*");

/// First parts of addresses that programs call; all others belong to the page.
const PROGRAMS: &[&str] = &[
    "api",
    "artifacts",
    "artifactsV2",
    "assets",
    "files",
    "graphql",
    "healthz",
    "metrics",
    "objects",
    "oidc",
    "ready",
];

/// Names of files under `/assets/` change with their content.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// Answers every request that no other route takes.
pub(crate) async fn page(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if !matches!(method, Method::GET | Method::HEAD) {
        return Problem::no_route().into_response();
    }
    let path = uri.path().trim_start_matches('/');
    let name = match path {
        "" => "index.html",
        "graphiql" => "graphiql.html",
        path => path,
    };
    match Assets::get(name) {
        Some(file) => serve(name, file, &headers, &uri),
        None if is_page_of_the_app(path, &headers) => match Assets::get("index.html") {
            Some(file) => serve("index.html", file, &headers, &uri),
            None => ([(CONTENT_SECURITY_POLICY, policy(&uri))], NOT_BUILT).into_response(),
        },
        None => Problem::no_route().into_response(),
    }
}

/// The app has addresses of its own: those that the client prints, such as `/entity/project/runs/id`. Names have dots
/// too, so only a single part with one is a file that is not there.
fn is_page_of_the_app(path: &str, headers: &HeaderMap) -> bool {
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    let takes_html = |accept: &HeaderValue| {
        accept.to_str().is_ok_and(|accept| accept.contains("text/html") || accept.contains("*/*"))
    };
    let mut accepts = headers.get_all(ACCEPT).iter().peekable();
    let wants_html = accepts.peek().is_none() || accepts.any(takes_html);
    let is_missing_file = rest.is_empty() && first.contains('.');
    path.is_empty() || path == "graphiql" || (wants_html && !is_missing_file && !PROGRAMS.contains(&first))
}

fn policy(uri: &Uri) -> HeaderValue {
    let is_embedded = uri.query().is_some_and(|query| query.split('&').any(|part| part == "jupyter=true"));
    if is_embedded { EMBEDDED_POLICY } else { PAGE_POLICY }
}

fn serve(name: &str, file: EmbeddedFile, request: &HeaderMap, uri: &Uri) -> Response {
    let etag = etag(&file);
    let cache = if name.starts_with("assets/") { FOR_EVER } else { ASK_AGAIN };
    let headers = [(ETAG, etag.clone()), (CACHE_CONTROL, cache), (CONTENT_SECURITY_POLICY, policy(uri))];
    let known = request.get(IF_NONE_MATCH).and_then(|known| known.to_str().ok()).unwrap_or_default();
    if known.split(',').any(|known| known.trim().trim_start_matches("W/") == etag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    let content_type = mime_guess::from_path(name).first_or_octet_stream().to_string();
    let bytes = match file.data {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    };
    (headers, [(CONTENT_TYPE, content_type)], bytes).into_response()
}

fn etag(file: &EmbeddedFile) -> HeaderValue {
    let hash = u64::from_be_bytes(std::array::from_fn(|n| file.metadata.sha256_hash()[n]));
    HeaderValue::try_from(format!("\"{hash:016x}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(accept: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))])
    }

    #[test]
    fn the_apps_own_addresses_are_pages_and_missing_files_are_not() {
        let (browser, program) = (headers("text/html,*/*;q=0.8"), headers("application/json"));
        assert!(is_page_of_the_app("", &program));
        for path in [
            "entity",
            "settings",
            "entity/project/runs/x1",
            "ada.b/v1.0/runs/r.1",
            "entity/project/workspace",
        ] {
            assert!(is_page_of_the_app(path, &browser), "{path}");
            assert!(is_page_of_the_app(path, &headers("*/*")), "{path}");
            assert!(is_page_of_the_app(path, &HeaderMap::new()), "{path}");
            assert!(!is_page_of_the_app(path, &program), "{path}");
        }
        for path in ["assets/gone.js", "robots.txt", "api/v1/projects", "graphql/other"] {
            assert!(!is_page_of_the_app(path, &browser), "{path}");
        }
    }

    #[test]
    fn only_the_address_for_notebooks_may_be_shown_in_a_frame() {
        let policy_at = |uri: &'static str| policy(&Uri::from_static(uri));
        assert_eq!(policy_at("/ada/demo/runs/r1?jupyter=true"), EMBEDDED_POLICY);
        assert_eq!(policy_at("/ada/demo/runs/r1?nw=a&jupyter=true"), EMBEDDED_POLICY);
        for uri in
            ["/ada/demo/runs/r1", "/ada/demo/runs/jupyter=true", "/ada?jupyter=false", "/ada?xjupyter=true"]
        {
            assert_eq!(policy_at(uri), PAGE_POLICY, "{uri}");
        }
        assert_ne!(PAGE_POLICY, EMBEDDED_POLICY);
    }

    #[test]
    fn a_file_is_sent_once() {
        let file = || EmbeddedFile {
            data: Cow::Borrowed(b"1"),
            metadata: rust_embed::Metadata::__rust_embed_new([7; 32], None, None),
        };
        let uri = Uri::from_static("/");
        let first = serve("assets/a.js", file(), &HeaderMap::new(), &uri);
        assert_eq!(first.headers()[CONTENT_TYPE], "text/javascript");
        assert_eq!(first.headers()[CACHE_CONTROL], FOR_EVER);
        let again = HeaderMap::from_iter([(IF_NONE_MATCH, first.headers()[ETAG].clone())]);
        assert_eq!(serve("assets/a.js", file(), &again, &uri).status(), StatusCode::NOT_MODIFIED);
        assert_eq!(serve("index.html", file(), &HeaderMap::new(), &uri).headers()[CACHE_CONTROL], ASK_AGAIN);
    }
}
