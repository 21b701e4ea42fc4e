//! `run.alert()`: what is kept, what waits, who sees it.

use std::time::Duration;

use counterweight_domain::db::Source as _;
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};

use crate::support::{Client, Refusal, TRASH, TestApp, TestRun, backend_test, text};

const NOTIFY: &str = "notifyScriptableRunAlert";

fn alert(client: &Client, run: &TestRun, title: &str) -> Value {
    json!({"entityName": client.name(), "projectName": "demo", "runName": run.name, "title": title, "text": "words"})
}

async fn told(client: &Client, input: Value) -> bool {
    client.mutate(NOTIFY, input, "success").await["success"].as_bool().unwrap()
}

async fn titles(run: &TestRun) -> Vec<String> {
    let alerts = run.field("alerts { edges { node { title } } }").await;
    alerts["edges"].as_array().unwrap().iter().map(|edge| text(&edge["node"]["title"])).collect()
}

backend_test!(an_alert_reads_back_as_it_was_told, |app| {
    let run = app.ada.run("demo", "r").await;
    assert!(told(&app.ada, alert(&app.ada, &run, "plain")).await);
    app.advance(Duration::from_secs(1));
    let mut urgent = alert(&app.ada, &run, "größer ✓");
    urgent["severity"] = "ERROR".into();
    urgent["clientMutationId"] = "m".into();
    let done = app.ada.mutate(NOTIFY, urgent, "success clientMutationId").await;
    assert_eq!(done, json!({"success": true, "clientMutationId": "m"}));
    let fields = "alerts { edges { node { title text severity createdAt } } pageInfo { hasNextPage } }";
    assert_eq!(
        run.field(fields).await,
        json!({"edges": [
            {"node": {"title": "größer ✓", "text": "words", "severity": "ERROR", "createdAt": "2026-01-01T00:00:01Z"}},
            {"node": {"title": "plain", "text": "words", "severity": "INFO", "createdAt": "2026-01-01T00:00:00Z"}},
        ], "pageInfo": {"hasNextPage": false}})
    );
});

backend_test!(alerts_come_in_pages_and_each_run_has_its_own, |app| {
    let (run, other) = (app.ada.run("demo", "r").await, app.ada.run("demo", "other").await);
    for n in 0..5 {
        assert!(told(&app.ada, alert(&app.ada, &run, &format!("t{n}"))).await);
        assert!(told(&app.ada, alert(&app.ada, &other, &format!("o{n}"))).await);
    }
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let field = format!(
            "alerts(first: 2, after: {after:?}) {{ edges {{ node {{ title }} }} pageInfo {{ hasNextPage endCursor }} }}"
        );
        let page = run.field(&field).await;
        seen.extend(page["edges"].as_array().unwrap().iter().map(|edge| text(&edge["node"]["title"])));
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
        after = text(&page["pageInfo"]["endCursor"]);
    }
    assert_eq!(seen, ["t4", "t3", "t2", "t1", "t0"]);
    let foreign = format!("alerts(after: {after:?}) {{ edges {{ cursor }} }}");
    assert_eq!(other.refusal(&foreign).await.code, "CURSOR_INVALID");
    let many = app.ada.graphql("{ project(name: \"demo\") { runs { edges { node { alerts(first: 1) { edges { node { title } } } } } } } }", ()).await;
    let newest: Vec<_> = many["project"]["runs"]["edges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|edge| edge["node"]["alerts"]["edges"][0]["node"]["title"].clone())
        .collect();
    assert_eq!(newest, ["t4", "o4"]);
});

backend_test!(alerts_of_one_title_wait_for_each_other, |app| {
    let (run, other) = (app.ada.run("demo", "r").await, app.ada.run("demo", "other").await);
    let tell = |title: &'static str, wait: Option<i64>| {
        let mut input = alert(&app.ada, &run, title);
        input["waitDuration"] = wait.into();
        told(&app.ada, input)
    };
    assert!(tell("a", Some(1500)).await);
    app.advance(Duration::from_millis(1499));
    assert!(!tell("a", Some(1500)).await);
    assert!(tell("b", Some(1500)).await, "another title");
    assert!(told(&app.ada, alert(&app.ada, &other, "a")).await, "another run");
    app.advance(Duration::from_millis(1));
    // What was held back does not make the next one wait.
    assert!(tell("a", Some(1500)).await);
    assert!(tell("a", Some(0)).await);
    // Without a word, a minute.
    app.advance(Duration::from_secs(59));
    assert!(!tell("a", None).await);
    app.advance(Duration::from_secs(1));
    assert!(tell("a", None).await);
    assert!(!tell("a", Some(i64::MAX)).await);
    assert_eq!(titles(&run).await, ["a", "a", "a", "b", "a"]);
});

backend_test!(of_two_alerts_at_once_one_is_kept, |app| {
    let run = app.ada.run("demo", "r").await;
    let (one, other) = tokio::join!(
        told(&app.ada, alert(&app.ada, &run, "same")),
        told(&app.ada, alert(&app.ada, &run, "same"))
    );
    assert_ne!(one, other);
    assert_eq!(titles(&run).await, ["same"]);
});

async fn refused(app: &TestApp, run: &TestRun, change: Value) -> Refusal {
    let mut input = alert(&app.ada, run, "title");
    input.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    app.ada.refused(NOTIFY, input).await
}

backend_test!(what_is_no_alert_is_refused, |app| {
    let run = app.ada.run("demo", "r").await;
    for change in [
        json!({"title": ""}),
        json!({"title": " \n"}),
        json!({"title": "x".repeat(257)}),
        json!({"title": "a\u{0}"}),
        json!({"text": "x".repeat(64 * 1024 + 1)}),
        json!({"text": "a\u{0}"}),
    ] {
        let answer = refused(app, &run, change.clone()).await;
        assert_eq!((answer.status, answer.code.as_str()), (200, "TEXT_INVALID"), "{change}");
    }
    for change in [json!({"waitDuration": -1}), json!({"waitDuration": "1s"}), json!({"severity": "FATAL"})] {
        assert!(!refused(app, &run, change.clone()).await.message.is_empty(), "{change}");
    }
    for change in
        [json!({"runName": "nobody"}), json!({"projectName": "nowhere"}), json!({"entityName": "grace"})]
    {
        assert_eq!(refused(app, &run, change.clone()).await.code, "NOT_FOUND", "{change}");
    }
    assert_eq!(app.rows("alert").await, 0);
    let mut longest = alert(&app.ada, &run, &"x".repeat(256));
    longest["text"] = "y".repeat(64 * 1024).into();
    assert!(told(&app.ada, longest).await);
});

backend_test!(a_run_has_ten_thousand_alerts_at_most, |app| {
    let run = app.ada.run("demo", "r").await;
    let tx = app.db.begin_write().await.unwrap();
    tx.connection()
        .execute_unprepared(
            "INSERT INTO alert (run_id, title, text, severity, created_at) \
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999) \
             SELECT run.id, 'filler', '', 'info', i FROM n, run",
        )
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert!(told(&app.ada, alert(&app.ada, &run, "the last one")).await);
    let full = refused(app, &run, json!({"title": "one more"})).await;
    assert_eq!((full.status, full.code.as_str()), (200, "TOO_MANY_ALERTS"));
    run.delete().await;
    app.wait(TRASH).await;
    assert_eq!(app.rows("alert").await, 0);
});

backend_test!(alerts_go_and_come_back_with_their_run, |app| {
    let run = app.ada.run("demo", "r").await;
    assert!(told(&app.ada, alert(&app.ada, &run, "before")).await);
    run.delete().await;
    let late = refused(app, &run, json!({"title": "late"})).await;
    assert_eq!((late.status, late.code.as_str()), (410, "RUN_DELETED"));
    run.change("restoreRun").await;
    assert_eq!(titles(&run).await, ["before"]);
    run.change("archiveRun").await;
    assert!(told(&app.ada, alert(&app.ada, &run, "archived")).await);
    assert_eq!(titles(&run).await, ["archived", "before"]);
    run.delete().await;
    app.wait(TRASH).await;
    assert_eq!(app.rows("alert").await, 0);
});
