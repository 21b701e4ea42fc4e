//! Files and lines of runs that are deleted while the runs stay.

use serde_json::{Value, json};

use crate::support::{Client, EVENTS, HISTORY, TestApp, TestRun, backend_test};

const TASK: &str = "task { state changedCount refusedCount refused { name reason } }";

fn lines(count: usize) -> Vec<String> {
    (0..count).map(|step| format!(r#"{{"_step":{step},"loss":{step}}}"#)).collect()
}

async fn run(app: &TestApp, name: &str, tag: &str) -> TestRun {
    let run = app.ada.run_with("demo", name, json!({"tags": [tag]})).await;
    for file in ["a.ckpt", "deep/b.CKPT", "notes_1.txt", "notesX1.txt"] {
        run.upload(file, "0123456789").await;
    }
    run
}

fn tagged(tag: &str, mut more: Value) -> Value {
    let filter = json!({"tags": tag}).to_string();
    more["runs"] = json!({"filters": filter, "entityName": "ada", "projectName": "demo"});
    more
}

async fn matching(client: &Client, input: &Value) -> Value {
    let query = "query($runs: RunsInput!, $pattern: String!) { filesMatching(runs: $runs, pattern: $pattern) \
                 { runCount fileCount fileBytes } }";
    client.graphql(query, input.clone()).await["filesMatching"].take()
}

backend_test!(files_go_by_pattern_from_all_runs_that_are_meant, |app| {
    let runs = [run(app, "r1", "old").await, run(app, "r2", "old").await, run(app, "r3", "new").await];
    let input = tagged("old", json!({"pattern": "%.ckpt"}));
    assert_eq!(matching(&app.ada, &input).await, json!({"runCount": 2, "fileCount": 4, "fileBytes": 40}));
    let done = app.ada.mutate("deleteRunFiles", input.clone(), TASK).await;
    assert_eq!(done["task"]["changedCount"], 2);
    for run in &runs[..2] {
        assert_eq!(run.file_names("%").await, ["notesX1.txt", "notes_1.txt"]);
    }
    assert_eq!(runs[2].file_names("%").await.len(), 4);
    assert_eq!(matching(&app.ada, &input).await, json!({"runCount": 0, "fileCount": 0, "fileBytes": 0}));
    let one = json!({"runs": {"ids": [runs[0].id]}, "pattern": "notes\\_%"});
    app.ada.mutate("deleteRunFiles", one, TASK).await;
    assert_eq!(runs[0].file_names("%").await, ["notesX1.txt"]);
    let entries = app.texts("SELECT counts FROM audit_entry WHERE reason = '%.ckpt' ORDER BY id").await;
    assert_eq!(entries.len(), 2);
    app.collect().await;
    assert_eq!(app.objects().await.len(), 1 + 2 + 4);
    for pattern in ["", "\\"] {
        let refused = app.ada.refused("deleteRunFiles", tagged("old", json!({"pattern": pattern}))).await;
        assert_eq!(refused.code, "PATTERN_INVALID");
    }
});

backend_test!(a_history_goes_and_the_summary_stays, |app| {
    let run = run(app, "r", "old").await;
    run.log(HISTORY, 0, &lines(300)).await;
    run.log(EVENTS, 0, &[r#"{"system.cpu":1}"#, r#"{"system.cpu":2}"#]).await;
    let history = || tagged("old", json!({"streams": ["HISTORY"]}));
    let refused = app.ada.mutate("deleteRunHistory", history(), TASK).await;
    assert_eq!(refused["task"]["refused"][0]["reason"], "it is running; stop it first");
    run.complete(0).await;
    app.collect().await;
    let (before, files) = (run.show("summaryMetrics config state").await, run.file_names("%").await);
    let objects = app.objects().await.len();
    let done = app.ada.mutate("deleteRunHistory", history(), TASK).await;
    assert_eq!(done["task"]["changedCount"], 1);
    assert_eq!(run.history().await, Vec::<String>::new());
    assert_eq!(
        run.show("historyLineCount eventsLineCount historyKeys").await,
        json!({"historyLineCount": 0, "eventsLineCount": 2, "historyKeys": null})
    );
    assert_eq!(run.show("summaryMetrics config state").await, before);
    assert_eq!(run.file_names("%").await, files);
    app.collect().await;
    assert!(app.objects().await.len() < objects, "what its segments had is gone");
    let both = tagged("old", json!({"streams": ["HISTORY", "SYSTEM_METRICS"]}));
    app.ada.mutate("deleteRunHistory", both, TASK).await;
    assert_eq!(run.field("eventsLineCount").await, 0);
    run.log(HISTORY, 0, &lines(3)).await;
    assert_eq!(run.history().await.len(), 3, "whoever resumes it begins anew");
});

backend_test!(a_stranger_learns_nothing_of_files, |app| {
    let run = run(app, "r", "old").await;
    let query = "query($runs: RunsInput!) { filesMatching(runs: $runs, pattern: \"%\") { fileCount } }";
    for runs in
        [json!({"ids": [run.id]}), json!({"filters": "{}", "entityName": "ada", "projectName": "demo"})]
    {
        assert_eq!(app.grace.refusal(query, json!({"runs": runs})).await.code, "NOT_FOUND");
    }
});

backend_test!(what_is_held_keeps_its_files_and_its_history, |app| {
    let runs = [run(app, "r1", "old").await, run(app, "r2", "old").await];
    for run in &runs {
        run.log(HISTORY, 0, &lines(3)).await;
        run.complete(0).await;
    }
    let warden = app.ruler("root").await;
    warden.mutate("holdRun", json!({"id": runs[0].id, "reason": "evidence"}), "hold { id }").await;
    for (mutation, more) in
        [("deleteRunFiles", json!({"pattern": "%"})), ("deleteRunHistory", json!({"streams": ["HISTORY"]}))]
    {
        let done = app.ada.mutate(mutation, tagged("old", more), TASK).await;
        assert_eq!(
            done["task"]["refused"],
            json!([{"name": "r1", "reason": "an administrator holds it (evidence)"}])
        );
    }
    assert_eq!((runs[0].file_names("%").await.len(), runs[0].history().await.len()), (4, 3));
    assert_eq!((runs[1].file_names("%").await.len(), runs[1].history().await.len()), (0, 0));
});
