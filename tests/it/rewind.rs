//! Going back to a step of a run, and beginning another run there.

use serde_json::{Value, json};

use crate::support::{Client, HISTORY, SETTLE_AFTER, SUMMARY, TestApp, TestRun, backend_test};

fn rows(steps: std::ops::Range<u64>) -> Vec<String> {
    steps.map(|step| json!({"_step": step, "loss": 100 - i64::try_from(step).unwrap(), "phase": if step < 50 { "a" } else { "b" }}).to_string()).collect()
}

async fn rewind(client: &Client, run: &TestRun, step: f64) -> Value {
    let input = json!({"entityName": client.name(), "projectName": "demo", "runName": run.name,
        "metricName": "_step", "metricValue": step});
    client.mutate("rewindRun", input, "rewoundRun { name historyLineCount summaryMetrics }").await["rewoundRun"].take()
}

async fn log(run: &TestRun, lines: &[String]) {
    run.log(HISTORY, 0, lines).await;
    run.log(SUMMARY, 0, &[r#"{"_step":199,"loss":-99,"phase":"b","own":"kept"}"#]).await;
}

fn parsed(text: &Value) -> Value {
    serde_json::from_str(text.as_str().unwrap()).unwrap()
}

async fn settle(app: &TestApp, run: &TestRun) {
    run.complete(0).await;
    app.wait(SETTLE_AFTER).await;
}

async fn check_rewound(run: &TestRun, rewound: &Value) {
    assert_eq!(rewound["historyLineCount"], 31);
    assert_eq!(
        parsed(&rewound["summaryMetrics"]),
        json!({"_step": 30, "loss": 70, "phase": "a", "own": "kept"})
    );
    assert_eq!(run.history().await, rows(0..31));
    let keys = run.field("historyKeys").await;
    assert_eq!(keys["lastStep"], 30);
    assert_eq!(
        keys["keys"]["loss"],
        json!({"previousValue": 70, "typeCounts": [{"type": "number", "count": 31}]})
    );
}

backend_test!(a_run_goes_back_to_a_step_and_on_from_there, |app| {
    for phase in ["live", "settled", "resumed"] {
        let run = app.ada.run("demo", phase).await;
        log(&run, &rows(0..150)).await;
        if phase != "live" {
            settle(app, &run).await;
        }
        run.log(HISTORY, 150, &rows(150..200)).await;
        if phase == "settled" {
            settle(app, &run).await;
        }
        let rewound = rewind(&app.ada, &run, 30.0).await;
        check_rewound(&run, &rewound).await;
        run.log(HISTORY, 31, &rows(31..40)).await;
        assert_eq!(run.history().await, rows(0..40));
        app.run_jobs().await;
        assert_eq!(run.history().await, rows(0..40));
        settle(app, &run).await;
        assert_eq!(run.history().await, rows(0..40), "{phase}");
        let sampled = run.field(r#"sampledHistory(specs: ["{\"keys\":[\"_step\"],\"samples\":500}"])"#).await;
        assert_eq!(sampled[0].as_array().unwrap().len(), 40);
    }
});

async fn summary(run: &TestRun) -> Value {
    parsed(&run.field("summaryMetrics").await)
}

backend_test!(what_a_run_inherited_stays_in_its_summary_until_it_is_replaced, |app| {
    let parent = app.ada.run("demo", "parent").await;
    log(&parent, &rows(0..100)).await;
    let fork = fork(&app.ada, "fork", "parent", 30).await;
    rewind(&app.ada, &parent, 99.0).await;
    rewind(&app.ada, &parent, 30.0).await;
    for run in [&parent, &fork] {
        // The client is not told the summary of then, and sends its own as if that were the whole.
        run.log(SUMMARY, 0, &[r#"{"_step":31,"loss":1,"new":2}"#]).await;
        let both = json!({"_step": 31, "loss": 1, "phase": "a", "own": "kept", "new": 2});
        assert_eq!(summary(run).await, both);
        run.log(SUMMARY, 0, &[r#"{"_step":32,"loss":1}"#]).await;
        assert_eq!(summary(run).await, json!({"_step": 32, "loss": 1, "phase": "a", "own": "kept"}));
    }
    // Who resumes a run is told all of it, and takes away what is no longer sent.
    app.ada.run("demo", "fork").await;
    fork.log(SUMMARY, 0, &[r#"{"own":"changed"}"#]).await;
    assert_eq!(summary(&fork).await, json!({"own": "changed"}));
    // So does a script that writes the summary.
    let input = json!({"id": parent.id, "summaryMetrics": r#"{"own":"script"}"#});
    app.ada.mutate("upsertBucket", input, "inserted").await;
    parent.log(SUMMARY, 0, &[r#"{"loss":3}"#]).await;
    assert_eq!(summary(&parent).await, json!({"loss": 3}));
});

backend_test!(a_run_that_goes_back_to_where_it_is_keeps_its_summary_too, |app| {
    let run = app.ada.run("demo", "r").await;
    log(&run, &rows(0..10)).await;
    rewind(&app.ada, &run, 9.0).await;
    run.log(SUMMARY, 0, &[r#"{"loss":1}"#]).await;
    assert_eq!(summary(&run).await, json!({"_step": 199, "loss": 1, "phase": "b", "own": "kept"}));
});

backend_test!(rows_of_earlier_steps_stay_wherever_they_are, |app| {
    let run = app.ada.run("demo", "r").await;
    let mut lines = rows(0..10);
    lines.extend(rows(5..8));
    log(&run, &lines).await;
    rewind(&app.ada, &run, 6.9).await;
    let mut wanted = rows(0..7);
    wanted.extend(rows(5..7));
    assert_eq!(run.history().await, wanted);
});

backend_test!(going_back_to_where_a_run_is_changes_nothing, |app| {
    let run = app.ada.run("demo", "r").await;
    log(&run, &rows(0..10)).await;
    let before = run.snapshot().await;
    rewind(&app.ada, &run, 9.0).await;
    assert_eq!(run.snapshot().await, before);
});

backend_test!(what_cannot_go_back_says_so, |app| {
    let run = app.ada.run("demo", "r").await;
    for (name, metric, value, code) in [
        ("nobody", "_step", 3.0, "NOT_FOUND"),
        (&run.name, "epoch", 3.0, "METRIC_INVALID"),
        (&run.name, "_step", 1e300, "STEP_INVALID"),
    ] {
        let input = json!({"entityName": "ada", "projectName": "demo", "runName": name,
            "metricName": metric, "metricValue": value});
        assert_eq!(app.ada.refused("rewindRun", input).await.code, code);
    }
});

async fn fork(client: &Client, name: &str, of: &str, step: u64) -> TestRun {
    let own = json!({"t": {}, "branch_point": {"run_id": of, "step": step}});
    let config = json!({"lr": {"value": 1}, "_wandb": {"value": own}}).to_string();
    client.run_with("demo", name, json!({ "config": config })).await
}

backend_test!(a_fork_begins_with_what_its_parent_had, |app| {
    let parent = app.ada.run("demo", "parent").await;
    log(&parent, &rows(0..100)).await;
    for phase in ["live", "settled"] {
        let fork = fork(&app.ada, &format!("fork-{phase}"), "parent", 30).await;
        let shown = fork.show("historyLineCount summaryMetrics").await;
        check_rewound(&fork, &shown).await;
        fork.log(HISTORY, 31, &rows(31..60)).await;
        assert_eq!(fork.history().await, rows(0..60));
        settle(app, &fork).await;
        assert_eq!(fork.history().await, rows(0..60));
        settle(app, &parent).await;
        assert_eq!(parent.history().await, rows(0..100));
    }
});

backend_test!(a_fork_is_handed_out_and_a_run_that_went_back_is_not, |app| {
    let parent = app.ada.run("demo", "parent").await;
    log(&parent, &rows(0..100)).await;
    settle(app, &parent).await;
    let fork = fork(&app.ada, "fork", "parent", 30).await;
    fork.log(HISTORY, 31, &rows(31..60)).await;
    settle(app, &fork).await;
    let files = async |run: &TestRun| {
        let found = run.field(r#"parquetHistory(liveKeys: ["_step"]) { parquetUrls }"#).await;
        found["parquetUrls"].as_array().unwrap().len()
    };
    assert!(files(&fork).await > 0);
    assert!(files(&parent).await > 0);
    rewind(&app.ada, &parent, 30.0).await;
    settle(app, &parent).await;
    assert_eq!(files(&parent).await, 0, "the client keeps the file with the rows that went");
});

backend_test!(a_fork_keeps_its_bytes_when_its_parent_goes, |app| {
    let parent = app.ada.run("demo", "parent").await;
    log(&parent, &rows(0..100)).await;
    settle(app, &parent).await;
    let fork = fork(&app.ada, "fork", "parent", 30).await;
    fork.log(HISTORY, 31, &rows(31..40)).await;
    parent.delete().await;
    app.wait(crate::support::TRASH).await;
    app.collect().await;
    app.collect().await;
    assert_eq!(fork.history().await, rows(0..40));
});

backend_test!(a_fork_goes_on_when_its_parent_is_gone, |app| {
    let parent = app.ada.run("demo", "parent").await;
    log(&parent, &rows(0..100)).await;
    let made = fork(&app.ada, "fork", "parent", 30).await;
    parent.delete().await;
    // The client sends its whole config again whenever that changes.
    let again = fork(&app.ada, "fork", "parent", 30).await;
    assert_eq!(again.id, made.id);
    assert_eq!(again.history().await, rows(0..31));
});

backend_test!(a_fork_of_nothing_is_refused_and_not_made, |app| {
    app.ada.run("demo", "other").await;
    let own = json!({"branch_point": {"run_id": "nobody", "step": 3}});
    let config = json!({"_wandb": {"value": own}}).to_string();
    let input = json!({"entityName": "ada", "modelName": "demo", "name": "fork", "config": config});
    assert_eq!(app.ada.refused("upsertBucket", input).await.code, "NOT_FOUND");
    assert_eq!(app.ada.run_names("demo", json!({})).await, ["other"]);
});
