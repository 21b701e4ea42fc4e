//! What is drawn, counted and suggested.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

fn search(method: Method, parameters: &Value) -> Result<Search> {
    Search::new(method, Space::parse(parameters.as_object().unwrap())?)
}

fn drawn(parameter: &Value, number: u64) -> Value {
    let search = search(Method::Random, &json!({ "x": parameter })).unwrap();
    search.parameters(42, number, None).unwrap()["x"]["value"].clone()
}

fn refused(method: Method, parameters: &Value) -> String {
    let error = search(method, parameters).unwrap_err();
    assert_eq!(error.code(), "SWEEP_CONFIG_INVALID");
    error.to_string()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn what_is_drawn_lies_in_its_distribution(low in -50_i64..50, width in 0_i64..100, number in 0_u64..10_000) {
        let high = low + width;
        let number_of = |parameter: Value| drawn(&parameter, number).as_f64().unwrap();
        let whole = drawn(&json!({"min": low, "max": high}), number).as_i64().unwrap();
        prop_assert!((low..=high).contains(&whole));
        let (min, max) = (f64::from(i32::try_from(low).unwrap()), f64::from(i32::try_from(high).unwrap()));
        let plain = number_of(json!({"distribution": "uniform", "min": min, "max": max}));
        prop_assert!(min <= plain && plain <= max);
        let multiple = number_of(json!({"distribution": "q_uniform", "min": min, "max": max, "q": 0.25}));
        prop_assert!((multiple * 4.0).fract() == 0.0 && min - 0.125 <= multiple && multiple <= max + 0.125);
        let (least, most) = (min / 10.0, max / 10.0);
        let log = number_of(json!({"distribution": "log_uniform", "min": least, "max": most})).ln();
        prop_assert!(least - 1e-9 <= log && log <= most + 1e-9);
        let inverse = number_of(json!({"distribution": "inv_log_uniform", "min": least, "max": most})).ln();
        prop_assert!(least - 1e-9 <= -inverse && -inverse <= most + 1e-9);
        for name in ["log_uniform_values", "inv_log_uniform_values"] {
            let value = number_of(json!({"distribution": name, "min": 0.001, "max": 10.0}));
            prop_assert!((0.000_999..=10.001).contains(&value));
        }
        let multiple = number_of(json!({"distribution": "q_log_uniform_values", "min": 16, "max": 256, "q": 16}));
        prop_assert!((multiple / 16.0).fract() == 0.0 && (16.0..=256.0).contains(&multiple));
        let share = number_of(json!({"distribution": "beta", "a": 2, "b": 0.5}));
        prop_assert!((0.0..=1.0).contains(&share));
        let positive = number_of(json!({"distribution": "log_normal", "mu": min / 10.0}));
        let plain = number_of(json!({"mu": min, "sigma": 2}));
        prop_assert!(positive > 0.0 && plain.is_finite());
        let multiple = drawn(&json!({"distribution": "q_normal", "sigma": 30, "q": 5}), number);
        prop_assert_eq!(multiple.as_i64().unwrap() % 5, 0);
        let listed = json!({"values": ["a", "b", null], "probabilities": [0.5, 0, 0.5]});
        prop_assert!([json!("a"), Value::Null].contains(&drawn(&listed, number)));
        prop_assert_eq!(drawn(&json!({"value": [1, {"a": 2}]}), number), json!([1, {"a": 2}]));
    }

    #[test]
    fn a_grid_has_every_combination_once(sizes in prop::collection::vec(1_usize..5, 1..5)) {
        let parameters: Map<String, Value> = sizes
            .iter()
            .enumerate()
            .map(|(at, size)| (format!("p{at}"), json!({"values": (0..*size).collect::<Vec<_>>()})))
            .collect();
        let search = search(Method::Grid, &Value::Object(parameters)).unwrap();
        let size = search.size().unwrap();
        prop_assert_eq!(size, sizes.iter().product::<usize>() as u64);
        let points: BTreeSet<String> =
            (0..size).map(|n| Value::Object(search.parameters(0, n, None).unwrap()).to_string()).collect();
        prop_assert_eq!(points.len() as u64, size);
        prop_assert_eq!(search.parameters(0, size, None), None);
    }
}

#[test]
fn a_grid_goes_through_names_in_order_and_nested_parameters_too() {
    let parameters = json!({
        "a": {"values": [1, 1, 2]},
        "b": {"parameters": {"c": {"min": 3, "max": 4}, "d": {"value": "x"}}},
        "e": {"distribution": "q_uniform", "min": 0.1, "max": 0.3, "q": 0.1},
    });
    let search = search(Method::Grid, &parameters).unwrap();
    assert_eq!(search.size(), Some(12));
    let point = |number| Value::Object(search.parameters(0, number, None).unwrap());
    let expected =
        |a, c, e| json!({"a": {"value": a}, "b": {"value": {"c": c, "d": "x"}}, "e": {"value": e}});
    assert_eq!(point(0), expected(1, 3, 0.1));
    assert_eq!(point(2), expected(1, 3, 0.3));
    assert_eq!(point(3), expected(1, 4, 0.1));
    assert_eq!(point(11), expected(2, 4, 0.3));
}

#[test]
fn what_is_no_distribution_is_refused_by_name() {
    for parameters in [
        json!({}),
        json!({"x": 3}),
        json!({"x": {}}),
        json!({"x": {"values": []}}),
        json!({"x": {"values": [1, 2], "probabilities": [1]}}),
        json!({"x": {"values": [1, 2], "probabilities": [2, -1]}}),
        json!({"x": {"min": 2, "max": 1}}),
        json!({"x": {"min": 0.5}}),
        json!({"x": {"distribution": "zipf"}}),
        json!({"x": {"distribution": "q_constant", "value": 1}}),
        json!({"x": {"distribution": "q_uniform", "min": 0, "max": 1, "q": 0}}),
        json!({"x": {"distribution": "log_uniform_values", "min": 0, "max": 1}}),
        json!({"x": {"distribution": "normal", "sigma": -1}}),
        json!({"x": {"parameters": 3}}),
    ] {
        assert!(refused(Method::Random, &parameters).starts_with("parameters"), "{parameters}");
    }
    assert!(refused(Method::Grid, &json!({"x": {"min": 0.0, "max": 1.0}})).starts_with("parameters.x"));
    let all = json!({"min": i64::MIN, "max": i64::MAX});
    assert!(refused(Method::Grid, &json!({"x": all, "y": all})).contains("combinations"));
    assert!(search(Method::Random, &json!({"x": all})).unwrap().parameters(1, 2, None).is_some());
}

#[test]
fn what_was_observed_leads_to_better_parameters() {
    let parameters = json!({
        "x": {"distribution": "uniform", "min": 0.0, "max": 1.0},
        "kind": {"values": ["good", "bad"]},
    });
    let search = search(Method::Bayes, &parameters).unwrap();
    let loss = |config: &Map<String, Value>| {
        let off = config["x"]["value"].as_f64().unwrap() - 0.7;
        off * off + if config["kind"]["value"] == "good" { 0.0 } else { 0.5 }
    };
    let mut observed: Vec<Observation> = Vec::new();
    for number in 0..25 {
        let config = search.parameters(3, number, Some(&observed)).unwrap();
        observed.push(Observation { loss: Some(loss(&config)), config });
    }
    let best = |seen: &[Observation]| seen.iter().filter_map(|seen| seen.loss).fold(f64::MAX, f64::min);
    assert!(best(&observed) < 1e-3, "{}", best(&observed));
    // One that is not over yet is not asked for twice.
    observed.push(Observation { loss: None, config: search.parameters(3, 25, Some(&observed)).unwrap() });
    let next = search.parameters(3, 26, Some(&observed)).unwrap();
    assert_ne!(next, observed[25].config);
}
