use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use axum::serve::ListenerExt as _;
use counterweight_domain::{account, history};
use futures_util::FutureExt as _;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{resources, say, schema, worker};
use crate::config::Config;
use crate::lifecycle::Lifecycle;
use crate::state::AppState;
use crate::{router, telemetry};

/// Metrics that nobody fetches are folded this often, so that they do not pile up.
const UPKEEP: Duration = Duration::from_secs(5);

pub(super) async fn run(config: Config, with_worker: bool) -> anyhow::Result<()> {
    let metrics = telemetry::start_metrics()?;
    let listener = TcpListener::bind(config.listen).await;
    let listener = listener.with_context(|| format!("cannot serve at {}", config.listen))?;
    let address = listener.local_addr()?;
    let db = resources::open_database(&config).await?;
    let blobs = resources::open_objects(&config)?;

    let mut lifecycle = Lifecycle::default();
    lifecycle.spawn("metrics", keep_up(metrics.clone(), lifecycle.stop()));
    if with_worker {
        lifecycle.spawn("worker", worker::work(&config, db.clone(), blobs.clone(), lifecycle.stop()));
    }
    let (history, ingest) = history::Writer::new(db.for_requests(), blobs.clone());
    lifecycle.spawn("ingest", ingest.map(Ok));
    let stop = lifecycle.stop();
    let state =
        AppState::new(&config, db.clone(), blobs, history, schema::executor()?, metrics, stop).await?;
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
    });
    lifecycle.spawn("connections", {
        let (seats, stop) = (state.seats.clone(), lifecycle.stop());
        async move {
            stop.cancelled().await;
            seats.emptied().await;
            Ok(())
        }
    });
    // Last of all that can fail: its key is shown once.
    let made = account::ensure_administrator(&db, config.admin_api_key.clone()).await?;
    let server =
        axum::serve(listener, router(state)).with_graceful_shutdown(lifecycle.stop().cancelled_owned());
    lifecycle.spawn("server", async { Ok(server.await?) });

    let url = config.server.external_url.as_ref().map_or_else(|| local_url(address), ToString::to_string);
    say(&greeting(url.trim_end_matches('/'), made.as_ref(), config.admin_api_key.is_some()))?;
    lifecycle.run(config.server.shutdown_grace).await
}

async fn keep_up(metrics: PrometheusHandle, stop: CancellationToken) -> anyhow::Result<()> {
    while stop.run_until_cancelled(tokio::time::sleep(UPKEEP)).await.is_some() {
        metrics.run_upkeep();
    }
    Ok(())
}

/// An address at which this machine reaches the server.
fn local_url(mut address: SocketAddr) -> String {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    format!("http://{address}")
}

fn greeting(url: &str, made: Option<&account::ApiKey>, chosen: bool) -> String {
    let running = format!("Counterweight is at {url}\n");
    let Some(key) = made else { return running };
    if chosen {
        return format!("{running}Made the administrator `admin` with the API key from the settings.\n");
    }
    let key = key.reveal();
    format!(
        "{running}\nMade the administrator `admin`. Copy these lines into the shell that trains; \
         the key is not shown again.\n\n    export WANDB_BASE_URL={url}\n    export WANDB_API_KEY={key}\n\n"
    )
}

#[cfg(test)]
mod tests {
    use counterweight_domain::account::ApiKey;

    use super::*;

    #[test]
    fn the_url_is_one_that_this_machine_reaches() {
        for (address, url) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("0.0.0.0:80", "http://127.0.0.1:80"),
            ("[::]:80", "http://[::1]:80"),
            ("192.0.2.1:80", "http://192.0.2.1:80"),
        ] {
            assert_eq!(local_url(address.parse().unwrap()), url);
        }
    }

    #[test]
    fn only_a_random_key_is_shown_and_only_when_it_is_made() {
        let key = ApiKey::parse(&"k".repeat(40)).unwrap();
        assert!(greeting("http://h", Some(&key), false).contains("export WANDB_API_KEY=kkkk"));
        assert!(!greeting("http://h", Some(&key), true).contains("kkkk"));
        assert_eq!(greeting("http://h", None, false), "Counterweight is at http://h\n");
    }
}
