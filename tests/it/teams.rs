//! Organizations, teams and who belongs to them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Client, HISTORY, TestApp, backend_test, text};

const PRIVILEGES: &str = "use-admin-privileges";
const USERNAME: &str = "x-wandb-username";

/// What the client asks about a team.
const TEAM: &str = "query($name: String!) { entity(name: $name) { name isTeam entityType readOnly readOnlyAdmin \
                    privateOnly isPaid defaultAccess limits organization { name orgEntity { name entityType } } \
                    members { id admin role pending email username name accountType apiKey } } }";

/// The acme's crew, which ada administers.
async fn crew(app: &TestApp) -> Client {
    let root = app.administrator("root").await;
    app.team(&root, "acme", "crew", &app.ada).await;
    root
}

async fn add(by: &Client, username: &str, role: &str) {
    let input = json!({"teamName": "crew", "username": username, "role": role});
    by.mutate("addTeamMember", input, "success").await;
}

async fn members(client: &Client) -> Vec<Value> {
    let mut found = client.graphql(TEAM, json!({"name": "crew"})).await;
    serde_json::from_value(found["entity"]["members"].take()).unwrap()
}

async fn names(client: &Client) -> Vec<String> {
    members(client).await.iter().map(|member| text(&member["name"])).collect()
}

async fn teams(client: &Client) -> Value {
    let mut found = client.graphql("{ viewer { teams { edges { node { name } } } } }", ()).await;
    found["viewer"]["teams"]["edges"].take()
}

backend_test!(a_team_is_shown_as_the_client_expects, |app| {
    crew(app).await;
    add(&app.ada, "grace", "viewer").await;
    let mut seen = app.ada.graphql(TEAM, json!({"name": "crew"})).await;
    let members = seen["entity"]["members"].take();
    let organization =
        json!({"name": "acme", "orgEntity": {"name": "acme-org", "entityType": "organization"}});
    assert_eq!(
        seen["entity"],
        json!({"name": "crew", "isTeam": true, "entityType": "team", "readOnly": false, "readOnlyAdmin": false,
            "privateOnly": true, "isPaid": false, "defaultAccess": "PRIVATE", "limits": "{}",
            "organization": organization, "members": null})
    );
    let part = |name: &str, role: &str| {
        json!({"admin": role == "admin", "role": role, "pending": false, "email": format!("{name}@example.org"),
            "username": name, "name": name, "accountType": "USER", "apiKey": null})
    };
    let mut members: Vec<Value> = serde_json::from_value(members).unwrap();
    for member in &mut members {
        assert!(member.as_object_mut().unwrap().remove("id").is_some());
    }
    assert_eq!(members, [part("ada", "admin"), part("grace", "viewer")]);
    let own = app.grace.graphql(TEAM, json!({"name": "grace"})).await;
    assert_eq!(own["entity"]["members"][0]["accountType"], "USER");
    assert_eq!(own["entity"]["organization"], Value::Null);
});

backend_test!(a_member_works_in_the_team_and_an_outsider_sees_nothing, |app| {
    crew(app).await;
    add(&app.ada, "grace", "member").await;
    let run = app.grace.within("crew").run("demo", "r").await;
    run.log(HISTORY, 0, &[r#"{"_step":0,"x":1}"#]).await;
    run.upload("f.txt", "content").await;
    assert_eq!(app.ada.within("crew").run_names("demo", json!({})).await, ["r"]);
    let edge = |name: &str| json!({"node": {"name": name}});
    assert_eq!(teams(&app.grace).await, json!([edge("grace"), edge("crew")]));
    let outsider = app.administrator("outsider").await;
    assert_eq!(teams(&outsider).await, json!([edge("outsider")]));
    let queries = [
        "{ entity(name: \"crew\") { id } }",
        "{ project(entityName: \"crew\", name: \"demo\") { id } }",
        "{ models(entityName: \"crew\") { edges { node { id } } } }",
        "{ organization(name: \"acme\") { id } }",
        "{ organization(name: \"acme-org\") { id } }",
        "{ entity(name: \"acme-org\") { id } }",
    ];
    for query in queries {
        let first = |found: &Value| found.as_object().unwrap().values().next().unwrap().clone();
        assert!(first(&app.ada.graphql(query, ()).await).is_object(), "{query}");
        assert!(first(&outsider.graphql(query, ()).await).is_null(), "{query}");
    }
    assert_eq!(outsider.get("/files/crew/demo/r/f.txt").await.status, 404);
    assert_eq!(app.ada.get("/files/crew/demo/r/f.txt").await.body, "content");
});

backend_test!(who_is_shut_out_is_out, |app| {
    crew(app).await;
    add(&app.ada, "grace", "member").await;
    let grace = app.grace.within("crew");
    let run = grace.run("demo", "r").await;
    run.log(HISTORY, 0, &[r#"{"_step":0}"#]).await;
    let remove = json!({"teamName": "crew", "username": "grace"});
    app.ada.mutate("removeTeamMember", remove.clone(), "success").await;
    assert_eq!(run.show("id").await, Value::Null);
    assert_eq!(teams(&app.grace).await, json!([{"node": {"name": "grace"}}]));
    // Where a writer streams to is remembered for a moment.
    app.advance(Duration::from_secs(30));
    let late = run.write(HISTORY, 1, &[r#"{"_step":1}"#]).await;
    assert_eq!(late.outcome(), (404, "NOT_FOUND".to_owned()));
    assert_eq!(app.ada.refused("removeTeamMember", remove).await.code, "NOT_FOUND");
    // The organization is another matter, until they leave that too.
    let organization = "{ organization(name: \"acme\") { name } }";
    assert_eq!(app.grace.graphql(organization, ()).await["organization"]["name"], "acme");
    let leave = json!({"organizationName": "acme", "username": "grace"});
    app.grace.mutate("removeOrganizationMember", leave, "success").await;
    assert_eq!(app.grace.graphql(organization, ()).await["organization"], Value::Null);
});

backend_test!(who_leaves_an_organization_leaves_its_teams, |app| {
    let root = crew(app).await;
    add(&app.ada, "grace", "member").await;
    let shut_out = json!({"organizationName": "acme", "username": "grace"});
    assert_eq!(app.ada.refused("removeOrganizationMember", shut_out.clone()).await.code, "FORBIDDEN");
    root.mutate("removeOrganizationMember", shut_out, "success").await;
    assert_eq!(names(&app.ada).await, ["ada"]);
});

backend_test!(a_team_keeps_an_administrator, |app| {
    let root = crew(app).await;
    add(&app.ada, "grace", "member").await;
    let leave = json!({"teamName": "crew", "username": "ada"});
    let step_down = json!({"teamName": "crew", "username": "ada", "role": "member"});
    assert_eq!(app.ada.refused("removeTeamMember", leave.clone()).await.code, "LAST_ADMIN");
    assert_eq!(app.ada.refused("addTeamMember", step_down.clone()).await.code, "LAST_ADMIN");
    let leave_all = json!({"organizationName": "acme", "username": "ada"});
    assert_eq!(root.refused("removeOrganizationMember", leave_all).await.code, "LAST_ADMIN");
    add(&app.ada, "grace", "admin").await;
    app.ada.mutate("addTeamMember", step_down, "success").await;
    app.ada.mutate("removeTeamMember", leave, "success").await;
    assert_eq!(names(&app.grace).await, ["grace"]);
});

backend_test!(users_are_invited_at_once_and_others_as_soon_as_they_are_users, |app| {
    let root = crew(app).await;
    let fields = "invite { id name email toUser { name } }";
    let invite = |who: Value| {
        let mut input = json!({"entityName": "crew"});
        input.as_object_mut().unwrap().extend(who.as_object().unwrap().clone());
        input
    };
    let joined = app.ada.mutate("createInvite", invite(json!({"username": "grace"})), fields).await;
    assert_eq!(joined["invite"]["toUser"]["name"], "grace");
    let waiting = invite(json!({"email": "Joan@Example.org", "admin": true}));
    let asked = app.ada.mutate("createInvite", waiting.clone(), fields).await;
    assert_eq!(asked["invite"]["email"], "joan@example.org");
    assert_eq!(asked["invite"]["toUser"], Value::Null);
    for again in [waiting, invite(json!({"email": "grace@example.org"}))] {
        let refused = app.ada.refused("createInvite", again).await;
        assert_eq!((refused.status, refused.code.as_str()), (409, "CONFLICT"));
    }
    let nobody = app.ada.refused("createInvite", invite(json!({"username": "nobody"}))).await;
    assert_eq!(nobody.code, "NOT_FOUND");
    assert_eq!(names(&app.ada).await, ["joan@example.org", "ada", "grace"]);
    assert_eq!(names(&app.grace).await, ["ada", "grace"]);
    assert_eq!(members(&app.ada).await[0]["pending"], true);

    let made =
        root.mutate("createUser", json!({"email": "joan@example.org"}), "apiKey user { username }").await;
    assert_eq!(made["user"]["username"], "joan");
    let joan = app.grace.with_key(made["apiKey"].as_str().unwrap());
    let edge = |name: &str| json!({"node": {"name": name}});
    assert_eq!(teams(&joan).await, json!([edge("joan"), edge("crew")]));
    assert_eq!(names(&joan).await, ["ada", "grace", "joan"]);

    let other = app.ada.mutate("createInvite", invite(json!({"email": "x@example.org"})), fields).await;
    let withdrawn = json!({"entityName": "crew", "id": other["invite"]["id"]});
    app.ada.mutate("deleteInvite", withdrawn.clone(), "success").await;
    assert_eq!(app.ada.refused("deleteInvite", withdrawn).await.code, "NOT_FOUND");
    app.ada
        .mutate("deleteInvite", json!({"entityName": "crew", "id": joined["invite"]["id"]}), "success")
        .await;
    assert_eq!(names(&app.ada).await, ["ada", "joan"]);
});

backend_test!(a_service_account_logs_to_its_team_for_its_members, |app| {
    crew(app).await;
    add(&app.ada, "grace", "member").await;
    let account = json!({"entityName": "crew", "description": "nightly"});
    app.ada.mutate("createServiceAccount", account, "user { id }").await;
    let service = members(&app.ada).await.pop().unwrap();
    assert_eq!((text(&service["name"]), text(&service["accountType"])), ("nightly".into(), "SERVICE".into()));
    assert_eq!(
        members(&app.grace).await.pop().unwrap()["apiKey"],
        Value::Null,
        "a member is no administrator"
    );
    let key = text(&service["apiKey"]);
    let robot = app.grace.with_key(&key).within("crew");
    let viewer = robot.graphql("{ viewer { entity teams { edges { node { name } } } } }", ()).await;
    assert_eq!(viewer["viewer"], json!({"entity": "crew", "teams": {"edges": [{"node": {"name": "crew"}}]}}));
    let author = async |name: &str, run: &str| {
        let run = robot.claiming(USERNAME, name).run("demo", run).await;
        text(&run.field("user { name }").await["name"])
    };
    assert_eq!(author("grace", "a").await, "grace");
    assert_eq!(author("root", "b").await, "nightly", "root is no member");
    let unnamed = robot.mutate(
        "upsertBucket",
        json!({"modelName": "demo", "name": "c"}),
        "bucket { project { entityName } }",
    );
    assert_eq!(unnamed.await["bucket"]["project"]["entityName"], "crew");

    let gone = json!({"entityName": "crew", "id": service["id"]});
    app.ada.mutate("deleteInvite", gone, "success").await;
    app.advance(Duration::from_secs(30));
    assert_eq!(robot.post_graphql(&json!({"query": "{ viewer { id } }"})).await.status, 401);
});

backend_test!(a_user_makes_and_deletes_keys, |app| {
    let made = app.grace.mutate(
        "generateApiKey",
        json!({"description": "laptop"}),
        "apiKey { id name description }",
    );
    let made = made.await["apiKey"].take();
    let other = app.grace.with_key(made["name"].as_str().unwrap());
    let keys = "{ viewer { username apiKeys { edges { node { id name description } } } } }";
    let viewer = other.graphql(keys, ()).await["viewer"].take();
    assert_eq!(viewer["username"], "grace");
    let listed = &viewer["apiKeys"]["edges"];
    assert_eq!(listed[1]["node"]["description"], "laptop");
    assert!(text(&made["name"]).starts_with(&text(&listed[1]["node"]["name"])));
    assert_eq!(text(&listed[1]["node"]["name"]).len(), 8);
    assert_eq!(app.ada.refused("deleteApiKey", json!({"id": made["id"]})).await.code, "NOT_FOUND");
    app.grace.mutate("deleteApiKey", json!({"id": made["id"]}), "success").await;
    let last = app.grace.refused("deleteApiKey", json!({"id": listed[0]["node"]["id"]})).await;
    assert_eq!((last.status, last.code.as_str()), (409, "CONFLICT"));
    app.advance(Duration::from_secs(30));
    assert_eq!(other.post_graphql(&json!({"query": keys})).await.status, 401);
});

backend_test!(teams_and_organizations_are_made_by_those_who_may, |app| {
    let root = crew(app).await;
    for (mutation, input) in
        [("createOrganization", json!({"name": "other"})), ("createUser", json!({"email": "x@example.org"}))]
    {
        assert_eq!(app.ada.refused(mutation, input).await.code, "FORBIDDEN");
    }
    // Of no organization.
    app.grace.mutate("createTeam", json!({"teamName": "alone"}), "entity { name }").await;
    let taken = app.ada.refused("createTeam", json!({"teamName": "alone"})).await;
    assert_eq!((taken.status, taken.code.as_str()), (409, "CONFLICT"));
    let for_another = json!({"teamName": "hers", "teamAdminUserName": "grace"});
    assert_eq!(app.ada.refused("createTeam", for_another.clone()).await.code, "FORBIDDEN");
    root.mutate("createTeam", for_another, "entity { organization { name } }").await;
    assert_eq!(
        app.grace.graphql(TEAM, json!({"name": "hers"})).await["entity"]["organization"]["name"],
        "acme"
    );
    let input = json!({"organizationName": "acme-org", "username": "grace", "role": "viewer"});
    root.mutate("addOrganizationMember", input, "success").await;
    assert_eq!(app.grace.refused("createTeam", json!({"teamName": "more"})).await.code, "FORBIDDEN");
    for name in ["", "a/b", "settings"] {
        assert!(app.ada.refused("createTeam", json!({"teamName": name})).await.code.starts_with("NAME_"));
    }
});

backend_test!(an_organization_shows_its_members_and_teams, |app| {
    let root = crew(app).await;
    add(&app.ada, "grace", "member").await;
    app.team_of(&root, "acme", "other").await;
    let query = "query($n: String!) { organization(name: $n) { name orgEntity { name } members { name role } \
                 teams { name } advancedRegistryFeatures { advancedSearch } \
                 featureFlags(rampIDType: OrgName) { rampKey } } \
                 viewer { organizations { name orgEntity { name } } } }";
    for name in ["acme", "acme-org"] {
        let seen = app.grace.graphql(query, json!({"n": name})).await;
        let member = |name: &str, role: &str| json!({"name": name, "role": role});
        assert_eq!(
            seen["organization"],
            json!({"name": "acme", "orgEntity": {"name": "acme-org"},
                "members": [member("ada", "member"), member("grace", "member"), member("root", "admin")],
                "teams": [{"name": "crew"}], "advancedRegistryFeatures": {"advancedSearch": false},
                "featureFlags": []})
        );
        assert_eq!(
            seen["viewer"]["organizations"],
            json!([{"name": "acme", "orgEntity": {"name": "acme-org"}}])
        );
    }
    let all = root.graphql(query, json!({"n": "acme"})).await;
    assert_eq!(all["organization"]["teams"], json!([{"name": "crew"}, {"name": "other"}]));
    assert_eq!(app.ada.graphql(query, json!({"n": "nothing"})).await["organization"], Value::Null);
});

backend_test!(of_others_only_what_is_shared_is_seen, |app| {
    let root = crew(app).await;
    add(&app.ada, "grace", "member").await;
    app.ada.mutate("createTeam", json!({"teamName": "secret"}), "entity { name }").await;
    app.ada.within("crew").run("demo", "r").await;
    let query = "{ project(entityName: \"crew\", name: \"demo\") { run(name: \"r\") { user { \
                 username teams { edges { node { name } } } apiKeys { edges { node { name } } } } } } }";
    let seen = app.grace.graphql(query, ()).await;
    assert_eq!(
        seen["project"]["run"]["user"],
        json!({"username": "ada", "teams": {"edges": [{"node": {"name": "crew"}}]}, "apiKeys": null})
    );
    let found = root
        .claiming(PRIVILEGES, "true")
        .graphql(
            "{ users(query: \"ada\") { edges { node { username teams { edges { node { name } } } } } } }",
            (),
        )
        .await;
    let names = json!([{"node": {"name": "ada"}}, {"node": {"name": "crew"}}, {"node": {"name": "secret"}}]);
    assert_eq!(found["users"]["edges"][0]["node"]["teams"]["edges"], names);
});
