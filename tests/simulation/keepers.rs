//! Who administers, and what works by itself.

use std::sync::Arc;

use counterweight_worker::gc;
use serde_json::json;

use super::dice::Dice;
use super::promises::Thing;
use super::stage::Gate;
use super::world::{WORKERS, Who, World};
use crate::support::{GC, text};

#[derive(Clone, Copy)]
enum Verb {
    Hold,
    Release,
    PurgeNow,
    Collect,
    Rehearse,
}

/// Administers until it is told to end.
pub(super) async fn keep(world: Arc<World>, dice: Dice) {
    const VERBS: &[(usize, Verb)] =
        &[(3, Verb::Hold), (3, Verb::Release), (1, Verb::PurgeNow), (3, Verb::Collect), (1, Verb::Rehearse)];
    while world.stage.goes_on() {
        match dice.weighed(VERBS) {
            Verb::Hold => world.hold(&dice).await,
            Verb::Release => world.release(&dice).await,
            Verb::PurgeNow => world.purge_now(&dice).await,
            Verb::Collect => world.collect().await,
            Verb::Rehearse => {
                let rehearsal = gc::pass(&world.db, &world.store, &GC, true);
                drop(world.writes_nothing("a dry run", rehearsal).await);
            }
        }
        world.stage.pass(Gate::Idle).await;
    }
}

/// Does what is due, again and again.
pub(super) async fn work(world: Arc<World>, which: usize) {
    while world.stage.goes_on() {
        world.stage.doing("jobs");
        let done = world.stage.within(WORKERS[which], world.workers[which].drain()).await;
        world.stage.note(|| format!("jobs: {:?}", done.map(Result::ok)));
        world.stage.pass(Gate::Idle).await;
    }
}

impl World {
    async fn hold(&self, dice: &Dice) {
        let (mutation, kind, subject, id) = match (dice.below(5), self.some_version(dice)) {
            (0, _) => {
                let (subject, id) = dice.pick(&self.known().projects).unwrap().clone();
                ("holdProject", "project", subject, id)
            }
            (1 | 2, Some(version)) => ("holdArtifact", "artifact", version.id, version.artifact.id),
            _ => {
                let run = self.some_run(dice);
                ("holdRun", "run", run.id, run.test.id)
            }
        };
        let ticket = self.begin(Thing::Hold(kind, subject), "held");
        let input = json!({"id": id, "reason": "evidence"});
        let done = self.mutate(dice, Who::Root, mutation, input, "hold { id }").await;
        self.settle_ticket(&ticket, done.as_ref());
        if let Some(Ok(done)) = &done {
            let hold = (text(&done["hold"]["id"]), kind, subject);
            let mut known = self.known();
            if !known.holds.contains(&hold) {
                known.holds.push(hold);
            }
        }
    }

    async fn release(&self, dice: &Dice) {
        let Some((hold, kind, subject)) = dice.pick(&self.known().holds).cloned() else { return };
        let ticket = self.begin(Thing::Hold(kind, subject), "released");
        let done = self.mutate(dice, Who::Root, "releaseHold", json!({"id": hold}), "hold { id }").await;
        // Of no effect where it was released before, and the thing is held anew.
        let mut known = self.known();
        match done {
            Some(Err(_)) => known.promises.refused(&ticket),
            _ => known.promises.unknown(&ticket),
        }
    }

    async fn purge_now(&self, dice: &Dice) {
        let Some(id) = self.some_deletion(dice) else { return };
        self.mutate(dice, Who::Root, "purgeNow", json!({"id": id}), "deletion { id }").await;
    }
}
