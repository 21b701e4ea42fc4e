use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, OperationType};
use async_graphql::{Extensions, Value as GraphQlValue, Variables};
use axum::extract::Request;
use axum::http::header::{ALLOW, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::{Media, tokens};
use crate::middleware::body::{self, BodyMemory};
use crate::problem::Problem;

/// One well-formed GraphQL request: a query by `GET`, anything by `POST`.
///
/// The client's quirks are smoothed here: an empty `operationName` is none, and `variables` may be `null`.
#[derive(Debug)]
pub struct GraphQlRequest(pub async_graphql::Request);

impl GraphQlRequest {
    /// Reads it; a refusal is written as `media`.
    pub async fn receive(request: Request, media: Media, memory: &BodyMemory) -> Result<Self, Problem> {
        receive(request, memory).await.map(Self).map_err(|problem| problem.as_graphql(media))
    }
}

async fn receive(request: Request, memory: &BodyMemory) -> Result<async_graphql::Request, Problem> {
    if request.method() == Method::POST {
        check_content_type(request.headers())?;
        let (parts, body) = request.into_parts();
        let body = memory.read(&parts.headers, body, body::GRAPHQL_LIMIT).await?;
        let parameters = body.prepare(|bytes| serde_json::from_slice(bytes));
        let parameters = parameters.map_err(|error| bad(format!("the body is not JSON: {error}")))?;
        return match parameters {
            Value::Object(parameters) => read(parameters),
            Value::Array(_) => Err(bad("batches are not supported; send one request at a time")),
            _ => Err(bad("the body must be a JSON object")),
        };
    }
    let mut request = read(query_parameters(request.uri().query().unwrap_or_default())?)?;
    // A document that does not parse is the executor's to explain.
    let operation_name = request.operation_name.clone();
    if request.parsed_query().is_ok_and(|document| !is_query(document, operation_name.as_deref())) {
        return Err(Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "METHOD_NOT_ALLOWED",
            "GET is for queries; send a mutation by POST",
        )
        .header(ALLOW, HeaderValue::from_static("POST")));
    }
    Ok(request)
}

fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = content_type.split(';').map(str::trim);
    let is_json = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("application/json"));
    let is_utf8 = parts.filter_map(|part| part.split_once('=')).all(|(name, value)| {
        !name.eq_ignore_ascii_case("charset") || value.trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    if is_json && is_utf8 {
        return Ok(());
    }
    let message = "the Content-Type must be application/json in UTF-8";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "CONTENT_TYPE_UNSUPPORTED", message))
}

/// The parameters of a `GET`; `variables` and `extensions` are JSON in their text.
fn query_parameters(query: &str) -> Result<Map<String, Value>, Problem> {
    let mut parameters = Map::new();
    for (name, text) in form_urlencoded::parse(query.as_bytes()) {
        let value = match name.as_ref() {
            "variables" | "extensions" if text.is_empty() => Value::Null,
            "variables" | "extensions" => {
                serde_json::from_str(&text).map_err(|error| bad(format!("{name} is not JSON: {error}")))?
            }
            _ => Value::String(text.into_owned()),
        };
        parameters.insert(name.into_owned(), value);
    }
    Ok(parameters)
}

/// Reads the parameters of a request.
pub fn read(mut parameters: Map<String, Value>) -> Result<async_graphql::Request, Problem> {
    let query = text(&mut parameters, "query")?.ok_or_else(|| bad("query is missing"))?;
    tokens::check(&query)?;
    let operation_name = text(&mut parameters, "operationName")?;
    let variables = object(&mut parameters, "variables")?;
    let extensions = object(&mut parameters, "extensions")?;
    let mut request = async_graphql::Request::new(query).variables(Variables::from_value(variables));
    request.operation_name = operation_name.filter(|name| !name.is_empty());
    if let GraphQlValue::Object(extensions) = extensions {
        request.extensions =
            Extensions(extensions.into_iter().map(|(name, value)| (name.to_string(), value)).collect());
    }
    Ok(request)
}

fn text(parameters: &mut Map<String, Value>, name: &str) -> Result<Option<String>, Problem> {
    match parameters.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(bad(format!("{name} must be a string"))),
    }
}

fn object(parameters: &mut Map<String, Value>, name: &str) -> Result<GraphQlValue, Problem> {
    match parameters.remove(name) {
        None | Some(Value::Null) => Ok(GraphQlValue::default()),
        Some(value @ Value::Object(_)) => {
            GraphQlValue::from_json(value).map_err(|error| bad(format!("{name}: {error}")))
        }
        Some(_) => Err(bad(format!("{name} must be an object"))),
    }
}

/// Whether nothing but queries can be meant.
fn is_query(document: &ExecutableDocument, operation_name: Option<&str>) -> bool {
    match &document.operations {
        DocumentOperations::Single(operation) => operation.node.ty == OperationType::Query,
        DocumentOperations::Multiple(operations) => operations
            .iter()
            .filter(|(name, _)| operation_name.is_none_or(|wanted| wanted == name.as_str()))
            .all(|(_, operation)| operation.node.ty == OperationType::Query),
    }
}

fn bad(message: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", message)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use serde_json::json;

    use super::*;

    async fn post(content_type: &str, body: impl Into<Body>) -> Result<async_graphql::Request, u16> {
        let request = Request::post("/graphql").header(CONTENT_TYPE, content_type).body(body.into()).unwrap();
        receive(request, &BodyMemory::default()).await.map_err(|problem| problem.status().as_u16())
    }

    async fn get(parameters: &[(&str, &str)]) -> Result<async_graphql::Request, u16> {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let request = Request::get(format!("/graphql?{query}")).body(Body::empty()).unwrap();
        receive(request, &BodyMemory::default()).await.map_err(|problem| problem.status().as_u16())
    }

    async fn post_json(body: Value) -> Result<async_graphql::Request, u16> {
        post("application/json", body.to_string()).await
    }

    #[tokio::test]
    async fn reads_what_the_client_sends() {
        let body =
            json!({ "query": "#graphql\n{ a }", "operationName": "", "variables": { "a": [1, null] } });
        let request = post_json(body).await.unwrap();
        assert_eq!(request.operation_name, None);
        assert_eq!(serde_json::to_value(&request.variables).unwrap(), json!({ "a": [1, null] }));
        let request =
            post_json(json!({ "query": "{ a }", "operationName": "A", "variables": null })).await.unwrap();
        assert_eq!(request.operation_name.as_deref(), Some("A"));
        assert!(request.variables.is_empty());
    }

    #[tokio::test]
    async fn refuses_what_is_no_request() {
        for body in [
            json!({}),
            json!([]),
            json!([{ "query": "{ a }" }]),
            json!("{ a }"),
            json!({ "query": null }),
            json!({ "query": ["{ a }"] }),
            json!({ "query": "{ a }", "operationName": 1 }),
            json!({ "query": "{ a }", "operationName": {} }),
            json!({ "query": "{ a }", "variables": "{}" }),
            json!({ "query": "{ a }", "variables": [] }),
            json!({ "query": "{ a }", "extensions": false }),
        ] {
            assert_eq!(post_json(body.clone()).await.err(), Some(400), "{body}");
        }
        for body in ["", "{", "{\"query\": \"\\ud800\"}", "NaN"] {
            assert_eq!(post("application/json", body).await.err(), Some(400), "{body}");
        }
        assert_eq!(post("application/json", vec![b'"', 0xff, b'"']).await.err(), Some(400));
        assert_eq!(post("application/json", "[".repeat(100_000)).await.err(), Some(400));
    }

    #[tokio::test]
    async fn what_is_out_of_proportion_is_refused_before_it_is_parsed() {
        let query = format!(r#"{{ a(b: """c"d""") {} }}"#, "e ".repeat(10_000));
        assert_eq!(post_json(json!({ "query": query })).await.err(), Some(400));
        assert_eq!(get(&[("query", &query)]).await.err(), Some(400));
    }

    #[tokio::test]
    async fn only_json_in_utf8_is_read() {
        let body = r#"{"query":"{ a }"}"#;
        for good in
            ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=\"utf-8\""]
        {
            assert!(post(good, body).await.is_ok(), "{good}");
        }
        for bad in ["", "text/plain", "application/json; charset=latin1", "application/graphql"] {
            assert_eq!(post(bad, body).await.err(), Some(415), "{bad}");
        }
    }

    #[tokio::test]
    async fn get_is_for_queries() {
        let request =
            get(&[("query", "query A($n: Int) { a(n: $n) }"), ("variables", r#"{"n":1}"#)]).await.unwrap();
        assert_eq!(serde_json::to_value(&request.variables).unwrap(), json!({ "n": 1 }));
        assert_eq!(get(&[("query", "mutation { a }")]).await.err(), Some(405));
        assert_eq!(get(&[("query", "subscription { a }")]).await.err(), Some(405));
        let both = "query A { a } mutation B { b }";
        assert_eq!(get(&[("query", both), ("operationName", "B")]).await.err(), Some(405));
        assert_eq!(get(&[("query", both)]).await.err(), Some(405));
        assert!(get(&[("query", both), ("operationName", "A")]).await.is_ok());
    }

    #[tokio::test]
    async fn get_refuses_what_is_no_request() {
        assert_eq!(get(&[]).await.err(), Some(400));
        assert_eq!(get(&[("query", "{ a }"), ("variables", "{")]).await.err(), Some(400));
        assert_eq!(get(&[("query", "{ a }"), ("variables", "1")]).await.err(), Some(400));
        // What does not parse goes on: the answer is a GraphQL response.
        assert!(get(&[("query", "{")]).await.is_ok());
    }
}
