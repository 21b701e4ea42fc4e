//! Versions of artifacts that were deleted, and come back.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Client, GC, TRASH, TestArtifact, TestRun, backend_test, lookup, text, texts};

const DAY: Duration = Duration::from_hours(24);

async fn version(client: &Client, content: &str) -> TestArtifact {
    client.run("demo", "maker").await;
    TestArtifact::log(client, "demo", "data", &[("x", content)]).await.0
}

/// A run that has ended, and the version that it logged.
async fn logged_by_run(client: &Client) -> (TestRun, TestArtifact) {
    let run = client.run("demo", "r").await;
    run.complete(0).await;
    let input = json!({"runName": "r"});
    let logged = TestArtifact::begin_with(client, "demo", "data", &[("x", "one")], input).await;
    logged.publish().await;
    (run, logged)
}

/// Deletes a version with its aliases. The deletion's id.
async fn delete(client: &Client, version: &TestArtifact) -> Value {
    let input = json!({"artifactID": version.id, "deleteAliases": true, "reason": "by mistake"});
    client.mutate("deleteArtifact", input, "deletion { id }").await["deletion"]["id"].take()
}

async fn restore(client: &Client, version: &TestArtifact) -> Value {
    let fields = "artifact { id state } lostAliases lostLinks";
    client.mutate("restoreArtifact", json!({"artifactID": version.id}), fields).await
}

async fn record(client: &Client, id: &Value) -> Value {
    let query = "query($id: ID!) { deletion(id: $id) { kind state artifactCount items { edges { node { kind state } } } } }";
    client.graphql(query, json!({"id": id})).await["deletion"].take()
}

async fn trash(client: &Client) -> Vec<String> {
    let query =
        "{ project(entityName: \"ada\", name: \"demo\") { artifactTrash { edges { node { name } } } } }";
    let found = client.graphql(query, ()).await;
    let edges = found["project"]["artifactTrash"]["edges"].as_array().unwrap();
    edges.iter().map(|edge| text(&edge["node"]["name"])).collect()
}

async fn alias(client: &Client, version: &TestArtifact, alias: &str) {
    let alias =
        json!({"entityName": "ada", "projectName": "demo", "artifactCollectionName": "data", "alias": alias});
    let input = json!({"artifactID": version.id, "aliases": [alias]});
    client.mutate("addAliases", input, "success").await;
}

async fn link(client: &Client, version: &TestArtifact, portfolio: &str) {
    let input = json!({"artifactID": version.id, "artifactPortfolioName": portfolio, "entityName": "ada",
        "projectName": "demo", "aliases": [{"artifactCollectionName": portfolio, "alias": "chosen"}]});
    client.mutate("linkArtifact", input, "versionIndex").await;
}

backend_test!(a_deleted_version_comes_back_with_its_place_its_names_and_its_links, |app| {
    let ada = app.keeping(&app.ada);
    let first = version(&ada, "one").await;
    let second = version(&ada, "two").await;
    alias(&ada, &second, "best").await;
    link(&ada, &second, "shelf").await;
    let before = [lookup(&ada, "demo", "data:v1").await, lookup(&ada, "demo", "shelf:v0").await];
    let deletion = delete(&ada, &second).await;
    assert_eq!(lookup(&ada, "demo", "data:v1").await, None);
    assert_eq!(lookup(&ada, "demo", "shelf:chosen").await, None);
    assert_eq!(lookup(&ada, "demo", "data:latest").await.unwrap().0, first.id);
    assert_eq!(trash(&ada).await, ["data:v1"]);
    let node = |kind: &str, state: &str| json!({"node": {"kind": kind, "state": state}});
    let items = |state| json!({"edges": [node("ARTIFACT", state), node("LINK", state)]});
    assert_eq!(
        record(&ada, &deletion).await,
        json!({"kind": "ARTIFACTS", "state": "PENDING", "artifactCount": 1, "items": items("PENDING")})
    );
    app.collect().await;
    let back = restore(&ada, &second).await;
    assert_eq!(
        back,
        json!({"artifact": {"id": second.id, "state": "COMMITTED"}, "lostAliases": [], "lostLinks": []})
    );
    assert_eq!([lookup(&ada, "demo", "data:v1").await, lookup(&ada, "demo", "shelf:v0").await], before);
    assert_eq!(lookup(&ada, "demo", "data:latest").await.unwrap().0, second.id);
    assert_eq!(second.read("x").await.as_deref(), Some("two"));
    let after = record(&ada, &deletion).await;
    assert_eq!((&after["state"], &after["items"]), (&json!("RESTORED"), &items("RESTORED")));
    app.wait(TRASH * 2).await;
    app.collect().await;
    assert_eq!(second.read("x").await.as_deref(), Some("two"));
    assert_eq!(trash(&ada).await, Vec::<String>::new());
});

backend_test!(what_is_not_restored_goes_at_its_deadline_with_a_receipt, |app| {
    let ada = app.keeping(&app.ada);
    let gone = version(&ada, "one").await;
    let deletion = delete(&ada, &gone).await;
    app.wait(TRASH - 3 * DAY).await;
    app.collect().await;
    assert_eq!(app.objects().await.len(), 2, "the file and the manifest");
    app.wait(3 * DAY).await;
    assert_eq!(ada.refused("restoreArtifact", json!({"artifactID": gone.id})).await.code, "NOT_FOUND");
    app.collect().await;
    app.collect().await;
    assert_eq!(app.objects().await, Vec::<String>::new());
    assert_eq!(record(&ada, &deletion).await["state"], "PURGED");
    let query =
        "query($id: ID!) { receipt(deletionId: $id) { issuedAt objects { edges { node { answer } } } } }";
    let receipt = ada.graphql(query, json!({"id": deletion})).await["receipt"].take();
    assert!(receipt["issuedAt"].is_string(), "{receipt}");
    assert_eq!(receipt["objects"]["edges"].as_array().unwrap().len(), 2);
});

backend_test!(names_that_others_have_taken_meanwhile_are_told_and_not_taken_back, |app| {
    let ada = app.keeping(&app.ada);
    let old = version(&ada, "one").await;
    for name in ["best", "prod", "mine"] {
        alias(&ada, &old, name).await;
    }
    link(&ada, &old, "shelf").await;
    delete(&ada, &old).await;
    let new = version(&ada, "two").await;
    alias(&ada, &new, "best").await;
    let protect = json!({"entityName": "ada", "projectName": "demo", "aliases": ["prod"]});
    ada.mutate("setProtectedAliases", protect, "success").await;
    let query =
        "{ project(entityName: \"ada\", name: \"demo\") { artifactCollection(name: \"shelf\") { id } } }";
    let shelf = ada.graphql(query, ()).await["project"]["artifactCollection"]["id"].take();
    ada.mutate("deleteArtifactPortfolio", json!({"artifactPortfolioID": shelf}), "__typename").await;
    let back = restore(&ada, &old).await;
    let mut lost = texts(&back["lostAliases"]);
    lost.sort_unstable();
    assert_eq!(
        (lost, texts(&back["lostLinks"])),
        (vec!["data:best".into(), "data:prod".into()], vec!["shelf".into()])
    );
    let (_, index, mut names) = lookup(&ada, "demo", "data:v0").await.unwrap();
    names.sort_unstable();
    assert_eq!((index, names), (0, vec!["mine".to_owned()]));
    assert_eq!(lookup(&ada, "demo", "data:latest").await.unwrap().0, new.id);
});

backend_test!(a_deleted_sequence_is_back_with_the_first_version_that_is_restored, |app| {
    let ada = app.keeping(&app.ada);
    let versions = [version(&ada, "one").await, version(&ada, "two").await];
    let query =
        "{ project(entityName: \"ada\", name: \"demo\") { artifactCollection(name: \"data\") { id } } }";
    let sequence = ada.graphql(query, ()).await["project"]["artifactCollection"]["id"].take();
    ada.mutate("deleteArtifactSequence", json!({"artifactSequenceID": sequence}), "__typename").await;
    assert_eq!(trash(&ada).await, ["data:v0", "data:v1"]);
    restore(&ada, &versions[0]).await;
    assert_eq!(lookup(&ada, "demo", "data:latest").await.unwrap().0, versions[0].id);
    delete(&ada, &versions[0]).await;
    ada.mutate("deleteArtifactSequence", json!({"artifactSequenceID": sequence}), "__typename").await;
    let other = version(&ada, "three").await;
    let refused = ada.refused("restoreArtifact", json!({"artifactID": versions[1].id})).await;
    assert_eq!(refused.code, "COLLECTION_NAME_TAKEN");
    assert_eq!(lookup(&ada, "demo", "data:latest").await.unwrap().0, other.id);
});

backend_test!(what_was_never_committed_does_not_come_back_and_keeps_nothing_from_it, |app| {
    let ada = app.keeping(&app.ada);
    let whole = version(&ada, "one").await;
    let begun = TestArtifact::begin(&ada, "demo", "data", &[("x", "two")]).await;
    let query =
        "{ project(entityName: \"ada\", name: \"demo\") { artifactCollection(name: \"data\") { id } } }";
    let sequence = ada.graphql(query, ()).await["project"]["artifactCollection"]["id"].take();
    ada.mutate("deleteArtifactSequence", json!({"artifactSequenceID": sequence}), "__typename").await;
    let query = "{ deletions(entityName: \"ada\") { edges { node { id } } } }";
    let id = ada.graphql(query, ()).await["deletions"]["edges"][0]["node"]["id"].take();
    assert_eq!(trash(&ada).await, ["data:v0"]);
    let later = json!({"id": id, "purgeAfter": "2026-03-01T00:00:00Z"});
    ada.mutate("extendDeletion", later, "__typename").await;
    let refused = ada.refused("restoreArtifact", json!({"artifactID": begun.id})).await;
    assert_eq!(refused.code, "NOT_FOUND");
    ada.mutate("restoreDeletion", json!({"id": id}), "__typename").await;
    assert_eq!(lookup(&ada, "demo", "data:v0").await.unwrap().0, whole.id);
    app.run_jobs().await;
    assert_eq!(record(&ada, &id).await["state"], "PURGED", "of the one there is nothing left");
    assert_eq!(app.rows("artifact_upload").await, 0);
    assert_eq!(whole.read("x").await.as_deref(), Some("one"));
});

backend_test!(artifacts_that_went_with_a_run_come_back_by_themselves, |app| {
    let ada = app.keeping(&app.ada);
    let (run, logged) = logged_by_run(&ada).await;
    let input = json!({"id": run.id, "deleteArtifacts": true});
    let deletion = ada.mutate("deleteRun", input, "deletion { id }").await["deletion"]["id"].take();
    run.change("restoreRun").await;
    assert_eq!(lookup(&ada, "demo", "data:v0").await, None, "restoring a run restores only that");
    assert_eq!(record(&ada, &deletion).await["state"], "PENDING");
    restore(&ada, &logged).await;
    assert_eq!(logged.read("x").await.as_deref(), Some("one"));
    assert_eq!(record(&ada, &deletion).await["state"], "RESTORED");
});

backend_test!(what_came_back_goes_with_the_deletion_that_is_repeated, |app| {
    let ada = app.keeping(&app.ada);
    let (run, logged) = logged_by_run(&ada).await;
    let input = json!({"id": run.id, "deleteArtifacts": true});
    let first = ada.mutate("deleteRun", input.clone(), "deletion { id }").await["deletion"]["id"].take();
    restore(&ada, &logged).await;
    let again = ada.mutate("deleteRun", input, "deletion { id }").await["deletion"]["id"].take();
    assert_eq!(again, first);
    let items = record(&ada, &first).await;
    assert_eq!(items["artifactCount"], 1);
    let node = |kind: &str| json!({"node": {"kind": kind, "state": "PENDING"}});
    assert_eq!(items["items"]["edges"], json!([node("ARTIFACT"), node("RUN")]));
    app.wait(TRASH).await;
    app.collect().await;
    app.collect().await;
    assert_eq!(record(&ada, &first).await["state"], "PURGED");
    assert_eq!(app.objects().await, Vec::<String>::new());
    let query = "query($id: ID!) { receipt(deletionId: $id) { issuedAt } }";
    assert!(ada.graphql(query, json!({"id": first})).await["receipt"]["issuedAt"].is_string());
});

backend_test!(a_deletion_of_versions_is_undone_extended_and_purged_like_any_other, |app| {
    let ada = app.keeping(&app.ada);
    let kept = [version(&ada, "one").await, version(&ada, "two").await, version(&ada, "three").await];
    alias(&ada, &kept[1], "best").await;
    let query =
        "{ project(entityName: \"ada\", name: \"demo\") { artifactCollection(name: \"data\") { id } } }";
    let sequence = ada.graphql(query, ()).await["project"]["artifactCollection"]["id"].take();
    let input = || json!({"artifactSequenceID": sequence});
    let done =
        ada.mutate("deleteUnaliasedArtifacts", input(), "deletion { id artifactCount purgeAfter }").await;
    assert_eq!(done["deletion"]["artifactCount"], 1, "one is the best, one the latest");
    assert_eq!(trash(&ada).await, ["data:v0"]);
    let id = || json!({"id": done["deletion"]["id"]});
    ada.mutate("restoreDeletion", id(), "deletion { state }").await;
    assert_eq!(lookup(&ada, "demo", "data:v0").await.unwrap().0, kept[0].id);

    let done = ada.mutate("deleteUnaliasedArtifacts", input(), "deletion { id }").await;
    let id = json!({"id": done["deletion"]["id"]});
    let mut later = id.clone();
    later["purgeAfter"] = json!("2026-03-01T00:00:00Z");
    ada.mutate("extendDeletion", later, "deletion { purgeAfter }").await;
    app.wait(TRASH * 2).await;
    assert_eq!(trash(&ada).await, ["data:v0"]);
    let warden = app.ruler("root").await;
    let version = json!({"id": kept[0].id, "reason": "evidence"});
    let held = warden
        .mutate("holdProject", json!({"id": project(&ada).await, "reason": "evidence"}), "hold { id }")
        .await;
    assert_eq!(warden.refused("purgeNow", id.clone()).await.code, "HELD");
    assert_eq!(warden.refused("holdArtifact", version).await.code, "NOT_FOUND", "it is in the trash");
    warden.mutate("releaseHold", json!({"id": held["hold"]["id"]}), "__typename").await;
    warden.mutate("purgeNow", id, "deletion { state }").await;
    app.run_jobs().await;
    assert_eq!(trash(&ada).await, Vec::<String>::new());
    assert_eq!(ada.refused("restoreArtifact", json!({"artifactID": kept[0].id})).await.code, "NOT_FOUND");
});

backend_test!(what_is_purged_at_once_does_not_wait_for_the_grace, |app| {
    let ada = app.keeping(&app.ada);
    let (gone, kept) = (version(&ada, "one").await, version(&ada, "two").await);
    let deletion = delete(&ada, &gone).await;
    delete(&ada, &kept).await;
    app.wait(GC.min_age * 2).await;
    let warden = app.ruler("root").await;
    warden.mutate("purgeNow", json!({"id": deletion}), "deletion { state }").await;
    app.run_jobs().await;
    assert_eq!(app.objects().await.len(), 2, "what is in the trash");
    let query = "query($id: ID!) { receipt(deletionId: $id) { issuedAt } }";
    assert!(ada.graphql(query, json!({"id": deletion})).await["receipt"]["issuedAt"].is_string());
});

async fn project(client: &Client) -> Value {
    let query = "{ project(entityName: \"ada\", name: \"demo\") { id } }";
    client.graphql(query, ()).await["project"]["id"].take()
}

backend_test!(the_trash_counts_as_trash, |app| {
    let ada = app.keeping(&app.ada);
    let gone = version(&ada, "one").await;
    let query = "{ storageUsage(entityName: \"ada\", projectName: \"demo\") { liveBytes trashBytes } }";
    let usage = async || ada.graphql(query, ()).await["storageUsage"].take();
    let before = usage().await;
    delete(&ada, &gone).await;
    let in_trash = usage().await;
    assert_eq!((&in_trash["trashBytes"], &in_trash["liveBytes"]), (&before["liveBytes"], &json!(0)));
    app.wait(TRASH + GC.interval).await;
    assert_eq!(usage().await["trashBytes"], 0);
});

backend_test!(the_time_in_the_trash_is_not_part_of_a_lifetime, |app| {
    let ada = app.keeping(&app.ada);
    let kept = version(&ada, "one").await;
    let input = json!({"artifactID": kept.id, "ttlDurationSeconds": 4 * 24 * 3600});
    ada.mutate("updateArtifact", input, "__typename").await;
    app.wait(DAY).await;
    delete(&ada, &kept).await;
    app.wait(DAY * 5).await;
    restore(&ada, &kept).await;
    app.wait(DAY * 2).await;
    assert_eq!(kept.read("x").await.as_deref(), Some("one"));
    app.wait(DAY * 2).await;
    assert_eq!(lookup(&ada, "demo", "data:v0").await, None);
});
