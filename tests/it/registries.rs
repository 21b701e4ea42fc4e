//! Registries: projects of an organization, and who may do what in them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Client, TestApp, TestArtifact, backend_test, text};

/// What the client asks about a registry.
const REGISTRY: &str = "id internalId name description access allowAllArtifactTypesInRegistry \
                        entity { name organization { name } } readOnly";

/// The acme, which root administers; ada and her crew belong to it.
async fn acme(app: &TestApp) -> Client {
    let root = app.administrator("root").await;
    app.team(&root, "acme", "crew", &app.ada).await;
    root
}

async fn create(client: &Client, name: &str, more: Value) -> Value {
    let fields = format!("inserted project {{ {REGISTRY} }}");
    client.mutate("upsertModel", input(name, more), &fields).await
}

fn input(name: &str, mut more: Value) -> Value {
    let mut input = json!({"entityName": "acme-org", "name": format!("wandb-registry-{name}"), "access": "PRIVATE",
        "allowAllArtifactTypesInRegistry": true, "artifactTypes": null, "description": null});
    input.as_object_mut().unwrap().append(more.as_object_mut().unwrap());
    input
}

async fn find(client: &Client, name: &str, fields: &str) -> Value {
    let query = format!(
        "query($name: String) {{ entity(name: \"acme-org\") {{ project(name: $name) {{ {fields} }} }} }}"
    );
    let mut found = client.graphql(&query, json!({"name": format!("wandb-registry-{name}")})).await;
    found["entity"]["project"].take()
}

/// Names of the registries that a filter means, in an order.
async fn search(client: &Client, filters: Value, order: &str) -> Vec<String> {
    const QUERY: &str = "query($f: JSONString, $o: String, $after: String) { organization(name: \"acme\") { \
                         orgEntity { projects(filters: $f, order: $o, first: 2, after: $after) { \
                         pageInfo { endCursor hasNextPage } edges { node { name } } } } } }";
    let (mut names, mut after) = (Vec::new(), Value::Null);
    loop {
        let variables = json!({"f": filters.to_string(), "o": order, "after": after});
        let mut found = client.graphql(QUERY, variables).await;
        let page = found["organization"]["orgEntity"]["projects"].take();
        names.extend(
            page["edges"]
                .as_array()
                .unwrap()
                .iter()
                .map(|edge| text(&edge["node"]["name"]).strip_prefix("wandb-registry-").unwrap().to_owned()),
        );
        if page["pageInfo"]["hasNextPage"] == false {
            return names;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}

backend_test!(a_registry_is_made_once_and_changed_afterwards, |app| {
    let root = acme(app).await;
    let made = create(&root, "model", json!({"description": "all of them"})).await;
    assert_eq!(made["inserted"], true);
    let mut registry = made["project"].clone();
    for id in ["id", "internalId"] {
        assert!(registry.as_object_mut().unwrap().remove(id).unwrap().is_string());
    }
    assert_eq!(
        registry,
        json!({"name": "wandb-registry-model", "description": "all of them", "access": "PRIVATE",
            "allowAllArtifactTypesInRegistry": true, "readOnly": false,
            "entity": {"name": "acme-org", "organization": {"name": "acme"}}})
    );
    let changed =
        json!({"access": "RESTRICTED", "allowAllArtifactTypesInRegistry": false, "description": "few"});
    let again = create(&root, "model", changed).await;
    assert_eq!(again["inserted"], false);
    let seen = find(&root, "model", "access allowAllArtifactTypesInRegistry description").await;
    assert_eq!(
        seen,
        json!({"access": "RESTRICTED", "allowAllArtifactTypesInRegistry": false, "description": "few"})
    );
    let renaming = json!({"entityName": "acme-org", "oldProjectName": "wandb-registry-model",
        "newProjectName": "wandb-registry-models"});
    root.mutate("renameProject", renaming, "inserted project { name }").await;
    assert_eq!(find(&root, "models", "description").await["description"], "few");
    root.mutate("deleteModel", json!({"id": made["project"]["id"]}), "success").await;
    assert_eq!(find(&root, "models", "id").await, Value::Null);
    root.mutate("restoreProject", json!({"id": made["project"]["id"]}), "project { name }").await;
    assert_eq!(find(&root, "models", "description").await["description"], "few");
});

backend_test!(registries_and_other_projects_have_names_of_their_own, |app| {
    let root = acme(app).await;
    for (entity, name) in [
        ("acme-org", "demo"),
        ("acme-org", "wandb-registry-"),
        ("crew", "wandb-registry-x"),
        ("ada", "wandb-registry-x"),
    ] {
        let client = if entity == "acme-org" { &root } else { &app.ada };
        let refused = client.refused("upsertModel", json!({"entityName": entity, "name": name})).await;
        assert_eq!(refused.code, "REGISTRY_INVALID", "{entity}/{name}");
    }
    create(&root, "model", json!({})).await;
    let renaming = json!({"entityName": "acme-org", "oldProjectName": "wandb-registry-model", "newProjectName": "model"});
    assert_eq!(root.refused("renameProject", renaming).await.code, "REGISTRY_INVALID");
    for (more, code) in [
        (json!({"access": "PUBLIC"}), "ACCESS_INVALID"),
        (json!({"artifactTypes": [{"name": "a/b"}]}), "ARTIFACT_NAME_INVALID"),
        (json!({"artifactTypes": [{"name": ""}]}), "ARTIFACT_NAME_INVALID"),
    ] {
        assert_eq!(root.refused("upsertModel", input("model", more)).await.code, code);
    }
    let types = json!({"name": "demo", "artifactTypes": [{"name": "model"}]});
    assert_eq!(app.ada.refused("upsertModel", types).await.code, "ARTIFACT_TYPE_INVALID");
});

backend_test!(a_restricted_registry_is_for_those_who_were_let_in, |app| {
    let root = acme(app).await;
    let add = json!({"organizationName": "acme", "username": "grace"});
    root.mutate("addOrganizationMember", add, "success").await;
    let registry = create(&app.ada, "secret", json!({"access": "RESTRICTED"})).await["project"].take();
    let id = registry["id"].clone();
    assert_eq!(find(&app.ada, "secret", "readOnly").await, json!({"readOnly": false}));
    assert_eq!(
        find(&root, "secret", "readOnly").await,
        json!({"readOnly": false}),
        "who administers the organization"
    );
    assert_eq!(find(&app.grace, "secret", "id").await, Value::Null);
    assert_eq!(search(&app.grace, json!({}), "").await, Vec::<String>::new());
    let taken = app.grace.refused("upsertModel", input("secret", json!({}))).await;
    assert_eq!(taken.code, "PROJECT_NAME_TAKEN");

    let users = app.grace.graphql("{ viewer { id } }", ()).await;
    let party = json!({"projectId": id, "userIds": [users["viewer"]["id"]], "teamIds": []});
    app.ada.mutate("createProjectMembers", party.clone(), "success").await;
    assert_eq!(find(&app.grace, "secret", "readOnly").await, json!({"readOnly": false}));
    let role =
        |role: &str| json!({"projectId": id, "userId": users["viewer"]["id"], "userProjectRole": role});
    app.ada.mutate("updateProjectMember", role("viewer"), "success").await;
    assert_eq!(find(&app.grace, "secret", "readOnly").await, json!({"readOnly": true}));
    let describe = json!({"id": id, "description": "grace was here"});
    assert_eq!(app.grace.refused("upsertModel", describe.clone()).await.code, "FORBIDDEN");
    app.ada.mutate("updateProjectMember", role("member"), "success").await;
    assert_eq!(
        app.grace.refused("upsertModel", describe.clone()).await.code,
        "FORBIDDEN",
        "a member links, an administrator describes"
    );
    app.ada.mutate("updateProjectMember", role("admin"), "success").await;
    app.grace.mutate("upsertModel", describe, "inserted").await;
    let seen =
        find(&app.ada, "secret", "members { username email role { name } } teamMembers { team { name } }")
            .await;
    let member = |name: &str| json!({"username": name, "email": format!("{name}@example.org"), "role": {"name": "admin"}});
    assert_eq!(seen, json!({"members": [member("ada"), member("grace")], "teamMembers": []}));
    app.ada.mutate("deleteProjectMembers", party, "success").await;
    assert_eq!(find(&app.grace, "secret", "id").await, Value::Null);
});

backend_test!(a_team_is_let_in_as_one, |app| {
    let root = acme(app).await;
    let registry = create(&root, "secret", json!({"access": "RESTRICTED"})).await["project"].take();
    let id = registry["id"].clone();
    assert_eq!(find(&app.ada, "secret", "id").await, Value::Null);
    let crew = app.ada.graphql("{ entity(name: \"crew\") { id } }", ()).await["entity"]["id"].take();
    let party = json!({"projectId": id, "teamIds": [crew]});
    root.mutate("createProjectMembers", party.clone(), "success").await;
    assert_eq!(find(&app.ada, "secret", "readOnly").await, json!({"readOnly": false}));
    let role = json!({"projectId": id, "teamId": crew, "teamProjectRole": "viewer"});
    root.mutate("updateProjectTeamMember", role, "success").await;
    assert_eq!(find(&app.ada, "secret", "readOnly").await, json!({"readOnly": true}));
    // Who belongs to the organization sees who is in the team, and nothing of what is the team's.
    app.ada.within("crew").run("demo", "r").await.upload("f", "content").await;
    let fields = "teamMembers { role { name } team { name storageBytes members { name } project(name: \"demo\") { id } } }";
    assert_eq!(
        find(&root, "secret", fields).await["teamMembers"],
        json!([{"role": {"name": "viewer"},
            "team": {"name": "crew", "storageBytes": 0, "members": [{"name": "ada"}], "project": null}}])
    );
    root.mutate("deleteProjectMembers", party, "success").await;
    assert_eq!(find(&app.ada, "secret", "id").await, Value::Null);
});

backend_test!(only_who_belongs_to_the_organization_is_let_in, |app| {
    let root = acme(app).await;
    let registry = create(&root, "model", json!({})).await["project"].take();
    app.grace.mutate("createTeam", json!({"teamName": "alone"}), "entity { name }").await;
    let mut strangers = app.grace.graphql("{ viewer { id } entity(name: \"alone\") { id } }", ()).await;
    let (grace, alone) = (strangers["viewer"]["id"].take(), strangers["entity"]["id"].take());
    for party in
        [json!({"userIds": [grace]}), json!({"teamIds": [alone]}), json!({"userIds": ["VXNlcjo5OTk="]})]
    {
        let mut input = json!({"projectId": registry["id"]});
        input.as_object_mut().unwrap().extend(party.as_object().unwrap().clone());
        assert_eq!(root.refused("createProjectMembers", input).await.code, "NOT_FOUND");
    }
    let role = json!({"projectId": registry["id"], "userId": grace, "userProjectRole": "admin"});
    assert_eq!(root.refused("updateProjectMember", role).await.code, "NOT_FOUND");
    let nonsense = json!({"projectId": registry["id"], "userId": grace, "userProjectRole": "owner"});
    assert_eq!(root.refused("updateProjectMember", nonsense).await.code, "ROLE_INVALID");
});

backend_test!(registries_are_searched, |app| {
    let root = acme(app).await;
    for (name, description) in [("b", "two"), ("a", "one"), ("model", "three")] {
        create(&root, name, json!({"description": description})).await;
        app.advance(Duration::from_secs(1));
    }
    create(&root, "hidden", json!({"access": "RESTRICTED"})).await;
    for (filters, order, expected) in [
        (json!({}), "", vec!["model", "a", "b"]),
        (json!({}), "+name", vec!["a", "b", "model"]),
        (json!({}), "-name", vec!["model", "b", "a"]),
        (json!({}), "created_at", vec!["b", "a", "model"]),
        (json!({"name": "wandb-registry-a"}), "", vec!["a"]),
        (json!({"name": {"$regex": "mod"}}), "", vec!["model"]),
        (json!({"name": {"$in": ["wandb-registry-a", "wandb-registry-b"]}}), "name", vec!["a", "b"]),
        (
            json!({"$or": [{"description": "one"}, {"description": {"$contains": "hre"}}]}),
            "name",
            vec!["a", "model"],
        ),
        (json!({"$and": [{"description": "one"}, {"name": "wandb-registry-b"}]}), "", vec![]),
        (json!({"created_at": {"$gt": "2026-01-01T00:00:00Z"}}), "name", vec!["a", "model"]),
    ] {
        assert_eq!(search(&app.ada, filters.clone(), order).await, expected, "{filters} {order}");
    }
    let query = "query($f: JSONString, $o: String) { entity(name: \"acme-org\") { projects(filters: $f, order: $o) { edges { cursor } } } }";
    for (variables, code) in
        [(json!({"f": "{\"colour\": 1}"}), "FILTER_INVALID"), (json!({"o": "size"}), "ORDER_INVALID")]
    {
        assert_eq!(app.ada.refusal(query, variables).await.code, code);
    }
});

backend_test!(a_project_of_a_team_can_be_restricted_too, |app| {
    let root = acme(app).await;
    let add = json!({"teamName": "crew", "username": "grace"});
    app.ada.mutate("addTeamMember", add, "success").await;
    let run = app.grace.within("crew").run("demo", "r").await;
    let id = run.field("project { id }").await["id"].take();
    app.ada.mutate("upsertModel", json!({"id": id, "access": "RESTRICTED"}), "inserted").await;
    assert_eq!(run.show("id").await, Value::Null);
    assert_eq!(app.grace.refused("stopRun", json!({"id": run.id})).await.code, "NOT_FOUND");
    let users = app.grace.graphql("{ viewer { id } }", ()).await;
    let party = json!({"projectId": id, "userIds": [users["viewer"]["id"]]});
    app.ada.mutate("createProjectMembers", party, "success").await;
    app.grace.mutate("stopRun", json!({"id": run.id}), "success").await;
    drop(root);
});

async fn link(client: &Client, version: &TestArtifact, registry: &str) -> Value {
    client.mutate("linkArtifact", link_input(version, registry), "versionIndex").await
}

fn link_input(version: &TestArtifact, registry: &str) -> Value {
    json!({"artifactID": version.id, "entityName": "acme-org", "artifactPortfolioName": "best",
        "projectName": format!("wandb-registry-{registry}")})
}

backend_test!(who_sees_a_registry_uses_what_is_in_it_and_nothing_else_of_where_it_was_made, |app| {
    let root = acme(app).await;
    let add = json!({"organizationName": "acme", "username": "grace", "role": "viewer"});
    root.mutate("addOrganizationMember", add, "success").await;
    create(&root, "model", json!({})).await;
    let crew = app.ada.within("crew");
    crew.run("demo", "r").await;
    let (linked, _) = TestArtifact::log(&crew, "demo", "weights", &[("w", "content")]).await;
    let (other, _) = TestArtifact::log(&crew, "demo", "weights", &[("w", "more")]).await;
    link(&app.ada, &linked, "model").await;

    let version = |id: &str| {
        format!(
            "{{ artifact(id: \"{id}\") {{ files {{ edges {{ node {{ directUrl }} }} }} \
            aliases {{ alias }} artifactSequence {{ name project {{ name }} latestArtifact {{ id }} \
            aliases {{ edges {{ node {{ alias }} }} }} artifactMembership(aliasName: \"latest\") {{ id }} }} }} }}"
        )
    };
    let mut seen = app.grace.graphql(&version(&linked.id), ()).await["artifact"].take();
    let url = text(&seen["files"]["edges"][0]["node"]["directUrl"]);
    assert_eq!(app.grace.fetch(axum::http::Method::GET, &url, "").await.body, "content");
    seen.as_object_mut().unwrap().remove("files");
    assert_eq!(
        seen,
        json!({"aliases": [{"alias": "latest"}, {"alias": "v0"}], "artifactSequence": {"name": "weights",
            "project": null, "latestArtifact": null, "aliases": {"edges": []}, "artifactMembership": null}})
    );
    assert_eq!(app.grace.graphql(&version(&other.id), ()).await["artifact"], Value::Null);
    let describe = json!({"artifactID": linked.id, "description": "grace was here"});
    assert_eq!(app.grace.refused("updateArtifact", describe).await.code, "FORBIDDEN");
    assert_eq!(app.grace.refused("linkArtifact", link_input(&linked, "model")).await.code, "FORBIDDEN");
    assert_eq!(app.grace.refused("linkArtifact", link_input(&other, "model")).await.code, "NOT_FOUND");
});

backend_test!(a_restricted_registry_does_not_show_in_what_is_linked_to_it, |app| {
    let root = acme(app).await;
    create(&root, "secret", json!({"access": "RESTRICTED"})).await;
    let add = json!({"teamName": "crew", "username": "root", "role": "member"});
    app.ada.mutate("addTeamMember", add, "success").await;
    let crew = app.ada.within("crew");
    crew.run("demo", "r").await;
    let (version, _) = TestArtifact::log(&crew, "demo", "weights", &[("w", "content")]).await;
    link(&root, &version, "secret").await;
    let query = "query($id: ID!) { artifact(id: $id) { aliases { artifactCollection { name } } \
                 artifactMemberships { edges { node { artifactCollection { name } } } } } }";
    let seen = app.ada.graphql(query, json!({"id": version.id})).await;
    assert!(!seen.to_string().contains("best"), "{seen}");
    assert!(root.graphql(query, json!({"id": version.id})).await.to_string().contains("best"));
});

backend_test!(a_registry_takes_the_types_that_it_has, |app| {
    let root = acme(app).await;
    let types = |names: &[&str]| {
        let types: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
        json!({"allowAllArtifactTypesInRegistry": false, "artifactTypes": types})
    };
    create(&root, "model", types(&["model"])).await;
    let fields = "artifactTypes(includeAll: true) { edges { node { name } } }";
    let names = async || {
        let seen = find(&root, "model", fields).await;
        let edges = seen["artifactTypes"]["edges"].as_array().unwrap().clone();
        edges.iter().map(|edge| text(&edge["node"]["name"])).collect::<Vec<_>>()
    };
    assert_eq!(names().await, ["model"]);
    root.run("demo", "r").await;
    let (version, _) = TestArtifact::log(&root, "demo", "data", &[("d", "content")]).await;
    let refused = root.refused("linkArtifact", link_input(&version, "model")).await;
    assert_eq!(refused.code, "ARTIFACT_TYPE_REFUSED");
    create(&root, "model", types(&["dataset"])).await;
    assert_eq!(names().await, ["dataset", "model"], "types are only added");
    link(&root, &version, "model").await;
    assert_eq!(app.ada.refused("upsertModel", input("model", types(&["more"]))).await.code, "FORBIDDEN");
});
