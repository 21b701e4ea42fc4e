//! Who goes on: all actors of a seed take turns, one at a time, from gate to gate.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use counterweight_domain::Timestamp;
use counterweight_domain::clock::{Clock, ManualClock, Turn, Turns};
use counterweight_storage::{Fate, Watch};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, poll_fn};

use crate::support::{Backend, Cut, TestDatabase, until};

tokio::task_local! {
    /// Who does this. What a server does for all of its requests has no seat, and waits at no gate.
    static SEAT: usize;
}

/// What an actor does that sends lines. What several send is stored in one transaction after the other, by a task without a seat.
pub(super) const SENDS_LINES: &str = "stream";

/// Where an actor waits for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// Between two things that it does.
    Idle,
    /// Before a transaction, without a lock.
    Begin,
    /// Before a commit, with all locks: only where others can begin meanwhile.
    Commit,
    /// Before a call of the store.
    Store(&'static str),
}

/// What a seed has going on, and since when.
#[derive(Clone, Debug)]
pub(super) struct Stage(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: ManualClock,
    backend: Backend,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    actors: Vec<Actor>,
    processes: Vec<Process>,
    scheduler: Option<Waker>,
    /// Transactions that wait to be committed.
    committing: usize,
    is_closing: bool,
    calls: u64,
    failure: Option<String>,
    trace: Vec<String>,
}

#[derive(Debug, Default)]
struct Actor {
    name: &'static str,
    doing: String,
    at: Option<Gate>,
    since: Timestamp,
    /// When its last transaction began, by the true time.
    began: Timestamp,
    goes: Option<Fate>,
    waker: Option<Waker>,
    behind: Vec<Waker>,
    /// Where it works, and how often that had died when it began.
    process: Option<(usize, u64)>,
    dies_next: bool,
    has_ended: bool,
}

#[derive(Debug)]
struct Process {
    /// How far its clock is from the true time.
    skew_micros: i64,
    deaths: u64,
}

/// An actor that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) seat: usize,
    pub(super) name: &'static str,
    pub(super) gate: Gate,
    pub(super) since: Timestamp,
}

impl Stage {
    /// Of processes whose clocks are so many microseconds from the true time, which begins at `start`.
    pub(super) fn new(backend: Backend, start: Timestamp, skews: &[i64]) -> Self {
        let processes =
            skews.iter().map(|skew_micros| Process { skew_micros: *skew_micros, deaths: 0 }).collect();
        let inner = Mutex::new(Inner { processes, ..Inner::default() });
        Self(Arc::new(Shared { clock: ManualClock::new(start), backend, inner }))
    }

    fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        change(&mut self.0.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets an actor begin when it is its turn.
    pub(super) fn spawn(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let seat = self.change(|inner| {
            inner.actors.push(Actor { name, ..Actor::default() });
            inner.actors.len() - 1
        });
        let stage = self.clone();
        let work = async move {
            stage.pass(Gate::Idle).await;
            let done = AssertUnwindSafe(work).catch_unwind().await;
            stage.change(|inner| {
                if let Err(panic) = done {
                    let text = panic.downcast_ref::<String>().cloned();
                    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                    inner.failure = Some(text.unwrap_or_else(|| "panicked".to_owned()));
                }
                inner.actors[seat].has_ended = true;
                inner.wake_scheduler();
            });
        };
        tokio::spawn(SEAT.scope(seat, work));
    }

    /// Waits until the scheduler lets the actor go on.
    pub(super) async fn pass(&self, gate: Gate) -> Fate {
        let Ok(seat) = SEAT.try_with(|seat| *seat) else { return Fate::Passes };
        let mut place = Place { stage: self, seat, gate, is_taken: false };
        self.change(|inner| inner.committing += usize::from(gate == Gate::Commit));
        let now = self.true_time();
        poll_fn(move |context| {
            // All of it, so that it goes with the future that waits.
            let place = &mut place;
            let has_come = place.is_taken;
            self.change(|inner| {
                let actor = &mut inner.actors[seat];
                if !has_come && (actor.at.is_some() || actor.goes.is_some()) {
                    // It does two things at once: one comes after the other.
                    actor.behind.push(context.waker().clone());
                    return Poll::Pending;
                }
                if has_come && let Some(fate) = actor.goes.take() {
                    place.is_taken = false;
                    actor.behind.drain(..).for_each(Waker::wake);
                    return Poll::Ready(fate);
                }
                actor.waker = Some(context.waker().clone());
                if !has_come {
                    place.is_taken = true;
                    (actor.at, actor.since) = (Some(gate), now);
                    inner.wake_scheduler();
                }
                Poll::Pending
            })
        })
        .await
    }

    /// Does work in a process; none where that has died before its answer.
    pub(super) async fn within<T>(&self, process: usize, work: impl Future<Output = T>) -> Option<T> {
        let seat = SEAT.get();
        let born = self.change(|inner| {
            let deaths = inner.processes[process].deaths;
            inner.actors[seat].process = Some((process, deaths));
            deaths
        });
        let is_cut = || self.change(|inner| inner.processes[process].deaths != born);
        let done = Cut { inner: Box::pin(work), is_cut }.await;
        self.change(|inner| {
            let actor = &mut inner.actors[seat];
            actor.process = None;
            if std::mem::take(&mut actor.dies_next) && done.is_some() {
                inner.processes[process].deaths += 1;
                return None;
            }
            done
        })
    }

    /// Whether actors may begin something new.
    pub(super) fn goes_on(&self) -> bool {
        self.change(|inner| !inner.is_closing)
    }

    /// Lets each actor end what it does.
    pub(super) fn close(&self) {
        self.change(|inner| inner.is_closing = true);
    }

    /// What the actor does next, in a word.
    pub(super) fn doing(&self, what: &str) {
        self.change(|inner| what.clone_into(&mut inner.actors[SEAT.get()].doing));
    }

    /// Writes down what happened.
    pub(super) fn note(&self, line: impl FnOnce() -> String) {
        let name = SEAT.try_with(|seat| *seat).ok();
        self.change(|inner| {
            let name = name.map_or("", |seat| inner.actors[seat].name);
            let line = format!("    {name}: {}", line());
            inner.trace.push(line);
        });
    }

    /// Writes down a decision of the scheduler.
    pub(super) fn decide(&self, line: String) {
        self.change(|inner| inner.trace.push(line));
    }

    /// All that happened so far.
    pub(super) fn trace(&self) -> Vec<String> {
        self.change(|inner| inner.trace.clone())
    }

    /// How often the store was called.
    pub(super) fn calls(&self) -> u64 {
        self.change(|inner| inner.calls)
    }

    /// What went wrong with an actor.
    pub(super) fn failure(&self) -> Option<String> {
        self.change(|inner| inner.failure.clone())
    }

    /// Who waits.
    pub(super) fn waiting(&self) -> Vec<Waiting> {
        self.change(|inner| {
            let actors = inner.actors.iter().enumerate().filter(|(_, actor)| !actor.has_ended);
            let waiting = actors.filter_map(|(seat, actor)| {
                Some(Waiting { seat, name: actor.name, gate: actor.at?, since: actor.since })
            });
            waiting.collect()
        })
    }

    /// What an actor does.
    pub(super) fn whose(&self, seat: usize) -> (&'static str, String) {
        self.change(|inner| (inner.actors[seat].name, inner.actors[seat].doing.clone()))
    }

    /// When an actor's last transaction began.
    pub(super) fn began(&self, seat: usize) -> Timestamp {
        self.change(|inner| inner.actors[seat].began)
    }

    /// Lets an actor go on, to its next gate; `dies` ends its process there.
    pub(super) async fn advance(&self, seat: usize, fate: Fate, dies: bool, database: &TestDatabase) {
        let now = self.true_time();
        self.change(|inner| {
            let actor = &mut inner.actors[seat];
            if actor.at == Some(Gate::Begin) {
                actor.began = now;
            }
            inner.calls += u64::from(matches!(actor.at, Some(Gate::Store(_))));
            (actor.at, actor.goes, actor.dies_next) = (None, Some(fate), dies && actor.process.is_some());
            actor.wake();
        });
        self.settle(database).await;
        let dying = self.change(|inner| {
            let actor = &mut inner.actors[seat];
            let dies = std::mem::take(&mut actor.dies_next) && actor.at.is_some();
            actor.process.filter(|_| dies).map(|(process, _)| process)
        });
        if let Some(process) = dying {
            self.change(|inner| inner.processes[process].deaths += 1);
        }
        self.bury(database).await;
    }

    /// Ends a process wherever it is.
    pub(super) async fn kill(&self, process: usize, database: &TestDatabase) {
        self.change(|inner| inner.processes[process].deaths += 1);
        self.bury(database).await;
    }

    /// Drops what processes did that have died.
    async fn bury(&self, database: &TestDatabase) {
        loop {
            let found = self.change(|inner| {
                let Inner { actors, processes, .. } = inner;
                let dead = actors.iter_mut().find(|actor| {
                    let died = actor.process.is_some_and(|(process, born)| processes[process].deaths != born);
                    died && actor.at.is_some()
                });
                dead.map(|actor| {
                    actor.at = None;
                    actor.wake();
                })
            });
            if found.is_none() {
                break;
            }
            self.settle(database).await;
        }
    }

    /// Waits until nobody can go on: each actor is at a gate, has ended, or waits for a lock that another has. Also who has died has
    /// come to the end of a commit that it began.
    pub(super) async fn settle(&self, database: &TestDatabase) {
        if self.0.backend == Backend::Sqlite {
            return poll_fn(|context| {
                self.change(|inner| {
                    inner.scheduler = Some(context.waker().clone());
                    if inner.running() == 0 { Poll::Ready(()) } else { Poll::Pending }
                })
            })
            .await;
        }
        until(async || {
            let [running, blocked] = self.change(|inner| [inner.running(), inner.blocked()]);
            (running == 0 || !self.waiting().is_empty() && database.waiting_for_locks().await >= blocked)
                && database.open_transactions().await <= self.change(|inner| inner.committing)
                && self.change(|inner| inner.running()) == running
        })
        .await;
    }

    /// Whether a transaction is open.
    pub(super) fn is_in_transaction(&self) -> bool {
        self.has_blocked() || self.change(|inner| inner.committing > 0)
    }

    /// Whether an actor waits for a lock that another has.
    pub(super) fn has_blocked(&self) -> bool {
        self.change(|inner| inner.running() > 0)
    }

    /// The time by no process's clock.
    pub(super) fn true_time(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Lets time pass.
    pub(super) fn pass_time(&self, span: Duration) {
        self.0.clock.advance(span);
    }
}

/// Where an actor waits. What is given up while it waits, since something beside it failed, leaves its place to what comes next.
struct Place<'a> {
    stage: &'a Stage,
    seat: usize,
    gate: Gate,
    is_taken: bool,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.stage.change(|inner| inner.committing -= usize::from(self.gate == Gate::Commit));
        if self.is_taken {
            self.stage.change(|inner| {
                let actor = &mut inner.actors[self.seat];
                (actor.at, actor.goes) = (None, None);
                actor.behind.drain(..).for_each(Waker::wake);
            });
        }
    }
}

impl Inner {
    fn wake_scheduler(&mut self) {
        if let Some(waker) = self.scheduler.take() {
            waker.wake();
        }
    }

    fn running(&self) -> usize {
        self.actors.iter().filter(|actor| actor.is_running()).count()
    }

    /// How many locks are waited for at least when nobody can go on.
    fn blocked(&self) -> usize {
        let sends_lines = |actor: &&Actor| actor.doing == SENDS_LINES;
        let (sending, others): (Vec<_>, Vec<_>) =
            self.actors.iter().filter(|actor| actor.is_running()).partition(sends_lines);
        others.len() + sending.len().min(1)
    }
}

impl Actor {
    fn is_running(&self) -> bool {
        !self.has_ended && self.at.is_none()
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Clock for Stage {
    fn now(&self) -> Timestamp {
        let skew = SEAT.try_with(|seat| {
            self.change(|inner| {
                inner.actors[*seat].process.map_or(0, |(process, _)| inner.processes[process].skew_micros)
            })
        });
        Timestamp(self.true_time().0 + skew.unwrap_or(0))
    }
}

impl Turns for Stage {
    fn wait(&self, at: Turn) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let gate = match at {
            Turn::Begin => Gate::Begin,
            // `SQLite` has one writer: while one is inside, nobody else begins.
            Turn::Commit if self.0.backend == Backend::Sqlite => return std::future::ready(()).boxed(),
            Turn::Commit => Gate::Commit,
        };
        self.pass(gate).map(drop).boxed()
    }
}

impl Watch for Stage {
    fn call(&self, name: &'static str) -> BoxFuture<'static, Fate> {
        let stage = self.clone();
        async move { stage.pass(Gate::Store(name)).await }.boxed()
    }
}
