use axum::extract::FromRequestParts;
use axum::http::header::ACCEPT;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};

use crate::problem::Problem;

/// The two forms of a GraphQL response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Media {
    /// `application/json`: what the `wandb` client and everyone without a wish gets. The status is 200 for every
    /// well-formed request, even one that fails validation.
    #[default]
    Json,
    /// `application/graphql-response+json`: the status tells about the response.
    GraphQlResponse,
}

impl Media {
    /// The `Content-Type`.
    pub fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphQlResponse => "application/graphql-response+json; charset=utf-8",
        })
    }

    /// The best of the two by `Accept`; `None` when neither will do.
    fn negotiate(headers: &HeaderMap) -> Option<Self> {
        let ranges: Vec<_> = headers
            .get_all(ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(Range::parse)
            .collect();
        if ranges.is_empty() {
            return Some(Self::default());
        }
        let json = quality(&ranges, "application/json");
        let graphql = quality(&ranges, "application/graphql-response+json");
        match (json, graphql) {
            (0, 0) => None,
            // Of two that are equally welcome, the one that is named, and of two that are named, the newer.
            _ if graphql > json || (graphql == json && names_graphql(&ranges)) => Some(Self::GraphQlResponse),
            _ => Some(Self::Json),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Media {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::negotiate(&parts.headers).ok_or_else(|| {
            let message = "accept application/json or application/graphql-response+json";
            Problem::new(StatusCode::NOT_ACCEPTABLE, "NOT_ACCEPTABLE", message).as_graphql(Self::default())
        })
    }
}

/// One entry of `Accept`.
struct Range {
    name: String,
    /// In thousandths.
    quality: u16,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let name = parts.next().filter(|name| !name.is_empty())?.to_ascii_lowercase();
        let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        Some(Self { name, quality: quality.map_or(Some(1000), thousandths)? })
    }
}

/// "0.25" is 250.
fn thousandths(quality: &str) -> Option<u16> {
    let (whole, fraction) = quality.split_once('.').unwrap_or((quality, ""));
    if fraction.len() > 3 {
        return None;
    }
    let number: u16 = format!("{whole}{fraction:0<3}").parse().ok()?;
    (number <= 1000).then_some(number)
}

/// How welcome `name` is by the most specific range that covers it.
fn quality(ranges: &[Range], name: &str) -> u16 {
    [name, "application/*", "*/*"]
        .iter()
        .find_map(|pattern| ranges.iter().find(|range| range.name == *pattern))
        .map_or(0, |range| range.quality)
}

fn names_graphql(ranges: &[Range]) -> bool {
    ranges.iter().any(|range| range.name == "application/graphql-response+json")
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: Option<Media> = Some(Media::Json);
    const GRAPHQL: Option<Media> = Some(Media::GraphQlResponse);

    #[test]
    fn negotiates() {
        for (accept, expected) in [
            ("", JSON),
            ("*/*", JSON),
            ("application/*", JSON),
            ("application/json", JSON),
            ("application/json; charset=utf-8", JSON),
            ("APPLICATION/JSON", JSON),
            ("text/html,application/xhtml+xml,*/*;q=0.8", JSON),
            ("application/json, multipart/mixed", JSON),
            ("application/graphql-response+json", GRAPHQL),
            ("application/graphql-response+json; charset=utf-8, application/json; charset=utf-8", GRAPHQL),
            ("application/json, application/graphql-response+json", GRAPHQL),
            ("application/graphql-response+json;q=0.5, application/json", JSON),
            ("application/graphql-response+json;q=0.9, application/json;q=0.25", GRAPHQL),
            ("application/graphql-response+json, */*;q=0.1", GRAPHQL),
            ("application/json;q=0, */*", GRAPHQL),
            ("application/graphql-response+json;q=0", None),
            ("text/html", None),
            ("image/png, application/xml", None),
            ("application/json;q=nonsense", JSON),
            (",,", JSON),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(Media::negotiate(&headers), expected, "{accept:?}");
        }
        assert_eq!(Media::negotiate(&HeaderMap::new()), JSON);
    }

    #[test]
    fn several_headers_are_one_list() {
        let mut headers = HeaderMap::new();
        headers.append(ACCEPT, HeaderValue::from_static("text/html"));
        headers.append(ACCEPT, HeaderValue::from_static("application/graphql-response+json"));
        assert_eq!(Media::negotiate(&headers), GRAPHQL);
    }
}
