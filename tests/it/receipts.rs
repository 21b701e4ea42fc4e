//! What a deletion took away for good can be shown, and checked, after all of it is gone.

use counterweight_domain::{audit, receipt};
use serde_json::{Value, json};

use crate::support::{Client, TRASH, TestApp, TestArtifact, backend_test, text};

const FIELDS: &str = "actor { username } reason issuedAt digest document \
                      objects(first: 100) { edges { node { key sizeBytes removedAt answer } } }";

async fn shown(client: &Client, deletion: &str) -> Value {
    let query = format!("query($id: ID!) {{ receipt(deletionId: $id) {{ {FIELDS} }} }}");
    client.graphql(&query, json!({"id": deletion})).await["receipt"].take()
}

fn answers(receipt: &Value) -> Vec<String> {
    let edges = receipt["objects"]["edges"].as_array().unwrap();
    edges.iter().map(|edge| edge["node"]["answer"].as_str().unwrap_or("-").to_owned()).collect()
}

async fn sealed(app: &TestApp) {
    app.run_jobs().await;
    while audit::seal(&app.db).await.unwrap() {}
}

backend_test!(a_receipt_names_each_object_and_is_complete_when_the_last_is_gone, |app| {
    let run = app.ada.run("demo", "r").await;
    run.upload("a", "secret words").await;
    run.upload("b", "more").await;
    let before = app.objects().await;
    let input = json!({"id": run.id, "reason": "personal data"});
    let done = app.ada.mutate("deleteRun", input, "deletion { id }").await;
    let id = text(&done["deletion"]["id"]);
    assert_eq!(shown(&app.ada, &id).await, Value::Null, "it can still be restored");
    app.wait(TRASH).await;
    let open = shown(&app.ada, &id).await;
    assert_eq!((&open["issuedAt"], &open["document"]), (&Value::Null, &Value::Null));
    assert_eq!(answers(&open), ["-", "-"]);
    app.collect().await;
    sealed(app).await;
    let whole = shown(&app.ada, &id).await;
    assert_eq!(
        (text(&whole["actor"]["username"]), text(&whole["reason"])),
        ("ada".into(), "personal data".into())
    );
    assert_eq!(answers(&whole), ["gone", "gone"]);
    let edges = whole["objects"]["edges"].as_array().unwrap();
    let mut keys: Vec<String> = edges.iter().map(|edge| text(&edge["node"]["key"])).collect();
    keys.sort();
    assert_eq!(keys, before);
    assert_eq!(app.objects().await, Vec::<String>::new());
    let document = text(&whole["document"]);
    assert!(!document.contains("secret words"), "{document}");
    let proven = receipt::verify(document.as_bytes()).unwrap();
    assert_eq!((&proven.deletion_id, proven.removed, proven.kept), (&id, 2, 0));
    let chain = audit::Export::begin(&app.db, 0).await.unwrap().next(&app.db).await.unwrap().unwrap();
    assert!(chain.contains(document.lines().last().unwrap()), "its entry is in the chain");
    for at in 0..document.len() {
        let mut forged = document.clone().into_bytes();
        forged[at] ^= 1;
        receipt::verify(&forged).unwrap_err();
    }
    let without = document.lines().enumerate().filter(|(number, _)| *number != 2);
    let without: String = without.flat_map(|(_, line)| [line, "\n"]).collect();
    receipt::verify(without.as_bytes()).unwrap_err();
    assert_eq!(shown(&app.grace, &id).await, Value::Null);
});

backend_test!(what_something_else_needs_is_noted_as_kept, |app| {
    for run in ["r", "s"] {
        app.ada.run("demo", run).await;
    }
    let mut versions = Vec::new();
    for (run, files) in [("r", &[("x", "shared"), ("y", "own")][..]), ("s", &[("x", "shared")])] {
        let more = json!({"runName": run});
        let version = TestArtifact::begin_with(&app.ada, "demo", run, files, more).await;
        version.publish().await;
        versions.push(version);
    }
    let query = "{ project(name: \"demo\") { id run(name: \"r\") { id } } }";
    let project = app.ada.graphql(query, ()).await["project"].take();
    let input = json!({"id": project["run"]["id"], "deleteArtifacts": true});
    let done = app.ada.mutate("deleteRun", input, "deletion { id }").await;
    app.wait(TRASH).await;
    app.collect().await;
    sealed(app).await;
    let whole = shown(&app.ada, &text(&done["deletion"]["id"])).await;
    let mut answers = answers(&whole);
    answers.sort();
    assert_eq!(answers, ["gone", "gone", "kept: artifact_entry refers to it"], "manifest, y, x: {whole:#}");
    assert_eq!(receipt::verify(text(&whole["document"]).as_bytes()).unwrap().kept, 1);
    assert_eq!(versions[1].read("x").await.unwrap(), "shared");
    let done = app.ada.mutate("deleteModel", json!({"id": project["id"]}), "deletion { id }").await;
    app.wait(TRASH).await;
    app.collect().await;
    sealed(app).await;
    let whole = shown(&app.ada, &text(&done["deletion"]["id"])).await;
    let document = text(&whole["document"]);
    assert!(document.contains("\"ada/demo/s:v0\"") && document.contains("\"ada/demo/s\""), "{document}");
    assert_eq!(receipt::verify(document.as_bytes()).unwrap().kept, 0);
    assert_eq!(app.objects().await, Vec::<String>::new());
});
