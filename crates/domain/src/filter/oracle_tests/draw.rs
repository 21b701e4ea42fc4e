//! Random runs and filters.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

use crate::test_support::START;

const KEYS: &[&str] = &["a", "b", "a.b", "value", "loss/val", "é"];
const PATHS: &[&str] = &[
    "config.a",
    "config.a.value",
    "config.a.b",
    "config.a.value.b",
    "config.a.b.value",
    "config.a.0",
    "config.a.1.value",
    "config.loss/val",
    "config.b",
    "config.value",
    "config.é",
    "summary_metrics.a",
    "summaryMetrics.a.b",
    "summary_metrics.loss/val",
    "summary_metrics.b.value",
    "summaryMetrics.é",
    "system_metrics.a",
    "systemMetrics.a.b",
    "keys_info.keys.a",
    "keys_info.keys.a.b",
    "tags",
    "state",
    "name",
    "display_name",
    "group",
    "jobType",
    "sweep",
    "host",
    "commit",
    "notes",
    "description",
    "username",
    "user.username",
    "entity",
    "project",
    "duration",
    "colour",
];
const MOMENTS: &[&str] = &["created_at", "createdAt", "heartbeatAt", "updated_at"];
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
    let optional = proptest::collection::vec(optional_text(), 7);
    let times = (0..5_i64, 0..5_i64, 0..5_i64, proptest::option::of(0..5_i64));
    let documents = (document(), document(), document());
    let lists = (subsequence(&TEXTS[1..], 0..4), subsequence(KEYS, 0..3));
    (texts, optional, times, documents, lists).prop_map(|(texts, optional, times, documents, lists)| {
        let day = |days: i64| START.0 + days * 86_400_000_000;
        let (created, finished) = (day(times.0), times.3.map(|after| day(times.0 + after)));
        let heartbeat = day(times.0 + times.2);
        json!({
            "display_name": texts.0, "state": texts.1, "username": "ada", "entity": "ada", "project": "demo",
            "group": optional[0], "job_type": optional[1], "sweep": optional[2], "notes": optional[3],
            "host": optional[4], "commit": optional[5], "description": optional[6],
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
        3 => (select(&["$in", "$nin", "$all"][..]), list).prop_map(|(operator, list)| json!({ operator: list })),
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

pub(super) fn filter() -> impl Strategy<Value = Value> {
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

pub(super) fn draw(runner: &mut TestRunner, count: usize) -> Vec<Value> {
    (0..count).map(|_| run().new_tree(runner).unwrap().current()).collect()
}
