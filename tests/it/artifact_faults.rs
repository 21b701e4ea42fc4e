//! Versions of artifacts that go wrong: a clear answer, and nothing half made.

use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use axum::http::header::CONTENT_LENGTH;
use counterweight_storage::{Fault, Md5Digest};
use serde_json::{Value, json};

use crate::support::{TestApp, TestArtifact, URL_LIFETIME, backend_test, lookup, path_of, text};

const FILES: [(&str, &str); 2] = [("a.txt", "hello"), ("dir/b.txt", "world")];

/// A version of `data` in `demo` that has begun.
async fn begun(app: &TestApp) -> TestArtifact {
    app.ada.run("demo", "r").await;
    TestArtifact::begin(&app.ada, "demo", "data", &FILES).await
}

/// No version has a place, a name or a file.
async fn nothing_made(app: &TestApp) {
    assert_eq!(lookup(&app.ada, "demo", "data:latest").await, None);
    for table in ["artifact_membership", "artifact_alias", "artifact_entry", "run_artifact"] {
        assert_eq!(app.rows(table).await, 0, "{table}");
    }
}

/// What becomes whole afterwards, as if nothing had gone wrong.
async fn goes_on(version: &TestArtifact) {
    version.publish().await;
    assert_eq!(version.read("dir/b.txt").await.unwrap(), "world");
}

backend_test!(an_alias_that_is_none_is_refused_wherever_it_is_set, |app| {
    let version = begun(app).await;
    let input = |alias: &str| {
        let more = json!({"aliases": [{"artifactCollectionName": "other", "alias": alias}]});
        TestArtifact::input(&app.ada, "demo", "other", &[], more)
    };
    for bad in ["a/b", "a:b", "", "v7", &"a".repeat(129)] {
        assert_eq!(app.ada.refused("createArtifact", input(bad)).await.code, "ALIAS_INVALID", "{bad:?}");
    }
    assert_eq!(app.rows("artifact_collection").await, 1);
    let update = |alias: &str| {
        json!({"artifactID": version.id, "description": "new",
               "aliases": [{"artifactCollectionName": "data", "alias": alias}]})
    };
    assert_eq!(app.ada.refused("updateArtifact", update("early")).await.code, "NOT_FOUND");
    version.publish().await;
    let link = |aliases: &[&str]| {
        let alias = |alias: &&str| json!({"artifactCollectionName": "shelf", "alias": alias});
        let aliases: Vec<Value> = aliases.iter().map(alias).collect();
        json!({"artifactID": version.id, "artifactPortfolioName": "shelf", "entityName": "ada",
               "projectName": "demo", "aliases": aliases})
    };
    assert_eq!(app.ada.refused("linkArtifact", link(&["good", "a/b"])).await.code, "ALIAS_INVALID");
    assert_eq!(app.ada.refused("linkArtifact", link(&["good"; 101])).await.code, "TOO_MANY");
    assert_eq!(lookup(&app.ada, "demo", "shelf:latest").await, None);
    assert_eq!(app.ada.refused("updateArtifact", update("a/b")).await.code, "ALIAS_INVALID");
    let (_, _, aliases) = lookup(&app.ada, "demo", "data:v0").await.unwrap();
    assert_eq!(aliases, ["latest"]);
});

backend_test!(a_manifest_of_too_many_files_is_refused, |app| {
    let version = begun(app).await;
    let entries: Vec<String> = (0..1_000_000).map(|n| format!("\"{n}\":0")).collect();
    let many = format!(
        r#"{{"version":1,"storagePolicy":"","storagePolicyConfig":{{}},"contents":{{{}}}}}"#,
        entries.join(",")
    );
    version.send_manifest(&many, "FULL").await;
    let refused = version.commit_refused().await;
    assert_eq!((refused.status, refused.code.as_str()), (200, "MANIFEST_INVALID"));
    assert!(refused.message.contains("more than 500000 files"), "{}", refused.message);
    nothing_made(app).await;
    goes_on(&version).await;
});

backend_test!(a_manifest_that_is_too_large_is_refused_before_it_is_read, |app| {
    let version = begun(app).await;
    let input = json!({"artifactID": version.id, "name": "wandb_manifest.json", "digest": "",
                       "entityName": "ada", "projectName": "demo", "runName": ""});
    let fields = "artifactManifest { file { uploadUrl } }";
    let made = app.ada.mutate("createArtifactManifest", input, fields).await;
    let url = text(&made["artifactManifest"]["file"]["uploadUrl"]);
    let request = app.ada.request(Method::PUT, path_of(&url)).header(CONTENT_LENGTH, (128 << 20) + 1);
    let answer = app.ada.send(request.body(Body::from("{")).unwrap()).await;
    assert_eq!(answer.outcome(), (413, "FILE_TOO_LARGE".to_owned()));
    assert_eq!(app.objects().await, Vec::<String>::new());
    assert_eq!(version.commit_refused().await.code, "MANIFEST_MISSING");
    goes_on(&version).await;
});

backend_test!(a_deleted_version_is_not_brought_back, |app| {
    let version = begun(app).await;
    let url = version.announce().await.remove(0).unwrap();
    version.send_files().await;
    version.send_manifest(&version.manifest(), "FULL").await;
    version.delete().await;
    assert_eq!(version.commit_refused().await.code, "NOT_FOUND");
    assert_eq!(app.ada.fetch(Method::PUT, &url, "hello").await.outcome(), (404, "NOT_FOUND".to_owned()));
    for (mutation, input) in [
        ("deleteArtifact", json!({"artifactID": version.id})),
        ("updateArtifact", json!({"artifactID": version.id, "description": "back"})),
        (
            "createArtifactFiles",
            json!({"artifactFiles": [{"artifactID": version.id, "name": "a", "md5": md5("a")}]}),
        ),
    ] {
        assert_eq!(app.ada.refused(mutation, input).await.code, "NOT_FOUND", "{mutation}");
    }
    nothing_made(app).await;
    app.collect().await;
    assert_eq!(app.objects().await, Vec::<String>::new());
});

fn md5(content: &str) -> String {
    Md5Digest::of(content.as_bytes()).to_string()
}

backend_test!(a_foreign_id_answers_like_a_miss, |app| {
    let version = begun(app).await;
    version.send_files().await;
    version.send_manifest(&version.manifest(), "FULL").await;
    let run = app.ada.run("demo", "r").await;
    for id in
        [run.id.as_str(), "", "nonsense", "QXJ0aWZhY3Q6OTk5OTk5OTk5OTk5OTk5OTk5OTk5", "QXJ0aWZhY3Q6LTE="]
    {
        let refused = app.ada.refused("commitArtifact", json!({"artifactID": id})).await;
        assert_eq!((refused.status, refused.code.as_str()), (200, "NOT_FOUND"), "{id:?}");
    }
    let spec = json!({"artifactID": version.id, "name": "more", "md5": md5("more")});
    let manifest = json!({"artifactID": version.id, "name": "m", "digest": "", "entityName": "ada",
                          "projectName": "demo", "runName": ""});
    let parts = json!({"artifactID": version.id, "storagePath": "x", "uploadID": "x", "completedParts": [],
                       "completeMultipartAction": "Complete"});
    for (mutation, input) in [
        ("commitArtifact", json!({"artifactID": version.id})),
        ("createArtifactFiles", json!({"artifactFiles": [spec]})),
        ("createArtifactManifest", manifest),
        ("completeMultipartUploadArtifact", parts),
    ] {
        assert_eq!(app.grace.refused(mutation, input).await.code, "NOT_FOUND", "{mutation}");
    }
    nothing_made(app).await;
    version.commit().await;
});

backend_test!(a_url_that_has_expired_takes_and_gives_nothing, |app| {
    let version = begun(app).await;
    let url = version.announce().await.remove(0).unwrap();
    let (other, _) = TestArtifact::log(&app.ada, "demo", "other", &[("c", "other")]).await;
    let query = "query($id: ID!) { artifact(id: $id) { files { edges { node { directUrl } } } \
                 currentManifest { file { directUrl } } } }";
    let found = app.ada.graphql(query, json!({"id": other.id})).await;
    let file = text(&found["artifact"]["files"]["edges"][0]["node"]["directUrl"]);
    let manifest = text(&found["artifact"]["currentManifest"]["file"]["directUrl"]);
    let before = app.objects().await;
    app.advance(URL_LIFETIME + Duration::from_secs(1));
    for (method, url) in [(Method::PUT, url), (Method::GET, file), (Method::GET, manifest)] {
        let answer = app.ada.fetch(method, &url, "hello").await;
        assert_eq!(answer.outcome(), (403, "URL_EXPIRED".to_owned()), "{url}");
    }
    assert_eq!(app.objects().await, before);
});

backend_test!(a_full_store_takes_no_version_and_loses_none, |app| {
    let version = begun(app).await;
    let url = version.announce().await.remove(0).unwrap();
    app.faults.fail_all(Fault::OutOfSpace);
    assert_eq!(app.ada.fetch(Method::PUT, &url, "hello").await.outcome(), (507, "STORAGE_FULL".to_owned()));
    app.faults.clear();
    assert_eq!(app.objects().await, Vec::<String>::new());
    nothing_made(app).await;
    goes_on(&version).await;
});

backend_test!(a_store_that_fails_during_a_commit_is_trouble_that_passes, |app| {
    app.ada.run("demo", "r").await;
    let together = || json!({"distributedID": "together"});
    let one = TestArtifact::begin_with(&app.ada, "demo", "data", &[("a", "1")], together()).await;
    let two = TestArtifact::begin_with(&app.ada, "demo", "data", &[("b", "2")], together()).await;
    for writer in [&one, &two] {
        writer.send_files().await;
        writer.send_manifest(&writer.manifest(), "PATCH").await;
    }
    let mut failures = 0;
    loop {
        app.faults.fail_call(failures + 1, Fault::Unavailable);
        let query = "mutation($id: ID!) { commitArtifact(input: {artifactID: $id}) { artifact { id } } }";
        let answer = app.ada.post_graphql(&json!({"query": query, "variables": {"id": one.id}})).await;
        app.faults.clear();
        let refusal = &answer.json()["errors"][0]["extensions"]["code"];
        if refusal.is_null() {
            break;
        }
        assert_eq!((answer.status, refusal), (503, &json!("UNAVAILABLE")), "call {}", failures + 1);
        nothing_made(app).await;
        failures += 1;
    }
    assert_eq!(failures, 3, "two manifests are read, and one is stored");
    assert_eq!((one.read("a").await.unwrap(), one.read("b").await.unwrap()), ("1".into(), "2".into()));
    app.collect().await;
    assert_eq!(app.objects().await.len(), 5, "two files, two manifests, and the one of both");
});
