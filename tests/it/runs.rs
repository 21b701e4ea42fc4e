//! `upsertBucket` and what it keeps, clears and refuses.

use counterweight_domain::account;
use counterweight_domain::deletion::{self, Wish};
use counterweight_domain::id::RunId;
use counterweight_domain::retention::Retention;
use serde_json::{Value, json};

use crate::support::{Client, HISTORY, TRASH, TestApp, backend_test};

async fn upsert(client: &Client, input: Value) -> Value {
    const FIELDS: &str = "inserted clientMutationId bucket { id name displayName state tags notes group jobType host \
                          commit config summaryMetrics sweepName historyLineCount \
                          project { name entity { name } } }";
    client.mutate("upsertBucket", input, FIELDS).await
}

backend_test!(what_is_null_or_absent_stays_as_it_is, |app| {
    let told = json!({"modelName": "demo", "name": "r", "displayName": "pretty", "notes": "words", "tags": ["a", "b"],
        "groupName": "g", "jobType": "train", "host": "box", "commit": "abc", "sweep": "s1",
        "config": r#"{"lr":{"value":1}}"#, "summaryMetrics": r#"{"acc":NaN}"#, "clientMutationId": "m"});
    let before = upsert(&app.ada, told).await;
    assert_eq!((&before["inserted"], &before["clientMutationId"]), (&json!(true), &json!("m")));
    let nulls = json!({"modelName": "demo", "name": "r", "displayName": null, "notes": null, "tags": null,
        "groupName": null, "jobType": null, "host": null, "commit": null, "sweep": null, "config": null,
        "summaryMetrics": null});
    let after = upsert(&app.ada, nulls).await;
    assert_eq!(after["inserted"], false);
    assert_eq!(after["bucket"], before["bucket"]);
    assert_eq!(after["bucket"]["summaryMetrics"], r#"{"acc":NaN}"#);
});

backend_test!(an_empty_list_of_tags_clears_them, |app| {
    let run = app.ada.run_with("demo", "r", json!({"tags": ["b", "a", "b"]})).await;
    assert_eq!(run.field("tags").await, json!(["b", "a"]));
    assert_eq!(app.ada.run_names("demo", json!({"tags": "a"})).await, ["r"]);
    app.ada.run_with("demo", "r", json!({"tags": []})).await;
    assert_eq!(run.field("tags").await, json!([]));
    assert_eq!(app.ada.run_names("demo", json!({"tags": "a"})).await, Vec::<String>::new());
});

backend_test!(a_config_replaces_the_one_before_and_is_kept_byte_for_byte, |app| {
    let first = r#"{"lr": {"value": 1e-3, "desc": null}, "seed": {"value": 12345678901234567890123}}"#;
    let run = app.ada.run_with("demo", "r", json!({"config": first})).await;
    assert_eq!(run.field("config").await, first);
    let second = r#"{"depth":{"value":3}}"#;
    app.ada.run_with("demo", "r", json!({"config": second})).await;
    assert_eq!(run.field("config").await, second);
    assert_eq!(
        app.ada.run_names("demo", json!({"config.lr": {"$exists": true}})).await,
        Vec::<String>::new()
    );
    assert_eq!(app.ada.run_names("demo", json!({"config.depth.value": 3})).await, ["r"]);
});

backend_test!(what_the_client_notes_in_a_config_outlives_an_update_without_it, |app| {
    let told = r#"{"lr":{"value":1},"_wandb":{"value":{"t":{"1":[5]},"m":[{"1":"acc"}]}}}"#;
    let run = app.ada.run_with("demo", "r", json!({"config": told})).await;
    upsert(&app.ada, json!({"id": run.id, "config": r#"{"lr": {"value": 1e-3}}"#})).await;
    let kept = r#"{"lr":{"value": 1e-3},"_wandb":{"value":{"t":{"1":[5]},"m":[{"1":"acc"}]}}}"#;
    assert_eq!(run.field("config").await, kept);
    let anew = r#"{"_wandb":{"value":{}}}"#;
    upsert(&app.ada, json!({"id": run.id, "config": anew})).await;
    assert_eq!(run.field("config").await, anew);
    assert_eq!(app.ada.run_names("demo", json!({"config.lr": 1e-3})).await, Vec::<String>::new());
});

backend_test!(documents_that_are_no_objects_are_refused, |app| {
    for (field, text) in [("config", "[1]"), ("config", "{"), ("summaryMetrics", "3"), ("summaryMetrics", "")]
    {
        let refused =
            app.ada.refused("upsertBucket", json!({"modelName": "demo", "name": "r", field: text})).await;
        assert_eq!((refused.status, refused.code.as_str()), (200, "DOCUMENT_INVALID"), "{field} {text:?}");
    }
    assert_eq!(app.rows("run").await, 0);
});

backend_test!(telemetry_in_the_config_tells_that_a_run_has_started, |app| {
    let run = app.ada.run("demo", "r").await;
    assert_eq!(run.field(r#"wandbConfig(keys: ["t"])"#).await, "{}");
    let config = r#"{"_wandb":{"value":{"t":{"1":[5]},"cli_version":"0.31.0"}}}"#;
    app.ada.run_with("demo", "r", json!({"config": config})).await;
    assert_eq!(run.field(r#"wandbConfig(keys: ["t"])"#).await, r#"{"t":{"1":[5]}}"#);
    assert_eq!(run.field(r#"wandbConfig(keys: ["other"])"#).await, "{}");
});

backend_test!(an_existing_run_id_continues_the_same_run, |app| {
    let run = app.ada.run("demo", "r").await;
    run.log(HISTORY, 0, &[r#"{"_step":0}"#, r#"{"_step":1}"#]).await;
    run.complete(0).await;
    let again = upsert(&app.ada, json!({"modelName": "demo", "name": "r"})).await;
    assert_eq!(again["inserted"], false);
    assert_eq!(again["bucket"]["id"], run.id);
    assert_eq!(again["bucket"]["historyLineCount"], 2);
    assert_eq!(again["bucket"]["state"], "running");
    let by_id = upsert(&app.ada, json!({"id": run.id, "notes": "by its storage id"})).await;
    assert_eq!((&by_id["bucket"]["name"], &by_id["inserted"]), (&json!("r"), &json!(false)));
});

backend_test!(an_update_by_id_does_not_set_a_finished_run_running, |app| {
    let run = app.ada.run("demo", "r").await;
    run.complete(0).await;
    upsert(&app.ada, json!({"id": run.id, "tags": ["late"]})).await;
    assert_eq!(run.show("state tags").await, json!({"state": "finished", "tags": ["late"]}));
});

backend_test!(what_is_not_named_is_made_up, |app| {
    let made = upsert(&app.ada, json!({})).await["bucket"].clone();
    assert_eq!(made["project"], json!({"name": "uncategorized", "entity": {"name": "ada"}}));
    assert_eq!(made["name"].as_str().unwrap().len(), 8);
    assert!(!made["displayName"].as_str().unwrap().is_empty());
    let another = upsert(&app.ada, json!({})).await["bucket"].clone();
    assert_ne!(made["name"], another["name"]);
});

backend_test!(a_deleted_run_id_is_never_free_again, |app| {
    let run = app.ada.run("demo", "r").await;
    run.delete().await;
    let message = "run ada/demo/r was previously created and deleted; try a new run name";
    for _ in ["in the trash", "purged"] {
        let refused = run.upsert_refused().await;
        assert_eq!((refused.status, refused.code.as_str()), (410, "RUN_DELETED"));
        assert_eq!(refused.message, message);
        let by_id = app.ada.refused("upsertBucket", json!({"id": run.id})).await;
        assert_eq!((by_id.status, by_id.message.as_str()), (410, message));
        assert_eq!(run.write(HISTORY, 0, &["{}"]).await.outcome(), (410, "RUN_DELETED".into()));
        app.wait(TRASH).await;
    }
    app.ada.run("other", "r").await;
});

backend_test!(somebody_elses_entity_answers_like_one_that_is_not_there, |app| {
    let refused = |entity: &'static str| async move {
        let input = json!({"entityName": entity, "modelName": "demo", "name": "r"});
        app.ada.refused("upsertBucket", input).await
    };
    let foreign = refused("grace").await;
    assert_eq!(foreign.code, "NOT_FOUND");
    assert_eq!(foreign.message.replace("grace", "nobody"), refused("nobody").await.message);
    assert_eq!(app.rows("project").await, 0);
});

backend_test!(names_that_cannot_stand_in_a_path_are_refused, |app| {
    for (field, name) in
        [("modelName", "a/b"), ("modelName", ".."), ("modelName", "a?b"), ("name", "a/b"), ("name", "x\u{0}")]
    {
        let mut input = json!({"modelName": "demo", "name": "r"});
        input[field] = name.into();
        assert_eq!(app.ada.refused("upsertBucket", input).await.code, "NAME_INVALID", "{name:?}");
    }
    let spaced = app.ada.run("my project", "run ü").await;
    assert_eq!(spaced.field("name").await, "run ü");
    refused_texts(app).await;
});

async fn refused_texts(app: &TestApp) {
    let long = "x".repeat(65 * 1024);
    for (input, code) in [
        (json!({"notes": long}), "TEXT_INVALID"),
        (json!({"displayName": "a\u{0}"}), "TEXT_INVALID"),
        (json!({"tags": [""]}), "TAG_INVALID"),
        (json!({"state": "resting"}), "RUN_STATE_UNKNOWN"),
        (json!({"id": "bogus"}), "NOT_FOUND"),
    ] {
        assert_eq!(app.ada.refused("upsertBucket", input).await.code, code);
    }
}

backend_test!(two_writers_that_create_the_same_run_get_the_same_run, |app| {
    let input = || json!({"modelName": "fresh", "name": "r"});
    let (one, other) = tokio::join!(upsert(&app.ada, input()), upsert(&app.ada, input()));
    assert_eq!(one["bucket"]["id"], other["bucket"]["id"]);
    let inserted = [&one, &other].map(|made| made["inserted"].as_bool().unwrap());
    assert_ne!(inserted[0], inserted[1]);
    assert_eq!((app.rows("project").await, app.rows("run").await), (1, 1));
});

backend_test!(an_upsert_that_meets_a_deletion_loses, |app| {
    let run = app.ada.run("demo", "r").await;
    let id = RunId::from_node_id(&run.id).unwrap();
    let caller = account::authenticate(&app.db, app.ada.key()).await.unwrap().unwrap();
    let tx = app.db.begin_write().await.unwrap();
    let retention = Retention { trash: TRASH, archive: None, artifacts: TRASH };
    deletion::delete(&tx, &caller, id, Wish::default(), retention).await.unwrap();
    let (refused, committed) =
        tokio::join!(app.ada.refused("upsertBucket", json!({"id": run.id, "notes": "late"})), async {
            // Long enough for the other side to have looked, and to wait.
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }
            tx.commit().await
        });
    committed.unwrap();
    assert_eq!((refused.status, refused.code.as_str()), (410, "RUN_DELETED"));
});
