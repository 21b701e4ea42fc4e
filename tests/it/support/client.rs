//! A signed-in user at the router.

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, Method, Request, request};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::TestRun;

/// Where the tests' server seems to be.
const BASE: &str = "http://test.local";

/// A user, with the entity of the same name.
#[derive(Clone)]
pub(crate) struct Client {
    router: Router,
    name: &'static str,
    entity: &'static str,
    key: String,
    claims: Vec<(&'static str, String)>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why GraphQL did not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
}

impl Client {
    pub(crate) fn new(router: Router, name: &'static str) -> Self {
        let key = name.repeat(40)[..40].to_owned();
        Self { router, name, entity: name, key, claims: Vec::new() }
    }

    /// Another user at the same server.
    pub(crate) fn somebody_else(&self, name: &'static str) -> Self {
        Self::new(self.router.clone(), name)
    }

    /// The same user at another server.
    pub(super) fn at(mut self, router: Router) -> Self {
        self.router = router;
        self
    }

    /// The same user, with one more header in every request.
    pub(crate) fn claiming(&self, header: &'static str, value: &str) -> Self {
        let mut client = self.clone();
        client.claims.push((header, value.to_owned()));
        client
    }

    /// The same user, whose runs are those of a team.
    pub(crate) fn within(&self, entity: &'static str) -> Self {
        Self { entity, ..self.clone() }
    }

    /// The same user with another key.
    pub(crate) fn with_key(&self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self.clone() }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Where this user's runs are.
    pub(crate) fn entity(&self) -> &'static str {
        self.entity
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// A request of this user.
    pub(crate) fn request(&self, method: Method, path: &str) -> request::Builder {
        let request = anonymous(method, path).header(AUTHORIZATION, format!("Bearer {}", self.key));
        self.claims.iter().fold(request, |request, (header, value)| request.header(*header, value))
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path).body(Body::empty()).unwrap()).await
    }

    /// One request to a URL that authorises itself.
    pub(crate) async fn fetch(&self, method: Method, url: &str, body: impl Into<Body>) -> Answer {
        self.send(anonymous(method, path_of(url)).body(body.into()).unwrap()).await
    }

    /// The same for bytes whose length is announced.
    pub(crate) async fn put_sized(&self, url: &str, body: &str) -> Answer {
        let request = anonymous(Method::PUT, path_of(url)).header(CONTENT_LENGTH, body.len());
        self.send(request.body(body.to_owned().into()).unwrap()).await
    }

    /// Sends a GraphQL request as it is.
    pub(crate) async fn post_graphql(&self, body: &Value) -> Answer {
        let request = self.request(Method::POST, "/graphql").header(CONTENT_TYPE, "application/json");
        self.send(request.body(body.to_string().into()).unwrap()).await
    }

    /// The data of an answer without errors.
    pub(crate) async fn graphql(&self, query: &str, variables: impl Into<Variables>) -> Value {
        let answer = self.post_graphql(&json!({"query": query, "variables": variables.into().0})).await;
        let mut body = answer.json();
        assert!(answer.status == 200 && body["errors"].is_null(), "{} {body:#} to {query}", answer.status);
        body["data"].take()
    }

    /// The first error of an answer that has one.
    pub(crate) async fn refusal(&self, query: &str, variables: impl Into<Variables>) -> Refusal {
        let answer = self.post_graphql(&json!({"query": query, "variables": variables.into().0})).await;
        let body = answer.json();
        assert!(body["errors"][0].is_object(), "{body:#} to {query}");
        refusal(answer.status, &body)
    }

    /// Calls a mutation that takes one `input`; answers its payload with `fields`.
    pub(crate) async fn mutate(&self, mutation: &str, input: Value, fields: &str) -> Value {
        let query = document(mutation, fields);
        self.graphql(&query, json!({ "input": input })).await[mutation].take()
    }

    /// Why a mutation is refused.
    pub(crate) async fn refused(&self, mutation: &str, input: Value) -> Refusal {
        self.refusal(&document(mutation, "__typename"), json!({ "input": input })).await
    }

    /// Calls a mutation that may be refused.
    pub(crate) async fn attempt(&self, mutation: &str, input: Value) -> Result<(), Refusal> {
        self.try_mutate(mutation, input, "__typename").await.map(drop)
    }

    /// The same; answers its payload with `fields`.
    pub(crate) async fn try_mutate(
        &self,
        mutation: &str,
        input: Value,
        fields: &str,
    ) -> Result<Value, Refusal> {
        let answered = self.try_graphql(&document(mutation, fields), json!({ "input": input })).await;
        answered.map(|mut data| data[mutation].take())
    }

    /// The data of an answer, or its first error.
    pub(crate) async fn try_graphql(&self, query: &str, variables: Value) -> Result<Value, Refusal> {
        let answer = self.post_graphql(&json!({"query": query, "variables": variables})).await;
        let mut body = answer.json();
        if answer.status == 200 && body["errors"].is_null() {
            return Ok(body["data"].take());
        }
        Err(refusal(answer.status, &body))
    }

    /// Creates a run, or continues the one of that name.
    pub(crate) async fn run(&self, project: &str, name: &str) -> TestRun {
        self.run_with(project, name, json!({})).await
    }

    /// The same, with more to say about it.
    pub(crate) async fn run_with(&self, project: &str, name: &str, mut input: Value) -> TestRun {
        input["entityName"] = self.entity.into();
        input["modelName"] = project.into();
        input["name"] = name.into();
        let made = self.mutate("upsertBucket", input, "bucket { id }").await;
        let id = made["bucket"]["id"].as_str().unwrap().to_owned();
        TestRun::new(self.clone(), project, name, id)
    }

    /// Ids of the runs of a project that a filter means, in an order.
    pub(crate) async fn run_names(&self, project: &str, filters: Value) -> Vec<String> {
        const QUERY: &str = "query($entity: String, $project: String, $filters: JSONString) { \
                             project(entityName: $entity, name: $project) { \
                             runCount(filters: $filters) runs(filters: $filters, first: 1000) { edges { node { name } } } } }";
        let variables = json!({"entity": self.entity, "project": project, "filters": filters.to_string()});
        let found = self.graphql(QUERY, variables).await;
        let edges = found["project"]["runs"]["edges"].as_array().unwrap();
        assert_eq!(found["project"]["runCount"], edges.len());
        edges.iter().map(|edge| edge["node"]["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Run ids in the trash.
    pub(crate) async fn trash(&self) -> Vec<String> {
        let found = self.graphql("{ trash(first: 1000) { edges { node { name } } } }", ()).await;
        let edges = found["trash"]["edges"].as_array().unwrap();
        edges.iter().map(|edge| edge["node"]["name"].as_str().unwrap().to_owned()).collect()
    }
}

/// Variables of a request; `()` for none.
pub(crate) struct Variables(Value);

impl From<()> for Variables {
    fn from((): ()) -> Self {
        Self(json!({}))
    }
}

impl From<Value> for Variables {
    fn from(variables: Value) -> Self {
        Self(variables)
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The status, and the stable name of what went wrong; `""` where nothing did.
    pub(crate) fn outcome(&self) -> (u16, String) {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        (self.status, body["code"].as_str().unwrap_or_default().to_owned())
    }
}

/// The first error of an answer.
fn refusal(status: u16, body: &Value) -> Refusal {
    let error = &body["errors"][0];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Refusal { status, code: text(&error["extensions"]["code"]), message: text(&error["message"]) }
}

fn document(mutation: &str, fields: &str) -> String {
    let (first, rest) = mutation.split_at(1);
    let input = format!("{}{rest}Input", first.to_uppercase());
    format!("mutation($input: {input}!) {{ {mutation}(input: $input) {{ {fields} }} }}")
}

fn anonymous(method: Method, path: &str) -> request::Builder {
    Request::builder().method(method).uri(path).header(HOST, "test.local")
}

/// The path of a URL of the tests' server.
pub(crate) fn path_of(url: &str) -> &str {
    url.strip_prefix(BASE).unwrap_or_else(|| panic!("{url} is not at {BASE}"))
}
