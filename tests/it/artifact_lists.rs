//! Lists of collections and of versions: filters, orders, pages.

use serde_json::{Value, json};

use crate::support::{Client, TestApp, TestArtifact, backend_test};

async fn names(client: &Client, filters: Value, order: &str) -> Vec<String> {
    let query = "query($filters: JSONString, $order: String, $after: String) { project(name: \"demo\") { \
                 artifactCollections(filters: $filters, order: $order, after: $after, first: 2) { totalCount \
                 pageInfo { hasNextPage endCursor } edges { node { name } } } } }";
    let (mut found, mut after) = (Vec::new(), Value::Null);
    loop {
        let variables = json!({"filters": filters.to_string(), "order": order, "after": after});
        let page = client.graphql(query, variables).await["project"]["artifactCollections"].take();
        let edges = page["edges"].as_array().unwrap().iter();
        found.extend(edges.map(|edge| edge["node"]["name"].as_str().unwrap().to_owned()));
        if page["pageInfo"]["hasNextPage"] == false {
            assert_eq!(page["totalCount"], found.len());
            return found;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}

async fn versions(client: &Client, filters: Value, order: &str) -> Vec<String> {
    let query = "query($filters: JSONString, $order: String, $after: String) { project(name: \"demo\") { \
                 artifactCollection(name: \"data\") { artifacts(filters: $filters, order: $order, after: $after, \
                 first: 2) { totalCount pageInfo { hasNextPage endCursor } edges { version } } } } }";
    let (mut found, mut after) = (Vec::new(), Value::Null);
    loop {
        let variables = json!({"filters": filters.to_string(), "order": order, "after": after});
        let data = client.graphql(query, variables).await;
        let page = &data["project"]["artifactCollection"]["artifacts"];
        let edges = page["edges"].as_array().unwrap().iter();
        found.extend(edges.map(|edge| edge["version"].as_str().unwrap().to_owned()));
        if page["pageInfo"]["hasNextPage"] == false {
            assert_eq!(page["totalCount"], found.len());
            return found;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}

async fn log(app: &TestApp, collection: &str, content: &str, more: Value) {
    let version = TestArtifact::begin_with(&app.ada, "demo", collection, &[("x", content)], more).await;
    version.send_files().await;
    version.send_manifest(&version.manifest(), "FULL").await;
    version.commit().await;
}

backend_test!(collections_are_listed_by_filter_and_order, |app| {
    app.ada.run("demo", "r").await;
    for name in ["beta", "alpha", "gamma"] {
        log(app, name, name, json!({})).await;
        app.advance(std::time::Duration::from_secs(1));
    }
    let tags = json!({
        "entityName": "ada", "projectName": "demo", "artifactCollectionName": "beta", "tags": [{"tagName": "good"}],
    });
    let add = "mutation($input: CreateArtifactCollectionTagAssignmentsInput!) { \
               createArtifactCollectionTagAssignments(input: $input) { tags { name } } }";
    app.ada.graphql(add, json!({"input": tags})).await;
    let ada = &app.ada;
    assert_eq!(names(ada, json!({}), "").await, ["beta", "alpha", "gamma"]);
    assert_eq!(names(ada, json!({}), "name").await, ["alpha", "beta", "gamma"]);
    assert_eq!(names(ada, json!({}), "-created_at").await, ["gamma", "alpha", "beta"]);
    assert_eq!(names(ada, json!({"name": {"$regex": "a$"}, "tag": "good"}), "").await, ["beta"]);
    assert_eq!(names(ada, json!({"$not": {"tag": "good"}}), "name").await, ["alpha", "gamma"]);
    assert_eq!(
        names(ada, json!({"$or": [{"name": "alpha"}, {"tag": {"$in": ["good"]}}]}), "name").await.len(),
        2
    );
    assert_eq!(names(ada, json!({"created_at": {"$gt": "2026-01-01T00:00:01Z"}}), "").await, ["gamma"]);
    assert_eq!(names(ada, json!({"colour": "red"}), "").await, Vec::<String>::new());
    let query = "query($order: String, $filters: JSONString) { project(name: \"demo\") { \
                 artifactCollections(order: $order, filters: $filters) { edges { node { id } } } } }";
    assert_eq!(ada.refusal(query, json!({"order": "tag"})).await.code, "ORDER_INVALID");
    assert_eq!(
        ada.refusal(query, json!({"filters": "{\"name\": {\"$near\": 1}}"})).await.code,
        "FILTER_INVALID"
    );
});

backend_test!(versions_are_listed_by_tag_alias_and_metadata, |app| {
    app.ada.run("demo", "r").await;
    for (content, metadata, tag) in [
        ("0", r#"{"acc": 0.5, "set": {"name": "a"}}"#, "red"),
        ("1", r#"{"acc": 0.75, "ok": true}"#, "blue"),
        ("2", r#"{"acc": "high", "set": {"name": "b"}}"#, "red"),
    ] {
        log(app, "data", content, json!({"metadata": metadata, "tags": [{"tagName": tag}]})).await;
        app.advance(std::time::Duration::from_secs(1));
    }
    let ada = &app.ada;
    assert_eq!(versions(ada, json!({}), "").await, ["v2", "v1", "v0"]);
    assert_eq!(versions(ada, json!({}), "created_at").await, ["v0", "v1", "v2"]);
    assert_eq!(versions(ada, json!({"tag": "red"}), "").await, ["v2", "v0"]);
    assert_eq!(versions(ada, json!({"alias": "latest"}), "").await, ["v2"]);
    assert_eq!(versions(ada, json!({"version": {"$in": ["v0", "v1"]}}), "").await, ["v1", "v0"]);
    assert_eq!(versions(ada, json!({"metadata.acc": {"$gte": 0.5}}), "").await, ["v1", "v0"]);
    assert_eq!(versions(ada, json!({"metadata.acc": "high"}), "").await, ["v2"]);
    assert_eq!(versions(ada, json!({"metadata.set.name": {"$ne": "a"}}), "").await, ["v2", "v1"]);
    assert_eq!(versions(ada, json!({"metadata.ok": true}), "").await, ["v1"]);
    assert_eq!(versions(ada, json!({"metadata.ok": {"$exists": false}}), "").await, ["v2", "v0"]);
    assert_eq!(versions(ada, json!({"size": 1, "state": "COMMITTED"}), "").await.len(), 3);
});
