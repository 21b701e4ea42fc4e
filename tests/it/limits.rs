//! Documents that are out of proportion are refused before they cost anything.

use axum::http::Method;
use serde_json::json;

use crate::support::{TestApp, backend_test};

async fn message(app: &TestApp, query: &str) -> String {
    let refusal = app.ada.refusal(query, ()).await;
    assert_eq!(refusal.status, 200);
    refusal.message
}

/// `project { entity { project { … } } }`, so many times.
fn nested(times: usize) -> String {
    let open = "entity { project(name: \"demo\") { ".repeat(times);
    format!("{{ project(name: \"demo\") {{ {open} id {} }} }}", "} }".repeat(times))
}

backend_test!(deep_documents_are_refused, |app| {
    app.ada.run("demo", "r").await;
    app.ada.graphql(&nested(8), ()).await;
    assert!(message(app, &nested(10)).await.contains("deep"));
});

backend_test!(costly_documents_are_refused, |app| {
    app.ada.run("demo", "r").await;
    let pages = |inner: u32| {
        format!(
            "{{ project(name: \"demo\") {{ runs(first: 1000) {{ edges {{ node {{ \
             files(first: {inner}) {{ edges {{ node {{ name }} }} }} }} }} }} }} }}"
        )
    };
    app.ada.graphql(&pages(10), ()).await;
    assert!(message(app, &pages(1000)).await.contains("complex"));
});

backend_test!(history_costs_more_the_more_is_asked_for, |app| {
    let run = app.ada.run("demo", "r").await;
    run.field("history(samples: 100000)").await;
    run.field("events(samples: 100000)").await;
    let keys = json!(json!({"keys": ["_step"], "samples": 100_000}).to_string());
    run.field(&format!("sampledHistory(specs: [{keys}])")).await;
    for field in
        ["history(samples: 100000)", "events(samples: 100000)", &format!("sampledHistory(specs: [{keys}])")]
    {
        let query = format!(
            "{{ project(name: \"demo\") {{ runs(first: 1000) {{ edges {{ node {{ {field} }} }} }} }} }}"
        );
        assert!(message(app, &query).await.contains("complex"), "{field}");
    }
});

backend_test!(documents_with_too_many_aliases_are_refused, |app| {
    let aliases = |count: usize| {
        let fields: Vec<_> = (0..count).map(|n| format!("a{n}: viewer {{ id }}")).collect();
        format!("{{ {} }}", fields.join(" "))
    };
    app.ada.graphql(&aliases(100), ()).await;
    let refused = app.ada.refusal(&aliases(101), ()).await;
    assert_eq!(refused.code, "DOCUMENT_TOO_LARGE");
    assert!(refused.message.contains("aliases"), "{}", refused.message);
});

backend_test!(documents_with_too_many_tokens_are_refused, |app| {
    let tokens = |count: usize| format!("{{ viewer {{ {} }} }}", "id ".repeat(count));
    app.ada.graphql(&tokens(9_000), ()).await;
    let refused = app.ada.refusal(&tokens(10_000), ()).await;
    assert_eq!(refused.code, "DOCUMENT_TOO_LARGE");
    assert!(refused.message.contains("tokens"), "{}", refused.message);
    let brackets = app.ada.refusal(&"{".repeat(100_000), ()).await;
    assert_eq!(brackets.code, "DOCUMENT_TOO_LARGE");
    let hidden = format!(r#"{{ project(name: """a"b""") {{ {} }} }}"#, "id ".repeat(10_000));
    assert_eq!(app.ada.refusal(&hidden, ()).await.code, "DOCUMENT_TOO_LARGE");
});

backend_test!(a_deeply_nested_document_does_not_break_the_server, |app| {
    for text in [
        "{a".repeat(2_000),
        format!("{{ a(b: {}) }}", "[".repeat(4_000)),
        "{ ...f } fragment f on Query { ...f }".into(),
    ] {
        let answer = app.ada.post_graphql(&json!({"query": text})).await;
        assert!(answer.json()["errors"][0]["message"].is_string());
    }
    app.ada.graphql("{ viewer { id } }", ()).await;
});

backend_test!(large_bodies_are_refused, |app| {
    let large = json!({"query": "{ viewer { id } }", "variables": {"a": "x".repeat(17 << 20)}});
    let answer = app.ada.post_graphql(&large).await;
    assert_eq!(answer.status, 413);
    assert_eq!(answer.json()["errors"][0]["extensions"]["code"], "BODY_TOO_LARGE");
});

backend_test!(a_page_holds_a_thousand_at_most, |app| {
    app.ada.run("demo", "r").await;
    let lists = "{ project(name: \"demo\") { runs(first: 2147483647) { edges { cursor } } } }";
    app.ada.graphql(lists, ()).await;
    let too_many: Vec<_> = (0..10_001).map(|n| n.to_string()).collect();
    let names: Vec<_> = too_many.iter().map(String::as_str).collect();
    let run = app.ada.run("demo", "r").await;
    assert_eq!(app.ada.refused("createRunFiles", run.files_input(&names)).await.code, "TOO_MANY");
    let ids: Vec<_> = (1..=1001).map(|n| counterweight_domain::id::FileId(n).to_node_id()).collect();
    assert_eq!(app.ada.refused("deleteFiles", json!({"files": ids})).await.code, "TOO_MANY");
    assert_eq!(app.ada.refused("markRunFilesUploaded", run.files_input(&names)).await.code, "TOO_MANY");
    app.ada.mutate("markRunFilesUploaded", run.files_input(&names[1..]), "success").await;
    let refused =
        run.refusal(&format!("files(names: {}) {{ edges {{ cursor }} }}", json!(names[..1001]))).await;
    assert_eq!((refused.status, refused.code.as_str()), (200, "TOO_MANY"));
    let spec = json!({"keys": names[..1001]}).to_string();
    let specs = vec![json!({"keys": ["a"], "samples": 1}).to_string(); 101];
    for field in [
        format!("sampledHistory(specs: [{}])", json!(spec)),
        format!("sampledHistory(specs: {})", json!(specs)),
        format!("parquetHistory(liveKeys: {}) {{ liveData }}", json!(names[..1001])),
    ] {
        assert_eq!(run.refusal(&field).await.code, "TOO_MANY", "{field:.40}");
    }
});

backend_test!(a_mutation_is_not_made_by_get, |app| {
    let mutation = "/graphql?query=mutation%7BupsertModel(input%3A%7Bname%3A%22x%22%7D)%7Binserted%7D%7D";
    let answer = app.ada.get(mutation).await;
    assert_eq!(answer.status, 405);
    assert_eq!(app.rows("project").await, 0);
    let query = app.ada.get("/graphql?query=%7Bviewer%7Busername%7D%7D").await;
    assert_eq!(query.json(), json!({"data": {"viewer": {"username": "ada"}}}));
    let wrong_method =
        app.ada.send(app.ada.request(Method::DELETE, "/graphql").body("".into()).unwrap()).await;
    assert_eq!(wrong_method.status, 405);
});
