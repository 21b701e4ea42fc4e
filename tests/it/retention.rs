//! How long things are kept: the nearest that says something rules, and no deadline moves that there is.

use std::time::Duration;

use counterweight_domain::Timestamp;
use serde_json::{Value, json};

use crate::support::{ARCHIVE, Client, TRASH, TestApp, TestRun, backend_test};

const DAY: Duration = Duration::from_hours(24);

/// Sets periods in seconds, of what the input names.
async fn set(client: &Client, input: Value) {
    client.mutate("setRetentionPeriods", input, "clientMutationId").await;
}

fn in_demo(mut input: Value) -> Value {
    input["entityName"] = "ada".into();
    input["projectName"] = "demo".into();
    input
}

fn on(app: &TestApp, span: Duration) -> Value {
    Timestamp(app.db.now().0).after(span).to_rfc3339().into()
}

/// When a run that is deleted now is purged.
async fn purge_after(run: &TestRun, client: &Client) -> Value {
    let deleted = client.mutate("deleteRun", json!({"id": run.id}), "deletion { purgeAfter }").await;
    deleted["deletion"]["purgeAfter"].clone()
}

backend_test!(the_nearest_period_that_is_set_rules, |app| {
    let root = app.administrator("root").await;
    app.ada.run("demo", "r").await;
    let seen = async || {
        let periods = "retention { trash { seconds from } archive { seconds from } }";
        let query = format!("{{ project(name: \"demo\") {{ {periods} }} entity {{ {periods} }} }}");
        let seen = app.ada.graphql(&query, ()).await;
        [&seen["project"], &seen["entity"]].map(|of| {
            let [trash, archive] = ["trash", "archive"].map(|period| &of["retention"][period]);
            json!([trash["seconds"], trash["from"], archive["seconds"], archive["from"]])
        })
    };
    let settings = json!([TRASH.as_secs(), "SETTINGS", ARCHIVE.as_secs(), "SETTINGS"]);
    assert_eq!(seen().await, [settings.clone(), settings.clone()]);
    set(&root, json!({"trashSeconds": 10, "archiveSeconds": 20})).await;
    set(&app.ada, json!({"entityName": "ada", "archiveSeconds": -2})).await;
    let of_entity = json!([10, "INSTANCE", null, "ENTITY"]);
    assert_eq!(seen().await, [of_entity.clone(), of_entity.clone()]);
    set(&app.ada, in_demo(json!({"trashSeconds": 30, "archiveSeconds": 40}))).await;
    assert_eq!(seen().await, [json!([30, "PROJECT", 40, "PROJECT"]), of_entity]);
    set(&app.ada, in_demo(json!({"trashSeconds": -1, "archiveSeconds": -1}))).await;
    set(&app.ada, json!({"entityName": "ada", "archiveSeconds": -1})).await;
    set(&root, json!({"trashSeconds": -1, "archiveSeconds": -1})).await;
    assert_eq!(seen().await, [settings.clone(), settings]);
});

backend_test!(a_deadline_is_fixed_by_the_period_of_its_project_and_never_moved_by_another, |app| {
    let [early, late, many] = ["early", "late", "many"].map(|name| app.ada.run("demo", name));
    let (early, late, many) = (early.await, late.await, many.await);
    assert_eq!(purge_after(&early, &app.ada).await, on(app, TRASH));
    set(&app.ada, in_demo(json!({"trashSeconds": 3600}))).await;
    assert_eq!(purge_after(&late, &app.ada).await, on(app, Duration::from_hours(1)));
    let input = json!({"runs": {"ids": [many.id]}});
    let done = app.ada.mutate("deleteRuns", input, "deletion { purgeAfter }").await;
    assert_eq!(done["deletion"]["purgeAfter"], on(app, Duration::from_hours(1)));
    app.wait(Duration::from_hours(1)).await;
    assert_eq!(app.ada.trash().await, ["early"]);
    set(&app.ada, in_demo(json!({"trashSeconds": 7200}))).await;
    let found = app.ada.mutate("upsertModel", json!({"name": "demo"}), "project { id }").await;
    let input = json!({"id": found["project"]["id"]});
    let done = app.ada.mutate("deleteModel", input, "deletion { purgeAfter }").await;
    assert_eq!(done["deletion"]["purgeAfter"], on(app, Duration::from_hours(2)));
});

backend_test!(an_archived_run_goes_when_the_period_is_over_that_was_set_when_it_was_archived, |app| {
    set(&app.ada, json!({"entityName": "ada", "archiveSeconds": DAY.as_secs()})).await;
    let [first, second, third] = ["first", "second", "third"].map(|name| app.ada.run("demo", name));
    let (first, second, third) = (first.await, second.await, third.await);
    first.change("archiveRun").await;
    set(&app.ada, in_demo(json!({"archiveSeconds": -2}))).await;
    second.change("archiveRun").await;
    app.ada.mutate("archiveRuns", json!({"runs": {"ids": [third.id]}}), "task { id }").await;
    assert_eq!(first.field("archivedUntil").await, on(app, DAY));
    assert_eq!(second.field("archivedUntil").await, Value::Null);
    assert_eq!(third.field("archivedUntil").await, Value::Null);
    app.wait(DAY).await;
    assert_eq!(app.ada.trash().await, ["first"]);
});

backend_test!(a_period_is_a_span_that_people_can_mean_and_the_trash_is_emptied_some_time, |app| {
    app.ada.run("demo", "r").await;
    for input in [
        json!({"trashSeconds": 0}),
        json!({"trashSeconds": -2}),
        json!({"archiveSeconds": -3}),
        json!({"archiveSeconds": i64::MAX}),
    ] {
        let refused = app.ada.refused("setRetentionPeriods", in_demo(input.clone())).await;
        assert_eq!(refused.code, "RETENTION_PERIOD_INVALID", "{input}");
    }
    let refused = app.ada.refused("setRetentionPeriods", json!({"trashSeconds": 1})).await;
    assert_eq!(refused.code, "FORBIDDEN", "the instance's periods are for its administrators");
});
