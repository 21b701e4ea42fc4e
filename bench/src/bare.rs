//! The bound of writing: the least that a server must do which answers after a body is on disk.

use std::fs::File;
use std::io::{Write as _, stdout};
use std::path::PathBuf;
use std::process::Command;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use bytes::Bytes;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use crate::body::Body;
use crate::load::Writer;
use crate::service::Service;
use crate::setup::Setup;

const LARGEST_BATCH: usize = 256;

/// The bare route in a process of its own.
#[derive(Debug)]
pub(crate) struct Bare {
    pub(crate) service: Service,
    pub(crate) folder: TempDir,
}

impl Bare {
    pub(crate) fn start(setup: &Setup) -> anyhow::Result<Self> {
        let folder = setup.folder()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.env_clear().arg("bare").arg(folder.path().join("bodies"));
        Ok(Self { service: Service::start(&mut command)?, folder })
    }

    pub(crate) fn writers(&self, count: usize, lines: usize) -> Vec<Writer> {
        let writer = |seed| Writer {
            url: format!("{}/run-{seed}", self.service.url),
            body: Body::file_stream(seed, lines),
        };
        (0..).take(count).map(writer).collect()
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Where the bodies go.
    file: PathBuf,
}

struct Request {
    body: Bytes,
    stored: oneshot::Sender<()>,
}

pub(crate) async fn serve(options: Options) -> anyhow::Result<()> {
    let file = File::create(options.file)?;
    let (requests, receiver) = mpsc::channel(LARGEST_BATCH);
    let writer = tokio::task::spawn_blocking(move || group_commit(file, receiver));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(stdout(), "The bare route is at http://{}", listener.local_addr()?)?;
    let router = Router::new().route("/{*path}", post(store)).with_state(requests);
    tokio::select! {
        served = axum::serve(listener, router).into_future() => Ok(served?),
        written = writer => Ok(written??),
    }
}

async fn store(State(requests): State<mpsc::Sender<Request>>, body: Bytes) -> StatusCode {
    let (stored, answer) = oneshot::channel();
    let sent = requests.send(Request { body, stored }).await;
    if sent.is_ok() && answer.await.is_ok() { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR }
}

/// One write and one sync for all that wait, then their answers.
fn group_commit(mut file: File, mut receiver: mpsc::Receiver<Request>) -> std::io::Result<()> {
    let mut waiting = Vec::with_capacity(LARGEST_BATCH);
    while receiver.blocking_recv_many(&mut waiting, LARGEST_BATCH) > 0 {
        let bodies: Vec<&[u8]> = waiting.iter().map(|request: &Request| request.body.as_ref()).collect();
        file.write_all(&bodies.concat())?;
        file.sync_data()?;
        for request in waiting.drain(..) {
            // Nobody hears the answer when the load has ended.
            request.stored.send(()).unwrap_or_default();
        }
    }
    Ok(())
}
