//! What a run's process is doing, from its first word to its last or to its silence.

use std::time::Duration;

use serde_json::json;

use crate::support::{CRASH_AFTER, Client, HISTORY, PREEMPT_GRACE, Refusal, TestRun, backend_test};

const SECOND: Duration = Duration::from_secs(1);

async fn request(client: &Client, run: &TestRun, state: &str) -> Option<Refusal> {
    let input = json!({"id": run.id, "state": state});
    let answer = client
        .post_graphql(&json!({
            "query": "mutation($input: UpdateRunStateInput!) { updateRunState(input: $input) { success } }",
            "variables": {"input": input},
        }))
        .await
        .json();
    if answer["errors"].is_null() {
        assert_eq!(answer["data"]["updateRunState"]["success"], true);
        return None;
    }
    Some(client.refused("updateRunState", input).await)
}

backend_test!(a_run_ends_by_its_exit_code, |app| {
    for (code, state) in [(0, "finished"), (1, "failed"), (255, "failed")] {
        let run = app.ada.run("demo", &format!("r{code}")).await;
        assert_eq!(run.state().await, "running");
        run.complete(code).await;
        assert_eq!(run.show("state exitcode").await, json!({"state": state, "exitcode": code}));
    }
});

backend_test!(a_run_that_was_told_to_stop_is_killed_when_it_ends, |app| {
    let run = app.ada.run("demo", "r").await;
    assert_eq!(run.stream(&json!({})).await.json()["stopped"], json!(null));
    run.change("stopRun").await;
    assert_eq!(run.show("stopped shouldStop").await, json!({"stopped": true, "shouldStop": true}));
    assert_eq!(run.stream(&json!({})).await.json()["stopped"], true);
    run.complete(255).await;
    assert_eq!(run.state().await, "killed");
});

backend_test!(stopping_a_run_that_has_ended_does_nothing, |app| {
    let run = app.ada.run("demo", "r").await;
    run.complete(0).await;
    run.change("stopRun").await;
    assert_eq!(run.show("state stopped").await, json!({"state": "finished", "stopped": false}));
});

backend_test!(a_run_that_waits_to_start_is_killed_at_once, |app| {
    let run = app.ada.run_with("demo", "r", json!({"state": "pending"})).await;
    run.change("stopRun").await;
    assert_eq!(run.state().await, "killed");
    app.ada.run("demo", "r").await;
    assert_eq!(run.show("state stopped").await, json!({"state": "running", "stopped": false}));
});

backend_test!(a_silent_run_has_crashed, |app| {
    let silent = app.ada.run("demo", "silent").await;
    let ended = app.ada.run("demo", "ended").await;
    ended.complete(0).await;
    app.wait(CRASH_AFTER).await;
    assert_eq!(silent.state().await, "running");
    let fresh = app.ada.run("demo", "fresh").await;
    app.wait(CRASH_AFTER).await;
    assert_eq!([silent.state().await, ended.state().await], ["crashed", "finished"]);
    assert_eq!(fresh.state().await, "running");
});

backend_test!(a_heartbeat_is_a_sign_of_life, |app| {
    let run = app.ada.run("demo", "r").await;
    for _ in 0..4 {
        app.advance(CRASH_AFTER - SECOND);
        run.stream(&json!({})).await;
        app.run_jobs().await;
        assert_eq!(run.state().await, "running");
    }
});

backend_test!(a_preempted_run_is_waited_for_longer, |app| {
    let run = app.ada.run("demo", "r").await;
    run.stream(&json!({"preempting": true})).await;
    assert_eq!(run.state().await, "preempting");
    app.wait(CRASH_AFTER * 2).await;
    assert_eq!(run.state().await, "preempting");
    app.wait(PREEMPT_GRACE).await;
    assert_eq!(run.state().await, "preempted");
    run.log(HISTORY, 0, &["{}"]).await;
    assert_eq!(run.state().await, "running");
});

backend_test!(a_resumed_run_runs_again, |app| {
    let run = app.ada.run("demo", "r").await;
    run.change("stopRun").await;
    run.complete(1).await;
    assert_eq!(run.state().await, "killed");
    app.ada.run("demo", "r").await;
    let seen = run.show("state stopped exitcode").await;
    assert_eq!(seen, json!({"state": "running", "stopped": false, "exitcode": null}));
    app.wait(CRASH_AFTER * 3).await;
    assert_eq!(run.state().await, "crashed");
    run.stream(&json!({})).await;
    assert_eq!(run.state().await, "running");
});

backend_test!(only_the_documented_requests_change_a_state, |app| {
    let run = app.ada.run_with("demo", "r", json!({"state": "pending"})).await;
    assert_eq!(run.state().await, "pending");
    let refused = request(&app.ada, &run, "pending").await.unwrap();
    assert_eq!((refused.status, refused.code.as_str()), (200, "INVALID_STATE_TRANSITION"));
    assert!(refused.message.contains("invalid state transition"), "{}", refused.message);
    assert_eq!(request(&app.ada, &run, "failed").await, None);
    assert_eq!(request(&app.ada, &run, "pending").await, None);
    assert_eq!(run.state().await, "pending");
    for state in ["running", "finished", "crashed", "killed"] {
        assert_eq!(request(&app.ada, &run, state).await.unwrap().code, "INVALID_STATE_TRANSITION");
    }
    assert_eq!(request(&app.ada, &run, "sleeping").await.unwrap().code, "RUN_STATE_UNKNOWN");
    run.complete(0).await;
    assert_eq!(request(&app.ada, &run, "failed").await.unwrap().code, "INVALID_STATE_TRANSITION");
});

backend_test!(the_state_of_a_sweeps_run_is_the_sweeps, |app| {
    let run = app.ada.run_with("demo", "r", json!({"sweep": "s1"})).await;
    assert_eq!(request(&app.ada, &run, "failed").await.unwrap().code, "INVALID_STATE_TRANSITION");
});
