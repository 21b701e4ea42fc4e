//! Groups of runs: what plain counting over the same runs says.

use std::cmp::Ordering;
use std::sync::Arc;

use counterweight_domain::clock::{ManualClock, SeededRandom};
use counterweight_domain::{Env, Timestamp};
use serde_json::{Map, Value, json};

use crate::support::{Client, backend_test};

const QUERY: &str = "query($by: [String!]!, $of: [String!], $filters: JSONString, $order: String, $first: Int, \
                     $after: String) { project(name: \"demo\") { runGroups(groupBy: $by, aggregations: $of, \
                     filters: $filters, order: $order, first: $first, after: $after) { edges { node { \
                     keys { field type value } runCount filters aggregates { field count min max sum mean } } } \
                     pageInfo { endCursor hasNextPage } } } }";

/// What is asked for, page by page.
#[derive(Clone)]
struct Question<'a> {
    by: &'a [&'a str],
    of: &'a [&'a str],
    filters: Value,
    order: &'a str,
}

impl Question<'_> {
    fn variables(&self, after: &Value) -> Value {
        json!({"by": self.by, "of": self.of, "filters": self.filters.to_string(), "order": self.order, "first": 7,
            "after": after})
    }

    async fn page(&self, client: &Client, after: &Value) -> (Vec<Value>, Value) {
        let page = client.graphql(QUERY, self.variables(after)).await["project"]["runGroups"].take();
        let groups = page["edges"].as_array().unwrap().iter().map(|edge| edge["node"].clone()).collect();
        let more = page["pageInfo"]["hasNextPage"].as_bool().unwrap();
        (groups, if more { page["pageInfo"]["endCursor"].clone() } else { Value::Null })
    }

    async fn ask(&self, client: &Client) -> Vec<Value> {
        let (mut groups, mut after) = self.page(client, &Value::Null).await;
        while !after.is_null() {
            let (more, next) = self.page(client, &after).await;
            groups.extend(more);
            after = next;
        }
        groups
    }
}

/// What a run has at a field: which kind of value, and the value.
#[derive(Clone, Debug, PartialEq)]
struct Key(&'static str, Value);

/// A group as the test counts it: its keys, and for each of its runs what is aggregated.
type Group = (Vec<Key>, Vec<Vec<Option<f64>>>);

impl Key {
    fn of(value: Option<&Value>) -> Self {
        match value {
            None | Some(Value::Null) => Self("MISSING", Value::Null),
            Some(Value::Object(_) | Value::Array(_)) => Self("OBJECT", Value::Null),
            Some(Value::Number(number)) => Self("NUMBER", number.as_f64().into()),
            Some(Value::String(text)) => Self("STRING", text.as_str().into()),
            Some(Value::Bool(bool)) => Self("BOOLEAN", (*bool).into()),
        }
    }

    fn number(&self) -> Option<f64> {
        (self.0 == "NUMBER").then(|| self.1.as_f64().unwrap())
    }

    /// Objects count as the lowest numbers; then come strings, truth values, and last what is missing.
    fn compare(&self, other: &Self, descending: bool) -> Ordering {
        let kind = |key: &Self| ["STRING", "BOOLEAN", "MISSING"].iter().position(|kind| *kind == key.0);
        let number = |key: &Self| key.number().unwrap_or(f64::NEG_INFINITY);
        let value = match (&self.1, &other.1) {
            (Value::String(a), Value::String(b)) => a.cmp(b),
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            _ => number(self).total_cmp(&number(other)),
        };
        kind(self).cmp(&kind(other)).then(if descending { value.reverse() } else { value })
    }
}

/// What a run has at a field; for its tags there may be several.
fn keys_of(run: &Value, field: &str) -> Vec<Key> {
    let of_document = |document: &Value, path: &str| {
        Key::of(path.split('.').try_fold(document, |value, key| value.get(key)))
    };
    match field.split_once('.') {
        Some(("config", path)) => vec![of_document(&run["config"], path)],
        Some((_, path)) => vec![of_document(&run["summary"], path)],
        None if field == "tags" && run["tags"] != json!([]) => {
            run["tags"].as_array().unwrap().iter().map(|tag| Key::of(Some(tag))).collect()
        }
        None => vec![Key::of(run.get(field).filter(|_| field != "tags"))],
    }
}

/// The groups by plain counting.
fn count<'a>(runs: impl Iterator<Item = &'a Value>, by: &[&str], of: &[&str]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for run in runs {
        let numbers: Vec<_> = of.iter().map(|field| keys_of(run, field)[0].number()).collect();
        let mut members = vec![Vec::new()];
        for field in by {
            let keys = keys_of(run, field);
            let with = |row: &Vec<Key>| {
                keys.iter().map(|key| [&row[..], std::slice::from_ref(key)].concat()).collect::<Vec<_>>()
            };
            members = members.iter().flat_map(with).collect();
        }
        for keys in members {
            match groups.iter_mut().find(|group| group.0 == keys) {
                Some((_, members)) => members.push(numbers.clone()),
                None => groups.push((keys, vec![numbers.clone()])),
            }
        }
    }
    groups
}

/// The same as the server tells it.
fn told(question: &Question<'_>, (keys, members): &Group) -> Value {
    let keys = question
        .by
        .iter()
        .zip(keys)
        .map(|(field, Key(kind, value))| json!({"field": field, "type": kind, "value": value}));
    let aggregates = question.of.iter().enumerate().map(|(position, field)| {
        let numbers: Vec<f64> = members.iter().filter_map(|member| member[position]).collect();
        let count = u32::try_from(numbers.len()).unwrap();
        let sum = (count > 0).then(|| numbers.iter().sum::<f64>());
        let [min, max] = [f64::min, f64::max].map(|choose| numbers.iter().copied().reduce(choose));
        json!({"field": field, "count": count, "min": min, "max": max, "sum": sum,
            "mean": sum.map(|sum| sum / f64::from(count))})
    });
    let told = json!({"keys": keys.collect::<Vec<_>>(), "runCount": members.len(),
        "aggregates": aggregates.collect::<Vec<_>>()});
    // Numbers lose their last digit where the test reads them; so these do too.
    serde_json::from_str(&told.to_string()).unwrap()
}

/// Numbers are sums of powers of two, so that they add up exactly in any order.
fn draw(random: &Env, name: usize) -> Value {
    let pick = |from: &Value| from[random.below(from.as_array().unwrap().len())].clone();
    let mut config = Map::new();
    for (key, values) in [
        ("lr", json!([0.25, 0.5, -1, "0.5", "x", "X", true, false, null])),
        ("net", json!([{"depth": 2}, {"depth": "2"}, {"depth": 4}, [1], 3])),
        ("opt", json!(["adam", "sgd", "é", "e".repeat(300)])),
    ] {
        if random.below(5) > 0 {
            config.insert(key.to_owned(), pick(&values));
        }
    }
    let tags: Vec<_> = ["a", "b", "c"].into_iter().filter(|_| random.below(3) == 0).collect();
    json!({"name": format!("r{name}"), "config": config, "tags": tags, "username": "ada",
        "summary": pick(&json!([{"loss": 0.125}, {"loss": 7}, {"loss": -2.5}, {"loss": "NaN"}, {"acc": 1}])),
        "group": pick(&json!([null, "one", "two", ""])), "state": pick(&json!(["running", "finished"]))})
}

async fn store(client: &Client, run: &Value) {
    let config = run["config"].as_object().unwrap().iter();
    let config: Map<_, _> = config.map(|(key, value)| (key.clone(), json!({ "value": value }))).collect();
    let input = json!({"config": Value::Object(config).to_string(), "summaryMetrics": run["summary"].to_string(),
        "tags": run["tags"], "groupName": run["group"], "state": run["state"]});
    client.run_with("demo", run["name"].as_str().unwrap(), input).await;
}

async fn draw_and_store(client: &Client) -> Vec<Value> {
    let random = Env::new(Arc::new(ManualClock::new(Timestamp(0))), Arc::new(SeededRandom::new(7)));
    let mut runs: Vec<_> = (0..45).map(|name| draw(&random, name)).collect();
    for run in &mut runs {
        store(client, run).await;
        if let Some(long) = run["config"]["opt"].as_str().filter(|opt| opt.len() > 256) {
            run["config"]["opt"] = long[..256].into();
        }
    }
    runs
}

/// What to group by, and whether the order turns it round.
const GROUPINGS: &[(&[&str], &str)] = &[
    (&[], ""),
    (&["config.lr"], ""),
    (&["config.lr"], "-config.lr"),
    (&["config.opt", "config.lr"], "+config.opt,-config.lr"),
    (&["config.net"], "-config.net"),
    (&["config.net.depth", "state"], ""),
    (&["group", "tags"], "+group,+tags"),
    (&["tags", "summary_metrics.loss"], "-tags,-summary_metrics.loss"),
    (&["username", "group"], "-username,-group"),
    (&["colour", "config.opt"], "-config.opt"),
];

backend_test!(groups_are_what_plain_counting_says, |app| {
    let runs = draw_and_store(&app.ada).await;
    for (by, order) in GROUPINGS {
        for (filters, state) in [(json!({}), None), (json!({"state": "finished"}), Some("finished"))] {
            let of = &["summary_metrics.loss", "config.lr", "config.nothing"][..];
            let question = Question { by, of, filters, order };
            let kept = runs.iter().filter(|run| state.is_none_or(|state| run["state"] == state));
            let mut expected = count(kept, by, of);
            let descends = |position: usize| order.contains(&format!("-{}", by[position]));
            expected.sort_by(|a, b| {
                let keys = a.0.iter().zip(&b.0).enumerate();
                keys.map(|(position, (a, b))| a.compare(b, descends(position)))
                    .fold(Ordering::Equal, Ordering::then)
            });
            let expected: Vec<_> = expected.iter().map(|group| told(&question, group)).collect();
            let mut found = question.ask(&app.ada).await;
            for group in &mut found {
                group.as_object_mut().unwrap().remove("filters");
            }
            assert_eq!(found.len(), expected.len(), "{by:?} {order}");
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!(found, expected, "{by:?} {order}");
            }
        }
    }
});

backend_test!(the_filter_of_a_group_means_its_runs, |app| {
    let runs = draw_and_store(&app.ada).await;
    for (by, _) in GROUPINGS {
        let filters = json!({"config.lr": {"$ne": 0.5}});
        let kept = runs.iter().filter(|run| run["config"]["lr"] != 0.5);
        let known = count(kept.clone(), by, &[]);
        for group in (Question { by, of: &[], filters, order: "" }).ask(&app.ada).await {
            let own: Value = serde_json::from_str(group["filters"].as_str().unwrap()).unwrap();
            let mut names = app.ada.run_names("demo", own).await;
            names.sort_unstable();
            let keys = known.iter().map(|(keys, _)| keys).find(|keys| {
                group["keys"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .zip(*keys)
                    .all(|(told, key)| told["type"] == key.0 && told["value"] == key.1)
            });
            let is_member = |run: &&Value| {
                by.iter().zip(keys.unwrap()).all(|(field, key)| keys_of(run, field).contains(key))
            };
            let mut members: Vec<_> =
                kept.clone().filter(is_member).map(|run| run["name"].as_str().unwrap()).collect();
            members.sort_unstable();
            assert_eq!(names, members, "{}", group["filters"]);
        }
    }
});

backend_test!(groups_are_sorted_by_their_size_and_their_aggregates, |app| {
    for (name, (group, loss)) in
        [("a", 1.0), ("a", 3.0), ("b", 8.0), ("c", -4.0), ("c", 4.0), ("c", 3.0)].into_iter().enumerate()
    {
        let input = json!({"groupName": group, "summaryMetrics": json!({"loss": loss}).to_string()});
        app.ada.run_with("demo", &format!("r{name}"), input).await;
    }
    app.ada.run_with("demo", "none", json!({"groupName": "d"})).await;
    for (order, expected) in [
        ("-count", ["c", "a", "b", "d"]),
        ("count,-group", ["d", "b", "a", "c"]),
        ("-count(summary_metrics.loss)", ["c", "a", "b", "d"]),
        ("min(summary_metrics.loss)", ["c", "a", "b", "d"]),
        ("-max(summary_metrics.loss)", ["b", "c", "a", "d"]),
        ("+sum(summary_metrics.loss)", ["c", "a", "b", "d"]),
        ("-mean(summary_metrics.loss)", ["b", "a", "c", "d"]),
    ] {
        let question = Question { by: &["group"], of: &["summary_metrics.loss"], filters: json!({}), order };
        let found = question.ask(&app.ada).await;
        let groups: Vec<_> = found.iter().map(|group| group["keys"][0]["value"].as_str().unwrap()).collect();
        assert_eq!(groups, expected, "{order}");
    }
});

backend_test!(a_cursor_of_groups_is_good_whatever_comes_and_goes, |app| {
    let run = async |lr: i32| {
        let input = json!({"config": json!({"lr": lr}).to_string()});
        app.ada.run_with("demo", &format!("r{lr}"), input).await;
    };
    for lr in (0..20).step_by(2) {
        run(lr).await;
    }
    let question = Question { by: &["config.lr"], of: &[], filters: json!({}), order: "" };
    let values = |groups: Vec<Value>| {
        groups.iter().map(|group| group["keys"][0]["value"].as_f64().unwrap()).collect::<Vec<_>>()
    };
    let (first, after) = question.page(&app.ada, &Value::Null).await;
    assert_eq!(values(first), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0]);
    run(1).await;
    run(15).await;
    for lr in [12, 14] {
        app.ada.run("demo", &format!("r{lr}")).await.delete().await;
    }
    let (rest, end) = question.page(&app.ada, &after).await;
    assert_eq!((values(rest), end), (vec![15.0, 16.0, 18.0], Value::Null));
    let other = Question { by: &["config.depth"], ..question };
    assert_eq!(app.ada.refusal(QUERY, other.variables(&after)).await.code, "CURSOR_FOREIGN");
});

backend_test!(numbers_that_are_too_large_to_be_added_are_only_compared, |app| {
    for (name, loss) in [(1, "1e308"), (2, "1.5e308"), (3, "-1")] {
        let input = json!({"summaryMetrics": format!(r#"{{"loss":{loss}}}"#)});
        app.ada.run_with("demo", &format!("r{name}"), input).await;
    }
    let question = Question { by: &[], of: &["summary_metrics.loss"], filters: json!({}), order: "" };
    let [all] = &question.ask(&app.ada).await[..] else { panic!("one group") };
    let expected = json!({"field": "summary_metrics.loss", "count": 3, "min": -1.0, "max": 1.5e308, "sum": null,
        "mean": null});
    assert_eq!(all["aggregates"], json!([expected]));
});

backend_test!(durations_are_aggregated_in_seconds, |app| {
    let run = app.ada.run("demo", "r").await;
    app.advance(std::time::Duration::from_secs(90));
    run.complete(0).await;
    let question = Question { by: &["state"], of: &["duration"], filters: json!({}), order: "" };
    let found = question.ask(&app.ada).await;
    assert_eq!(found[0]["keys"][0]["value"], "finished");
    assert_eq!(
        (&found[0]["aggregates"][0]["sum"], &found[0]["aggregates"][0]["mean"]),
        (&json!(90.0), &json!(90.0))
    );
});

backend_test!(a_project_without_runs_has_no_groups, |app| {
    app.ada.run("demo", "r").await.delete().await;
    for by in [&[][..], &["state"], &["colour"]] {
        let question = Question { by, of: &["duration"], filters: json!({}), order: "" };
        assert_eq!(question.ask(&app.ada).await, Vec::<Value>::new(), "{by:?}");
    }
});

backend_test!(groups_that_make_no_sense_are_refused, |app| {
    app.ada.run("demo", "r").await;
    for (by, of, order, code) in [
        (&["created_at"][..], &[][..], "", "GROUP_BY_INVALID"),
        (&["tags", "tags"], &[], "", "GROUP_BY_INVALID"),
        (&["state"], &["group"], "", "AGGREGATION_INVALID"),
        (&["state"], &[], "mean(config.lr)", "ORDER_INVALID"),
        (&["state"; 9], &[], "", "TOO_MANY"),
    ] {
        let variables = Question { by, of, filters: json!({}), order }.variables(&Value::Null);
        let refused = app.ada.refusal(QUERY, variables).await;
        assert_eq!((refused.status, refused.code.as_str()), (200, code), "{by:?}");
    }
    let query = "query($filters: JSONString) { project(name: \"demo\") { \
                 runGroups(groupBy: [], filters: $filters) { edges { cursor } } } }";
    assert_eq!(app.ada.refusal(query, json!({"filters": "["})).await.code, "FILTER_INVALID");
    let groups = |n: usize| format!("g{n}: runGroups(groupBy: []) {{ edges {{ cursor }} }}");
    let many: String = (0..50).map(groups).collect();
    let refused = app.ada.refusal(&format!("{{ project(name: \"demo\") {{ {many} }} }}"), ()).await;
    assert!(refused.message.contains("complex"), "{}", refused.message);
});
