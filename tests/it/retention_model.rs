//! What a simulation says is what the next application does, and both are what plain Rust says of plain data: over drawn
//! projects and drawn rules.

use std::collections::BTreeSet;
use std::sync::Arc;

use counterweight_domain::clock::{ManualClock, SeededRandom};
use counterweight_domain::{Env, Timestamp};
use serde_json::{Value, json};

use crate::support::{GC, TestApp, backend_test, text};

/// Projects that are drawn for each database.
const CASES: u64 = 30;
const RUNS: usize = 40;
const HOUR: i64 = 3600 * 1_000_000;

/// A run, as plain data. Its place among the others is its id.
#[derive(Clone, Debug)]
struct Run {
    name: String,
    state: &'static str,
    archived: bool,
    created: i64,
    heartbeat: i64,
    finished: Option<i64>,
    revived: Option<i64>,
    group: Option<&'static str>,
    tags: Vec<&'static str>,
    loss: Option<i64>,
    held: bool,
}

/// A filter, as the server reads it and as it is meant.
type Filter = (&'static str, bool, fn(&Run) -> bool);

const FILTERS: [Filter; 6] = [
    ("{}", false, |_| true),
    (r#"{"group": "a"}"#, false, |run| run.group == Some("a")),
    (r#"{"state": "finished"}"#, false, |run| run.state == "finished"),
    (r#"{"summary_metrics.loss": {"$lt": 5}}"#, false, |run| run.loss.is_some_and(|loss| loss < 5)),
    (r#"{"tags": "debug"}"#, false, |run| run.tags.contains(&"debug")),
    (r#"{"archived": true}"#, true, |_| true),
];

#[derive(Clone, Debug)]
struct Rule {
    archives: bool,
    since_created: bool,
    age_hours: i64,
    filter: Filter,
    last: Option<usize>,
    last_of_group: Option<usize>,
    best: Option<(bool, usize)>,
    any_tag: bool,
    tags: Option<Vec<&'static str>>,
}

/// A source of choices.
struct Draw(Env);

impl Draw {
    fn new(seed: u64) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp(0)));
        Self(Env::new(clock, Arc::new(SeededRandom::new(seed))))
    }

    fn below(&self, bound: usize) -> usize {
        self.0.below(bound)
    }

    fn hours(&self, bound: usize) -> i64 {
        i64::try_from(self.below(bound)).unwrap() * HOUR
    }

    fn one_of<T: Copy>(&self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn maybe<T>(&self, one_in: usize, value: impl FnOnce() -> T) -> Option<T> {
        (self.below(one_in) == 0).then(value)
    }

    fn run(&self, name: String, now: i64) -> Run {
        let created = now - self.hours(20);
        let heartbeat = now.min(created + self.hours(8));
        let state = self.one_of(&["finished", "finished", "failed", "crashed", "pending", "preempted"]);
        let ended = ["finished", "failed", "crashed", "preempted"].contains(&state);
        let tags = [&[][..], &[], &["debug"], &["paper"], &["debug", "paper"]];
        Run {
            name,
            state,
            archived: self.below(5) == 0,
            created,
            heartbeat,
            finished: ended.then(|| now.min(heartbeat + self.hours(3))),
            revived: self.maybe(6, || now - self.hours(6)),
            group: self.one_of(&[None, Some("a"), Some("b")]),
            tags: self.one_of(&tags).to_vec(),
            loss: self.maybe(2, || i64::try_from(self.below(10)).unwrap()),
            held: self.below(10) == 0,
        }
    }

    fn rule(&self) -> Rule {
        let filter = self.one_of(&FILTERS);
        Rule {
            archives: !filter.1 && self.below(2) == 0,
            since_created: self.below(2) == 0,
            age_hours: i64::try_from(self.below(8)).unwrap(),
            filter,
            last: self.maybe(3, || 1 + self.below(5)),
            last_of_group: self.maybe(3, || 1 + self.below(3)),
            best: self.maybe(3, || (self.below(2) == 0, 1 + self.below(4))),
            any_tag: self.below(4) == 0,
            tags: self.maybe(4, || vec!["paper"]),
        }
    }
}

impl Run {
    /// When its age begins.
    fn began(&self, rule: &Rule) -> i64 {
        let own = if rule.since_created {
            self.created
        } else {
            self.heartbeat.max(self.finished.unwrap_or(i64::MIN))
        };
        own.max(self.revived.unwrap_or(i64::MIN))
    }
}

/// Places of the first of these runs in an order.
fn first(mut ranked: Vec<(i64, usize)>, descending: bool, count: usize) -> BTreeSet<usize> {
    ranked.sort_unstable();
    if descending {
        ranked.reverse();
    }
    ranked.into_iter().take(count).map(|(_, place)| place).collect()
}

/// Names of the runs that a rule takes.
fn taken(runs: &[Run], rule: &Rule, now: i64) -> BTreeSet<String> {
    let (_, archived, matches) = rule.filter;
    let meant: Vec<usize> =
        (0..runs.len()).filter(|at| runs[*at].archived == archived && matches(&runs[*at])).collect();
    let youngest = |of: &dyn Fn(&Run) -> bool, count: usize| {
        let ranked = meant.iter().filter(|at| of(&runs[**at])).map(|at| (runs[*at].created, *at));
        first(ranked.collect(), true, count)
    };
    let mut kept = BTreeSet::new();
    if let Some(count) = rule.last {
        kept.extend(youngest(&|_| true, count));
    }
    if let Some(count) = rule.last_of_group {
        for group in [None, Some("a"), Some("b")] {
            kept.extend(youngest(&|run| run.group == group, count));
        }
    }
    if let Some((max, count)) = rule.best {
        let ranked = meant.iter().filter_map(|at| Some((runs[*at].loss?, *at)));
        kept.extend(first(ranked.collect(), max, count));
    }
    let is_tagged = |run: &Run| match &rule.tags {
        _ if rule.any_tag => !run.tags.is_empty(),
        Some(tags) => tags.iter().any(|tag| run.tags.contains(tag)),
        None => false,
    };
    let goes = |run: &Run| {
        run.state != "pending"
            && !run.held
            && !is_tagged(run)
            && run.began(rule) + rule.age_hours * HOUR <= now
    };
    let going = meant.into_iter().filter(|at| goes(&runs[*at]) && !kept.contains(at));
    going.map(|at| runs[at].name.clone()).collect()
}

/// A rule as the client writes it.
fn input(rule: &Rule) -> Value {
    let best = rule.best.map(
        |(max, count)| json!({"metric": "loss", "goal": if max { "MAX" } else { "MIN" }, "count": count}),
    );
    json!({
        "target": "RUNS",
        "action": if rule.archives { "ARCHIVE" } else { "DELETE" },
        "since": if rule.since_created { "CREATED" } else { "ENDED" },
        "ageSeconds": rule.age_hours * 3600,
        "filters": rule.filter.0,
        "keep": {"last": rule.last, "lastOfGroup": rule.last_of_group, "best": best, "tagged": rule.any_tag,
            "tags": rule.tags},
    })
}

fn sql(text: Option<impl ToString>) -> String {
    text.map_or_else(|| "NULL".to_owned(), |text| text.to_string())
}

async fn store(app: &TestApp, project: i64, runs: &[Run]) {
    for run in runs {
        let lifecycle = if run.archived { "archived" } else { "live" };
        let (name, state, created, heartbeat) = (&run.name, run.state, run.created, run.heartbeat);
        let group = sql(run.group.map(|group| format!("'{group}'")));
        let (finished, revived, tags) = (sql(run.finished), sql(run.revived), json!(run.tags));
        app.execute(&format!(
            "INSERT INTO run (project_id, user_id, name, display_name, state, lifecycle, created_at, updated_at, \
             heartbeat_at, finished_at, revived_at, stop_requested, group_name, tags) VALUES ({project}, 1, '{name}', \
             'pretty', '{state}', '{lifecycle}', {created}, {created}, {heartbeat}, {finished}, {revived}, FALSE, \
             {group}, '{tags}')"
        ))
        .await;
        let its = format!("FROM run WHERE project_id = {project} AND name = '{name}'");
        let insert = "INSERT INTO run_value (run_id, project_id, scope, path, num, text)";
        if let Some(loss) = run.loss {
            app.execute(&format!("{insert} SELECT id, project_id, 2, 'loss', {loss}, NULL {its}")).await;
        }
        for tag in &run.tags {
            app.execute(&format!("{insert} SELECT id, project_id, 3, '{tag}', NULL, '{tag}' {its}")).await;
        }
        if run.held {
            let hold = "INSERT INTO hold (kind, subject_id, reason, user_id, created_at)";
            app.execute(&format!("{hold} SELECT 'run', id, 'evidence', 1, 0 {its}")).await;
        }
    }
}

/// Names of the runs that a rule would take.
async fn simulated(app: &TestApp, variables: Value) -> BTreeSet<String> {
    let query = "query($id: ID, $rule: RetentionRuleInput, $project: String) { \
                 retentionSimulation(id: $id, rule: $rule, entityName: \"ada\", projectName: $project) { \
                 takenCount complete items(first: 1000) { path taken } } }";
    let found = app.ada.graphql(query, variables).await["retentionSimulation"].take();
    let items = found["items"].as_array().unwrap().iter().filter(|item| item["taken"] == true);
    let names: BTreeSet<_> =
        items.map(|item| text(&item["path"]).rsplit('/').next().unwrap().to_owned()).collect();
    assert_eq!((&found["takenCount"], &found["complete"]), (&json!(names.len()), &json!(true)));
    names
}

/// What the database says of each run of a project.
async fn lifecycles(app: &TestApp, project: i64) -> Vec<String> {
    app.texts(&format!("SELECT name || ' ' || lifecycle FROM run WHERE project_id = {project} ORDER BY id"))
        .await
}

backend_test!(a_simulation_says_exactly_what_the_next_application_does, |app| {
    let mut all = 0;
    for seed in 0..CASES {
        let draw = Draw::new(seed);
        // What passes before the rule is applied.
        let now = app.db.now().after(GC.interval).0;
        let runs: Vec<Run> = (0..RUNS).map(|at| draw.run(format!("run-{at}"), now - HOUR)).collect();
        let rule = draw.rule();
        let project = format!("project-{seed}");
        app.ada.mutate("upsertModel", json!({"name": project}), "inserted").await;
        let id = app.number(&format!("SELECT id FROM project WHERE name = '{project}'")).await;
        store(app, id, &runs).await;
        app.advance(GC.interval);
        let expected = taken(&runs, &rule, now);
        let told = simulated(app, json!({"rule": input(&rule), "project": project})).await;
        assert_eq!(told, expected, "seed {seed}: {rule:?}");
        let made = json!({"entityName": "ada", "projectName": project, "name": "r", "rule": input(&rule)});
        let made = app.ada.mutate("createRetentionRule", made, "rule { id }").await["rule"]["id"].take();
        assert_eq!(simulated(app, json!({"id": made})).await, expected, "seed {seed}");
        app.run_jobs().await;
        let after: Vec<String> = runs
            .iter()
            .map(|run| {
                let lifecycle = match (expected.contains(&run.name), run.archived) {
                    (true, _) if rule.archives => "archived",
                    (true, _) => "deleted",
                    (false, true) => "archived",
                    (false, false) => "live",
                };
                format!("{} {lifecycle}", run.name)
            })
            .collect();
        assert_eq!(lifecycles(app, id).await, after, "seed {seed}: {rule:?}");
        assert_eq!(simulated(app, json!({"id": made})).await, BTreeSet::new(), "it is done, seed {seed}");
        app.ada.mutate("deleteRetentionRule", json!({"id": made}), "success").await;
        all += expected.len();
    }
    assert!(all > 50, "the rules took only {all} runs");
});
