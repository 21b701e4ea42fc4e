//! The bound of the run list: a table with a column for each value that the pages ask for, the one index that they
//! need, and the pages written by hand, answered over HTTP as the server must.

use std::collections::HashMap;

use axum::Json;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use reqwest::Client;
use sea_orm::{
    ConnectionTrait as _, Database, DatabaseConnection, DbBackend, Statement, TransactionTrait as _,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::documents::{ACCURACY, BATCH_SIZE, Documents};
use crate::load;
use crate::row::run_list::PAGE;
use crate::setup::Setup;

const TABLE: &str = "
    PRAGMA journal_mode = WAL;
    CREATE TABLE run (
        id INTEGER PRIMARY KEY, name TEXT, config TEXT, summary TEXT,
        batch_size INTEGER, accuracy REAL, loss REAL);
    CREATE INDEX pages ON run (batch_size, loss, id, accuracy);";
const INSERT: &str =
    "INSERT INTO run (name, config, summary, batch_size, accuracy, loss) VALUES (?, ?, ?, ?, ?, ?)";
const LIST: &str = "SELECT id, name, config, summary, loss FROM run
    WHERE batch_size = ? AND accuracy > ? AND (loss, id) > (?, ?) ORDER BY loss, id LIMIT ?";
const COUNT: &str = "SELECT COUNT(*) AS runs FROM run WHERE batch_size = ? AND accuracy > ?";
const MIDDLE: &str = "SELECT loss, id FROM run WHERE batch_size = ? AND accuracy > ?
    ORDER BY loss, id LIMIT 1 OFFSET ?";

/// The place of a run in the list.
pub(crate) type After = (f64, i64);

/// The table, and a server for it.
#[derive(Debug)]
pub(crate) struct RunTable {
    database: DatabaseConnection,
    client: Client,
    url: String,
    server: JoinHandle<std::io::Result<()>>,
    _folder: TempDir,
}

impl RunTable {
    pub(crate) async fn make(setup: &Setup) -> anyhow::Result<Self> {
        let folder = setup.folder()?;
        let file = folder.path().join("runs.db");
        let database = Database::connect(format!("sqlite://{}?mode=rwc", file.display())).await?;
        database.execute_unprepared(TABLE).await?;
        let router = Router::new().route("/runs", get(answer_page)).route("/count", get(answer_count));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let server = tokio::spawn(axum::serve(listener, router.with_state(database.clone())).into_future());
        Ok(Self { database, client: load::client()?, url, server, _folder: folder })
    }

    pub(crate) async fn insert(&self, runs: impl Iterator<Item = Documents>) -> anyhow::Result<()> {
        let transaction = self.database.begin().await?;
        for run in runs {
            let summary = run.summary_object();
            let values = [
                run.name.clone().into(),
                run.client_config().to_string().into(),
                summary.to_string().into(),
                run.config["batch_size"].as_i64().into(),
                summary["accuracy"].as_f64().into(),
                summary["loss"].as_f64().into(),
            ];
            transaction.execute_raw(statement(INSERT, values)).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// How many runs a page has, and where the next one begins.
    pub(crate) async fn page(&self, after: Option<After>) -> anyhow::Result<(usize, Option<After>)> {
        let (loss, id) = after.unwrap_or((f64::MIN, 0));
        let url = format!("{}/runs?loss={loss}&id={id}", self.url);
        let answer = load::json(self.client.get(url)).await?;
        let runs = answer.as_array().map_or(&[][..], Vec::as_slice);
        let last = runs.last().and_then(|run| Some((run["loss"].as_f64()?, run["id"].as_i64()?)));
        Ok((runs.len(), last))
    }

    pub(crate) async fn count(&self) -> anyhow::Result<usize> {
        let answer = load::json(self.client.get(format!("{}/count", self.url))).await?;
        Ok(usize::try_from(answer.as_u64().unwrap_or(0))?)
    }

    /// How many runs match, and the place of the one in their middle.
    pub(crate) async fn middle(&self) -> anyhow::Result<(usize, Option<After>)> {
        let count = self.count().await?;
        let values = [BATCH_SIZE.into(), ACCURACY.into(), i64::try_from(count / 2)?.into()];
        let row = self.database.query_one_raw(statement(MIDDLE, values)).await?;
        let place =
            row.map(|row| Ok::<_, sea_orm::DbErr>((row.try_get("", "loss")?, row.try_get("", "id")?)));
        Ok((count, place.transpose()?))
    }
}

impl Drop for RunTable {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn statement<const N: usize>(sql: &str, values: [sea_orm::Value; N]) -> Statement {
    Statement::from_sql_and_values(DbBackend::Sqlite, sql, values)
}

async fn answer_page(
    State(database): State<DatabaseConnection>,
    Query(after): Query<HashMap<String, String>>,
) -> Result<Json<Vec<Value>>, StatusCode> {
    let loss: Option<f64> = after.get("loss").and_then(|loss| loss.parse().ok());
    let id: Option<i64> = after.get("id").and_then(|id| id.parse().ok());
    let values = [BATCH_SIZE.into(), ACCURACY.into(), loss.into(), id.into(), (PAGE as u64).into()];
    let rows = database.query_all_raw(statement(LIST, values)).await.map_err(broken)?;
    let run = |row: &sea_orm::QueryResult| {
        let (id, loss): (i64, f64) = (row.try_get("", "id")?, row.try_get("", "loss")?);
        let text = |column| row.try_get::<String>("", column);
        Ok(json!({
            "id": id, "name": text("name")?, "loss": loss, "config": text("config")?, "summary": text("summary")?,
        }))
    };
    Ok(Json(rows.iter().map(run).collect::<Result<_, _>>().map_err(broken)?))
}

async fn answer_count(State(database): State<DatabaseConnection>) -> Result<Json<i64>, StatusCode> {
    let row = database.query_one_raw(statement(COUNT, [BATCH_SIZE.into(), ACCURACY.into()])).await;
    let count = row.map_err(broken)?.map(|row| row.try_get("", "runs"));
    Ok(Json(count.transpose().map_err(broken)?.unwrap_or(0)))
}

fn broken(error: sea_orm::DbErr) -> StatusCode {
    // The load reports the status; there is nothing to be told of a table that only it writes.
    drop(error);
    StatusCode::INTERNAL_SERVER_ERROR
}
