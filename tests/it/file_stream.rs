//! What a run's writer streams: kept byte for byte, once, or refused with a reason.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::support::{CONSOLE, EVENTS, HISTORY, SUMMARY, backend_test};

fn rows(steps: std::ops::Range<u64>) -> Vec<String> {
    steps.map(|step| format!(r#"{{"_step":{step},"loss":{}}}"#, step * 10)).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

backend_test!(a_retry_of_the_same_offset_changes_nothing, |app| {
    let run = app.ada.run("demo", "r").await;
    run.log(HISTORY, 0, &rows(0..5)).await;
    let before = (run.snapshot().await, app.texts("SELECT CAST(id AS TEXT) FROM history_chunk").await);
    run.log(HISTORY, 0, &rows(0..5)).await;
    run.log(HISTORY, 2, &rows(2..4)).await;
    assert_eq!((run.snapshot().await, app.texts("SELECT CAST(id AS TEXT) FROM history_chunk").await), before);
    run.log(HISTORY, 3, &rows(3..8)).await;
    assert_eq!(run.history().await, rows(0..8));
});

backend_test!(lines_that_are_written_again_replace_the_old_ones, |app| {
    let run = app.ada.run("demo", "r").await;
    run.log(HISTORY, 0, &rows(0..6)).await;
    run.log(HISTORY, 2, &[r#"{"_step":2,"loss":"new"}"#]).await;
    let mut wanted = rows(0..6);
    wanted[2] = r#"{"_step":2,"loss":"new"}"#.into();
    assert_eq!(run.history().await, wanted);
    assert_eq!(run.field("historyLineCount").await, 6);
});

backend_test!(a_gap_is_refused_and_nothing_of_the_request_is_kept, |app| {
    let run = app.ada.run("demo", "r").await;
    run.log(HISTORY, 0, &rows(0..2)).await;
    for stream in [HISTORY, EVENTS] {
        let gap = json!({"files": {
            "output.log": {"offset": 0, "content": ["printed"]},
            stream: {"offset": 3, "content": ["{}"]},
            "wandb-summary.json": {"offset": 0, "content": ["{\"a\":1}"]},
        }});
        let refused = run.stream(&gap).await;
        assert_eq!(refused.outcome(), (400, "OFFSET_GAP".into()));
        let message = refused.json()["error"].as_str().unwrap().to_owned();
        assert!(message.contains(stream), "{message}");
    }
    assert_eq!(run.history().await, rows(0..2));
    assert_eq!(run.console().await, Vec::<String>::new());
    assert_eq!(run.field("summaryMetrics").await, "{}");
});

backend_test!(console_lines_are_overwritten_in_place_and_gaps_are_blank, |app| {
    let run = app.ada.run("demo", "r").await;
    run.log(CONSOLE, 0, &["loading", " 10%\r"]).await;
    run.log(CONSOLE, 1, &[" 90%"]).await;
    run.log(CONSOLE, 4, &["done"]).await;
    assert_eq!(run.console().await, ["loading", " 90%", "", "", "done"]);
    run.log(CONSOLE, 2, &["a\nb"]).await;
    assert_eq!(run.console().await, ["loading", " 90%", "a b", "", "done"]);
    assert_eq!(run.field("logLineCount").await, 5);
    let far = run.write(CONSOLE, 1 << 40, &["x"]).await;
    assert_eq!(far.outcome(), (400, "OFFSET_GAP".into()));
});

backend_test!(every_byte_of_a_line_is_kept, |app| {
    let run = app.ada.run("demo", "r").await;
    let lines = [
        r#"{"_step":0,"x":NaN,"y":-Infinity,"z":[Infinity]}"#,
        r#"{"_step": 1, "big":123456789012345678901234567890, "e":1.79e+09}"#,
        r#"{"_step":2,"nested":{"deep":{"é":"\u00e9","n":null}},"n":1.0}"#,
        r#"{"_step":2,"_step":3}"#,
    ];
    run.log(HISTORY, 0, &lines).await;
    assert_eq!(run.history().await, lines);
    run.log(CONSOLE, 0, &["tab\there", "  spaces  ", "carriage\r", "\u{1b}[31mred\u{1b}[0m", ""]).await;
    let printed = run.console().await;
    assert_eq!(printed, ["tab\there", "  spaces  ", "carriage\r", "\u{1b}[31mred\u{1b}[0m", ""]);
    let summary = r#"{"loss":NaN,"n":98765432109876543210}"#;
    run.log(SUMMARY, 0, &[summary]).await;
    assert_eq!(run.field("summaryMetrics").await, summary);
});

backend_test!(non_finite_numbers_are_quoted_where_a_json_value_is_asked_for, |app| {
    let run = app.ada.run("demo", "r").await;
    run.log(HISTORY, 0, &[r#"{"_step":0,"x":NaN}"#, r#"{"_step":1,"x":-Infinity}"#]).await;
    let sampled = run.field(r#"sampledHistory(specs: ["{\"keys\":[\"_step\",\"x\"]}"])"#).await;
    assert_eq!(sampled, json!([[{"_step": 0, "x": "NaN"}, {"_step": 1, "x": "-Infinity"}]]));
    assert_eq!(run.field("historyKeys").await["keys"]["x"]["previousValue"], "-Infinity");
});

backend_test!(the_last_summary_line_is_the_summary, |app| {
    let run = app.ada.run("demo", "r").await;
    run.log(SUMMARY, 0, &[r#"{"a":1,"b":2}"#, r#"{"a":3}"#]).await;
    assert_eq!(run.field("summaryMetrics").await, r#"{"a":3}"#);
    run.log(SUMMARY, 7, &[r#"{"c":1}"#]).await;
    assert_eq!(run.field("summaryMetrics").await, r#"{"c":1}"#);
    assert_eq!(app.ada.run_names("demo", json!({"summary_metrics.a": 3})).await, Vec::<String>::new());
});

backend_test!(the_last_line_of_system_metrics_is_shown, |app| {
    let run = app.ada.run("demo", "r").await;
    run.log(EVENTS, 0, &[r#"{"_wandb":true,"system.cpu":1.5}"#, r#"{"_wandb":true,"system.cpu":3.5}"#]).await;
    assert_eq!(run.field("systemMetrics").await, r#"{"system.cpu":3.5}"#);
    assert_eq!(run.field("events").await.as_array().unwrap().len(), 2);
});

backend_test!(gzip_is_undone, |app| {
    let run = app.ada.run("demo", "r").await;
    let body = json!({"files": {HISTORY: {"offset": 0, "content": rows(0..100)}}}).to_string();
    let answer = run.stream_bytes(gzip(body.as_bytes()), Some("gzip")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(run.history().await, rows(0..100));
    let broken = run.stream_bytes(body, Some("gzip")).await;
    assert_eq!(broken.outcome(), (400, "BODY_INVALID".into()));
});

backend_test!(a_body_of_20_mib_is_taken_and_one_beyond_the_limit_is_not, |app| {
    let run = app.ada.run("demo", "r").await;
    let wide: Vec<_> =
        (0..5).map(|step| json!({"_step": step, "blob": "x".repeat(4 << 20)}).to_string()).collect();
    run.log(HISTORY, 0, &wide).await;
    assert_eq!(run.history().await, wide);
    let too_much = run.stream_bytes(vec![b' '; 25 << 20], None).await;
    assert_eq!(too_much.outcome(), (413, "BODY_TOO_LARGE".into()));
    let bomb = run.stream_bytes(gzip(&vec![b' '; 25 << 20]), Some("gzip")).await;
    assert_eq!(bomb.outcome(), (413, "BODY_TOO_LARGE".into()));
});

backend_test!(bad_input_is_refused_with_its_code_and_leaves_nothing, |app| {
    let run = app.ada.run("demo", "r").await;
    let history = |content: Value| json!({"files": {HISTORY: {"offset": 0, "content": content}}}).to_string();
    let mut invalid_utf8 = history(json!(["{\"a\":\"x\"}"])).into_bytes();
    let x = invalid_utf8.iter().rposition(|byte| *byte == b'x').unwrap();
    invalid_utf8[x] = 0xff;
    for (body, code) in [
        (b"{".to_vec(), "BODY_INVALID"),
        (b"[]".to_vec(), "BODY_INVALID"),
        (invalid_utf8, "BODY_INVALID"),
        (history(json!([1])).into_bytes(), "BODY_INVALID"),
        (history(json!(["{}", "[1]"])).into_bytes(), "LINE_INVALID"),
        (history(json!(["{}", "nonsense"])).into_bytes(), "LINE_INVALID"),
        (history(json!(["x".repeat((10 << 20) + 1)])).into_bytes(), "LINE_TOO_LONG"),
        (
            json!({"files": {HISTORY: {"offset": u64::MAX, "content": ["{}"]}}}).to_string().into_bytes(),
            "OFFSET_INVALID",
        ),
        (
            json!({"files": {"passwd": {"offset": 0, "content": []}}}).to_string().into_bytes(),
            "STREAM_UNKNOWN",
        ),
        (
            json!({"files": {SUMMARY: {"offset": 0, "content": ["[]"]}}}).to_string().into_bytes(),
            "DOCUMENT_INVALID",
        ),
    ] {
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        let refused = run.stream_bytes(body, None).await;
        assert_eq!(refused.outcome(), (400, code.into()), "{shown}");
        assert!(!refused.json()["error"].as_str().unwrap().is_empty());
    }
    assert_eq!((app.rows("history_chunk").await, run.field("historyLineCount").await), (0, json!(0)));
});

backend_test!(fields_that_nobody_knows_are_ignored, |app| {
    let run = app.ada.run("demo", "r").await;
    let answer = run.stream(&json!({"dropped": 3, "uploaded": ["config.yaml"], "files": {}})).await;
    assert_eq!(answer.json(), json!({"exitcode": null, "limits": {}}));
});

backend_test!(lines_of_a_run_that_is_not_there_are_refused, |app| {
    let mut run = app.ada.run("demo", "r").await;
    run.name = "other".into();
    assert_eq!(run.write(HISTORY, 0, &["{}"]).await.outcome(), (404, "NOT_FOUND".into()));
});

backend_test!(many_writers_at_once_are_all_kept, |app| {
    let runs = futures_util::future::join_all((0..12).map(|n| {
        let name = format!("r{n}");
        async move { app.ada.run("demo", &name).await }
    }))
    .await;
    let lines = rows(0..3);
    for chunk in 0..5 {
        let writes = runs.iter().map(|run| run.log(HISTORY, chunk * 3, &lines));
        // One of them brings what cannot be stored; the others must not suffer.
        let spoiled = runs[0].write(EVENTS, 99, &["{}"]);
        let (_, refused) = tokio::join!(futures_util::future::join_all(writes), spoiled);
        assert_eq!(refused.status, 400);
    }
    for run in &runs {
        assert_eq!(run.history().await.len(), 15);
    }
});
