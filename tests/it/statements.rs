//! How many statements a page takes. The count is the whole process's, so each test wants a process of its own, as
//! `cargo nextest` gives it; and one connection, whose next answer says that all before it were counted.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tracing::subscriber::set_global_default;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

use crate::support::{HISTORY, SETTLE_AFTER, SUMMARY, TestApp, backend_test};

static STATEMENTS: AtomicUsize = AtomicUsize::new(0);

struct Counter;

impl<S: Subscriber> Layer<S> for Counter {
    fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
        STATEMENTS.fetch_add(1, Ordering::SeqCst);
    }
}

fn start_counting() {
    let statements = Targets::new().with_target("sqlx::query", Level::TRACE);
    let counter = tracing_subscriber::registry().with(Counter.with_filter(statements));
    set_global_default(counter).expect("this test needs a process of its own: use cargo nextest");
}

/// How many statements `work` takes.
async fn statements<T>(app: &TestApp, work: impl Future<Output = T>) -> (usize, T) {
    app.db.ping().await.unwrap();
    let before = STATEMENTS.load(Ordering::SeqCst);
    let done = work.await;
    app.db.ping().await.unwrap();
    (STATEMENTS.load(Ordering::SeqCst) - before, done)
}

/// What the client selects for each run of a page, and more.
const PAGE: &str = "query($first: Int, $filters: JSONString, $order: String) { project(name: \"demo\") { \
                    runs(first: $first, filters: $filters, order: $order) { edges { node { id name state tags \
                    project { name entityName entity { name } } user { name username } config summaryMetrics \
                    systemMetrics historyKeys historyLineCount eventsLineCount logLineCount fileCount \
                    alerts(first: 3) { edges { node { title } } } \
                    files(first: 3) { totalCount edges { node { name sizeBytes url directUrl md5 } } } } } \
                    pageInfo { hasNextPage } } } }";

async fn page(app: &TestApp, first: usize, filters: &str) -> usize {
    let variables = json!({"first": first, "filters": filters, "order": "-summary_metrics.loss"});
    let (statements, found) = statements(app, app.ada.graphql(PAGE, variables)).await;
    let edges = found["project"]["runs"]["edges"].as_array().unwrap();
    assert_eq!(edges.len(), first);
    for edge in edges {
        assert_eq!(edge["node"]["fileCount"], 4);
        let files = edge["node"]["files"]["edges"].as_array().unwrap();
        let names: Vec<_> = files.iter().map(|file| &file["node"]["name"]).collect();
        assert_eq!(names, ["a", "b", "c"]);
    }
    statements
}

backend_test!(a_page_of_fifty_runs_takes_as_many_statements_as_one_of_five, connections = 1, |app| {
    for n in 0..50 {
        let run =
            app.ada.run_with("demo", &format!("r{n}"), json!({"config": r#"{"lr":{"value":1}}"#})).await;
        run.log(HISTORY, 0, &[r#"{"_step":0}"#]).await;
        run.log(SUMMARY, 0, &[format!(r#"{{"loss":{n}}}"#)]).await;
        for name in ["a", "b", "c", "d"] {
            run.upload(name, "x").await;
        }
    }
    start_counting();
    for filters in ["{}", r#"{"config.lr": 1}"#] {
        let (few, many) = (page(app, 5, filters).await, page(app, 50, filters).await);
        assert_eq!(few, many, "with the filter {filters}");
        assert!((1..=13).contains(&few), "{few} statements");
    }
});

backend_test!(appending_takes_as_many_statements_for_many_lines_as_for_one, connections = 1, |app| {
    let run = app.ada.run("demo", "r").await;
    run.log(HISTORY, 0, &[r#"{"_step":0,"a":1}"#]).await;
    start_counting();
    let lines: Vec<_> = (0..1000).map(|n| format!(r#"{{"_step":{n},"a":2}}"#)).collect();
    let (one, ()) = statements(app, run.log(HISTORY, 1, &lines[..1])).await;
    let (many, ()) = statements(app, run.log(HISTORY, 2, &lines)).await;
    assert_eq!(one, many);
});

backend_test!(
    what_a_page_asks_about_all_runs_takes_as_many_statements_for_many_as_for_one,
    connections = 1,
    |app| {
        const ASK: &str = "query($after: String) { project(name: \"demo\") { \
        runGroups(groupBy: [\"config.lr\", \"tags\"], aggregations: [\"summary_metrics.loss\"]) { \
        edges { node { runCount } } } \
        runValues(field: \"config.lr\") { edges { node { runCount } } } \
        runFields(source: CONFIG) { edges { node { key counts { runs } } } } \
        runChanges(after: $after) { runs { name config user { username } } cursor } } }";
        let run = async |n: i32| {
            let input =
                json!({"config": json!({"lr": n, format!("k{n}"): 1}).to_string(), "tags": ["a", "b"]});
            app.ada.run_with("demo", &format!("r{n}"), input).await;
        };
        run(0).await;
        let cursor = app.ada.graphql(ASK, json!({})).await["project"]["runChanges"]["cursor"].take();
        start_counting();
        run(1).await;
        let (one, _) = statements(app, app.ada.graphql(ASK, json!({"after": cursor}))).await;
        for n in 2..30 {
            run(n).await;
        }
        let (many, found) = statements(app, app.ada.graphql(ASK, json!({"after": cursor}))).await;
        assert_eq!(found["project"]["runChanges"]["runs"].as_array().unwrap().len(), 29);
        assert_eq!(one, many);
        assert!((5..=10).contains(&one), "{one} statements");
    }
);

backend_test!(charts_of_fifty_runs_take_as_many_statements_as_of_five, connections = 1, |app| {
    const CHARTS: &str = "query($first: Int, $specs: [JSONString!]!) { project(name: \"demo\") { \
                          runs(first: $first) { edges { node { sampledHistory(specs: $specs) \
                          historyBuckets(keys: [\"loss\", \"lr\", \"none\"], buckets: 4) { key count mean } } } } } }";
    // Drawn from rollups, and read row by row.
    let specs = [r#"{"keys":["_step","loss"],"samples":4}"#, r#"{"keys":["loss"],"samples":400}"#];
    let rows: Vec<_> = (0..600).map(|step| format!(r#"{{"_step":{step},"loss":{step},"lr":1}}"#)).collect();
    for n in 0..50 {
        let run = app.ada.run("demo", &format!("r{n}")).await;
        run.log(HISTORY, 0, &rows[..500]).await;
        run.complete(0).await;
    }
    app.wait(SETTLE_AFTER).await;
    for n in 0..50 {
        app.ada.run("demo", &format!("r{n}")).await.log(HISTORY, 500, &rows[500..]).await;
    }
    start_counting();
    let charts = async |first: usize| {
        let (statements, found) =
            statements(app, app.ada.graphql(CHARTS, json!({"first": first, "specs": specs}))).await;
        let edges = found["project"]["runs"]["edges"].as_array().unwrap();
        assert_eq!(edges.len(), first);
        for edge in edges {
            let counts = edge["node"]["historyBuckets"][0]["count"].as_array().unwrap();
            assert!(counts.iter().map(|count| count.as_f64().unwrap()).sum::<f64>() >= 600.0);
            for (sample, rows) in edge["node"]["sampledHistory"].as_array().unwrap().iter().zip([4, 400]) {
                assert_eq!(sample.as_array().unwrap().len(), rows);
            }
        }
        statements
    };
    let (few, many) = (charts(5).await, charts(50).await);
    assert_eq!(few, many);
    assert!((1..=17).contains(&few), "{few} statements");
});
