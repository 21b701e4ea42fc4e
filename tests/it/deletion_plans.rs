//! What a deletion would do, said before; and what becomes of artifacts that a registry has.

use serde_json::{Value, json};

use crate::support::{Client, HISTORY, TestApp, TestArtifact, TestRun, backend_test, lookup, text};

const PLAN: &str = "id runCount artifactCount fileCount bytesFreed bytesKept linkCount links { path aliases kept } \
                    obstacleCount obstacles { code runId name reason }";

/// A run that logged a version of the collection `name`, with these files.
async fn maker(client: &Client, name: &str, files: &[(&str, &str)]) -> (TestRun, TestArtifact) {
    let run = client.run("demo", name).await;
    let made_by = json!({"runName": name});
    let version = TestArtifact::begin_with(client, "demo", name, files, made_by).await;
    version.publish().await;
    (run, version)
}

/// A team of ada's with a registry, and a client of that team.
async fn registry(app: &TestApp) -> (Client, Client) {
    let root = app.administrator("root").await;
    app.team(&root, "acme", "crew", &app.ada).await;
    let input = json!({"entityName": "acme-org", "name": "wandb-registry-model", "access": "PRIVATE",
        "allowAllArtifactTypesInRegistry": true});
    app.ada.mutate("upsertModel", input, "inserted").await;
    (app.ada.within("crew"), root)
}

async fn link(client: &Client, version: &TestArtifact, aliases: &[&str]) {
    let aliases: Vec<Value> = aliases
        .iter()
        .map(|alias| {
            json!({"artifactCollectionName": "best", "alias": alias, "entityName": "acme-org",
                "projectName": "wandb-registry-model"})
        })
        .collect();
    let input = json!({"artifactID": version.id, "entityName": "acme-org", "artifactPortfolioName": "best",
        "projectName": "wandb-registry-model", "aliases": aliases});
    client.mutate("linkArtifact", input, "versionIndex").await;
}

async fn plan(client: &Client, runs: Value, more: &str) -> Value {
    let query = format!("query($runs: RunsInput!) {{ deletionPlan(runs: $runs{more}) {{ {PLAN} }} }}");
    client.graphql(&query, json!({"runs": runs})).await["deletionPlan"].take()
}

async fn is_there(client: &Client, name: &str) -> bool {
    lookup(client, "demo", &format!("{name}:latest")).await.is_some()
}

const WITH: &str = ", deleteArtifacts: true";

backend_test!(a_plan_counts_bytes_by_whether_something_else_needs_them, |app| {
    let (one, _) = maker(&app.ada, "one", &[("own", "123"), ("same", "12345")]).await;
    let (two, _) = maker(&app.ada, "two", &[("same", "12345")]).await;
    one.upload("model.bin", vec![1; 100]).await;
    one.log(HISTORY, 0, &[r#"{"_step":0}"#]).await;
    let tables = app.ada.graphql("{ trash { edges { cursor } } }", ()).await;
    let alone = plan(&app.ada, json!({"ids": [one.id]}), "").await;
    assert_eq!((&alone["runCount"], &alone["artifactCount"]), (&json!(1), &json!(0)));
    assert_eq!(
        (&alone["fileCount"], &alone["bytesFreed"], &alone["bytesKept"]),
        (&json!(1), &json!(100), &json!(0))
    );
    let manifest = |version: &str| {
        let sql = format!(
            "SELECT b.size_bytes FROM artifact_manifest m JOIN blob b ON b.id = m.blob_id \
             JOIN artifact a ON a.id = m.artifact_id JOIN artifact_collection c ON c.id = a.collection_id \
             WHERE c.name = '{version}'"
        );
        async move { app.number(&sql).await }
    };
    let (of_one, of_two) = (manifest("one").await, manifest("two").await);
    let with = plan(&app.ada, json!({"ids": [one.id]}), WITH).await;
    assert_eq!((&with["artifactCount"], &with["bytesKept"]), (&json!(1), &json!(5)));
    assert_eq!(with["bytesFreed"], 100 + 3 + of_one);
    let both = plan(&app.ada, json!({"filters": "{}", "projectName": "demo"}), WITH).await;
    assert_eq!((&both["runCount"], &both["bytesKept"]), (&json!(2), &json!(0)));
    assert_eq!(both["bytesFreed"], 100 + 3 + 5 + of_one + of_two);
    assert_eq!(app.ada.graphql("{ trash { edges { cursor } } }", ()).await, tables, "nothing was written");
    assert_eq!(app.ada.run_names("demo", json!({})).await.len(), 2);
    drop(two);
});

backend_test!(nothing_more_goes_with_a_run_that_is_purged_at_once, |app| {
    let (run, _) = maker(&app.ada, "one", &[("own", "123")]).await;
    let input = |with: bool| json!({"id": run.id, "deleteArtifacts": with});
    let done = app.ada.mutate("deleteRun", input(false), "deletion { id }").await;
    let id = json!({"id": done["deletion"]["id"]});
    let root = app.administrator("root").await.claiming("use-admin-privileges", "true");
    root.mutate("purgeNow", id.clone(), "deletion { state }").await;
    let again = app.ada.mutate("deleteRun", input(true), "deletion { id artifactCount }").await;
    assert_eq!(again["deletion"], json!({"id": id["id"], "artifactCount": 0}));
    app.run_jobs().await;
    assert!(is_there(&app.ada, "one").await, "its owner can have it back, if it is deleted");
    let state = "query($id: ID!) { deletion(id: $id) { state } }";
    assert_eq!(app.ada.graphql(state, id).await["deletion"]["state"], "PURGED");
});

backend_test!(what_is_no_longer_as_planned_is_not_deleted, |app| {
    let (run, version) = maker(&app.ada, "r", &[("a", "1")]).await;
    let planned = async || text(&plan(&app.ada, json!({"ids": [run.id]}), WITH).await["id"]);
    let input = |plan: &str| json!({"id": run.id, "deleteArtifacts": true, "planId": plan});
    let stale = async |plan: &str, why: &str| {
        assert_eq!(app.ada.refused("deleteRun", input(plan)).await.code, "PLAN_STALE", "{why}");
    };
    let first = planned().await;
    assert_eq!(planned().await, first);
    stale("0000", "another plan").await;
    run.log(HISTORY, 0, &[r#"{"_step":0}"#]).await;
    assert_eq!(planned().await, first, "a writer goes on");
    let mut other = input(&first);
    other["deleteArtifacts"] = false.into();
    assert_eq!(app.ada.refused("deleteRun", other).await.code, "PLAN_STALE");
    run.upload("more", "x").await;
    stale(&first, "another file").await;
    let second = planned().await;
    run.upload("more", "y").await;
    let link = json!({"artifactID": version.id, "entityName": "ada", "projectName": "demo",
        "artifactPortfolioName": "linked"});
    app.ada.mutate("linkArtifact", link, "versionIndex").await;
    stale(&second, "a link").await;
    let many =
        json!({"runs": {"filters": "{}", "projectName": "demo"}, "deleteArtifacts": true, "planId": second});
    assert_eq!(app.ada.refused("deleteRuns", many.clone()).await.code, "PLAN_STALE");
    assert!(is_there(&app.ada, "r").await);
    assert_eq!(app.rows("deletion").await, 0);
    let third = text(&plan(&app.ada, json!({"filters": "{}", "projectName": "demo"}), WITH).await["id"]);
    let mut many = many;
    many["planId"] = third.into();
    let done = app.ada.mutate("deleteRuns", many, "deletion { runCount artifactCount }").await;
    assert_eq!(done["deletion"], json!({"runCount": 1, "artifactCount": 1}));
    assert!(!is_there(&app.ada, "r").await);
});

const RECORD: &str =
    "deletion { id runCount artifactCount items { edges { node { kind name state detail } } } }";

fn deleting(run: &TestRun, link: &str) -> Value {
    json!({"id": run.id, "deleteArtifacts": true, "onRegistryLink": link})
}

backend_test!(a_registry_link_is_told_and_goes_or_keeps_its_artifact_or_stops_everything, |app| {
    let (crew, _root) = registry(app).await;
    let (run, version) = maker(&crew, "r", &[("a", "1")]).await;
    link(&crew, &version, &["production"]).await;
    let there = json!({"path": "acme-org/wandb-registry-model/best:v0", "aliases": ["production", "latest"], "kept": false});
    let told = plan(&crew, json!({"ids": [run.id]}), WITH).await;
    let shown =
        |plan: &Value| (plan["linkCount"].clone(), plan["links"][0].clone(), plan["obstacleCount"].clone());
    let mut seen = shown(&told);
    seen.1["aliases"].as_array_mut().unwrap().sort_by_key(|alias| std::cmp::Reverse(text(alias)));
    assert_eq!(seen, (json!(1), there, json!(0)));
    let aborted =
        plan(&crew, json!({"ids": [run.id]}), ", deleteArtifacts: true, onRegistryLink: ABORT").await;
    assert_eq!(
        (&aborted["obstacleCount"], &aborted["obstacles"][0]["code"]),
        (&json!(1), &json!("REGISTRY_LINKED"))
    );
    let refused = crew.refused("deleteRun", deleting(&run, "ABORT")).await;
    assert_eq!(refused.code, "REGISTRY_LINKED");
    assert!(
        refused.message.contains("acme-org/wandb-registry-model/best:v0")
            && refused.message.contains("production")
    );
    let many = json!({"runs": {"ids": [run.id]}, "deleteArtifacts": true, "onRegistryLink": "ABORT"});
    assert_eq!(crew.refused("deleteRuns", many).await.code, "REGISTRY_LINKED");
    let kept = crew.mutate("deleteRun", deleting(&run, "KEEP_ARTIFACTS"), RECORD).await;
    assert_eq!((&kept["deletion"]["runCount"], &kept["deletion"]["artifactCount"]), (&json!(1), &json!(0)));
    assert_eq!(
        kept["deletion"]["items"]["edges"][0]["node"],
        json!({"kind": "ARTIFACT", "name": "crew/demo/r:v0", "state": "KEPT",
            "detail": "an artifact of its run is linked to a registry"})
    );
    assert!(is_there(&crew, "r").await);
    run.change("restoreRun").await;
    let gone = crew.mutate("deleteRun", deleting(&run, "DELETE"), RECORD).await;
    let items: Vec<_> = gone["deletion"]["items"]["edges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|edge| (text(&edge["node"]["kind"]), text(&edge["node"]["name"]), text(&edge["node"]["state"])))
        .collect();
    let of = |kind: &str, name: &str, state: &str| (kind.to_owned(), name.to_owned(), state.to_owned());
    assert_eq!(
        items,
        [
            of("ARTIFACT", "crew/demo/r:v0", "PENDING"),
            of("LINK", "acme-org/wandb-registry-model/best:v0", "PENDING"),
            of("RUN", "r", "PENDING")
        ]
    );
    assert!(!is_there(&crew, "r").await);
    assert_eq!(app.rows("artifact_membership").await, 0);
});

backend_test!(a_registry_that_keeps_what_is_linked_refuses_as_long_as_the_link_stands, |app| {
    let (crew, _root) = registry(app).await;
    let (run, version) = maker(&crew, "r", &[("a", "1")]).await;
    let (other, _) = maker(&crew, "free", &[("b", "2")]).await;
    link(&crew, &version, &[]).await;
    let keeps = |keeps: bool| json!({"entityName": "acme-org", "name": "wandb-registry-model", "keepsLinkedArtifacts": keeps});
    app.ada.mutate("upsertModel", keeps(true), "project { keepsLinkedArtifacts }").await;
    let refused = crew.refused("deleteRun", deleting(&run, "DELETE")).await;
    assert_eq!(refused.code, "REGISTRY_KEEPS");
    assert!(refused.message.contains("acme-org/wandb-registry-model/best:v0"), "{}", refused.message);
    let many = json!({"runs": {"ids": [run.id, other.id]}, "deleteArtifacts": true});
    let done = crew.mutate("deleteRuns", many, "task { changedCount refused { name reason } }").await;
    assert_eq!(
        (&done["task"]["changedCount"], &done["task"]["refused"][0]["name"]),
        (&json!(1), &json!("r"))
    );
    assert!(is_there(&crew, "r").await && !is_there(&crew, "free").await);
    crew.mutate("deleteRun", deleting(&run, "KEEP_ARTIFACTS"), "deletion { id }").await;
    run.change("restoreRun").await;
    app.ada.mutate("upsertModel", keeps(false), "project { keepsLinkedArtifacts }").await;
    crew.mutate("deleteRun", deleting(&run, "DELETE"), "deletion { id }").await;
    assert!(!is_there(&crew, "r").await);
});

backend_test!(what_a_protected_alias_names_stays_and_each_is_named, |app| {
    let (run, _) = maker(&app.ada, "r", &[("a", "1")]).await;
    let more = TestArtifact::begin_with(&app.ada, "demo", "s", &[("b", "1")], json!({"runName": "r"})).await;
    more.publish().await;
    let protect = json!({"entityName": "ada", "projectName": "demo", "aliases": ["latest"]});
    app.ada.mutate("setProtectedAliases", protect, "success").await;
    let planned = plan(&app.ada, json!({"ids": [run.id]}), WITH).await;
    assert_eq!(planned["obstacleCount"], 2);
    let refused = app.ada.refused("deleteRun", deleting(&run, "DELETE")).await;
    assert_eq!(refused.code, "ALIAS_PROTECTED");
    for name in ["ada/demo/r:v0", "ada/demo/s:v0"] {
        assert!(refused.message.contains(name), "{}", refused.message);
    }
    assert_eq!(app.ada.run_names("demo", json!({})).await, ["r"]);
    app.ada.mutate("deleteRun", json!({"id": run.id}), "deletion { id }").await;
    assert!(is_there(&app.ada, "r").await, "the run alone can go");
});

backend_test!(a_registry_that_one_may_not_see_keeps_its_versions_and_is_not_named, |app| {
    let (crew, root) = registry(app).await;
    let input = json!({"entityName": "acme-org", "name": "wandb-registry-secret", "access": "RESTRICTED",
        "allowAllArtifactTypesInRegistry": true, "keepsLinkedArtifacts": true});
    root.mutate("upsertModel", input, "inserted").await;
    let add = json!({"teamName": "crew", "username": "root", "role": "member"});
    app.ada.mutate("addTeamMember", add, "success").await;
    let (run, version) = maker(&crew, "r", &[("a", "1")]).await;
    let link = json!({"artifactID": version.id, "entityName": "acme-org", "artifactPortfolioName": "best",
        "projectName": "wandb-registry-secret"});
    root.mutate("linkArtifact", link, "versionIndex").await;
    let planned = plan(&crew, json!({"ids": [run.id]}), WITH).await;
    assert_eq!((&planned["linkCount"], &planned["obstacleCount"]), (&json!(1), &json!(1)));
    let refused = crew.refused("deleteRun", deleting(&run, "DELETE")).await;
    assert_eq!(refused.code, "REGISTRY_KEEPS");
    for told in [planned.to_string(), refused.message] {
        assert!(!told.contains("secret") && !told.contains("best"), "{told}");
    }
    let seen = plan(&root.within("crew"), json!({"ids": [run.id]}), WITH).await;
    assert_eq!(seen["links"][0]["path"], "acme-org/wandb-registry-secret/best:v0");
});

backend_test!(nobody_plans_what_they_may_not_see, |app| {
    let run = app.ada.run("demo", "r").await;
    let query = "query($runs: RunsInput!) { deletionPlan(runs: $runs) { id } }";
    for runs in
        [json!({"ids": [run.id]}), json!({"filters": "{}", "entityName": "ada", "projectName": "demo"})]
    {
        assert_eq!(app.grace.refusal(query, json!({"runs": runs})).await.code, "NOT_FOUND");
    }
});
