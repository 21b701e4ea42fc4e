//! Something of every kind, and what a mutation of every kind would do to it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::{Client, GRID, HISTORY, TestApp, TestArtifact, TestRun, TestSweep};

/// Stands in everything that is to be found here.
pub(crate) const SECRET: &str = "sesame";

/// A run that says so in all of its parts.
pub(crate) async fn a_run(client: &Client, name: &str) -> TestRun {
    let config = json!({SECRET: {"value": SECRET}}).to_string();
    let told =
        json!({"displayName": SECRET, "notes": SECRET, "tags": [SECRET], "config": config, "host": SECRET});
    let run = client.run_with(SECRET, name, told).await;
    run.log(HISTORY, 0, &[json!({"_step": 0, SECRET: SECRET}).to_string()]).await;
    run.upload(&format!("{SECRET}.txt"), SECRET).await;
    run
}

/// Something of every kind that an entity can have, for one mutation of every kind.
pub(crate) struct Things {
    entity: &'static str,
    pub(crate) run: TestRun,
    deleted: TestRun,
    deletion: String,
    task: Value,
    file: Value,
    project: Value,
    user: Value,
    team: Value,
    key: Value,
    version: TestArtifact,
    in_trash: TestArtifact,
    pub(crate) pending: TestArtifact,
    manifest: Value,
    sequence: Value,
    portfolio: Value,
    hold: Value,
    rule: Value,
    sweep: TestSweep,
}

impl Things {
    pub(crate) async fn of(app: &TestApp, entity: &'static str) -> Self {
        let ada = app.ada.within(entity);
        let run = a_run(&ada, "r").await;
        let deleted = a_run(&ada, "deleted").await;
        let file = run.file(&format!("{SECRET}.txt"), "id").await["id"].take();
        let deletion = deleted.delete().await;
        let edit = json!({"filters": "{}", "entityName": entity, "projectName": SECRET, "addTags": [SECRET]});
        let task = ada.mutate("modifyRuns", edit, "task { id }").await["task"]["id"].take();
        let project = run.field("project { id }").await["id"].take();
        let key = ada.mutate("generateApiKey", json!({}), "apiKey { id }").await["apiKey"]["id"].take();
        let query = "query($e: String) { viewer { id } entity(name: $e) { id } }";
        let mut found = ada.graphql(query, json!({"e": entity})).await;
        let (user, team) = (found["viewer"]["id"].take(), found["entity"]["id"].take());
        let (version, _) = TestArtifact::log(&ada, SECRET, "data", &[("a", SECRET)]).await;
        let keeping = app.keeping(&ada);
        let (in_trash, _) = TestArtifact::log(&keeping, SECRET, "gone", &[("c", SECRET)]).await;
        in_trash.delete().await;
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
        let warden = app.ruler("warden").await;
        let input = json!({"id": run.id, "reason": SECRET});
        let hold = warden.mutate("holdRun", input, "hold { id }").await["hold"]["id"].take();
        warden.mutate("releaseHold", json!({"id": hold}), "hold { releasedAt }").await;
        let input = json!({"entityName": entity, "projectName": SECRET, "name": SECRET, "enabled": false,
            "rule": {"target": "RUNS", "action": "ARCHIVE", "ageSeconds": 60}});
        let rule = ada.mutate("createRetentionRule", input, "rule { id }").await["rule"]["id"].take();
        let sweep = TestSweep::create(&ada, SECRET, GRID).await;
        Self {
            entity,
            run,
            deleted,
            deletion,
            task,
            file,
            project,
            user,
            team,
            key,
            version,
            in_trash,
            pending,
            manifest,
            sequence,
            portfolio,
            hold,
            rule,
            sweep,
        }
    }

    /// What a member may do with versions and collections.
    pub(crate) fn artifact_writes(&self) -> Vec<(&'static str, Value)> {
        let Self { entity, version, in_trash, pending, manifest, sequence, portfolio, .. } = self;
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
            ("restoreArtifact", json!({"artifactID": in_trash.id})),
            ("deleteUnaliasedArtifacts", json!({"artifactSequenceID": sequence})),
            ("deleteArtifact", with(of_version(), "deleteAliases", true.into())),
            ("deleteArtifactPortfolio", json!({"artifactPortfolioID": portfolio})),
            ("deleteArtifactSequence", json!({"artifactSequenceID": sequence})),
        ]
    }

    /// What a member may do.
    pub(crate) fn writes(&self) -> Vec<(&'static str, Value)> {
        let Self { entity, run, deleted, deletion, file, project, sweep, .. } = self;
        let runs = || json!({"runs": {"ids": [run.id]}});
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
            ("extendDeletion", json!({"id": deletion, "purgeAfter": "2030-01-01T00:00:00Z"})),
            ("restoreDeletion", json!({"id": deletion})),
            ("restoreRun", json!({"id": deleted.id})),
            ("archiveRuns", runs()),
            ("deleteRunFiles", json!({"runs": {"ids": [run.id]}, "pattern": "nothing"})),
            ("deleteRunHistory", json!({"runs": {"ids": [run.id]}, "streams": ["CONSOLE"]})),
            ("deleteRuns", runs()),
            ("restoreRuns", runs()),
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
            ("upsertSweep", json!({"entityName": entity, "projectName": SECRET, "config": GRID})),
            ("upsertSweep", json!({"id": sweep.id, "state": "PAUSED"})),
            (
                "createAgent",
                json!({"entityName": entity, "projectName": SECRET, "sweep": sweep.name, "host": "h"}),
            ),
            ("agentHeartbeat", json!({"id": sweep.agent})),
            ("deleteModel", json!({"id": project})),
            ("restoreProject", json!({"id": project})),
        ]
    }

    /// What an administrator may do.
    pub(crate) fn administration(&self) -> Vec<(&'static str, Value)> {
        let Self { entity, project, user, team, run, version, hold, rule, .. } = self;
        let held = |id: &Value| json!({"id": id, "reason": "grace was here"});
        let of_project = |mut input: Value| {
            input["projectId"] = project.clone();
            input
        };
        vec![
            ("upsertModel", json!({"id": project, "access": "RESTRICTED"})),
            ("holdRun", held(&run.id.clone().into())),
            ("holdArtifact", held(&version.id.clone().into())),
            ("holdProject", held(project)),
            ("releaseHold", json!({"id": hold})),
            ("addTeamMember", json!({"teamName": entity, "username": "grace", "role": "admin"})),
            ("removeTeamMember", json!({"teamName": entity, "username": "ada"})),
            ("createInvite", json!({"entityName": entity, "username": "grace"})),
            ("deleteInvite", json!({"entityName": entity, "id": user})),
            ("createServiceAccount", json!({"entityName": entity, "description": "robot"})),
            ("createProjectMembers", of_project(json!({"userIds": [user]}))),
            ("deleteProjectMembers", of_project(json!({"userIds": [user]}))),
            ("updateProjectMember", of_project(json!({"userId": user, "userProjectRole": "viewer"}))),
            ("updateProjectTeamMember", of_project(json!({"teamId": team, "teamProjectRole": "viewer"}))),
            (
                "createRetentionRule",
                json!({"entityName": entity, "projectName": SECRET, "name": "x",
                    "rule": {"target": "RUNS", "action": "DELETE", "ageSeconds": 60}}),
            ),
            ("updateRetentionRule", json!({"id": rule, "name": "grace was here"})),
            ("deleteRetentionRule", json!({"id": rule})),
            ("setRetentionPeriods", json!({"entityName": entity, "projectName": SECRET, "trashSeconds": 60})),
            ("setRetentionPeriods", json!({"entityName": entity, "archiveSeconds": -2})),
            ("setArtifactTtl", json!({"entityName": entity, "ttlDurationSeconds": 60})),
            (
                "setProtectedAliases",
                json!({"entityName": entity, "projectName": SECRET, "aliases": ["production"]}),
            ),
        ]
    }

    /// What only who has it may do, or whoever administers an organization.
    pub(crate) fn of_the_owner(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("upsertBucket", json!({"id": self.deleted.id, "notes": "grace was here"})),
            ("deleteApiKey", json!({"id": self.key})),
            ("purgeNow", json!({"id": self.deletion})),
            ("pauseBulkTask", json!({"id": self.task})),
            ("resumeBulkTask", json!({"id": self.task})),
            ("cancelBulkTask", json!({"id": self.task})),
            (
                "addOrganizationMember",
                json!({"organizationName": self.entity, "username": "grace", "role": "admin"}),
            ),
            ("removeOrganizationMember", json!({"organizationName": self.entity, "username": "ada"})),
        ]
    }

    /// The same about things that are not there.
    pub(crate) fn of_nothing(&self, input: &Value) -> Value {
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
            (&self.hold.as_str().unwrap().to_owned(), "Hold"),
            (&self.rule.as_str().unwrap().to_owned(), "RetentionRule"),
            (&self.sweep.id, "Sweep"),
            (&self.sweep.agent, "Agent"),
        ] {
            text = text.replace(id.as_str(), &STANDARD.encode(format!("{kind}:999")));
        }
        for id in [self.deletion.as_str(), self.task.as_str().unwrap()] {
            text = text.replace(id, "00000000-0000-0000-0000-000000000000");
        }
        serde_json::from_str(&text).unwrap()
    }
}
