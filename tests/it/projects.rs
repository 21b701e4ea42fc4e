//! Projects renamed, deleted and restored: what is seen at each step, and where the writers of their runs end up.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{
    ARCHIVE, CRASH_AFTER, Client, HISTORY, TRASH, TestApp, TestRun, backend_test, path_of, text,
};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);
/// Longer than the server remembers where a run is.
const FORGOTTEN: Duration = Duration::from_mins(1);

/// The name that a project has now, by any of its names; null where there is none.
async fn name_of(client: &Client, name: &str) -> Value {
    let query = "query($name: String) { project(name: $name) { name } }";
    client.graphql(query, json!({"name": name})).await["project"]["name"].take()
}

async fn id_of(client: &Client, name: &str) -> String {
    let query = "query($name: String) { project(name: $name) { id } }";
    text(&client.graphql(query, json!({"name": name})).await["project"]["id"])
}

/// Names of all projects, newest first.
async fn projects(client: &Client) -> Vec<String> {
    let found = client.graphql("{ models(first: 100) { edges { node { name } } } }", ()).await;
    let edges = found["models"]["edges"].as_array().unwrap();
    edges.iter().map(|edge| text(&edge["node"]["name"])).collect()
}

async fn make(client: &Client, name: &str) -> Value {
    let input = json!({"entityName": client.name(), "name": name});
    client.mutate("upsertModel", input, "inserted project { id name }").await
}

fn renaming(client: &Client, from: &str, to: &str) -> Value {
    json!({"entityName": client.name(), "oldProjectName": from, "newProjectName": to})
}

async fn rename(client: &Client, from: &str, to: &str) {
    let renamed =
        client.mutate("renameProject", renaming(client, from, to), "inserted project { name }").await;
    assert_eq!(renamed, json!({"inserted": false, "project": {"name": to}}));
}

/// Deletes a project; answers its id.
async fn delete(client: &Client, name: &str) -> String {
    let id = id_of(client, name).await;
    let done = client.mutate("deleteModel", json!({"id": id}), "success deletion { state }").await;
    assert_eq!(done, json!({"success": true, "deletion": {"state": "PENDING"}}));
    id
}

async fn restore(client: &Client, id: &str) {
    client.mutate("restoreProject", json!({"id": id}), "project { name }").await;
}

async fn project_trash(client: &Client) -> Vec<String> {
    let found = client.graphql("{ projectTrash { edges { node { projectName } } } }", ()).await;
    let edges = found["projectTrash"]["edges"].as_array().unwrap();
    edges.iter().map(|edge| text(&edge["node"]["projectName"])).collect()
}

/// A run with a line, a file and a config.
async fn full_run(app: &TestApp, project: &str, name: &str) -> TestRun {
    let told = json!({"tags": ["a"], "config": r#"{"lr":{"value":0.1}}"#});
    let run = app.ada.run_with(project, name, told).await;
    run.log(HISTORY, 0, &[r#"{"_step":0,"loss":0.5}"#]).await;
    run.upload("model.bin", vec![1; 10]).await;
    run
}

fn gone() -> (u16, String) {
    (410, "RUN_DELETED".to_owned())
}

backend_test!(an_old_name_leads_to_the_project_until_another_takes_it, |app| {
    let run = app.ada.run("old", "r").await;
    rename(&app.ada, "old", "new").await;
    assert_eq!(
        (name_of(&app.ada, "old").await, name_of(&app.ada, "new").await),
        (json!("new"), json!("new"))
    );
    assert_eq!(projects(&app.ada).await, ["new"]);
    assert_eq!(app.ada.run_names("old", json!({})).await, ["r"]);
    app.advance(SECOND);
    let made = make(&app.ada, "old").await;
    assert_eq!((&made["inserted"], &made["project"]["name"]), (&json!(true), &json!("old")));
    assert_eq!(projects(&app.ada).await, ["old", "new"]);
    assert_eq!(app.ada.run_names("old", json!({})).await, Vec::<String>::new());
    assert_eq!(run.show("name project { name }").await, json!({"name": "r", "project": {"name": "new"}}));
    rename(&app.ada, "old", "other").await;
    rename(&app.ada, "new", "old").await;
    assert_eq!(projects(&app.ada).await, ["other", "old"]);
    rename(&app.ada, "old", "old").await;
});

backend_test!(a_project_is_renamed_by_its_id_too, |app| {
    let made = make(&app.ada, "old").await;
    let input = json!({"id": made["project"]["id"], "name": "new", "description": "words"});
    let changed = app.ada.mutate("upsertModel", input, "inserted project { id name description }").await;
    let expected = json!({"id": made["project"]["id"], "name": "new", "description": "words"});
    assert_eq!(changed, json!({"inserted": false, "project": expected}));
});

backend_test!(a_rename_that_cannot_be_changes_nothing, |app| {
    make(&app.ada, "a").await;
    make(&app.ada, "b").await;
    for (from, to, code) in [
        ("a", "b", "PROJECT_NAME_TAKEN"),
        ("a", "x/y", "NAME_INVALID"),
        ("a", "", "NAME_INVALID"),
        ("c", "d", "NOT_FOUND"),
    ] {
        let refused = app.ada.refused("renameProject", renaming(&app.ada, from, to)).await;
        assert_eq!((refused.status, refused.code.as_str()), (200, code), "{from} to {to:?}");
    }
    let foreign = app.grace.refused("renameProject", renaming(&app.ada, "a", "c")).await;
    assert_eq!(foreign.code, "NOT_FOUND");
    assert_eq!((name_of(&app.ada, "a").await, name_of(&app.ada, "b").await), (json!("a"), json!("b")));
});

backend_test!(the_writer_of_a_run_goes_on_when_its_project_is_renamed, |app| {
    let run = app.ada.run("old", "r").await;
    run.log(HISTORY, 0, &[r#"{"_step":0}"#]).await;
    rename(&app.ada, "old", "new").await;
    run.log(HISTORY, 1, &[r#"{"_step":1}"#]).await;
    app.advance(FORGOTTEN);
    run.log(HISTORY, 2, &[r#"{"_step":2}"#]).await;
    make(&app.ada, "old").await;
    app.advance(FORGOTTEN);
    run.log(HISTORY, 3, &[r#"{"_step":3}"#]).await;
    run.upload("model.bin", "x").await;
    let input =
        json!({"entityName": "ada", "modelName": "old", "name": "r", "config": r#"{"a":{"value":1}}"#});
    let told = app.ada.mutate("upsertBucket", input, "inserted bucket { id project { name } }").await;
    assert_eq!(told, json!({"inserted": false, "bucket": {"id": run.id, "project": {"name": "new"}}}));
    run.complete(0).await;
    assert_eq!(app.ada.run_names("old", json!({})).await, Vec::<String>::new());
    assert_eq!(app.ada.run_names("new", json!({"config.a": 1})).await, ["r"]);
    assert_eq!(run.history().await.len(), 4);
    assert_eq!(run.download("model.bin").await.status, 200);
});

backend_test!(a_new_run_goes_where_the_name_leads, |app| {
    app.ada.run("old", "before").await;
    rename(&app.ada, "old", "new").await;
    app.ada.run("old", "between").await;
    assert_eq!(projects(&app.ada).await, ["new"]);
    make(&app.ada, "old").await;
    app.ada.run("old", "after").await;
    assert_eq!(app.ada.run_names("new", json!({"name": {"$ne": "x"}})).await.len(), 2);
    assert_eq!(app.ada.run_names("old", json!({})).await, ["after"]);
    delete(&app.ada, "old").await;
    assert!(name_of(&app.ada, "old").await.is_null(), "a name is its last holder's");
    app.ada.run("old", "last").await;
    assert_eq!(app.ada.run_names("old", json!({})).await, ["last"]);
});

backend_test!(a_deleted_project_is_hidden_at_once_with_all_that_is_in_it, |app| {
    let run = full_run(app, "demo", "r").await;
    let trashed = full_run(app, "demo", "t").await;
    full_run(app, "other", "o").await;
    trashed.delete().await;
    let put = run.upload_url("more").await;
    let get = text(&run.file("model.bin", "directUrl").await["directUrl"]);
    delete(&app.ada, "demo").await;
    assert!(name_of(&app.ada, "demo").await.is_null());
    assert_eq!(projects(&app.ada).await, ["other"]);
    assert_eq!(app.ada.trash().await, Vec::<String>::new());
    let lost = app.ada.refused("renameProject", renaming(&app.ada, "demo", "new")).await;
    assert_eq!(lost.code, "NOT_FOUND");
    for run in [&run, &trashed] {
        assert_eq!(run.stream(&json!({})).await.outcome(), gone());
        assert_eq!(run.download("model.bin").await.outcome(), gone());
        assert_eq!(app.ada.refused("createRunFiles", run.files_input(&["x"])).await.status, 410);
        assert_eq!(run.upsert_refused().await.code, "RUN_DELETED");
        assert_eq!(app.ada.refused("upsertBucket", json!({"id": run.id})).await.code, "RUN_DELETED");
        for mutation in ["stopRun", "archiveRun", "deleteRun", "restoreRun"] {
            assert_eq!(run.change_refused(mutation).await.code, "NOT_FOUND", "{mutation}");
        }
    }
    assert_eq!(app.ada.fetch(Method::PUT, &put, "x").await.outcome(), gone());
    assert_eq!(app.ada.get(path_of(&get)).await.status, 404);
    assert_eq!(projects(&app.ada).await, ["other"], "no writer made the project again");
});

backend_test!(the_name_of_a_deleted_project_is_free_and_its_run_ids_are_not, |app| {
    let run = full_run(app, "demo", "r").await;
    delete(&app.ada, "demo").await;
    app.advance(FORGOTTEN);
    let other = full_run(app, "demo", "s").await;
    assert_eq!(app.ada.run_names("demo", json!({})).await, ["s"]);
    for _ in 0..2 {
        assert!(run.show("id").await.is_null());
        assert_eq!(run.upsert_refused().await.code, "RUN_DELETED");
        assert_eq!(run.stream(&json!({})).await.outcome(), gone());
        app.wait(TRASH).await;
    }
    assert_eq!(other.history().await.len(), 1);
    delete(&app.ada, "demo").await;
    assert_eq!(project_trash(&app.ada).await, ["demo"]);
});

backend_test!(a_restored_project_is_the_same_to_the_byte, |app| {
    let runs = [full_run(app, "demo", "r").await, full_run(app, "demo", "s").await];
    for run in &runs {
        run.complete(0).await;
    }
    runs[1].change("archiveRun").await;
    let shown = async || {
        let filters = [json!({"config.lr": 0.1}), json!({"archived": true, "tags": "a"})];
        (
            runs[0].snapshot().await,
            runs[1].snapshot().await,
            app.ada.run_names("demo", filters[0].clone()).await,
            app.ada.run_names("demo", filters[1].clone()).await,
        )
    };
    let before = shown().await;
    for _ in 0..2 {
        let id = delete(&app.ada, "demo").await;
        app.wait(TRASH - SECOND).await;
        restore(&app.ada, &id).await;
        restore(&app.ada, &id).await;
        assert_eq!(shown().await, before);
    }
    app.wait(TRASH * 2).await;
    assert_eq!(shown().await, before, "the deadline of a deletion that was undone does nothing");
    assert_eq!(project_trash(&app.ada).await, Vec::<String>::new());
});

backend_test!(a_restore_under_a_name_that_is_taken_asks_for_another, |app| {
    let run = full_run(app, "demo", "r").await;
    let id = delete(&app.ada, "demo").await;
    make(&app.ada, "demo").await;
    let refused = app.ada.refused("restoreProject", json!({"id": id})).await;
    assert_eq!((refused.status, refused.code.as_str()), (200, "PROJECT_NAME_TAKEN"));
    let input = json!({"id": id, "name": "demo 2"});
    let restored = app.ada.mutate("restoreProject", input, "project { id name }").await;
    assert_eq!(restored["project"], json!({"id": id, "name": "demo 2"}));
    run.log(HISTORY, 1, &[r#"{"_step":1}"#]).await;
    assert_eq!(app.ada.run_names("demo 2", json!({})).await, ["r"]);
    assert_eq!(app.ada.run_names("demo", json!({})).await, Vec::<String>::new());
    let foreign = app.grace.refused("restoreProject", json!({"id": id})).await;
    assert_eq!(foreign.code, "NOT_FOUND");
});

const TRASH_PAGE: &str = "query($after: String) { projectTrash(first: 2, after: $after, entityName: \"ada\") { edges { \
                     node { projectName entityName state reason requestedAt purgeAfter endedAt runCount } } \
                     pageInfo { endCursor hasNextPage } } }";

backend_test!(the_trash_of_projects_shows_what_can_be_restored, |app| {
    for name in ["a", "b", "c"] {
        full_run(app, name, "r").await;
        delete(&app.ada, name).await;
        app.advance(SECOND);
    }
    let first = app.ada.graphql(TRASH_PAGE, json!({})).await["projectTrash"].take();
    assert_eq!(first["edges"][0]["node"]["projectName"], "c");
    assert_eq!(first["pageInfo"]["hasNextPage"], true);
    let rest =
        app.ada.graphql(TRASH_PAGE, json!({"after": first["pageInfo"]["endCursor"]})).await["projectTrash"]
            .take();
    let expected = json!({"projectName": "a", "entityName": "ada", "state": "PENDING", "reason": null,
        "requestedAt": "2026-01-01T00:00:00Z", "purgeAfter": "2026-01-08T00:00:00Z", "endedAt": null, "runCount": 1});
    assert_eq!(rest["edges"], json!([{"node": expected}]));
    assert_eq!(rest["pageInfo"]["hasNextPage"], false);
    assert_eq!(project_trash(&app.grace).await, Vec::<String>::new());
});

const RECORD: &str = "success deletion { id projectId reason purgeAfter }";

backend_test!(a_deletion_of_a_project_is_recorded_once, |app| {
    make(&app.ada, "demo").await;
    let input = json!({"id": id_of(&app.ada, "demo").await, "reason": "old"});
    let first = app.ada.mutate("deleteModel", input.clone(), RECORD).await;
    app.advance(SECOND);
    assert_eq!(app.ada.mutate("deleteModel", input.clone(), RECORD).await, first);
    assert_eq!(first["deletion"]["reason"], "old");
    assert_eq!(app.grace.refused("deleteModel", input).await.code, "NOT_FOUND");
    assert_eq!(app.ada.refused("deleteModel", json!({"id": "x"})).await.code, "NOT_FOUND");
});

backend_test!(a_purged_project_leaves_only_tombstones, |app| {
    let kept = full_run(app, "kept", "r").await;
    kept.complete(0).await;
    let before = (kept.snapshot().await, app.rows("run_value").await);
    let mut runs = Vec::new();
    for n in 0..3 {
        runs.push(full_run(app, "demo", &format!("r{n}")).await);
    }
    runs[1].change("archiveRun").await;
    app.ada.mutate("upsertModel", json!({"name": "demo", "description": "words"}), "inserted").await;
    let id = delete(&app.ada, "demo").await;
    let bytes = "SELECT b.object_key FROM blob b JOIN run_file f ON f.blob_id = b.id JOIN run r ON r.id = f.run_id \
                 WHERE r.name <> 'r'";
    let unwanted = app.texts(bytes).await;
    assert_eq!(unwanted.len(), runs.len());
    app.advance(TRASH);
    let refused = app.ada.refused("restoreProject", json!({"id": id})).await;
    assert_eq!(refused.code, "DEADLINE_PASSED", "before the worker came");
    app.run_jobs().await;
    app.collect().await;
    assert_eq!(app.ada.refused("restoreProject", json!({"id": id})).await.code, "NOT_FOUND", "after it");
    assert_eq!((kept.snapshot().await, app.rows("run_value").await), before);
    for (table, rows) in [("run", 4), ("run_document", 1), ("run_file", 1)] {
        assert_eq!(app.rows(table).await, rows, "{table}");
    }
    assert!(app.objects().await.iter().all(|object| !unwanted.contains(object)));
    let states = "SELECT state || COALESCE(description, '') FROM project ORDER BY name";
    assert_eq!(app.texts(states).await, ["purged", "live"]);
    assert_eq!(app.texts("SELECT state FROM deletion").await, ["purged"]);
    for run in &runs {
        assert_eq!(run.upsert_refused().await.code, "RUN_DELETED");
        assert_eq!(run.stream(&json!({})).await.outcome(), gone());
    }
    app.wait(ARCHIVE).await;
});

backend_test!(a_run_trashed_before_keeps_its_own_deadline, |app| {
    let trashed = full_run(app, "demo", "t").await;
    full_run(app, "demo", "r").await;
    trashed.delete().await;
    app.advance(DAY);
    let id = delete(&app.ada, "demo").await;
    app.wait(TRASH - DAY).await;
    assert_eq!(app.texts("SELECT lifecycle FROM run ORDER BY name").await, ["live", "purged"]);
    restore(&app.ada, &id).await;
    assert_eq!(app.ada.run_names("demo", json!({})).await, ["r"]);
    assert_eq!(app.ada.trash().await, Vec::<String>::new());
});

backend_test!(an_archive_period_goes_on_in_a_deleted_project, |app| {
    let run = full_run(app, "demo", "r").await;
    run.change("archiveRun").await;
    app.wait(ARCHIVE - DAY).await;
    let id = delete(&app.ada, "demo").await;
    app.wait(DAY * 2).await;
    assert_eq!(app.ada.trash().await, Vec::<String>::new());
    restore(&app.ada, &id).await;
    assert_eq!(app.ada.trash().await, ["r"]);
    run.change("restoreRun").await;
    assert_eq!(run.history().await.len(), 1);
});

backend_test!(a_silent_run_in_a_deleted_project_is_left_as_it_was, |app| {
    let run = full_run(app, "demo", "r").await;
    let id = delete(&app.ada, "demo").await;
    app.wait(CRASH_AFTER * 2).await;
    restore(&app.ada, &id).await;
    assert_eq!(run.state().await, "running");
    run.log(HISTORY, 1, &[r#"{"_step":1}"#]).await;
});

backend_test!(of_two_that_delete_and_restore_a_project_at_once_each_has_a_clear_answer, |app| {
    for n in 0..5 {
        let name = format!("p{n}");
        make(&app.ada, &name).await;
        let id = id_of(&app.ada, &name).await;
        let delete = || app.ada.mutate("deleteModel", json!({"id": id}), "deletion { id }");
        let (one, other) = tokio::join!(delete(), delete());
        assert_eq!(one, other, "one deletion for both");
        let restore = || app.ada.mutate("restoreProject", json!({"id": id}), "project { name }");
        let (one, other) = tokio::join!(restore(), restore());
        assert_eq!((&one["project"]["name"], &other["project"]["name"]), (&json!(name), &json!(name)));
    }
});
