//! Two users share a server and nothing else: whatever one asks for or tries, the other's things stay unseen and
//! unchanged, and answer like things that are not there.

use std::collections::BTreeSet;
use std::path::Path;

use axum::body::Body;
use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::{Client, HISTORY, TestApp, TestArtifact, TestRun, backend_test, text};

/// Stands in everything that belongs to ada.
const SECRET: &str = "sesame";

async fn adas_run(app: &TestApp, name: &str) -> TestRun {
    a_run(&app.ada, name).await
}

async fn a_run(client: &Client, name: &str) -> TestRun {
    let config = json!({SECRET: {"value": SECRET}}).to_string();
    let told =
        json!({"displayName": SECRET, "notes": SECRET, "tags": [SECRET], "config": config, "host": SECRET});
    let run = client.run_with(SECRET, name, told).await;
    run.log(HISTORY, 0, &[json!({"_step": 0, SECRET: SECRET}).to_string()]).await;
    run.upload(&format!("{SECRET}.txt"), SECRET).await;
    run
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

/// Names of the fields of a type, from the schema itself.
async fn fields_of(client: &Client, type_name: &str) -> BTreeSet<String> {
    let query = "query($t: String!) { __type(name: $t) { fields { name } } }";
    let found = client.graphql(query, json!({"t": type_name})).await;
    found["__type"]["fields"].as_array().unwrap().iter().map(|field| text(&field["name"])).collect()
}

backend_test!(no_query_shows_what_belongs_to_another, |app| {
    let run = adas_run(app, "r").await;
    adas_run(app, "deleted").await.delete().await;
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
        ("artifact", format!("{{ artifact(id: \"{version}\") {{ artifactSequence {{ {place} }} }} }}")),
        ("artifactCollection", format!("{{ artifactCollection(id: \"{collection}\") {{ {place} }} }}")),
        ("clientIDMapping", "{ clientIDMapping(clientID: \"client\") { serverID } }".into()),
        ("bulkTask", format!("{{ bulkTask(id: \"{task}\") {{ refused {{ name }} }} }}")),
    ];
    let walked: BTreeSet<_> = queries.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(walked, fields_of(&app.grace, "Query").await, "a new query needs a row above");
    for (name, query) in queries {
        let hers = app.ada.graphql(&query, ()).await.to_string();
        let seen = app.grace.graphql(&query, ()).await;
        let asked_by_name =
            !["viewer", "serverInfo", "organization", "users", "trash", "projectTrash"].contains(&name);
        assert!(!asked_by_name || seen[name].is_null(), "{name}: {seen}");
        let unseen = ["serverInfo", "organization", "users", "viewer", "clientIDMapping"].contains(&name);
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
const OF_NOBODY: [&str; 4] = ["createUser", "createOrganization", "createTeam", "generateApiKey"];

/// Something of every kind that an entity can have, for one mutation of every kind.
struct Things {
    entity: &'static str,
    run: TestRun,
    deleted: TestRun,
    file: Value,
    project: Value,
    user: Value,
    team: Value,
    key: Value,
    version: TestArtifact,
    pending: TestArtifact,
    manifest: Value,
    sequence: Value,
    portfolio: Value,
}

impl Things {
    async fn of(app: &TestApp, entity: &'static str) -> Self {
        let ada = app.ada.within(entity);
        let run = a_run(&ada, "r").await;
        let deleted = a_run(&ada, "deleted").await;
        let file = run.file(&format!("{SECRET}.txt"), "id").await["id"].take();
        deleted.delete().await;
        let project = run.field("project { id }").await["id"].take();
        let key = ada.mutate("generateApiKey", json!({}), "apiKey { id }").await["apiKey"]["id"].take();
        let query = "query($e: String) { viewer { id } entity(name: $e) { id } }";
        let mut found = ada.graphql(query, json!({"e": entity})).await;
        let (user, team) = (found["viewer"]["id"].take(), found["entity"]["id"].take());
        let (version, _) = TestArtifact::log(&ada, SECRET, "data", &[("a", SECRET)]).await;
        let pending = TestArtifact::begin(&ada, SECRET, "data", &[("b", SECRET)]).await;
        let announce = json!({"artifactID": pending.id, "name": "m", "digest": "", "entityName": entity,
            "projectName": SECRET, "runName": "r"});
        let announced = ada.mutate("createArtifactManifest", announce, "artifactManifest { id }").await;
        let manifest = announced["artifactManifest"]["id"].clone();
        let link = json!({"artifactID": version.id, "entityName": entity, "projectName": SECRET,
            "artifactPortfolioName": "linked"});
        ada.mutate("linkArtifact", link, "versionIndex").await;
        let query = "query($e: String, $p: String) { project(entityName: $e, name: $p) { \
                     data: artifactCollection(name: \"data\") { id } \
                     linked: artifactCollection(name: \"linked\") { id } } }";
        let mut found = ada.graphql(query, json!({"e": entity, "p": SECRET})).await;
        let place = &mut found["project"];
        let (sequence, portfolio) = (place["data"]["id"].take(), place["linked"]["id"].take());
        Self {
            entity,
            run,
            deleted,
            file,
            project,
            user,
            team,
            key,
            version,
            pending,
            manifest,
            sequence,
            portfolio,
        }
    }

    /// What a member may do with versions and collections.
    fn artifact_writes(&self) -> Vec<(&'static str, Value)> {
        let Self { entity, version, pending, manifest, sequence, portfolio, .. } = self;
        let of_version = || json!({"artifactID": version.id});
        let in_project = |mut input: Value| {
            input["entityName"] = (*entity).into();
            input["projectName"] = SECRET.into();
            input
        };
        let aliases = json!([in_project(json!({"artifactCollectionName": "data", "alias": "best"}))]);
        let tags = || in_project(json!({"artifactCollectionName": "data", "tags": [{"tagName": "t"}]}));
        let with = |mut input: Value, field: &str, value: Value| {
            input[field] = value;
            input
        };
        vec![
            (
                "createArtifact",
                in_project(json!({"artifactTypeName": "dataset", "artifactCollectionName": "more",
                    "digest": "00000000000000000000000000000000"})),
            ),
            ("createArtifactType", in_project(json!({"name": "more"}))),
            (
                "createArtifactManifest",
                in_project(json!({"artifactID": pending.id, "name": "n", "digest": "", "runName": "r"})),
            ),
            ("updateArtifactManifest", json!({"artifactManifestID": manifest})),
            (
                "createArtifactFiles",
                json!({"artifactFiles": [{"artifactID": pending.id, "name": "c", "md5": "XUFAKrxLKna5cZ2REBfFkg=="}]}),
            ),
            ("useArtifact", in_project(with(of_version(), "runName", "r".into()))),
            ("updateArtifact", with(of_version(), "description", "grace was here".into())),
            ("addAliases", with(of_version(), "aliases", aliases.clone())),
            ("deleteAliases", with(of_version(), "aliases", aliases)),
            ("linkArtifact", in_project(with(of_version(), "artifactPortfolioName", "linked".into()))),
            ("createArtifactCollectionTagAssignments", tags()),
            ("deleteArtifactCollectionTagAssignments", tags()),
            ("updateArtifactSequence", json!({"artifactSequenceID": sequence, "description": "x"})),
            ("updateArtifactPortfolio", json!({"artifactPortfolioID": portfolio, "description": "x"})),
            (
                "moveArtifactSequence",
                json!({"artifactSequenceID": sequence, "destinationArtifactTypeName": "other"}),
            ),
            ("unlinkArtifact", with(of_version(), "artifactPortfolioID", portfolio.clone())),
            ("deleteArtifact", with(of_version(), "deleteAliases", true.into())),
            ("deleteArtifactPortfolio", json!({"artifactPortfolioID": portfolio})),
            ("deleteArtifactSequence", json!({"artifactSequenceID": sequence})),
        ]
    }

    /// What a member may do.
    fn writes(&self) -> Vec<(&'static str, Value)> {
        let Self { entity, run, deleted, file, project, .. } = self;
        let id = || json!({"id": run.id});
        let of_run = |mut input: Value| {
            input["entityName"] = (*entity).into();
            input["projectName"] = SECRET.into();
            input["runName"] = "r".into();
            input
        };
        let upsert = json!({"entityName": entity, "modelName": SECRET, "name": "r", "notes": "x"});
        let renaming = json!({"entityName": entity, "oldProjectName": SECRET, "newProjectName": SECRET});
        vec![
            ("upsertBucket", upsert),
            ("upsertBucket", json!({"id": run.id, "notes": "grace was here"})),
            ("upsertModel", json!({"entityName": entity, "name": SECRET, "description": "grace was here"})),
            ("upsertModel", json!({"entityName": entity, "name": "new"})),
            ("upsertModel", json!({"id": project, "description": "grace was here"})),
            ("stopRun", id()),
            ("createRunFiles", of_run(json!({"files": ["x"]}))),
            ("markRunFilesUploaded", of_run(json!({"files": ["x"]}))),
            ("deleteFiles", json!({"files": [file]})),
            ("notifyScriptableRunAlert", of_run(json!({"title": "t", "text": "t"}))),
            ("rewindRun", of_run(json!({"metricName": "_step", "metricValue": 0}))),
            ("updateRunState", json!({"id": run.id, "state": "failed"})),
            ("archiveRun", id()),
            ("unarchiveRun", id()),
            ("restoreRun", json!({"id": deleted.id})),
            ("deleteRun", id()),
            ("renameProject", renaming),
            (
                "modifyRuns",
                json!({"filters": "{}", "entityName": entity, "projectName": SECRET, "addTags": ["grace"]}),
            ),
            (
                "moveRuns",
                json!({"filters": "{}", "sourceEntityName": entity, "sourceProjectName": SECRET,
                    "destinationEntityName": "grace", "destinationProjectName": "hers"}),
            ),
            ("deleteModel", json!({"id": project})),
            ("restoreProject", json!({"id": project})),
        ]
    }

    /// What an administrator may do.
    fn administration(&self) -> Vec<(&'static str, Value)> {
        let Self { entity, project, user, team, .. } = self;
        let of_project = |mut input: Value| {
            input["projectId"] = project.clone();
            input
        };
        vec![
            ("upsertModel", json!({"id": project, "access": "RESTRICTED"})),
            ("addTeamMember", json!({"teamName": entity, "username": "grace", "role": "admin"})),
            ("removeTeamMember", json!({"teamName": entity, "username": "ada"})),
            ("createInvite", json!({"entityName": entity, "username": "grace"})),
            ("deleteInvite", json!({"entityName": entity, "id": user})),
            ("createServiceAccount", json!({"entityName": entity, "description": "robot"})),
            ("createProjectMembers", of_project(json!({"userIds": [user]}))),
            ("deleteProjectMembers", of_project(json!({"userIds": [user]}))),
            ("updateProjectMember", of_project(json!({"userId": user, "userProjectRole": "viewer"}))),
            ("updateProjectTeamMember", of_project(json!({"teamId": team, "teamProjectRole": "viewer"}))),
        ]
    }

    /// What only who has it may do, or whoever administers an organization.
    fn of_the_owner(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("upsertBucket", json!({"id": self.deleted.id, "notes": "grace was here"})),
            ("deleteApiKey", json!({"id": self.key})),
            (
                "addOrganizationMember",
                json!({"organizationName": self.entity, "username": "grace", "role": "admin"}),
            ),
            ("removeOrganizationMember", json!({"organizationName": self.entity, "username": "ada"})),
        ]
    }

    /// The same about things that are not there.
    fn of_nothing(&self, input: &Value) -> Value {
        let mut text = input.to_string().replace(&format!("\"{}\"", self.entity), "\"nobody\"");
        for (id, kind) in [
            (&self.run.id, "Run"),
            (&self.deleted.id, "Run"),
            (&self.file.as_str().unwrap().to_owned(), "File"),
            (&self.project.as_str().unwrap().to_owned(), "Project"),
            (&self.key.as_str().unwrap().to_owned(), "ApiKey"),
            (&self.version.id, "Artifact"),
            (&self.pending.id, "Artifact"),
            (&self.manifest.as_str().unwrap().to_owned(), "ArtifactManifest"),
            (&self.sequence.as_str().unwrap().to_owned(), "ArtifactCollection"),
            (&self.portfolio.as_str().unwrap().to_owned(), "ArtifactCollection"),
        ] {
            text = text.replace(id.as_str(), &STANDARD.encode(format!("{kind}:999")));
        }
        serde_json::from_str(&text).unwrap()
    }
}

backend_test!(no_mutation_changes_what_belongs_to_another, |app| {
    let things = Things::of(app, "ada").await;
    let before = things.run.snapshot().await;
    let tables = ["project", "run", "run_file", "run_value", "deletion", "job", "blob", "member", "invite"];
    let rows = counts(app, &tables).await;
    let mut mutations = things.writes();
    mutations.extend(things.artifact_writes());
    mutations.push(("commitArtifact", json!({"artifactID": things.pending.id})));
    mutations.extend(things.administration());
    mutations.extend(things.of_the_owner());
    let walked = mutations.iter().map(|(name, _)| *name).chain(OF_NOBODY).map(ToOwned::to_owned);
    let walked: BTreeSet<_> = walked.collect();
    assert_eq!(walked, fields_of(&app.grace, "Mutation").await, "a new mutation needs a row above");
    for (name, input) in mutations {
        let refused = app.grace.refused(name, input.clone()).await;
        assert_eq!((refused.status, refused.code.as_str()), (200, "NOT_FOUND"), "{name} {input}");
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
const ROUTES: [(&str, Method, &str, u16); 8] = [
    (
        "/graphql",
        Method::GET,
        "/graphql?query=%7Bproject(entityName:%22ada%22,name:%22sesame%22)%7Bname%7D%7D",
        200,
    ),
    ("/files/{entity}/{project}/{run}/file_stream", Method::POST, "/files/ada/sesame/r/file_stream", 404),
    ("/files/{entity}/{project}/{run}/{*name}", Method::GET, "/files/ada/sesame/r/sesame.txt", 404),
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
        source.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
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
        let open =
            path.starts_with("/objects") || !(path.starts_with("/graphql") || path.starts_with("/files"));
        assert_eq!(answer.status, if open { status } else { 401 }, "{path}");
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
