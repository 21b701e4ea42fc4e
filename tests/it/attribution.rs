//! What the headers of a request may claim: an administrator's rights, and somebody else's name.

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{Client, HISTORY, TestApp, TestRun, backend_test, text, texts};

const PRIVILEGES: &str = "use-admin-privileges";
const USERNAME: &str = "x-wandb-username";
const EMAIL: &str = "x-wandb-user-email";

/// Whose a run is.
async fn author(run: &TestRun) -> Value {
    run.field("user { username }").await["username"].take()
}

/// Ada's project of that name, as `client` sees it.
async fn adas_project(client: &Client, fields: &str) -> Value {
    let query = format!("{{ project(entityName: \"ada\", name: \"demo\") {{ {fields} }} }}");
    client.graphql(&query, ()).await["project"].take()
}

backend_test!(a_service_logs_in_the_name_of_the_user_it_names, |app| {
    let service = app.administrator("service").await;
    for (n, (header, value, expected)) in [
        (USERNAME, "grace", "grace"),
        (EMAIL, "grace@example.org", "grace"),
        (EMAIL, "Grace@Example.ORG", "grace"),
        (USERNAME, "", "service"),
        (USERNAME, "nobody", "service"),
        (EMAIL, "nobody@example.org", "service"),
        (EMAIL, "no address", "service"),
    ]
    .into_iter()
    .enumerate()
    {
        let run = service.claiming(header, value).run("demo", &format!("r{n}")).await;
        assert_eq!(author(&run).await, expected, "{header}: {value}");
        assert_eq!(run.field("project { entityName }").await["entityName"], "service");
    }
    assert_eq!(service.run_names("demo", json!({"username": "grace"})).await, ["r0", "r1", "r2"]);
    let both =
        service.claiming(USERNAME, "nobody").claiming(EMAIL, "grace@example.org").run("demo", "both").await;
    assert_eq!(author(&both).await, "grace");
});

backend_test!(a_run_stays_whose_it_was, |app| {
    let service = app.administrator("service").await;
    let run = service.claiming(USERNAME, "grace").run("demo", "r").await;
    service.claiming(USERNAME, "ada").run("demo", "r").await;
    service.run("demo", "r").await;
    assert_eq!(author(&run).await, "grace");
    // To log in her name is not to give it to her.
    assert_eq!(
        app.grace.graphql("{ models { edges { node { name } } } }", ()).await["models"]["edges"],
        json!([])
    );
});

backend_test!(nobody_else_logs_in_another_name, |app| {
    let run = app.ada.claiming(USERNAME, "grace").claiming(EMAIL, "grace@example.org").run("demo", "r").await;
    assert_eq!(author(&run).await, "ada");
});

backend_test!(an_administrator_reaches_all_entities_when_asking_for_it, |app| {
    let run = app.ada.run("demo", "r").await;
    run.upload("f.txt", "content").await;
    let plain = app.administrator("root").await;
    let root = plain.claiming(PRIVILEGES, "true");
    let fields =
        "name entityName user { username } entity { user { username } } runs { edges { node { name } } }";
    assert_eq!(adas_project(&plain, fields).await, Value::Null);
    assert_eq!(
        adas_project(&root, fields).await,
        json!({"name": "demo", "entityName": "ada", "user": {"username": "ada"},
            "entity": {"user": {"username": "ada"}}, "runs": {"edges": [{"node": {"name": "r"}}]}})
    );
    assert_eq!(plain.get("/files/ada/demo/r/f.txt").await.status, 404);
    assert_eq!(root.get("/files/ada/demo/r/f.txt").await.body, "content");
    let shown = "runs { edges { node { files { edges { node { url } } } } } }";
    let shown =
        adas_project(&root, shown).await["runs"]["edges"][0]["node"]["files"]["edges"][0]["node"]["url"]
            .take();
    assert_eq!(plain.fetch(Method::GET, &text(&shown), "").await.body, "content");

    let notes = json!({"id": run.id, "notes": "by root"});
    assert_eq!(plain.refused("upsertBucket", notes.clone()).await.code, "NOT_FOUND");
    root.mutate("upsertBucket", notes, "inserted").await;
    assert_eq!(
        run.show("notes user { username }").await,
        json!({"notes": "by root", "user": {"username": "ada"}})
    );
    root.mutate("deleteRun", json!({"id": run.id}), "clientMutationId").await;
    assert_eq!((plain.trash().await, root.trash().await), (vec![], vec!["r".to_owned()]));
    root.mutate("restoreRun", json!({"id": run.id}), "clientMutationId").await;
    assert_eq!(run.field("notes").await, "by root");
});

backend_test!(an_administrator_finds_users_by_a_part_of_their_name_or_email, |app| {
    let plain = app.administrator("a_a").await;
    let root = plain.claiming(PRIVILEGES, "true");
    let found = async |client: &Client, query: &str| {
        let answer = client.graphql(
            "query($query: String) { users(query: $query) { edges { node { username email apiKeys { edges { node { id } } } } } } }",
            json!({"query": query}),
        );
        let edges = answer.await["users"]["edges"].take();
        texts(&edges.as_array().unwrap().iter().map(|edge| edge["node"]["username"].clone()).collect())
    };
    for (query, users) in [
        ("ada", &["ada"][..]),
        ("ADA", &["ada"]),
        ("GRACE@example", &["grace"]),
        ("a", &["a_a", "ada", "grace"]),
        ("a_a", &["a_a"]),
        ("%", &[]),
        ("example.org", &["a_a", "ada", "grace"]),
        ("", &["a_a", "ada", "grace"]),
    ] {
        assert_eq!(found(&root, query).await, users, "{query:?}");
    }
    for client in [&plain, &app.ada.claiming(PRIVILEGES, "true")] {
        assert_eq!(found(client, "").await, Vec::<String>::new());
    }
});

backend_test!(what_is_not_named_stays_the_administrators_own, |app| {
    app.ada.run("demo", "r").await;
    let root = app.administrator("root").await.claiming(PRIVILEGES, "true");
    let own = "{ viewer { username teams { edges { node { name } } } } entity { name } project(name: \"demo\") { id } \
               models { edges { node { name } } } }";
    assert_eq!(
        root.graphql(own, ()).await,
        json!({"viewer": {"username": "root", "teams": {"edges": [{"node": {"name": "root"}}]}},
            "entity": {"name": "root"}, "project": null, "models": {"edges": []}})
    );
    let made = root.run("demo", "r").await;
    assert_eq!(made.field("project { entityName }").await["entityName"], "root");
});

backend_test!(the_header_gives_nothing_to_others, |app| {
    let run = app.ada.run("demo", "r").await;
    run.upload("f.txt", "content").await;
    let before = run.snapshot().await;
    let grace = app.grace.claiming(PRIVILEGES, "true");
    assert_eq!(adas_project(&grace, "name").await, Value::Null);
    assert_eq!(grace.graphql("{ entity(name: \"ada\") { id } }", ()).await["entity"], Value::Null);
    for mutation in ["deleteRun", "stopRun", "archiveRun"] {
        assert_eq!(grace.refused(mutation, json!({"id": run.id})).await.code, "NOT_FOUND", "{mutation}");
    }
    assert_eq!(grace.get("/files/ada/demo/r/f.txt").await.status, 404);
    assert_eq!(run.snapshot().await, before);
});

/// One line to ada's run; the status of the answer.
async fn stream_to_adas(app: &TestApp, client: &Client, offset: u64) -> u16 {
    let line = json!({"files": {HISTORY: {"offset": offset, "content": ["{\"_step\":0}"]}}});
    let request = client.request(Method::POST, "/files/ada/demo/r/file_stream");
    let answer = app.ada.send(request.body(line.to_string().into()).unwrap()).await;
    answer.status
}

backend_test!(the_rights_of_one_request_are_not_those_of_the_next, |app| {
    let run = app.ada.run("demo", "r").await;
    let plain = app.administrator("root").await;
    let root = plain.claiming(PRIVILEGES, "true");
    for (offset, written) in [(0, 1), (1, 2)] {
        assert_eq!(stream_to_adas(app, &plain, offset).await, 404);
        assert_eq!(stream_to_adas(app, &root, offset).await, 200);
        assert_eq!(run.field("historyLineCount").await, written);
    }
    for value in ["false", "", "1", "no"] {
        assert_eq!(adas_project(&plain.claiming(PRIVILEGES, value), "name").await, Value::Null, "{value:?}");
    }
});
