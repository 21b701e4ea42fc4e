//! What filters mean, and which are refused and where.

use serde_json::json;

use super::*;

fn tree(text: &str) -> Filter {
    RunFilter::parse(text).unwrap().tree
}

fn refused_at(text: &str) -> String {
    match RunFilter::parse(text).unwrap_err() {
        Error::Invalid { code: "FILTER_INVALID", field, .. } => field,
        other => panic!("{text}: {other:?}"),
    }
}

fn equal(path: &str, operand: Scalar) -> Filter {
    test(&Field::parse(path), Test::OneOf(vec![operand]))
}

#[test]
fn nothing_and_the_empty_object_mean_every_live_run() {
    for text in ["", "  ", "{}", "null", r#"{"$and":[]}"#] {
        let filter = RunFilter::parse(text).unwrap();
        assert_eq!(filter.tree, Filter::EVERYTHING, "{text}");
        assert_eq!(filter.lifecycle(), Lifecycle::Live);
    }
}

#[test]
fn several_keys_and_several_operators_must_all_hold() {
    let compare = |comparison, operand| {
        test(&Field::parse("config.lr"), Test::Compare(comparison, Scalar::Number(operand)))
    };
    let expected = Filter::All(vec![
        Filter::All(vec![compare(Comparison::Greater, 1.0), compare(Comparison::LessOrEqual, 2.0)]),
        equal("state", Scalar::Text("running".into())),
    ]);
    assert_eq!(tree(r#"{"config.lr":{"$gt":1,"$lte":2},"state":"running"}"#), expected);
}

#[test]
fn negations_wrap_what_they_negate() {
    let equal = equal("group", Scalar::Null);
    for text in [
        r#"{"group":{"$ne":null}}"#,
        r#"{"group":{"$nin":[null]}}"#,
        r#"{"group":{"$not":{"$eq":null}}}"#,
        r#"{"$not":{"group":null}}"#,
    ] {
        assert_eq!(tree(text), equal.clone().not(), "{text}");
    }
    assert_eq!(tree(r#"{"$nor":[{"group":null}]}"#), Filter::Any(vec![equal]).not());
}

#[test]
fn all_of_a_list_are_conditions_of_their_own() {
    let tag = |tag: &str| equal("tags", Scalar::Text(tag.into()));
    assert_eq!(tree(r#"{"tags":{"$all":["a","b"]}}"#), Filter::All(vec![tag("a"), tag("b")]));
    assert_eq!(tree(r#"{"tags":{"$all":["a"]}}"#), tag("a"));
    assert_eq!(tree(r#"{"tags":{"$all":[]}}"#), Filter::Any(vec![]));
}

#[test]
fn a_switched_off_condition_of_the_filter_builder_holds() {
    assert_eq!(tree(r#"{"$or":[null]}"#), Filter::Any(vec![Filter::EVERYTHING]));
}

#[test]
fn moments_are_read_as_dates_and_durations_as_seconds() {
    assert_eq!(
        tree(r#"{"createdAt":"2026-01-01"}"#),
        equal("created_at", Scalar::Micros(1_767_225_600_000_000))
    );
    assert_eq!(tree(r#"{"duration":1.5}"#), equal("duration", Scalar::Micros(1_500_000)));
    assert_eq!(refused_at(r#"{"created_at":{"$gt":"yesterday"}}"#), "/created_at/$gt");
}

#[test]
fn long_operands_are_cut_like_the_indexed_values() {
    let long = "x".repeat(300);
    assert_eq!(
        tree(&json!({ "config.a": long }).to_string()),
        equal("config.a", Scalar::Text("x".repeat(256)))
    );
    assert_eq!(tree(&json!({ "notes": long }).to_string()), equal("notes", Scalar::Text(long)));
}

#[test]
fn archived_chooses_the_lifecycle_and_leaves_the_condition() {
    for text in [
        r#"{"archived":true}"#,
        r#"{"archived":{"$eq":true}}"#,
        r#"{"$and":[{"archived":true}]}"#,
        r#"{"$and":[{"$and":[{"archived":true}]}]}"#,
    ] {
        assert_eq!(RunFilter::parse(text).unwrap().lifecycle(), Lifecycle::Archived, "{text}");
    }
    assert_eq!(tree(r#"{"archived":true,"group":null}"#), equal("group", Scalar::Null));
    assert_eq!(RunFilter::parse(r#"{"archived":false}"#).unwrap().lifecycle(), Lifecycle::Live);
    assert_eq!(refused_at(r#"{"$or":[{"archived":true}]}"#), "/$or/0/archived");
    assert_eq!(refused_at(r#"{"archived":1}"#), "/archived");
    assert_eq!(refused_at(r#"{"$and":[{"archived":false},{"archived":true}]}"#), "/$and/1/archived");
}

#[test]
fn errors_point_into_the_filter() {
    for (text, at) in [
        ("[]", ""),
        ("{", ""),
        (r#"{"$where":"1"}"#, "/$where"),
        (r#"{"$and":{}}"#, "/$and"),
        (r#"{"$or":[1]}"#, "/$or/0"),
        (r#"{"name":{"$near":1}}"#, "/name/$near"),
        (r#"{"name":{}}"#, "/name"),
        (r#"{"name":{"first":1}}"#, "/name/first"),
        (r#"{"name":["a"]}"#, "/name"),
        (r#"{"name":{"$in":"a"}}"#, "/name/$in"),
        (r#"{"name":{"$in":["a",{}]}}"#, "/name/$in/1"),
        (r#"{"name":{"$exists":1}}"#, "/name/$exists"),
        (r#"{"name":{"$not":1}}"#, "/name/$not"),
        (r#"{"a/b~c":{"$regex":"("}}"#, "/a~1b~0c/$regex"),
        (r#"{"name":{"$regex":1}}"#, "/name/$regex"),
    ] {
        assert_eq!(refused_at(text), at, "{text}");
    }
}

#[test]
fn limits_are_reached_and_not_passed() {
    let nested = |levels: usize| r#"{"$and":["#.repeat(levels) + "{}" + &"]}".repeat(levels);
    assert!(RunFilter::parse(&nested(15)).is_ok());
    assert!(refused_at(&nested(16)).ends_with("/$and/0"));

    let conditions = |count: usize| json!({ "$or": vec![json!({"name": "a"}); count] }).to_string();
    assert!(RunFilter::parse(&conditions(255)).is_ok());
    assert_eq!(refused_at(&conditions(256)), "/$or");

    let list = |length: usize| json!({ "name": {"$in": vec!["a"; length]} }).to_string();
    assert!(RunFilter::parse(&list(1000)).is_ok());
    assert_eq!(refused_at(&list(1001)), "/name/$in");

    let lists =
        |count: usize| json!({ "$or": vec![json!({"name": {"$in": vec!["a"; 1000]}}); count] }).to_string();
    assert!(RunFilter::parse(&lists(10)).is_ok());
    assert_eq!(refused_at(&lists(11)), "/$or/10/name/$in/0");
}
