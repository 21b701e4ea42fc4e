//! Versions of artifacts: made, found, named, linked, deleted, and what becomes of their bytes.

use axum::http::Method;
use counterweight_storage::Md5Digest;
use serde_json::{Value, json};

use crate::support::{GC, TRASH, TestApp, TestArtifact, backend_test, lookup};

const TWO: [(&str, &str); 2] = [("a.txt", "hello"), ("dir/b.txt", "world")];

async fn project(app: &TestApp) {
    app.ada.run("demo", "r").await;
}

backend_test!(a_version_is_found_once_all_its_files_are_there, |app| {
    project(app).await;
    let version = TestArtifact::begin(&app.ada, "demo", "data", &TWO).await;
    assert_eq!(version.state, "PENDING");
    assert_eq!(lookup(&app.ada, "demo", "data:latest").await, None);
    assert_eq!(version.commit_refused().await.code, "MANIFEST_MISSING");
    version.send_manifest(&version.manifest(), "FULL").await;
    let refused = version.commit_refused().await;
    assert_eq!((refused.status, refused.code.as_str()), (200, "ARTIFACT_FILES_MISSING"));
    assert!(refused.message.contains("a.txt, dir/b.txt"), "{}", refused.message);
    assert_eq!(version.send_files().await, 2);
    version.commit().await;
    version.commit().await;
    let digest = version.digest();
    for name in ["data:latest", "data:v0", "data", &format!("data:{digest}")] {
        let expected = (version.id.clone(), 0, vec!["latest".to_owned()]);
        assert_eq!(lookup(&app.ada, "demo", name).await, Some(expected), "{name}");
    }
    assert_eq!(version.read("dir/b.txt").await.unwrap(), "world");
    assert_eq!(lookup(&app.grace, "demo", "data:latest").await, None);
});

backend_test!(versions_have_no_gaps_and_the_newest_is_latest, |app| {
    project(app).await;
    let mut ids = Vec::new();
    for (index, content) in ["one", "two", "three"].into_iter().enumerate() {
        let abandoned = TestArtifact::begin(&app.ada, "demo", "data", &[("x", content), ("y", "")]).await;
        let (version, _) = TestArtifact::log(&app.ada, "demo", "data", &[("x", content)]).await;
        assert_ne!(abandoned.id, version.id);
        let index = i64::try_from(index).unwrap();
        assert_eq!(lookup(&app.ada, "demo", "data:latest").await.unwrap().1, index);
        ids.push(version);
    }
    ids[2].delete().await;
    assert_eq!(
        lookup(&app.ada, "demo", "data:latest").await.unwrap().0,
        ids[1].id,
        "the one before is the latest"
    );
    assert_eq!(lookup(&app.ada, "demo", "data:v2").await, None);
    let (next, _) = TestArtifact::log(&app.ada, "demo", "data", &[("x", "four")]).await;
    assert_eq!(lookup(&app.ada, "demo", "data:v3").await.unwrap().0, next.id, "no index is given twice");
    app.run_jobs().await;
    app.wait(GC.upload_window + GC.interval).await;
});

backend_test!(content_is_stored_once_for_an_entity_and_again_for_another, |app| {
    project(app).await;
    let (first, sent) = TestArtifact::log(&app.ada, "demo", "data", &TWO).await;
    assert_eq!(sent, 2);
    let (again, sent) = TestArtifact::log(&app.ada, "demo", "data", &TWO).await;
    assert_eq!((again.id, sent), (first.id.clone(), 0), "the same content is the same version");
    let (other, sent) =
        TestArtifact::log(&app.ada, "demo", "other", &[("c.txt", "hello"), ("d.txt", "new")]).await;
    assert_eq!(sent, 1);
    app.grace.run("demo", "r").await;
    let (_, sent) = TestArtifact::log(&app.grace, "demo", "data", &TWO).await;
    assert_eq!(sent, 2, "nobody learns what others have");
    first.delete().await;
    app.run_jobs().await;
    app.collect().await;
    assert_eq!(
        other.read("c.txt").await.unwrap(),
        "hello",
        "a file that two versions have stays for the other"
    );
});

backend_test!(deleted_versions_free_their_bytes_and_what_was_begun_is_given_up, |app| {
    project(app).await;
    let before = app.objects().await;
    let (version, _) = TestArtifact::log(&app.ada, "demo", "data", &TWO).await;
    let pending = TestArtifact::begin(&app.ada, "demo", "data", &[("z", "never committed")]).await;
    pending.send_files().await;
    assert_eq!(app.objects().await.len(), before.len() + 4);
    version.delete().await;
    app.collect().await;
    app.collect().await;
    assert_eq!(app.objects().await, before);
    for table in
        ["artifact_entry", "artifact_manifest", "artifact_upload", "artifact_membership", "artifact_alias"]
    {
        assert_eq!(app.rows(table).await, 0, "{table}");
    }
});

backend_test!(bytes_that_are_not_what_was_announced_are_refused, |app| {
    project(app).await;
    let version = TestArtifact::begin(&app.ada, "demo", "data", &[("a", "hello")]).await;
    let url = version.announce().await.remove(0).unwrap();
    let answer = app.ada.fetch(Method::PUT, &url, "hullo").await;
    assert_eq!(answer.outcome(), (400, "DIGEST_MISMATCH".to_owned()));
    assert_eq!(app.ada.fetch(Method::PUT, &url, "hello").await.status, 200);
    let other = version.manifest().replace("\"a\"", "\"b\"");
    version.send_manifest(&other, "FULL").await;
    assert_eq!(version.commit_refused().await.code, "DIGEST_MISMATCH");
    for (contents, code) in [
        (r#"{"../a":{"digest":"XUFAKrxLKna5cZ2REBfFkg=="}}"#, "FILE_NAME_INVALID"),
        (r#"{"a":{"digest":"?"}}"#, "DIGEST_INVALID"),
        ("[]", "MANIFEST_INVALID"),
    ] {
        let json = format!(
            r#"{{"version":1,"storagePolicy":"wandb-storage-policy-v1","storagePolicyConfig":{{}},"contents":{contents}}}"#
        );
        version.send_manifest(&json, "FULL").await;
        assert_eq!(version.commit_refused().await.code, code, "{contents}");
    }
    version.send_manifest(&version.manifest(), "FULL").await;
    version.commit().await;
    assert_eq!(app.ada.fetch(Method::PUT, &url, "hello").await.outcome(), (404, "NOT_FOUND".to_owned()));
    app.collect().await;
});

backend_test!(a_file_arrives_in_parts_in_any_order, |app| {
    project(app).await;
    let content = "first half, second half";
    let version = TestArtifact::begin(&app.ada, "demo", "data", &[("a", content)]).await;
    let part = |number: usize| if number == 1 { &content[..12] } else { &content[12..] };
    let hex_md5 = |number| hex::encode(Md5Digest::of(part(number).as_bytes()).0);
    let parts = [1, 2].map(|number| json!({"partNumber": number, "hexMD5": hex_md5(number)}));
    let spec = json!({
        "artifactID": version.id, "name": "a", "md5": Md5Digest::of(content.as_bytes()).to_string(),
        "uploadPartsInput": parts,
    });
    let fields = "files { edges { node { uploadUrl storagePath uploadMultipartUrls { uploadID \
                  uploadUrlParts { partNumber uploadUrl } } } } }";
    let announced = app.ada.mutate("createArtifactFiles", json!({"artifactFiles": [spec]}), fields).await;
    let file = &announced["files"]["edges"][0]["node"];
    assert!(file["uploadUrl"].is_string(), "none would mean that it is here");
    let upload = &file["uploadMultipartUrls"];
    let url = |number: usize| upload["uploadUrlParts"][number - 1]["uploadUrl"].as_str().unwrap();
    assert_eq!(app.ada.put_sized(url(1), part(2)).await.outcome(), (400, "DIGEST_MISMATCH".to_owned()));
    let mut tags = Vec::new();
    for number in [2, 1] {
        let answer = app.ada.put_sized(url(number), part(number)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let tag = answer.headers["etag"].to_str().unwrap().to_owned();
        tags.push(json!({"partNumber": number, "hexMD5": tag}));
    }
    let complete = |parts: Value| {
        json!({"artifactID": version.id, "storagePath": file["storagePath"], "uploadID": upload["uploadID"],
               "completeMultipartAction": "Complete", "completedParts": parts})
    };
    let missing = complete(json!([tags[0]]));
    assert_eq!(app.ada.refused("completeMultipartUploadArtifact", missing).await.code, "PARTS_INVALID");
    for _ in 0..2 {
        let done = app.ada.mutate("completeMultipartUploadArtifact", complete(json!(tags)), "digest").await;
        assert_eq!(done["digest"], Md5Digest::of(content.as_bytes()).to_string());
    }
    version.send_manifest(&version.manifest(), "FULL").await;
    version.commit().await;
    assert_eq!(version.read("a").await.unwrap(), content);
});

backend_test!(parts_that_nobody_puts_together_are_swept, |app| {
    project(app).await;
    let before = app.objects().await;
    let version = TestArtifact::begin(&app.ada, "demo", "data", &[("a", "ab")]).await;
    let hex_md5 = |text: &str| hex::encode(Md5Digest::of(text.as_bytes()).0);
    let spec = json!({
        "artifactID": version.id, "name": "a", "md5": Md5Digest::of(b"ab").to_string(),
        "uploadPartsInput": [{"partNumber": 1, "hexMD5": hex_md5("a")}, {"partNumber": 2, "hexMD5": hex_md5("b")}],
    });
    let fields = "files { edges { node { uploadMultipartUrls { uploadUrlParts { uploadUrl } } } } }";
    let announced = app.ada.mutate("createArtifactFiles", json!({"artifactFiles": [spec]}), fields).await;
    let urls = &announced["files"]["edges"][0]["node"]["uploadMultipartUrls"]["uploadUrlParts"];
    let url = urls[0]["uploadUrl"].as_str().unwrap();
    assert_eq!(app.ada.put_sized(url, "a").await.status, 200);
    app.collect().await;
    app.collect().await;
    assert_eq!(app.objects().await, before);
    assert_eq!(app.ada.put_sized(url, "a").await.outcome().0, 403, "the URL has expired");
});

backend_test!(a_version_is_named_by_one_alias_at_a_time, |app| {
    project(app).await;
    let (one, _) = TestArtifact::log(&app.ada, "demo", "data", &[("x", "1")]).await;
    let (two, _) = TestArtifact::log(&app.ada, "demo", "data", &[("x", "2")]).await;
    let alias = |name: &str| json!([{"entityName": "ada", "projectName": "demo", "artifactCollectionName": "data", "alias": name}]);
    for version in [&one, &two] {
        let input = json!({"artifactID": version.id, "aliases": alias("best")});
        app.ada.mutate("addAliases", input, "success").await;
        assert_eq!(lookup(&app.ada, "demo", "data:best").await.unwrap().0, version.id);
    }
    let input = json!({"artifactID": two.id});
    let refused = app.ada.refused("deleteArtifact", input).await;
    assert_eq!(refused.code, "ARTIFACT_HAS_ALIASES");
    for bad in ["v3", "a/b", ""] {
        let input = json!({"artifactID": one.id, "aliases": alias(bad)});
        assert_eq!(app.ada.refused("addAliases", input).await.code, "ALIAS_INVALID", "{bad:?}");
    }
    let input = json!({"artifactID": two.id, "aliases": alias("best")});
    app.ada.mutate("deleteAliases", input.clone(), "success").await;
    assert_eq!(lookup(&app.ada, "demo", "data:best").await, None);
    assert_eq!(app.grace.refused("addAliases", input).await.code, "NOT_FOUND");
});

backend_test!(a_link_has_its_own_versions_and_aliases, |app| {
    project(app).await;
    app.ada.run("shelf", "r").await;
    let (zero, _) = TestArtifact::log(&app.ada, "demo", "data", &[("x", "0")]).await;
    let (one, _) = TestArtifact::log(&app.ada, "demo", "data", &[("x", "1")]).await;
    let link = |id: &str| {
        json!({"artifactID": id, "artifactPortfolioName": "good", "entityName": "ada", "projectName": "shelf",
               "aliases": [{"artifactCollectionName": "good", "alias": "prod"}]})
    };
    for (id, index) in [(&one.id, 0), (&zero.id, 1), (&one.id, 0)] {
        let linked = app.ada.mutate("linkArtifact", link(id), "versionIndex").await;
        assert_eq!(linked["versionIndex"], index);
    }
    let (found, _, mut aliases) = lookup(&app.ada, "shelf", "good:prod").await.unwrap();
    aliases.sort();
    assert_eq!((found, aliases), (one.id.clone(), vec!["latest".to_owned(), "prod".to_owned()]));
    let query = "query($id: ID!) { artifact(id: $id) { artifactMemberships { edges { node { versionIndex \
                 artifactCollection { __typename id name } } } } } }";
    let places = app.ada.graphql(query, json!({"id": one.id})).await;
    let nodes = places["artifact"]["artifactMemberships"]["edges"].as_array().unwrap();
    let kinds: Vec<&Value> =
        nodes.iter().map(|edge| &edge["node"]["artifactCollection"]["__typename"]).collect();
    assert_eq!(kinds, ["ArtifactSequence", "ArtifactPortfolio"]);
    let portfolio = nodes[1]["node"]["artifactCollection"]["id"].clone();
    let unlink = json!({"artifactID": one.id, "artifactPortfolioID": portfolio});
    app.ada.mutate("unlinkArtifact", unlink.clone(), "success").await;
    assert_eq!(lookup(&app.ada, "shelf", "good:prod").await, None);
    assert_eq!(lookup(&app.ada, "shelf", "good:latest").await.unwrap().0, zero.id);
    assert_eq!(
        lookup(&app.ada, "demo", "data:latest").await.unwrap().0,
        one.id,
        "it stays where it was made"
    );
    assert_eq!(app.ada.refused("unlinkArtifact", unlink).await.code, "NOT_FOUND");
});

backend_test!(the_project_of_registered_models_is_made_with_the_first, |app| {
    project(app).await;
    let (version, _) = TestArtifact::log(&app.ada, "demo", "model", &[("w", "0")]).await;
    let link = |entity: &str, project: &str| {
        json!({"artifactID": version.id, "artifactPortfolioName": "detector", "entityName": entity,
               "projectName": project})
    };
    assert_eq!(app.ada.refused("linkArtifact", link("ada", "nowhere")).await.code, "NOT_FOUND");
    assert_eq!(app.ada.refused("linkArtifact", link("grace", "model-registry")).await.code, "NOT_FOUND");
    assert_eq!(app.rows("project").await, 1);
    for _ in 0..2 {
        app.ada.mutate("linkArtifact", link("ada", "model-registry"), "versionIndex").await;
    }
    let (found, index, _) = lookup(&app.ada, "model-registry", "detector:latest").await.unwrap();
    assert_eq!((found, index), (version.id, 0));
});

backend_test!(a_run_takes_its_artifacts_along_only_when_told_to, |app| {
    let keeper = app.ada.run("demo", "keeper").await;
    let taker = app.ada.run("demo", "taker").await;
    let of = |run: &str| json!({"runName": run, "aliases": []});
    let kept = TestArtifact::begin_with(&app.ada, "demo", "kept", &[("k", "k")], of("keeper")).await;
    let gone_too = TestArtifact::begin_with(&app.ada, "demo", "taken", &[("t", "t")], of("taker")).await;
    for version in [&kept, &gone_too] {
        version.publish().await;
    }
    keeper.delete().await;
    app.ada.mutate("deleteRun", json!({"id": taker.id, "deleteArtifacts": true}), "clientMutationId").await;
    assert!(lookup(&app.ada, "demo", "kept:latest").await.is_some());
    assert_eq!(lookup(&app.ada, "demo", "taken:latest").await, None);
    taker.change("restoreRun").await;
    assert_eq!(lookup(&app.ada, "demo", "taken:latest").await, None, "it does not come back with the run");
    app.wait(TRASH).await;
    app.collect().await;
    assert_eq!(kept.read("k").await.unwrap(), "k");
});

backend_test!(a_deleted_project_takes_its_artifacts_along, |app| {
    project(app).await;
    TestArtifact::log(&app.ada, "demo", "data", &TWO).await;
    let found = app.ada.graphql("{ project(name: \"demo\") { id } }", ()).await;
    app.ada.mutate("deleteModel", json!({"id": found["project"]["id"]}), "success").await;
    app.wait(TRASH).await;
    app.collect().await;
    assert_eq!(app.objects().await, Vec::<String>::new());
    assert_eq!(app.rows("artifact_entry").await, 0);
});

backend_test!(versions_end_by_themselves_unless_a_registry_has_them, |app| {
    project(app).await;
    let hour = 3600;
    let version = TestArtifact::begin_with(
        &app.ada,
        "demo",
        "data",
        &[("x", "x")],
        json!({"ttlDurationSeconds": hour}),
    );
    let version = version.await;
    version.publish().await;
    let ttl = "query($id: ID!) { artifact(id: $id) { ttlDurationSeconds ttlIsInherited } }";
    let shown = app.ada.graphql(ttl, json!({"id": version.id})).await;
    assert_eq!(shown["artifact"], json!({"ttlDurationSeconds": hour, "ttlIsInherited": false}));
    app.wait(GC.interval).await;
    app.wait(GC.interval).await;
    assert_eq!(lookup(&app.ada, "demo", "data:latest").await, None);
    app.collect().await;
});

backend_test!(a_version_without_a_time_of_its_own_ends_as_its_collection_or_its_entity_says, |app| {
    project(app).await;
    let (version, _) = TestArtifact::log(&app.ada, "demo", "data", &[("x", "x")]).await;
    let ttl = async || {
        let query = "query($id: ID!) { artifact(id: $id) { ttlDurationSeconds ttlIsInherited } }";
        app.ada.graphql(query, json!({"id": version.id})).await["artifact"].take()
    };
    assert_eq!(ttl().await, json!({"ttlDurationSeconds": -1, "ttlIsInherited": true}));
    let of_entity = |seconds: i64| json!({"entityName": "ada", "ttlDurationSeconds": seconds});
    app.ada.mutate("setArtifactTtl", of_entity(7200), "success").await;
    assert_eq!(ttl().await, json!({"ttlDurationSeconds": 7200, "ttlIsInherited": true}));
    let query = "{ project(name: \"demo\") { artifactCollection(name: \"data\") { id } } }";
    let found = app.ada.graphql(query, ()).await;
    let sequence = &found["project"]["artifactCollection"]["id"];
    let of_collection = json!({"artifactSequenceID": sequence, "ttlDurationSeconds": 3600});
    app.ada.mutate("updateArtifactSequence", of_collection, "artifactCollection { name }").await;
    assert_eq!(ttl().await, json!({"ttlDurationSeconds": 3600, "ttlIsInherited": true}));
    let of_version = json!({"artifactID": version.id, "ttlDurationSeconds": -2});
    app.ada.mutate("updateArtifact", of_version, "artifact { id }").await;
    assert_eq!(ttl().await, json!({"ttlDurationSeconds": -2, "ttlIsInherited": false}));
    app.wait(std::time::Duration::from_hours(3)).await;
    assert!(lookup(&app.ada, "demo", "data:latest").await.is_some());
    for bad in [0, -3, i64::MAX] {
        assert_eq!(app.ada.refused("setArtifactTtl", of_entity(bad)).await.code, "TTL_INVALID", "{bad}");
    }
});

backend_test!(writers_that_share_an_id_make_one_version, |app| {
    project(app).await;
    let more = || json!({"distributedID": "together"});
    let one = TestArtifact::begin_with(&app.ada, "demo", "data", &[("a", "1")], more()).await;
    let two = TestArtifact::begin_with(&app.ada, "demo", "data", &[("b", "2")], more()).await;
    assert_eq!(one.id, two.id);
    for writer in [&one, &two] {
        writer.send_files().await;
        writer.send_manifest(&writer.manifest(), "PATCH").await;
    }
    one.commit().await;
    assert_eq!(
        (one.read("a").await.unwrap(), one.read("b").await.unwrap()),
        ("1".to_owned(), "2".to_owned())
    );
    let query =
        "query($id: ID!) { artifact(id: $id) { fileCount size currentManifest { file { directUrl } } } }";
    let found = app.ada.graphql(query, json!({"id": one.id})).await;
    assert_eq!((&found["artifact"]["fileCount"], &found["artifact"]["size"]), (&json!(2), &json!(2)));
    let url = found["artifact"]["currentManifest"]["file"]["directUrl"].as_str().unwrap();
    let manifest = app.ada.fetch(Method::GET, url, "").await.json();
    assert_eq!(manifest["contents"].as_object().unwrap().len(), 2);
});

backend_test!(what_a_protected_alias_names_is_deleted_by_nobody, |app| {
    let owner = app.administrator("root").await;
    let team = json!({"teamName": "crew", "teamAdminUserName": "root"});
    owner.mutate("createTeam", team, "entity { name }").await;
    let join = json!({"teamName": "crew", "username": "ada", "role": "member"});
    owner.mutate("addTeamMember", join, "__typename").await;
    let query = "mutation { upsertModel(input: {entityName: \"crew\", name: \"demo\"}) { project { id } } }";
    app.ada.graphql(query, ()).await;
    let of_team = || json!({"entityName": "crew"});
    let version = TestArtifact::begin_with(&app.ada, "demo", "data", &[("x", "x")], of_team()).await;
    version.publish().await;
    let protect = json!({"entityName": "crew", "projectName": "demo", "aliases": ["latest"]});
    owner.mutate("setProtectedAliases", protect, "success").await;
    let query =
        "{ project(entityName: \"crew\", name: \"demo\") { artifactCollection(name: \"data\") { id } } }";
    let found = app.ada.graphql(query, ()).await;
    let whole = json!({"artifactSequenceID": found["project"]["artifactCollection"]["id"]});
    let one = json!({"artifactID": version.id, "deleteAliases": true});
    for (mutation, input) in [("deleteArtifact", &one), ("deleteArtifactSequence", &whole)] {
        for client in [&app.ada, &owner] {
            let refused = client.refused(mutation, input.clone()).await;
            assert_eq!(refused.code, "ALIAS_PROTECTED", "{mutation}");
            assert!(refused.message.contains("crew/demo/data:v0 (latest)"), "{}", refused.message);
        }
    }
    let free = json!({"entityName": "crew", "projectName": "demo", "aliases": []});
    owner.mutate("setProtectedAliases", free, "success").await;
    owner.mutate("deleteArtifactSequence", whole, "__typename").await;
    app.run_jobs().await;
});
