//! Archive, delete, restore, purge: what is seen at each step, and what is kept to the byte.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    ARCHIVE, CONSOLE, CRASH_AFTER, EVENTS, HISTORY, SETTLE_AFTER, SUMMARY, TRASH, TestApp, TestRun,
    backend_test, text,
};

const SECOND: Duration = Duration::from_secs(1);

/// A run with everything that a run can have.
async fn full_run(app: &TestApp, name: &str) -> TestRun {
    let told = json!({"displayName": "pretty", "notes": "words", "tags": ["a"], "groupName": "g", "jobType": "train",
        "host": "box", "commit": "abc", "config": r#"{"lr":{"value":0.1}}"#});
    let run = app.ada.run_with("demo", name, told).await;
    run.log(HISTORY, 0, &[r#"{"_step":0,"loss":NaN}"#, r#"{"_step":1,"loss":0.5,"d":{"e":1}}"#]).await;
    run.log(EVENTS, 0, &[r#"{"system.cpu":3.5}"#]).await;
    run.log(CONSOLE, 0, &["2026-01-01T00:00:00.123456 hello", "ERROR 2026-01-01T00:00:00.123456 boom"]).await;
    run.log(SUMMARY, 0, &[r#"{"loss":0.5}"#]).await;
    run.upload("model.bin", vec![1; 1000]).await;
    run.upload("media/x.png", vec![2; 10]).await;
    run.complete(1).await;
    run
}

async fn lifecycle(run: &TestRun) -> String {
    text(&run.field("lifecycle").await)
}

fn archived() -> Value {
    json!({"archived": true})
}

backend_test!(an_archived_run_is_listed_only_when_asked_for, |app| {
    let run = full_run(app, "r").await;
    let before = run.snapshot().await;
    run.change("archiveRun").await;
    assert_eq!(app.ada.run_names("demo", json!({})).await, Vec::<String>::new());
    assert_eq!(app.ada.run_names("demo", archived()).await, ["r"]);
    assert_eq!(app.ada.run_names("demo", json!({"$and": [archived(), {"tags": "a"}]})).await, ["r"]);
    assert_eq!((lifecycle(&run).await, run.snapshot().await), ("ARCHIVED".into(), before.clone()));
    assert_eq!(run.field("archivedUntil").await, "2026-01-31T00:00:00Z");
    run.change("unarchiveRun").await;
    assert_eq!(app.ada.run_names("demo", json!({})).await, ["r"]);
    assert_eq!(app.ada.run_names("demo", archived()).await, Vec::<String>::new());
    assert_eq!((lifecycle(&run).await, run.snapshot().await), ("LIVE".into(), before));
    assert_eq!(run.field("archivedUntil").await, Value::Null);
    app.wait(ARCHIVE * 2).await;
    assert_eq!(lifecycle(&run).await, "LIVE");
});

backend_test!(an_archived_run_can_still_be_written_to, |app| {
    let run = app.ada.run("demo", "r").await;
    run.change("archiveRun").await;
    run.log(HISTORY, 0, &[r#"{"_step":0}"#]).await;
    run.upload("a", "x").await;
    app.ada.run("demo", "r").await;
    assert_eq!((lifecycle(&run).await.as_str(), run.history().await.len()), ("ARCHIVED", 1));
});

backend_test!(a_deleted_run_is_hidden_at_once, |app| {
    let run = full_run(app, "r").await;
    let url = run.upload_url("more").await;
    run.delete().await;
    assert!(run.show("id").await.is_null());
    for filter in [json!({}), archived(), json!({"name": "r"})] {
        assert_eq!(app.ada.run_names("demo", filter).await, Vec::<String>::new());
    }
    let gone = (410, "RUN_DELETED".to_owned());
    assert_eq!(run.download("model.bin").await.outcome(), gone);
    assert_eq!(run.stream(&json!({})).await.outcome(), gone);
    assert_eq!(app.ada.fetch(axum::http::Method::PUT, &url, "x").await.outcome(), gone);
    assert_eq!(app.ada.refused("createRunFiles", run.files_input(&["x"])).await.status, 410);
    for mutation in ["stopRun", "archiveRun", "unarchiveRun"] {
        assert_eq!(run.change_refused(mutation).await.code, "NOT_FOUND", "{mutation}");
    }
});

backend_test!(the_trash_shows_what_can_be_restored_last_deleted_first, |app| {
    for name in ["a", "b", "c"] {
        full_run(app, name).await.delete().await;
        app.advance(SECOND);
    }
    assert_eq!(app.ada.trash().await, ["c", "b", "a"]);
    let mut seen = Vec::new();
    let mut after = Value::Null;
    loop {
        const QUERY: &str = "query($after: String) { trash(first: 2, after: $after, entityName: \"ada\") { \
                             edges { node { name lifecycle deletedAt purgeAfter } } pageInfo { endCursor hasNextPage } } }";
        let page = app.ada.graphql(QUERY, json!({"after": after})).await["trash"].clone();
        let edges = page["edges"].as_array().unwrap();
        seen.extend(edges.iter().map(|edge| edge["node"].clone()));
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    assert_eq!(
        seen[2],
        json!({"name": "a", "lifecycle": "DELETED", "deletedAt": "2026-01-01T00:00:00Z",
               "purgeAfter": "2026-01-08T00:00:00Z"})
    );
    assert_eq!(seen.len(), 3);
});

backend_test!(a_restored_run_is_the_same_to_the_byte, |app| {
    let run = full_run(app, "r").await;
    let before = run.snapshot().await;
    for _ in 0..2 {
        run.delete().await;
        app.wait(TRASH - SECOND).await;
        run.change("restoreRun").await;
        assert_eq!(run.snapshot().await, before);
        assert_eq!(app.ada.run_names("demo", json!({"config.lr": 0.1, "tags": "a"})).await, ["r"]);
    }
    app.wait(TRASH * 2).await;
    assert_eq!(run.snapshot().await, before, "the deadline of a deletion that was undone does nothing");
    assert_eq!(app.ada.trash().await, Vec::<String>::new());
});

backend_test!(restoring_brings_an_archived_run_back_too, |app| {
    let run = full_run(app, "r").await;
    run.change("archiveRun").await;
    run.change("restoreRun").await;
    assert_eq!(lifecycle(&run).await, "LIVE");
    run.change("archiveRun").await;
    run.delete().await;
    app.wait(ARCHIVE.min(TRASH) - SECOND).await;
    run.change("restoreRun").await;
    assert_eq!(lifecycle(&run).await, "LIVE");
    app.wait(ARCHIVE * 2).await;
    assert_eq!(lifecycle(&run).await, "LIVE");
});

backend_test!(after_the_deadline_nothing_is_restored, |app| {
    let run = full_run(app, "r").await;
    run.delete().await;
    app.advance(TRASH);
    let refused = run.change_refused("restoreRun").await;
    assert_eq!((refused.status, refused.code.as_str()), (200, "DEADLINE_PASSED"), "before the worker came");
    app.run_jobs().await;
    assert_eq!(run.change_refused("restoreRun").await.code, "NOT_FOUND", "after it");
});

const RECORD: &str =
    "clientMutationId deletion { id runId state reason requestedAt purgeAfter endedAt fileCount fileBytes }";

backend_test!(a_deletion_is_recorded_once, |app| {
    let run = full_run(app, "r").await;
    let input =
        json!({"id": run.id, "reason": "too large", "deleteArtifacts": false, "clientMutationId": "m"});
    let first = app.ada.mutate("deleteRun", input.clone(), RECORD).await;
    app.advance(SECOND);
    assert_eq!(app.ada.mutate("deleteRun", input, RECORD).await, first);
    let id = &first["deletion"]["id"];
    assert_eq!(
        first,
        json!({"clientMutationId": "m", "deletion": {"id": id, "runId": run.id, "state": "PENDING",
            "reason": "too large", "requestedAt": "2026-01-01T00:00:00Z", "purgeAfter": "2026-01-08T00:00:00Z",
            "endedAt": null, "fileCount": 2, "fileBytes": 1010}})
    );
    run.change("restoreRun").await;
    assert_ne!(run.delete().await, text(id), "another deletion");
    assert_eq!(
        app.texts("SELECT state FROM deletion ORDER BY requested_at, state DESC").await,
        ["restored", "pending"]
    );
    app.wait(TRASH).await;
    assert_eq!(
        app.texts("SELECT state FROM deletion ORDER BY requested_at, state DESC").await,
        ["restored", "purged"]
    );
});

backend_test!(a_purged_run_leaves_only_its_tombstone, |app| {
    let kept = full_run(app, "kept").await;
    app.wait(SETTLE_AFTER).await;
    let before = (kept.snapshot().await, app.rows("run_value").await, app.rows("history_chunk").await);
    let run = full_run(app, "r").await;
    run.delete().await;
    app.wait(TRASH).await;
    app.collect().await;
    assert_eq!((kept.snapshot().await, app.rows("run_value").await, app.rows("history_chunk").await), before);
    for (table, rows) in
        [("run", 2), ("run_document", 1), ("history_stream", 3), ("run_file", 2), ("blob", 4)]
    {
        assert_eq!(app.rows(table).await, rows, "{table}");
    }
    assert_eq!(app.objects().await.len(), 4);
    let words =
        "SELECT COALESCE(notes, '') || display_name || tags || COALESCE(host, '') FROM run WHERE name = 'r'";
    assert_eq!(app.texts(words).await, ["[]"]);
    assert_eq!(run.upsert_refused().await.code, "RUN_DELETED");
    assert_eq!(run.stream(&json!({})).await.outcome(), (410, "RUN_DELETED".into()));
    assert_eq!(run.download("model.bin").await.outcome(), (410, "RUN_DELETED".into()));
    assert_eq!(run.change_refused("deleteRun").await.code, "NOT_FOUND");
});

backend_test!(an_archived_run_goes_to_the_trash_when_its_period_is_over, |app| {
    let run = full_run(app, "r").await;
    run.change("archiveRun").await;
    app.advance(SECOND);
    run.change("archiveRun").await;
    app.wait(ARCHIVE - SECOND - SECOND).await;
    assert_eq!(lifecycle(&run).await, "ARCHIVED");
    app.wait(SECOND).await;
    assert_eq!(app.ada.trash().await, ["r"], "the first call set the deadline");
    assert_eq!(app.texts("SELECT reason FROM deletion").await, ["archive period over"]);
    run.change("restoreRun").await;
    assert_eq!(lifecycle(&run).await, "LIVE");
    run.change("archiveRun").await;
    app.wait(ARCHIVE).await;
    app.wait(TRASH).await;
    assert_eq!(run.upsert_refused().await.status, 410);
});

backend_test!(a_running_run_can_be_deleted_and_its_writer_is_told, |app| {
    let run = app.ada.run("demo", "r").await;
    run.log(HISTORY, 0, &[r#"{"_step":0}"#]).await;
    run.delete().await;
    let refused = run.write(HISTORY, 1, &[r#"{"_step":1}"#]).await;
    assert_eq!(refused.outcome(), (410, "RUN_DELETED".into()));
    let message = "run ada/demo/r was previously created and deleted; try a new run name";
    assert_eq!(refused.json()["error"], message);
    app.wait(CRASH_AFTER * 2).await;
    run.change("restoreRun").await;
    assert_eq!(run.show("state historyLineCount").await, json!({"state": "running", "historyLineCount": 1}));
    run.log(HISTORY, 1, &[r#"{"_step":1}"#]).await;
});

backend_test!(a_deadline_stands_in_the_database, |app| {
    let run = full_run(app, "r").await;
    run.delete().await;
    let before = app.texts("SELECT CAST(run_at AS TEXT) FROM job WHERE kind = 'purge_deletion'").await;
    for _ in 0..3 {
        app.wait(TRASH / 4).await;
        assert_eq!(
            app.texts("SELECT CAST(run_at AS TEXT) FROM job WHERE kind = 'purge_deletion'").await,
            before
        );
        assert_eq!(app.ada.trash().await, ["r"]);
    }
    app.wait(TRASH / 4).await;
    assert_eq!(app.ada.trash().await, Vec::<String>::new());
});

backend_test!(of_two_that_delete_and_restore_at_once_each_has_a_clear_answer, |app| {
    for n in 0..5 {
        let run = app.ada.run("demo", &format!("r{n}")).await;
        let delete = || app.ada.mutate("deleteRun", json!({"id": run.id}), "deletion { id }");
        let (one, other) = tokio::join!(delete(), delete());
        assert_eq!(one, other, "one deletion for both");
        let restore = || app.ada.mutate("restoreRun", json!({"id": run.id}), "run { lifecycle }");
        let (one, other) = tokio::join!(restore(), restore());
        assert_eq!((&one["run"]["lifecycle"], &other["run"]["lifecycle"]), (&json!("LIVE"), &json!("LIVE")));
    }
});
