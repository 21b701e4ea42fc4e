//! GraphQL as the client sends it, with its quirks, and errors as it reads them.

use serde_json::{Value, json};

use crate::support::{CONSOLE, TestApp, backend_test, text};

async fn page_of_runs(app: &TestApp, arguments: &str) -> Value {
    let query = format!(
        "{{ project(name: \"demo\") {{ runs({arguments}) {{ edges {{ cursor node {{ name }} }} pageInfo {{ \
         endCursor hasNextPage }} }} }} }}"
    );
    let answer = app.ada.post_graphql(&json!({"query": query})).await;
    assert_eq!(answer.status, 200);
    answer.json()
}

async fn code(app: &TestApp, arguments: &str) -> String {
    text(&page_of_runs(app, arguments).await["errors"][0]["extensions"]["code"])
}

backend_test!(what_the_schema_does_not_know_of_an_input_is_ignored, |app| {
    let body = json!({
        "query": "mutation U($input: UpsertBucketInput!, $used: String) { upsertBucket(input: $input) { \
                  bucket { name project(x: $used) { name } } } }",
        "variables": {"input": {"name": "r", "modelName": "demo", "fromTheFuture": {"a": [1]}}},
    });
    let unknown_argument = app.ada.post_graphql(&body).await.json();
    assert!(
        unknown_argument["errors"][0]["message"].as_str().unwrap().contains("argument"),
        "{unknown_argument}"
    );
    let body = json!({
        "query": "mutation U($input: UpsertBucketInput!) { upsertBucket(input: $input) { bucket { name } } }",
        "variables": {"input": {"name": "r", "modelName": "demo", "fromTheFuture": {"a": [1]}}, "undeclared": 3},
        "operationName": "",
        "extensions": null,
    });
    let answer = app.ada.post_graphql(&body).await.json();
    assert_eq!(answer, json!({"data": {"upsertBucket": {"bucket": {"name": "r"}}}}));
});

backend_test!(an_unknown_field_is_told_in_the_clients_words, |app| {
    let refusal = app.ada.refusal("{ serverInfo { featureFlags } }", ()).await;
    assert!(
        refusal.message.starts_with(r#"Cannot query field "featureFlags" on type "ServerInfo"."#),
        "{refusal:?}"
    );
    assert_eq!(refusal.status, 200);
    let refusal = app.ada.refusal("{ nothing }", ()).await;
    assert!(refusal.message.starts_with(r#"Cannot query field "nothing" on type "Query"."#), "{refusal:?}");
});

backend_test!(a_bad_filter_is_refused_with_its_place, |app| {
    app.ada.run("demo", "r").await;
    for (filter, pointer) in [
        (json!({"$where": 1}), "/$where"),
        (json!({"$and": [{"state": "x"}, {"config.a": {"$near": 1}}]}), "/$and/1/config.a/$near"),
        (json!({"a/b": {"$in": 3}}), "/a~1b/$in"),
        (json!({"created_at": {"$gt": "yesterday"}}), "/created_at/$gt"),
        (json!({"name": {"$regex": "("}}), "/name/$regex"),
        (json!({"$or": [{"archived": true}]}), "/$or/0/archived"),
    ] {
        for field in ["runs", "runCount"] {
            let query = match field {
                "runs" => {
                    "query($f: JSONString) { project(name: \"demo\") { runs(filters: $f) { edges { cursor } } } }"
                }
                _ => "query($f: JSONString) { project(name: \"demo\") { runCount(filters: $f) } }",
            };
            let refusal = app.ada.refusal(query, json!({"f": filter.to_string()})).await;
            assert_eq!((refusal.status, refusal.code.as_str()), (200, "FILTER_INVALID"), "{filter}");
            assert!(refusal.message.starts_with(&format!("{pointer}: ")), "{}", refusal.message);
        }
    }
    assert_eq!(code(app, r#"filters: "{""#).await, "FILTER_INVALID");
    assert_eq!(code(app, r#"order: "-""#).await, "ORDER_INVALID");
    assert_eq!(code(app, "first: -1").await, "PAGE_SIZE_INVALID");
});

backend_test!(a_cursor_is_good_in_its_own_list_only, |app| {
    for n in 0..3 {
        app.ada.run("demo", &format!("r{n}")).await;
    }
    let cursor = text(&page_of_runs(app, "first: 1").await["data"]["project"]["runs"]["edges"][0]["cursor"]);
    let after = |more: &str| format!("first: 1, after: {} {more}", json!(cursor));
    let second = page_of_runs(app, &after("")).await;
    assert_eq!(second["data"]["project"]["runs"]["edges"][0]["node"]["name"], "r1");
    for other in [after(r#", order: "-created_at""#), after(r#", filters: "{\"state\":\"running\"}""#)] {
        assert_eq!(code(app, &other).await, "CURSOR_FOREIGN", "{other}");
    }
    let files = app.ada.run("demo", "r0").await;
    let models =
        text(&app.ada.graphql("{ models { edges { cursor } } }", ()).await["models"]["edges"][0]["cursor"]);
    for garbage in [models.as_str(), "x", "!!", "AAAA", "e30", &"A".repeat(10_000)] {
        assert_eq!(code(app, &format!("after: {}", json!(garbage))).await, "CURSOR_INVALID", "{garbage:.20}");
        for list in [
            format!("files(after: {}) {{ edges {{ cursor }} }}", json!(garbage)),
            format!("logLines(first: 1, after: {}) {{ edges {{ node {{ line }} }} }}", json!(garbage)),
        ] {
            assert_eq!(files.refusal(&list).await.code, "CURSOR_INVALID", "{list:.40}");
        }
    }
    let trash = app
        .ada
        .refusal("query($c: String) { trash(after: $c) { edges { cursor } } }", json!({"c": cursor}))
        .await;
    assert_eq!(trash.code, "CURSOR_INVALID");
    app.ada.run("other", "r").await;
    let query = "query($c: String) { project(name: \"other\") { runs(after: $c) { edges { cursor } } } }";
    assert_eq!(app.ada.refusal(query, json!({"c": cursor})).await.code, "CURSOR_FOREIGN");
});

backend_test!(a_cursor_is_good_only_for_its_own_parent, |app| {
    let (one, two) = (app.ada.run("demo", "one").await, app.ada.run("demo", "two").await);
    for run in [&one, &two] {
        run.upload("a", "a").await;
        run.log(CONSOLE, 0, &["a"]).await;
    }
    let named = r#"files(names: ["a"], AFTER) { pageInfo { endCursor } }"#;
    for list in [
        "files(first: 1, AFTER) { pageInfo { endCursor } }",
        "logLines(first: 1, AFTER) { pageInfo { endCursor } }",
        named,
    ] {
        let cursor = one.field(&list.replace("AFTER", "after: null")).await["pageInfo"]["endCursor"].take();
        let after = list.replace("AFTER", &format!("after: {cursor}"));
        one.field(&after).await;
        assert_eq!(two.refusal(&after).await.code, "CURSOR_INVALID", "{list}");
        if list != named {
            let other = named.replace("AFTER", &format!("after: {cursor}"));
            assert_eq!(one.refusal(&other).await.code, "CURSOR_INVALID", "{list}");
        }
    }
    one.delete().await;
    let trash = app.ada.graphql("{ trash(entityName: \"ada\") { edges { cursor } } }", ()).await;
    let after = json!({"c": trash["trash"]["edges"][0]["cursor"]});
    app.ada
        .graphql(
            "query($c: String) { trash(entityName: \"ada\", after: $c) { edges { cursor } } }",
            after.clone(),
        )
        .await;
    let all = app.ada.refusal("query($c: String) { trash(after: $c) { edges { cursor } } }", after).await;
    assert_eq!(all.code, "CURSOR_INVALID");
});

backend_test!(pages_visit_every_run_once_while_runs_come_and_go, |app| {
    for n in 0..9 {
        let summary = json!({"loss": n % 3}).to_string();
        app.ada.run_with("demo", &format!("r{n}"), json!({"summaryMetrics": summary})).await;
    }
    for order in ["+created_at", "-created_at", "-summary_metrics.loss", "name", "+config.nothing"] {
        let (mut seen, mut after) = (Vec::new(), Value::Null);
        loop {
            let arguments = format!("first: 2, after: {after}, order: {}", json!(order));
            let page = page_of_runs(app, &arguments).await["data"]["project"]["runs"].take();
            seen.extend(page["edges"].as_array().unwrap().iter().map(|edge| text(&edge["node"]["name"])));
            after = page["pageInfo"]["endCursor"].clone();
            app.ada.run("demo", "r4").await.change("stopRun").await;
            if page["pageInfo"]["hasNextPage"] == false {
                break;
            }
        }
        seen.sort();
        assert_eq!(seen, (0..9).map(|n| format!("r{n}")).collect::<Vec<_>>(), "{order}");
    }
});

backend_test!(the_viewer_and_the_server_introduce_themselves, |app| {
    let query = "{ viewer { username entity flags apiKeys { edges { node { name } } } teams { edges { node { name } } } } \
                 entity { name entityType } serverInfo { cliVersionInfo features { name isEnabled } } }";
    let seen = app.ada.graphql(query, ()).await;
    assert_eq!((&seen["viewer"]["username"], &seen["viewer"]["entity"]), (&json!("ada"), &json!("ada")));
    assert_eq!(seen["viewer"]["apiKeys"]["edges"][0]["node"]["name"], app.ada.key()[..8]);
    assert_eq!(seen["entity"], json!({"name": "ada", "entityType": "user"}));
    assert!(seen["serverInfo"]["cliVersionInfo"]["max_cli_version"].is_string());
    assert!(seen["serverInfo"]["features"].as_array().unwrap().iter().all(|one| one["isEnabled"] == true));
});

backend_test!(a_nul_in_any_text_is_never_a_fault_of_the_server, |app| {
    let run = app.ada.run("demo", "r").await;
    let queries = [
        "query($t: String) { project(name: $t) { id } }",
        "query($t: String) { project(name: \"demo\", entityName: $t) { id } }",
        "query($t: String) { entity(name: $t) { id } }",
        "query($t: String) { models(entityName: $t) { edges { cursor } } }",
        "query($t: String) { trash(entityName: $t) { edges { cursor } } }",
        "query($t: String!) { project(name: \"demo\") { run(name: $t) { id } } }",
        "query($t: String!) { project(name: \"demo\") { run(name: \"r\") { files(names: [$t]) { edges { cursor } } } } }",
        "query($t: String!) { project(name: \"demo\") { run(name: \"r\") { files(pattern: $t) { edges { cursor } } } } }",
        "query($t: String) { project(name: \"demo\") { runs(order: $t) { edges { cursor } } } }",
        "mutation($t: String) { upsertModel(input: {name: $t}) { inserted } }",
        "mutation($t: String) { upsertModel(input: {name: \"demo\", description: $t}) { inserted } }",
        "mutation($t: String) { upsertBucket(input: {name: $t}) { inserted } }",
        "mutation($t: String) { upsertBucket(input: {modelName: $t}) { inserted } }",
        "mutation($t: String) { upsertBucket(input: {entityName: $t}) { inserted } }",
        "mutation($t: String) { upsertBucket(input: {name: \"r\", modelName: \"demo\", notes: $t}) { inserted } }",
        "mutation($t: String!) { upsertBucket(input: {name: \"r\", modelName: \"demo\", tags: [$t]}) { inserted } }",
    ];
    for query in queries {
        let answer = app.ada.post_graphql(&json!({"query": query, "variables": {"t": "a\u{0}b"}})).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.json());
    }
    let filter =
        json!({"config.a": "\u{0}", "name": {"$in": ["\u{0}"]}, "tags": {"$regex": "\u{0}"}, "\u{0}": 1});
    app.ada.run_names("demo", filter).await;
    let document = json!({"a\u{0}": {"value": "\u{0}"}}).to_string();
    app.ada.run_with("demo", "r", json!({"config": document, "summaryMetrics": document})).await;
    assert_eq!(run.field("config").await, document);
    for path in
        ["/files/ada/demo/r/%00", "/files/ada/demo/%00/x", "/files/ada/%00/r/x", "/files/%00/demo/r/x"]
    {
        let status = app.ada.get(path).await.status;
        assert!((400..500).contains(&status), "{path}: {status}");
    }
    let answer = app.ada.get("/files/ada/demo/r/%ff").await;
    assert_eq!(answer.outcome(), (400, "PATH_INVALID".into()));
    assert!(answer.json()["request_id"].is_string());
});
