//! How versions end: with their run, or by themselves; and what must keep them.

use std::time::Duration;

use counterweight_domain::deletion::{self, Purge};
use serde_json::{Value, json};

use crate::support::{Client, TRASH, TestArtifact, TestRun, backend_test, lookup};

const HOUR: Duration = Duration::from_hours(1);

async fn delete_with_artifacts(client: &Client, run: &TestRun) {
    let input = json!({"id": run.id, "deleteArtifacts": true});
    client.mutate("deleteRun", input, "clientMutationId").await;
}

/// A version of `data` that is being made by a run of `demo`, with all that its commit needs.
async fn sent(client: &Client, run: &str, content: &str) -> TestArtifact {
    let more = json!({"runName": run});
    let version = TestArtifact::begin_with(client, "demo", "data", &[("x", content)], more).await;
    version.send_files().await;
    version.send_manifest(&version.manifest(), "FULL").await;
    version
}

/// A committed version of `data` that lives for an hour.
async fn short_lived(client: &Client, content: &str) -> TestArtifact {
    let more = json!({"ttlDurationSeconds": 3600});
    let version = TestArtifact::begin_with(client, "demo", "data", &[("x", content)], more).await;
    version.publish().await;
    version
}

backend_test!(a_run_takes_along_what_it_has_begun_and_not_finished, |app| {
    let run = app.ada.run("demo", "r").await;
    let version = sent(&app.ada, "r", "1").await;
    delete_with_artifacts(&app.ada, &run).await;
    assert_eq!(version.commit_refused().await.code, "NOT_FOUND");
    run.change("restoreRun").await;
    assert_eq!(version.commit_refused().await.code, "NOT_FOUND", "it does not come back with the run");
    assert_eq!(lookup(&app.ada, "demo", "data:latest").await, None);
    app.collect().await;
    assert_eq!(app.objects().await, Vec::<String>::new());
});

backend_test!(a_run_takes_along_all_that_it_logged_and_nothing_that_it_used, |app| {
    let (first, second) = (app.ada.run("demo", "first").await, app.ada.run("demo", "second").await);
    let version = sent(&app.ada, "first", "1").await;
    version.commit().await;
    let use_it =
        json!({"entityName": "ada", "projectName": "demo", "runName": "second", "artifactID": version.id});
    app.ada.mutate("useArtifact", use_it, "artifact { id }").await;
    delete_with_artifacts(&app.ada, &second).await;
    assert_eq!(lookup(&app.ada, "demo", "data:latest").await.unwrap().0, version.id);
    second.change("restoreRun").await;
    let again =
        TestArtifact::begin_with(&app.ada, "demo", "data", &[("x", "1")], json!({"runName": "second"}));
    assert_eq!(again.await.id, version.id, "it is one version that both have logged");
    delete_with_artifacts(&app.ada, &second).await;
    assert_eq!(lookup(&app.ada, "demo", "data:latest").await, None);
    let left = first.field("outputArtifacts { totalCount }").await;
    assert_eq!(left["totalCount"], 0);
    app.run_jobs().await;
});

backend_test!(a_version_that_is_finished_after_its_run_was_purged_is_nobodys, |app| {
    let run = app.ada.run("demo", "r").await;
    let version = sent(&app.ada, "r", "1").await;
    let deletion = run.delete().await;
    app.advance(TRASH);
    assert_eq!(deletion::purge(&app.db, &deletion).await.unwrap(), Purge::Complete);
    version.commit().await;
    assert_eq!(lookup(&app.ada, "demo", "data:latest").await.unwrap().0, version.id);
    assert_eq!(app.rows("run_artifact").await, 0);
});

backend_test!(a_version_is_not_begun_by_a_run_that_is_deleted, |app| {
    let run = app.ada.run("demo", "r").await;
    run.delete().await;
    let files = [("x".to_owned(), "1".to_owned())];
    let input = TestArtifact::input(&app.ada, "demo", "data", &files, json!({"runName": "r"}));
    assert_eq!(app.ada.refused("createArtifact", input).await.code, "RUN_DELETED");
    assert_eq!(app.rows("artifact").await, 0);
});

backend_test!(a_version_does_not_end_by_itself_while_a_protected_alias_names_it, |app| {
    app.ada.run("demo", "r").await;
    let version = short_lived(&app.ada, "1").await;
    let protect = |aliases: Value| json!({"entityName": "ada", "projectName": "demo", "aliases": aliases});
    app.ada.mutate("setProtectedAliases", protect(json!(["latest"])), "success").await;
    app.wait(HOUR * 2).await;
    assert_eq!(lookup(&app.ada, "demo", "data:latest").await.unwrap().0, version.id);
    let other = short_lived(&app.ada, "2").await;
    app.wait(HOUR * 2).await;
    assert_eq!(lookup(&app.ada, "demo", "data:v0").await, None, "the alias went to the next one");
    assert_eq!(lookup(&app.ada, "demo", "data:v1").await.unwrap().0, other.id);
    app.ada.mutate("setProtectedAliases", protect(json!([])), "success").await;
    app.wait(HOUR * 2).await;
    assert_eq!(lookup(&app.ada, "demo", "data:v1").await, None);
});

backend_test!(a_version_does_not_end_by_itself_while_a_protected_alias_of_another_project_names_it, |app| {
    app.ada.run("demo", "r").await;
    app.ada.run("shelf", "r").await;
    let version = short_lived(&app.ada, "1").await;
    let link = json!({"artifactID": version.id, "artifactPortfolioName": "good", "entityName": "ada",
                      "projectName": "shelf", "aliases": [{"artifactCollectionName": "good", "alias": "prod"}]});
    app.ada.mutate("linkArtifact", link, "versionIndex").await;
    let protect = json!({"entityName": "ada", "projectName": "shelf", "aliases": ["prod"]});
    app.ada.mutate("setProtectedAliases", protect, "success").await;
    app.wait(HOUR * 2).await;
    assert_eq!(lookup(&app.ada, "demo", "data:v0").await.unwrap().0, version.id);
});

backend_test!(a_version_that_a_registry_has_does_not_end_by_itself_whatever_it_says, |app| {
    let root = app.administrator("root").await;
    app.team(&root, "acme", "crew", &app.ada).await;
    let registry = json!({"entityName": "acme-org", "name": "wandb-registry-models", "access": "PRIVATE"});
    root.mutate("upsertModel", registry, "project { id }").await;
    let crew = app.ada.within("crew");
    crew.run("demo", "r").await;
    let version = short_lived(&crew, "1").await;
    let link = json!({"artifactID": version.id, "artifactPortfolioName": "good", "entityName": "acme-org",
                      "projectName": "wandb-registry-models"});
    app.ada.mutate("linkArtifact", link, "versionIndex").await;
    let again = json!({"artifactID": version.id, "ttlDurationSeconds": 3600});
    crew.mutate("updateArtifact", again, "artifact { id }").await;
    app.wait(HOUR * 2).await;
    let query = "query($id: ID!) { artifact(id: $id) { state } }";
    assert_eq!(crew.graphql(query, json!({"id": version.id})).await["artifact"]["state"], "COMMITTED");
});
