//! What bytes and lists of files must hash to, for versions by XXH128.

use axum::http::Method;
use counterweight_storage::{ContentDigest, DigestAlgorithm, Fault, Md5Digest};
use serde_json::{Map, Value, json};

use crate::support::{Client, TestApp, TestArtifact, backend_test, lookup, text};

const ALGORITHM: &str = "MANIFEST_XXH128";

fn xxh128(bytes: &str) -> ContentDigest {
    ContentDigest::of(DigestAlgorithm::Xxh128, bytes.as_bytes())
}

fn md5(bytes: &str) -> String {
    Md5Digest::of(bytes.as_bytes()).to_string()
}

/// The digest of a version with these files, in hex.
fn version_digest(files: &[(&str, &str)]) -> String {
    let lines = files.iter().map(|(path, content)| format!("{path}:{}\n", xxh128(content)));
    xxh128(&format!("wandb-artifact-manifest-v1\n{}", lines.collect::<String>())).to_hex()
}

fn manifest(files: &[(&str, &str)]) -> String {
    let entry = |(path, content): &(&str, &str)| {
        let entry =
            json!({"digest": xxh128(content).to_string(), "size": content.len(), "extra": {"alg": "XXH128"}});
        ((*path).to_owned(), entry)
    };
    let contents: Map<String, Value> = files.iter().map(entry).collect();
    json!({"version": 1, "storagePolicy": "wandb-storage-policy-v1", "contents": contents,
           "storagePolicyConfig": {"storageLayout": "V2"}})
    .to_string()
}

/// Begins a version of `data` in `demo` with these files.
async fn begin(client: &Client, files: &[(&str, &str)], mut more: Value) -> TestArtifact {
    client.run("demo", "r").await;
    more["digest"] = version_digest(files).into();
    more["digestAlgorithm"] = ALGORITHM.into();
    TestArtifact::begin_with(client, "demo", "data", &[], more).await
}

/// A file to announce; its MD5 is empty where the client sends it in parts.
fn spec(version: &TestArtifact, path: &str, content: &str, md5: &str) -> Value {
    json!({"artifactID": version.id, "name": path, "md5": md5, "digest": xxh128(content).to_string()})
}

/// Announces a file by an algorithm; what there is to say about its upload.
async fn announce(client: &Client, spec: Value, algorithm: &str) -> Value {
    let fields = "files { edges { node { uploadUrl storagePath uploadMultipartUrls { uploadID \
                  uploadUrlParts { uploadUrl } } } } }";
    let input = json!({"artifactFiles": [spec], "digestAlgorithm": algorithm});
    client.mutate("createArtifactFiles", input, fields).await["files"]["edges"][0]["node"].take()
}

async fn send(client: &Client, version: &TestArtifact, path: &str, content: &str) {
    let file = announce(client, spec(version, path, content, &md5(content)), ALGORITHM).await;
    let answer = client.fetch(Method::PUT, &text(&file["uploadUrl"]), content.to_owned()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Announces a file in two parts and sends these; answers what puts them together.
async fn send_in_parts(client: &Client, mut spec: Value, content: &str) -> Value {
    let halves = content.split_at(content.len() / 2);
    let halves = [(1, halves.0), (2, halves.1)];
    let hex_md5 = |part: &str| hex::encode(Md5Digest::of(part.as_bytes()).0);
    spec["uploadPartsInput"] =
        halves.iter().map(|(number, part)| json!({"partNumber": number, "hexMD5": hex_md5(part)})).collect();
    let file = announce(client, spec.clone(), ALGORITHM).await;
    let urls = &file["uploadMultipartUrls"]["uploadUrlParts"];
    let mut parts = Vec::new();
    for (number, part) in halves {
        let answer = client.put_sized(&text(&urls[number - 1]["uploadUrl"]), part).await;
        let tag = answer.headers["etag"].to_str().unwrap();
        parts.push(json!({"partNumber": number, "hexMD5": tag}));
    }
    json!({"artifactID": spec["artifactID"], "storagePath": file["storagePath"], "completedParts": parts,
           "uploadID": file["uploadMultipartUrls"]["uploadID"], "completeMultipartAction": "Complete"})
}

async fn nothing_stored(app: &TestApp) {
    assert_eq!(app.objects().await, Vec::<String>::new());
    assert_eq!(app.rows("artifact_entry").await, 0);
}

backend_test!(bytes_are_held_to_each_digest_that_was_announced, |app| {
    let version = begin(&app.ada, &[("x", "hello")], json!({})).await;
    for (md5, wrong) in [(md5("hello"), "hullo"), (md5("hullo"), "hullo"), (md5("hullo"), "hello")] {
        let file = announce(&app.ada, spec(&version, "x", "hello", &md5), ALGORITHM).await;
        let answer = app.ada.fetch(Method::PUT, &text(&file["uploadUrl"]), wrong).await;
        assert_eq!(answer.outcome(), (400, "DIGEST_MISMATCH".to_owned()), "{wrong:?} for {md5}");
    }
    let file = announce(&app.ada, spec(&version, "x", "hello", ""), ALGORITHM).await;
    let url = text(&file["uploadUrl"]);
    let answer = app.ada.fetch(Method::PUT, &url, "hullo").await;
    assert_eq!(answer.outcome(), (400, "DIGEST_MISMATCH".to_owned()));
    nothing_stored(app).await;
    assert_eq!(app.ada.fetch(Method::PUT, &url, "hello").await.status, 200);
    let same = spec(&version, "y", "hello", "");
    assert_eq!(announce(&app.ada, same.clone(), ALGORITHM).await["uploadUrl"], Value::Null);
    let other = announce(&app.ada, same, "MANIFEST_MD5").await;
    assert!(other["uploadUrl"].is_string(), "the same sixteen bytes by MD5 are something else");
});

backend_test!(a_version_is_held_to_its_digest, |app| {
    let version = begin(&app.ada, &[("x", "hello")], json!({})).await;
    send(&app.ada, &version, "x", "hello").await;
    version.send_manifest(&manifest(&[("y", "hello")]), "FULL").await;
    assert_eq!(version.commit_refused().await.code, "DIGEST_MISMATCH");
    assert_eq!(lookup(&app.ada, "demo", "data:latest").await, None);
    assert_eq!(app.rows("artifact_entry").await, 0);
    version.send_manifest(&manifest(&[("x", "hello")]), "FULL").await;
    version.commit().await;
    let name = format!("data:{}", version_digest(&[("x", "hello")]));
    assert_eq!(lookup(&app.ada, "demo", &name).await.unwrap().0, version.id);
    assert_eq!(version.read("x").await.unwrap(), "hello");
});

backend_test!(parts_together_are_held_to_their_digest, |app| {
    let version = begin(&app.ada, &[("x", "two halves")], json!({})).await;
    let wrong = send_in_parts(&app.ada, spec(&version, "x", "two halves", ""), "other text").await;
    assert_eq!(app.ada.refused("completeMultipartUploadArtifact", wrong).await.code, "DIGEST_MISMATCH");
    version.send_manifest(&manifest(&[("x", "two halves")]), "FULL").await;
    assert_eq!(version.commit_refused().await.code, "ARTIFACT_FILES_MISSING");
    let right = send_in_parts(&app.ada, spec(&version, "x", "two halves", ""), "two halves").await;
    let done = app.ada.mutate("completeMultipartUploadArtifact", right, "digest").await;
    assert_eq!(done["digest"], xxh128("two halves").to_string());
    version.commit().await;
    assert_eq!(version.read("x").await.unwrap(), "two halves");
    app.collect().await;
    assert_eq!(app.objects().await.len(), 2, "the file and the manifest");
});

backend_test!(parts_are_put_together_again_after_the_answer_was_lost, |app| {
    let version = begin(&app.ada, &[("x", "two halves")], json!({})).await;
    let complete = send_in_parts(&app.ada, spec(&version, "x", "two halves", ""), "two halves").await;
    let mut failures = 0;
    let done = loop {
        app.faults.fail_call(failures + 1, Fault::Unavailable);
        let query = "mutation($input: CompleteMultipartUploadArtifactInput!) { \
                     completeMultipartUploadArtifact(input: $input) { digest } }";
        let body = json!({"query": query, "variables": {"input": complete}});
        let mut answer = app.ada.post_graphql(&body).await.json();
        app.faults.clear();
        if answer["errors"].is_null() {
            break answer["data"]["completeMultipartUploadArtifact"]["digest"].take();
        }
        assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAVAILABLE");
        failures += 1;
    };
    assert_eq!(done, xxh128("two halves").to_string());
    assert!(failures > 1, "the store is asked to join the parts, and for what came of it");
});

backend_test!(what_writers_put_together_gets_the_digest_of_its_algorithm, |app| {
    let more = || json!({"distributedID": "together"});
    let one = begin(&app.ada, &[("a", "1")], more()).await;
    let two = begin(&app.ada, &[("b", "2")], more()).await;
    assert_eq!(one.id, two.id);
    for (path, content) in [("a", "1"), ("b", "2")] {
        send(&app.ada, &one, path, content).await;
        one.send_manifest(&manifest(&[(path, content)]), "PATCH").await;
    }
    one.commit().await;
    let query = "query($id: ID!) { artifact(id: $id) { digest } }";
    let found = app.ada.graphql(query, json!({"id": one.id})).await;
    assert_eq!(found["artifact"]["digest"], version_digest(&[("a", "1"), ("b", "2")]));
});
