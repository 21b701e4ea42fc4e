//! Settings: read once, checked whole, handed on by section.

mod layers;
mod period;
mod secret;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use counterweight_domain::account::ApiKey;
use counterweight_domain::retention;
use serde::Deserialize;
use serde::de::Error as _;
use tracing_subscriber::EnvFilter;
use url::Url;

pub use self::layers::{Flags, load};
pub use self::secret::Secret;

/// All settings; `config.default.toml` says what each means.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where to serve.
    pub listen: SocketAddr,
    /// Folder of what is not kept elsewhere.
    pub data: PathBuf,
    database_url: Option<Secret>,
    object_store: Option<String>,
    /// Key of the first administrator.
    #[serde(default, deserialize_with = "api_key")]
    pub admin_api_key: Option<ApiKey>,
    /// Filter of the log.
    #[serde(deserialize_with = "log_filter")]
    pub log: String,
    /// Serving.
    pub server: Server,
    /// The pool of connections.
    pub database: Database,
    /// When runs are taken for crashed.
    pub runs: Runs,
    /// When histories become files.
    pub history: History,
    /// When data is deleted for good.
    pub retention: Retention,
    /// When bytes are removed.
    pub gc: Gc,
    /// How jobs are run.
    pub worker: Worker,
    /// Self-authorising URLs.
    pub urls: Urls,
}

/// `[server]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// The address that clients call, when it is not the one they name.
    pub external_url: Option<Url>,
    /// How long a stopping server waits.
    #[serde(deserialize_with = "period::duration")]
    pub shutdown_grace: Duration,
}

/// `[database]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// Size of the pool.
    pub connections: u32,
}

/// `[runs]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runs {
    /// Silence of a crashed run.
    #[serde(deserialize_with = "period::duration")]
    pub crash_after: Duration,
    /// Silence of a preempted one.
    #[serde(deserialize_with = "period::duration")]
    pub preempt_grace: Duration,
}

/// `[history]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// From the end of a run to the files of its history.
    #[serde(deserialize_with = "period::duration")]
    pub settle_after: Duration,
}

/// `[retention]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// From `deleteRun` to the purge.
    #[serde(deserialize_with = "period::duration")]
    pub trash: Duration,
    /// From `archiveRun` to the deletion; `None` is never.
    #[serde(deserialize_with = "period::duration_or_never")]
    pub archive: Option<Duration>,
    /// From the deletion of a version of an artifact to its purge.
    #[serde(deserialize_with = "period::duration")]
    pub artifacts: Duration,
    /// Between two applications of the rules.
    #[serde(deserialize_with = "period::duration")]
    pub interval: Duration,
}

impl Retention {
    /// The periods as they rule where nobody has set others.
    pub fn periods(&self) -> retention::Retention {
        let Self { trash, archive, artifacts, .. } = *self;
        retention::Retention { trash, archive, artifacts }
    }
}

/// `[gc]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gc {
    /// Between two collections.
    #[serde(deserialize_with = "period::duration")]
    pub interval: Duration,
    /// From the mark to the sweep.
    #[serde(deserialize_with = "period::duration")]
    pub grace: Duration,
    /// Age below which a blob is not marked.
    #[serde(deserialize_with = "period::duration")]
    pub min_age: Duration,
    /// Time to finish an upload.
    #[serde(deserialize_with = "period::duration")]
    pub upload_window: Duration,
    /// Objects that a collection removes in a second; none: as many as it can.
    pub objects_per_second: Option<u64>,
    /// Bytes that a collection removes in a second; none: as many as it can.
    pub bytes_per_second: Option<u64>,
}

/// `[worker]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Worker {
    /// Between two looks into an empty queue.
    #[serde(deserialize_with = "period::duration")]
    pub poll: Duration,
    /// Silence after which another worker takes a job.
    #[serde(deserialize_with = "period::duration")]
    pub lease: Duration,
    /// Jobs at once.
    pub concurrency: usize,
}

/// `[urls]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Urls {
    /// How long they are good.
    #[serde(deserialize_with = "period::duration")]
    pub lifetime: Duration,
    /// Who gives out the bytes.
    pub presign: Presign,
}

/// Whether downloads go to the store itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Presign {
    /// Where it can sign URLs.
    Auto,
    /// All of them go through this server.
    Never,
}

impl Config {
    /// Where the database is.
    pub fn database_url(&self) -> String {
        match &self.database_url {
            Some(url) => url.reveal().to_owned(),
            None => format!("sqlite:{}", self.data.join("counterweight.db").display()),
        }
    }

    /// Where the database is, for people: without the password.
    pub fn database_name(&self) -> String {
        let url = self.database_url();
        match Url::parse(&url) {
            Ok(mut url) if url.has_host() => match url.set_password(None) {
                Ok(()) => url.into(),
                Err(()) => url.scheme().to_owned(),
            },
            _ if url.starts_with("sqlite:") => url,
            _ => "that the settings name".to_owned(),
        }
    }

    /// Where the objects are, for people.
    pub fn object_store_name(&self) -> String {
        self.object_store.clone().unwrap_or_else(|| self.objects_folder().display().to_string())
    }

    /// Where the objects are; `None` for the folder [`Config::objects_folder`].
    pub fn object_store(&self) -> Option<&str> {
        self.object_store.as_deref()
    }

    /// Where the objects are when no store is named.
    pub fn objects_folder(&self) -> PathBuf {
        self.data.join("objects")
    }

    /// Whether anything is kept in the data folder.
    pub fn uses_data_folder(&self) -> bool {
        self.database_url.is_none() || self.object_store.is_none()
    }

    /// The rules that a type alone does not express: `(key, reason)` of the first broken one.
    fn validate(&self) -> Result<(), (&'static str, &'static str)> {
        let positive = |key, span: Duration| {
            if span.is_zero() { Err((key, "must be longer than zero")) } else { Ok(()) }
        };
        positive("runs.crash_after", self.runs.crash_after)?;
        positive("runs.preempt_grace", self.runs.preempt_grace)?;
        positive("retention.interval", self.retention.interval)?;
        positive("gc.interval", self.gc.interval)?;
        positive("gc.upload_window", self.gc.upload_window)?;
        positive("worker.poll", self.worker.poll)?;
        positive("urls.lifetime", self.urls.lifetime)?;
        if self.gc.objects_per_second == Some(0) {
            return Err(("gc.objects_per_second", "must be at least 1; `gc pause` stops the collection"));
        }
        if self.gc.bytes_per_second == Some(0) {
            return Err(("gc.bytes_per_second", "must be at least 1; `gc pause` stops the collection"));
        }
        if self.database.connections == 0 {
            return Err(("database.connections", "must be at least 1"));
        }
        if self.worker.lease < Duration::from_mins(1) {
            return Err(("worker.lease", "must be at least a minute, or the clocks of two machines matter"));
        }
        if self.worker.concurrency == 0 {
            return Err(("worker.concurrency", "must be at least 1"));
        }
        if self.server.external_url.as_ref().is_some_and(|url| !matches!(url.scheme(), "http" | "https")) {
            return Err(("server.external_url", "must start with http:// or https://"));
        }
        Ok(())
    }
}

fn api_key<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<ApiKey>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| ApiKey::parse(&text)).transpose().map_err(|error| {
        let counterweight_domain::Error::Invalid { reason, .. } = error else {
            return D::Error::custom(error);
        };
        D::Error::custom(reason)
    })
}

fn log_filter<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    EnvFilter::try_new(&text).map_err(D::Error::custom)?;
    Ok(text)
}

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError {
    /// `section.key`; empty when the file cannot be read at all.
    pub key: String,
    /// What is wrong.
    pub reason: String,
    /// Flag, variable or file that it came from.
    pub origin: Option<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => f.write_str("cannot read the settings: ")?,
            key => write!(f, "setting {key}: ")?,
        }
        f.write_str(self.reason.trim_end())?;
        match &self.origin {
            Some(origin) => write!(f, " (from {origin})"),
            None => Ok(()),
        }
    }
}
