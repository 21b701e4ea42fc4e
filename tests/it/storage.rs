//! How many bytes there are, and whose: right in the transaction that changes them, and equal to the bucket.

use serde_json::{Value, json};

use crate::support::{CONSOLE, Client, SETTLE_AFTER, TRASH, TestApp, TestArtifact, backend_test, text};

const FIELDS: &str =
    "totalBytes liveBytes archivedBytes trashBytes reclaimableBytes sharedBytes databaseBytes";

async fn usage(client: &Client, arguments: &str) -> Value {
    let query = format!("{{ storageUsage({arguments}) {{ {FIELDS} }} }}");
    client.graphql(&query, ()).await["storageUsage"].take()
}

/// Total, live, archived and in the trash.
async fn classes(client: &Client, arguments: &str) -> [i64; 4] {
    let found = usage(client, arguments).await;
    ["totalBytes", "liveBytes", "archivedBytes", "trashBytes"].map(|field| found[field].as_i64().unwrap())
}

const PROJECT: &str = "entityName: \"ada\", projectName: \"demo\"";
const ENTITY: &str = "entityName: \"ada\"";

backend_test!(bytes_move_with_their_run_in_the_transaction_that_moves_it, |app| {
    let kept = app.ada.run("demo", "kept").await;
    kept.upload("a", "four").await;
    let run = app.ada.run("demo", "r").await;
    run.upload("a", vec![1; 1000]).await;
    run.upload("b", vec![2; 10]).await;
    run.upload("a", vec![3; 100]).await;
    let own = format!("run: \"{}\"", run.id);
    assert_eq!(classes(&app.ada, PROJECT).await, [114, 114, 0, 0], "what was replaced is nobody's");
    run.change("archiveRun").await;
    assert_eq!(classes(&app.ada, PROJECT).await, [114, 4, 110, 0]);
    run.delete().await;
    for (scope, expected) in
        [(PROJECT, [114, 4, 0, 110]), (ENTITY, [114, 4, 0, 110]), (&own, [110, 0, 0, 110])]
    {
        assert_eq!(classes(&app.ada, scope).await, expected, "{scope}");
    }
    let deadline = app.ada.graphql("{ storageUsage { purgesFrom purgesUntil } }", ()).await;
    let at = json!({"purgesFrom": "2026-01-08T00:00:00Z", "purgesUntil": "2026-01-08T00:00:00Z"});
    assert_eq!(deadline["storageUsage"], at);
    run.change("restoreRun").await;
    assert_eq!(classes(&app.ada, PROJECT).await, [114, 114, 0, 0]);
    run.delete_file("b").await;
    assert_eq!(classes(&app.ada, &own).await, [100, 100, 0, 0]);
    run.delete().await;
    app.advance(TRASH);
    assert_eq!(usage(&app.ada, PROJECT).await["reclaimableBytes"], 100, "nobody can restore it any more");
    app.run_jobs().await;
    assert_eq!(classes(&app.ada, PROJECT).await, [4, 4, 0, 0]);
    assert_eq!(usage(&app.ada, &own).await, Value::Null);
});

backend_test!(a_deleted_project_is_in_the_trash_as_a_whole, |app| {
    let run = app.ada.run("demo", "r").await;
    run.upload("a", vec![1; 10]).await;
    TestArtifact::log(&app.ada, "demo", "data", &[("a", "hello")]).await;
    let before = classes(&app.ada, ENTITY).await[0];
    let project = app.ada.graphql("{ project(name: \"demo\") { id } }", ()).await;
    app.ada.mutate("deleteModel", json!({"id": project["project"]["id"]}), "success").await;
    assert_eq!(classes(&app.ada, ENTITY).await, [before, 0, 0, before]);
    assert_eq!(usage(&app.ada, PROJECT).await, Value::Null);
});

backend_test!(what_several_versions_refer_to_counts_once_and_is_told_apart, |app| {
    app.ada.run("demo", "r").await;
    TestArtifact::log(&app.ada, "demo", "data", &[("a", "shared"), ("b", "1")]).await;
    let (second, _) = TestArtifact::log(&app.ada, "demo", "data", &[("a", "shared"), ("b", "22")]).await;
    let manifests = app
        .number(
            "SELECT CAST(SUM(size_bytes) AS BIGINT) FROM blob WHERE id IN (SELECT blob_id FROM artifact_manifest)",
        )
        .await;
    let found = usage(&app.ada, PROJECT).await;
    assert_eq!((found["totalBytes"].as_i64(), found["sharedBytes"].as_i64()), (Some(9 + manifests), Some(6)));
    second.delete().await;
    let found = usage(&app.ada, PROJECT).await;
    assert_eq!((found["totalBytes"].as_i64(), found["sharedBytes"].as_i64()).0, Some(9 + manifests));
    assert!(found["reclaimableBytes"].as_i64() > Some(2), "{found}");
});

backend_test!(lines_in_the_database_count_until_they_are_objects, |app| {
    let run = app.ada.run("demo", "r").await;
    run.log(CONSOLE, 0, &["2026-01-01T00:00:00.123456 hello"]).await;
    run.log(crate::support::HISTORY, 0, &[r#"{"_step":0,"loss":1}"#]).await;
    let found = usage(&app.ada, PROJECT).await;
    assert!(found["liveBytes"].as_i64() > Some(20), "{found}");
    assert_eq!(found["databaseBytes"], found["totalBytes"]);
    run.complete(0).await;
    app.wait(SETTLE_AFTER).await;
    let settled = usage(&app.ada, PROJECT).await;
    assert!(settled["totalBytes"].as_i64() > settled["databaseBytes"].as_i64(), "{settled}");
});

async fn names(app: &TestApp, kind: &str, after: &str) -> (Vec<String>, String) {
    let query = "query($k: StorageConsumerKind!, $a: String) { storageUsage { consumers(kind: $k, first: 2, after: $a) \
                 { edges { node { name bytes } } pageInfo { endCursor hasNextPage } } } }";
    let found = app.ada.graphql(query, json!({"k": kind, "a": after})).await;
    let page = &found["storageUsage"]["consumers"];
    let edges = page["edges"].as_array().unwrap();
    let shown = edges.iter().map(|edge| format!("{} {}", text(&edge["node"]["name"]), edge["node"]["bytes"]));
    assert_eq!(page["pageInfo"]["hasNextPage"], edges.len() == 2, "three in all");
    (shown.collect(), text(&page["pageInfo"]["endCursor"]))
}

backend_test!(the_largest_come_first_page_by_page, |app| {
    for (project, bytes) in [("small", 1), ("large", 30), ("middle", 20)] {
        let run = app.ada.run(project, project).await;
        run.upload("a", vec![1; bytes]).await;
    }
    app.grace.run("demo", "hers").await.upload("a", vec![1; 99]).await;
    for kind in ["PROJECT", "RUN"] {
        let (first, cursor) = names(app, kind, "").await;
        assert_eq!(first, ["large 30", "middle 20"], "{kind}");
        assert_eq!(names(app, kind, &cursor).await.0, ["small 1"], "{kind}");
    }
    let (version, _) = TestArtifact::log(&app.ada, "small", "data", &[("a", "hello")]).await;
    let found = app
        .ada
        .graphql("{ storageUsage { consumers(kind: ARTIFACT) { edges { node { id name bytes } } } } }", ());
    let expected = json!([{"node": {"id": version.id, "name": "data:v0", "bytes": 5}}]);
    assert_eq!(found.await["storageUsage"]["consumers"]["edges"], expected);
});
