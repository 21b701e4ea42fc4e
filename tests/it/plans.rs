//! No listing reads all runs or all of their values: the plans of the statements that are really sent. As in
//! `statements`, each test wants a process of its own, and one connection.

use std::fmt::Debug;
use std::sync::Mutex;

use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::subscriber::set_global_default;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

use crate::support::{GC, TestApp, backend_test};

/// Runs of each project: more than are sorted rather than looked for.
const RUNS: usize = 2500;

/// On `SQLite` the statements, whose plans it tells when asked; `PostgreSQL`'s plans, which it tells by itself.
static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Recorder;

impl<S: Subscriber> Layer<S> for Recorder {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut longest = Longest(String::new());
        event.record(&mut longest);
        SEEN.lock().unwrap().push(longest.0);
    }
}

/// The longest field of an event: a statement, but for its summary; a plan.
struct Longest(String);

impl Visit for Longest {
    fn record_debug(&mut self, _: &Field, value: &dyn Debug) {
        self.record_text(format!("{value:?}"));
    }

    fn record_str(&mut self, _: &Field, value: &str) {
        self.record_text(value.to_owned());
    }
}

impl Longest {
    fn record_text(&mut self, text: String) {
        if text.len() > self.0.len() {
            self.0 = text;
        }
    }
}

async fn start_recording(app: &TestApp) {
    let target = if backend(app) == DbBackend::Postgres {
        // On the only connection, so it holds for all that follows.
        execute(app, "LOAD 'auto_explain'").await;
        execute(app, "SET auto_explain.log_min_duration = 0; SET client_min_messages = log").await;
        "sqlx::postgres::notice"
    } else {
        "sqlx::query"
    };
    let targets = Targets::new().with_target(target, Level::TRACE);
    set_global_default(tracing_subscriber::registry().with(Recorder.with_filter(targets)))
        .expect("this test needs a process of its own: use cargo nextest");
}

fn backend(app: &TestApp) -> DbBackend {
    app.db.migration_connection().get_database_backend()
}

async fn execute(app: &TestApp, sql: &str) {
    app.db.migration_connection().execute_unprepared(sql).await.unwrap();
}

/// The plans of what `work` asks about runs.
async fn plans(app: &TestApp, work: impl Future<Output = Value>) -> (Vec<String>, Value) {
    plans_of(app, is_of_runs, work).await
}

/// The plans of what `work` sends and that is meant.
async fn plans_of<T>(
    app: &TestApp,
    is_meant: fn(&str) -> bool,
    work: impl Future<Output = T>,
) -> (Vec<String>, T) {
    app.db.ping().await.unwrap();
    SEEN.lock().unwrap().clear();
    let done = work.await;
    app.db.ping().await.unwrap();
    let seen = std::mem::take(&mut *SEEN.lock().unwrap());
    let seen = seen.into_iter().filter(|text| is_meant(text));
    if backend(app) == DbBackend::Postgres {
        return (seen.collect(), done);
    }
    let mut plans = Vec::new();
    for statement in seen {
        let explain = Statement::from_string(DbBackend::Sqlite, format!("EXPLAIN QUERY PLAN {statement}"));
        let steps = app.db.migration_connection().query_all_raw(explain).await.unwrap();
        let steps: Vec<String> = steps.iter().map(|step| step.try_get("", "detail").unwrap()).collect();
        plans.push(format!("{statement}\n{}", steps.join("\n")));
    }
    (plans, done)
}

fn is_of_runs(plan: &str) -> bool {
    plan.contains("\"run\"") || plan.contains("\"run_value\"")
}

/// Steps that read a large table from one end to the other.
fn scans(plan: &str) -> Vec<&str> {
    let is_large = |table: &str| ["run", "run_value"].contains(&table) || table.starts_with("value_");
    let is_scan = |line: &&str| {
        let line = line.trim_start();
        let sqlite = line.strip_prefix("SCAN ").and_then(|rest| rest.split(' ').next());
        let postgres = line.split_once("Seq Scan on ").and_then(|(_, rest)| rest.split(' ').next());
        sqlite.or(postgres).is_some_and(is_large)
    };
    plan.lines().filter(is_scan).collect()
}

/// Steps that sort all rows that come, rather than those that tie in the order of an index. `PostgreSQL` may do so
/// where it expects few.
fn sorts(plan: &str) -> Vec<&str> {
    const FEW: f64 = 1000.0;
    let lines: Vec<_> = plan.lines().map(str::trim_start).collect();
    let is_sort = |(at, line): &(usize, &&str)| {
        let comes = lines[at + 1..].iter().find_map(|line| line.split_once(" rows=")?.1.split(' ').next());
        let is_large = || comes.is_some_and(|rows| rows.parse::<f64>().unwrap() > FEW);
        **line == "USE TEMP B-TREE FOR ORDER BY"
            || line.trim_start_matches("->").trim_start().starts_with("Sort  (") && is_large()
    };
    lines.iter().enumerate().filter(is_sort).map(|(_, line)| *line).collect()
}

const LISTING: &str = "query($filters: JSONString, $order: String, $after: String, $first: Int) { \
                       project(name: \"demo\") { runs(filters: $filters, order: $order, after: $after, \
                       first: $first) { edges { cursor node { name } } pageInfo { hasNextPage } } } }";

const COUNT: &str = "query($filters: JSONString) { project(name: \"demo\") { runCount(filters: $filters) } }";

/// Four projects that nobody could call small, with values of every type and some that are missing.
async fn fill(app: &TestApp) {
    for project in ["demo", "other", "third", "fourth"] {
        app.ada.run(project, "first").await;
    }
    let number = "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ";
    execute(
        app,
        &format!(
            "{number} {RUNS}) INSERT INTO run (project_id, user_id, name, display_name, state, lifecycle, \
             created_at, updated_at, heartbeat_at, stop_requested, group_name, job_type, sweep_name, tags) \
             SELECT p.id, 1, 'run-' || i, 'pretty-' || (i * 7 % 1000), \
             CASE WHEN i % 300 = 0 THEN 'running' ELSE 'finished' END, 'live', i * 1000, i * 1000, i * 900, FALSE, \
             'group-' || (i % 9), CASE WHEN i % 2 = 0 THEN 'train' END, \
             CASE WHEN i % 50 = 0 THEN 'sweep-' || i END, '[]' FROM n CROSS JOIN project p"
        ),
    )
    .await;
    let insert = "INSERT INTO run_value (run_id, project_id, scope, path, num, text, bool)";
    for (scope, path, values, condition) in [
        (1, "lr", "i % 10, NULL, NULL", "TRUE"),
        (1, "model", "NULL, 'model-' || (i % 7), NULL", "TRUE"),
        (1, "flag", "NULL, NULL, i % 2 = 0", "i % 3 = 0"),
        (2, "loss", "i * 37 % 1001, NULL, NULL", "i % 5 <> 0"),
        (2, "acc", "i * 53 % 997, NULL, NULL", "TRUE"),
        (2, "rare", "i, NULL, NULL", "i % 300 = 0"),
        (3, "baseline", "NULL, 'baseline', NULL", "i % 2 = 0"),
        (3, "best", "NULL, 'best', NULL", "i % 500 = 0"),
        (4, "loss", "NULL, NULL, NULL", "i % 5 <> 0"),
    ] {
        execute(
            app,
            &format!(
                "{insert} SELECT id, project_id, {scope}, '{path}', {values} \
                 FROM (SELECT id, project_id, created_at / 1000 AS i FROM run) AS numbered WHERE {condition}"
            ),
        )
        .await;
    }
    execute(app, &format!("UPDATE project SET run_counter = {RUNS}")).await;
    execute(app, "ANALYZE").await;
}

const ORDERS: &[&str] = &[
    "",
    "-created_at",
    "-heartbeat_at",
    "+updatedAt",
    "+name",
    "-display_name",
    "+state",
    "-group",
    "+jobType",
    "-sweep,-created_at",
    "+config.lr.value",
    "-config.model,+created_at",
    "+config.flag",
    "-summary_metrics.loss",
    "+summary_metrics.rare",
    "-summary_metrics.nothing",
];

/// Each leaves so many that they are met soon in any order.
const COMMON: &[&str] = &[
    "{}",
    r#"{"config.lr": {"$gt": 2}, "summary_metrics.acc": {"$gt": 200}}"#,
    r#"{"config.model.value": {"$in": ["model-1", "model-2", "model-3", "model-4", "model-5"]}}"#,
    r#"{"$or": [{"tags": null}, {"tags": {"$ne": "best"}}]}"#,
    r#"{"keys_info.keys.loss": {"$exists": true}}"#,
    r#"{"state": "finished", "display_name": {"$regex": "^pretty"}}"#,
    r#"{"$not": {"config.flag": true}, "createdAt": {"$gte": "1970-01-01"}}"#,
];

/// Each leaves so few that they are gathered and sorted.
const RARE: &[&str] = &[
    r#"{"tags": "best"}"#,
    r#"{"state": "running", "summary_metrics.acc": {"$gt": 500}}"#,
    r#"{"$or": [{"name": "run-7"}, {"display_name": "pretty-14"}]}"#,
    r#"{"sweep": "sweep-50"}"#,
    r#"{"summary_metrics.rare": {"$exists": true}, "config.lr": {"$ne": 3}}"#,
    r#"{"config.lr": 3, "config.model": "model-3"}"#,
];

/// Sends a page, the one after it, and one further down.
async fn check_pages(app: &TestApp, filters: &str, order: &str, may_sort: bool) {
    let mut after = Value::Null;
    for first in [5, 50, 5] {
        let variables = json!({"filters": filters, "order": order, "after": after, "first": first});
        let (plans, found) = plans(app, app.ada.graphql(LISTING, variables)).await;
        assert!(plans.len() >= 2, "{filters} {order}: {plans:#?}");
        for plan in &plans {
            assert_eq!(scans(plan), Vec::<&str>::new(), "{filters} {order} after {after}: {plan}");
            // What only counts, to choose among indexes, stops before it could sort much.
            if !may_sort && !plan.contains("run_counter") {
                assert_eq!(sorts(plan), Vec::<&str>::new(), "{filters} {order} after {after}: {plan}");
            }
        }
        let edges = found["project"]["runs"]["edges"].as_array().unwrap();
        let Some(last) = edges.last() else { break };
        after = last["cursor"].clone();
    }
}

backend_test!(a_page_is_read_from_an_index_in_order, connections = 1, |app| {
    fill(app).await;
    start_recording(app).await;
    for order in ORDERS {
        check_pages(app, "{}", order, false).await;
    }
    for filters in COMMON {
        for order in ["+created_at", "-summary_metrics.loss", "+config.model"] {
            check_pages(app, filters, order, false).await;
        }
    }
});

backend_test!(few_runs_are_gathered_from_an_index, connections = 1, |app| {
    fill(app).await;
    start_recording(app).await;
    for filters in RARE {
        for order in ["-created_at", "-summary_metrics.loss,+config.model", "+notes"] {
            check_pages(app, filters, order, true).await;
        }
    }
});

backend_test!(runs_are_counted_by_an_index, connections = 1, |app| {
    fill(app).await;
    start_recording(app).await;
    for filters in COMMON.iter().chain(RARE) {
        let (plans, found) = plans(app, app.ada.graphql(COUNT, json!({"filters": filters}))).await;
        assert!(found["project"]["runCount"].as_u64().unwrap() > 0, "{filters}");
        for plan in plans {
            assert_eq!(scans(&plan), Vec::<&str>::new(), "{filters}: {plan}");
        }
    }
});

const SIMULATION: &str = "query($rule: RetentionRuleInput) { retentionSimulation(rule: $rule, entityName: \"ada\", \
                          projectName: \"demo\") { takenCount keptCount } }";

backend_test!(a_rule_looks_at_runs_by_an_index_on_their_age_or_on_what_it_means, connections = 1, |app| {
    fill(app).await;
    start_recording(app).await;
    let best = json!({"metric": "loss", "goal": "MIN", "count": 5});
    let many = json!({"last": 10, "lastOfGroup": 2, "best": best, "tags": ["best"], "linked": true});
    for (since, filters, keep) in [
        ("ENDED", "{}", json!({})),
        ("CREATED", "{}", many.clone()),
        ("ENDED", COMMON[1], many.clone()),
        ("ENDED", RARE[0], json!({"last": 3})),
        ("CREATED", RARE[4], many),
    ] {
        let rule = json!({"target": "RUNS", "action": "DELETE", "ageSeconds": 60, "since": since,
            "filters": filters, "keep": keep});
        let (plans, found) = plans(app, app.ada.graphql(SIMULATION, json!({"rule": rule}))).await;
        let counts = &found["retentionSimulation"];
        assert_ne!(counts, &json!({"takenCount": 0, "keptCount": 0}), "{filters} {keep}");
        assert!(!plans.is_empty());
        for plan in plans {
            assert_eq!(scans(&plan), Vec::<&str>::new(), "{since} {filters} {keep}: {plan}");
        }
    }
    // None is old enough, so none is read.
    let rule = json!({"target": "RUNS", "action": "DELETE", "ageSeconds": 3_000_000_000_u64});
    let (plans, found) = plans(app, app.ada.graphql(SIMULATION, json!({"rule": rule}))).await;
    assert_eq!(found["retentionSimulation"], json!({"takenCount": 0, "keptCount": 0}));
    for plan in plans {
        assert_eq!(scans(&plan), Vec::<&str>::new(), "{plan}");
    }
});

/// Statements that change things of a deletion, or look for what to change.
fn is_of_a_deletion(plan: &str) -> bool {
    CHANGES.iter().any(|statement| plan.contains(statement))
}

const CHANGES: &[&str] = &[
    "UPDATE run ",
    "UPDATE \"run\"",
    "UPDATE \"bulk_item\"",
    "UPDATE \"deletion_item\"",
    "UPDATE \"receipt_item\"",
    "FROM deletion_item i WHERE",
    "\"position\" IS NULL",
    "SET sweep_after",
];

/// Rows that the steps of a plan came by, of a plan that says so: those that they gave and those that they passed over.
fn rows_read(plan: &str) -> f64 {
    let number = |text: &str| {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        text[..end].parse::<f64>().unwrap()
    };
    let (mut read, mut loops) = (0.0, 1.0);
    for line in plan.lines() {
        if let Some((_, actual)) = line.split_once("(actual ") {
            let after = |name| number(actual.split_once(name).unwrap().1);
            loops = after("loops=");
            read += after("rows=") * loops;
        } else if line.trim_start().starts_with("Rows Removed by") {
            read += number(line.split_once(": ").unwrap().1) * loops;
        }
    }
    read
}

backend_test!(what_has_just_come_into_a_state_is_found_by_its_keys, connections = 1, |app| {
    let root = app.ruler("root").await;
    let run = app.ada.run("demo", "first").await;
    for number in 0..100 {
        run.upload(&format!("file-{number}"), "x").await;
    }
    fill(app).await;
    start_recording(app).await;
    if backend(app) == DbBackend::Postgres {
        execute(app, "SET auto_explain.log_analyze = on").await;
    }
    let work = async {
        let all = json!({"runs": {"entityName": "ada", "projectName": "demo", "filters": "{}"}});
        let deleted = app.ada.mutate("deleteRuns", all, "deletion { id }").await;
        app.run_jobs().await;
        let id = &deleted["deletion"]["id"];
        let later = json!({"id": id, "purgeAfter": "2026-02-01T00:00:00Z"});
        app.ada.mutate("extendDeletion", later, "deletion { state }").await;
        app.run_jobs().await;
        root.mutate("purgeNow", json!({"id": id}), "deletion { state }").await;
        app.run_jobs().await;
        app.wait(GC.interval).await;
    };
    let (plans, ()) = Box::pin(plans_of(app, is_of_a_deletion, work)).await;
    assert_eq!(app.number("SELECT COUNT(*) FROM run WHERE lifecycle = 'purged'").await, 2500);
    for statement in CHANGES {
        assert!(plans.iter().any(|plan| plan.contains(statement)), "{statement}");
    }
    for plan in plans {
        // Those indexes are for lists of all that is in a state.
        for index in ["ix_run_deleted_at", "ix_blob_sweep"] {
            assert!(!plan.contains(index), "{plan}");
        }
        // A batch is at most 500, and each of its rows is come by a few times; there are 2500. Who finds none due looked at all.
        let none_due = plan.lines().any(|line| line.contains("Limit  (") && line.contains(" rows=0 loops="));
        let read = rows_read(&plan);
        assert!(none_due || read < 2500.0, "{read} rows: {plan}");
    }
});
