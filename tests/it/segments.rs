//! History at rest: what is read is what was logged, whether it lies in chunks, in segments, or in both.

use std::time::Duration;

use axum::http::Method;
use bytes::Bytes;
use counterweight_domain::history::{self, Merge};
use counterweight_domain::id::RunId;
use serde_json::{Value, json};

use crate::support::{HISTORY, SETTLE_AFTER, TestApp, TestRun, backend_test, texts};

/// Rows of every kind that a client logs.
const ROWS: &[&str] = &[
    r#"{"_step":0,"_timestamp":1.79e+09,"loss":1,"big":9007199254740993,"name":"a","ok":true}"#,
    r#"{"_step":1,"_timestamp":1.79e+09,"loss":0.5,"huge":123456789012345678901234567890,"a/b":2,"none":null}"#,
    r#"{"_step":2,"_timestamp":1.79e+09,"loss":NaN,"dict":{"v":1,"w":{"x":"deep"}},"changes":1}"#,
    r#"{"_step":5,"_timestamp":1.79e+09,"loss":-Infinity,"dict":{"v":2},"changes":"text","list":[1,[2]]}"#,
    r#"{"_step":6,"_timestamp":1.79e+09,"loss":1.0,"img":{"_type":"image-file","path":"p.png","size":3},"dict.v":7}"#,
    r#"{"_step":7,"_timestamp":1.79e+09,"h":{"_type":"histogram","values":[1,2],"bins":[0.5,1.5,2]},"a/b":3.5}"#,
];

const SPECS: &[&str] = &[
    r#"{"keys":["_step","loss"],"samples":500}"#,
    r#"{"keys":["_step","a/b"],"samples":500}"#,
    r#"{"keys":["big","_step"],"samples":500}"#,
    r#"{"keys":["_step","dict.v"],"samples":500}"#,
    r#"{"keys":["_step","dict.w.x"],"samples":500}"#,
    r#"{"keys":["_step","dict"],"samples":500}"#,
    r#"{"keys":["_step","img"],"samples":500}"#,
    r#"{"keys":["_step","img.path"],"samples":500}"#,
    r#"{"keys":["_step","h"],"samples":500}"#,
    r#"{"keys":["_step","changes"],"samples":500}"#,
    r#"{"keys":["_step","none"],"samples":500}"#,
    r#"{"keys":["_step","list","name"],"samples":500}"#,
    r#"{"keys":["_step","ok","name"],"samples":500}"#,
    r#"{"keys":["loss"],"samples":5,"minStep":1,"maxStep":5}"#,
    r#"{"keys":["_timestamp","loss"],"samples":500}"#,
    r#"{"keys":["missing"],"samples":500}"#,
];

fn sampled(specs: &[&str]) -> String {
    format!("sampledHistory(specs: {})", json!(specs))
}

/// All that can be read of a history.
async fn read(run: &TestRun) -> Value {
    let fields = "history(samples: 100000) few: history(samples: 3) middle: history(minStep: 1, maxStep: 6, samples: 5) \
                  historyTail historyKeys historyLineCount";
    run.show(&format!("{fields} {}", sampled(SPECS))).await
}

async fn settle(app: &TestApp, run: &TestRun) {
    run.complete(0).await;
    app.wait(SETTLE_AFTER).await;
}

async fn parquet(run: &TestRun) -> (Vec<String>, Value) {
    let found = run.field(r#"parquetHistory(liveKeys: ["_step"]) { parquetUrls liveData }"#).await;
    (texts(&found["parquetUrls"]), found["liveData"].clone())
}

fn rows(steps: std::ops::Range<u64>) -> Vec<String> {
    let row = |step: u64| {
        let at = f64::from(u32::try_from(step).unwrap());
        let mut row =
            json!({"_step": step, "loss": 1.0 / (at + 1.0), "count": step * 2, "_runtime": at / 8.0});
        if step.is_multiple_of(100) {
            row["rare"] = json!(step);
        }
        row.to_string()
    };
    steps.map(row).collect()
}

async fn log(run: &TestRun, from: u64, to: u64) {
    for start in (from..to).step_by(4000) {
        run.log(HISTORY, start, &rows(start..to.min(start + 4000))).await;
    }
}

backend_test!(every_kind_of_value_reads_the_same_at_rest, |app| {
    let run = app.ada.run("demo", "r").await;
    run.log(HISTORY, 0, ROWS).await;
    let live = read(&run).await;
    assert_eq!(texts(&live["history"]), ROWS);
    settle(app, &run).await;
    assert_eq!(app.number("SELECT COUNT(*) FROM history_chunk").await, 0);
    assert_eq!(app.number("SELECT COUNT(*) FROM history_segment").await, 1);
    assert_eq!(read(&run).await, live);
});

backend_test!(a_run_that_goes_on_is_read_from_files_and_live_lines_alike, |app| {
    let run = app.ada.run("demo", "r").await;
    run.log(HISTORY, 0, &rows(0..300)).await;
    settle(app, &run).await;
    run.log(HISTORY, 300, &rows(300..400)).await;
    assert_eq!(run.history().await, rows(0..400));
    let (urls, live) = parquet(&run).await;
    assert_eq!((urls.len(), live[0]["_step"].as_i64()), (0, Some(0)));
    settle(app, &run).await;
    assert_eq!(app.number("SELECT COUNT(*) FROM history_segment").await, 2);
    assert_eq!(run.history().await, rows(0..400));
});

backend_test!(lines_written_again_win_and_a_retry_changes_nothing, |app| {
    let run = app.ada.run("demo", "r").await;
    run.log(HISTORY, 0, &rows(0..300)).await;
    settle(app, &run).await;
    let keys = run.field("historyKeys").await;
    run.log(HISTORY, 100, &rows(100..300)).await;
    assert_eq!(app.number("SELECT COUNT(*) FROM history_chunk").await, 0);
    let (urls, _) = parquet(&run).await;
    assert_eq!(urls.len(), 1, "a retry takes no file away");
    let changed = [r#"{"_step":150,"loss":"NaN"}"#, r#"{"_step":151,"other":true}"#];
    run.log(HISTORY, 150, &changed).await;
    let mut wanted = rows(0..300);
    wanted[150..152].clone_from_slice(&changed.map(str::to_owned));
    assert_eq!(run.history().await, wanted);
    let counts = run.field("historyKeys").await["keys"].take();
    assert_eq!(counts["count"]["typeCounts"], json!([{"type": "number", "count": 298}]));
    assert_eq!(counts["other"]["typeCounts"], json!([{"type": "boolean", "count": 1}]));
    assert_ne!(counts, keys["keys"]);
    settle(app, &run).await;
    assert_eq!(app.number("SELECT COUNT(*) FROM history_chunk").await, 0);
    assert_eq!(run.history().await, wanted);
    // Clients keep the files they have by their place in the list, so a changed one is not handed out.
    assert_eq!(parquet(&run).await.0, Vec::<String>::new());
});

backend_test!(a_history_that_settled_is_handed_out_as_parquet, |app| {
    let run = app.ada.run("demo", "r").await;
    run.log(HISTORY, 0, &rows(0..50)).await;
    assert_eq!(parquet(&run).await.0.len(), 0);
    run.complete(0).await;
    app.wait(SETTLE_AFTER - Duration::from_secs(1)).await;
    assert_eq!(parquet(&run).await.0.len(), 0, "the run may still be resumed");
    app.wait(Duration::from_secs(1)).await;
    let (urls, live) = parquet(&run).await;
    assert_eq!((urls.len(), live), (1, json!([])));
    let whole = app.ada.fetch(Method::GET, &urls[0], Bytes::new()).await;
    assert_eq!(whole.status, 200);
    assert_eq!((&whole.body[..4], &whole.body[whole.body.len() - 4..]), (&b"PAR1"[..], &b"PAR1"[..]));
    let head = app.ada.fetch(Method::HEAD, &urls[0], Bytes::new()).await;
    assert_eq!(head.headers["content-length"], whole.body.len().to_string());
    run.delete().await;
    assert_eq!(app.ada.fetch(Method::GET, &urls[0], Bytes::new()).await.status, 404);
    run.change("restoreRun").await;
    assert_eq!(app.ada.fetch(Method::GET, &urls[0], Bytes::new()).await.status, 200);
    let project = app.ada.graphql("{ project(name: \"demo\") { id } }", ()).await["project"]["id"].take();
    app.ada.mutate("deleteModel", json!({"id": project}), "success").await;
    assert_eq!(app.ada.fetch(Method::GET, &urls[0], Bytes::new()).await.status, 404);
});

backend_test!(rows_that_a_file_would_change_are_not_handed_out_as_one, |app| {
    let run = app.ada.run("demo", "r").await;
    run.log(HISTORY, 0, &[r#"{"_step":0,"dict":{"a":1}}"#]).await;
    settle(app, &run).await;
    let (urls, live) = parquet(&run).await;
    assert_eq!((urls.len(), live), (0, json!([{"_step": 0}])));
});

backend_test!(a_long_history_is_merged_while_it_is_written, |app| {
    let run = app.ada.run("demo", "r").await;
    log(&run, 0, 20_000).await;
    app.run_jobs().await;
    assert!(app.number("SELECT COUNT(*) FROM history_segment").await > 0);
    assert!(app.number("SELECT COUNT(*) FROM history_chunk").await < 3);
    log(&run, 20_000, 21_000).await;
    assert_eq!(run.history().await, rows(0..21_000));
    let page = texts(&run.field("history(minStep: 9000, maxStep: 9010, samples: 10)").await);
    assert_eq!(page, rows(9000..9010));
    settle(app, &run).await;
    assert_eq!(run.history().await, rows(0..21_000));
    assert_eq!(app.number("SELECT COUNT(*) FROM history_segment").await, 1);
});

backend_test!(a_history_longer_than_a_merge_is_handed_out_whole, |app| {
    let run = app.ada.run("demo", "r").await;
    let short: Vec<String> = (0..280_000).map(|step| format!("{{\"_step\":{step}}}")).collect();
    for (number, lines) in (0..).zip(short.chunks(20_000)) {
        run.log(HISTORY, number * 20_000, lines).await;
    }
    let spec = sampled(&[r#"{"keys":["_step"],"samples":9}"#]);
    for phase in ["live", "merged", "settled"] {
        match phase {
            "merged" => app.run_jobs().await,
            "settled" => settle(app, &run).await,
            _ => {}
        }
        let shown = run.field(&spec).await;
        let steps: Vec<u64> =
            shown[0].as_array().unwrap().iter().map(|row| row["_step"].as_u64().unwrap()).collect();
        assert_eq!((steps.len(), steps[0], steps[8]), (9, 0, 279_999), "{phase}");
        assert!(steps.windows(2).all(|pair| (20_000..50_000).contains(&(pair[1] - pair[0]))), "{steps:?}");
    }
    assert_eq!(parquet(&run).await.0.len(), 2);
    assert_eq!(
        texts(&run.field("history(minStep: 262140, maxStep: 262150, samples: 10)").await),
        short[262_140..262_150]
    );
    assert_eq!(app.number("SELECT CAST(SUM(line_count) AS BIGINT) FROM history_segment").await, 280_000);
});

fn chart(rows: &Value) -> Vec<(u32, f64)> {
    let step = |row: &Value| u32::try_from(row["_step"].as_u64().unwrap()).unwrap();
    let point = |row: &Value| (step(row), row["loss"].as_f64().unwrap());
    rows.as_array().unwrap().iter().map(point).collect()
}

backend_test!(a_chart_of_a_long_history_shows_rows_that_were_logged, |app| {
    let run = app.ada.run("demo", "r").await;
    log(&run, 0, 20_000).await;
    let spec = sampled(&[
        r#"{"keys":["_step","loss"],"samples":10}"#,
        r#"{"keys":["_step","rare","_runtime"],"samples":10}"#,
    ]);
    for phase in ["live", "merged", "merged and live", "settled"] {
        match phase {
            "merged" => app.run_jobs().await,
            "merged and live" => log(&run, 20_000, 21_000).await,
            "settled" => settle(app, &run).await,
            _ => {}
        }
        let last = if matches!(phase, "live" | "merged") { 19_999 } else { 20_999 };
        let shown = run.field(&spec).await;
        let points = chart(&shown[0]);
        assert_eq!(points.len(), 10, "{phase}");
        assert_eq!((points[0].0, points[9].0), (0, last), "{phase}");
        for window in points.windows(2) {
            let gap = window[1].0 - window[0].0;
            assert!((1000..=4100).contains(&gap), "{phase}: {points:?}");
        }
        for (step, loss) in points {
            assert!((loss - 1.0 / (f64::from(step) + 1.0)).abs() < f64::EPSILON, "{phase}: {step}");
        }
        for row in shown[1].as_array().unwrap() {
            assert_eq!(row["rare"], row["_step"]);
            let of_runtime = row["_runtime"].as_f64().unwrap() * 8.0 - row["_step"].as_f64().unwrap();
            assert!(of_runtime.abs() < f64::EPSILON);
        }
        assert_eq!(shown[1][0]["_step"], 0);
    }
});

backend_test!(a_deleted_run_takes_its_segments_along, |app| {
    let run = app.ada.run("demo", "r").await;
    run.log(HISTORY, 0, ROWS).await;
    settle(app, &run).await;
    let before = run.snapshot().await;
    run.delete().await;
    run.change("restoreRun").await;
    assert_eq!(run.snapshot().await, before);
    run.delete().await;
    app.wait(crate::support::TRASH).await;
    app.collect().await;
    for table in ["history_segment", "history_rollup", "blob"] {
        assert_eq!(app.number(&format!("SELECT COUNT(*) FROM {table}")).await, 0, "{table}");
    }
});

backend_test!(a_merge_of_a_run_that_is_gone_does_nothing, |app| {
    let merged = history::merge(&app.db, &app.blobs, RunId(4711)).await.unwrap();
    assert_eq!(merged, Merge::Nothing);
});

backend_test!(lines_written_many_times_over_are_merged_once, |app| {
    let run = app.ada.run("demo", "r").await;
    run.log(HISTORY, 0, &rows(0..2)).await;
    for number in 0..600 {
        run.log(HISTORY, 1, &[json!({"_step": 1, "number": number}).to_string()]).await;
    }
    app.run_jobs().await;
    assert_eq!(run.history().await[1], r#"{"_step":1,"number":599}"#);
    assert_eq!(app.number("SELECT COUNT(*) FROM history_chunk").await, 0);
    assert_eq!(app.number("SELECT live_chunks + live_bytes FROM history_stream WHERE stream = 1").await, 0);
});

backend_test!(a_run_that_comes_back_from_the_trash_settles_too, |app| {
    let run = app.ada.run("demo", "r").await;
    run.log(HISTORY, 0, &rows(0..50)).await;
    run.complete(0).await;
    run.delete().await;
    app.wait(SETTLE_AFTER).await;
    run.change("restoreRun").await;
    app.run_jobs().await;
    assert_eq!(parquet(&run).await.0.len(), 1);
});
