//! In which order runs are listed.

use std::cmp::Ordering;

use proptest::test_runner::TestRunner;
use serde_json::Value;

use super::draw::draw;
use super::{insert, listed, ways};
use crate::filter::ast::Scalar;
use crate::filter::eval::scalars;
use crate::filter::{Field, RunFilter, RunOrder, index};
use crate::test_support::{TestDb, backend_test};

const RUNS: usize = 60;

pub(super) const ORDERS: &[&str] = &[
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
    "-config.a,-created_at",
    "+config.b,-config.a.value,+name",
    "-group",
    "+jobType,-config.a,-notes",
    "host,+sweep",
    "entity,-project,+config.a.b",
    "-systemMetrics.a,+state",
];

/// What a run is sorted by: for each column a value, or none.
fn sort_key(order: &RunOrder, document: &Value) -> Vec<(Option<Scalar>, bool)> {
    let mut key = Vec::new();
    for term in order.terms() {
        let mut add = |value| key.push((value, term.descending));
        match &term.field {
            Field::Column(_) => add(scalars(&term.field, document).pop().map(cut)),
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

/// Long strings are sorted by how they begin.
fn cut(value: Scalar) -> Scalar {
    match value {
        Scalar::Text(text) => Scalar::Text(index::cut(&text)),
        value => value,
    }
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
        let mut expected: Vec<_> = documents.iter().collect();
        let last_descends = order.terms().last().unwrap().descending;
        if last_descends {
            expected.reverse();
        }
        expected.sort_by(|a, b| compare(&sort_key(&order, a), &sort_key(&order, b)));
        // A condition that all runs meet, so that they can be gathered.
        let filter = RunFilter::parse(r#"{"created_at": {"$gt": "2025-01-01"}}"#).unwrap();
        let expected: Vec<_> = expected.iter().map(|document| document["name"].as_str().unwrap()).collect();
        let ways = ways(&test, &filter);
        assert_eq!(ways.len(), 3);
        for way in ways {
            assert_eq!(listed(&test, &way, &filter, &order).await, expected, "{text} by {way:?}");
        }
    }
});
