//! A version of an artifact, as its writer makes it.

use axum::http::Method;
use counterweight_storage::{Md5Digest, Md5Hasher};
use serde_json::{Map, Value, json};

use super::client::{Client, Refusal};

/// A version that is being made.
#[derive(Clone)]
pub(crate) struct TestArtifact {
    pub(crate) id: String,
    pub(crate) state: String,
    files: Vec<(String, String)>,
    client: Client,
    project: String,
}

fn entry_digest(content: &str) -> String {
    Md5Digest::of(content.as_bytes()).to_string()
}

/// The digest of a version with these files.
fn digest(files: &[(String, String)]) -> String {
    let mut hasher = Md5Hasher::default();
    hasher.update(b"wandb-artifact-manifest-v1\n");
    for (path, content) in files {
        hasher.update(format!("{path}:{}\n", entry_digest(content)).as_bytes());
    }
    hex::encode(hasher.finish().0)
}

impl TestArtifact {
    /// Begins a version of `collection` with these files, which are sorted by path.
    pub(crate) async fn begin(
        client: &Client,
        project: &str,
        collection: &str,
        files: &[(&str, &str)],
    ) -> Self {
        Self::begin_with(client, project, collection, files, json!({})).await
    }

    /// The same, with more to say about it.
    pub(crate) async fn begin_with(
        client: &Client,
        project: &str,
        collection: &str,
        files: &[(&str, &str)],
        more: Value,
    ) -> Self {
        let files: Vec<_> =
            files.iter().map(|(path, content)| ((*path).to_owned(), (*content).to_owned())).collect();
        let input = Self::input(client, project, collection, &files, more);
        let made = client.mutate("createArtifact", input, "artifact { id state }").await;
        Self::begun(client, project, files, &made["artifact"])
    }

    /// A version with these files, of which the server has answered `id` and `state`.
    pub(crate) fn begun(client: &Client, project: &str, files: Vec<(String, String)>, made: &Value) -> Self {
        let text = |field: &str| made[field].as_str().unwrap().to_owned();
        let (id, state) = (text("id"), text("state"));
        Self { id, state, files, client: client.clone(), project: project.to_owned() }
    }

    /// What begins such a version.
    pub(crate) fn input(
        client: &Client,
        project: &str,
        collection: &str,
        files: &[(String, String)],
        more: Value,
    ) -> Value {
        let mut input = json!({
            "entityName": client.entity(), "projectName": project, "artifactTypeName": "dataset",
            "artifactCollectionName": collection, "digest": digest(files), "enableDigestDeduplication": true,
        });
        let Value::Object(more) = more else { panic!("more is an object") };
        input.as_object_mut().unwrap().extend(more);
        input
    }

    /// What its files hold.
    pub(crate) fn contents(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|(_, content)| content.as_str())
    }

    /// Of its files, in hex.
    pub(crate) fn digest(&self) -> String {
        digest(&self.files)
    }

    /// What `createArtifactFiles` takes for it.
    pub(crate) fn files_input(&self) -> Value {
        let spec = |(path, content): &(String, String)| json!({"artifactID": self.id, "name": path, "md5": entry_digest(content)});
        let specs: Vec<_> = self.files.iter().map(spec).collect();
        json!({"artifactFiles": specs, "storageLayout": "V2"})
    }

    /// Announces its files; the URLs to put them to, none for what is there.
    pub(crate) async fn announce(&self) -> Vec<Option<String>> {
        let input = self.files_input();
        let fields = "files { edges { node { name uploadUrl artifact { id } } } }";
        let made = self.client.mutate("createArtifactFiles", input, fields).await;
        let edges = made["files"]["edges"].as_array().unwrap();
        assert_eq!(edges.len(), self.files.len());
        let url = |(edge, (path, _)): (&Value, &(String, String))| {
            assert_eq!(edge["node"]["name"], path.as_str());
            edge["node"]["uploadUrl"].as_str().map(str::to_owned)
        };
        edges.iter().zip(&self.files).map(url).collect()
    }

    /// Sends what is not there yet; how many files that were.
    pub(crate) async fn send_files(&self) -> usize {
        let mut sent = 0;
        for (url, (_, content)) in self.announce().await.into_iter().zip(&self.files) {
            let Some(url) = url else { continue };
            let answer = self.client.fetch(Method::PUT, &url, content.clone()).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            sent += 1;
        }
        sent
    }

    /// The manifest of its files.
    pub(crate) fn manifest(&self) -> String {
        let entry = |(path, content): &(String, String)| {
            (path.clone(), json!({"digest": entry_digest(content), "size": content.len()}))
        };
        let contents: Map<String, Value> = self.files.iter().map(entry).collect();
        json!({
            "version": 1, "storagePolicy": "wandb-storage-policy-v1",
            "storagePolicyConfig": {"storageLayout": "V2"}, "contents": contents,
        })
        .to_string()
    }

    /// What `createArtifactManifest` takes for it.
    pub(crate) fn manifest_input(&self, json: &str, kind: &str) -> Value {
        json!({
            "artifactID": self.id, "name": "wandb_manifest.json", "digest": entry_digest(json), "type": kind,
            "entityName": self.client.entity(), "projectName": self.project, "runName": "",
        })
    }

    /// Sends a manifest.
    pub(crate) async fn send_manifest(&self, json: &str, kind: &str) {
        let input = self.manifest_input(json, kind);
        let made = self
            .client
            .mutate("createArtifactManifest", input, "artifactManifest { file { uploadUrl } }")
            .await;
        let url = made["artifactManifest"]["file"]["uploadUrl"].as_str().unwrap();
        let answer = self.client.fetch(Method::PUT, url, json.to_owned()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// Sends its files and its manifest, and commits it. How many files were sent.
    pub(crate) async fn publish(&self) -> usize {
        let sent = self.send_files().await;
        self.send_manifest(&self.manifest(), "FULL").await;
        self.commit().await;
        sent
    }

    /// Commits it.
    pub(crate) async fn commit(&self) {
        let input = json!({"artifactID": self.id});
        self.client.mutate("commitArtifact", input, "artifact { id }").await;
    }

    /// Why it cannot be committed.
    pub(crate) async fn commit_refused(&self) -> Refusal {
        self.client.refused("commitArtifact", json!({"artifactID": self.id})).await
    }

    /// All steps of a writer. How many files it sent.
    pub(crate) async fn log(
        client: &Client,
        project: &str,
        collection: &str,
        files: &[(&str, &str)],
    ) -> (Self, usize) {
        let version = Self::begin(client, project, collection, files).await;
        if version.state == "COMMITTED" {
            return (version, 0);
        }
        let sent = version.publish().await;
        (version, sent)
    }

    /// Deletes it with its aliases.
    pub(crate) async fn delete(&self) {
        let input = json!({"artifactID": self.id, "deleteAliases": true});
        self.client.mutate("deleteArtifact", input, "artifact { id }").await;
    }

    /// A file's bytes, by the URL that a listing gives.
    pub(crate) async fn read(&self, path: &str) -> Option<String> {
        let query = "query($id: ID!, $names: [String!]) { artifact(id: $id) { files(names: $names, first: 1) { \
                     edges { node { directUrl } } } } }";
        let found = self.client.graphql(query, json!({"id": self.id, "names": [path]})).await;
        let url = found["artifact"]["files"]["edges"][0]["node"]["directUrl"].as_str()?;
        let answer = self.client.fetch(Method::GET, url, "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        Some(String::from_utf8(answer.body.to_vec()).unwrap())
    }
}

/// The version that a name means in a project, with its index and its aliases there; none where there is none.
pub(crate) async fn lookup(client: &Client, project: &str, name: &str) -> Option<(String, i64, Vec<String>)> {
    let query = "query($entity: String, $project: String, $name: String!) { project(entityName: $entity, name: $project) { \
                 artifactCollectionMembership(name: $name) { versionIndex aliases { alias } artifact { id } } } }";
    let found =
        client.graphql(query, json!({"entity": client.entity(), "project": project, "name": name})).await;
    let place = &found["project"]["artifactCollectionMembership"];
    let id = place["artifact"]["id"].as_str()?.to_owned();
    let aliases = place["aliases"].as_array().unwrap().iter();
    let aliases = aliases.map(|alias| alias["alias"].as_str().unwrap().to_owned()).collect();
    Some((id, place["versionIndex"].as_i64().unwrap(), aliases))
}
