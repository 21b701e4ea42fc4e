//! A run, as its writer and its owner see it.

use axum::body::{Body, Bytes};
use axum::http::Method;
use serde_json::{Map, Value, json};

use super::client::{Answer, Client, Refusal};

/// A run that was created by [`Client::run`].
#[derive(Clone)]
pub(crate) struct TestRun {
    pub(crate) id: String,
    pub(crate) name: String,
    project: String,
    client: Client,
}

pub(crate) const HISTORY: &str = "wandb-history.jsonl";
pub(crate) const EVENTS: &str = "wandb-events.jsonl";
pub(crate) const CONSOLE: &str = "output.log";
pub(crate) const SUMMARY: &str = "wandb-summary.json";

impl TestRun {
    pub(crate) fn new(client: Client, project: &str, name: &str, id: String) -> Self {
        Self { id, name: name.to_owned(), project: project.to_owned(), client }
    }

    /// The same run, at another server.
    pub(crate) fn at(&self, client: &Client) -> Self {
        Self { client: client.clone(), ..self.clone() }
    }

    /// Where it is.
    pub(crate) fn project(&self) -> &str {
        &self.project
    }

    fn path(&self, rest: &str) -> String {
        format!("/files/{}/{}/{}/{rest}", self.client.entity(), self.project, self.name)
    }

    /// Sends bytes to the run's stream.
    pub(crate) async fn stream_bytes(&self, body: impl Into<Body>, encoding: Option<&str>) -> Answer {
        let mut request = self.client.request(Method::POST, &self.path("file_stream"));
        if let Some(encoding) = encoding {
            request = request.header("content-encoding", encoding);
        }
        self.client.send(request.body(body.into()).unwrap()).await
    }

    pub(crate) async fn stream(&self, body: &Value) -> Answer {
        self.stream_bytes(body.to_string(), None).await
    }

    /// Writes lines to one file of the stream.
    pub(crate) async fn write(&self, file: &str, offset: u64, lines: &[impl AsRef<str>]) -> Answer {
        let lines: Vec<_> = lines.iter().map(AsRef::as_ref).collect();
        let files = Map::from_iter([(file.to_owned(), json!({"offset": offset, "content": lines}))]);
        self.stream(&json!({ "files": files })).await
    }

    /// The same; it must be acknowledged.
    pub(crate) async fn log(&self, file: &str, offset: u64, lines: &[impl AsRef<str>]) {
        let answer = self.write(file, offset, lines).await;
        assert_eq!(answer.outcome(), (200, String::new()), "{:?}", answer.body);
    }

    /// The writer's last word.
    pub(crate) async fn complete(&self, exit_code: i32) {
        let answer = self.stream(&json!({"complete": true, "exitcode": exit_code})).await;
        assert_eq!(answer.status, 200);
    }

    /// Fields of the run; null when it cannot be reached by name.
    pub(crate) async fn show(&self, fields: &str) -> Value {
        let query = format!(
            "query($entity: String, $project: String, $run: String!) {{ \
             project(name: $project, entityName: $entity) {{ run(name: $run) {{ {fields} }} }} }}"
        );
        let variables = json!({"entity": self.client.entity(), "project": self.project, "run": self.name});
        self.client.graphql(&query, variables).await["project"]["run"].take()
    }

    /// One field of the run.
    pub(crate) async fn field(&self, field: &str) -> Value {
        let name = field.split(['(', ' ']).next().unwrap();
        self.show(field).await[name].take()
    }

    /// Why fields of the run cannot be shown.
    pub(crate) async fn refusal(&self, fields: &str) -> Refusal {
        let query = format!(
            "query($project: String, $run: String!) {{ project(name: $project) {{ run(name: $run) {{ {fields} }} }} }}"
        );
        self.client.refusal(&query, json!({"project": self.project, "run": self.name})).await
    }

    pub(crate) async fn state(&self) -> String {
        self.field("state").await.as_str().unwrap().to_owned()
    }

    /// The rows of its history, as they were logged.
    pub(crate) async fn history(&self) -> Vec<String> {
        texts(&self.field("history(samples: 100000)").await)
    }

    /// Its console lines; each `line` as it was printed.
    pub(crate) async fn console(&self) -> Vec<String> {
        let lines = self.field("logLines(first: 1000) { edges { node { line } } }").await;
        lines["edges"].as_array().unwrap().iter().map(|edge| text(&edge["node"]["line"])).collect()
    }

    /// Changes its lifecycle by `deleteRun`, `archiveRun` and the like.
    pub(crate) async fn change(&self, mutation: &str) {
        self.client.mutate(mutation, json!({"id": self.id}), "clientMutationId").await;
    }

    /// Deletes it; answers the id of the deletion.
    pub(crate) async fn delete(&self) -> String {
        let done = self.client.mutate("deleteRun", json!({"id": self.id}), "deletion { id }").await;
        text(&done["deletion"]["id"])
    }

    /// Why such a change is refused.
    pub(crate) async fn change_refused(&self, mutation: &str) -> Refusal {
        self.client.refused(mutation, json!({"id": self.id})).await
    }

    /// Why a continued run is refused.
    pub(crate) async fn upsert_refused(&self) -> Refusal {
        let input = json!({"entityName": self.client.entity(), "modelName": self.project, "name": self.name});
        self.client.refused("upsertBucket", input).await
    }

    /// What `createRunFiles` takes for this run.
    pub(crate) fn files_input(&self, names: &[&str]) -> Value {
        json!({"entityName": self.client.entity(), "projectName": self.project, "runName": self.name, "files": names})
    }

    /// A URL to put a file to.
    pub(crate) async fn upload_url(&self, name: &str) -> String {
        let input = self.files_input(&[name]);
        let made = self.client.mutate("createRunFiles", input, "files { uploadUrl }").await;
        text(&made["files"][0]["uploadUrl"])
    }

    /// Stores a file.
    pub(crate) async fn upload(&self, name: &str, content: impl Into<Bytes>) {
        let url = self.upload_url(name).await;
        let content: Bytes = content.into();
        let answer = self.client.fetch(Method::PUT, &url, content).await;
        assert_eq!(answer.outcome(), (200, String::new()), "{:?}", answer.body);
    }

    /// Fetches a file, signed in.
    pub(crate) async fn download(&self, name: &str) -> Answer {
        self.client.get(&self.path(name)).await
    }

    /// The same, only these bytes.
    pub(crate) async fn download_range(&self, name: &str, range: &str) -> Answer {
        let request = self.client.request(Method::GET, &self.path(name)).header("range", range);
        self.client.send(request.body(Body::empty()).unwrap()).await
    }

    /// Fields of one file, asked for by name.
    pub(crate) async fn file(&self, name: &str, fields: &str) -> Value {
        let field = format!("files(names: [{}]) {{ edges {{ node {{ {fields} }} }} }}", json!(name));
        self.field(&field).await["edges"][0]["node"].take()
    }

    /// Names of its files that match a pattern.
    pub(crate) async fn file_names(&self, pattern: &str) -> Vec<String> {
        let field =
            format!("files(pattern: {}, first: 1000) {{ edges {{ node {{ name }} }} }}", json!(pattern));
        let files = self.field(&field).await;
        files["edges"].as_array().unwrap().iter().map(|edge| text(&edge["node"]["name"])).collect()
    }

    /// Deletes one of its files.
    pub(crate) async fn delete_file(&self, name: &str) {
        let id = self.file(name, "id").await["id"].take();
        self.client.mutate("deleteFiles", json!({"files": [id]}), "success").await;
    }

    /// All that a restore must bring back exactly.
    pub(crate) async fn snapshot(&self) -> Value {
        const FIELDS: &str = "id name displayName state tags group jobType commit host description notes createdAt \
                              sweepName stopped exitcode config summaryMetrics systemMetrics historyLineCount \
                              eventsLineCount logLineCount historyTail eventsTail historyKeys history \
                              events fileCount logLines(first: 1000) { edges { node { number timestamp level line } } } \
                              files { edges { node { id name sizeBytes md5 updatedAt } } }";
        let mut seen = self.show(FIELDS).await;
        let names = self.file_names("").await;
        for name in names {
            let content = self.download(&name).await;
            assert_eq!(content.status, 200);
            seen["contents"][name] = content.body.to_vec().into();
        }
        seen
    }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a text")).to_owned()
}

pub(crate) fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap_or_else(|| panic!("{value} is not a list")).iter().map(text).collect()
}
