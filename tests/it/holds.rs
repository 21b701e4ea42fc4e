//! What is held is deleted by nothing: no verb, and no deadline.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::access::fields_of;
use crate::support::{ARCHIVE, Client, Refusal, TRASH, TestApp, TestArtifact, backend_test, lookup, text};
use crate::things::{SECRET, Things};

const HOUR: Duration = Duration::from_hours(1);

/// Mutations after which something is gone that was there: each asks for holds.
const DESTRUCTIVE: &[&str] = &[
    "deleteArtifact",
    "deleteArtifactPortfolio",
    "deleteArtifactSequence",
    "deleteFiles",
    "deleteModel",
    "deleteRun",
    "moveRuns",
    "rewindRun",
    "unlinkArtifact",
];

/// These too, but they refuse run by run, or are an administrator's; their tests stand apart.
const DESTRUCTIVE_APART: &[&str] =
    &["deleteRunFiles", "deleteRunHistory", "deleteRuns", "deleteUnaliasedArtifacts", "purgeNow"];

/// All others: they add, change what is said of a thing, bring it back, or are about people.
const HARMLESS: &[&str] = &[
    "addAliases",
    "addOrganizationMember",
    "addTeamMember",
    "agentHeartbeat",
    "archiveRun",
    "archiveRuns",
    "cancelBulkTask",
    "commitArtifact",
    "completeMultipartUploadArtifact",
    "createAgent",
    "createArtifact",
    "createArtifactCollectionTagAssignments",
    "createArtifactFiles",
    "createArtifactManifest",
    "createArtifactType",
    "createInvite",
    "createOrganization",
    "createProjectMembers",
    "createRetentionRule",
    "createRunFiles",
    "createServiceAccount",
    "createTeam",
    "createUser",
    "deleteAliases",
    "deleteApiKey",
    "deleteArtifactCollectionTagAssignments",
    "deleteInvite",
    "deleteProjectMembers",
    "deleteRetentionRule",
    "extendDeletion",
    "generateApiKey",
    "holdArtifact",
    "holdProject",
    "holdRun",
    "linkArtifact",
    "markRunFilesUploaded",
    "modifyRuns",
    "moveArtifactSequence",
    "notifyScriptableRunAlert",
    "pauseBulkTask",
    "pauseCollector",
    "releaseHold",
    "removeOrganizationMember",
    "removeTeamMember",
    "renameProject",
    "restoreArtifact",
    "restoreDeletion",
    "restoreProject",
    "restoreRun",
    "restoreRuns",
    "resumeBulkTask",
    "resumeCollector",
    "setArtifactTtl",
    "setProtectedAliases",
    "setReadOnly",
    "setRetentionPeriods",
    "stopRun",
    "unarchiveRun",
    "updateArtifact",
    "updateArtifactManifest",
    "updateArtifactPortfolio",
    "updateArtifactSequence",
    "updateProjectMember",
    "updateProjectTeamMember",
    "updateRetentionRule",
    "updateRunState",
    "upsertBucket",
    "upsertModel",
    "upsertSweep",
    "useArtifact",
];

async fn hold(warden: &Client, mutation: &str, id: &Value) -> String {
    let input = json!({"id": id, "reason": "evidence 7"});
    text(&warden.mutate(mutation, input, "hold { id }").await["hold"]["id"])
}

async fn release(warden: &Client, hold: &str) {
    warden.mutate("releaseHold", json!({"id": hold}), "hold { releasedAt }").await;
}

/// Ids of the run, the version and the project of [`Things`].
async fn ids(app: &TestApp) -> [Value; 3] {
    let query = "query($p: String) { project(name: $p) { id run(name: \"r\") { id } \
                 artifactCollectionMembership(name: \"data:v0\") { artifact { id } } } }";
    let found = app.ada.graphql(query, json!({"p": SECRET})).await;
    let project = &found["project"];
    let version = &project["artifactCollectionMembership"]["artifact"]["id"];
    [project["run"]["id"].clone(), version.clone(), project["id"].clone()]
}

/// One call of every destructive mutation.
async fn calls(app: &TestApp, things: &Things) -> Vec<(&'static str, Value)> {
    app.ada.run("other", "r0").await;
    let moved = json!({"filters": "{}", "sourceEntityName": "ada", "sourceProjectName": SECRET,
        "destinationEntityName": "ada", "destinationProjectName": "other"});
    let all = things.writes().into_iter().chain(things.artifact_writes());
    let calls: Vec<_> = all
        .filter(|(name, _)| DESTRUCTIVE.contains(name))
        .map(|(name, input)| (name, if name == "moveRuns" { moved.clone() } else { input }))
        .collect();
    let walked: BTreeSet<_> = calls.iter().map(|(name, _)| *name).collect();
    assert_eq!(walked, DESTRUCTIVE.iter().copied().collect(), "a destructive mutation needs a call");
    calls
}

async fn rows(app: &TestApp) -> Vec<i64> {
    let mut rows = Vec::new();
    for table in ["run", "run_file", "history_chunk", "run_alias", "deletion", "artifact_membership"] {
        rows.push(app.rows(table).await);
    }
    for state in ["SELECT COUNT(*) FROM artifact WHERE state = 'deleted'", "SELECT COUNT(*) FROM job"] {
        rows.push(app.number(state).await);
    }
    rows
}

backend_test!(every_mutation_says_whether_a_hold_stands_in_its_way, |app| {
    let said = DESTRUCTIVE.iter().chain(DESTRUCTIVE_APART).chain(HARMLESS).map(|name| (*name).to_owned());
    assert_eq!(
        said.collect::<BTreeSet<_>>(),
        fields_of(&app.ada, "Mutation").await,
        "sort a new one in above"
    );
    assert!(DESTRUCTIVE.iter().all(|name| !HARMLESS.contains(name)));
});

backend_test!(nothing_that_is_held_is_changed_by_any_destructive_mutation, |app| {
    let things = Things::of(app, "ada").await;
    let calls = calls(app, &things).await;
    let warden = app.ruler("root").await;
    let [run, version, project] = ids(app).await;
    let of_run: &[&str] = &["deleteFiles", "deleteModel", "deleteRun", "rewindRun"];
    let of_version: &[&str] = &[
        "deleteArtifact",
        "deleteArtifactPortfolio",
        "deleteArtifactSequence",
        "deleteModel",
        "unlinkArtifact",
    ];
    let (before, count) = (things.run.snapshot().await, rows(app).await);
    for (mutation, id, covered) in [
        ("holdRun", run, of_run),
        ("holdArtifact", version, of_version),
        ("holdProject", project, DESTRUCTIVE),
    ] {
        let held = hold(&warden, mutation, &id).await;
        for (name, input) in calls.iter().filter(|(name, _)| covered.contains(name)) {
            let Refusal { status, code, message } = app.ada.refused(name, input.clone()).await;
            assert_eq!((status, code.as_str()), (200, "HELD"), "{mutation} {name}: {message}");
            assert!(message.contains("evidence 7") && message.contains(SECRET), "{name}: {message}");
            assert_eq!(warden.refused(name, input.clone()).await.code, "HELD", "{name}, by an administrator");
            for unseen in [input.clone(), things.of_nothing(input)] {
                assert_eq!(app.grace.refused(name, unseen).await.code, "NOT_FOUND", "{name}");
            }
        }
        assert_eq!(
            (things.run.snapshot().await, rows(app).await),
            (before.clone(), count.clone()),
            "{mutation}"
        );
        release(&warden, &held).await;
    }
    for (name, input) in calls.iter().filter(|(name, _)| ["deleteFiles", "unlinkArtifact"].contains(name)) {
        app.ada.mutate(name, input.clone(), "__typename").await;
    }
});

backend_test!(a_run_keeps_the_held_version_that_it_logged, |app| {
    let run = app.ada.run("demo", "r").await;
    let warden = app.ruler("root").await;
    for content in ["1", "2"] {
        let more = json!({"runName": "r"});
        let version = TestArtifact::begin_with(&app.ada, "demo", "data", &[("x", content)], more).await;
        version.publish().await;
        if content == "1" {
            hold(&warden, "holdArtifact", &version.id.into()).await;
        }
    }
    let with_artifacts = json!({"id": run.id, "deleteArtifacts": true});
    let refused = app.ada.refused("deleteRun", with_artifacts).await;
    assert_eq!(refused.code, "HELD");
    let named = refused.message.contains("ada/demo/data:v0") && refused.message.contains("evidence 7");
    assert!(named, "{}", refused.message);
    assert!(lookup(&app.ada, "demo", "data:v1").await.is_some(), "all or none");
    run.delete().await;
    assert!(lookup(&app.ada, "demo", "data:v0").await.is_some());
    let one = |id: &str| json!({"id": id, "reason": "x"});
    assert_eq!(app.ada.refused("holdRun", one(&run.id)).await.code, "FORBIDDEN");
    assert_eq!(warden.refused("holdRun", json!({"id": run.id, "reason": " "})).await.code, "REASON_INVALID");
});

backend_test!(no_deadline_passes_a_hold_and_all_go_on_at_its_release, |app| {
    let warden = app.ruler("root").await;
    let archived = app.ada.run("demo", "archived").await;
    archived.change("archiveRun").await;
    let trashed = app.ada.run("demo", "trashed").await;
    trashed.upload("a", "kept").await;
    trashed.delete().await;
    let more = json!({"ttlDurationSeconds": 3600});
    let version = TestArtifact::begin_with(&app.ada, "demo", "data", &[("x", "1")], more).await;
    version.publish().await;
    let begun = TestArtifact::begin(&app.ada, "demo", "begun", &[("x", "2")]).await;
    app.ada.run("gone", "r").await.upload("b", "kept").await;
    let query = "{ project(name: \"gone\") { id } }";
    let project = app.ada.graphql(query, ()).await["project"]["id"].take();
    app.ada.mutate("deleteModel", json!({"id": project}), "success").await;
    let mut holds = Vec::new();
    for (mutation, id) in [
        ("holdRun", archived.id.clone().into()),
        ("holdRun", trashed.id.clone().into()),
        ("holdArtifact", version.id.clone().into()),
        ("holdArtifact", begun.id.clone().into()),
        ("holdProject", project),
    ] {
        holds.push(hold(&warden, mutation, &id).await);
    }
    let state = async || {
        (
            app.texts("SELECT lifecycle FROM run ORDER BY name").await,
            app.texts("SELECT state FROM artifact ORDER BY id").await,
            app.texts("SELECT state FROM project ORDER BY name").await,
            app.rows("run_file").await,
        )
    };
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let kept = (
        texts(&["archived", "live", "deleted"]),
        texts(&["committed", "pending"]),
        texts(&["live", "deleted"]),
        2,
    );
    assert_eq!(state().await, kept);
    app.wait(ARCHIVE * 2).await;
    app.wait(HOUR).await;
    assert_eq!(state().await, kept);
    assert_eq!(app.number("SELECT COUNT(*) FROM job WHERE kind LIKE 'purge_%' AND state = 'ready'").await, 0);
    for held in &holds {
        release(&warden, held).await;
    }
    app.wait(HOUR).await;
    let (runs, versions, projects, files) = state().await;
    assert_eq!((runs, files), (texts(&["deleted", "purged", "purged"]), 0));
    assert_eq!((versions, projects), (texts(&["deleted", "deleted"]), texts(&["live", "purged"])));
    app.wait(TRASH).await;
    assert_eq!(app.texts("SELECT lifecycle FROM run WHERE name = 'archived'").await, ["purged"]);
});

const LIST: &str = "query($after: String, $released: Boolean) { holds(first: 1, after: $after, \
                    released: $released) { edges { node { id user { username } } } \
                    pageInfo { endCursor hasNextPage } } }";

backend_test!(holds_are_listed_and_shown_on_what_they_cover, |app| {
    let run = app.ada.run("demo", "r").await;
    let warden = app.ruler("root").await;
    let field = "hold { path kind reason subjectId releasedAt }";
    assert_eq!(run.field(field).await, Value::Null);
    let first = hold(&warden, "holdRun", &run.id.clone().into()).await;
    assert_eq!(hold(&warden, "holdRun", &run.id.clone().into()).await, first, "it has one already");
    let shown = json!({"path": "ada/demo/r", "kind": "RUN", "reason": "evidence 7", "subjectId": run.id,
        "releasedAt": null});
    assert_eq!(run.field(field).await, shown);
    release(&warden, &first).await;
    release(&warden, &first).await;
    assert_eq!(run.field(field).await, Value::Null);
    let project = app.ada.graphql("{ project(name: \"demo\") { id } }", ()).await["project"]["id"].take();
    let second = hold(&warden, "holdProject", &project).await;
    assert_eq!(run.field("hold { id path }").await, json!({"id": second, "path": "ada/demo"}));
    let page = async |after: &Value, released: bool| {
        let found = app.ada.graphql(LIST, json!({"after": after, "released": released})).await;
        let [edge] = found["holds"]["edges"].as_array().unwrap().as_slice() else { panic!("{found}") };
        assert_eq!(edge["node"]["user"]["username"], "root");
        (text(&edge["node"]["id"]), found["holds"]["pageInfo"].clone())
    };
    let (id, info) = page(&Value::Null, false).await;
    assert_eq!((id, &info["hasNextPage"]), (second.clone(), &json!(false)));
    let (id, info) = page(&Value::Null, true).await;
    assert_eq!((id, &info["hasNextPage"]), (second, &json!(true)));
    assert_eq!(page(&info["endCursor"], true).await.0, first);
});

backend_test!(of_many_runs_those_that_are_held_stay, |app| {
    let (free, kept) = (app.ada.run("demo", "free").await, app.ada.run("demo", "held").await);
    let warden = app.ruler("root").await;
    let hold = hold(&warden, "holdRun", &kept.id.clone().into()).await;
    let plan = "query($runs: RunsInput!) { deletionPlan(runs: $runs) { obstacles { code reason } } }";
    let all = json!({"runs": {"filters": "{}", "projectName": "demo"}});
    let planned = app.ada.graphql(plan, all.clone()).await;
    assert_eq!(planned["deletionPlan"]["obstacles"][0]["code"], "HELD");
    let done =
        app.ada.mutate("deleteRuns", all.clone(), "task { changedCount refused { name reason } }").await;
    assert_eq!(
        (&done["task"]["changedCount"], &done["task"]["refused"][0]["name"]),
        (&json!(1), &json!("held"))
    );
    assert!(text(&done["task"]["refused"][0]["reason"]).contains("evidence 7"));
    assert_eq!(app.ada.run_names("demo", json!({})).await, ["held"]);
    release(&warden, &hold).await;
    app.ada.mutate("deleteRuns", all, "task { changedCount }").await;
    assert_eq!(app.ada.run_names("demo", json!({})).await, Vec::<String>::new());
    drop(free);
});

backend_test!(a_hold_keeps_also_what_was_to_be_purged_at_once, |app| {
    let (free, kept) = (app.ada.run("demo", "free").await, app.ada.run("demo", "held").await);
    let input = json!({"runs": {"ids": [free.id, kept.id]}});
    let done = app.ada.mutate("deleteRuns", input, "deletion { id }").await;
    let warden = app.ruler("root").await;
    warden.mutate("purgeNow", json!({"id": done["deletion"]["id"]}), "deletion { state }").await;
    let hold = hold(&warden, "holdRun", &kept.id.clone().into()).await;
    app.run_jobs().await;
    let trash = app.ada.graphql("{ trash { edges { node { name purgeAfter } } } }", ()).await;
    let found = trash["trash"]["edges"].as_array().unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["node"], json!({"name": "held", "purgeAfter": "2026-01-01T00:00:00Z"}));
    assert_eq!(kept.change_refused("restoreRun").await.code, "DEADLINE_PASSED");
    release(&warden, &hold).await;
    app.run_jobs().await;
    assert_eq!(app.ada.trash().await, Vec::<String>::new());
});

backend_test!(what_is_held_in_the_trash_outlives_its_deadline_and_nothing_else_does, |app| {
    let (free, kept) = (app.ada.run("demo", "free").await, app.ada.run("demo", "held").await);
    let input = json!({"runs": {"ids": [free.id, kept.id]}});
    let done = app.ada.mutate("deleteRuns", input, "deletion { id }").await;
    let id = json!({"id": done["deletion"]["id"]});
    let warden = app.ruler("root").await;
    let hold = hold(&warden, "holdRun", &kept.id.clone().into()).await;
    let refused = warden.refused("purgeNow", id.clone()).await;
    assert_eq!(refused.code, "HELD", "{}", refused.message);
    assert!(!refused.message.contains("project"), "{}", refused.message);
    let project = app.ada.graphql("{ project(name: \"demo\") { id } }", ()).await["project"]["id"].take();
    let around = json!({"id": project, "reason": "all of it"});
    let around = warden.mutate("holdProject", around, "hold { id }").await;
    let message = warden.refused("purgeNow", id.clone()).await.message;
    assert!(message.contains("run ada/demo/held") && message.contains("project ada/demo (all"), "{message}");
    release(&warden, &text(&around["hold"]["id"])).await;
    app.wait(TRASH).await;
    assert_eq!(app.ada.trash().await, ["held"]);
    assert_eq!(free.upsert_refused().await.code, "RUN_DELETED");
    release(&warden, &hold).await;
    app.run_jobs().await;
    assert_eq!(app.ada.trash().await, Vec::<String>::new());
    let state = "query($id: ID!) { deletion(id: $id) { state } }";
    assert_eq!(app.ada.graphql(state, id).await["deletion"]["state"], "PURGED");
});
