//! What must hold, whatever happened before.

use std::collections::BTreeSet;

use axum::http::Method;
use counterweight_storage::ObjectKey;
use futures_util::TryStreamExt as _;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::world::{Expected, RUNS, SHELF, State, Version, World, content_of_run, hours};
use crate::support::{GC, TRASH, lookup};

impl World<'_> {
    /// Every version that was committed can be read byte for byte until it is deleted, and nothing of it afterwards; its
    /// bytes stay in the store until their grace is over.
    pub(super) async fn check(&self) -> Result<(), TestCaseError> {
        let stored = self.stored().await;
        for version in &self.versions {
            let is_kept = match version.state {
                State::Committed => true,
                State::Pending => version.is_open(self.hours),
                State::Deleted(since) => self.hours < since + hours(GC.grace),
            };
            for bytes in version.bytes().into_iter().filter(|_| is_kept) {
                prop_assert!(stored.contains(&bytes), "{:?} is gone: {:?}", bytes, version.state);
            }
            self.check_version(version).await?;
        }
        for Expected { run, deleted } in &self.runs {
            prop_assert_eq!(run.show("id").await.is_null(), deleted.is_some());
        }
        self.app.check_consistency().await;
        Ok(())
    }

    async fn check_version(&self, version: &Version) -> Result<(), TestCaseError> {
        const QUERY: &str = "query($id: ID!) { artifact(id: $id) { state currentManifest { file { directUrl } } \
                             files(first: 9) { edges { node { name directUrl } } } \
                             artifactMemberships { edges { node { artifactCollection { name } } } } } }";
        let mut found = self.app.ada.graphql(QUERY, json!({"id": version.artifact.id})).await;
        let found = found["artifact"].take();
        if !version.is_committed() {
            prop_assert_ne!(&found["state"], "COMMITTED");
            let name = format!("{}:{}", version.collection, version.artifact.digest());
            let place = lookup(&self.app.ada, &self.project, &name).await;
            prop_assert_ne!(place.map(|(id, ..)| id), Some(version.artifact.id.clone()));
            return Ok(());
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let nodes = |list: &Value| -> Vec<Value> {
            list["edges"].as_array().into_iter().flatten().map(|edge| edge["node"].clone()).collect()
        };
        let mut wanted = vec![("manifest", version.artifact.manifest())];
        wanted.extend(version.files.iter().map(|(path, content)| (*path, (*content).to_owned())));
        let mut links = vec![("manifest".to_owned(), text(&found["currentManifest"]["file"]["directUrl"]))];
        links.extend(
            nodes(&found["files"]).iter().map(|file| (text(&file["name"]), text(&file["directUrl"]))),
        );
        prop_assert_eq!(links.len(), wanted.len(), "{:?}", found);
        for ((name, url), (path, content)) in links.into_iter().zip(wanted) {
            let read = self.app.ada.fetch(Method::GET, &url, "").await;
            prop_assert_eq!(
                (name.as_str(), read.status, read.body.as_ref()),
                (path, 200, content.as_bytes())
            );
        }
        let places = nodes(&found["artifactMemberships"]);
        let on_shelf = places.iter().any(|place| place["artifactCollection"]["name"] == SHELF);
        prop_assert_eq!(on_shelf, version.linked);
        Ok(())
    }

    /// The bytes of all objects.
    async fn stored(&self) -> Vec<String> {
        let mut stored = Vec::new();
        for key in self.app.objects().await {
            let body = self.app.blobs.get(&ObjectKey::parse(key).unwrap(), None).await.unwrap();
            let bytes: Vec<_> = body.stream.try_collect().await.unwrap();
            stored.push(String::from_utf8_lossy(&bytes.concat()).into_owned());
        }
        stored
    }

    /// Once everything has had its time, only what can be read is left, and it is what the storage figure says.
    pub(super) async fn settle(&mut self) -> Result<(), TestCaseError> {
        for run in 0..RUNS {
            self.restore(run).await;
        }
        for _ in 0..3 {
            self.app.collect().await;
            self.hours += hours(GC.upload_window + GC.interval + GC.grace);
        }
        self.check().await?;
        let committed = self.versions.iter().filter(|version| version.is_committed());
        let of_runs = (0..RUNS).filter(|run| self.runs[*run].deleted.is_none()).map(content_of_run);
        let wanted: BTreeSet<String> = committed.flat_map(Version::bytes).chain(of_runs).collect();
        let stored = self.stored().await;
        prop_assert_eq!(stored.iter().cloned().collect::<BTreeSet<_>>(), wanted);
        prop_assert_eq!(self.app.rows("blob").await, i64::try_from(stored.len()).unwrap());
        let shown = self.app.ada.graphql("{ entity { storageBytes } }", ()).await;
        prop_assert_eq!(&shown["entity"]["storageBytes"], stored.iter().map(String::len).sum::<usize>());
        Ok(())
    }

    /// Deletes the project, and with it everything.
    pub(super) async fn clear(&self) {
        let found = self
            .app
            .ada
            .graphql("query($p: String) { project(name: $p) { id } }", json!({"p": self.project}));
        let id = found.await["project"]["id"].take();
        self.app.ada.mutate("deleteModel", json!({"id": id}), "success").await;
        self.app.wait(TRASH).await;
        self.app.collect().await;
        self.app.collect().await;
        assert_eq!((self.app.objects().await.len(), self.app.rows("blob").await), (0, 0));
    }
}
