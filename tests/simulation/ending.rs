//! Once nobody does anything any more and all time is over: what the rules promise of the end.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::Method;
use counterweight_domain::audit;
use counterweight_domain::job;
use counterweight_domain::receipt;
use counterweight_worker::gc;
use serde_json::{Value, json};

use super::dice::Dice;
use super::rules::Broken;
use super::view::View;
use super::world::{Who, World};
use crate::support::{GC, TRASH, consistency};

impl World {
    /// Lets everything that is due happen, without trouble, and checks what is left.
    pub(super) async fn end(&self, dice: &Dice) -> Result<(), Broken> {
        self.release_all(dice).await;
        let day = Duration::from_hours(24);
        // The lease of who died; the deadlines; what was announced and never came; two passes with a grace between them.
        let spans = [Duration::from_mins(2), TRASH * 5, TRASH + day, GC.upload_window + GC.interval];
        let passes = [GC.interval, GC.grace, GC.interval, GC.grace + GC.interval, GC.interval];
        for span in spans {
            self.pass_time(span);
            self.drain().await?;
        }
        for span in passes {
            self.pass_time(span);
            self.rule_4_a_pass_does_what_its_rehearsal_names().await?;
            self.drain().await?;
        }
        self.rule_3_nothing_is_left_to_do().await?;
        let view = self.look().await;
        rule_2_all_that_nothing_refers_to_is_gone(&view)?;
        rule_6_all_deadlines_are_met(&view)?;
        // Rules 3 and 8: no row points at nothing, no byte is unreachable, and the figures are what the store lists.
        consistency::check(&self.db, &self.database, &self.blobs).await;
        self.rule_7_all_can_be_read(dice, &view).await?;
        self.the_record_verifies().await
    }

    async fn drain(&self) -> Result<(), Broken> {
        for worker in &self.workers {
            worker.drain().await.map_err(|error| format!("rule 3: {error}"))?;
        }
        Ok(())
    }

    async fn rule_4_a_pass_does_what_its_rehearsal_names(&self) -> Result<(), Broken> {
        let seen = async || {
            let rows = self.database.texts("SELECT object_key || ' ' || state FROM blob").await;
            BTreeSet::from_iter(rows)
        };
        let before = seen().await;
        let [named, done] = [true, false].map(|is_dry| gc::pass(&self.db, &self.blobs, &GC, is_dry));
        let named = named.await.map_err(|error| format!("rule 4: {error}"))?.objects;
        done.await.map_err(|error| format!("rule 4: {error}"))?;
        let named: BTreeSet<String> = named.iter().map(ToString::to_string).collect();
        let after: BTreeSet<String> = seen().await;
        let done: BTreeSet<String> =
            before.difference(&after).filter_map(|row| Some(row.split_once(' ')?.0.to_owned())).collect();
        if named == done {
            return Ok(());
        }
        Err(format!("rule 4: a rehearsal names {named:?}, and the pass does {done:?}"))
    }

    async fn release_all(&self, dice: &Dice) {
        let holds: BTreeSet<String> = self.known().holds.iter().map(|(id, ..)| id.clone()).collect();
        let (_, root) = self.client(dice, Who::Root);
        for id in holds {
            root.mutate("releaseHold", json!({"id": id}), "hold { id }").await;
        }
        let held = "SELECT CAST(id AS TEXT) FROM hold WHERE released_at IS NULL ORDER BY id";
        for id in self.database.texts(held).await {
            use base64::Engine as _;
            let id = base64::engine::general_purpose::STANDARD.encode(format!("Hold:{id}"));
            root.mutate("releaseHold", json!({"id": id}), "hold { id }").await;
        }
    }

    async fn rule_3_nothing_is_left_to_do(&self) -> Result<(), Broken> {
        let left = job::list_unsettled(&self.db, self.db.now()).await.unwrap();
        let held = self.database.number("SELECT COUNT(*) FROM held_job").await;
        if left.is_empty() && held == 0 {
            return Ok(());
        }
        Err(format!("rule 3: there are jobs left: {left:?}, held: {held}"))
    }

    /// Every file of what is live has its bytes, read as people read them.
    async fn rule_7_all_can_be_read(&self, dice: &Dice, view: &View) -> Result<(), Broken> {
        let (_, ada) = self.client(dice, Who::Ada);
        let is_there = |project: i64| view.projects[&project].state == "live";
        let runs = self.known().runs.clone();
        for run in runs {
            let row = &view.runs[&run.id];
            if row.lifecycle != "live" || !is_there(row.project) {
                continue;
            }
            for (name, digest) in view.fingerprint(run.id).0 {
                let read = run.test.at(&ada).download(name).await;
                if read.status != 200 || super::world::md5(&String::from_utf8_lossy(&read.body)) != *digest {
                    return Err(format!("rule 7: {name} of run {} reads {read:?}", run.id));
                }
            }
            let lines = run.test.at(&ada).history().await;
            let wanted = view.lines.get(&(run.id, 1)).copied().unwrap_or(0);
            if i64::try_from(lines.len()) != Ok(wanted) {
                return Err(format!("rule 7: run {} has {wanted} lines and shows {}", run.id, lines.len()));
            }
        }
        let versions = self.known().versions.clone();
        for version in versions {
            let row = &view.versions[&version.id];
            if row.state != "committed" || !is_there(row.project) {
                continue;
            }
            let query = "query($id: ID!) { artifact(id: $id) { files(first: 9) { edges { node { name directUrl } } } } }";
            let found = ada.graphql(query, json!({"id": version.artifact.id})).await;
            let mut read = Vec::new();
            for edge in found["artifact"]["files"]["edges"].as_array().unwrap() {
                let url = edge["node"]["directUrl"].as_str().unwrap();
                let answer = ada.fetch(Method::GET, url, "").await;
                read.push(String::from_utf8_lossy(&answer.body).into_owned());
            }
            let wanted: Vec<&str> = version.artifact.contents().collect();
            if read != wanted {
                return Err(format!("rule 7: version {} reads {read:?}, was {wanted:?}", version.id));
            }
        }
        Ok(())
    }

    /// The audit is a chain, and each deletion that was purged has a receipt that proves it.
    async fn the_record_verifies(&self) -> Result<(), Broken> {
        while audit::seal(&self.db).await.unwrap() {}
        let (mut export, mut chain) = (audit::Export::begin(&self.db, 0).await.unwrap(), String::new());
        while let Some(lines) = export.next(&self.db).await.unwrap() {
            chain.push_str(&lines);
        }
        audit::verify(chain.as_bytes()).map_err(|fault| format!("audit: {fault:?}"))?;
        let purged = "SELECT id FROM deletion WHERE state = 'purged' ORDER BY id";
        let query = "query($id: ID!) { receipt(deletionId: $id) { issuedAt document } }";
        let (_, ada) = self.client(&Dice::new(0, 0), Who::Ada);
        for id in self.database.texts(purged).await {
            let shown: Value = ada.graphql(query, json!({"id": id})).await["receipt"].take();
            let Some(document) = shown["document"].as_str() else {
                let open = format!(
                    "SELECT kind || ' ' || subject_id FROM receipt_item WHERE deletion_id = '{id}' AND purged_at IS NULL \
                     UNION ALL SELECT 'blob ' || blob_id FROM receipt_object WHERE deletion_id = '{id}' AND answer IS NULL"
                );
                let open = self.database.texts(&open).await;
                return Err(format!(
                    "receipt: deletion {id} is purged, and {open:?} keep its receipt: {shown}"
                ));
            };
            receipt::verify(document.as_bytes()).map_err(|fault| format!("receipt: {id}: {fault:?}"))?;
        }
        Ok(())
    }
}

fn rule_2_all_that_nothing_refers_to_is_gone(view: &View) -> Result<(), Broken> {
    let wanted: BTreeSet<i64> = view.references.iter().map(|(id, _)| *id).collect();
    let left: Vec<_> = view.blobs.iter().filter(|(id, _)| !wanted.contains(id)).collect();
    if !left.is_empty() {
        return Err(format!("rule 2: nothing refers to {left:?}"));
    }
    let known: BTreeSet<&String> = view.blobs.values().map(|blob| &blob.key).collect();
    match view.objects.keys().find(|key| !known.contains(key)) {
        Some(key) => Err(format!("rule 3: no row knows {key}")),
        None => Ok(()),
    }
}

fn rule_6_all_deadlines_are_met(view: &View) -> Result<(), Broken> {
    let over = |state: &str, deadline: i64| state == "deleted" && deadline <= view.now.0;
    let run = view.runs.iter().find(|(_, run)| {
        over(&run.lifecycle, run.purge_after) || run.lifecycle == "deleted" && run.is_urgent
    });
    let project = view.projects.iter().find(|(_, project)| over(&project.state, project.purge_after));
    match (run, project) {
        (None, None) => Ok(()),
        found => Err(format!("rule 6: a deadline has passed, and nothing is done: {found:?}")),
    }
}
