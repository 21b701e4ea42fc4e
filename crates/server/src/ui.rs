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
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; font-src 'self' data:; \
     img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
);

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
        Some(file) => serve(name, file, &headers),
        None if is_page_of_the_app(path, &headers) => match Assets::get("index.html") {
            Some(file) => serve("index.html", file, &headers),
            None => NOT_BUILT.into_response(),
        },
        None => Problem::no_route().into_response(),
    }
}

/// The app has addresses of its own, such as `/entity/project`.
fn is_page_of_the_app(path: &str, headers: &HeaderMap) -> bool {
    let wants_html = headers
        .get_all(ACCEPT)
        .iter()
        .any(|accept| accept.to_str().is_ok_and(|accept| accept.contains("text/html")));
    path.is_empty() || path == "graphiql" || (wants_html && !path.contains('.'))
}

fn serve(name: &str, file: EmbeddedFile, request: &HeaderMap) -> Response {
    let etag = etag(&file);
    let cache = if name.starts_with("assets/") { FOR_EVER } else { ASK_AGAIN };
    let headers = [(ETAG, etag.clone()), (CACHE_CONTROL, cache), (CONTENT_SECURITY_POLICY, PAGE_POLICY)];
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
        assert!(is_page_of_the_app("entity/project/runs/x1", &browser));
        assert!(!is_page_of_the_app("entity/project", &program));
        assert!(!is_page_of_the_app("assets/gone.js", &browser));
    }

    #[test]
    fn a_file_is_sent_once() {
        let file = || EmbeddedFile {
            data: Cow::Borrowed(b"1"),
            metadata: rust_embed::Metadata::__rust_embed_new([7; 32], None, None),
        };
        let first = serve("assets/a.js", file(), &HeaderMap::new());
        assert_eq!(first.headers()[CONTENT_TYPE], "text/javascript");
        assert_eq!(first.headers()[CACHE_CONTROL], FOR_EVER);
        let again = HeaderMap::from_iter([(IF_NONE_MATCH, first.headers()[ETAG].clone())]);
        assert_eq!(serve("assets/a.js", file(), &again).status(), StatusCode::NOT_MODIFIED);
        assert_eq!(serve("index.html", file(), &HeaderMap::new()).headers()[CACHE_CONTROL], ASK_AGAIN);
    }
}
