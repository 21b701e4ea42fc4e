use std::sync::Arc;
use std::time::Duration;

use counterweight_domain::retention::Retention;
use counterweight_domain::{Db, Result, account, history};
use counterweight_storage::{BlobStore, UrlSigner};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::auth::SignInCache;
use crate::config::{Config, Presign};
use crate::graphql_http::GraphQlExecutor;
use crate::middleware::body::BodyMemory;
use crate::run_paths::RunPaths;
use crate::seats::Seats;

/// What the routes share.
#[derive(Clone, Debug)]
pub struct AppState {
    /// The database.
    pub db: Db,
    /// The bytes.
    pub blobs: BlobStore,
    /// Where bodies are read.
    pub body_memory: BodyMemory,
    /// Where runs are that are streamed to.
    pub run_paths: Arc<RunPaths>,
    /// Stores what runs stream.
    pub history: history::Writer,
    /// Seals and opens the tokens of `/objects/{token}`.
    pub signer: Arc<UrlSigner>,
    /// How long such a token is good.
    pub url_lifetime: Duration,
    /// Whether downloads go to the store itself.
    pub presign: Presign,
    /// How long what is deleted or archived is kept.
    pub retention: Retention,
    /// The address that clients call, when it is not the one they name.
    pub external_url: Option<Url>,
    /// Answers of the sign-in.
    pub sign_ins: Arc<SignInCache>,
    /// The schema.
    pub graphql: GraphQlExecutor,
    /// What `/metrics` shows.
    pub metrics: PrometheusHandle,
    /// Connections that stay open.
    pub seats: Seats,
    /// Cancelled when they are to end.
    pub stop: CancellationToken,
}

impl AppState {
    /// Brings it together; the secret of the signer comes from the database, the same for every server.
    pub async fn new(
        config: &Config,
        db: Db,
        blobs: BlobStore,
        history: history::Writer,
        graphql: GraphQlExecutor,
        metrics: PrometheusHandle,
        stop: CancellationToken,
    ) -> Result<Self> {
        let signer = Arc::new(UrlSigner::new(&account::shared_secret(&db, "object_urls").await?));
        let run_paths = Arc::new(RunPaths::new(db.clone()));
        let db = db.for_requests();
        let sign_ins = Arc::new(SignInCache::new(db.env().clone()));
        Ok(Self {
            db,
            blobs,
            body_memory: BodyMemory::default(),
            run_paths,
            history,
            signer,
            url_lifetime: config.urls.lifetime,
            presign: config.urls.presign,
            retention: config.retention.periods(),
            external_url: config.server.external_url.clone(),
            sign_ins,
            graphql,
            metrics,
            seats: Seats::default(),
            stop,
        })
    }
}
