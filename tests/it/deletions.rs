//! Many runs deleted, archived and restored by one call; deadlines that are moved; what is on record about it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{ARCHIVE, Client, TRASH, TestApp, TestRun, backend_test, die_after, text};

const TASK: &str = "task { id state matchedCount changedCount refusedCount refused { name reason } }";
const RECORD: &str = "deletion { id state runCount fileCount fileBytes purgeAfter }";
const AT_ONCE: usize = 400;
const DAY: Duration = Duration::from_hours(24);

async fn runs(app: &TestApp, names: &[&str]) -> Vec<TestRun> {
    let mut runs = Vec::new();
    for name in names {
        let run = app.ada.run_with("demo", name, json!({"config": r#"{"lr":{"value":1}}"#})).await;
        run.upload("model.bin", vec![1; 100]).await;
        run.complete(0).await;
        runs.push(run);
    }
    runs
}

/// Runs made behind the server's back, since to make so many takes long.
async fn copies(app: &TestApp, count: usize) {
    app.ada.run("demo", "first").await.complete(0).await;
    app.execute(&format!(
        "INSERT INTO run (project_id, user_id, name, display_name, state, lifecycle, created_at, updated_at, \
         heartbeat_at, stop_requested, tags) \
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {} ) \
         SELECT r.project_id, r.user_id, 'copy' || n.i, '', r.state, r.lifecycle, r.created_at, r.updated_at, \
         r.heartbeat_at, r.stop_requested, r.tags FROM n CROSS JOIN run r WHERE r.name = 'first'",
        count - 1
    ))
    .await;
}

fn ids(runs: &[&TestRun]) -> Value {
    json!({"runs": {"ids": runs.iter().map(|run| run.id.as_str()).collect::<Vec<_>>()}})
}

fn by_filter(filter: &Value) -> Value {
    json!({"runs": {"filters": filter.to_string(), "entityName": "ada", "projectName": "demo"}})
}

async fn change(client: &Client, mutation: &str, input: Value) -> Value {
    let fields = if mutation == "deleteRuns" { format!("{RECORD} {TASK}") } else { TASK.to_owned() };
    client.mutate(mutation, input, &fields).await
}

async fn deletion(client: &Client, id: &Value, fields: &str) -> Value {
    let query = format!("query($id: ID!) {{ deletion(id: $id) {{ {fields} }} }}");
    client.graphql(&query, json!({"id": id})).await["deletion"].take()
}

async fn task(client: &Client, id: &Value, fields: &str) -> Value {
    let query = format!("query($id: ID!) {{ bulkTask(id: $id) {{ {fields} }} }}");
    client.graphql(&query, json!({"id": id})).await["bulkTask"].take()
}

/// The things of a deletion, and what became of them.
async fn items(client: &Client, id: &Value) -> Vec<(String, String)> {
    let found = deletion(client, id, "items { edges { node { name state } } totalCount }").await;
    let edges = found["items"]["edges"].as_array().unwrap();
    assert_eq!(found["items"]["totalCount"], edges.len());
    edges.iter().map(|edge| (text(&edge["node"]["name"]), text(&edge["node"]["state"]))).collect()
}

backend_test!(runs_are_deleted_together_and_come_back_one_by_one, |app| {
    let runs = runs(app, &["a", "b", "c", "d"]).await;
    let before = runs[1].snapshot().await;
    let done = change(&app.ada, "deleteRuns", ids(&[&runs[0], &runs[1], &runs[2]])).await;
    let record = done["deletion"].clone();
    assert_eq!((&record["state"], &record["runCount"]), (&json!("PENDING"), &json!(3)));
    assert_eq!((&record["fileCount"], &record["fileBytes"]), (&json!(3), &json!(300)));
    assert_eq!((&done["task"]["state"], &done["task"]["changedCount"]), (&json!("COMPLETE"), &json!(3)));
    assert_eq!(app.ada.run_names("demo", json!({})).await, ["d"]);
    runs[1].change("restoreRun").await;
    assert_eq!(runs[1].snapshot().await, before);
    let stand = |state: [&str; 3]| {
        ["a", "b", "c"].iter().zip(state).map(|(n, s)| ((*n).to_owned(), s.to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(items(&app.ada, &record["id"]).await, stand(["PENDING", "RESTORED", "PENDING"]));
    app.wait(TRASH).await;
    assert_eq!(items(&app.ada, &record["id"]).await, stand(["PURGED", "RESTORED", "PURGED"]));
    assert_eq!(deletion(&app.ada, &record["id"], "state").await["state"], "PURGED");
    assert_eq!(runs[1].snapshot().await, before);
    assert_eq!(runs[0].upsert_refused().await.code, "RUN_DELETED");
});

backend_test!(a_deletion_is_undone_as_a_whole, |app| {
    let runs = runs(app, &["a", "b"]).await;
    let before = [runs[0].snapshot().await, runs[1].snapshot().await];
    let done = change(&app.ada, "deleteRuns", by_filter(&json!({"config.lr": 1}))).await;
    let id = &done["deletion"]["id"];
    let restored = app.ada.mutate("restoreDeletion", json!({"id": id}), "deletion { state endedAt }").await;
    assert_eq!(restored["deletion"]["state"], "RESTORED");
    assert!(!restored["deletion"]["endedAt"].is_null());
    assert_eq!([runs[0].snapshot().await, runs[1].snapshot().await], before);
    app.wait(TRASH * 2).await;
    assert_eq!([runs[0].snapshot().await, runs[1].snapshot().await], before);
    let again = app.ada.mutate("restoreDeletion", json!({"id": id}), "deletion { state }").await;
    assert_eq!(again["deletion"]["state"], "RESTORED", "once more");
});

backend_test!(the_set_is_fixed_when_the_call_is_made, |app| {
    let count = AT_ONCE + 30;
    copies(app, count).await;
    let done = change(&app.ada, "deleteRuns", by_filter(&json!({}))).await;
    let begun = &done["task"];
    assert_eq!((&begun["state"], &begun["matchedCount"]), (&json!("UNDERWAY"), &json!(count)));
    assert_eq!((&begun["changedCount"], &done["deletion"]["runCount"]), (&json!(AT_ONCE), &json!(AT_ONCE)));
    app.ada.run("demo", "late").await;
    app.run_jobs().await;
    assert_eq!(app.ada.run_names("demo", json!({})).await, ["late"]);
    let ended = task(&app.ada, &begun["id"], "state changedCount").await;
    assert_eq!(ended, json!({"state": "COMPLETE", "changedCount": count}));
    let record = deletion(&app.ada, &done["deletion"]["id"], "runCount state").await;
    assert_eq!(record, json!({"runCount": count, "state": "PENDING"}));
    assert_eq!(app.ada.trash().await.len(), count);
    assert_eq!(
        app.ada.refused("restoreDeletion", json!({"id": done["deletion"]["id"]})).await.code,
        "TOO_MANY"
    );
    change(&app.ada, "restoreRuns", by_filter(&json!({}))).await;
    app.run_jobs().await;
    assert_eq!(app.ada.run_names("demo", json!({})).await.len(), count + 1);
    let record = deletion(&app.ada, &done["deletion"]["id"], "state").await;
    assert_eq!(record, json!({"state": "RESTORED"}));
});

backend_test!(a_change_to_many_waits_goes_on_and_ends_when_told_to, |app| {
    copies(app, AT_ONCE * 2 + 10).await;
    let done = change(&app.ada, "deleteRuns", by_filter(&json!({}))).await;
    let id = json!({"id": done["task"]["id"]});
    let told = async |mutation: &str| {
        app.ada.mutate(mutation, id.clone(), "task { state }").await["task"]["state"].take()
    };
    let deleted = async || app.number("SELECT COUNT(*) FROM run WHERE lifecycle = 'deleted'").await;
    assert_eq!(told("pauseBulkTask").await, "PAUSED");
    app.run_jobs().await;
    assert_eq!(usize::try_from(deleted().await).unwrap(), AT_ONCE);
    app.wait(TRASH).await;
    let record = deletion(&app.ada, &done["deletion"]["id"], "state").await;
    assert_eq!(
        (deleted().await, &record["state"]),
        (0, &json!("PENDING")),
        "what was deleted keeps its deadline"
    );
    assert_eq!(told("resumeBulkTask").await, "UNDERWAY");
    assert_eq!(told("pauseBulkTask").await, "PAUSED");
    assert_eq!(told("cancelBulkTask").await, "CANCELLED");
    assert_eq!(told("resumeBulkTask").await, "CANCELLED", "it has ended");
    app.run_jobs().await;
    assert_eq!(app.ada.run_names("demo", json!({})).await.len(), AT_ONCE + 10);
    let items = task(
        &app.ada,
        &done["task"]["id"],
        "items(outcome: WAITING, first: 1000) { edges { node { name } } }",
    );
    assert_eq!(items.await["items"]["edges"].as_array().unwrap().len(), AT_ONCE + 10);
    let record = deletion(&app.ada, &done["deletion"]["id"], "state runCount").await;
    assert_eq!(record, json!({"state": "PURGED", "runCount": AT_ONCE}));
});

backend_test!(what_is_deleted_late_can_be_restored_as_long, |app| {
    copies(app, AT_ONCE + 1).await;
    let done = change(&app.ada, "deleteRuns", by_filter(&json!({}))).await;
    let id = json!({"id": done["task"]["id"]});
    app.ada.mutate("pauseBulkTask", id.clone(), "task { state }").await;
    app.wait(TRASH - DAY).await;
    app.ada.mutate("resumeBulkTask", id, "task { state }").await;
    app.run_jobs().await;
    app.wait(DAY).await;
    assert_eq!(app.ada.trash().await.len(), 1, "the first ones are purged");
    let state = deletion(&app.ada, &done["deletion"]["id"], "state purgeAfter").await;
    assert_eq!(state, json!({"state": "PENDING", "purgeAfter": "2026-01-14T00:00:00Z"}));
    app.wait(TRASH - DAY).await;
    assert_eq!(app.ada.trash().await, Vec::<String>::new());
    assert_eq!(deletion(&app.ada, &done["deletion"]["id"], "state").await["state"], "PURGED");
});

backend_test!(many_are_archived_and_deleted_when_their_period_is_over, |app| {
    let runs = runs(app, &["a", "b", "c"]).await;
    runs[0].change("archiveRun").await;
    let done = change(&app.ada, "archiveRuns", ids(&[&runs[0], &runs[1]])).await;
    assert_eq!((&done["task"]["state"], &done["task"]["changedCount"]), (&json!("COMPLETE"), &json!(2)));
    assert_eq!(app.ada.run_names("demo", json!({})).await, ["c"]);
    assert_eq!(runs[1].field("archivedUntil").await, "2026-01-31T00:00:00Z");
    change(&app.ada, "restoreRuns", ids(&[&runs[0]])).await;
    app.wait(ARCHIVE).await;
    assert_eq!(app.ada.trash().await, ["b"]);
    let done = change(&app.ada, "deleteRuns", by_filter(&json!({"archived": true}))).await;
    assert_eq!(done["task"]["matchedCount"], 0);
    assert_eq!(done["deletion"]["state"], "VOID");
});

backend_test!(a_deadline_is_moved_only_by_who_may, |app| {
    let [first, second] = &runs(app, &["a", "b"]).await[..] else { panic!("two") };
    let done = change(&app.ada, "deleteRuns", ids(&[first, second])).await;
    let id = done["deletion"]["id"].clone();
    let extend = |until: &str| json!({"id": id, "purgeAfter": until});
    for (until, code) in
        [("2026-01-08T00:00:00Z", "DEADLINE_INVALID"), ("2025-01-01T00:00:00Z", "DEADLINE_INVALID")]
    {
        assert_eq!(app.ada.refused("extendDeletion", extend(until)).await.code, code, "{until}");
    }
    assert_eq!(app.grace.refused("extendDeletion", extend("2026-02-01T00:00:00Z")).await.code, "NOT_FOUND");
    let moved =
        app.ada.mutate("extendDeletion", extend("2026-01-20T00:00:00Z"), "deletion { purgeAfter }").await;
    assert_eq!(moved["deletion"]["purgeAfter"], "2026-01-20T00:00:00Z");
    app.wait(TRASH).await;
    assert_eq!(app.ada.trash().await.len(), 2, "the old deadline does nothing");
    first.change("restoreRun").await;
    assert_eq!(app.ada.refused("purgeNow", json!({"id": id})).await.code, "FORBIDDEN");
    let root = app.administrator("root").await.claiming("use-admin-privileges", "true");
    let now = root.mutate("purgeNow", json!({"id": id}), "deletion { purgeAfter state }").await;
    assert_eq!(now["deletion"], json!({"purgeAfter": "2026-01-08T00:00:00Z", "state": "PENDING"}));
    assert_eq!(second.change_refused("restoreRun").await.code, "DEADLINE_PASSED");
    app.run_jobs().await;
    assert_eq!(second.upsert_refused().await.code, "RUN_DELETED");
    assert_eq!(deletion(&app.ada, &id, "state").await["state"], "PURGED");
    assert_eq!(
        app.ada.refused("extendDeletion", extend("2026-03-01T00:00:00Z")).await.code,
        "DELETION_ENDED"
    );
    assert_eq!(first.show("lifecycle").await["lifecycle"], "LIVE");
});

backend_test!(what_comes_into_a_deletion_that_is_purged_at_once_goes_at_once_too, |app| {
    let count = AT_ONCE + 30;
    copies(app, count).await;
    let done = change(&app.ada, "deleteRuns", by_filter(&json!({}))).await;
    let task = json!({"id": done["task"]["id"]});
    app.ada.mutate("pauseBulkTask", task.clone(), "task { state }").await;
    let root = app.administrator("root").await.claiming("use-admin-privileges", "true");
    let input = json!({"id": done["deletion"]["id"]});
    root.mutate("purgeNow", input, "deletion { purgeAfter state }").await;
    app.run_jobs().await;
    let purged = app.number("SELECT COUNT(*) FROM run WHERE lifecycle = 'purged'").await;
    assert_eq!(usize::try_from(purged).unwrap(), AT_ONCE);
    app.ada.mutate("resumeBulkTask", task, "task { state }").await;
    app.run_jobs().await;
    let record = deletion(&app.ada, &done["deletion"]["id"], "state runCount purgeAfter").await;
    assert_eq!(record, json!({"state": "PURGED", "runCount": count, "purgeAfter": "2026-01-01T00:00:00Z"}));
    assert_eq!(app.ada.trash().await, Vec::<String>::new());
});

backend_test!(what_is_purged_at_once_gets_no_more_time_whatever_the_clocks_say, |app| {
    let runs = runs(app, &["a"]).await;
    let done = change(&app.ada, "deleteRuns", ids(&[&runs[0]])).await;
    let id = done["deletion"]["id"].clone();
    let root = app.administrator("root").await.claiming("use-admin-privileges", "true");
    root.mutate("purgeNow", json!({"id": id}), "deletion { state }").await;
    // As a server has written it whose clock is ahead.
    app.execute("UPDATE deletion SET purge_after = purge_after + 2000000").await;
    let later = json!({"id": id, "purgeAfter": "2026-02-01T00:00:00Z"});
    assert_eq!(app.ada.refused("extendDeletion", later).await.code, "DEADLINE_PASSED");
});

backend_test!(who_got_more_time_has_it_before_a_worker_comes, |app| {
    let [first, second] = &runs(app, &["a", "b"]).await[..] else { panic!("two") };
    let done = change(&app.ada, "deleteRuns", ids(&[first, second])).await;
    let id = done["deletion"]["id"].clone();
    let until = json!({"id": id, "purgeAfter": "2026-01-20T00:00:00Z"});
    app.ada.mutate("extendDeletion", until, "deletion { purgeAfter }").await;
    app.advance(TRASH);
    first.change("restoreRun").await;
    app.run_jobs().await;
    let late = "SELECT COUNT(*) FROM run WHERE lifecycle = 'deleted' AND purge_after <> (SELECT purge_after FROM deletion)";
    assert_eq!(app.number(late).await, 0);
    app.advance(TRASH * 2);
    assert_eq!(second.change_refused("restoreRun").await.code, "DEADLINE_PASSED");
    app.run_jobs().await;
    assert_eq!(deletion(&app.ada, &id, "state").await["state"], "PURGED");
    assert_eq!(first.show("lifecycle").await["lifecycle"], "LIVE");
});

backend_test!(the_deadline_of_a_project_is_moved_too, |app| {
    runs(app, &["a"]).await;
    let found = app.ada.graphql("{ project(name: \"demo\") { id } }", ()).await;
    let input = json!({"id": found["project"]["id"]});
    let done = app.ada.mutate("deleteModel", input, "deletion { id kind projectName runCount }").await;
    let record = &done["deletion"];
    assert_eq!((&record["kind"], &record["projectName"]), (&json!("PROJECT"), &json!("demo")));
    let until = json!({"id": record["id"], "purgeAfter": "2026-01-20T00:00:00Z"});
    app.ada.mutate("extendDeletion", until, "deletion { purgeAfter }").await;
    app.wait(TRASH).await;
    let back = app.ada.mutate("restoreDeletion", json!({"id": record["id"]}), "deletion { state }").await;
    assert_eq!(back["deletion"]["state"], "RESTORED");
    assert_eq!(app.ada.run_names("demo", json!({})).await, ["a"]);
});

backend_test!(deletions_are_listed_last_first, |app| {
    let runs = runs(app, &["a", "b", "c"]).await;
    for run in &runs {
        run.delete().await;
        app.advance(Duration::from_secs(1));
    }
    runs[2].change("restoreRun").await;
    let list = async |arguments: &str| {
        let query = format!(
            "{{ deletions({arguments}) {{ edges {{ node {{ runId user {{ username }} projectName entityName }} }} }} }}"
        );
        let found = app.ada.graphql(&query, ()).await;
        found["deletions"]["edges"]
            .as_array()
            .unwrap()
            .iter()
            .map(|edge| edge["node"].clone())
            .collect::<Vec<_>>()
    };
    let all = list("entityName: \"ada\"").await;
    assert_eq!(
        all.iter().map(|node| text(&node["runId"])).collect::<Vec<_>>(),
        [&runs[2].id, &runs[1].id, &runs[0].id].map(Clone::clone)
    );
    assert_eq!(
        all[0],
        json!({"runId": runs[2].id, "user": {"username": "ada"}, "projectName": "demo", "entityName": "ada"})
    );
    assert_eq!(list("projectName: \"demo\", state: PENDING").await.len(), 2);
    assert_eq!(list("first: 1, state: RESTORED").await.len(), 1);
    assert_eq!(list("entityName: \"grace\"").await.len(), 0);
});

backend_test!(what_is_named_wrongly_is_refused_and_nothing_happens, |app| {
    let here = runs(app, &["a"]).await;
    let there = app.ada.run("other", "b").await;
    let foreign = app.grace.run("hers", "c").await;
    for (runs, code) in [
        (json!({}), "RUNS_INVALID"),
        (json!({"ids": []}), "RUNS_INVALID"),
        (json!({"ids": [here[0].id], "filters": "{}"}), "RUNS_INVALID"),
        (json!({"ids": [here[0].id, there.id]}), "RUNS_OF_SEVERAL_PROJECTS"),
        (json!({"ids": [here[0].id, foreign.id]}), "NOT_FOUND"),
        (json!({"ids": [here[0].id, "nonsense"]}), "NOT_FOUND"),
        (json!({"filters": "{\"$x\": 1}", "projectName": "demo"}), "FILTER_INVALID"),
        (json!({"filters": "{}", "projectName": "none"}), "NOT_FOUND"),
    ] {
        for mutation in ["deleteRuns", "archiveRuns", "restoreRuns"] {
            let refused = app.ada.refused(mutation, json!({"runs": runs})).await;
            assert_eq!(refused.code, code, "{mutation} {runs}");
        }
    }
    assert_eq!(app.ada.run_names("demo", json!({})).await, ["a"]);
    assert_eq!((app.rows("deletion").await, app.rows("bulk_task").await), (0, 0));
});

backend_test!(each_run_says_what_became_of_it, |app| {
    let runs = runs(app, &["a", "b", "c"]).await;
    runs[0].delete().await;
    let done = change(&app.ada, "deleteRuns", ids(&[&runs[0], &runs[1], &runs[2]])).await;
    assert_eq!((&done["task"]["changedCount"], &done["task"]["refusedCount"]), (&json!(2), &json!(1)));
    let fields =
        "items(first: 2) { edges { node { name outcome } cursor } pageInfo { hasNextPage endCursor } }";
    let page = task(&app.ada, &done["task"]["id"], fields).await["items"].take();
    let shown: Vec<_> = page["edges"].as_array().unwrap().iter().map(|edge| edge["node"].clone()).collect();
    assert_eq!(
        shown,
        [json!({"name": "a", "outcome": "REFUSED"}), json!({"name": "b", "outcome": "CHANGED"})]
    );
    let fields = format!("items(after: {}) {{ edges {{ node {{ name }} }} }}", page["pageInfo"]["endCursor"]);
    let rest = task(&app.ada, &done["task"]["id"], &fields).await;
    assert_eq!(rest["items"]["edges"][0]["node"]["name"], "c");
    assert_eq!(app.ada.trash().await.len(), 3);
});

/// More than the lease of a job.
const LEASE: Duration = Duration::from_hours(1);

backend_test!(each_run_is_deleted_and_purged_once_wherever_the_process_dies, |app| {
    let count = 1000;
    copies(app, 1000).await;
    let done = change(&app.ada, "deleteRuns", by_filter(&json!({}))).await;
    let (id, task_id) = (done["deletion"]["id"].clone(), done["task"]["id"].clone());
    let mut deaths = 0;
    // Each process lives a little longer than the one before.
    for looks in (1..).step_by(5) {
        let lived = Box::pin(die_after(looks, app.run_jobs())).await;
        deaths += i32::from(lived.is_none());
        app.advance(LEASE);
        if task(&app.ada, &task_id, "state").await["state"] == "COMPLETE" {
            break;
        }
    }
    assert!(deaths >= 3, "{deaths}");
    let in_trash = "SELECT COUNT(*) FROM run WHERE lifecycle = 'deleted'";
    assert_eq!((app.number(in_trash).await, app.rows("deletion_item").await), (count, count));
    let changed = task(&app.ada, &task_id, "changedCount refusedCount").await;
    assert_eq!(changed, json!({"changedCount": count, "refusedCount": 0}));
    assert_eq!(deletion(&app.ada, &id, "runCount").await["runCount"], count);
    app.advance(TRASH);
    for looks in (1..).step_by(5) {
        Box::pin(die_after(looks, app.run_jobs())).await;
        app.advance(LEASE);
        if deletion(&app.ada, &id, "state").await["state"] == "PURGED" {
            break;
        }
    }
    app.run_jobs().await;
    assert_eq!(app.number("SELECT COUNT(*) FROM run WHERE lifecycle = 'purged'").await, count);
    assert_eq!(app.number("SELECT COUNT(*) FROM deletion_item WHERE state = 'purged'").await, count);
});

backend_test!(what_has_no_history_leaves_nothing_to_do_when_it_is_restored, |app| {
    copies(app, 5).await;
    app.wait(LEASE).await;
    change(&app.ada, "deleteRuns", by_filter(&json!({}))).await;
    change(&app.ada, "restoreRuns", by_filter(&json!({}))).await;
    assert_eq!(app.number("SELECT COUNT(*) FROM run WHERE lifecycle = 'live'").await, 5);
    assert_eq!(
        app.number("SELECT COUNT(*) FROM job WHERE kind = 'settle_history' AND state = 'ready'").await,
        0
    );
});
