//! Random runs and filters: both databases must agree with `eval`, and pages with the whole list.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use sea_orm::{ActiveModelTrait as _, ColumnTrait as _, EntityTrait as _, QueryFilter as _, Set};
use serde_json::{Map, Value, json};

use super::ast::Scalar;
use super::eval::{eval, scalars};
use super::index::{self, IndexedValue};
use super::{Field, RunFilter, RunOrder};
use crate::clock::Timestamp;
use crate::entity::{run, run_value};
use crate::error::Error;
use crate::id::{EntityId, ProjectId, RunId, UserId};
use crate::project::Project;
use crate::run::{self as runs, Lifecycle, RunState, Tags, ValueScope};
use crate::test_support::{START, TestDb, backend_test};

const RUNS: usize = 60;
const FILTERS: usize = 400;

const KEYS: &[&str] = &["a", "b", "a.b", "value", "loss/val", "é"];
const PATHS: &[&str] = &[
    "config.a",
    "config.a.value",
    "config.a.b",
    "config.a.value.b",
    "config.a.b.value",
    "config.a.0",
    "config.b",
    "config.value",
    "config.é",
    "summary_metrics.a",
    "summaryMetrics.a.b",
    "summary_metrics.loss/val",
    "summary_metrics.b.value",
    "system_metrics.a",
    "keys_info.keys.a",
    "keys_info.keys.a.b",
    "tags",
    "state",
    "name",
    "display_name",
    "group",
    "jobType",
    "sweep",
    "notes",
    "username",
    "user.username",
    "entity",
    "project",
    "duration",
    "colour",
];
const MOMENTS: &[&str] = &["created_at", "heartbeatAt", "updated_at"];
const TEXTS: &[&str] = &[
    "",
    "a",
    "A",
    "B",
    "b",
    "ab",
    "aé",
    "É",
    "Z",
    "a\nb",
    "a.b",
    "run-3",
    "ada",
    "demo",
    "running",
    "[x]",
    "\u{1F600}",
];
const PATTERNS: &[&str] = &[
    "",
    "^a",
    "b$",
    ".",
    "^.$",
    "a.b",
    r"a\.b",
    r"\bab\b",
    r"\Ba",
    "(?i)A",
    "[^a]",
    r"\d+$",
    "é",
    "a|B",
    "^$",
    r"\w\W\w",
    r"\s",
    "(a|b){2}",
    "x*",
    r"\n",
    r"[\]a-]",
    "(?m)^b$",
    "(?s)a.b",
    r"\p{Lu}",
    "(?:)",
    "^(|a)$",
    "[[:alpha:]]b",
    r"\[x\]",
    "(?P<n>a)b",
    "[a&&b]",
    r"\x{1F600}",
    "a{0}b{1,}",
    "(?:^)*a",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        9 => select(TEXTS).prop_map(str::to_owned),
        // Either side of where the index cuts.
        1 => (255..259_usize, select(&["", "x", "y"][..])).prop_map(|(length, end)| "é".repeat(length) + end),
    ]
}

fn number() -> impl Strategy<Value = Value> {
    select(&[-1.5, 0.0, 0.1, 1.0, 2.0, 1e300, -1e300][..]).prop_map(Value::from)
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        1 => Just(Value::Null),
        2 => any::<bool>().prop_map(Value::from),
        1 => (-1..4_i64).prop_map(Value::from),
        3 => number(),
        4 => text().prop_map(Value::from),
    ]
}

fn object(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    proptest::collection::vec((select(KEYS), value), 0..5).prop_map(|entries| {
        entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>().into()
    })
}

fn document() -> impl Strategy<Value = Value> {
    let value = scalar().prop_recursive(3, 12, 4, |inner| {
        prop_oneof![object(inner.clone()), proptest::collection::vec(inner, 0..3).prop_map(Value::from)]
    });
    object(value)
}

fn optional_text() -> impl Strategy<Value = Value> {
    proptest::option::of(text()).prop_map(Value::from)
}

fn run() -> impl Strategy<Value = Value> {
    let texts = (text(), select(&["running", "finished", "crashed"][..]));
    let optional = (optional_text(), optional_text(), optional_text(), optional_text());
    let times = (0..5_i64, 0..5_i64, 0..5_i64, proptest::option::of(0..5_i64));
    let documents = (document(), document(), document());
    let lists = (subsequence(&TEXTS[1..], 0..4), subsequence(KEYS, 0..3));
    (texts, optional, times, documents, lists).prop_map(|(texts, optional, times, documents, lists)| {
        let day = |days: i64| START.0 + days * 86_400_000_000;
        let (created, finished) = (day(times.0), times.3.map(|after| day(times.0 + after)));
        let heartbeat = day(times.0 + times.2);
        json!({
            "display_name": texts.0, "state": texts.1, "username": "ada", "entity": "ada", "project": "demo",
            "group": optional.0, "job_type": optional.1, "sweep": optional.2, "notes": optional.3,
            "created_at": created, "updated_at": day(times.0 + times.1), "heartbeat_at": heartbeat,
            "finished_at": finished, "duration": finished.unwrap_or(heartbeat) - created,
            "config": documents.0, "summary_metrics": documents.1, "system_metrics": documents.2,
            "tags": lists.0, "keys": lists.1,
        })
    })
}

/// What may stand at a path, given the operands that fit it.
fn condition(operand: BoxedStrategy<Value>) -> impl Strategy<Value = Value> {
    let list = proptest::collection::vec(operand.clone(), 0..4);
    let test = prop_oneof![
        6 => (select(&["$eq", "$ne", "$lt", "$lte", "$gt", "$gte"][..]), operand.clone())
            .prop_map(|(operator, operand)| json!({ operator: operand })),
        2 => (select(&["$in", "$nin"][..]), list).prop_map(|(operator, list)| json!({ operator: list })),
        1 => any::<bool>().prop_map(|exists| json!({ "$exists": exists })),
        2 => select(PATTERNS).prop_map(|pattern| json!({ "$regex": pattern })),
        1 => select(TEXTS).prop_map(|text| json!({ "$contains": text })),
    ];
    prop_oneof![
        2 => operand,
        6 => test.clone(),
        1 => test.clone().prop_map(|test| json!({ "$not": test })),
        1 => (test.clone(), test).prop_map(|(mut one, two)| {
            one.as_object_mut().unwrap().extend(two.as_object().unwrap().clone());
            one
        }),
    ]
}

fn filter() -> impl Strategy<Value = Value> {
    let moment = prop_oneof![
        Just(Value::Null),
        number(),
        select(&["2026-01-01", "2026-01-03T00:00:00Z", "2026-01-02T12:00:00.5", "2025-01-01"][..])
            .prop_map(Value::from),
    ];
    let seconds = select(&[0, 86_400, 100_000, 259_200][..]).prop_map(Value::from);
    let at = |path: &'static [&'static str], operand: BoxedStrategy<Value>| {
        (select(path), condition(operand)).prop_map(|(path, condition)| json!({ path: condition }))
    };
    let leaf = prop_oneof![
        8 => at(PATHS, scalar().boxed()),
        1 => at(MOMENTS, moment.boxed()),
        1 => at(&["duration"], seconds.boxed()),
    ];
    leaf.prop_recursive(3, 10, 3, |inner| {
        let list = proptest::collection::vec(inner.clone(), 0..3);
        prop_oneof![
            (select(&["$and", "$or", "$nor"][..]), list)
                .prop_map(|(operator, list)| json!({ operator: list })),
            inner.prop_map(|inner| json!({ "$not": inner })),
        ]
    })
}

fn draw(runner: &mut TestRunner, count: usize) -> Vec<Value> {
    (0..count).map(|_| run().new_tree(runner).unwrap().current()).collect()
}

fn project() -> Project {
    Project {
        id: ProjectId(1),
        entity_id: EntityId(1),
        entity_name: "ada".to_owned(),
        name: "demo".to_owned(),
        description: None,
        repo: None,
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
    }
}

/// Stores a run as the verbs would, under the name `run-<id>`.
async fn insert(test: &TestDb, id: usize, document: &mut Value) {
    document["name"] = format!("run-{id}").into();
    let string = |name: &str| document[name].as_str().map(str::to_owned);
    let time = |name: &str| Timestamp(document[name].as_i64().unwrap());
    let names = |name: &str| -> Vec<String> { serde_json::from_value(document[name].clone()).unwrap() };
    let id = RunId(i64::try_from(id).unwrap());
    let tx = test.db.begin_write().await.unwrap();
    let row = run::ActiveModel {
        id: Set(id),
        project_id: Set(ProjectId(1)),
        user_id: Set(UserId(1)),
        name: Set(string("name").unwrap()),
        display_name: Set(string("display_name").unwrap()),
        state: Set(string("state").unwrap().parse::<RunState>().unwrap()),
        lifecycle: Set(Lifecycle::Live),
        created_at: Set(time("created_at")),
        updated_at: Set(time("updated_at")),
        heartbeat_at: Set(time("heartbeat_at")),
        finished_at: Set(document["finished_at"].as_i64().map(Timestamp)),
        stop_requested: Set(false),
        group_name: Set(string("group")),
        job_type: Set(string("job_type")),
        sweep_name: Set(string("sweep")),
        notes: Set(string("notes")),
        tags: Set(Tags::default()),
        ..Default::default()
    };
    row.insert(crate::Source::connection(&tx)).await.unwrap();
    let present = |path: String| IndexedValue { path, num: None, text: None, bool: None };
    let scopes = [
        (ValueScope::Config, index::config_values(&document["config"])),
        (ValueScope::Summary, index::summary_values(&document["summary_metrics"])),
        (ValueScope::System, index::summary_values(&document["system_metrics"])),
        (ValueScope::Tag, names("tags").into_iter().map(present).collect()),
        (ValueScope::Key, names("keys").into_iter().map(present).collect()),
    ];
    let rows = scopes.into_iter().flat_map(|(scope, values)| {
        values.into_iter().map(move |value| run_value::ActiveModel {
            run_id: Set(id),
            project_id: Set(ProjectId(1)),
            scope: Set(scope),
            path: Set(value.path),
            num: Set(value.num),
            text: Set(value.text),
            bool: Set(value.bool),
        })
    });
    run_value::Entity::insert_many(rows)
        .exec_without_returning(crate::Source::connection(&tx))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

async fn delete(test: &TestDb, id: i64) {
    let tx = test.db.begin_write().await.unwrap();
    run::Entity::update_many()
        .col_expr(run::Column::Lifecycle, sea_orm::ActiveEnum::to_value(&Lifecycle::Deleted).into())
        .filter(run::Column::Id.eq(id))
        .exec(crate::Source::connection(&tx))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

async fn listed(test: &TestDb, filter: &RunFilter, order: &RunOrder) -> Vec<String> {
    let page = runs::list(&test.db, &project(), filter, order, 1000, None).await.unwrap();
    page.items.into_iter().map(|(run, _)| run.name).collect()
}

/// Where the database and the oracle differ on a filter.
async fn disagreement(test: &TestDb, documents: &[Value], source: &str) -> Option<String> {
    let filter = RunFilter::parse(source).unwrap();
    let found: BTreeSet<String> =
        listed(test, &filter, &RunOrder::parse("").unwrap()).await.into_iter().collect();
    let count = runs::count(&test.db, &project(), &filter).await.unwrap();
    assert_eq!(count, found.len() as u64, "{source}");
    documents.iter().find_map(|document| {
        let (expected, name) = (eval(filter.tree(), document), document["name"].as_str().unwrap());
        (found.contains(name) != expected).then(|| format!("{source} is {expected} of {document:#}"))
    })
}

backend_test!(a_filter_finds_what_it_means, |test| {
    let mut runner = TestRunner::deterministic();
    let mut documents = draw(&mut runner, RUNS);
    for (id, document) in documents.iter_mut().enumerate() {
        insert(&test, id + 1, document).await;
    }
    for _ in 0..FILTERS {
        let mut tree = filter().new_tree(&mut runner).unwrap();
        let mut found = disagreement(&test, &documents, &tree.current().to_string()).await;
        let Some(mut worst) = found.take() else { continue };
        while tree.simplify() {
            if let Some(simpler) = disagreement(&test, &documents, &tree.current().to_string()).await {
                worst = simpler;
            } else if !tree.complicate() {
                break;
            }
        }
        panic!("{worst}");
    }
});

const ORDERS: &[&str] = &[
    "+created_at",
    "-created_at",
    "-heartbeat_at,+name",
    "+display_name",
    "-state,-created_at",
    "-duration",
    "+group,-notes",
    "username,-name",
    "+config.a.value",
    "-config.a",
    "-config.a.b.value,+summary_metrics.a",
    "+summary_metrics.loss/val,-config.b",
    "-summary_metrics.b,+group",
    "tags,-colour",
];

/// What a run is sorted by: for each column a value, or none.
fn sort_key(order: &RunOrder, document: &Value) -> Vec<(Option<Scalar>, bool)> {
    let mut key = Vec::new();
    for term in order.terms() {
        let mut add = |value| key.push((value, term.descending));
        match &term.field {
            Field::Column(_) => add(scalars(&term.field, document).pop()),
            Field::Value { scope, paths } => {
                for path in paths {
                    let value =
                        scalars(&Field::Value { scope: *scope, paths: vec![path.clone()] }, document).pop();
                    add(value.clone().filter(|value| matches!(value, Scalar::Number(_))));
                    add(value.clone().filter(|value| matches!(value, Scalar::Text(_))));
                    add(value.filter(|value| matches!(value, Scalar::Bool(_))));
                }
            }
            _ => {}
        }
    }
    key
}

fn compare(a: &[(Option<Scalar>, bool)], b: &[(Option<Scalar>, bool)]) -> Ordering {
    let mut order = Ordering::Equal;
    for ((a, descending), (b, _)) in a.iter().zip(b) {
        let between = match (a, b) {
            (None, None) => continue,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(a), Some(b)) => {
                let between = match (a, b) {
                    (Scalar::Number(a), Scalar::Number(b)) => a.partial_cmp(b).unwrap(),
                    (Scalar::Text(a), Scalar::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
                    (Scalar::Bool(a), Scalar::Bool(b)) => a.cmp(b),
                    (Scalar::Micros(a), Scalar::Micros(b)) => a.cmp(b),
                    _ => unreachable!("one column has one type"),
                };
                if *descending { between.reverse() } else { between }
            }
        };
        order = order.then(between);
    }
    order
}

backend_test!(an_order_sorts_by_value_with_missing_values_last, |test| {
    let mut runner = TestRunner::deterministic();
    let mut documents = draw(&mut runner, RUNS);
    for (id, document) in documents.iter_mut().enumerate() {
        insert(&test, id + 1, document).await;
    }
    for text in ORDERS {
        let order = RunOrder::parse(text).unwrap();
        let listed = listed(&test, &RunFilter::parse("").unwrap(), &order).await;
        let mut expected: Vec<_> = documents.iter().collect();
        let last_descends = order.terms().last().unwrap().descending;
        if last_descends {
            expected.reverse();
        }
        expected.sort_by(|a, b| compare(&sort_key(&order, a), &sort_key(&order, b)));
        let expected: Vec<_> = expected.iter().map(|document| document["name"].as_str().unwrap()).collect();
        assert_eq!(listed, expected, "{text}");
    }
});

backend_test!(pages_show_each_run_once_while_others_come_and_go, |test| {
    let mut runner = TestRunner::deterministic();
    let mut next_id = 1;
    for text in ORDERS {
        test.execute("UPDATE run SET lifecycle = 'deleted'").await;
        let mut present = BTreeSet::new();
        for mut document in draw(&mut runner, 20) {
            insert(&test, next_id, &mut document).await;
            present.insert(i64::try_from(next_id).unwrap());
            next_id += 1;
        }
        let (filter, order) = (RunFilter::parse("").unwrap(), RunOrder::parse(text).unwrap());
        let mut seen = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = runs::list(&test.db, &project(), &filter, &order, 3, after.as_deref()).await.unwrap();
            seen.extend(page.items.iter().map(|(run, _)| run.id.0));
            after = page.items.last().map(|(_, cursor)| cursor.clone()).or(after);
            if !page.has_next {
                break;
            }
            // The last run shown goes too: its cursor holds.
            let others: Vec<i64> = present.iter().copied().collect();
            let gone = others[any::<Index>().new_tree(&mut runner).unwrap().current().index(others.len())];
            for id in [gone, *seen.last().unwrap()] {
                delete(&test, id).await;
                present.remove(&id);
            }
            insert(&test, next_id, &mut draw(&mut runner, 1)[0]).await;
            next_id += 1;
        }
        let distinct: BTreeSet<i64> = seen.iter().copied().collect();
        assert_eq!(distinct.len(), seen.len(), "{text}: a run was shown twice");
        assert!(present.is_subset(&distinct), "{text}: a run was left out");
    }
});

backend_test!(a_cursor_goes_only_with_its_own_list, |test| {
    for (id, document) in draw(&mut TestRunner::deterministic(), 3).iter_mut().enumerate() {
        insert(&test, id + 1, document).await;
    }
    let page = async |filter: &str, order: &str, after: Option<&str>| {
        let (filter, order) = (RunFilter::parse(filter).unwrap(), RunOrder::parse(order).unwrap());
        runs::list(&test.db, &project(), &filter, &order, 1, after).await
    };
    let first = page("", "-config.a", None).await.unwrap();
    let cursor = first.items[0].1.as_str();
    let refused =
        |outcome: Result<_, Error>| outcome.map(|_: crate::db::Page<runs::Run>| ()).unwrap_err().code();
    assert!(first.has_next);
    assert!(page("{}", "-config.a", Some(cursor)).await.is_ok());
    assert_eq!(refused(page("{}", "+config.a", Some(cursor)).await), "CURSOR_FOREIGN");
    assert_eq!(refused(page(r#"{"state":"running"}"#, "-config.a", Some(cursor)).await), "CURSOR_FOREIGN");
    assert_eq!(refused(page("{}", "-config.a", Some("bm90IG9uZQ")).await), "CURSOR_INVALID");
});

backend_test!(archived_and_deleted_runs_are_not_among_the_live_ones, |test| {
    for (id, document) in draw(&mut TestRunner::deterministic(), 3).iter_mut().enumerate() {
        insert(&test, id + 1, document).await;
    }
    test.execute("UPDATE run SET lifecycle = 'archived' WHERE id = 2").await;
    test.execute("UPDATE run SET lifecycle = 'deleted' WHERE id = 3").await;
    let order = RunOrder::parse("").unwrap();
    assert_eq!(listed(&test, &RunFilter::parse("{}").unwrap(), &order).await, ["run-1"]);
    let archived = RunFilter::parse(r#"{"archived":true}"#).unwrap();
    assert_eq!(listed(&test, &archived, &order).await, ["run-2"]);
});
