//! Many runs at once: moved to another project, or given other tags and groups.

use serde_json::{Value, json};

use crate::support::{ARCHIVE, Client, HISTORY, TRASH, TestApp, TestRun, backend_test, text};

const TASK: &str = "task { id state matchedCount changedCount refusedCount refused { name reason } }";
const MOST_AT_ONCE: i64 = 400;

fn moving(filters: &Value, from: &str, to: &str) -> Value {
    json!({"filters": filters.to_string(), "sourceEntityName": "ada", "sourceProjectName": from,
        "destinationEntityName": "ada", "destinationProjectName": to})
}

/// Moves runs; the task without its id.
async fn move_runs(client: &Client, filters: Value, from: &str, to: &str) -> Value {
    let mut moved = client.mutate("moveRuns", moving(&filters, from, to), TASK).await["task"].take();
    moved.as_object_mut().unwrap().remove("id");
    moved
}

fn complete(matched: i64, refused: &[&str]) -> Value {
    let reason = "the run id is taken in the other project";
    let named: Vec<_> = refused.iter().map(|name| json!({"name": name, "reason": reason})).collect();
    let count = i64::try_from(refused.len()).unwrap();
    json!({"state": "COMPLETE", "matchedCount": matched, "changedCount": matched - count, "refusedCount": count,
        "refused": named})
}

async fn modify(client: &Client, project: &str, filters: Value, mut input: Value) -> Value {
    input["projectName"] = project.into();
    input["filters"] = filters.to_string().into();
    client.mutate("modifyRuns", input, TASK).await["task"].take()
}

async fn make(client: &Client, project: &str) {
    client.mutate("upsertModel", json!({"name": project}), "inserted").await;
}

async fn task(client: &Client, id: &Value) -> Value {
    let query =
        "query($id: ID!) { bulkTask(id: $id) { state matchedCount changedCount refusedCount endedAt } }";
    client.graphql(query, json!({"id": id})).await["bulkTask"].take()
}

async fn full_run(app: &TestApp, project: &str, name: &str, lr: f64) -> TestRun {
    let told = json!({"tags": ["a"], "config": json!({"lr": {"value": lr}}).to_string()});
    let run = app.ada.run_with(project, name, told).await;
    run.log(HISTORY, 0, &[r#"{"_step":0,"loss":0.5}"#]).await;
    run.upload("model.bin", vec![1; 100]).await;
    run
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort_unstable();
    names
}

backend_test!(runs_move_by_filter_with_all_they_have, |app| {
    let run = full_run(app, "from", "r", 0.1).await;
    full_run(app, "from", "stays", 0.2).await;
    make(&app.ada, "to").await;
    let before = run.snapshot().await;
    let moved = move_runs(&app.ada, json!({"config.lr": 0.1}), "from", "to").await;
    assert_eq!(moved, complete(1, &[]));
    assert_eq!(app.ada.run_names("from", json!({})).await, ["stays"]);
    for filter in [json!({}), json!({"config.lr": 0.1}), json!({"tags": "a"})] {
        assert_eq!(app.ada.run_names("to", filter).await, ["r"]);
    }
    assert_eq!(run.snapshot().await, before, "by its old path");
    assert_eq!(run.show("project { name }").await["project"]["name"], "to");
    assert_eq!(app.ada.run("to", "r").await.id, run.id);
    let project = "SELECT COUNT(DISTINCT project_id) FROM run_value WHERE run_id = (SELECT id FROM run WHERE name = 'r')";
    assert_eq!(app.number(project).await, 1);
});

backend_test!(the_writer_of_a_moved_run_goes_on, |app| {
    let run = full_run(app, "from", "r", 0.1).await;
    make(&app.ada, "to").await;
    move_runs(&app.ada, json!({}), "from", "to").await;
    run.log(HISTORY, 1, &[r#"{"_step":1}"#]).await;
    app.advance(std::time::Duration::from_mins(1));
    run.log(HISTORY, 2, &[r#"{"_step":2}"#]).await;
    run.upload("more", "x").await;
    let told = app.ada.run_with("from", "r", json!({"config": r#"{"lr":{"value":7}}"#})).await;
    assert_eq!(told.id, run.id);
    run.complete(0).await;
    assert_eq!(app.ada.run_names("from", json!({})).await, Vec::<String>::new());
    assert_eq!(app.ada.run_names("to", json!({"config.lr": 7, "state": "finished"})).await, ["r"]);
    assert_eq!(run.history().await.len(), 3);
});

backend_test!(a_run_whose_id_is_taken_stays_and_is_named, |app| {
    for name in ["a", "b", "c"] {
        full_run(app, "from", name, 0.1).await;
    }
    let clash = full_run(app, "to", "b", 0.2).await;
    full_run(app, "to", "c", 0.2).await.delete().await;
    let moved = move_runs(&app.ada, json!({}), "from", "to").await;
    assert_eq!(moved, complete(3, &["b", "c"]));
    assert_eq!(sorted(app.ada.run_names("from", json!({"config.lr": 0.1})).await), ["b", "c"]);
    assert_eq!(sorted(app.ada.run_names("to", json!({})).await), ["a", "b"]);
    assert_eq!(clash.show("config").await["config"], r#"{"lr":{"value":0.2}}"#);
});

backend_test!(a_run_can_come_back_and_no_other_takes_its_place, |app| {
    let run = full_run(app, "home", "r", 0.1).await;
    make(&app.ada, "away").await;
    move_runs(&app.ada, json!({}), "home", "away").await;
    full_run(app, "third", "r", 0.3).await;
    assert_eq!(move_runs(&app.ada, json!({}), "third", "home").await, complete(1, &["r"]));
    assert_eq!(move_runs(&app.ada, json!({}), "away", "home").await, complete(1, &[]));
    assert_eq!(app.ada.run_names("home", json!({})).await, ["r"]);
    assert_eq!(app.ada.run("away", "r").await.id, run.id);
    assert_eq!(app.texts("SELECT name FROM run_alias").await, ["r"], "only where it is not");
});

backend_test!(a_moved_run_that_is_deleted_is_gone_by_all_its_paths, |app| {
    let run = full_run(app, "from", "r", 0.1).await;
    make(&app.ada, "to").await;
    move_runs(&app.ada, json!({}), "from", "to").await;
    run.delete().await;
    for _ in 0..2 {
        for project in ["from", "to"] {
            let input = json!({"entityName": "ada", "modelName": project, "name": "r"});
            assert_eq!(app.ada.refused("upsertBucket", input).await.code, "RUN_DELETED", "{project}");
        }
        assert!(run.show("id").await.is_null());
        assert_eq!(run.stream(&json!({})).await.outcome(), (410, "RUN_DELETED".into()));
        app.wait(TRASH).await;
    }
});

backend_test!(archived_runs_move_when_asked_for_and_keep_their_deadline, |app| {
    let run = full_run(app, "from", "r", 0.1).await;
    make(&app.ada, "to").await;
    run.change("archiveRun").await;
    assert_eq!(move_runs(&app.ada, json!({}), "from", "to").await, complete(0, &[]));
    assert_eq!(move_runs(&app.ada, json!({"archived": true}), "from", "to").await, complete(1, &[]));
    assert_eq!(app.ada.run_names("to", json!({"archived": true})).await, ["r"]);
    app.wait(ARCHIVE).await;
    assert_eq!(app.ada.trash().await, ["r"]);
});

async fn many_runs(app: &TestApp, project: &str, count: i64) {
    for n in 0..count {
        app.ada.run_with(project, &format!("r{n}"), json!({"config": r#"{"lr":{"value":1}}"#})).await;
    }
}

backend_test!(many_runs_move_batch_by_batch, |app| {
    let count = 2 * MOST_AT_ONCE + 50;
    many_runs(app, "from", count).await;
    for n in [3, MOST_AT_ONCE + 100] {
        app.ada.run("to", &format!("r{n}")).await;
    }
    let began =
        app.ada.mutate("moveRuns", moving(&json!({"config.lr": 1}), "from", "to"), TASK).await["task"].take();
    assert_eq!((&began["state"], &began["matchedCount"]), (&json!("UNDERWAY"), &json!(count)));
    assert_eq!((&began["changedCount"], &began["refusedCount"]), (&json!(MOST_AT_ONCE - 1), &json!(1)));
    assert!(task(&app.grace, &began["id"]).await.is_null());
    app.ada.run_with("from", "late", json!({"config": r#"{"lr":{"value":1}}"#})).await;
    app.advance(std::time::Duration::from_secs(1));
    app.ada.run_with("from", "later", json!({"config": r#"{"lr":{"value":1}}"#})).await;
    app.run_jobs().await;
    let ended = task(&app.ada, &began["id"]).await;
    assert_eq!((&ended["state"], &ended["refusedCount"]), (&json!("COMPLETE"), &json!(2)));
    assert!(!ended["endedAt"].is_null());
    let left = sorted(app.ada.run_names("from", json!({})).await);
    assert!(left.contains(&"later".to_owned()) && left.contains(&"r3".to_owned()), "{left:?}");
    let at = |project: &str| {
        format!(
            "SELECT COUNT(*) FROM run_value v JOIN project p ON p.id = v.project_id \
             JOIN run r ON r.id = v.run_id AND r.project_id = p.id WHERE p.name = '{project}' AND v.path = 'lr'"
        )
    };
    assert_eq!(app.number(&at("to")).await + app.number(&at("from")).await, count + 2);
    assert!(app.number(&at("to")).await >= count - 2);
});

backend_test!(a_move_ends_when_its_destination_is_deleted, |app| {
    many_runs(app, "from", MOST_AT_ONCE + 1).await;
    make(&app.ada, "to").await;
    let began = app.ada.mutate("moveRuns", moving(&json!({}), "from", "to"), TASK).await["task"].take();
    let found = app.ada.graphql("{ project(name: \"to\") { id } }", ()).await;
    app.ada.mutate("deleteModel", json!({"id": found["project"]["id"]}), "success").await;
    app.run_jobs().await;
    let ended = task(&app.ada, &began["id"]).await;
    assert_eq!((&ended["state"], &ended["changedCount"]), (&json!("STOPPED"), &json!(MOST_AT_ONCE)));
    assert_eq!(app.ada.run_names("from", json!({})).await.len(), 1);
});

backend_test!(tags_and_groups_of_many_runs_change_at_once, |app| {
    for (name, tags) in [("x", json!(["a", "b"])), ("y", json!(["b"])), ("z", json!([]))] {
        app.ada.run_with("demo", name, json!({"tags": tags, "groupName": "g"})).await;
    }
    let edit = json!({"addTags": ["c", "c", "a"], "removeTags": ["b"], "addGroup": "h"});
    let done = modify(&app.ada, "demo", json!({"tags": "b"}), edit.clone()).await;
    assert_eq!((&done["state"], &done["changedCount"]), (&json!("COMPLETE"), &json!(2)));
    assert_eq!(modify(&app.ada, "demo", json!({"tags": "b"}), edit).await["changedCount"], 0);
    let shown = async |name: &str| app.ada.run("demo", name).await.show("tags group").await;
    assert_eq!(shown("x").await, json!({"tags": ["a", "c"], "group": "h"}));
    assert_eq!(shown("y").await, json!({"tags": ["c", "a"], "group": "h"}));
    assert_eq!(shown("z").await, json!({"tags": [], "group": "g"}));
    assert_eq!(sorted(app.ada.run_names("demo", json!({"tags": "c", "group": "h"})).await), ["x", "y"]);
    assert_eq!(app.ada.run_names("demo", json!({"tags": "b"})).await, Vec::<String>::new());
    modify(&app.ada, "demo", json!({"name": "x"}), json!({"removeGroup": true})).await;
    assert_eq!(shown("x").await, json!({"tags": ["a", "c"], "group": null}));
});

backend_test!(more_runs_than_one_transaction_takes_are_all_changed, |app| {
    let count = MOST_AT_ONCE + 10;
    many_runs(app, "demo", count).await;
    let began = modify(&app.ada, "demo", json!({"config.lr": 1}), json!({"addTags": ["new"]})).await;
    assert_eq!((&began["state"], &began["changedCount"]), (&json!("UNDERWAY"), &json!(MOST_AT_ONCE)));
    app.run_jobs().await;
    assert_eq!(task(&app.ada, &began["id"]).await["changedCount"], count);
    assert_eq!(app.number("SELECT COUNT(*) FROM run_value WHERE scope = 3").await, count);
});

backend_test!(an_edit_that_cannot_be_is_refused, |app| {
    app.ada.run("demo", "r").await;
    let modify = |input: Value| {
        let mut input = input;
        input["projectName"] = input.get("projectName").cloned().unwrap_or_else(|| json!("demo"));
        input["filters"] = input.get("filters").cloned().unwrap_or_else(|| json!("{}"));
        app.ada.refused("modifyRuns", input)
    };
    for (input, code) in [
        (json!({}), "EDIT_EMPTY"),
        (json!({"addGroup": "g", "removeGroup": true}), "EDIT_INVALID"),
        (json!({"addTags": [""]}), "TAG_INVALID"),
        (json!({"addGroup": "a\u{0}b"}), "TEXT_INVALID"),
        (json!({"addTags": ["a"], "filters": "{\"$x\": 1}"}), "FILTER_INVALID"),
        (json!({"addTags": ["a"], "projectName": "none"}), "NOT_FOUND"),
    ] {
        assert_eq!(modify(input.clone()).await.code, code, "{input}");
    }
    let tags: Vec<_> = (0..600).map(|n| format!("t{n}")).collect();
    let others: Vec<_> = (0..600).map(|n| format!("u{n}")).collect();
    app.ada.run_with("demo", "full", json!({"tags": tags})).await;
    let edit = json!({"projectName": "demo", "filters": "{}", "addTags": others});
    let done = app.ada.mutate("modifyRuns", edit, TASK).await["task"].take();
    assert_eq!((&done["changedCount"], &done["refused"][0]["name"]), (&json!(1), &json!("full")));
    assert!(text(&done["refused"][0]["reason"]).contains("at most 1000 tags"));
});

backend_test!(nobody_moves_or_changes_what_they_may_not_see, |app| {
    app.ada.run("demo", "r").await;
    app.grace.run("hers", "s").await;
    make(&app.ada, "to").await;
    let mut input = moving(&json!({}), "demo", "to");
    assert_eq!(app.grace.refused("moveRuns", input.clone()).await.code, "NOT_FOUND");
    input["destinationEntityName"] = "grace".into();
    input["destinationProjectName"] = "hers".into();
    assert_eq!(app.ada.refused("moveRuns", input.clone()).await.code, "NOT_FOUND");
    assert_eq!(app.grace.refused("moveRuns", input).await.code, "NOT_FOUND");
    let same = app.ada.refused("moveRuns", moving(&json!({}), "demo", "demo")).await;
    assert_eq!(same.code, "DESTINATION_INVALID");
    let missing = app.ada.refused("moveRuns", moving(&json!({}), "demo", "none")).await;
    assert_eq!(missing.code, "NOT_FOUND");
    let edit = json!({"entityName": "ada", "projectName": "demo", "filters": "{}", "addTags": ["a"]});
    assert_eq!(app.grace.refused("modifyRuns", edit).await.code, "NOT_FOUND");
});
