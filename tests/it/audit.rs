//! What was done to things is recorded with it, in a chain that can be kept elsewhere.

use counterweight_domain::audit::{self, Export};
use serde_json::{Value, json};

use crate::support::{Client, TRASH, TestApp, TestArtifact, backend_test, text};

/// Entries as `action path actor reason`, first recorded first.
async fn entries(client: &Client, filter: &str) -> Vec<String> {
    let query = format!(
        "{{ auditEntries(first: 100{filter}) {{ edges {{ node {{ action path reason actor {{ username }} }} }} }} }}"
    );
    let found = client.graphql(&query, ()).await;
    let line = |edge: &Value| {
        let node = &edge["node"];
        let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let words = [&node["action"], &node["path"], &node["actor"]["username"], &node["reason"]].map(word);
        words.join(" ")
    };
    found["auditEntries"]["edges"].as_array().unwrap().iter().rev().map(line).collect()
}

/// The chain as it is exported, and as its route tells it to root.
async fn exported(app: &TestApp) -> String {
    let mut export = Export::begin(&app.db, 0).await.unwrap();
    let mut lines = String::new();
    while let Some(part) = export.next(&app.db).await.unwrap() {
        lines.push_str(&part);
    }
    let answer = app.ada.somebody_else("root").get("/api/v1/audit").await;
    assert_eq!((answer.status, String::from_utf8(answer.body.to_vec()).unwrap()), (200, lines.clone()));
    lines
}

/// All that can happen to a run, a project and a version.
async fn a_life(app: &TestApp) {
    let run = app.ada.run("demo", "r").await;
    run.upload("a", "bytes").await;
    for change in ["archiveRun", "unarchiveRun"] {
        run.change(change).await;
    }
    run.delete_file("a").await;
    run.upload("a", "bytes").await;
    run.delete().await;
    run.change("restoreRun").await;
    let warden = app.ruler("root").await;
    let held = warden.mutate("holdRun", json!({"id": run.id, "reason": "evidence"}), "hold { id }").await;
    run.change_refused("deleteRun").await;
    warden.mutate("releaseHold", json!({"id": held["hold"]["id"]}), "hold { id }").await;
    let input = json!({"id": run.id, "reason": "too large"});
    app.ada.mutate("deleteRun", input, "deletion { id }").await;
    let (version, _) = TestArtifact::log(&app.ada, "demo", "data", &[("x", "1")]).await;
    let link = json!({"artifactID": version.id, "entityName": "ada", "projectName": "demo",
        "artifactPortfolioName": "shelf"});
    app.ada.mutate("linkArtifact", link, "versionIndex").await;
    let query = "{ project(name: \"demo\") { id artifactCollection(name: \"shelf\") { id } } }";
    let found = app.ada.graphql(query, ()).await;
    let shelf = &found["project"]["artifactCollection"]["id"];
    let unlink = json!({"artifactID": version.id, "artifactPortfolioID": shelf});
    app.ada.mutate("unlinkArtifact", unlink, "success").await;
    version.delete().await;
    app.ada.mutate("deleteArtifactPortfolio", json!({"artifactPortfolioID": shelf}), "__typename").await;
    app.wait(TRASH).await;
    app.collect().await;
    app.ada.mutate("deleteModel", json!({"id": found["project"]["id"]}), "success").await;
    app.wait(TRASH).await;
}

backend_test!(every_step_to_the_end_is_recorded_with_who_and_why, |app| {
    a_life(app).await;
    let of_ada = [
        "ARCHIVE ada/demo/r ada -",
        "UNARCHIVE ada/demo/r ada -",
        "DELETE ada/demo/r ada -",
        "DELETE ada/demo/r ada -",
        "RESTORE ada/demo/r ada -",
        "HOLD ada/demo/r root evidence",
        "RELEASE ada/demo/r root -",
        "DELETE ada/demo/r ada too large",
        "UNLINK ada/demo/data:v0 ada from ada/demo/shelf",
        "DELETE ada/demo/data:v0 ada -",
        "DELETE ada/demo/shelf ada -",
        "PURGE ada/demo/data - -",
        "PURGE ada/demo/r - -",
        "DELETE ada/demo ada -",
        "PURGE ada/demo - -",
    ];
    let mut seen = entries(&app.ada, "").await;
    seen.retain(|line| !line.starts_with("RECEIPT ada/demo - "));
    assert_eq!(seen, of_ada);
    assert_eq!(entries(&app.grace, "").await, Vec::<String>::new());
    let ruler = app.ada.somebody_else("root").claiming("use-admin-privileges", "true");
    let all = entries(&ruler, "").await;
    let removed = all.iter().filter(|line| line.starts_with("REMOVE blobs/"));
    assert_eq!((all.len(), removed.count()), (of_ada.len() + 7, 4), "{all:?}");
    assert_eq!(entries(&app.ada, ", action: HOLD").await, [of_ada[5]]);
    assert_eq!(entries(&app.ada, ", until: \"2026-01-01T00:00:00Z\"").await, Vec::<String>::new());
    assert_eq!(entries(&app.ada, ", since: \"2026-01-10T00:00:00Z\"").await.len(), 3);
    let query = "{ auditEntries(action: HOLD) { edges { node { subjectId actorId kind counts line } } } }";
    let hold = app.ada.graphql(query, ()).await["auditEntries"]["edges"][0]["node"].take();
    assert_eq!((hold["kind"].as_str(), hold["counts"].as_str()), (Some("RUN"), Some("{}")));
    let by = format!(", actor: {}, subject: {}", hold["actorId"], hold["subjectId"]);
    assert_eq!(entries(&app.ada, &by).await, of_ada[5..7]);
    let chain = exported(app).await;
    assert_eq!(audit::verify(chain.as_bytes()).unwrap().entries, 22);
    assert!(chain.contains(&text(&hold["line"])), "{hold}");
    let forged = chain.replace("evidence", "evidenze");
    assert_eq!(audit::verify(forged.as_bytes()).unwrap_err().line, 6);
});

backend_test!(the_chain_goes_on_where_it_was_and_names_what_was_changed_in_the_database, |app| {
    let run = app.ada.run("demo", "r").await;
    for _ in 0..3 {
        run.change("archiveRun").await;
        run.change("unarchiveRun").await;
        assert!(audit::seal(&app.db).await.unwrap());
    }
    let root = app.administrator("root").await;
    let chain = exported(app).await;
    assert_eq!(audit::verify(chain.as_bytes()).unwrap().entries, 6);
    let rest = String::from_utf8(root.get("/api/v1/audit?after=4").await.body.to_vec()).unwrap();
    assert!(rest.lines().take(2).eq(chain.lines().skip(4).take(2)), "{rest}");
    assert_eq!(app.ada.get("/api/v1/audit").await.status, 403);
    app.execute("UPDATE audit_entry SET path = 'ada/demo/other' WHERE position = 4").await;
    let fault = audit::verify(exported(app).await.as_bytes()).unwrap_err();
    assert_eq!((fault.line, fault.reason.as_str()), (4, "entry 4 was changed"));
});
