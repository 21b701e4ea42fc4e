//! Who logs: files, lines, versions.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::dice::Dice;
use super::promises::Thing;
use super::stage::Gate;
use super::world::{PROJECT, Run, Version, Who, World, md5, number};
use crate::support::{GC, HISTORY, TestArtifact, TestRun, text};

const NAMES: [&str; 2] = ["a", "b"];
/// Few, so that versions share them.
const CONTENTS: [&str; 4] = ["one", "number two", "the third of them", "and the last one"];

#[derive(Clone, Copy)]
enum Verb {
    BeginRun,
    Upload,
    DeleteFile,
    Read,
    Log,
    Publish,
}

/// Logs until it is told to end.
pub(super) async fn write(world: Arc<World>, dice: Dice) {
    const VERBS: &[(usize, Verb)] = &[
        (1, Verb::BeginRun),
        (5, Verb::Upload),
        (1, Verb::DeleteFile),
        (2, Verb::Read),
        (3, Verb::Log),
        (6, Verb::Publish),
    ];
    while world.stage.goes_on() {
        match dice.weighed(VERBS) {
            Verb::BeginRun => world.begin_run(&dice).await,
            Verb::Upload => world.upload(&dice).await,
            Verb::DeleteFile => world.delete_file(&dice).await,
            Verb::Read => world.read(&dice).await,
            Verb::Log => world.log(&dice).await,
            Verb::Publish => world.publish(&dice).await,
        }
        world.stage.pass(Gate::Idle).await;
    }
}

impl World {
    pub(super) fn some_run(&self, dice: &Dice) -> Run {
        let known = self.known();
        // What was begun last is the likeliest to be there.
        let from = known.runs.len().saturating_sub(4);
        dice.pick(&known.runs[from..]).unwrap().clone()
    }

    async fn begin_run(&self, dice: &Dice) {
        let name = self.fresh();
        let input = json!({"entityName": "ada", "modelName": PROJECT, "name": name});
        let made = self.mutate(dice, Who::Ada, "upsertBucket", input, "bucket { id }").await;
        if let Some(Ok(made)) = made {
            let (_, client) = self.client(dice, Who::Ada);
            self.know_run(TestRun::new(client, PROJECT, &name, text(&made["bucket"]["id"])));
        }
    }

    async fn upload(&self, dice: &Dice) {
        let (run, name) = (self.some_run(dice), *dice.pick(&NAMES).unwrap());
        let content = format!("{name} {}", self.fresh());
        let input = run.test.files_input(&[name]);
        let made = self.mutate(dice, Who::Ada, "createRunFiles", input, "files { uploadUrl }").await;
        let Some(Ok(made)) = made else { return };
        let url = text(&made["files"][0]["uploadUrl"]);
        let ticket = self.begin(Thing::File(run.id, name), md5(&content));
        let answer = self.put(dice, &url, &content).await;
        let promises = &mut self.known().promises;
        match answer {
            Some(answer) if answer.status == 200 => promises.kept(&ticket),
            Some(_) => promises.refused(&ticket),
            None => promises.unknown(&ticket),
        }
    }

    async fn delete_file(&self, dice: &Dice) {
        let (run, name) = (self.some_run(dice), *dice.pick(&NAMES).unwrap());
        let query = "query($p: String, $run: String!, $names: [String!]) { project(name: $p) { run(name: $run) { \
                     files(names: $names) { edges { node { id } } } } } }";
        let variables = json!({"p": run.test.project(), "run": run.test.name, "names": [name]});
        let Some(Ok(found)) = self.query(dice, Who::Ada, query, variables).await else { return };
        let id = &found["project"]["run"]["files"]["edges"][0]["node"]["id"];
        if id.is_null() {
            return;
        }
        let ticket = self.begin(Thing::File(run.id, name), "none");
        let done = self.mutate(dice, Who::Ada, "deleteFiles", json!({"files": [id]}), "success").await;
        self.settle_ticket(&ticket, done.as_ref());
    }

    /// What is read is what was there at some moment of the reading.
    async fn read(&self, dice: &Dice) {
        let (run, name) = (self.some_run(dice), *dice.pick(&NAMES).unwrap());
        let began = self.known().promises.moment();
        let Some(answer) = self.download(dice, &run.test, name).await else { return };
        if answer.status == 200 {
            let read = md5(std::str::from_utf8(&answer.body).unwrap());
            let known = self.known();
            let possible = known.promises.possible_since(&Thing::File(run.id, name), began);
            assert!(possible.contains(read.as_str()), "acknowledged: {name} reads {read}, not {possible:?}");
        }
    }

    /// Writes on where it has come to, again and again until it is acknowledged.
    async fn log(&self, dice: &Dice) {
        let run = self.some_run(dice);
        let claimed = self.change_run(run.id, |run| !std::mem::replace(&mut run.is_written, true));
        if !claimed {
            return;
        }
        let offset = self.change_run(run.id, |run| run.lines);
        let lines: Vec<String> =
            (offset..offset + 3).map(|n| json!({"_step": n, "loss": n * 2}).to_string()).collect();
        let mut body = json!({"files": Map::from_iter([(HISTORY.to_owned(), json!({"offset": offset, "content": lines}))])});
        if dice.one_in(2) {
            (body["complete"], body["exitcode"]) = (true.into(), 0.into());
        }
        let ticket = self.begin(Thing::Lines(run.id), (offset + 3).to_string());
        loop {
            match self.stream(dice, &run.test, &body).await {
                Some(answer) if answer.status == 200 => {
                    self.known().promises.kept(&ticket);
                    self.change_run(run.id, |run| (run.lines, run.is_written) = (offset + 3, false));
                    return;
                }
                // Whether it was stored before is not known: nobody writes there any more.
                Some(answer) if answer.status < 500 => break,
                _ if !self.stage.goes_on() => break,
                _ => drop(self.stage.pass(Gate::Idle).await),
            }
        }
        self.known().promises.unknown(&ticket);
    }

    fn change_run<T>(&self, id: i64, change: impl FnOnce(&mut Run) -> T) -> T {
        change(self.known().runs.iter_mut().find(|run| run.id == id).unwrap())
    }

    async fn publish(&self, dice: &Dice) {
        let began = self.stage.true_time();
        let Some(version) = self.begin_version(dice).await else { return };
        let fields = "files { edges { node { uploadUrl } } }";
        let input = version.artifact.files_input();
        let made = self.mutate(dice, Who::Ada, "createArtifactFiles", input, fields).await;
        let Some(Ok(made)) = made else { return };
        let mut all_arrived = true;
        let contents = version.artifact.contents();
        for (edge, content) in made["files"]["edges"].as_array().unwrap().iter().zip(contents) {
            let Some(url) = edge["node"]["uploadUrl"].as_str() else { continue };
            all_arrived &= self.put(dice, url, content).await.is_some_and(|answer| answer.status == 200);
        }
        let manifest = version.artifact.manifest();
        let input = version.artifact.manifest_input(&manifest, "FULL");
        let fields = "artifactManifest { file { uploadUrl } }";
        let made = self.mutate(dice, Who::Ada, "createArtifactManifest", input, fields).await;
        let Some(Ok(made)) = made else { return };
        let url = text(&made["artifactManifest"]["file"]["uploadUrl"]);
        all_arrived &= self.put(dice, &url, &manifest).await.is_some_and(|answer| answer.status == 200);
        let ticket = self.begin(Thing::Version(version.id), "committed");
        let input = json!({"artifactID": version.artifact.id});
        let done = self.mutate(dice, Who::Ada, "commitArtifact", input, "artifact { id }").await;
        self.settle_ticket(&ticket, done.as_ref());
        let is_early = self.stage.true_time() < began.after(GC.upload_window - GC.interval);
        if let Some(Err(refused)) = done
            && all_arrived
            && is_early
        {
            assert_ne!(refused.code, "ARTIFACT_FILES_MISSING", "rule 1: what had arrived is gone");
        }
    }

    async fn begin_version(&self, dice: &Dice) -> Option<Version> {
        let collection = format!("data{}", dice.below(2));
        let files: Vec<(String, String)> = ["a", "dir/b"]
            .into_iter()
            .map(|path| (path.to_owned(), (*dice.pick(&CONTENTS).unwrap()).to_owned()))
            .collect();
        let run = (!dice.one_in(3)).then(|| self.some_run(dice)).filter(|run| run.test.project() == PROJECT);
        let mut more = json!({});
        if let Some(run) = &run {
            more["runName"] = run.test.name.as_str().into();
        }
        if dice.one_in(5) {
            more["ttlDurationSeconds"] = (30 * 3600).into();
        }
        let since = self.known().promises.moment();
        let (_, client) = self.client(dice, Who::Ada);
        let input = TestArtifact::input(&client, PROJECT, &collection, &files, more);
        let made = self.mutate(dice, Who::Ada, "createArtifact", input, "artifact { id state }").await;
        let Some(Ok(made)) = made else { return None };
        let artifact = TestArtifact::begun(&client, PROJECT, files, &made["artifact"]);
        let id = number(&artifact.id);
        let maker = run.map(|run| run.id);
        let is_committed = artifact.state == "COMMITTED";
        if let Some(maker) = maker {
            self.know_maker(id, maker, since);
        }
        let mut known = self.known();
        if let Some(version) = known.versions.iter_mut().find(|version| version.id == id) {
            version.makers.extend(maker);
            return (!is_committed).then(|| version.clone());
        }
        let version = Version { id, artifact, makers: maker.into_iter().collect() };
        known.versions.push(version.clone());
        (!is_committed).then_some(version)
    }

    /// Notes what a call that would do one thing has done.
    pub(super) fn settle_ticket(
        &self,
        ticket: &super::promises::Ticket,
        done: Option<&Result<Value, crate::support::Refusal>>,
    ) {
        let promises = &mut self.known().promises;
        match done {
            Some(Ok(_)) => promises.kept(ticket),
            Some(Err(_)) => promises.refused(ticket),
            None => promises.unknown(ticket),
        }
    }
}
