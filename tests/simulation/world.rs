//! Two servers, two workers and who uses them, at one database and one store.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::Method;
use counterweight_domain::clock::SeededRandom;
use counterweight_domain::retention::Retention;
use counterweight_domain::{Db, Env, history};
use counterweight_server::{AppState, router};
use counterweight_storage::{BlobStore, Md5Digest};
use counterweight_worker::{Settings, Worker, gc};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::dice::Dice;
use super::promises::{Promises, Thing, Ticket};
use super::stage::{SENDS_LINES, Stage};
use super::view::{self, View};
use super::{ARTIFACT_RETENTIONS, RETENTIONS, SKEW};
use crate::support::{
    Answer, Backend, Client, GC, Refusal, START, TestArtifact, TestDatabase, TestRun, sign_up, state, text,
    worker_settings,
};

/// The processes, by their numbers on the stage.
pub(super) const SERVERS: [usize; 2] = [0, 1];
pub(super) const WORKERS: [usize; 2] = [2, 3];
const COMMAND: usize = 4;
pub(super) const PROCESSES: usize = 5;

pub(super) const PROJECT: &str = "p";
/// Where links go.
pub(super) const OTHER: &str = "q";

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Who {
    /// Owns everything.
    Ada,
    /// Administers the instance.
    Root,
    /// A stranger.
    Grace,
}

/// What became of a call; none where the answer was lost.
pub(super) type Outcome = Option<Result<Value, Refusal>>;

/// A run that people know of.
#[derive(Clone)]
pub(super) struct Run {
    pub(super) id: i64,
    pub(super) test: TestRun,
    /// Whether a writer is at it.
    pub(super) is_written: bool,
    pub(super) lines: u64,
}

/// A version that people know of.
#[derive(Clone)]
pub(super) struct Version {
    pub(super) id: i64,
    pub(super) artifact: TestArtifact,
    pub(super) makers: Vec<i64>,
}

/// A call on many things, of which somebody may begin more meanwhile.
#[derive(Default)]
pub(super) struct Underway {
    /// What all runs of the project come to be by it; none where they are named.
    pub(super) all: Option<&'static str>,
    /// Runs whose versions are deleted with them; none where these stay.
    pub(super) makers: Option<Vec<i64>>,
    pub(super) tickets: Vec<Ticket>,
    /// The moment of its answer.
    pub(super) ended: Option<u64>,
}

/// What people know.
#[derive(Default)]
pub(super) struct Known {
    pub(super) promises: Promises,
    pub(super) projects: Vec<(i64, String)>,
    pub(super) runs: Vec<Run>,
    pub(super) versions: Vec<Version>,
    pub(super) deletions: Vec<String>,
    pub(super) underway: Vec<Underway>,
    pub(super) holds: Vec<(String, &'static str, i64)>,
    calls: u64,
}

pub(super) struct World {
    pub(super) stage: Stage,
    pub(super) db: Db,
    pub(super) database: TestDatabase,
    /// The objects as they are.
    pub(super) blobs: BlobStore,
    /// The objects behind the gates.
    pub(super) store: BlobStore,
    pub(super) workers: [Worker; 2],
    servers: [[Client; 3]; 2],
    ingest: JoinHandle<()>,
    statement: String,
    known: Mutex<Known>,
}

/// The number inside a global id.
pub(super) fn number(id: &str) -> i64 {
    use base64::Engine as _;
    let decoded = base64::engine::general_purpose::STANDARD.decode(id).unwrap();
    let decoded = String::from_utf8(decoded).unwrap();
    decoded.rsplit_once(':').unwrap().1.parse().unwrap()
}

pub(super) fn md5(content: &str) -> String {
    Md5Digest::of(content.as_bytes()).to_string()
}

impl World {
    /// What a seed begins with.
    pub(super) async fn new(backend: Backend, seed: u64) -> Arc<Self> {
        let dice = Dice::new(seed, 0);
        let skews: Vec<i64> = (0..PROCESSES)
            .map(|_| i64::try_from(dice.below(2 * usize::try_from(SKEW).unwrap())).unwrap() - SKEW)
            .collect();
        let stage = Stage::new(backend, START, &skews);
        let database = TestDatabase::create_fast(backend).await;
        let random = Arc::new(SeededRandom::new(seed));
        let env = Env::new(Arc::new(stage.clone()), random).with_turns(Arc::new(stage.clone()));
        let db = database.open_patient(16, env).await;
        let blobs = BlobStore::open("memory://").unwrap();
        let store = blobs.watched(Arc::new(stage.clone()));
        let (history, ingest) = history::Writer::new(db.for_requests(), blobs.clone());
        let ingest = tokio::spawn(ingest);
        let states = [state(&db, &store, history.clone()).await, state(&db, &store, history).await];
        // One of them was started with other settings.
        let servers = [0, 1].map(|number| {
            let (trash, artifacts) = (RETENTIONS[number], ARTIFACT_RETENTIONS[number]);
            let retention = Retention { trash, artifacts, ..states[number].retention };
            let router = router(AppState { retention, ..states[number].clone() });
            let root = Client::new(router.clone(), "root").claiming("use-admin-privileges", "true");
            [Client::new(router.clone(), "ada"), root, Client::new(router, "grace")]
        });
        for client in &servers[0] {
            sign_up(&db, client, client.name() == "root").await;
        }
        let workers = RETENTIONS.map(|trash| {
            let gc = gc::Settings { interval: GC.interval, ..GC };
            let retention = Retention { trash, ..worker_settings().retention };
            Worker::new(db.clone(), store.clone(), Settings { retention, gc, ..worker_settings() })
        });
        let statement = view::statement(&database).await;
        let known = Mutex::default();
        let world = Self { stage, db, database, blobs, store, workers, servers, ingest, statement, known };
        world.populate().await;
        Arc::new(world)
    }

    async fn populate(&self) {
        let ada = &self.servers[0][Who::Ada as usize];
        for (project, name) in [(PROJECT, "r0"), (PROJECT, "r1"), (PROJECT, "r2"), (OTHER, "r3")] {
            let run = ada.run(project, name).await;
            self.know_run(run);
        }
        for project in [PROJECT, OTHER] {
            let query = "query($p: String) { project(name: $p) { id } }";
            let found = ada.graphql(query, json!({"p": project})).await;
            let id = text(&found["project"]["id"]);
            self.known().projects.push((number(&id), id));
        }
    }

    pub(super) fn know_run(&self, run: TestRun) {
        let id = number(&run.id);
        let Known { runs, promises, underway, .. } = &mut *self.known();
        if runs.iter().any(|known| known.id == id) {
            return;
        }
        let meanwhile = underway.iter_mut().filter(|call| call.ended.is_none() && run.project() == PROJECT);
        for Underway { all, makers, tickets, .. } in meanwhile {
            if let Some(value) = *all {
                tickets.push(promises.begin(Thing::Run(id), value));
                if let Some(makers) = makers {
                    makers.push(id);
                }
            }
        }
        runs.push(Run { id, test: run, is_written: false, lines: 0 });
    }

    /// What people know. Not to be kept over a gate.
    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A word that nobody used before.
    pub(super) fn fresh(&self) -> String {
        let mut known = self.known();
        known.calls += 1;
        format!("n{}", known.calls)
    }

    pub(super) fn begin(&self, thing: Thing, value: impl Into<String>) -> Ticket {
        self.known().promises.begin(thing, value)
    }

    /// A client of one of the servers, and which.
    pub(super) fn client(&self, dice: &Dice, who: Who) -> (usize, Client) {
        let server = dice.below(2);
        (SERVERS[server], self.servers[server][who as usize].clone())
    }

    /// Calls a mutation.
    pub(super) async fn mutate(
        &self,
        dice: &Dice,
        who: Who,
        mutation: &str,
        input: Value,
        fields: &str,
    ) -> Outcome {
        self.stage.doing(mutation);
        let (server, client) = self.client(dice, who);
        let done = self.stage.within(server, client.try_mutate(mutation, input.clone(), fields)).await;
        self.stage.note(|| format!("{mutation} {input} at server {server}: {}", told(done.as_ref())));
        check_told(done.as_ref());
        done
    }

    /// Asks something.
    pub(super) async fn query(&self, dice: &Dice, who: Who, query: &str, variables: Value) -> Outcome {
        self.stage.doing("query");
        let (server, client) = self.client(dice, who);
        let done = self.stage.within(server, client.try_graphql(query, variables.clone())).await;
        check_told(done.as_ref());
        done
    }

    /// Puts bytes to a URL.
    pub(super) async fn put(&self, dice: &Dice, url: &str, content: &str) -> Option<Answer> {
        self.stage.doing("put");
        let (server, client) = self.client(dice, Who::Ada);
        let put = client.fetch(Method::PUT, url, content.to_owned());
        let answer = self.stage.within(server, put).await;
        self.note_answer("put", answer.as_ref());
        answer
    }

    /// Sends to a run's stream.
    pub(super) async fn stream(&self, dice: &Dice, run: &TestRun, body: &Value) -> Option<Answer> {
        self.stage.doing(SENDS_LINES);
        let (server, client) = self.client(dice, Who::Ada);
        let run = run.at(&client);
        let answer = self.stage.within(server, run.stream(body)).await;
        self.note_answer("stream", answer.as_ref());
        answer
    }

    /// Reads a run's file.
    pub(super) async fn download(&self, dice: &Dice, run: &TestRun, name: &str) -> Option<Answer> {
        self.stage.doing("download");
        let (server, client) = self.client(dice, Who::Ada);
        let run = run.at(&client);
        let answer = self.stage.within(server, run.download(name)).await;
        self.note_answer("download", answer.as_ref());
        answer
    }

    fn note_answer(&self, what: &str, answer: Option<&Answer>) {
        let outcome = answer.map(Answer::outcome);
        self.stage.note(|| format!("{what}: {outcome:?}"));
        assert!(outcome.is_none_or(|(status, _)| status != 500), "{answer:?}");
    }

    /// A pass that somebody starts by hand.
    pub(super) async fn collect(&self) {
        self.stage.doing("collect");
        let pass = gc::pass(&self.db, &self.store, &GC, false);
        let done = self.stage.within(COMMAND, pass).await;
        self.stage.note(|| format!("collect: {:?}", done.map(|done| done.map(|report| report.swept).ok())));
    }

    /// Something that must write nothing, and stops at no gate.
    pub(super) async fn writes_nothing<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        let before = self.state_of_things().await;
        let done = work.await;
        let after = self.state_of_things().await;
        assert_eq!(before, after, "rule 5: {what} writes");
        done
    }

    async fn state_of_things(&self) -> (i64, u64, Option<View>) {
        let calls = self.stage.calls();
        match self.database.backend() {
            Backend::Sqlite => (self.database.version().await, calls, None),
            // What it counts is of all seeds that are played.
            Backend::Postgres => (0, calls, Some(self.look().await)),
        }
    }

    /// Looks at everything.
    pub(super) async fn look(&self) -> View {
        View::look(self.stage.true_time(), &self.database, &self.blobs, &self.statement).await
    }

    /// How many deletions have this reason, which only one call gave.
    pub(super) async fn deletions_because(&self, reason: &str) -> i64 {
        self.database.number(&format!("SELECT COUNT(*) FROM deletion WHERE reason = '{reason}'")).await
    }

    /// Closes everything.
    pub(super) async fn close(self: Arc<Self>) {
        let Some(Self { db, database, ingest, servers, workers, .. }) = Arc::into_inner(self) else {
            panic!("an actor is left")
        };
        drop((servers, workers));
        ingest.await.unwrap();
        db.migration_connection().clone().close().await.unwrap();
        database.drop().await;
    }

    /// Lets time pass for everyone.
    pub(super) fn pass_time(&self, span: Duration) {
        self.stage.pass_time(span);
    }
}

fn told(outcome: Option<&Result<Value, Refusal>>) -> String {
    match outcome {
        None => "lost".to_owned(),
        Some(Ok(_)) => "done".to_owned(),
        Some(Err(refusal)) => refusal.code.clone(),
    }
}

/// No input and no trouble of the store is the server's own fault.
fn check_told(outcome: Option<&Result<Value, Refusal>>) {
    if let Some(Err(refusal)) = outcome {
        assert!(refusal.code != "INTERNAL" && !refusal.code.is_empty(), "{refusal:?}");
    }
}
