//! The first slice: log a run, find it, delete it, and the bytes go.

use serde_json::json;

use crate::support::{CONSOLE, GC, HISTORY, SUMMARY, TRASH, backend_test};

backend_test!(a_run_is_logged_found_deleted_and_its_bytes_go, |app| {
    let config = json!({"lr": {"value": 0.1}}).to_string();
    let run = app.ada.run_with("demo", "first", json!({"config": config, "tags": ["good"]})).await;
    let kept = app.ada.run_with("demo", "second", json!({"config": config})).await;
    for run in [&run, &kept] {
        run.log(HISTORY, 0, &[r#"{"_step":0,"loss":2.5}"#, r#"{"_step":1,"loss":0.5}"#]).await;
        run.log(SUMMARY, 0, &[r#"{"_step":1,"loss":0.5}"#]).await;
        run.log(CONSOLE, 0, &["hello"]).await;
        run.upload("model.bin", vec![7; 3000]).await;
        run.complete(0).await;
    }

    let filter = json!({"config.lr": 0.1, "summary_metrics.loss": {"$lt": 1}, "state": "finished"});
    assert_eq!(app.ada.run_names("demo", filter.clone()).await, ["first", "second"]);
    assert_eq!(app.ada.run_names("demo", json!({"tags": "good"})).await, ["first"]);

    run.delete().await;
    assert_eq!(app.ada.run_names("demo", filter).await, ["second"]);
    assert!(run.show("id").await.is_null());
    assert_eq!(app.ada.trash().await, ["first"]);
    assert_eq!(run.download("model.bin").await.outcome(), (410, "RUN_DELETED".into()));

    app.wait(TRASH).await;
    assert_eq!(app.ada.trash().await, Vec::<String>::new());
    assert_eq!(app.objects().await.len(), 4, "bytes outlive their run by the grace");
    app.wait(GC.interval).await;
    app.wait(GC.grace).await;
    assert_eq!(app.objects().await.len(), 3, "a file, and the history in two forms");
    assert_eq!(app.rows("blob").await, 3);
    assert_eq!(kept.download("model.bin").await.body, vec![7; 3000]);
    assert_eq!(kept.history().await.len(), 2);
    assert_eq!(run.upsert_refused().await.status, 410);
});
