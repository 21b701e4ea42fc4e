//! Group commit: one task gathers the appends of many runs into one transaction, and answers after its commit.

use counterweight_storage::BlobStore;
use tokio::sync::{mpsc, oneshot};

use super::append::{Append, Appended, Batch, Taken};
use super::overwrite::MergedLines;
use crate::db::{Db, WriteTx};
use crate::error::{Error, Result, chain};
use crate::id::RunId;

/// Appends in one transaction. While one batch commits, the next one gathers.
const LARGEST_BATCH: usize = 256;
const WAITING: usize = 1024;
/// How often segments may change under the eyes of who writes a line of theirs again.
const MOST_READS: usize = 8;

struct Request {
    append: Append,
    answer: oneshot::Sender<Result<Appended>>,
}

/// The door for appends. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Writer {
    requests: mpsc::Sender<Request>,
}

impl Writer {
    /// A writer, and the task that must be run for it. The task ends when the last clone is dropped.
    pub fn new(db: Db, blobs: BlobStore) -> (Self, impl Future<Output = ()> + Send) {
        let (requests, receiver) = mpsc::channel(WAITING);
        (Self { requests }, run(db, blobs, receiver))
    }

    /// Stores an append. When this answers `Ok`, it survives whatever happens to the process.
    pub async fn append(&self, append: Append) -> Result<Appended> {
        let (answer, answered) = oneshot::channel();
        let request = Request { append, answer };
        self.requests.send(request).await.map_err(|_| Error::unavailable("the server is stopping"))?;
        answered.await.map_err(|_| Error::unavailable("the server is stopping"))?
    }
}

async fn run(db: Db, blobs: BlobStore, mut receiver: mpsc::Receiver<Request>) {
    let mut waiting = Vec::with_capacity(LARGEST_BATCH);
    while receiver.recv_many(&mut waiting, LARGEST_BATCH).await > 0 {
        let size = u32::try_from(waiting.len()).unwrap_or(u32::MAX);
        metrics::histogram!("counterweight_ingest_batch_requests").record(size);
        commit_and_answer(&db, &blobs, std::mem::take(&mut waiting)).await;
    }
}

async fn commit_and_answer(db: &Db, blobs: &BlobStore, requests: Vec<Request>) {
    let appends = requests.iter().map(|request| request.append.clone()).collect();
    match store(db, appends).await {
        Ok(results) => {
            for (request, result) in requests.into_iter().zip(results) {
                settle(db, blobs, request, result).await;
            }
        }
        Err(Failed::ToBegin(error)) => refuse(requests, &error),
        Err(Failed::Underway(error)) if requests.len() == 1 => refuse(requests, &error),
        Err(Failed::Underway(_)) => one_by_one(db, blobs, requests).await,
    }
}

/// One append that cannot be stored, or waits for a row that someone holds, must not take the others with it.
async fn one_by_one(db: &Db, blobs: &BlobStore, requests: Vec<Request>) {
    let mut requests = requests.into_iter();
    while let Some(request) = requests.next() {
        match store(db, vec![request.append.clone()]).await {
            Ok(mut results) => {
                let missing = || Taken::Answered(Err(Error::internal("an append without its answer")));
                settle(db, blobs, request, results.pop().unwrap_or_else(missing)).await;
            }
            Err(Failed::Underway(error)) => refuse(vec![request], &error),
            Err(Failed::ToBegin(error)) => {
                refuse(std::iter::once(request).chain(requests).collect(), &error);
                return;
            }
        }
    }
}

/// Why a batch was not stored.
enum Failed {
    /// The database is away or busy: nobody's append can be stored now.
    ToBegin(Error),
    /// One of the appends, or what it met, is the reason.
    Underway(Error),
}

/// Answers an append, after what it has to know of segments was read for it.
async fn settle(db: &Db, blobs: &BlobStore, request: Request, mut taken: Taken) {
    for _ in 0..MOST_READS {
        let (mut append, lines) = match taken {
            Taken::Answered(answer) => return deliver(request.answer, answer),
            Taken::ReadFirst(append, lines) => (append, lines),
        };
        append.merged = match MergedLines::read(db, blobs, append.run_id, lines).await {
            Ok(merged) => Some(merged),
            Err(error) => return refuse(vec![request], &error),
        };
        taken = match store(db, vec![append]).await.map(|mut results| results.pop()) {
            Ok(Some(taken)) => taken,
            Ok(None) => return refuse(vec![request], &Error::internal("an append without its answer")),
            Err(Failed::ToBegin(error) | Failed::Underway(error)) => return refuse(vec![request], &error),
        };
    }
    refuse(vec![request], &Error::unavailable("the history is being merged"));
}

async fn store(db: &Db, appends: Vec<Append>) -> Result<Vec<Taken>, Failed> {
    let tx = db.begin_write().await.map_err(Failed::ToBegin)?;
    store_in(tx, appends).await.map_err(Failed::Underway)
}

async fn store_in(tx: WriteTx, appends: Vec<Append>) -> Result<Vec<Taken>> {
    let mut ids: Vec<RunId> = appends.iter().map(|append| append.run_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut batch = Batch::open(&tx, &ids).await?;
    let mut results = Vec::with_capacity(appends.len());
    for append in appends {
        results.push(batch.take(append).await?);
    }
    batch.close().await?;
    tx.commit().await?;
    Ok(results)
}

fn refuse(requests: Vec<Request>, error: &Error) {
    tracing::warn!(error = %chain(error), requests = requests.len(), "appends were not stored");
    for request in requests {
        deliver(request.answer, Err(again(error)));
    }
}

/// The same trouble for everyone who waited on this batch.
fn again(error: &Error) -> Error {
    match error {
        Error::Internal { .. } => Error::internal(chain(error)),
        Error::ReadOnly => Error::ReadOnly,
        _ => Error::unavailable(chain(error)),
    }
}

fn deliver(answer: oneshot::Sender<Result<Appended>>, result: Result<Appended>) {
    if answer.send(result).is_err() {
        tracing::debug!("a writer hung up before its answer");
    }
}
