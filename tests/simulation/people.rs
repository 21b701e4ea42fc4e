//! Who tidies up: deletes, plans, restores, links.

use std::sync::Arc;

use serde_json::{Value, json};

use super::SKEW;
use super::dice::Dice;
use super::promises::{Thing, Ticket};
use super::stage::Gate;
use super::world::{Known, OTHER, Outcome, PROJECT, Run, Underway, Version, Who, World, number};
use crate::support::{Refusal, text};

const SHELF: &str = "shelf";

#[derive(Clone, Copy)]
enum Verb {
    DeleteRun,
    DeletePlanned,
    DeleteMany,
    /// `restoreRun`, `archiveRun` and the like.
    Change(&'static str),
    RestoreMany,
    RestoreDeletion,
    ExtendDeletion,
    DeleteVersion,
    RestoreVersion,
    Link,
    Unlink,
    Project(&'static str),
}

/// Tidies up until it is told to end.
pub(super) async fn tidy(world: Arc<World>, dice: Dice) {
    const VERBS: &[(usize, Verb)] = &[
        (4, Verb::DeleteRun),
        (4, Verb::DeletePlanned),
        (1, Verb::DeleteMany),
        (6, Verb::Change("restoreRun")),
        (2, Verb::Change("archiveRun")),
        (1, Verb::Change("unarchiveRun")),
        (2, Verb::RestoreMany),
        (1, Verb::RestoreDeletion),
        (1, Verb::ExtendDeletion),
        (6, Verb::DeleteVersion),
        (4, Verb::RestoreVersion),
        (3, Verb::Link),
        (1, Verb::Unlink),
        (1, Verb::Project("deleteModel")),
        (2, Verb::Project("restoreProject")),
    ];
    while world.stage.goes_on() {
        match *dice.weighed(VERBS) {
            Verb::DeleteRun => world.delete_run(&dice, false).await,
            Verb::DeletePlanned => world.delete_run(&dice, true).await,
            Verb::DeleteMany => world.delete_many(&dice).await,
            Verb::Change(mutation) => world.change(&dice, mutation).await,
            Verb::RestoreMany => world.restore_many(&dice).await,
            Verb::RestoreDeletion => world.restore_deletion(&dice).await,
            Verb::ExtendDeletion => world.extend_deletion(&dice).await,
            Verb::DeleteVersion => world.delete_version(&dice).await,
            Verb::RestoreVersion => world.restore_version(&dice).await,
            Verb::Link => world.link(&dice).await,
            Verb::Unlink => world.unlink(&dice).await,
            Verb::Project(mutation) => world.change_project(&dice, mutation).await,
        }
        world.stage.pass(Gate::Idle).await;
    }
}

/// What goes with runs.
fn wish(dice: &Dice) -> Value {
    let link = dice.pick(&["DELETE", "KEEP_ARTIFACTS", "ABORT"]).unwrap();
    json!({"deleteArtifacts": !dice.one_in(3), "onRegistryLink": link})
}

impl World {
    pub(super) fn some_version(&self, dice: &Dice) -> Option<Version> {
        let known = self.known();
        let from = known.versions.len().saturating_sub(6);
        dice.pick(&known.versions[from..]).cloned()
    }

    fn begin_all(&self, things: impl IntoIterator<Item = Thing>, value: &str) -> Vec<Ticket> {
        things.into_iter().map(|thing| self.begin(thing, value)).collect()
    }

    /// What may have become of many things by one call.
    fn settle_unsure(&self, tickets: &[Ticket], done: &Outcome) {
        let promises = &mut self.known().promises;
        for ticket in tickets {
            match done {
                Some(Err(_)) => promises.refused(ticket),
                _ => promises.unknown(ticket),
            }
        }
    }

    /// Begins a call on all runs of the project, or on some of them, and on what these have made.
    fn begin_many(&self, all: Option<&'static str>, makers: Option<&[Run]>) -> usize {
        let makers: Option<Vec<i64>> = makers.map(|runs| runs.iter().map(|run| run.id).collect());
        let Known { versions, promises, underway, .. } = &mut *self.known();
        let goes = |version: &&Version| makers.iter().flatten().any(|run| version.makers.contains(run));
        let made = versions.iter().filter(goes);
        let tickets = made.map(|version| promises.begin(Thing::Version(version.id), "deleted")).collect();
        underway.push(Underway { all, makers, tickets, ended: None });
        underway.len() - 1
    }

    fn end_many(&self, which: usize, done: &Outcome) {
        let tickets = std::mem::take(&mut self.known().underway[which].tickets);
        self.settle_unsure(&tickets, done);
        let known = &mut *self.known();
        known.underway[which].ended = Some(known.promises.moment());
    }

    /// A version that was begun since that moment has this maker.
    pub(super) fn know_maker(&self, version: i64, maker: i64, since: u64) {
        let Known { promises, underway, .. } = &mut *self.known();
        let of_maker = |call: &&mut Underway| call.makers.iter().flatten().any(|run| *run == maker);
        for call in underway.iter_mut().filter(of_maker) {
            match call.ended {
                None => call.tickets.push(promises.begin(Thing::Version(version), "deleted")),
                Some(ended) if ended >= since => {
                    let ticket = promises.begin(Thing::Version(version), "deleted");
                    promises.unknown(&ticket);
                }
                Some(_) => {}
            }
        }
    }

    async fn plan(&self, dice: &Dice, runs: &Value, wish: &Value) -> Option<Value> {
        const QUERY: &str = "query($runs: RunsInput!, $with: Boolean, $link: OnRegistryLink) { \
                             deletionPlan(runs: $runs, deleteArtifacts: $with, onRegistryLink: $link) { \
                             id runCount artifactCount fileCount obstacleCount } }";
        let variables =
            json!({"runs": runs, "with": wish["deleteArtifacts"], "link": wish["onRegistryLink"]});
        let planned = self.writes_nothing("a plan", self.query(dice, Who::Ada, QUERY, variables)).await;
        Some(planned?.ok()?["deletionPlan"].take())
    }

    async fn delete_run(&self, dice: &Dice, with_plan: bool) {
        let run = self.some_run(dice);
        let (mut input, reason) = (wish(dice), self.fresh());
        let plan = if with_plan {
            let Some(plan) = self.plan(dice, &json!({"ids": [run.test.id]}), &input).await else { return };
            self.stage.pass(Gate::Idle).await;
            input["planId"] = plan["id"].clone();
            Some(plan)
        } else {
            None
        };
        (input["id"], input["reason"]) = (run.test.id.as_str().into(), reason.as_str().into());
        let with_artifacts = input["deleteArtifacts"] == true;
        let ticket = self.begin(Thing::Run(run.id), "deleted");
        let call = self.begin_many(None, with_artifacts.then(|| std::slice::from_ref(&run)));
        let fields = "deletion { id reason runCount artifactCount fileCount }";
        let done = self.mutate(dice, Who::Ada, "deleteRun", input, fields).await;
        self.settle_ticket(&ticket, done.as_ref());
        self.end_many(call, &done);
        self.check_executed(plan.as_ref(), &done, &reason).await;
    }

    /// Rule 4: what was executed is what was planned, or nothing was.
    async fn check_executed(&self, plan: Option<&Value>, done: &Outcome, reason: &str) {
        match done {
            Some(Ok(done)) => {
                let record = &done["deletion"];
                self.known().deletions.push(text(&record["id"]));
                // One that was deleted before answers with the deletion of then.
                let Some(plan) = plan.filter(|_| record["reason"] == reason) else { return };
                for field in ["runCount", "artifactCount", "fileCount"] {
                    assert_eq!(record[field], plan[field], "rule 4: {field} of {record} planned as {plan}");
                }
                assert_eq!(plan["obstacleCount"], 0, "rule 4: done against what stood in the way");
            }
            Some(Err(refused)) => {
                assert_eq!(
                    self.deletions_because(reason).await,
                    0,
                    "rule 4: {refused:?}, and yet it is done"
                );
            }
            None => {}
        }
    }

    fn runs_of_project(&self) -> Vec<Run> {
        self.known().runs.iter().filter(|run| run.test.project() == PROJECT).cloned().collect()
    }

    async fn delete_many(&self, dice: &Dice) {
        let (mut input, reason) = (wish(dice), self.fresh());
        let runs = self.runs_of_project();
        let which = if dice.one_in(2) {
            json!({"filters": "{}", "projectName": PROJECT, "entityName": "ada"})
        } else {
            let some: Vec<_> =
                runs.iter().filter(|_| dice.one_in(2)).map(|run| run.test.id.clone()).collect();
            json!({ "ids": some })
        };
        let plan = self.plan(dice, &which, &input).await;
        self.stage.pass(Gate::Idle).await;
        if let Some(plan) = &plan {
            input["planId"] = plan["id"].clone();
        }
        (input["runs"], input["reason"]) = (which, reason.as_str().into());
        // Also those that were begun since the plan.
        let runs = self.runs_of_project();
        let all = input["runs"].get("filters").map(|_| "deleted");
        let call = self.begin_many(all, (input["deleteArtifacts"] == true).then_some(&runs));
        let tickets = self.begin_all(runs.iter().map(|run| Thing::Run(run.id)), "deleted");
        let done = self.mutate(dice, Who::Ada, "deleteRuns", input, "deletion { id }").await;
        self.settle_unsure(&tickets, &done);
        self.end_many(call, &done);
        if let Some(Ok(done)) = &done {
            self.known().deletions.push(text(&done["deletion"]["id"]));
        } else if done.is_some() {
            assert_eq!(self.deletions_because(&reason).await, 0, "rule 4: refused, and yet it is done");
        }
    }

    async fn change(&self, dice: &Dice, mutation: &str) {
        let run = self.some_run(dice);
        let value = if mutation == "archiveRun" { "archived" } else { "live" };
        let ticket = self.begin(Thing::Run(run.id), value);
        let done =
            self.mutate(dice, Who::Ada, mutation, json!({"id": run.test.id}), "clientMutationId").await;
        self.settle_ticket(&ticket, done.as_ref());
        self.check_late("run", run.id, done.as_ref()).await;
    }

    async fn restore_many(&self, dice: &Dice) {
        let runs = self.runs_of_project();
        let call = self.begin_many(Some("live"), None);
        let tickets = self.begin_all(runs.iter().map(|run| Thing::Run(run.id)), "live");
        let input = json!({"runs": {"filters": "{}", "projectName": PROJECT, "entityName": "ada"}});
        let done = self.mutate(dice, Who::Ada, "restoreRuns", input, "task { id }").await;
        self.settle_unsure(&tickets, &done);
        self.end_many(call, &done);
    }

    async fn restore_deletion(&self, dice: &Dice) {
        let Some(id) = self.some_deletion(dice) else { return };
        let runs = self.known().runs.iter().map(|run| Thing::Run(run.id)).collect::<Vec<_>>();
        let projects = self.known().projects.iter().map(|(id, _)| Thing::Project(*id)).collect::<Vec<_>>();
        let versions =
            self.known().versions.iter().map(|version| Thing::Version(version.id)).collect::<Vec<_>>();
        let mut tickets = self.begin_all(runs.into_iter().chain(projects), "live");
        tickets.extend(self.begin_all(versions, "committed"));
        let done = self.mutate(dice, Who::Ada, "restoreDeletion", json!({"id": id}), "deletion { id }").await;
        self.settle_unsure(&tickets, &done);
    }

    pub(super) fn some_deletion(&self, dice: &Dice) -> Option<String> {
        dice.pick(&self.known().deletions).cloned()
    }

    async fn extend_deletion(&self, dice: &Dice) {
        let Some(id) = self.some_deletion(dice) else { return };
        let days = 1 + dice.below(20) as u64;
        let until = self.stage.true_time().after(std::time::Duration::from_hours(24 * days)).to_rfc3339();
        let input = json!({"id": id, "purgeAfter": until});
        self.mutate(dice, Who::Ada, "extendDeletion", input, "deletion { id }").await;
    }

    async fn delete_version(&self, dice: &Dice) {
        let Some(version) = self.some_version(dice) else { return };
        let ticket = self.begin(Thing::Version(version.id), "deleted");
        let input = json!({"artifactID": version.artifact.id, "deleteAliases": true});
        let done = self.mutate(dice, Who::Ada, "deleteArtifact", input, "deletion { id }").await;
        self.settle_ticket(&ticket, done.as_ref());
        if let Some(Ok(done)) = &done {
            self.known().deletions.push(text(&done["deletion"]["id"]));
        }
    }

    async fn restore_version(&self, dice: &Dice) {
        let Some(version) = self.some_version(dice) else { return };
        let ticket = self.begin(Thing::Version(version.id), "committed");
        let input = json!({"artifactID": version.artifact.id});
        let done = self.mutate(dice, Who::Ada, "restoreArtifact", input, "artifact { id }").await;
        self.settle_ticket(&ticket, done.as_ref());
        self.check_late("artifact", version.id, done.as_ref()).await;
    }

    /// Rule 6: nothing is lost before its deadline.
    async fn check_late(&self, table: &str, id: i64, done: Option<&Result<Value, Refusal>>) {
        if let Some(Err(refused)) = done
            && refused.code == "DEADLINE_PASSED"
        {
            let now = self.stage.true_time().0 + SKEW;
            let early = format!(
                "SELECT COUNT(*) FROM {table} WHERE id = {id} AND purge_after > {now} AND NOT EXISTS (\
                 SELECT 1 FROM deletion_item i JOIN deletion d ON d.id = i.deletion_id WHERE i.subject_id = {table}.id \
                 AND i.kind = '{table}' AND i.state = 'pending' AND d.urgent)"
            );
            assert_eq!(self.database.number(&early).await, 0, "rule 6: {table} {id} is lost too early");
        }
    }

    pub(super) fn link_input(version: &Version) -> Value {
        json!({"artifactID": version.artifact.id, "artifactPortfolioName": SHELF, "entityName": "ada",
               "projectName": OTHER})
    }

    async fn link(&self, dice: &Dice) {
        let Some(version) = self.some_version(dice) else { return };
        let ticket = self.begin(Thing::Link(version.id), "linked");
        let input = Self::link_input(&version);
        let done = self.mutate(dice, Who::Ada, "linkArtifact", input, "versionIndex").await;
        self.settle_ticket(&ticket, done.as_ref());
    }

    async fn unlink(&self, dice: &Dice) {
        let Some(version) = self.some_version(dice) else { return };
        let query = "query($p: String, $shelf: String!) { project(name: $p) { artifactCollection(name: $shelf) { id } } }";
        let found = self.query(dice, Who::Ada, query, json!({"p": OTHER, "shelf": SHELF})).await;
        let Some(Ok(found)) = found else { return };
        let Some(portfolio) = found["project"]["artifactCollection"]["id"].as_str() else { return };
        let ticket = self.begin(Thing::Link(version.id), "none");
        let input = json!({"artifactID": version.artifact.id, "artifactPortfolioID": portfolio});
        let done = self.mutate(dice, Who::Ada, "unlinkArtifact", input, "success").await;
        self.settle_ticket(&ticket, done.as_ref());
    }

    async fn change_project(&self, dice: &Dice, mutation: &str) {
        // The other one goes more easily, since all work is in this one.
        let at = usize::from(!dice.one_in(4));
        let id = self.known().projects[at].1.clone();
        let value = if mutation == "deleteModel" { "deleted" } else { "live" };
        let ticket = self.begin(Thing::Project(number(&id)), value);
        let fields = if mutation == "deleteModel" { "deletion { id }" } else { "clientMutationId" };
        let done = self.mutate(dice, Who::Ada, mutation, json!({"id": id}), fields).await;
        self.settle_ticket(&ticket, done.as_ref());
        if let Some(Ok(done)) = &done
            && let Some(deletion) = done["deletion"]["id"].as_str()
        {
            self.known().deletions.push(deletion.to_owned());
        }
    }
}

/// A stranger, who guesses.
pub(super) async fn guess(world: Arc<World>, dice: Dice) {
    while world.stage.goes_on() {
        world.guess_one(&dice).await;
        world.stage.pass(Gate::Idle).await;
    }
}

impl World {
    /// Rule 10: a guess changes nothing and answers like a miss; who may not is refused.
    async fn guess_one(&self, dice: &Dice) {
        let (run, reason) = (self.some_run(dice), self.fresh());
        let missing = |kind: &str| {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD.encode(format!("{kind}:999999"))
        };
        let (mutation, key, id, miss) = match (dice.below(5), self.some_version(dice)) {
            (0, Some(version)) => ("deleteArtifact", "artifactID", version.artifact.id, missing("Artifact")),
            (4, Some(version)) => ("restoreArtifact", "artifactID", version.artifact.id, missing("Artifact")),
            (1, _) => ("restoreRun", "id", run.test.id.clone(), missing("Run")),
            (2, _) => ("archiveRun", "id", run.test.id.clone(), missing("Run")),
            _ => ("deleteRun", "id", run.test.id.clone(), missing("Run")),
        };
        let input = |id: &str| {
            let mut input = json!({key: id});
            if mutation == "deleteRun" {
                input["reason"] = reason.as_str().into();
            }
            input
        };
        let guessed = self.mutate(dice, Who::Grace, mutation, input(&id), "clientMutationId").await;
        let missed = self.mutate(dice, Who::Grace, mutation, input(&miss), "clientMutationId").await;
        if let (Some(guessed), Some(missed)) = (guessed, missed) {
            let code = |told: Result<Value, Refusal>| told.map_err(|refusal| (refusal.status, refusal.code));
            assert_eq!(code(guessed), code(missed), "rule 10: {mutation}");
        }
        assert_eq!(self.deletions_because(&reason).await, 0, "rule 10: a stranger deletes");
        let hold = json!({"id": run.test.id, "reason": "mine"});
        if let Some(told) = self.mutate(dice, Who::Ada, "holdRun", hold, "hold { id }").await {
            assert!(told.is_err(), "rule 10: who does not administer the instance holds a run");
        }
    }
}
