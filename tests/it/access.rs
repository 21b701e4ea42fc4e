//! Two users share a server and nothing else: whatever one asks for or tries, the other's things stay unseen and
//! unchanged, and answer like things that are not there.

use std::collections::BTreeSet;
use std::path::Path;

use axum::body::Body;
use axum::http::Method;
use counterweight_domain::deletion::{self, Purge};
use serde_json::{Value, json};

use crate::support::{Client, HISTORY, TRASH, TestApp, TestArtifact, TestRun, backend_test, text};
use crate::things::{SECRET, Things, a_run};

async fn adas_run(app: &TestApp, name: &str) -> TestRun {
    a_run(&app.ada, name).await
}

/// A project of hers in the trash, and a task that names a run; answers the task's id.
async fn adas_leftovers(app: &TestApp) -> String {
    for project in ["deleted project", "full project"] {
        app.ada
            .run_with(
                project,
                "deleted",
                json!({"tags": (0..1000).map(|n| n.to_string()).collect::<Vec<_>>()}),
            )
            .await;
    }
    let made = app.ada.mutate("upsertModel", json!({"name": "deleted project"}), "project { id }").await;
    app.ada.mutate("deleteModel", json!({"id": made["project"]["id"]}), "success").await;
    let edit = json!({"projectName": "full project", "filters": "{}", "addTags": ["more"]});
    let task = app.ada.mutate("modifyRuns", edit, "task { id }").await;
    text(&task["task"]["id"])
}

/// A deletion of hers that is purged.
async fn adas_receipt(app: &TestApp) -> String {
    let run = adas_run(app, "purged").await;
    let input = json!({"id": run.id, "reason": SECRET});
    let done = app.ada.mutate("deleteRun", input, "deletion { id }").await;
    let id = text(&done["deletion"]["id"]);
    app.advance(TRASH);
    assert_eq!(deletion::purge(&app.db, &id).await.unwrap(), Purge::Complete);
    id
}

/// Names of the fields of a type, from the schema itself.
pub(crate) async fn fields_of(client: &Client, type_name: &str) -> BTreeSet<String> {
    let query = "query($t: String!) { __type(name: $t) { fields { name } } }";
    let found = client.graphql(query, json!({"t": type_name})).await;
    found["__type"]["fields"].as_array().unwrap().iter().map(|field| text(&field["name"])).collect()
}

backend_test!(no_query_shows_what_belongs_to_another, |app| {
    let receipt = adas_receipt(app).await;
    let run = adas_run(app, "r").await;
    let deletion = adas_run(app, "deleted").await.delete().await;
    let task = adas_leftovers(app).await;
    let named = json!({"clientID": "client"});
    let version = TestArtifact::begin_with(&app.ada, SECRET, "data", &[("a", "b")], named).await.id;
    let found =
        format!("{{ project(name: \"{SECRET}\") {{ artifactCollection(name: \"data\") {{ id }} }} }}");
    let found = app.ada.graphql(&found, ()).await;
    let collection = text(&found["project"]["artifactCollection"]["id"]);
    let place = "project { name }";
    let project =
        "{ id name runCount runs { edges { node { name displayName } } } run(name: \"r\") { notes } }";
    let warden = app.ruler("root").await;
    warden.mutate("holdRun", json!({"id": run.id, "reason": SECRET}), "hold { id }").await;
    let rule = json!({"entityName": "ada", "projectName": SECRET, "name": SECRET,
        "rule": {"target": "RUNS", "action": "DELETE", "ageSeconds": 60}});
    app.ada.mutate("createRetentionRule", rule, "rule { id }").await;
    let consumers = "consumers(kind: PROJECT) { edges { node { name bytes } } }";
    let queries = [
        ("viewer", "{ viewer { username teams { edges { node { name storageBytes } } } apiKeys { edges { node { name } } } } }".into()),
        ("serverInfo", "{ serverInfo { features { name } } }".into()),
        ("entity", format!("{{ entity(name: \"ada\") {{ id storageBytes project(name: \"{SECRET}\") {project} }} }}")),
        ("organization", "{ organization(name: \"ada\") { name } }".into()),
        ("project", format!("{{ project(entityName: \"ada\", name: \"{SECRET}\") {project} }}")),
        ("model", format!("{{ model(entityName: \"ada\", name: \"{SECRET}\") {project} }}")),
        ("models", format!("{{ models(entityName: \"ada\") {{ edges {{ node {project} }} }} }}")),
        ("users", "{ users(query: \"ada\") { edges { node { username email } } } }".into()),
        ("trash", "{ trash(entityName: \"ada\") { edges { node { name notes } } } }".into()),
        ("projectTrash", "{ projectTrash(entityName: \"ada\") { edges { node { projectName } } } }".into()),
        ("auditEntries", "{ auditEntries { edges { node { path reason } } } }".into()),
        ("receipt", format!("{{ receipt(deletionId: \"{receipt}\") {{ reason }} }}")),
        ("holds", "{ holds { edges { node { path reason } } } }".into()),
        ("artifact", format!("{{ artifact(id: \"{version}\") {{ artifactSequence {{ {place} }} }} }}")),
        ("artifactCollection", format!("{{ artifactCollection(id: \"{collection}\") {{ {place} }} }}")),
        ("clientIDMapping", "{ clientIDMapping(clientID: \"client\") { serverID } }".into()),
        ("deletion", format!("{{ deletion(id: \"{deletion}\") {{ items {{ edges {{ node {{ name }} }} }} }} }}")),
        ("deletions", "{ deletions(entityName: \"ada\") { edges { node { items { edges { node { name } } } } } } }".into()),
        (
            "retentionRules",
            format!("{{ retentionRules(entityName: \"ada\", projectName: \"{SECRET}\") {{ name }} }}"),
        ),
        (
            "retentionSimulation",
            format!(
                "{{ retentionSimulation(entityName: \"ada\", projectName: \"{SECRET}\", at: \"2030-01-01\", \
                 rule: {{target: RUNS, action: DELETE, ageSeconds: 0}}) {{ items {{ path }} }} }}"
            ),
        ),
        ("storageUsage", format!("{{ storageUsage(entityName: \"ada\") {{ {consumers} }} }}")),
        ("collector", "{ collector { lagSeconds } }".into()),
        ("bulkTask", format!("{{ bulkTask(id: \"{task}\") {{ refused {{ name }} }} }}")),
    ];
    // A plan is refused rather than empty, as the deletion would be (`deletion_plans`, `run_data`).
    let walked = queries.iter().map(|(name, _)| *name).chain(["deletionPlan", "filesMatching"]);
    let walked: BTreeSet<_> = walked.map(ToOwned::to_owned).collect();
    assert_eq!(walked, fields_of(&app.grace, "Query").await, "a new query needs a row above");
    for (name, query) in queries {
        let hers = app.ada.graphql(&query, ()).await.to_string();
        let seen = app.grace.graphql(&query, ()).await;
        let asked_by_name = ![
            "viewer",
            "serverInfo",
            "organization",
            "users",
            "trash",
            "projectTrash",
            "deletions",
            "holds",
            "auditEntries",
        ]
        .contains(&name);
        assert!(!asked_by_name || seen[name].is_null(), "{name}: {seen}");
        let unseen =
            ["serverInfo", "organization", "users", "viewer", "clientIDMapping", "collector"].contains(&name);
        assert!(unseen || hers.contains(SECRET) || hers.contains("deleted"), "{name} shows nothing: {hers}");
        let shown = seen.to_string();
        assert!(
            !shown.contains(SECRET) && !shown.contains("deleted") && !shown.contains("ada"),
            "{name}: {shown}"
        );
    }
    // Without a name, the viewer's own is meant.
    let own = app
        .grace
        .graphql("{ entity { name } trash { edges { cursor } } models { edges { cursor } } }", ())
        .await;
    assert_eq!(own, json!({"entity": {"name": "grace"}, "trash": {"edges": []}, "models": {"edges": []}}));
    drop(run);
});

/// Mutations that change nothing that somebody has.
const OF_NOBODY: [&str; 7] = [
    "createUser",
    "createOrganization",
    "createTeam",
    "generateApiKey",
    "pauseCollector",
    "resumeCollector",
    "setReadOnly",
];

backend_test!(no_mutation_changes_what_belongs_to_another, |app| {
    let things = Things::of(app, "ada").await;
    let before = things.run.snapshot().await;
    let tables = ["project", "run", "run_file", "run_value", "deletion", "job", "blob", "member", "invite"];
    let rows = counts(app, &tables).await;
    let mut mutations = things.writes();
    mutations.extend(things.artifact_writes());
    mutations.push(("commitArtifact", json!({"artifactID": things.pending.id})));
    let parts = json!({"artifactID": things.pending.id, "completeMultipartAction": "Complete", "uploadID": "u",
        "completedParts": [], "storagePath": "QXJ0aWZhY3RVcGxvYWQ6MQ=="});
    mutations.push(("completeMultipartUploadArtifact", parts));
    mutations.extend(things.administration());
    mutations.extend(things.of_the_owner());
    let walked = mutations.iter().map(|(name, _)| *name).chain(OF_NOBODY).map(ToOwned::to_owned);
    let walked: BTreeSet<_> = walked.collect();
    assert_eq!(walked, fields_of(&app.grace, "Mutation").await, "a new mutation needs a row above");
    for (name, input) in mutations {
        let refused = app.grace.refused(name, input.clone()).await;
        let status = if name == "agentHeartbeat" { 404 } else { 200 };
        assert_eq!((refused.status, refused.code.as_str()), (status, "NOT_FOUND"), "{name} {input}");
        let missing = app.grace.refused(name, things.of_nothing(&input)).await;
        let shape = |message: &str| message.split(':').next().unwrap().to_owned();
        assert_eq!(
            (missing.code, shape(&missing.message)),
            (refused.code, shape(&refused.message)),
            "{name}"
        );
    }
    assert_eq!(things.run.snapshot().await, before);
    assert_eq!(counts(app, &tables).await, rows);
    assert_eq!(app.ada.trash().await, ["deleted"]);
});

backend_test!(what_a_viewer_changes_is_refused_and_what_a_member_administers_too, |app| {
    let root = app.administrator("root").await;
    app.team(&root, "acme", "crew", &app.ada).await;
    let things = Things::of(app, "crew").await;
    app.grace.mutate("upsertModel", json!({"name": "hers"}), "inserted").await;
    let before = things.run.snapshot().await;
    let grace_is = async |role: &str| {
        let input = json!({"teamName": "crew", "username": "grace", "role": role});
        app.ada.mutate("addTeamMember", input, "success").await;
    };
    for role in ["viewer", "restricted_viewer"] {
        grace_is(role).await;
        let all = things.artifact_writes().into_iter().chain(things.writes()).chain(things.administration());
        for (name, input) in all {
            let refused = app.grace.refused(name, input.clone()).await;
            assert_eq!((refused.status, refused.code.as_str()), (200, "FORBIDDEN"), "{role} {name} {input}");
        }
        let seen = app.grace.within("crew");
        assert_eq!(seen.run_names(SECRET, json!({})).await, ["r"]);
        let body = json!({"files": {HISTORY: {"offset": 0, "content": ["{}"]}}, "complete": true});
        let path = format!("/files/crew/{SECRET}/r/file_stream");
        let request = app.grace.request(Method::POST, &path).body(body.to_string().into()).unwrap();
        assert_eq!(app.grace.send(request).await.outcome(), (403, "FORBIDDEN".to_owned()));
        let file = format!(
            "project(entityName: \"crew\", name: \"{SECRET}\") {{ readOnly run(name: \"r\") {{ \
            readOnly files(names: [\"new\"]) {{ edges {{ node {{ uploadUrl url(upload: true) }} }} }} }} }}"
        );
        let seen =
            app.grace.graphql(&format!("{{ {file} entity(name: \"crew\") {{ readOnly }} }}"), ()).await;
        let no_url = json!({"edges": [{"node": {"uploadUrl": null, "url": null}}]});
        assert_eq!(
            seen,
            json!({"project": {"readOnly": true, "run": {"readOnly": true, "files": no_url}},
                "entity": {"readOnly": true}})
        );
    }
    assert_eq!(things.run.snapshot().await, before);
    grace_is("member").await;
    for (name, input) in things.administration() {
        let refused = app.grace.refused(name, input.clone()).await;
        assert_eq!(refused.code, "FORBIDDEN", "{name} {input}");
    }
    assert_eq!(things.run.snapshot().await, before);
    for (name, input) in things.artifact_writes().into_iter().chain(things.writes()) {
        app.grace.mutate(name, input, "__typename").await;
    }
});

async fn counts(app: &TestApp, tables: &[&str]) -> Vec<i64> {
    let mut rows = Vec::new();
    for table in tables {
        rows.push(app.rows(table).await);
    }
    rows
}

/// Every address of the router, as a request for ada's things.
const ROUTES: [(&str, Method, &str, u16); 19] = [
    ("/api/v1/audit", Method::GET, "/api/v1/audit", 403),
    ("/api/v1/openapi.json", Method::GET, "/api/v1/openapi.json", 200),
    ("/api/v1/runs", Method::GET, "/api/v1/runs?entity=ada", 200),
    ("/api/v1/runs", Method::POST, "/api/v1/runs?entity=ada", 400),
    ("/api/v1/runs/{id}", Method::GET, "/api/v1/runs/ada%2Fsesame%2Fr", 404),
    ("/api/v1/runs/{id}", Method::DELETE, "/api/v1/runs/ada%2Fsesame%2Fr", 404),
    ("/api/v1/runs/{id}/cancel", Method::POST, "/api/v1/runs/ada%2Fsesame%2Fr/cancel", 404),
    ("/api/v1/runs/{id}/stream", Method::GET, "/api/v1/runs/ada%2Fsesame%2Fr/stream", 404),
    (
        "/graphql",
        Method::GET,
        "/graphql?query=%7Bproject(entityName:%22ada%22,name:%22sesame%22)%7Bname%7D%7D",
        200,
    ),
    ("/files/{entity}/{project}/{run}/file_stream", Method::POST, "/files/ada/sesame/r/file_stream", 404),
    ("/files/{entity}/{project}/{run}/{*name}", Method::GET, "/files/ada/sesame/r/sesame.txt", 404),
    (
        "/artifactsV2/{region}/{entity}/{project}/{collection}/{birth}/{digest}/{name}",
        Method::GET,
        "/artifactsV2/default/ada/sesame/sesame/x/5d41402abc4b2a76b9719d911017c592/x",
        404,
    ),
    (
        "/artifactsV2/{region}/{entity}/{project}/{collection}/{version}/{birth}/{digest}/{name}",
        Method::GET,
        "/artifactsV2/default/ada/sesame/sesame/QXJ0aWZhY3Q6MQ==/x/5d41402abc4b2a76b9719d911017c592/x",
        404,
    ),
    ("/artifacts/{entity}/{digest}", Method::GET, "/artifacts/ada/5d41402abc4b2a76b9719d911017c592", 404),
    ("/objects/{token}", Method::GET, "/objects/AAAA", 403),
    ("/healthz", Method::GET, "/healthz", 200),
    ("/ready", Method::GET, "/ready", 200),
    ("/metrics", Method::GET, "/metrics", 200),
    ("/objects/{token}", Method::PUT, "/objects/AAAA", 403),
];

backend_test!(no_address_gives_out_or_takes_what_belongs_to_another, |app| {
    let run = adas_run(app, "r").await;
    let before = run.snapshot().await;
    let router = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/server/src/router.rs");
    let source = std::fs::read_to_string(router).unwrap();
    let declared: BTreeSet<_> =
        source.split(".route(").skip(1).map(|rest| rest.split('"').nth(1).unwrap()).collect();
    assert_eq!(declared, ROUTES.iter().map(|(route, ..)| *route).collect(), "a new route needs a row above");
    for (_, method, path, status) in ROUTES {
        let body =
            json!({"files": {HISTORY: {"offset": 0, "content": ["{}"]}}, "complete": true}).to_string();
        let foreign =
            app.grace.send(app.grace.request(method.clone(), path).body(body.clone().into()).unwrap()).await;
        assert_eq!(foreign.status, status, "{method} {path}");
        let shown = String::from_utf8_lossy(&foreign.body).replace(&format!("ada/{SECRET}/r"), "");
        assert!(!shown.contains(SECRET), "{path}: {shown}");
        let missing = app
            .grace
            .send(app.grace.request(method, &path.replace("ada", "nobody")).body(body.into()).unwrap());
        assert_eq!(missing.await.status, status);
    }
    assert_eq!(run.snapshot().await, before);
});

backend_test!(without_a_key_nothing_is_answered, |app| {
    adas_run(app, "r").await;
    for (_, method, path, status) in ROUTES {
        let answer = app.grace.fetch(method, &format!("http://test.local{path}"), Body::empty()).await;
        let closed = ["/graphql", "/files", "/artifacts", "/api/v1/runs", "/api/v1/audit"]
            .iter()
            .any(|first| path.starts_with(first));
        assert_eq!(answer.status, if closed { 401 } else { status }, "{path}");
        assert!(!String::from_utf8_lossy(&answer.body).contains(SECRET));
    }
});

backend_test!(two_users_may_use_the_same_names, |app| {
    let hers = adas_run(app, "r").await;
    let before = hers.snapshot().await;
    let own = app.grace.run(SECRET, "r").await;
    assert_ne!(own.id, hers.id);
    own.upload("a", "grace's").await;
    own.delete().await;
    assert_eq!(hers.snapshot().await, before);
    assert_eq!(app.grace.run_names(SECRET, json!({})).await, Vec::<String>::new());
    assert_eq!(app.ada.run_names(SECRET, json!({})).await, ["r"]);
    assert_eq!(own.show("id").await, Value::Null);
});
