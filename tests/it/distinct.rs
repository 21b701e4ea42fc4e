//! What a filter menu and a column picker offer: the values of a field, and the keys that runs have.

use serde_json::{Value, json};

use crate::support::{Client, HISTORY, TestApp, backend_test};

/// Values of a field with their counts.
async fn values(client: &Client, field: &str, prefix: &str, filters: Value) -> Vec<(Value, i64)> {
    const QUERY: &str = "query($field: String!, $prefix: String, $filters: JSONString, $after: String) { \
                         project(name: \"demo\") { runValues(field: $field, prefix: $prefix, filters: $filters, \
                         first: 2, after: $after) { edges { node { keys { value } runCount } } \
                         pageInfo { endCursor hasNextPage } } } }";
    let mut variables = json!({"field": field, "prefix": prefix, "filters": filters.to_string()});
    let mut values = Vec::new();
    loop {
        let page = client.graphql(QUERY, variables.clone()).await["project"]["runValues"].take();
        for edge in page["edges"].as_array().unwrap() {
            let node = &edge["node"];
            values.push((node["keys"][0]["value"].clone(), node["runCount"].as_i64().unwrap()));
        }
        if page["pageInfo"]["hasNextPage"] == false {
            return values;
        }
        variables["after"] = page["pageInfo"]["endCursor"].clone();
    }
}

async fn run(app: &TestApp, name: &str, config: Value, tags: &[&str]) {
    let input = json!({"config": config.to_string(), "tags": tags, "groupName": name[..1]});
    app.ada.run_with("demo", name, input).await;
}

backend_test!(a_field_has_the_values_of_its_runs, |app| {
    run(app, "a1", json!({"opt": {"value": "adam"}, "net": {"value": {"depth": 2}}}), &["x", "y"]).await;
    run(app, "a2", json!({"opt": {"value": "adamw"}}), &["x"]).await;
    run(app, "b1", json!({"opt": {"value": "adam"}}), &[]).await;
    run(app, "b2", json!({"opt": {"value": 3}}), &["yy"]).await;
    run(app, "b3", json!({"opt": {"value": null}, "net": {"value": 1}}), &[]).await;
    run(app, "c1", json!({"opt": {"value": "gone"}}), &["gone"]).await;
    app.ada.run("demo", "c1").await.delete().await;
    let all = json!({});
    for (field, prefix, expected) in [
        ("config.opt", "", vec![(json!("adam"), 2), (json!(3.0), 1), (json!("adamw"), 1)]),
        ("config.opt", "adam", vec![(json!("adam"), 2), (json!("adamw"), 1)]),
        ("config.opt.value", "adamw", vec![(json!("adamw"), 1)]),
        ("config.opt", "Adam", vec![]),
        ("config.net", "", vec![(json!(1.0), 1)]),
        ("config.net.depth", "", vec![(json!(2.0), 1)]),
        ("tags", "", vec![(json!("x"), 2), (json!("y"), 1), (json!("yy"), 1)]),
        ("tags", "y", vec![(json!("y"), 1), (json!("yy"), 1)]),
        ("group", "", vec![(json!("b"), 3), (json!("a"), 2)]),
        ("group", "a", vec![(json!("a"), 2)]),
        ("jobType", "", vec![]),
        ("state", "r", vec![(json!("running"), 5)]),
        ("username", "", vec![(json!("ada"), 5)]),
        ("colour", "", vec![]),
    ] {
        assert_eq!(values(&app.ada, field, prefix, all.clone()).await, expected, "{field} {prefix}");
    }
    let of_group = json!({"group": "b"});
    let expected = [(json!(3.0), 1), (json!("adam"), 1)];
    assert_eq!(values(&app.ada, "config.opt", "", of_group).await, expected);
    let time = "{ project(name: \"demo\") { runValues(field: \"createdAt\") { edges { cursor } } } }";
    assert_eq!(app.ada.refusal(time, ()).await.code, "GROUP_BY_INVALID");
});

backend_test!(a_logged_key_is_a_value_too, |app| {
    let run = app.ada.run("demo", "r").await;
    run.log(HISTORY, 0, &[r#"{"loss":1}"#]).await;
    app.ada.run("demo", "s").await;
    let logged = values(&app.ada, "keys_info.keys.loss", "", json!({})).await;
    assert_eq!(logged, [(json!(true), 1)]);
});

/// Keys of a part of the runs, and what is at them: runs, numbers, strings, truth values, objects.
async fn fields(
    client: &Client,
    source: &str,
    prefix: &str,
    filters: Value,
) -> Vec<(String, String, [i64; 5])> {
    const QUERY: &str = "query($source: RunFieldSource!, $prefix: String, $filters: JSONString, $after: String) { \
                         project(name: \"demo\") { runFields(source: $source, prefix: $prefix, filters: $filters, \
                         first: 2, after: $after) { edges { node { key field counts { runs numbers strings booleans \
                         objects } } } pageInfo { endCursor hasNextPage } } } }";
    let mut variables = json!({"source": source, "prefix": prefix, "filters": filters.to_string()});
    let mut fields = Vec::new();
    loop {
        let page = client.graphql(QUERY, variables.clone()).await["project"]["runFields"].take();
        for edge in page["edges"].as_array().unwrap() {
            let text = |name: &str| edge["node"][name].as_str().unwrap().to_owned();
            let counts = ["runs", "numbers", "strings", "booleans", "objects"]
                .map(|name| edge["node"]["counts"][name].as_i64().unwrap());
            fields.push((text("key"), text("field"), counts));
        }
        if page["pageInfo"]["hasNextPage"] == false {
            return fields;
        }
        variables["after"] = page["pageInfo"]["endCursor"].clone();
    }
}

backend_test!(a_project_has_the_keys_of_its_runs, |app| {
    run(app, "a1", json!({"lr": {"value": 1}, "net": {"value": {"depth": 2, "value": 3}}}), &["x"]).await;
    run(app, "a2", json!({"lr": {"value": "1"}, "Lr": {"value": true}, "é": {"value": null}}), &[]).await;
    run(app, "b1", json!({"lr": {"value": true}, "net": {"value": [5]}}), &[]).await;
    run(app, "c1", json!({"lr": {"value": 1}, "only.in.the.trash": {"value": 1}}), &[]).await;
    app.ada.run("demo", "c1").await.delete().await;
    let key = |key: &str, field: &str, counts| (key.to_owned(), field.to_owned(), counts);
    let all = [
        key("Lr", "config.Lr", [1, 0, 0, 1, 0]),
        key("lr", "config.lr", [3, 1, 1, 1, 0]),
        key("net", "config.net", [2, 0, 0, 0, 2]),
        key("net.0", "config.net.0", [1, 1, 0, 0, 0]),
        key("net.depth", "config.net.depth", [1, 1, 0, 0, 0]),
        key("net.value", "config.net.value.value", [1, 1, 0, 0, 0]),
        key("é", "config.é", [1, 0, 0, 0, 0]),
    ];
    assert_eq!(fields(&app.ada, "CONFIG", "", json!({})).await, all);
    assert_eq!(fields(&app.ada, "CONFIG", "net.", json!({})).await, all[3..6]);
    assert_eq!(fields(&app.ada, "CONFIG", "nothing", json!({})).await, []);
    let of_group = fields(&app.ada, "CONFIG", "", json!({"group": "b"})).await;
    let expected = [
        key("lr", "config.lr", [1, 0, 0, 1, 0]),
        key("net", "config.net", [1, 0, 0, 0, 1]),
        key("net.0", "config.net.0", [1, 1, 0, 0, 0]),
    ];
    assert_eq!(of_group, expected);
    for (_, field, counts) in &all {
        let there = app.ada.run_names("demo", json!({ field.as_str(): {"$exists": true} })).await;
        assert_eq!(i64::try_from(there.len()).unwrap(), counts[0], "{field}");
    }
});

backend_test!(each_part_of_a_run_has_its_own_keys, |app| {
    let run =
        app.ada.run_with("demo", "r", json!({"summaryMetrics": r#"{"loss":"NaN","best":{"acc":1}}"#})).await;
    run.log(HISTORY, 0, &[r#"{"loss":1,"a.b":2}"#]).await;
    let spelled = |source| async move {
        let found = fields(&app.ada, source, "", json!({})).await;
        found.into_iter().map(|(_, field, _)| field).collect::<Vec<_>>()
    };
    let summary = ["summary_metrics.best", "summary_metrics.best.acc", "summary_metrics.loss"];
    assert_eq!(spelled("SUMMARY").await, summary);
    assert_eq!(spelled("HISTORY").await, ["keys_info.keys.a.b", "keys_info.keys.loss"]);
    assert_eq!(spelled("CONFIG").await, Vec::<String>::new());
    assert_eq!(spelled("SYSTEM").await, Vec::<String>::new());
});

backend_test!(keys_go_on_after_their_cursor_whatever_comes_and_goes, |app| {
    const QUERY: &str = "query($source: RunFieldSource!, $after: String) { project(name: \"demo\") { \
                         runFields(source: $source, first: 2, after: $after) { edges { node { key } } \
                         pageInfo { endCursor } } } }";
    run(app, "a", json!({"a": 1, "b": 1, "d": 1}), &[]).await;
    let page = app.ada.graphql(QUERY, json!({"source": "CONFIG"})).await["project"]["runFields"].take();
    let after = &page["pageInfo"]["endCursor"];
    run(app, "a", json!({"aa": 1, "c": 1, "d": 1}), &[]).await;
    let rest = app.ada.graphql(QUERY, json!({"source": "CONFIG", "after": after})).await;
    let rest = &rest["project"]["runFields"]["edges"];
    assert_eq!(*rest, json!([{"node": {"key": "c"}}, {"node": {"key": "d"}}]));
    let foreign = app.ada.refusal(QUERY, json!({"source": "SUMMARY", "after": after})).await;
    assert_eq!(foreign.code, "CURSOR_FOREIGN");
});
