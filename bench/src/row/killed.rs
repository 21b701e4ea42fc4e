//! Runs deleted, restored and purged by the ten thousand, while the process is killed again and again: each exactly once,
//! or the row fails.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use rand::RngExt as _;
use sea_orm::{ConnectionTrait as _, DatabaseConnection};
use serde_json::{Value, json};

use super::ascending;
use crate::copies::{self, FILE_BYTES, UNWANTED, WANTED};
use crate::counterweight::{Counterweight, SLOW, Store, number};
use crate::foreground::Foreground;
use crate::passes::Passes;
use crate::setup::{Setup, count_files};
use crate::table::{Column, Figure, Place, Report};

const PROJECT: &str = "bench";

const KILLS: Figure = Figure("times killed", 0);
const CALL: Figure = Figure("the call itself, ms", 0);
const TIME: Figure = Figure("from the call to the end, with every start, s", 0);
const READ: Figure = Figure("a page of runs meanwhile: p50 / p99 / longest, ms", 1);
const WRITE: Figure = Figure("a line of history meanwhile: p50 / p99 / longest, ms", 1);
const MEMORY: Figure = Figure("memory of the server: most, MiB", 0);
const DATABASE: Figure = Figure("bytes of the database: before / after, MiB", 0);

/// A process lives for up to so much longer than it takes to see that it has come far enough.
const WHIM_MS: u64 = 15;

const BEGIN: [(&str, &str); 2] =
    [("deleteRuns", "task { id } deletion { id }"), ("restoreRuns", "task { id }")];
const TASK: &str = "query($id: ID!) { bulkTask(id: $id) { state matchedCount changedCount refusedCount } }";
const DELETION: &str = "query($id: ID!) { deletion(id: $id) { state runCount fileCount fileBytes } }";
const PURGE_NOW: &str = "mutation($i: PurgeNowInput!) { purgeNow(input: $i) { deletion { id } } }";
const EXTEND: &str = "mutation($i: ExtendDeletionInput!) { extendDeletion(input: $i) { deletion { id } } }";
const RECEIPT: &str = "query($id: ID!) { receipt(deletionId: $id) { issuedAt } }";

/// What there is of a run beside what else belongs to it; that it changed comes last.
const RUN: &str =
    "id, project_id, user_id, name, display_name, state, lifecycle, created_at, heartbeat_at, finished_at,
    exit_code, stop_requested, tags, archived_until, deleted_at, purge_after, updated_at";
/// What belongs to runs.
const TABLES: [&str; 4] = ["run_document", "run_value", "run_file", "run_storage"];

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Runs that are deleted; a tenth as many stay.
    #[arg(long, value_delimiter = ',', default_values_t = [10_000])]
    pub(crate) sizes: Vec<usize>,
    /// How often the process is killed during each of it.
    #[arg(long, default_value_t = 10)]
    kills: usize,
}

pub(crate) async fn run(setup: &Setup, options: &Options, report: &mut Report) -> anyhow::Result<()> {
    for store in setup.stores() {
        for size in ascending(&options.sizes) {
            measure(setup, &store, size, options.kills, report).await?;
        }
    }
    Ok(())
}

async fn measure(
    setup: &Setup,
    store: &Store,
    size: usize,
    kills: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    let at_once = [("GC__GRACE", "0s"), ("GC__MIN_AGE", "0s"), ("GC__INTERVAL", "1d")];
    let mut server = Counterweight::start_with(setup, store, &at_once).await?;
    server = copies::make(server, PROJECT, UNWANTED, size).await?;
    server = copies::make(server, PROJECT, WANTED, size / 10).await?;
    let client = Foreground::of(&server, PROJECT).await?;
    let database = server.database().await?;
    let mut trial =
        Trial { server, database, client, size, kills, column: store.column(), peak: 0.0, audited: 0 };
    trial.remember().await?;
    trial.delete(report).await?;
    trial.restore(report).await?;
    trial.purge(report).await?;
    trial.database.close().await?;
    trial.server.stop().await.map(drop)
}

/// How far something has come.
#[derive(Debug, Clone, Copy)]
struct Progress {
    done: i64,
    all: i64,
    ended: bool,
}

struct Trial {
    server: Counterweight,
    database: DatabaseConnection,
    client: Foreground,
    size: usize,
    kills: usize,
    column: Column,
    /// The most memory that one of its processes had.
    peak: f64,
    /// The last audit entry that is no longer looked at.
    audited: i64,
}

impl Trial {
    fn place(&self, work: &'static str) -> Place {
        Place { work, size: self.size, of: "runs" }
    }

    async fn delete(&mut self, report: &mut Report) -> anyhow::Result<()> {
        let place = self.place("delete, killed");
        let begun = self.change(BEGIN[0], place, report).await?;
        let deletion = begun["deletion"]["id"].clone();
        let record = self.server.ask(DELETION, json!({"id": deletion})).await?;
        let bytes = self.size * FILE_BYTES;
        let expected =
            json!({"state": "PENDING", "runCount": self.size, "fileCount": self.size, "fileBytes": bytes});
        anyhow::ensure!(record["deletion"] == expected, "the deletion says {record}");
        self.expect("run WHERE lifecycle = 'deleted'", self.size).await?;
        self.expect("deletion_item WHERE state = 'pending'", self.size).await?;
        self.expect_audited("delete", self.size).await?;
        self.expect("job WHERE kind = 'purge_deletion' AND state = 'ready'", 1).await?;
        self.expect_untouched().await
    }

    async fn restore(&mut self, report: &mut Report) -> anyhow::Result<()> {
        self.change(BEGIN[1], self.place("restore, killed"), report).await?;
        self.expect("run WHERE lifecycle <> 'live'", 0).await?;
        self.expect("deletion_item WHERE state = 'restored'", self.size).await?;
        self.expect("deletion WHERE state = 'restored'", 1).await?;
        self.expect("job WHERE kind = 'purge_deletion' AND state IN ('ready', 'running')", 0).await?;
        self.expect_audited("restore", self.size).await?;
        self.expect_as_it_was().await
    }

    /// Deletes them again, in peace; then for good.
    async fn purge(&mut self, report: &mut Report) -> anyhow::Result<()> {
        self.forget().await?;
        let kills = std::mem::take(&mut self.kills);
        let begun = self.change(BEGIN[0], self.place("delete, not killed"), report).await?;
        self.kills = kills;
        let before = self.server.database_bytes().await?;

        let (deletion, place) = (begun["deletion"]["id"].clone(), self.place("purge, killed"));
        let later = json!({"i": {"id": deletion, "purgeAfter": "2100-01-01T00:00:00Z"}});
        self.time(EXTEND, later, self.place("more time"), report).await?;
        self.time(PURGE_NOW, json!({"i": {"id": deletion}}), place, report).await?;
        let all = i64::try_from(self.size)?;
        self.until_done(report, place, async |server, database| {
            let done = number(database, "COUNT(*) FROM run WHERE lifecycle = 'purged'").await?;
            let record = server.ask(DELETION, json!({"id": deletion})).await?;
            Ok(Progress { done, all, ended: record["deletion"]["state"] == "PURGED" })
        })
        .await?;
        self.expect("run WHERE lifecycle = 'purged'", self.size).await?;
        self.expect("deletion_item WHERE state = 'purged'", self.size).await?;
        self.expect("receipt_item WHERE purged_at IS NOT NULL", self.size).await?;
        self.expect_audited("purge", self.size).await?;
        for table in ["run_file", "run_document", "run_value", "run_storage"] {
            let left = format!("{table} WHERE run_id IN (SELECT id FROM run WHERE lifecycle = 'purged')");
            self.expect(&left, 0).await?;
        }

        let place = self.place("collect, killed");
        Passes::begin(&self.server).await?;
        self.until_done(report, place, async |server, database| {
            let live =
                "SUM(CASE WHEN state = 'live' THEN 2 ELSE 1 END) FROM blob WHERE object_key LIKE '%/un%'";
            let done = 2 * all - number(database, live).await?;
            let receipt = server.ask(RECEIPT, json!({"id": deletion})).await?;
            Ok(Progress { done, all: 2 * all, ended: receipt["receipt"]["issuedAt"].is_string() })
        })
        .await?;
        self.expect("blob WHERE object_key LIKE '%/un%'", 0).await?;
        self.expect("receipt_object WHERE answer = 'gone'", self.size).await?;
        self.expect_audited("remove", self.size).await?;
        for (tag, expected) in [(UNWANTED, 0), (WANTED, self.size / 10)] {
            let files = count_files(&self.server.objects(), tag)?;
            anyhow::ensure!(files == expected, "the store has {files} objects of what is {tag}");
        }
        self.expect_untouched().await?;
        Passes::one(&self.server, async || Ok(())).await?;
        let after = self.server.database_bytes().await?;
        report.put(place, DATABASE, self.column, [before, after].map(|bytes| bytes / 1024.0 / 1024.0));
        Ok(())
    }

    /// Asks once, and says how long the answer took.
    async fn time(
        &self,
        call: &str,
        input: Value,
        place: Place,
        report: &mut Report,
    ) -> anyhow::Result<Value> {
        let started = Instant::now();
        let answer = self.server.ask(call, input).await?;
        report.put(place, CALL, self.column, [started.elapsed().as_secs_f64() * 1000.0]);
        Ok(answer)
    }

    /// Asks for a change of all runs that are in the way, and kills the process until it is done.
    async fn change(
        &mut self,
        (mutation, fields): (&str, &str),
        place: Place,
        report: &mut Report,
    ) -> anyhow::Result<Value> {
        let input = format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]);
        let call = format!("mutation($i: {input}!) {{ {mutation}(input: $i) {{ {fields} }} }}");
        let runs =
            json!({"entityName": "admin", "projectName": PROJECT, "filters": copies::filter(UNWANTED)});
        let mut begun = self.time(&call, json!({"i": {"runs": runs}}), place, report).await?[mutation].take();
        let id = begun["task"]["id"].take();
        self.until_done(report, place, async |server, _| {
            let answer = server.ask(TASK, json!({"id": id})).await?;
            let task = &answer["bulkTask"];
            let (done, all) = (task["changedCount"].as_i64(), task["matchedCount"].as_i64());
            let ended = task["state"] == "COMPLETE";
            Ok(Progress { done: done.context("no count")?, all: all.context("no count")?, ended })
        })
        .await?;
        let task = self.server.ask(TASK, json!({"id": id})).await?;
        let size = self.size;
        let expected =
            json!({"state": "COMPLETE", "matchedCount": size, "changedCount": size, "refusedCount": 0});
        anyhow::ensure!(task["bulkTask"] == expected, "the task says {task}");
        Ok(begun)
    }

    /// Kills the process at points that are spread over the work, each life a little further, until it is done.
    async fn until_done(
        &mut self,
        report: &mut Report,
        place: Place,
        look: impl AsyncFn(&Counterweight, &DatabaseConnection) -> anyhow::Result<Progress>,
    ) -> anyhow::Result<()> {
        let (started, mut killed, mut come) = (Instant::now(), 0, 0);
        loop {
            self.client.ask(&self.server).await?;
            let Progress { done, all, ended } = look(&self.server, &self.database).await?;
            if ended {
                break;
            }
            let next = all * i64::try_from(killed)? / i64::try_from(self.kills.max(1))?;
            if killed < self.kills && done >= next && done > come {
                let whim = rand::rng().random_range(0..WHIM_MS);
                tokio::time::sleep(Duration::from_millis(whim)).await;
                self.peak = self.peak.max(self.server.service.peak_mib());
                self.server.kill().await?;
                (killed, come) = (killed + 1, done);
            }
        }
        let peak = self.peak.max(self.server.service.peak_mib());
        report.put(place, KILLS, self.column, [killed as f64]);
        report.put(place, TIME, self.column, [started.elapsed().as_secs_f64()]);
        self.client.put(report, place, self.column, (READ, WRITE));
        report.put(place, SLOW, self.column, [self.server.slow_statements()?]);
        report.put(place, MEMORY, self.column, [peak]);
        Ok(())
    }

    /// Keeps what the runs are like, to compare it later.
    async fn remember(&self) -> anyhow::Result<()> {
        let kept = format!("CREATE TABLE bench_run AS SELECT {RUN} FROM run WHERE name LIKE '%wanted-%'");
        self.database.execute_unprepared(&kept).await?;
        for table in TABLES {
            let kept = format!(
                "CREATE TABLE bench_{table} AS SELECT * FROM {table} WHERE run_id IN (SELECT id FROM bench_run)"
            );
            self.database.execute_unprepared(&kept).await?;
        }
        Ok(())
    }

    /// All runs and all that belongs to them are as they were. That they were changed stays known.
    async fn expect_as_it_was(&self) -> anyhow::Result<()> {
        let columns = RUN.trim_end_matches(", updated_at");
        let changed =
            format!("(SELECT {columns} FROM bench_run EXCEPT SELECT {columns} FROM run) AS changed");
        self.expect(&changed, 0).await?;
        for table in TABLES {
            let changed = format!("(SELECT * FROM bench_{table} EXCEPT SELECT * FROM {table}) AS changed");
            self.expect(&changed, 0).await?;
            let there = format!("{table} WHERE run_id IN (SELECT id FROM bench_run)");
            let before = number(&self.database, &format!("COUNT(*) FROM bench_{table}")).await?;
            self.expect(&there, usize::try_from(before)?).await?;
        }
        self.expect_untouched().await
    }

    /// Nobody came near the runs that are wanted.
    async fn expect_untouched(&self) -> anyhow::Result<()> {
        let changed = format!(
            "(SELECT {RUN} FROM bench_run WHERE name LIKE '{WANTED}-%' EXCEPT SELECT {RUN} FROM run) AS changed"
        );
        self.expect(&changed, 0).await
    }

    /// What was compared so far is compared no longer, and takes no room.
    async fn forget(&mut self) -> anyhow::Result<()> {
        self.audited = number(&self.database, "MAX(id) FROM audit_entry").await?;
        for table in TABLES {
            self.database.execute_unprepared(&format!("DROP TABLE bench_{table}")).await?;
        }
        let unwanted = format!("DELETE FROM bench_run WHERE name LIKE '{UNWANTED}-%'");
        self.database.execute_unprepared(&unwanted).await?;
        Passes::one(&self.server, async || Ok(())).await.map(drop)
    }

    async fn expect(&self, rows: &str, count: usize) -> anyhow::Result<()> {
        let found = number(&self.database, &format!("COUNT(*) FROM {rows}")).await?;
        anyhow::ensure!(found == i64::try_from(count)?, "{found} instead of {count}: {rows}");
        Ok(())
    }

    /// There is one entry for each thing, and no second one for any.
    async fn expect_audited(&self, action: &str, count: usize) -> anyhow::Result<()> {
        let entries =
            format!("audit_entry WHERE action = '{action}' AND id > {} AND path LIKE '%/un%'", self.audited);
        self.expect(&entries, count).await?;
        self.expect(&format!("(SELECT DISTINCT kind, subject_id FROM {entries}) AS things"), count).await
    }
}
