//! Sweeps: which runs agents are given, and what is seen of them.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{GRID, HISTORY, TRASH, TestApp, TestSweep, backend_test};

const EXIT: &str = r#"[{"type":"exit"}]"#;

fn text_of(told: &[Value]) -> String {
    json!(told).to_string()
}

backend_test!(a_grid_is_given_out_once_whoever_asks, |app| {
    let sweep = TestSweep::create(&app.ada, "demo", GRID).await;
    let fields = "state method runCount runCountExpected bestLoss controller config";
    let seen = sweep.show(fields).await;
    let expected = json!({"state": "PENDING", "method": "grid", "runCount": 0, "runCountExpected": 4,
        "bestLoss": null, "controller": null, "config": GRID});
    assert_eq!(seen, expected);
    let other = sweep.agent().await;
    let ((a, first), (b, second)) = tokio::join!(sweep.next(&sweep.agent), sweep.next(&other));
    assert_ne!(a, b);
    let mut points = BTreeSet::from([first.to_string(), second.to_string()]);
    assert_eq!(sweep.beat(&sweep.agent, &[&a]).await, Vec::<Value>::new());
    for (agent, name, args, loss) in [(&sweep.agent, a, first, 2.0), (&other, b, second, 1.0)] {
        let run = sweep.begin(&name, &args).await;
        run.log(crate::support::SUMMARY, 0, &[json!({"loss": loss}).to_string()]).await;
        run.complete(0).await;
        points.insert(sweep.finish_next(agent, |_| 3.0).await.to_string());
    }
    assert_eq!(points.len(), 4);
    assert_eq!(text_of(&sweep.beat(&sweep.agent, &[]).await), EXIT);
    let seen = sweep.show("state runCount bestLoss runs { edges { node { sweepName } } } agents { edges { node { state totalRuns } } }").await;
    let of_sweep = json!({"node": {"sweepName": sweep.name}});
    let agent = |state| json!({"node": {"state": state, "totalRuns": 2}});
    let expected = json!({"state": "FINISHED", "runCount": 4, "bestLoss": 1.0,
        "runs": {"edges": vec![of_sweep; 4]}, "agents": {"edges": [agent("FINISHED"), agent("RUNNING")]}});
    assert_eq!(seen, expected);
    assert_eq!(app.ada.run_names("demo", json!({"$and": [{"sweep": sweep.name}]})).await.len(), 4);
});

backend_test!(what_an_agent_is_told_says_what_to_start, |app| {
    let sweep = TestSweep::create(&app.ada, "demo", GRID).await;
    let told = sweep.beat(&sweep.agent, &[]).await;
    let args = json!({"x": {"value": 1}, "y": {"value": "a"}});
    let command = json!({"type": "run", "run_id": told[0]["run_id"], "args": args, "program": "train.py"});
    assert_eq!(told, [command]);
    // An answer that got lost is given again.
    assert_eq!(sweep.beat(&sweep.agent, &[]).await, told);
    let name = told[0]["run_id"].as_str().unwrap();
    assert_eq!(sweep.beat(&sweep.agent, &[name]).await, Vec::<Value>::new());
    // What was taken and told nothing is over.
    assert_ne!(sweep.next(&sweep.agent).await.0, name);
});

backend_test!(its_owner_pauses_stops_and_cancels_a_sweep, |app| {
    let sweep = TestSweep::create(&app.ada, "demo", GRID).await;
    let (name, _) = sweep.next(&sweep.agent).await;
    let nothing = Vec::<Value>::new();
    sweep.set_state("PAUSED").await.unwrap();
    assert_eq!(sweep.beat(&sweep.agent, &[&name]).await, nothing);
    assert_eq!(sweep.beat(&sweep.agent, &[]).await, nothing);
    sweep.set_state("RUNNING").await.unwrap();
    let (name, args) = sweep.next(&sweep.agent).await;
    sweep.set_state("FINISHED").await.unwrap();
    assert_eq!(sweep.beat(&sweep.agent, &[&name]).await, nothing, "it runs to its end");
    assert_eq!(text_of(&sweep.beat(&sweep.agent, &[]).await), EXIT);
    assert_eq!(sweep.set_state("PAUSED").await.unwrap_err().code, "INVALID_STATE_TRANSITION");
    sweep.set_state("RUNNING").await.unwrap();
    let run = sweep.begin(&name, &args).await;
    run.change("stopRun").await;
    let (other, _) = sweep.next(&sweep.agent).await;
    assert_eq!(sweep.beat(&sweep.agent, &[&other]).await, nothing);
    sweep.set_state("CANCELED").await.unwrap();
    assert_eq!(text_of(&sweep.beat(&sweep.agent, &[&other]).await), EXIT);
    assert_eq!(sweep.set_state("RUNNING").await.unwrap_err().code, "INVALID_STATE_TRANSITION");
    assert_eq!(sweep.set_state("ASLEEP").await.unwrap_err().code, "SWEEP_STATE_UNKNOWN");
});

backend_test!(a_run_that_is_to_stop_is_stopped_by_its_agent, |app| {
    let sweep = TestSweep::create(&app.ada, "demo", GRID).await;
    let (name, args) = sweep.next(&sweep.agent).await;
    let run = sweep.begin(&name, &args).await;
    run.change("stopRun").await;
    let stop = json!([{"type": "stop", "run_id": name}]);
    assert_eq!(json!(sweep.beat(&sweep.agent, &[&name]).await), stop);
    assert_eq!(json!(sweep.beat(&sweep.agent, &[&name]).await), stop, "until it is");
});

backend_test!(what_a_silent_agent_had_is_given_to_another, |app| {
    let config = GRID.replace("[1, 2]", "[1]");
    let sweep = TestSweep::create(&app.ada, "demo", &config).await;
    let (begun, args) = sweep.next(&sweep.agent).await;
    sweep.begin(&begun, &args).await;
    let second = sweep.agent().await;
    let (unbegun, _) = sweep.next(&second).await;
    let third = sweep.agent().await;
    assert_eq!(sweep.beat(&third, &[]).await, Vec::<Value>::new(), "it waits, since they may come back");
    app.wait(Duration::from_mins(6)).await;
    let told = sweep.beat(&third, &[]).await;
    assert_eq!((&told[0]["type"], &told[0]["run_id"]), (&json!("resume"), &json!(begun)));
    let run = sweep.begin(&begun, &args).await;
    run.complete(0).await;
    assert_eq!(sweep.next(&third).await.0, unbegun);
    // Whose run it is no more is told so.
    assert_eq!(
        text_of(&sweep.beat(&second, &[&unbegun]).await),
        json!([{"type": "stop", "run_id": unbegun}]).to_string()
    );
    let states = sweep.show("agents { edges { node { state } } }").await;
    let states: Vec<_> = states["agents"]["edges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|edge| edge["node"]["state"].clone())
        .collect();
    assert_eq!(states, ["CRASHED", "RUNNING", "RUNNING"]);
});

backend_test!(a_random_sweep_ends_at_its_cap, |app| {
    let config = "method: random\nrun_cap: 2\nparameters: {x: {min: 0.0, max: 1.0}}";
    let sweep = TestSweep::create(&app.ada, "demo", config).await;
    let points =
        [sweep.finish_next(&sweep.agent, |_| 1.0).await, sweep.finish_next(&sweep.agent, |_| 1.0).await];
    assert_ne!(points[0], points[1]);
    assert_eq!(text_of(&sweep.beat(&sweep.agent, &[]).await), EXIT);
    let seen = sweep.show("runCountExpected runCount bestLoss").await;
    assert_eq!(seen, json!({"runCountExpected": 2, "runCount": 2, "bestLoss": null}));
});

backend_test!(a_bayesian_sweep_learns_from_its_runs, |app| {
    let config = "method: bayes\nmetric: {name: loss, goal: maximize}\nparameters: {x: {min: 0.0, max: 1.0}}";
    let sweep = TestSweep::create(&app.ada, "demo", config).await;
    let mut last = 0.0;
    for _ in 0..10 {
        let args =
            sweep.finish_next(&sweep.agent, |args| -(args["x"]["value"].as_f64().unwrap() - 0.3).abs()).await;
        last = args["x"]["value"].as_f64().unwrap();
    }
    let best = sweep.show("bestLoss").await["bestLoss"].as_f64().unwrap();
    assert!(best > -0.05, "{best}, {last}");
});

backend_test!(runs_that_are_not_worth_going_on_are_stopped, |app| {
    let config = format!("{GRID}early_terminate: {{type: hyperband, min_iter: 2, eta: 2}}\n");
    let sweep = TestSweep::create(&app.ada, "demo", &config).await;
    let lines = |loss: f64| [0, 1].map(|step| json!({"_step": step, "loss": loss}).to_string());
    let mut told = Vec::new();
    for loss in [1.0, 9.0] {
        let agent = sweep.agent().await;
        let (name, args) = sweep.next(&agent).await;
        let run = sweep.begin(&name, &args).await;
        run.log(HISTORY, 0, &lines(loss)).await;
        told.push((json!(sweep.beat(&agent, &[&name]).await), name));
    }
    assert_eq!(told[0].0, json!([]), "the best goes on");
    assert_eq!(told[1].0, json!([{"type": "stop", "run_id": told[1].1}]));
});

backend_test!(what_is_wrong_with_a_config_is_said, |app| {
    let refusal = async |config: &str| {
        let input = json!({"projectName": "demo", "config": config});
        app.ada.refused("upsertSweep", input).await
    };
    let refused = refusal("method: grid\nparameters: {x: {min: 0.5, max: 1.5}}").await;
    assert_eq!((refused.status, refused.code.as_str()), (200, "SWEEP_CONFIG_INVALID"));
    assert!(refused.message.starts_with("parameters.x"), "{}", refused.message);
    assert_eq!(refusal("a: [").await.code, "SWEEP_CONFIG_INVALID");
    let input = json!({"projectName": "demo", "config": format!("{GRID}colour: red\n")});
    let made = app.ada.mutate("upsertSweep", input, "configValidationWarnings").await;
    assert_eq!(made["configValidationWarnings"], json!(["colour: is not a part of a sweep's config"]));
    assert_eq!(
        app.ada.refused("upsertSweep", json!({"projectName": "demo"})).await.code,
        "SWEEP_CONFIG_INVALID"
    );
    let input = json!({"projectName": "demo", "sweep": "nothing", "host": "h"});
    assert_eq!(app.ada.refused("createAgent", input).await.code, "NOT_FOUND");
});

backend_test!(a_config_can_be_changed_until_a_run_was_given_out, |app| {
    let sweep = TestSweep::create(&app.ada, "demo", GRID).await;
    let smaller = GRID.replace("[1, 2]", "[1]");
    let change =
        |config: &str| json!({"id": sweep.id, "config": config, "displayName": "pretty", "controller": "{}"});
    app.ada.mutate("upsertSweep", change(&smaller), "sweep { name }").await;
    let seen = sweep.show("runCountExpected displayName controller").await;
    assert_eq!(seen, json!({"runCountExpected": 2, "displayName": "pretty", "controller": "{}"}));
    sweep.next(&sweep.agent).await;
    assert_eq!(app.ada.refused("upsertSweep", change(GRID)).await.code, "SWEEP_STARTED");
    // A controller sends it along with what it changes.
    app.ada.mutate("upsertSweep", change(&smaller), "sweep { name }").await;
});

backend_test!(runs_of_before_are_taken_in_and_sweeps_are_listed, |app| {
    app.ada.run("demo", "old").await;
    app.ada.run("demo", "other").await;
    let input = json!({"projectName": "demo", "config": GRID,
        "priorRunsFilters": json!({"$or": [{"name": "old"}]}).to_string()});
    let made = app.ada.mutate("upsertSweep", input, "sweep { name }").await;
    let first = made["sweep"]["name"].clone();
    assert_eq!(app.ada.run_names("demo", json!({"sweep": first})).await, ["old"]);
    let second = TestSweep::create(&app.ada, "demo", &GRID.replace("grid", "random")).await;
    let list = async |filters: Value, first: i32, after: &str| {
        let query = "query($f: JSONString, $n: Int, $a: String) { project(name: \"demo\") { totalSweeps \
                     sweeps(filters: $f, first: $n, after: $a) { edges { node { name runCount } } pageInfo { hasNextPage endCursor } } } }";
        let variables = json!({"f": filters.to_string(), "n": first, "a": after});
        app.ada.graphql(query, variables).await["project"].take()
    };
    let page = list(json!({}), 1, "").await;
    assert_eq!(
        (&page["totalSweeps"], &page["sweeps"]["edges"][0]["node"]["name"]),
        (&json!(2), &json!(second.name))
    );
    let rest = list(json!({}), 1, page["sweeps"]["pageInfo"]["endCursor"].as_str().unwrap()).await;
    assert_eq!(rest["sweeps"]["edges"], json!([{"node": {"name": first, "runCount": 1}}]));
    assert_eq!(rest["sweeps"]["pageInfo"]["hasNextPage"], false);
    let found = list(json!({"method": "random", "state": {"$ne": "FINISHED"}}), 9, "").await;
    assert_eq!(found["sweeps"]["edges"][0]["node"]["name"], second.name);
});

async fn purge_leaves_nothing(app: &TestApp) {
    app.wait(TRASH).await;
    for table in ["sweep_run", "agent", "sweep"] {
        assert_eq!(app.rows(table).await, 0, "{table}");
    }
}

backend_test!(sweeps_go_and_come_back_with_their_project, |app| {
    let sweep = TestSweep::create(&app.ada, "demo", GRID).await;
    sweep.finish_next(&sweep.agent, |_| 1.0).await;
    let project = sweep.show("project { id }").await["project"]["id"].clone();
    app.ada.mutate("deleteModel", json!({"id": project}), "success").await;
    let missed = sweep.beat_refused(&sweep.agent).await;
    assert_eq!((missed.status, missed.code.as_str()), (404, "NOT_FOUND"));
    app.ada.mutate("restoreProject", json!({"id": project}), "__typename").await;
    assert_eq!(sweep.state().await, "RUNNING");
    app.ada.mutate("deleteModel", json!({"id": project}), "success").await;
    purge_leaves_nothing(app).await;
});

backend_test!(a_purged_run_leaves_no_parameters_behind, |app| {
    let sweep = TestSweep::create(&app.ada, "demo", GRID).await;
    let (name, args) = sweep.next(&sweep.agent).await;
    let run = sweep.begin(&name, &args).await;
    run.complete(0).await;
    run.delete().await;
    app.wait(TRASH).await;
    assert_eq!(app.rows("sweep_run").await, 0);
    assert_ne!(sweep.next(&sweep.agent).await.1, args, "a point is not given out again");
});
