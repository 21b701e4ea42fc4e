//! What users do, and what they expect of it.

use axum::http::Method;
use serde_json::{Value, json};

use super::world::{SHELF, State, Trash, Version, World, hours};
use super::{New, Trouble};
use crate::support::{TRASH, TestArtifact};

const PATHS: [&str; 2] = ["a", "dir/b"];
/// Few, so that versions share them.
const CONTENTS: [&str; 4] = ["one", "number two", "the third of them", ""];

impl World<'_> {
    /// Begins a version and announces its files; where it is, if it is a new one.
    pub(super) async fn begin(&mut self, new: New) -> Option<usize> {
        let New { collection, contents, run } = new;
        let app = self.app;
        let collection = format!("data{collection}");
        let files: Vec<_> = PATHS.into_iter().zip(contents.map(|content| CONTENTS[content])).collect();
        let more = run.map_or_else(|| json!({}), |run| json!({"runName": self.runs[run].run.name}));
        if run.is_some_and(|run| self.runs[run].deleted.is_some()) {
            let owned: Vec<_> = files.iter().map(|(path, text)| ((*path).into(), (*text).into())).collect();
            let input = TestArtifact::input(&app.ada, &self.project, &collection, &owned, more);
            assert_eq!(app.ada.refused("createArtifact", input).await.code, "RUN_DELETED");
            return None;
        }
        let artifact = TestArtifact::begin_with(&app.ada, &self.project, &collection, &files, more).await;
        if artifact.state == "COMMITTED" {
            let known = self.versions.iter_mut().find(|known| known.artifact.id == artifact.id).unwrap();
            assert!(known.is_committed() && known.collection == collection && known.files == files);
            known.makers.extend(run);
            return None;
        }
        let urls = artifact.announce().await;
        self.versions.push(Version {
            artifact,
            collection,
            files,
            arrived: urls.iter().map(Option::is_none).collect(),
            urls,
            has_manifest: false,
            state: State::Pending,
            begun: self.hours,
            makers: run.into_iter().collect(),
            linked: false,
        });
        Some(self.versions.len() - 1)
    }

    /// Puts what was asked for when the version was begun; again, if it is there by now. Trouble meets the first file.
    pub(super) async fn send(&mut self, at: usize, mut trouble: Option<Trouble>) {
        for file in 0..PATHS.len() {
            let Some(url) = self.versions[at].urls[file].clone() else { continue };
            let content = self.versions[at].files[file].1;
            let answer = self.meet(trouble, self.app.ada.fetch(Method::PUT, &url, content)).await;
            let arrived = answer.as_ref().is_some_and(|answer| answer.status == 200);
            assert!(arrived || trouble.is_some(), "{answer:?}");
            self.versions[at].arrived[file] |= arrived;
            trouble = None;
        }
    }

    /// Sends the manifest and commits, which must succeed once all files have arrived.
    pub(super) async fn commit(&mut self, at: usize, trouble: Option<Trouble>) {
        self.versions[at].has_manifest = true;
        let Version { artifact, arrived, .. } = &self.versions[at];
        artifact.send_manifest(&artifact.manifest(), "FULL").await;
        let commit = self.app.ada.attempt("commitArtifact", json!({"artifactID": artifact.id}));
        match self.meet(trouble, commit).await {
            Some(Ok(())) => {
                self.versions[at].arrived.fill(true);
                self.versions[at].state = State::Committed;
            }
            Some(Err(refused)) => match refused.code.as_str() {
                "UNAVAILABLE" => assert!(matches!(trouble, Some(Trouble::Store(..))), "{refused:?}"),
                "ARTIFACT_FILES_MISSING" => assert!(arrived.contains(&false), "all had arrived: {refused:?}"),
                _ => panic!("{refused:?}"),
            },
            None => self.ask(at).await,
        }
    }

    pub(super) fn link_input(&self, at: usize) -> Value {
        json!({"artifactID": self.versions[at].artifact.id, "artifactPortfolioName": SHELF,
               "entityName": "ada", "projectName": self.project})
    }

    pub(super) async fn link(&mut self, version: usize) {
        let Some(at) = self.pick(version, Version::is_committed) else { return };
        self.app.ada.mutate("linkArtifact", self.link_input(at), "versionIndex").await;
        self.versions[at].linked = true;
    }

    pub(super) async fn unlink(&mut self, version: usize) {
        let Some(at) = self.pick(version, |version| version.is_committed() && version.linked) else { return };
        let query = "query($p: String, $shelf: String!) { project(name: $p) { artifactCollection(name: $shelf) { id } } }";
        let found = self.app.ada.graphql(query, json!({"p": self.project, "shelf": SHELF})).await;
        let input = json!({"artifactID": self.versions[at].artifact.id,
                           "artifactPortfolioID": found["project"]["artifactCollection"]["id"]});
        self.app.ada.mutate("unlinkArtifact", input, "success").await;
        self.versions[at].linked = false;
    }

    /// Deletes a version; one that has a name only with it.
    pub(super) async fn delete(&mut self, version: usize, with_aliases: bool, trouble: Option<Trouble>) {
        let Some(at) = self.pick(version, Version::is_committed) else { return };
        let id = &self.versions[at].artifact.id;
        let query = "query($id: ID!) { artifact(id: $id) { aliases { alias } } }";
        let found = self.app.ada.graphql(query, json!({"id": id})).await;
        let is_kept = !with_aliases && !found["artifact"]["aliases"].as_array().unwrap().is_empty();
        let input = json!({"artifactID": id, "deleteAliases": with_aliases});
        match self.meet(trouble, self.app.ada.attempt("deleteArtifact", input)).await {
            Some(Ok(())) => {
                assert!(!is_kept, "what has a name goes only with it");
                self.versions[at].state = State::Deleted(self.hours);
            }
            Some(Err(refused)) => assert!(is_kept && refused.code == "ARTIFACT_HAS_ALIASES", "{refused:?}"),
            None => self.ask(at).await,
        }
    }

    pub(super) async fn delete_run(&mut self, run: usize, with_artifacts: bool, trouble: Option<Trouble>) {
        let expected = &self.runs[run];
        if expected.deleted.is_some() {
            return;
        }
        let snapshot = expected.run.snapshot().await;
        let input = json!({"id": expected.run.id, "deleteArtifacts": with_artifacts});
        match self.meet(trouble, self.app.ada.attempt("deleteRun", input)).await {
            Some(done) => done.unwrap(),
            None if expected.run.show("id").await.is_null() => {}
            None => return,
        }
        let now = self.hours;
        self.runs[run].deleted = Some(Trash { deadline: now + hours(TRASH), snapshot });
        let made = self.versions.iter_mut().filter(|version| version.makers.contains(&run));
        for version in made.filter(|version| version.is_committed() || version.is_open(now)) {
            if with_artifacts {
                version.state = State::Deleted(now);
            }
        }
    }

    /// Takes a run back, which must succeed until its deadline and bring back every byte.
    pub(super) async fn restore(&mut self, run: usize) {
        let expected = &mut self.runs[run];
        match &expected.deleted {
            Some(trash) if trash.deadline <= self.hours => {
                let refused = expected.run.change_refused("restoreRun").await;
                assert!(["NOT_FOUND", "DEADLINE_PASSED"].contains(&refused.code.as_str()), "{refused:?}");
            }
            Some(trash) => {
                expected.run.change("restoreRun").await;
                assert_eq!(expected.run.snapshot().await, trash.snapshot);
                expected.deleted = None;
            }
            None => {}
        }
    }

    /// Who has no role learns nothing and changes nothing.
    pub(super) async fn guess(&self, version: usize) {
        let Some(at) = self.pick(version, |_| true) else { return };
        let id = &self.versions[at].artifact.id;
        for (mutation, input) in [
            ("deleteArtifact", json!({"artifactID": id, "deleteAliases": true})),
            ("commitArtifact", json!({"artifactID": id})),
            ("linkArtifact", self.link_input(at)),
        ] {
            assert_eq!(self.app.grace.refused(mutation, input).await.code, "NOT_FOUND", "{mutation}");
        }
        let input = json!({"id": self.runs[0].run.id, "deleteArtifacts": true});
        assert_eq!(self.app.grace.refused("deleteRun", input).await.code, "NOT_FOUND");
        let query = "query($id: ID!) { artifact(id: $id) { id } }";
        assert!(self.app.grace.graphql(query, json!({"id": id})).await["artifact"].is_null());
    }
}
