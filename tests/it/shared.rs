//! Shared mode: several writers of one run, each of which counts its lines for itself.

use std::cell::Cell;
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::support::{
    CONSOLE, CRASH_AFTER, EVENTS, HISTORY, SETTLE_AFTER, SUMMARY, TestApp, TestRun, backend_test, texts,
};

const STREAMS: [&str; 3] = [HISTORY, EVENTS, CONSOLE];
const NAMES: [&str; 3] = ["one", "two", "three"];

/// The run `r`, as some of its writers see it.
async fn writers(app: &TestApp, name: &str) -> [TestRun; 3] {
    let [one, two, three] = NAMES.map(|writer| app.ada.claiming("x-wandb-async-client-id", writer));
    [one.run("demo", name).await, two.run("demo", name).await, three.run("demo", name).await]
}

fn rows(writer: &str, steps: std::ops::Range<u64>) -> Vec<String> {
    steps.map(|step| format!(r#"{{"_step":{step},"{writer}":{step}}}"#)).collect()
}

backend_test!(each_writer_counts_for_itself_and_all_lines_are_kept, |app| {
    let [one, two, _] = writers(app, "r").await;
    one.log(HISTORY, 0, &rows("one", 0..3)).await;
    two.log(HISTORY, 0, &rows("two", 0..2)).await;
    one.log(HISTORY, 3, &rows("one", 3..5)).await;
    let wanted = [rows("one", 0..3), rows("two", 0..2), rows("one", 3..5)].concat();
    assert_eq!(one.history().await, wanted);
    let before = one.snapshot().await;
    one.log(HISTORY, 0, &rows("one", 0..5)).await;
    two.log(HISTORY, 0, &rows("two", 0..2)).await;
    assert_eq!(one.snapshot().await, before);
    let gap = two.write(HISTORY, 3, &["{}"]).await;
    assert_eq!(gap.outcome(), (400, "OFFSET_GAP".into()));
    assert_eq!(app.rows("history_span").await, 3);
});

backend_test!(rows_without_a_step_are_given_one_and_a_retry_changes_nothing, |app| {
    let [one, two, _] = writers(app, "r").await;
    let rows = |writer: &str, numbers: std::ops::Range<u64>| -> Vec<String> {
        numbers.map(|number| format!(r#"{{"{writer}":{number}}}"#)).collect()
    };
    one.log(HISTORY, 0, &rows("one", 0..2)).await;
    two.log(HISTORY, 0, &rows("two", 0..2)).await;
    one.log(HISTORY, 2, &[r#"{"_step":9,"one":2}"#, "{}"]).await;
    let wanted = [
        r#"{"_step":0,"one":0}"#,
        r#"{"_step":1,"one":1}"#,
        r#"{"_step":2,"two":0}"#,
        r#"{"_step":3,"two":1}"#,
        r#"{"_step":9,"one":2}"#,
        r#"{"_step":5}"#,
    ];
    for phase in ["live", "settled"] {
        assert_eq!(one.history().await, wanted, "{phase}");
        let before = one.snapshot().await;
        two.log(HISTORY, 0, &rows("two", 0..2)).await;
        one.log(HISTORY, 0, &rows("one", 0..2)).await;
        assert_eq!(one.snapshot().await["history"], before["history"], "{phase}");
        assert_eq!(one.field("historyKeys").await, before["historyKeys"], "{phase}");
        one.complete(0).await;
        app.wait(SETTLE_AFTER).await;
    }
});

backend_test!(a_chart_of_steps_that_writers_share_is_in_their_order, |app| {
    let [one, two, _] = writers(app, "r").await;
    one.log(HISTORY, 0, &rows("one", 0..3)).await;
    two.log(HISTORY, 0, &rows("two", 0..3)).await;
    let chart = one.field(r#"sampledHistory(specs: ["{\"keys\":[\"_step\"],\"samples\":9}"])"#).await;
    let steps: Vec<_> = chart[0].as_array().unwrap().iter().map(|row| row["_step"].clone()).collect();
    assert_eq!(steps, [0, 0, 1, 1, 2, 2]);
});

backend_test!(the_latest_of_each_system_metric_is_kept_whoever_sent_it, |app| {
    let [one, two, _] = writers(app, "r").await;
    one.log(EVENTS, 0, &[r#"{"_wandb":true,"_runtime":1,"system.cpu/l:one":1}"#]).await;
    two.log(EVENTS, 0, &[r#"{"_wandb":true,"_runtime":2,"system.cpu/l:two":2,"system.gpu.0":NaN}"#]).await;
    one.log(EVENTS, 1, &[r#"{"_runtime":3,"system.cpu/l:one":3}"#, r#"{"_runtime":4,"system.disk":4}"#])
        .await;
    let kept =
        r#"{"_runtime":4,"system.cpu/l:one":3,"system.cpu/l:two":2,"system.disk":4,"system.gpu.0":NaN}"#;
    assert_eq!(one.field("systemMetrics").await, kept);
    assert_eq!(app.ada.run_names("demo", json!({"systemMetrics.system.cpu/l:two": 2})).await, ["r"]);
});

backend_test!(a_writer_alone_is_one_span, |app| {
    let [one, ..] = writers(app, "r").await;
    for step in 0..5 {
        one.log(HISTORY, step, &rows("one", step..step + 1)).await;
    }
    assert_eq!((one.history().await, app.rows("history_span").await), (rows("one", 0..5), 1));
});

backend_test!(who_joins_begins_where_it_was_told_and_what_it_sends_is_added, |app| {
    let [one, two, three] = writers(app, "r").await;
    one.log(HISTORY, 0, &rows("one", 0..3)).await;
    two.log(HISTORY, 3, &rows("two", 3..5)).await;
    one.log(HISTORY, 3, &rows("one", 3..4)).await;
    two.log(HISTORY, 5, &rows("two", 5..6)).await;
    let wanted = [rows("one", 0..3), rows("two", 3..5), rows("one", 3..4), rows("two", 5..6)].concat();
    assert_eq!(one.history().await, wanted);
    assert_eq!(three.write(HISTORY, 8, &["{}"]).await.outcome(), (400, "OFFSET_GAP".into()));
});

backend_test!(writers_add_to_one_summary, |app| {
    let [one, two, _] = writers(app, "r").await;
    one.log(SUMMARY, 0, &[r#"{"a":1,"both":1}"#]).await;
    two.log(SUMMARY, 0, &[r#"{"b":NaN,"both":2}"#]).await;
    one.log(SUMMARY, 0, &[r#"{"a":3}"#]).await;
    assert_eq!(one.field("summaryMetrics").await, r#"{"a":3,"b":NaN,"both":2}"#);
    assert_eq!(app.ada.run_names("demo", json!({"summary_metrics.both": 2})).await, ["r"]);
});

backend_test!(writers_add_to_one_config, |app| {
    for (writer, config) in [
        ("one", r#"{"a":{"value":1},"both":{"value":1}}"#),
        ("two", r#"{"b":{"value":2},"both":{"value":2}}"#),
    ] {
        app.ada
            .claiming("x-wandb-client-id", writer)
            .run_with("demo", "r", json!({ "config": config }))
            .await;
    }
    let run = app.ada.run("demo", "r").await;
    let config = r#"{"a":{"value":1},"b":{"value":2},"both":{"value":2}}"#;
    assert_eq!(run.field("config").await, config);
});

backend_test!(who_joins_an_ended_run_sets_it_running, |app| {
    let [one, ..] = writers(app, "r").await;
    one.log(HISTORY, 0, &rows("one", 0..1)).await;
    one.complete(0).await;
    app.ada.claiming("x-wandb-client-id", "four").run("demo", "r").await;
    assert_eq!(one.state().await, "running");
});

backend_test!(a_run_that_one_writer_ended_stays_as_it_ended, |app| {
    let [one, two, _] = writers(app, "r").await;
    one.log(HISTORY, 0, &rows("one", 0..1)).await;
    two.log(HISTORY, 0, &rows("two", 0..1)).await;
    assert_eq!(one.state().await, "running");
    one.complete(0).await;
    two.log(HISTORY, 1, &rows("two", 1..2)).await;
    two.log(SUMMARY, 0, &[r#"{"late":1}"#]).await;
    assert_eq!(one.state().await, "finished");
    let two_again = app.ada.claiming("x-wandb-client-id", "two");
    two_again.run_with("demo", "r", json!({"config": r#"{"late":{"value":1}}"#})).await;
    app.wait(CRASH_AFTER * 2).await;
    assert_eq!(one.state().await, "finished");
    assert_eq!(one.history().await.len(), 3);
    assert_eq!(one.field("summaryMetrics").await, r#"{"late":1}"#);
});

backend_test!(a_run_whose_writers_all_fell_silent_has_crashed_until_one_is_heard_of, |app| {
    let [one, two, _] = writers(app, "r").await;
    one.log(HISTORY, 0, &rows("one", 0..1)).await;
    app.wait(CRASH_AFTER * 2).await;
    assert_eq!(one.state().await, "crashed");
    two.log(HISTORY, 0, &rows("two", 0..1)).await;
    assert_eq!(one.state().await, "running");
});

backend_test!(a_console_line_is_overwritten_by_its_own_writer_only, |app| {
    let [one, two, _] = writers(app, "r").await;
    one.log(CONSOLE, 0, &["one", " 10%"]).await;
    two.log(CONSOLE, 0, &["two", " 20%"]).await;
    one.log(CONSOLE, 1, &["100%", "done"]).await;
    two.log(CONSOLE, 3, &["after a gap"]).await;
    two.log(CONSOLE, 2, &["filled"]).await;
    assert_eq!(one.console().await, ["one", "100%", "two", " 20%", "done", "filled", "after a gap"]);
});

backend_test!(a_run_that_is_taken_back_forgets_where_its_lines_came_from, |app| {
    let [one, two, _] = writers(app, "r").await;
    one.log(HISTORY, 0, &rows("one", 0..3)).await;
    two.log(HISTORY, 0, &rows("two", 3..5)).await;
    let input = json!({"entityName": "ada", "projectName": "demo", "runName": "r", "metricName": "_step", "metricValue": 1});
    app.ada.mutate("rewindRun", input, "rewoundRun { id }").await;
    assert_eq!(one.history().await, rows("one", 0..2));
    one.log(HISTORY, 0, &rows("one", 0..2)).await;
    one.log(HISTORY, 2, &rows("new", 2..3)).await;
    two.log(HISTORY, 0, &rows("two", 3..4)).await;
    let wanted = [rows("one", 0..2), rows("new", 2..3), rows("two", 3..4)].concat();
    assert_eq!(one.history().await, wanted);
});

backend_test!(writers_that_begin_together_make_one_run, |app| {
    let input = json!({"entityName": "ada", "modelName": "fresh", "name": "r"});
    let made = NAMES.map(|_| app.ada.mutate("upsertBucket", input.clone(), "inserted bucket { id }"));
    let made = futures_util::future::join_all(made).await;
    assert_eq!(made.iter().filter(|made| made["inserted"] == true).count(), 1);
    assert!(made.iter().all(|other| other["bucket"] == made[0]["bucket"]));
});

backend_test!(a_deleted_run_forgets_its_writers, |app| {
    let [one, ..] = writers(app, "r").await;
    one.log(HISTORY, 0, &rows("one", 0..3)).await;
    one.delete().await;
    app.wait(crate::support::TRASH).await;
    assert_eq!(app.rows("history_span").await, 0);
});

backend_test!(a_name_that_is_none_is_refused, |app| {
    let long = app.ada.claiming("x-wandb-async-client-id", &"x".repeat(65)).run("demo", "r").await;
    assert_eq!(long.write(HISTORY, 0, &["{}"]).await.outcome(), (400, "WRITER_INVALID".into()));
});

/// One request: lines of one writer, from a number that is `back` before its end.
#[derive(Clone, Debug)]
struct Write {
    writer: usize,
    stream: usize,
    back: usize,
    lines: Vec<u8>,
    times: u8,
    /// Whether the run then ends, and its history settles into files, before it goes on.
    settles: bool,
}

fn writes() -> impl Strategy<Value = Vec<Write>> {
    let back = prop_oneof![3 => Just(0_usize), 3 => 0_usize..12];
    let lines = prop::collection::vec(0_u8..4, 1..8);
    let times = prop_oneof![3 => Just(1_u8), 1 => Just(2_u8)];
    let write = (0..NAMES.len(), 0..STREAMS.len(), back, lines, times, prop::bool::weighted(0.2)).prop_map(
        |(writer, stream, back, lines, times, settles)| Write { writer, stream, back, lines, times, settles },
    );
    prop::collection::vec(write, 1..24)
}

/// For each stream, every line by its writer and the writer's number, and the order in which they first came.
#[derive(Default)]
struct Model {
    lines: BTreeMap<(usize, usize, usize), String>,
    order: Vec<(usize, usize, usize)>,
}

impl Model {
    fn count(&self, stream: usize, writer: usize) -> usize {
        self.lines.keys().filter(|(of, by, _)| (*of, *by) == (stream, writer)).count()
    }

    fn take(&mut self, write: &Write, offset: usize, lines: &[String]) {
        for (number, line) in (offset..).zip(lines) {
            let key = (write.stream, write.writer, number);
            if self.lines.insert(key, line.clone()).is_none() {
                self.order.push(key);
            }
        }
    }

    fn whole(&self, stream: usize) -> Vec<String> {
        self.order.iter().filter(|key| key.0 == stream).map(|key| self.lines[key].clone()).collect()
    }
}

async fn check_one(app: &TestApp, case: usize, writes: &[Write]) -> Result<(), TestCaseError> {
    let runs = writers(app, &format!("r{case}")).await;
    let mut model = Model::default();
    for (salt, write) in writes.iter().enumerate() {
        let offset = model.count(write.stream, write.writer).saturating_sub(write.back);
        let line = |(index, letter): (usize, &u8)| match STREAMS[write.stream] {
            CONSOLE => format!("line {letter} {salt}"),
            _ => json!({"_step": offset + index, "value": letter, "by": write.writer}).to_string(),
        };
        let lines: Vec<_> = write.lines.iter().enumerate().map(line).collect();
        model.take(write, offset, &lines);
        let run = &runs[write.writer];
        for _ in 0..write.times {
            let body = json!({"files": {STREAMS[write.stream]: {"offset": offset, "content": lines}}});
            prop_assert_eq!(run.stream(&body).await.outcome(), (200, String::new()));
        }
        if write.settles {
            run.complete(0).await;
            app.wait(SETTLE_AFTER).await;
        }
    }
    let read =
        runs[0].show("history(samples: 100000) events(samples: 100000) historyKeys historyLineCount").await;
    prop_assert_eq!(texts(&read["history"]), model.whole(0));
    prop_assert_eq!(texts(&read["events"]), model.whole(1));
    prop_assert_eq!(runs[0].console().await, model.whole(2));
    let counted = &read["historyKeys"]["keys"]["value"]["typeCounts"][0]["count"];
    prop_assert_eq!(counted.as_u64().unwrap_or_default(), model.whole(0).len() as u64);
    prop_assert_eq!(&read["historyLineCount"], &Value::from(model.whole(0).len()));
    Ok(())
}

backend_test!(what_any_writer_was_acknowledged_is_read_back_once, |app| {
    let config = Config { cases: 24, max_shrink_iters: 200, failure_persistence: None, ..Config::default() };
    let cases = Cell::new(0);
    let checked = TestRunner::new(config).run(&writes(), |writes| {
        cases.set(cases.get() + 1);
        block_in_place(|| Handle::current().block_on(check_one(app, cases.get(), &writes)))
    });
    checked.unwrap_or_else(|error| panic!("{error}"));
});
