//! A seed, turn by turn.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use counterweight_domain::Timestamp;
use counterweight_storage::{Fate, Fault};

use super::dice::Dice;
use super::rules::{Broken, Memory, Step};
use super::stage::{Gate, Waiting};
use super::view::View;
use super::world::{PROCESSES, World};
use super::{keepers, people, writers};
use crate::support::Backend;

/// Turns that it takes at most for everybody to end.
const MOST_TO_END: usize = 5000;
/// The store answers a process, or never does, while what was announced is waited for. A client may take longer to send.
const PATIENCE: Duration = Duration::from_hours(20);

struct Schedule {
    world: Arc<World>,
    dice: Dice,
    view: View,
    version: (i64, u64),
    memory: Memory,
    /// Who is slow, and until which turn.
    slow: BTreeMap<usize, usize>,
    /// Whose bytes came when nobody waited for them any more. Only `fsck` finds them where the process dies now.
    late: BTreeSet<usize>,
    last: Option<usize>,
}

/// Plays a seed. Answers all that happened, and which rule was broken.
pub(super) async fn play(backend: Backend, seed: u64, steps: usize) -> (Vec<String>, Result<(), Broken>) {
    let world = World::new(backend, seed).await;
    let stage = world.stage.clone();
    let dice = |actor| Dice::new(seed, actor);
    for (number, name) in (2..).zip(["writer 0", "writer 1", "writer 2"]) {
        stage.spawn(name, writers::write(Arc::clone(&world), dice(number)));
    }
    stage.spawn("tidier 0", people::tidy(Arc::clone(&world), dice(10)));
    stage.spawn("tidier 1", people::tidy(Arc::clone(&world), dice(11)));
    stage.spawn("stranger", people::guess(Arc::clone(&world), dice(12)));
    stage.spawn("keeper", keepers::keep(Arc::clone(&world), dice(13)));
    stage.spawn("worker 0", keepers::work(Arc::clone(&world), 0));
    stage.spawn("worker 1", keepers::work(Arc::clone(&world), 1));
    stage.settle(&world.database).await;
    let view = world.look().await;
    let mut schedule = Schedule {
        world,
        dice: dice(1),
        view,
        version: (0, 0),
        memory: Memory::default(),
        slow: BTreeMap::new(),
        late: BTreeSet::new(),
        last: None,
    };
    let played = schedule.play(steps).await;
    let trace = stage.trace();
    if played.is_ok() {
        schedule.world.close().await;
    }
    (trace, played)
}

impl Schedule {
    async fn play(&mut self, steps: usize) -> Result<(), Broken> {
        for step in 0..steps {
            match self.dice.below(100) {
                0..=5 => self.pass_time(step),
                6..=7 if !self.world.stage.has_blocked() && self.late.is_empty() => self.kill(step).await?,
                _ => {
                    let (fate, dies) = (self.dice.one_in(12), self.dice.one_in(60));
                    self.advance(step, fate, dies).await?;
                }
            }
        }
        self.world.stage.close();
        self.slow.clear();
        for step in steps..steps + MOST_TO_END {
            if self.world.stage.waiting().is_empty() {
                return self.world.end(&self.dice).await;
            }
            self.advance(step, false, false).await?;
        }
        Err(format!("rule 3: nobody comes to an end: {:?}", self.world.stage.waiting()))
    }

    fn pass_time(&self, step: usize) {
        const SPANS: &[(usize, (u64, u64))] = &[
            (5, (5, 120)),
            (5, (3600, 3 * 3600)),
            (4, (23 * 3600, 27 * 3600)),
            (1, (80 * 3600, 90 * 3600)),
            (1, (160 * 3600, 175 * 3600)),
            (1, (29 * 24 * 3600, 31 * 24 * 3600)),
        ];
        let (least, most) = *self.dice.weighed(SPANS);
        let span = least + self.dice.below(usize::try_from(most - least).unwrap()) as u64;
        // A transaction is shorter than `gc.min_age`, as the collector takes for granted.
        let span = if self.world.stage.is_in_transaction() { span.min(120) } else { span };
        self.world.stage.decide(format!("{step} {span} s pass"));
        self.world.pass_time(Duration::from_secs(span));
    }

    async fn kill(&mut self, step: usize) -> Result<(), Broken> {
        let process = self.dice.below(PROCESSES);
        self.world.stage.decide(format!("{step} process {process} dies"));
        self.world.stage.kill(process, &self.world.database).await;
        self.check("", "dying", self.world.stage.true_time()).await
    }

    /// Lets someone go on to their next gate.
    async fn advance(&mut self, step: usize, fails: bool, dies: bool) -> Result<(), Broken> {
        let Some(chosen) = self.choose(step) else { return Ok(()) };
        let Waiting { seat, name, gate, since, .. } = chosen;
        let (_, doing) = self.world.stage.whose(seat);
        if gate == Gate::Idle {
            self.late.remove(&seat);
        }
        let is_late = matches!(gate, Gate::Store("put" | "get"))
            && since.after(PATIENCE) < self.world.stage.true_time();
        if is_late && doing == "put" {
            self.late.insert(seat);
        }
        let dies = dies && self.late.is_empty();
        let fate = match gate {
            Gate::Store(_) if self.late.contains(&seat) => Fate::Passes,
            Gate::Store(_) if is_late => Fate::Fails(Fault::Unavailable),
            Gate::Store(_) if fails => *self.dice.weighed(&[
                (2, Fate::Fails(Fault::Unavailable)),
                (1, Fate::Fails(Fault::OutOfSpace)),
                (2, Fate::Unanswered(Fault::Unavailable)),
            ]),
            _ => Fate::Passes,
        };
        let end = if dies { ", and dies" } else { "" };
        self.world.stage.decide(format!("{step} {name} {gate:?} {fate:?}{end}"));
        self.world.stage.advance(seat, fate, dies, &self.world.database).await;
        self.last = Some(seat);
        if self.dice.one_in(10) {
            self.slow.insert(seat, step + 5 + self.dice.below(40));
        }
        self.check(name, &doing, self.world.stage.began(seat)).await
    }

    fn choose(&mut self, step: usize) -> Option<Waiting> {
        self.slow.retain(|_, until| *until > step);
        let mut waiting = self.world.stage.waiting();
        if waiting.iter().any(|actor| !self.slow.contains_key(&actor.seat)) {
            waiting.retain(|actor| !self.slow.contains_key(&actor.seat));
        }
        let same = waiting.iter().find(|actor| Some(actor.seat) == self.last && actor.gate != Gate::Idle);
        if let Some(same) = same.copied()
            && !self.dice.one_in(3)
        {
            return Some(same);
        }
        if waiting.is_empty() {
            return None;
        }
        // Whoever has nothing to do comes less often.
        let weight = |actor: &Waiting| {
            if actor.gate == Gate::Idle && actor.name.starts_with("worker") { 1 } else { 2 }
        };
        let weighed: Vec<(usize, Waiting)> =
            waiting.into_iter().map(|actor| (weight(&actor), actor)).collect();
        Some(*self.dice.weighed(&weighed))
    }

    /// Whether the rules hold after a step.
    async fn check(&mut self, name: &str, doing: &str, began: Timestamp) -> Result<(), Broken> {
        let world = &self.world;
        if let Some(failure) = world.stage.failure() {
            return Err(failure);
        }
        let version = (world.database.version().await, world.stage.calls());
        let now = world.stage.true_time();
        let before = if version == self.version {
            self.view.now = now;
            self.view.clone()
        } else {
            let view = world.look().await;
            std::mem::replace(&mut self.view, view)
        };
        self.version = version;
        let step = Step { before: &before, after: &self.view, name, doing, began };
        step.check(&mut self.memory, &world.known().promises)
    }
}
