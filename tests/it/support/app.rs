//! The whole server, without a socket.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use counterweight_domain::account::{self, ApiKey, Email, NewUser};
use counterweight_domain::clock::{ManualClock, SeededRandom};
use counterweight_domain::retention::Retention;
use counterweight_domain::{Db, Env, Timestamp, history, job};
use counterweight_server::config::{Flags, load};
use counterweight_server::graphql_http::GraphQlExecutor;
use counterweight_server::seats::Seats;
use counterweight_server::{AppState, router};
use counterweight_storage::{BlobStore, Faults};
use counterweight_worker::{Settings, Worker, gc};
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::backend::{Backend, TestDatabase};
use super::client::Client;
use super::consistency;
use super::cut::MortalClock;

/// When tests begin: 2026-01-01.
pub(crate) const START: Timestamp = Timestamp(1_767_225_600_000_000);

/// The default settings, which the tests name.
pub(crate) const TRASH: Duration = Duration::from_hours(7 * 24);
pub(crate) const ARCHIVE: Duration = Duration::from_hours(30 * 24);
pub(crate) const CRASH_AFTER: Duration = Duration::from_mins(5);
pub(crate) const SETTLE_AFTER: Duration = Duration::from_mins(10);
pub(crate) const PREEMPT_GRACE: Duration = Duration::from_hours(1);
pub(crate) const URL_LIFETIME: Duration = Duration::from_hours(24);
pub(crate) const GC: gc::Settings = gc::Settings {
    interval: Duration::from_hours(1),
    grace: Duration::from_hours(24),
    min_age: Duration::from_hours(1),
    upload_window: Duration::from_hours(24),
    throttle: gc::Throttle { objects_per_second: None, bytes_per_second: None },
};

/// The schema, which takes a while to make.
static GRAPHQL: OnceLock<GraphQlExecutor> = OnceLock::new();

/// A server with two users, `ada` and `grace`, who share nothing.
pub(crate) struct TestApp {
    pub(crate) db: Db,
    /// The objects as they are, whatever [`TestApp::faults`] says.
    pub(crate) blobs: BlobStore,
    /// What goes wrong between the server and its objects.
    pub(crate) faults: Faults,
    pub(crate) ada: Client,
    pub(crate) grace: Client,
    clock: Arc<MortalClock>,
    worker: Worker,
    database: TestDatabase,
    ingest: JoinHandle<()>,
    state: AppState,
}

impl TestApp {
    pub(crate) async fn start(backend: Backend, connections: u32) -> Self {
        let database = TestDatabase::create(backend).await;
        let clock = Arc::new(MortalClock(ManualClock::new(START)));
        let env = Env::new(clock.clone(), Arc::new(SeededRandom::new(1)));
        let db = database.open(connections, env).await;
        let blobs = BlobStore::open("memory://").unwrap();
        let faults = Faults::default();
        let served = blobs.with_faults(&faults);
        let (history, ingest) = history::Writer::new(db.for_requests(), blobs.clone());
        let ingest = tokio::spawn(ingest);
        let state = state(&db, &served, history).await;
        let router = router(state.clone());
        let [ada, grace] = ["ada", "grace"].map(|name| Client::new(router.clone(), name));
        for client in [&ada, &grace] {
            sign_up(&db, client, false).await;
        }
        let worker = Worker::new(db.clone(), served, worker_settings());
        Self { db, blobs, faults, ada, grace, clock, worker, database, ingest, state }
    }

    /// Another user, who administers the instance.
    pub(crate) async fn administrator(&self, name: &'static str) -> Client {
        let client = self.ada.somebody_else(name);
        sign_up(&self.db, &client, true).await;
        client
    }

    /// The same, who uses their rights: they reach the projects of all.
    pub(crate) async fn ruler(&self, name: &'static str) -> Client {
        self.administrator(name).await.claiming("use-admin-privileges", "true")
    }

    /// The same user, whose deleted artifacts can be restored for as long as the settings say.
    pub(crate) fn keeping(&self, client: &Client) -> Client {
        let retention = Retention { artifacts: TRASH, ..self.state.retention };
        client.clone().at(router(AppState { retention, ..self.state.clone() }))
    }

    /// An organization, and a team of it that `first` administers; both made by an administrator of the instance.
    pub(crate) async fn team(&self, root: &Client, organization: &str, team: &str, first: &Client) {
        let made = json!({"name": organization, "entityName": format!("{organization}-org")});
        root.mutate("createOrganization", made, "organization { id }").await;
        let made =
            json!({"teamName": team, "teamAdminUserName": first.name(), "organizationName": organization});
        root.mutate("createTeam", made, "entity { id }").await;
    }

    /// Another team of that organization, which only `root` belongs to.
    pub(crate) async fn team_of(&self, root: &Client, organization: &str, team: &str) {
        let made = json!({"teamName": team, "organizationName": organization});
        root.mutate("createTeam", made, "entity { id }").await;
    }

    /// Moves the clock forward.
    pub(crate) fn advance(&self, span: Duration) {
        self.clock.0.advance(span);
    }

    /// Does everything that is due now.
    pub(crate) async fn run_jobs(&self) {
        self.worker.drain().await.unwrap();
    }

    /// Moves the clock forward and does what has become due.
    pub(crate) async fn wait(&self, span: Duration) {
        self.advance(span);
        self.run_jobs().await;
    }

    /// Waits until the collector has taken all it ever will: a mark, the grace, a sweep.
    pub(crate) async fn collect(&self) {
        self.wait(GC.upload_window + GC.interval).await;
        self.wait(GC.grace).await;
    }

    /// The server at a real socket, until it is stopped.
    pub(crate) async fn serve(&self) -> Served {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let stop = CancellationToken::new();
        let state = AppState { stop: stop.clone(), seats: Seats::default(), ..self.state.clone() };
        let seats = state.seats.clone();
        let server =
            axum::serve(listener, router(state)).with_graceful_shutdown(stop.clone().cancelled_owned());
        let server = tokio::spawn(async move { server.await.unwrap() });
        Served { address, stop, seats, server }
    }

    /// The one number that `sql` selects.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        self.database.number(sql).await
    }

    /// The texts that `sql` selects, one per row.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        self.database.texts(sql).await
    }

    /// How many connections wait for a lock.
    pub(crate) async fn waiting_for_locks(&self) -> usize {
        self.database.waiting_for_locks().await
    }

    /// Does something to the database behind the server's back.
    pub(crate) async fn execute(&self, sql: &str) {
        self.database.execute(sql).await;
    }

    /// How many rows a table has.
    pub(crate) async fn rows(&self, table: &str) -> i64 {
        self.number(&format!("SELECT COUNT(*) FROM {table}")).await
    }

    /// All bytes of the files of the database, which is `SQLite`'s.
    pub(crate) fn database_bytes(&self) -> Vec<u8> {
        self.database.bytes()
    }

    /// Keys of all objects in the store.
    pub(crate) async fn objects(&self) -> Vec<String> {
        consistency::objects(&self.blobs).await.into_keys().collect()
    }

    /// Whether database and object store agree.
    pub(crate) async fn check_consistency(&self) {
        consistency::check(&self.db, &self.database, &self.blobs).await;
    }

    /// The end of every test: nothing is left to do, and database and store agree.
    pub(crate) async fn finish(self) {
        self.faults.clear();
        self.run_jobs().await;
        assert_eq!(job::list_unsettled(&self.db, self.db.now()).await.unwrap(), []);
        self.check_consistency().await;
        let Self { db, ada, grace, worker, database, ingest, state, .. } = self;
        drop((ada, grace, worker, state));
        ingest.await.unwrap();
        db.migration_connection().clone().close().await.unwrap();
        database.drop().await;
    }
}

/// A server at a socket.
pub(crate) struct Served {
    address: String,
    stop: CancellationToken,
    seats: Seats,
    server: JoinHandle<()>,
}

impl Served {
    /// Where it is.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Ends it, as a signal would.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.seats.emptied().await;
        self.server.await.unwrap();
    }
}

pub(crate) async fn state(db: &Db, blobs: &BlobStore, history: history::Writer) -> AppState {
    let mut config = load(Flags::default(), []).unwrap();
    assert_eq!((config.retention.trash, config.retention.archive), (TRASH, Some(ARCHIVE)));
    assert_eq!(config.retention.artifacts, TRASH);
    // What most tests are about comes after that; see [`TestApp::keeping`].
    config.retention.artifacts = Duration::ZERO;
    assert_eq!((config.runs.crash_after, config.runs.preempt_grace), (CRASH_AFTER, PREEMPT_GRACE));
    assert_eq!(config.history.settle_after, SETTLE_AFTER);
    assert_eq!((config.gc.grace, config.urls.lifetime), (GC.grace, URL_LIFETIME));
    assert_eq!(config.retention.interval, GC.interval);
    let graphql = GRAPHQL.get_or_init(|| {
        GraphQlExecutor::new(counterweight_graphql::build(), &counterweight_graphql::sdl()).unwrap()
    });
    let metrics = PrometheusBuilder::new().build_recorder().handle();
    let stop = CancellationToken::new();
    AppState::new(&config, db.clone(), blobs.clone(), history, graphql.clone(), metrics, stop).await.unwrap()
}

pub(crate) fn worker_settings() -> Settings {
    Settings {
        poll: Duration::from_secs(1),
        lease: Duration::from_mins(1),
        concurrency: 1,
        gc: GC,
        crash_after: CRASH_AFTER,
        preempt_grace: PREEMPT_GRACE,
        settle_after: SETTLE_AFTER,
        retention: Retention { trash: TRASH, archive: Some(ARCHIVE), artifacts: Duration::ZERO },
        retention_interval: GC.interval,
    }
}

pub(crate) async fn sign_up(db: &Db, client: &Client, admin: bool) {
    let tx = db.begin_write().await.unwrap();
    let api_key = Some(ApiKey::parse(client.key()).unwrap());
    let email = Some(Email::parse(&format!("{}@example.org", client.name())).unwrap());
    account::create_user(&tx, NewUser { name: client.name(), email, admin, api_key }).await.unwrap();
    tx.commit().await.unwrap();
}
