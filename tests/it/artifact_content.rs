//! Files of versions where a client asks for them by what they are, and versions by name as older clients ask.

use counterweight_storage::Md5Digest;
use serde_json::json;

use crate::support::{TestArtifact, backend_test};

fn hex_md5(content: &str) -> String {
    hex::encode(Md5Digest::of(content.as_bytes()).0)
}

backend_test!(a_file_is_found_by_its_digest_within_an_entity, |app| {
    app.ada.run("demo", "r").await;
    let (version, _) = TestArtifact::log(&app.ada, "demo", "data", &[("a.txt", "hello")]).await;
    let pending = TestArtifact::begin(&app.ada, "demo", "data", &[("b.txt", "not committed")]).await;
    pending.send_files().await;
    let path = |entity: &str, content: &str| format!("/artifacts/{entity}/{}", hex_md5(content));
    let found = app.ada.get(&path("ada", "hello")).await;
    assert_eq!((found.status, &found.body[..]), (200, &b"hello"[..]));
    assert_eq!(found.headers["content-type"], "text/plain");
    for (content, entity) in
        [("other", "ada"), ("not committed", "ada"), ("hello", "grace"), ("hello", "nobody")]
    {
        assert_eq!(
            app.ada.get(&path(entity, content)).await.outcome(),
            (404, "NOT_FOUND".to_owned()),
            "{content}"
        );
    }
    assert_eq!(app.ada.get("/artifacts/ada/nonsense").await.outcome(), (404, "NOT_FOUND".to_owned()));
    assert_eq!(app.grace.get(&path("ada", "hello")).await.outcome(), (404, "NOT_FOUND".to_owned()));
    version.delete().await;
    assert_eq!(app.ada.get(&path("ada", "hello")).await.outcome(), (404, "NOT_FOUND".to_owned()));
    app.collect().await;
});

backend_test!(a_file_is_found_by_its_digest_within_a_collection, |app| {
    app.ada.run("demo", "r").await;
    let (version, _) = TestArtifact::log(&app.ada, "demo", "data", &[("a.txt", "hello")]).await;
    TestArtifact::log(&app.ada, "demo", "other", &[("b.txt", "world")]).await;
    let id = &version.id;
    let path = |within: &str, content: &str| {
        format!("/artifactsV2/default/ada/{within}/{id}/{}/a.txt", hex_md5(content))
    };
    for within in ["demo/data", &format!("demo/data/{id}")] {
        let found = app.ada.get(&path(within, "hello")).await;
        assert_eq!((found.status, &found.body[..]), (200, &b"hello"[..]), "{within}");
    }
    for (within, content) in [("demo/data", "world"), ("demo/other", "hello"), ("nowhere/data", "hello")] {
        let missing = app.ada.get(&path(within, content)).await.outcome();
        assert_eq!(missing, (404, "NOT_FOUND".to_owned()), "{within}");
    }
    assert_eq!(app.grace.get(&path("demo/data", "hello")).await.outcome(), (404, "NOT_FOUND".to_owned()));
});

backend_test!(older_clients_find_a_version_by_name, |app| {
    const QUERY: &str = "query($entity: String!, $project: String!, $name: String!, $enableTracking: Boolean) { \
                         project(name: $project, entityName: $entity) { \
                         artifact(name: $name, enableTracking: $enableTracking) { id } } }";
    app.ada.run("demo", "r").await;
    let (version, _) = TestArtifact::log(&app.ada, "demo", "data", &[("a.txt", "hello")]).await;
    let named =
        |name: &str| json!({"entity": "ada", "project": "demo", "name": name, "enableTracking": true});
    let found = app.ada.graphql(QUERY, named("data:v0")).await;
    assert_eq!(found["project"]["artifact"]["id"], version.id);
    let missing = app.ada.graphql(QUERY, named("data:v1")).await;
    assert_eq!(missing["project"]["artifact"], json!(null));
    let found = app.grace.graphql(QUERY, named("data:v0")).await;
    assert_eq!(found["project"], json!(null));
});
