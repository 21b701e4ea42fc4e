//! What administrators see of the collector, and how they stop it.

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{Client, GC, HISTORY, TRASH, TestApp, TestRun, backend_test, text};

async fn run_with_a_file(app: &TestApp, name: &str) -> TestRun {
    let run = app.ada.run("demo", name).await;
    run.upload("a", name.to_owned()).await;
    run
}

async fn collector(root: &Client) -> Value {
    let fields = "paused { since reason } readOnly { reason } oldestUnreclaimedAt lagSeconds unreachableObjects \
                  unreachableBytes dueObjects secondsLeft queue { kind state jobs due } \
                  passes { beganAt endedAt scanned doomed swept bytes failed objectsPerSecond }";
    root.graphql(&format!("{{ collector {{ {fields} }} }}"), ()).await["collector"].take()
}

async fn switch(root: &Client, mutation: &str, input: Value) {
    root.mutate(mutation, input, "collector { lagSeconds }").await;
}

backend_test!(an_administrator_sees_how_far_the_collector_is, |app| {
    let root = app.administrator("root").await;
    let run = run_with_a_file(app, "r").await;
    run.delete_file("a").await;
    let before = collector(&root).await;
    assert_eq!((&before["unreachableObjects"], &before["lagSeconds"]), (&json!(0), &json!(0.0)));
    app.wait(GC.min_age + GC.interval).await;
    let marked = collector(&root).await;
    assert_eq!((&marked["unreachableObjects"], &marked["unreachableBytes"]), (&json!(1), &json!(1)));
    assert_eq!((&marked["dueObjects"], &marked["secondsLeft"]), (&json!(0), &json!(0.0)));
    assert_eq!(marked["passes"][0]["doomed"], 1);
    assert!(!marked["oldestUnreclaimedAt"].is_null() && !marked["passes"][0]["endedAt"].is_null());
    app.advance(GC.grace + GC.interval);
    let late = collector(&root).await;
    assert_eq!((&late["dueObjects"], &late["lagSeconds"]), (&json!(1), &json!(GC.interval.as_secs_f64())));
    app.run_jobs().await;
    let swept = collector(&root).await;
    assert_eq!((&swept["passes"][0]["swept"], &swept["passes"][0]["bytes"]), (&json!(1), &json!(1)));
    assert_eq!(swept["oldestUnreclaimedAt"], Value::Null);
    assert_eq!(app.ada.graphql("{ collector { lagSeconds } }", ()).await["collector"], Value::Null);
});

backend_test!(a_paused_collector_removes_nothing_and_loses_nothing, |app| {
    let root = app.administrator("root").await;
    let run = run_with_a_file(app, "r").await;
    run.delete().await;
    switch(&root, "pauseCollector", json!({"reason": "an inquiry"})).await;
    assert_eq!(collector(&root).await["paused"]["reason"], "an inquiry");
    app.wait(TRASH).await;
    app.collect().await;
    assert_eq!((app.objects().await.len(), app.rows("run_file").await), (1, 1), "not even its rows");
    let waiting = collector(&root).await["queue"].to_string();
    assert!(waiting.contains("purge_deletion"), "{waiting}");
    run_with_a_file(app, "another").await;
    switch(&root, "resumeCollector", json!({})).await;
    app.collect().await;
    app.collect().await;
    assert_eq!((app.objects().await.len(), app.rows("run_file").await), (1, 1), "the other run's");
});

backend_test!(a_read_only_server_is_read_and_puts_off_who_writes, |app| {
    let root = app.administrator("root").await;
    let run = run_with_a_file(app, "r").await;
    let url = run.upload_url("b").await;
    let deleted = run_with_a_file(app, "deleted").await;
    deleted.delete_file("a").await;
    app.wait(GC.min_age + GC.interval).await;
    switch(&root, "setReadOnly", json!({"readOnly": true, "reason": "a copy is made"})).await;
    for (mutation, input) in [
        ("deleteRun", json!({"id": run.id})),
        ("upsertBucket", json!({"modelName": "demo", "name": "new"})),
        ("upsertModel", json!({"name": "new"})),
    ] {
        let refused = app.ada.refused(mutation, input).await;
        assert_eq!((refused.status, refused.code.as_str()), (503, "READ_ONLY"), "{mutation}");
    }
    let written = run.write(HISTORY, 0, &[r#"{"_step":0}"#]).await;
    assert_eq!(written.outcome(), (503, "READ_ONLY".to_owned()));
    assert!(written.headers.contains_key("retry-after"), "so that the client comes back");
    assert_eq!(app.ada.fetch(Method::PUT, &url, "x").await.outcome(), (503, "READ_ONLY".to_owned()));
    assert_eq!(run.download("a").await.body, "r");
    assert_eq!(text(&run.field("name").await), "r");
    app.wait(GC.grace).await;
    assert_eq!(app.objects().await.len(), 2, "sweeps stop");
    switch(&root, "setReadOnly", json!({"readOnly": false})).await;
    run.log(HISTORY, 0, &[r#"{"_step":0}"#]).await;
    run.upload("b", "x").await;
    app.wait(GC.interval).await;
    assert_eq!(
        app.number("SELECT COUNT(*) FROM blob WHERE state = 'doomed'").await,
        0,
        "what was due is gone"
    );
});

backend_test!(only_administrators_reach_the_switches, |app| {
    for (mutation, input) in [
        ("pauseCollector", json!({})),
        ("resumeCollector", json!({})),
        ("setReadOnly", json!({"readOnly": true})),
    ] {
        assert_eq!(app.ada.refused(mutation, input).await.code, "FORBIDDEN", "{mutation}");
    }
    assert_eq!(app.rows("switch").await, 0);
});
