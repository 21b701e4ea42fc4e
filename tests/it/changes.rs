//! What a page learns that asks every few seconds.

use std::collections::BTreeSet;

use counterweight_domain::account;
use counterweight_domain::id::RunId;
use counterweight_domain::run as domain_run;
use serde_json::{Value, json};

use crate::support::{Client, EVENTS, HISTORY, SUMMARY, TRASH, TestApp, TestRun, backend_test};

const QUERY: &str = "query($project: String!, $filters: JSONString, $first: Int, $after: String) { \
                     project(name: $project) { runChanges(filters: $filters, first: $first, after: $after) { \
                     runs { name displayName state summaryMetrics } goneRunIds cursor hasMore } } }";

/// A page that stays up to date.
struct Watcher {
    client: Client,
    project: &'static str,
    filters: Value,
    cursor: Value,
}

impl Watcher {
    async fn new(app: &TestApp, filters: Value) -> Self {
        Self::of(app, "demo", filters).await
    }

    async fn of(app: &TestApp, project: &'static str, filters: Value) -> Self {
        let mut watcher = Self { client: app.ada.clone(), project, filters, cursor: Value::Null };
        assert_eq!(watcher.look(10).await, (json!([]), json!([]), false));
        watcher
    }

    async fn look(&mut self, first: usize) -> (Value, Value, bool) {
        let variables = json!({"project": self.project, "filters": self.filters.to_string(), "first": first,
            "after": self.cursor});
        let mut changes = self.client.graphql(QUERY, variables).await["project"]["runChanges"].take();
        self.cursor = changes["cursor"].take();
        (changes["runs"].take(), changes["goneRunIds"].take(), changes["hasMore"] == true)
    }

    /// Names of changed runs, and ids of those that are gone, in order.
    async fn changes(&mut self) -> (Vec<String>, Vec<String>) {
        let (runs, gone, more) = self.look(100).await;
        assert!(!more);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (
            runs.as_array().unwrap().iter().map(|run| text(&run["name"])).collect(),
            gone.as_array().unwrap().iter().map(text).collect(),
        )
    }

    async fn expect(&mut self, changed: &[&TestRun], gone: &[&TestRun]) {
        let (names, ids) = self.changes().await;
        assert_eq!(names, changed.iter().map(|run| run.name.as_str()).collect::<Vec<_>>());
        assert_eq!(ids, gone.iter().map(|run| run.id.as_str()).collect::<Vec<_>>());
        assert_eq!(self.changes().await, (vec![], vec![]), "told once");
    }
}

backend_test!(a_page_learns_what_is_new_changed_and_gone, |app| {
    let old = app.ada.run("demo", "old").await;
    let mut page = Watcher::new(app, json!({})).await;
    page.expect(&[], &[]).await;

    let new = app.ada.run("demo", "new").await;
    page.expect(&[&new], &[]).await;
    app.ada.run_with("demo", "old", json!({"displayName": "renamed"})).await;
    page.expect(&[&old], &[]).await;
    app.ada.mutate("upsertBucket", json!({"id": new.id, "tags": ["t"]}), "inserted").await;
    page.expect(&[&new], &[]).await;
    app.ada.mutate("upsertBucket", json!({"id": new.id, "config": "{\"a\":1}"}), "inserted").await;
    page.expect(&[&new], &[]).await;
    new.log(SUMMARY, 0, &[r#"{"loss":1}"#]).await;
    page.expect(&[&new], &[]).await;
    app.ada.mutate("stopRun", json!({"id": new.id}), "success").await;
    page.expect(&[&new], &[]).await;
    new.complete(0).await;
    page.expect(&[&new], &[]).await;

    for (change, back) in [("archiveRun", "unarchiveRun"), ("deleteRun", "restoreRun")] {
        old.change(change).await;
        page.expect(&[], &[&old]).await;
        old.change(back).await;
        page.expect(&[&old], &[]).await;
    }
    old.delete().await;
    page.expect(&[], &[&old]).await;
    app.wait(TRASH).await;
    page.expect(&[], &[]).await;
});

backend_test!(a_run_that_falls_silent_is_a_change, |app| {
    let run = app.ada.run("demo", "r").await;
    let mut page = Watcher::new(app, json!({})).await;
    app.wait(crate::support::CRASH_AFTER * 2).await;
    assert_eq!(run.state().await, "crashed");
    page.expect(&[&run], &[]).await;
});

backend_test!(signs_of_life_are_no_changes, |app| {
    let run = app.ada.run("demo", "r").await;
    run.log(SUMMARY, 0, &[r#"{"loss":1}"#]).await;
    let mut page = Watcher::new(app, json!({})).await;
    for step in 0..3 {
        app.advance(std::time::Duration::from_secs(30));
        run.log(HISTORY, step, &[format!(r#"{{"_step":{step},"loss":1}}"#)]).await;
        run.log(EVENTS, step, &[r#"{"system.cpu":1}"#]).await;
        run.log(SUMMARY, 0, &[r#"{"loss":1}"#]).await;
    }
    page.expect(&[], &[]).await;
});

backend_test!(what_a_filter_no_longer_means_is_gone_for_it, |app| {
    let [fast, slow] = [("fast", 1), ("slow", 9)].map(|(name, lr)| {
        app.ada.run_with("demo", name, json!({"config": json!({"lr": lr}).to_string(), "tags": ["t"]}))
    });
    let (fast, slow) = (Box::pin(fast).await, Box::pin(slow).await);
    let filters = json!({"config.lr": {"$lt": 5}, "tags": "t", "state": "running"});
    let mut page = Watcher::new(app, filters).await;
    let set = |run: &TestRun, lr: i32| {
        let input = json!({"id": run.id, "config": json!({"lr": lr}).to_string()});
        async move { app.ada.mutate("upsertBucket", input, "inserted").await }
    };
    set(&slow, 8).await;
    page.expect(&[], &[&slow]).await;
    set(&slow, 2).await;
    set(&fast, 7).await;
    page.expect(&[&slow], &[&fast]).await;
    slow.complete(0).await;
    page.expect(&[], &[&slow]).await;
    let mut archived = Watcher::new(app, json!({"archived": true})).await;
    fast.change("archiveRun").await;
    archived.expect(&[&fast], &[]).await;
});

backend_test!(each_project_has_its_own_changes, |app| {
    app.ada.run("demo", "r").await;
    app.ada.run("other", "r").await;
    let (mut here, mut there) =
        (Watcher::of(app, "demo", json!({})).await, Watcher::of(app, "other", json!({})).await);
    let run = app.ada.run("other", "r").await;
    here.expect(&[], &[]).await;
    there.expect(&[&run], &[]).await;
    let foreign = json!({"project": "demo", "after": there.cursor});
    assert_eq!(app.ada.refusal(QUERY, foreign).await.code, "CURSOR_FOREIGN");
    let broken = json!({"project": "demo", "after": "bogus"});
    assert_eq!(app.ada.refusal(QUERY, broken).await.code, "CURSOR_INVALID");
    let query =
        "query($entity: String) { project(name: \"demo\", entityName: $entity) { runChanges { cursor } } }";
    assert_eq!(app.grace.graphql(query, json!({"entity": "ada"})).await["project"], Value::Null);
});

backend_test!(a_run_that_was_moved_is_gone_here_and_new_there, |app| {
    let run = app.ada.run("demo", "r").await;
    app.ada.mutate("upsertModel", json!({"name": "other"}), "inserted").await;
    let (mut here, mut there) =
        (Watcher::of(app, "demo", json!({})).await, Watcher::of(app, "other", json!({})).await);
    let moving = json!({"filters": "{}", "sourceEntityName": "ada", "sourceProjectName": "demo",
        "destinationEntityName": "ada", "destinationProjectName": "other"});
    app.ada.mutate("moveRuns", moving, "task { state }").await;
    here.expect(&[], &[&run]).await;
    there.expect(&[&run], &[]).await;
});

backend_test!(many_changes_come_page_by_page_and_a_run_once, |app| {
    app.ada.run("demo", "r0").await;
    let mut page = Watcher::new(app, json!({})).await;
    for n in [1, 2, 3, 4, 1, 5, 2] {
        app.ada.run("demo", &format!("r{n}")).await;
    }
    let mut told = Vec::new();
    loop {
        let (runs, _, more) = page.look(2).await;
        told.extend(runs.as_array().unwrap().iter().map(|run| run["name"].as_str().unwrap().to_owned()));
        if !more {
            break;
        }
    }
    assert_eq!(told, ["r3", "r4", "r1", "r5", "r2"]);
});

backend_test!(a_change_that_is_committed_late_is_not_left_out, |app| {
    let [early, late] = [app.ada.run("demo", "early").await, app.ada.run("demo", "late").await];
    let mut page = Watcher::new(app, json!({})).await;
    let caller = account::authenticate(&app.db, app.ada.key()).await.unwrap().unwrap();
    let tx = app.db.begin_write().await.unwrap();
    domain_run::stop(&tx, &caller, RunId::from_node_id(&late.id).unwrap()).await.unwrap();
    let mut told = BTreeSet::new();
    let other = app.ada.mutate("stopRun", json!({"id": early.id}), "success");
    let (_, ()) = tokio::join!(other, async {
        // PostgreSQL commits the other one meanwhile; SQLite lets it wait.
        for _ in 0..200 {
            told.extend(page.changes().await.0);
            tokio::task::yield_now().await;
        }
        tx.commit().await.unwrap();
    });
    told.extend(page.changes().await.0);
    assert_eq!(told, BTreeSet::from(["early".to_owned(), "late".to_owned()]));
});
