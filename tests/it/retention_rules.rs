//! Rules by which runs and versions go by themselves.

use std::time::Duration;

use counterweight_domain::retention::{self, Application, Retention};
use serde_json::{Value, json};

use crate::support::{
    ARCHIVE, Client, HISTORY, SUMMARY, TRASH, TestApp, TestArtifact, TestRun, backend_test, die_after,
    lookup, text,
};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// That runs are deleted a day after they ended.
fn deletion() -> Value {
    json!({"target": "RUNS", "action": "DELETE", "ageSeconds": DAY.as_secs()})
}

fn keeping(keep: Value) -> Value {
    let mut rule = deletion();
    rule["keep"] = keep;
    rule
}

fn in_demo(rule: &Value) -> Value {
    json!({"entityName": "ada", "projectName": "demo", "name": "old runs", "rule": rule})
}

/// Makes a rule of ada's; answers its id.
async fn create(app: &TestApp, rule: Value) -> Value {
    app.ada.mutate("createRetentionRule", in_demo(&rule), "rule { id }").await["rule"]["id"].take()
}

/// A run of `demo` that has ended.
async fn ended(app: &TestApp, name: &str, more: Value) -> TestRun {
    let run = app.ada.run_with("demo", name, more).await;
    run.complete(0).await;
    run
}

/// What stays in `demo`, by name.
async fn left(app: &TestApp) -> Vec<String> {
    let mut left = app.ada.run_names("demo", json!({})).await;
    left.sort_unstable();
    left
}

/// Applies all rules, without a queue.
async fn apply_all(app: &TestApp) {
    let settings = Retention { trash: TRASH, archive: Some(ARCHIVE), artifacts: TRASH };
    for rule in retention::list_enabled(&app.db).await.unwrap() {
        let mut application = Application::begin(rule);
        while application.step(&app.db, settings).await.unwrap().is_some() {}
    }
}

/// What a rule would do.
async fn simulate(client: &Client, variables: Value) -> Value {
    let query = "query($id: ID, $rule: RetentionRuleInput, $entity: String, $project: String, $at: DateTime) { \
                 retentionSimulation(id: $id, rule: $rule, entityName: $entity, projectName: $project, at: $at) { \
                 action takenCount takenBytes keptCount complete items { id path dueAt taken kept bytes } \
                 days { beginsAt count bytes } } }";
    client.graphql(query, variables).await["retentionSimulation"].take()
}

backend_test!(a_rule_deletes_runs_of_an_age_by_one_deletion_that_is_undone_as_a_whole, |app| {
    let (first, _) = (ended(app, "first", json!({})).await, ended(app, "second", json!({})).await);
    app.advance(HOUR);
    ended(app, "later", json!({})).await;
    create(app, deletion()).await;
    app.wait(DAY - HOUR).await;
    assert_eq!(left(app).await, ["later"]);
    let query = "{ deletions { edges { node { id reason items { edges { node { name } } } } } } }";
    let found = app.ada.graphql(query, ()).await;
    let [one] = found["deletions"]["edges"].as_array().unwrap().as_slice() else { panic!("{found}") };
    assert_eq!(one["node"]["reason"], "retention rule \"old runs\"");
    assert_eq!(one["node"]["items"]["edges"].as_array().unwrap().len(), 2);
    let audited = "SELECT COUNT(*) FROM audit_entry WHERE action = 'expire' AND actor_id IS NULL \
                   AND reason = 'retention rule \"old runs\"'";
    assert_eq!(app.number(audited).await, 2);
    app.ada.mutate("restoreDeletion", json!({"id": one["node"]["id"]}), "deletion { id }").await;
    // Not again at once: restored, they are as young as new ones.
    app.wait(HOUR).await;
    assert_eq!(left(app).await, ["first", "second"], "the one that was not restored has reached the age");
    assert_eq!(first.field("retention { at }").await["at"], {
        let restored = app.db.now().before(HOUR);
        restored.after(DAY).to_rfc3339()
    });
    app.wait(DAY).await;
    assert_eq!(left(app).await, Vec::<String>::new());
});

backend_test!(a_rule_archives_runs_and_leaves_alone_what_somebody_lists_again, |app| {
    let run = ended(app, "r", json!({})).await;
    let mut rule = deletion();
    rule["action"] = "ARCHIVE".into();
    create(app, rule).await;
    let at = app.db.now().after(DAY).to_rfc3339();
    let fate = run.field("retention { action at rule { name } }").await;
    assert_eq!(fate, json!({"action": "ARCHIVE", "at": at, "rule": {"name": "old runs"}}));
    app.wait(DAY).await;
    let until = app.db.now().after(ARCHIVE).to_rfc3339();
    let seen = run.show("lifecycle archivedUntil retention { at }").await;
    assert_eq!(seen, json!({"lifecycle": "ARCHIVED", "archivedUntil": until, "retention": null}));
    run.change("unarchiveRun").await;
    app.wait(HOUR).await;
    assert_eq!(run.field("lifecycle").await, "LIVE");
    app.wait(DAY).await;
    assert_eq!(run.field("lifecycle").await, "ARCHIVED");
});

backend_test!(what_a_rule_keeps_stays_and_says_why, |app| {
    let root = app.ruler("root").await;
    let held = ended(app, "held", json!({})).await;
    root.mutate("holdRun", json!({"id": held.id, "reason": "evidence"}), "hold { id }").await;
    ended(app, "tagged", json!({"tags": ["paper", "x"]})).await;
    ended(app, "other-tag", json!({"tags": ["x"]})).await;
    for (name, loss) in [("best", 1), ("good", 2), ("bad", 3)] {
        let run = app.ada.run("demo", name).await;
        let summary = json!({"loss": loss}).to_string();
        run.log(SUMMARY, 0, &[summary]).await;
        run.complete(0).await;
    }
    app.ada.run("demo", "linked").await;
    let version =
        TestArtifact::begin_with(&app.ada, "demo", "data", &[("x", "1")], json!({"runName": "linked"})).await;
    version.publish().await;
    let link = json!({"artifactID": version.id, "entityName": "ada", "projectName": "demo",
        "artifactPortfolioName": "shown"});
    app.ada.mutate("linkArtifact", link, "versionIndex").await;
    app.ada.run("demo", "linked").await.complete(0).await;
    app.advance(HOUR);
    for (name, group) in [("g1", "g"), ("g2", "g"), ("h1", "h")] {
        app.advance(HOUR);
        ended(app, name, json!({"groupName": group, "tags": ["x"]})).await;
    }
    app.ada.run_with("demo", "last", json!({"groupName": "h"})).await.complete(0).await;
    let best = json!({"metric": "loss", "goal": "MIN", "count": 2});
    let rule = keeping(json!({"last": 1, "lastOfGroup": 1, "best": best, "tags": ["paper"], "linked": true}));
    app.advance(DAY + DAY);
    app.ada.run("demo", "running").await;
    let place = json!({"entity": "ada", "project": "demo", "rule": rule});
    let mut simulation = simulate(&app.ada, place).await;
    let items = simulation["items"].take();
    let mut kept: Vec<_> = items
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            let name = text(&item["path"]).strip_prefix("ada/demo/").unwrap().to_owned();
            assert_eq!(item["taken"], item["kept"].is_null());
            (name, item["kept"].as_str().unwrap_or("-").to_owned())
        })
        .collect();
    kept.sort();
    let expected = [
        ("bad", "-"),
        ("best", "BEST"),
        ("g1", "-"),
        ("g2", "LAST_OF_GROUP"),
        ("good", "BEST"),
        ("h1", "-"),
        ("held", "HELD"),
        ("last", "LAST_OF_GROUP"),
        ("linked", "LINKED"),
        ("other-tag", "-"),
        ("tagged", "TAGGED"),
    ];
    assert_eq!(kept, expected.map(|(name, why)| (name.to_owned(), why.to_owned())));
    assert_eq!((&simulation["takenCount"], &simulation["keptCount"]), (&json!(4), &json!(7)));
    create(app, rule).await;
    app.run_jobs().await;
    let stay = ["best", "g2", "good", "held", "last", "linked", "running", "tagged"];
    assert_eq!(left(app).await, stay);
});

backend_test!(a_simulation_tells_bytes_and_days_and_writes_nothing, |app| {
    let run = app.ada.run("demo", "r").await;
    run.upload("a", "12345").await;
    run.log(HISTORY, 0, &["{}"]).await;
    run.complete(0).await;
    app.advance(DAY * 3);
    let at = app.db.now();
    let tables = ["run", "deletion", "job", "audit_entry", "retention_rule"];
    let count = async || {
        let mut rows = Vec::new();
        for table in tables {
            rows.push(app.rows(table).await);
        }
        rows
    };
    let before = count().await;
    let place = json!({"entity": "ada", "project": "demo", "rule": deletion()});
    let found = simulate(&app.ada, place.clone()).await;
    assert_eq!(count().await, before);
    assert_eq!((&found["action"], &found["takenCount"]), (&json!("DELETE"), &json!(1)));
    assert!(found["takenBytes"].as_i64().unwrap() >= 7, "{found}");
    assert_eq!(found["items"][0]["dueAt"], at.before(DAY * 2).to_rfc3339());
    assert_eq!(
        found["days"],
        json!([{"beginsAt": at.before(DAY * 2).to_rfc3339(), "count": 1,
        "bytes": found["takenBytes"]}]),
        "tests begin at midnight"
    );
    let mut early = place;
    early["at"] = at.before(DAY * 2 + HOUR).to_rfc3339().into();
    assert_eq!(simulate(&app.ada, early).await["takenCount"], 0);
});

backend_test!(versions_of_an_age_go_but_for_those_that_a_rule_keeps, |app| {
    let root = app.ruler("root").await;
    app.ada.mutate("upsertModel", json!({"name": "demo"}), "inserted").await;
    let mut versions = Vec::new();
    for content in ["0", "1", "2", "3", "4", "5"] {
        let (version, _) = TestArtifact::log(&app.ada, "demo", "data", &[("x", content)]).await;
        versions.push(version.id);
    }
    let (other, _) = TestArtifact::log(&app.ada, "demo", "other", &[("x", "0")]).await;
    let place = |version: &String| json!({"artifactID": version, "entityName": "ada", "projectName": "demo"});
    let alias = json!([{"artifactCollectionName": "data", "alias": "best", "entityName": "ada",
        "projectName": "demo"}]);
    let input = json!({"artifactID": versions[1], "aliases": alias});
    app.ada.mutate("addAliases", input, "success").await;
    let mut link = place(&versions[2]);
    link["artifactPortfolioName"] = "shown".into();
    app.ada.mutate("linkArtifact", link, "versionIndex").await;
    root.mutate("holdArtifact", json!({"id": versions[3], "reason": "evidence"}), "hold { id }").await;
    app.advance(DAY);
    let keep = json!({"last": 1, "aliased": true, "linked": true});
    let rule = json!({"target": "ARTIFACT_VERSIONS", "action": "DELETE", "ageSeconds": DAY.as_secs(),
        "artifactTypeName": "dataset", "artifactCollectionName": "data", "keep": keep});
    let found = simulate(&app.ada, json!({"entity": "ada", "project": "demo", "rule": rule})).await;
    let seen: Vec<_> =
        found["items"].as_array().unwrap().iter().map(|item| json!([item["path"], item["kept"]])).collect();
    let path = |version: usize| format!("ada/demo/data:v{version}");
    let expected = [
        json!([path(0), null]),
        json!([path(1), "ALIASED"]),
        json!([path(2), "LINKED"]),
        json!([path(3), "HELD"]),
        json!([path(4), null]),
        json!([path(5), "ALIASED"]),
    ];
    assert_eq!(seen, expected, "the last one is the latest as well");
    create(app, rule).await;
    app.run_jobs().await;
    for (version, stays) in [(0, false), (1, true), (2, true), (3, true), (4, false), (5, true)] {
        let name = format!("data:v{version}");
        assert_eq!(lookup(&app.ada, "demo", &name).await.is_some(), stays, "{name}");
    }
    assert_eq!(lookup(&app.ada, "demo", "other:v0").await.unwrap().0, other.id);
});

backend_test!(nothing_is_taken_while_the_collector_is_paused_nor_by_a_rule_that_is_off_or_gone, |app| {
    let root = app.administrator("root").await;
    ended(app, "r", json!({})).await;
    let rule = create(app, deletion()).await;
    app.ada.mutate("updateRetentionRule", json!({"id": rule, "enabled": false}), "rule { id }").await;
    app.wait(DAY).await;
    assert_eq!(left(app).await, ["r"]);
    app.ada.mutate("updateRetentionRule", json!({"id": rule, "enabled": true}), "rule { id }").await;
    root.mutate("pauseCollector", json!({"reason": "an inquiry"}), "collector { lagSeconds }").await;
    app.wait(HOUR).await;
    assert_eq!(left(app).await, ["r"]);
    app.ada.mutate("deleteRetentionRule", json!({"id": rule}), "success").await;
    root.mutate("resumeCollector", json!({}), "collector { lagSeconds }").await;
    app.wait(HOUR).await;
    assert_eq!(left(app).await, ["r"]);
    create(app, deletion()).await;
    app.wait(HOUR).await;
    assert_eq!(left(app).await, Vec::<String>::new());
});

backend_test!(a_process_that_dies_anywhere_leaves_runs_for_the_next_and_takes_none_twice, |app| {
    const RUNS: i64 = 450;
    ended(app, "first", json!({})).await;
    app.execute(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < {RUNS}) \
         INSERT INTO run (project_id, user_id, name, display_name, state, lifecycle, created_at, updated_at, \
         heartbeat_at, stop_requested, tags) SELECT r.project_id, r.user_id, 'run-' || i, 'pretty', 'finished', \
         'live', r.created_at, r.updated_at, r.heartbeat_at, FALSE, '[]' FROM n CROSS JOIN run r"
    ))
    .await;
    create(app, deletion()).await;
    app.advance(DAY);
    let mut deaths = 0;
    while Box::pin(die_after(deaths, apply_all(app))).await.is_none() {
        deaths += 1;
    }
    assert!(deaths > 3, "it died {deaths} times");
    assert_eq!(left(app).await, Vec::<String>::new());
    let twice = "SELECT COUNT(*) FROM (SELECT subject_id FROM deletion_item GROUP BY subject_id \
                 HAVING COUNT(*) > 1) AS twice";
    assert_eq!((app.rows("deletion_item").await, app.number(twice).await), (RUNS, 0));
    assert_eq!(app.number("SELECT MAX(run_count) FROM deletion").await, 200);
    assert_eq!(app.number("SELECT COUNT(*) FROM deletion WHERE run_count = 0").await, 0);
});

backend_test!(rules_of_the_entity_and_the_instance_hold_in_their_projects, |app| {
    let root = app.ruler("root").await;
    for (client, project) in [(&app.ada, "demo"), (&app.ada, "other"), (&app.grace, "hers")] {
        client.run(project, "r").await.complete(0).await;
    }
    let of_entity = json!({"entityName": "ada", "name": "of ada", "rule": deletion()});
    app.ada.mutate("createRetentionRule", of_entity, "rule { id }").await;
    let rules = async |client: &Client, variables: &str| {
        let found = client.graphql(&format!("{{ retentionRules{variables} {{ name scope }} }}"), ()).await;
        found["retentionRules"].clone()
    };
    let seen = rules(&app.ada, "(entityName: \"ada\", projectName: \"demo\")").await;
    assert_eq!(seen, json!([{"name": "of ada", "scope": "ENTITY"}]));
    assert_eq!(rules(&app.ada, "").await, json!([]));
    app.wait(DAY).await;
    assert_eq!(app.rows("deletion").await, 2);
    assert_eq!(app.grace.run_names("hers", json!({})).await, ["r"]);
    let everywhere = json!({"name": "everywhere", "rule": deletion()});
    assert_eq!(app.ada.refused("createRetentionRule", everywhere.clone()).await.code, "FORBIDDEN");
    let simulated = simulate(&root, json!({"rule": deletion()})).await;
    assert_eq!(simulated["items"][0]["path"], "grace/hers/r");
    root.mutate("createRetentionRule", everywhere, "rule { id }").await;
    let seen = "{ project(name: \"hers\") { retention { rules { name scope user { username } } } } }";
    let seen = app.grace.graphql(seen, ()).await;
    assert_eq!(seen["project"]["retention"]["rules"][0]["name"], "everywhere");
    app.wait(HOUR).await;
    assert_eq!(app.grace.run_names("hers", json!({})).await, Vec::<String>::new());
});

backend_test!(a_rule_that_makes_no_sense_is_refused, |app| {
    app.ada.run("demo", "r").await;
    let with = |field: &str, value: Value| {
        let mut rule = deletion();
        rule[field] = value;
        rule
    };
    let archiving =
        json!({"target": "RUNS", "action": "ARCHIVE", "ageSeconds": 1, "filters": "{\"archived\": true}"});
    let versions = json!({"target": "ARTIFACT_VERSIONS", "action": "ARCHIVE", "ageSeconds": 1});
    for (rule, code) in [
        (with("ageSeconds", json!(-1)), "RETENTION_RULE_INVALID"),
        (with("ageSeconds", json!(i64::MAX)), "RETENTION_RULE_INVALID"),
        (with("filters", json!("{\"$x\": 1}")), "FILTER_INVALID"),
        (
            with("filters", json!(format!("{{\"name\": \"{}\"}}", "x".repeat(20_000)))),
            "RETENTION_RULE_INVALID",
        ),
        (with("since", json!("COMMITTED")), "RETENTION_RULE_INVALID"),
        (with("artifactTypeName", json!("model")), "RETENTION_RULE_INVALID"),
        (keeping(json!({"last": 0})), "RETENTION_RULE_INVALID"),
        (keeping(json!({"last": 1001})), "RETENTION_RULE_INVALID"),
        (keeping(json!({"aliased": true})), "RETENTION_RULE_INVALID"),
        (keeping(json!({"tags": []})), "RETENTION_RULE_INVALID"),
        (keeping(json!({"best": {"metric": "", "goal": "MIN", "count": 1}})), "RETENTION_RULE_INVALID"),
        (archiving, "RETENTION_RULE_INVALID"),
        (versions, "RETENTION_RULE_INVALID"),
    ] {
        let refused = app.ada.refused("createRetentionRule", in_demo(&rule)).await;
        assert_eq!(refused.code, code, "{rule}: {}", refused.message);
    }
    let mut unnamed = in_demo(&deletion());
    unnamed["name"] = " ".into();
    assert_eq!(app.ada.refused("createRetentionRule", unnamed).await.code, "RETENTION_RULE_INVALID");
    let rule = create(app, deletion()).await;
    let other =
        json!({"id": rule, "rule": {"target": "ARTIFACT_VERSIONS", "action": "DELETE", "ageSeconds": 1}});
    assert_eq!(app.ada.refused("updateRetentionRule", other).await.code, "RETENTION_RULE_INVALID");
    for _ in 1..20 {
        create(app, deletion()).await;
    }
    assert_eq!(app.ada.refused("createRetentionRule", in_demo(&deletion())).await.code, "TOO_MANY");
});

backend_test!(a_purged_project_takes_its_rules_and_periods_along, |app| {
    let run = app.ada.run("demo", "r").await;
    create(app, deletion()).await;
    let periods = json!({"entityName": "ada", "projectName": "demo", "archiveSeconds": -2});
    app.ada.mutate("setRetentionPeriods", periods, "clientMutationId").await;
    let project = run.field("project { id }").await["id"].take();
    app.ada.mutate("deleteModel", json!({"id": project}), "success").await;
    app.wait(TRASH).await;
    assert_eq!((app.rows("retention_rule").await, app.rows("retention_period").await), (0, 0));
});
