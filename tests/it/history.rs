//! Reading back what was logged.

use counterweight_domain::history::{Reader, RowBudget, SampleSpec, StepRange, Stream};
use counterweight_domain::id::RunId;
use serde_json::{Value, json};

use crate::support::{CONSOLE, EVENTS, HISTORY, TestRun, backend_test, texts};

/// Logs `steps`, each with the step, its square, and every third with a key of its own.
async fn log_steps(run: &TestRun, steps: impl Iterator<Item = i64>) {
    let row = |step: i64| match step % 3 {
        0 => json!({"_step": step, "square": step * step, "third": {"deep": step}}),
        _ => json!({"_step": step, "square": step * step}),
    };
    let lines: Vec<_> = steps.map(|step| row(step).to_string()).collect();
    run.log(HISTORY, 0, &lines).await;
}

fn steps(rows: &Value) -> Vec<i64> {
    let step = |row: &Value| match row {
        Value::String(line) => serde_json::from_str::<Value>(line).unwrap()["_step"].as_i64().unwrap(),
        row => row["_step"].as_i64().unwrap(),
    };
    rows.as_array().unwrap().iter().map(step).collect()
}

async fn sampled(run: &TestRun, spec: Value) -> Value {
    let rows = run.field(&format!("sampledHistory(specs: [{}])", json!(spec.to_string()))).await;
    rows[0].clone()
}

backend_test!(few_rows_come_whole_and_many_come_sampled_with_both_ends, |app| {
    let run = app.ada.run("demo", "r").await;
    assert_eq!(run.field("history").await, json!([]));
    log_steps(&run, 0..1000).await;
    assert_eq!(steps(&run.field("history(samples: 1000)").await), (0..1000).collect::<Vec<_>>());
    for (field, wanted) in [("history", 500), ("history(samples: 7)", 7)] {
        let chosen = steps(&run.field(field).await);
        assert_eq!((chosen.len(), chosen[0], *chosen.last().unwrap()), (wanted, 0, 999));
        assert!(chosen.is_sorted());
    }
});

backend_test!(a_page_of_history_begins_at_its_first_step_and_ends_before_its_last, |app| {
    let run = app.ada.run("demo", "r").await;
    log_steps(&run, (0..20).step_by(2)).await;
    let page = |min: i64, max: i64| format!("history(minStep: {min}, maxStep: {max}, samples: 100)");
    assert_eq!(steps(&run.field(&page(4, 10)).await), [4, 6, 8]);
    assert_eq!(steps(&run.field(&page(5, 6)).await), Vec::<i64>::new());
    assert_eq!(steps(&run.field(&page(18, 1000)).await), [18]);
    assert_eq!(steps(&run.field("history(minStep: 15)").await), [16, 18]);
    assert_eq!(steps(&run.field("history(maxStep: 2)").await), [0]);
    let mut seen = Vec::new();
    for start in (0..20).step_by(3) {
        seen.extend(steps(&run.field(&page(start, start + 3)).await));
    }
    assert_eq!(seen, (0..20).step_by(2).collect::<Vec<_>>(), "windows visit every row once");
});

backend_test!(a_page_of_chosen_keys_holds_its_last_step_too, |app| {
    let run = app.ada.run("demo", "r").await;
    log_steps(&run, 0..20).await;
    let rows = sampled(
        &run,
        json!({"keys": ["square", "_step", "_step"], "minStep": 4, "maxStep": 7, "samples": 10}),
    )
    .await;
    assert_eq!(rows, json!([4, 5, 6, 7].map(|step| json!({"square": step * step, "_step": step}))));
});

backend_test!(rows_without_all_keys_are_left_out, |app| {
    let run = app.ada.run("demo", "r").await;
    log_steps(&run, 0..10).await;
    let rows = sampled(&run, json!({"keys": ["_step", "third.deep"]})).await;
    assert_eq!(rows, json!([0, 3, 6, 9].map(|step| json!({"_step": step, "third.deep": step}))));
    assert_eq!(sampled(&run, json!({"keys": ["nothing"]})).await, json!([]));
    let two = run
        .field(r#"sampledHistory(specs: ["{\"keys\":[\"_step\"],\"samples\":2}", "{\"keys\":[\"x\"]}"])"#)
        .await;
    assert_eq!(two, json!([[{"_step": 0}, {"_step": 9}], []]));
    assert_eq!(sampled(&run, json!({})).await, json!([]), "as the client asks for a sweep's runs");
    for bad in ["{", "[]", r#"{"keys":"a"}"#] {
        assert_eq!(
            run.refusal(&format!("sampledHistory(specs: [{}])", json!(bad))).await.code,
            "SPEC_INVALID"
        );
    }
});

backend_test!(a_chart_is_sorted_by_its_first_key, |app| {
    let run = app.ada.run("demo", "r").await;
    run.log(HISTORY, 0, &[r#"{"_step":0,"x":3}"#, r#"{"_step":1,"x":1}"#, r#"{"_step":2,"x":2}"#]).await;
    let rows = sampled(&run, json!({"keys": ["x", "_step"]})).await;
    assert_eq!(steps(&rows), [1, 2, 0]);
});

backend_test!(keys_are_counted_with_their_types_and_last_values, |app| {
    let run = app.ada.run("demo", "r").await;
    assert_eq!(run.field("historyKeys").await, Value::Null);
    run.log(HISTORY, 0, &[r#"{"_step":0,"loss":1.5,"m":{"_type":"image-file","path":"x"}}"#]).await;
    run.log(HISTORY, 1, &[r#"{"_step":15.0,"loss":"NaN","dict":{"val1":true}}"#]).await;
    let keys = run.field("historyKeys").await;
    assert_eq!(keys["lastStep"], 15);
    assert_eq!(
        keys["keys"]["loss"],
        json!({"previousValue": "NaN", "typeCounts": [{"type": "number", "count": 2}]})
    );
    assert_eq!(keys["keys"]["dict.val1"]["typeCounts"], json!([{"type": "boolean", "count": 1}]));
    assert_eq!(keys["keys"]["m"]["typeCounts"], json!([{"type": "image-file", "count": 1}]));
    let found = app.ada.run_names("demo", json!({"keys_info.keys.dict.val1": {"$exists": true}})).await;
    assert_eq!(found, ["r"]);
});

backend_test!(an_answer_that_would_fill_the_memory_is_refused, |app| {
    let run = app.ada.run("demo", "r").await;
    log_steps(&run, 0..100).await;
    let id = RunId::from_node_id(&run.id).unwrap();
    let everything = StepRange::default();
    let reader = Reader::new(app.db.clone(), app.blobs.clone());
    let rows = async |samples: usize, bytes: usize| {
        let budget = RowBudget::new(bytes);
        let found = reader.rows(id, Stream::History, everything, samples, &budget).await;
        found.map(|rows| rows.len()).map_err(|error| error.code())
    };
    assert_eq!(rows(100, 10_000).await, Ok(100));
    assert_eq!(rows(100, 1000).await, Err("RESULT_TOO_LARGE"));
    assert_eq!(rows(5, 1000).await, Ok(5));
    let spec = SampleSpec { keys: vec!["square".into()], samples: 100, range: everything };
    let budget = RowBudget::new(8000);
    assert_eq!(reader.sampled(&[id], &spec, &budget).await.unwrap()[&id].rows().count(), 100);
    let refused = reader.sampled(&[id], &spec, &budget).await.unwrap_err();
    assert_eq!(refused.code(), "RESULT_TOO_LARGE");
    assert!(refused.to_string().contains("fewer samples"), "{refused}");
});

backend_test!(a_config_with_a_bare_nan_is_resumed, |app| {
    let config =
        r#"{"lr":{"value":NaN},"_wandb":{"desc":null,"value":{"t":{"1":[1,NaN]},"m":[],"x":"NaN"}}}"#;
    let run = app.ada.run_with("demo", "r", json!({"config": config})).await;
    assert_eq!(run.field("config").await, config);
    assert_eq!(run.field(r#"wandbConfig(keys: ["t"])"#).await, r#"{"t":{"1":[1,NaN]}}"#);
    assert_eq!(run.field("wandbConfig").await, r#"{"t":{"1":[1,NaN]},"m":[],"x":"NaN"}"#);
    run.log(EVENTS, 0, &[r#"{"_wandb":true,"system.cpu":NaN,"system.gpu":"NaN","_runtime":1.0}"#]).await;
    let metrics = r#"{"system.cpu":NaN,"system.gpu":"NaN","_runtime":1.0}"#;
    assert_eq!(run.field("systemMetrics").await, metrics);
});

backend_test!(a_resuming_client_finds_tails_and_counts, |app| {
    const RESUME: &str =
        "historyTail eventsTail historyLineCount eventsLineCount logLineCount config summaryMetrics";
    let run = app.ada.run("demo", "r").await;
    assert_eq!(
        run.show(RESUME).await,
        json!({"historyTail": "[]", "eventsTail": "[]", "historyLineCount": 0, "eventsLineCount": 0,
               "logLineCount": 0, "config": "{}", "summaryMetrics": "{}"})
    );
    log_steps(&run, 0..10).await;
    run.log(EVENTS, 0, &[r#"{"_runtime":1}"#, r#"{"_runtime":2}"#]).await;
    run.log(CONSOLE, 0, &["one"]).await;
    let tails = run.show(RESUME).await;
    let tail: Vec<String> = serde_json::from_str(tails["historyTail"].as_str().unwrap()).unwrap();
    assert_eq!(serde_json::from_str::<Value>(tail.last().unwrap()).unwrap()["_step"], 9);
    assert_eq!(tails["eventsTail"], r#"["{\"_runtime\":2}"]"#);
    assert_eq!([&tails["historyLineCount"], &tails["eventsLineCount"], &tails["logLineCount"]], [10, 2, 1]);
});

backend_test!(everything_is_live, |app| {
    let run = app.ada.run("demo", "r").await;
    let ask = r#"parquetHistory(liveKeys: ["_step"]) { parquetUrls liveData }"#;
    assert_eq!(run.field(ask).await, json!({"parquetUrls": [], "liveData": []}));
    log_steps(&run, 5..50).await;
    assert_eq!(run.field(ask).await, json!({"parquetUrls": [], "liveData": [{"_step": 5}, {"_step": 49}]}));
});

backend_test!(console_lines_are_taken_apart, |app| {
    let run = app.ada.run("demo", "r").await;
    let stamp = "2026-01-01T00:00:00.123456";
    run.log(
        CONSOLE,
        0,
        &[
            format!("{stamp} step 1"),
            format!("ERROR {stamp} boom"),
            json!({"level": "error", "ts": stamp, "label": "w1", "content": "structured"}).to_string(),
            "{not json".to_owned(),
        ],
    )
    .await;
    let lines =
        run.field("logLines(first: 10) { edges { node { number timestamp level label line } } }").await;
    let line = |number: i32, timestamp: Value, level: Value, label: Value, line: &str| json!({"node": {"number": number, "timestamp": timestamp, "level": level, "label": label, "line": line}});
    assert_eq!(
        lines["edges"],
        json!([
            line(0, json!(stamp), Value::Null, Value::Null, "step 1"),
            line(1, json!(stamp), json!("error"), Value::Null, "boom"),
            line(2, json!(stamp), json!("error"), json!("w1"), "structured"),
            line(3, Value::Null, Value::Null, Value::Null, "{not json"),
        ])
    );
});

backend_test!(console_lines_are_paged_from_either_end, |app| {
    let run = app.ada.run("demo", "r").await;
    let printed: Vec<_> = (0..25).map(|n| format!("line {n}")).collect();
    run.log(CONSOLE, 0, &printed).await;
    let mut seen = Vec::new();
    let mut after = Value::Null;
    loop {
        let field = format!(
            "logLines(first: 10, after: {after}) {{ edges {{ node {{ line }} }} pageInfo {{ endCursor hasNextPage }} }}"
        );
        let page = run.field(&field).await;
        seen.extend(page["edges"].as_array().unwrap().iter().map(|edge| edge["node"]["line"].clone()));
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    assert_eq!(texts(&seen.into()), printed);
    let last = run.field("logLines(last: 3) { edges { node { number } } }").await;
    let numbers: Vec<_> =
        last["edges"].as_array().unwrap().iter().map(|edge| &edge["node"]["number"]).collect();
    assert_eq!(numbers, [22, 23, 24]);
});

backend_test!(a_long_run_is_read_across_its_chunks, |app| {
    let run = app.ada.run("demo", "r").await;
    log_steps(&run, 0..10_000).await;
    assert_eq!(
        steps(&run.field("history(minStep: 4090, maxStep: 4100)").await),
        (4090..4100).collect::<Vec<_>>()
    );
    assert_eq!(steps(&run.field("history(minStep: 9999)").await), [9999]);
    assert_eq!(run.field("historyLineCount").await, 10_000);
});

backend_test!(a_line_that_is_written_again_counts_once, |app| {
    let run = app.ada.run("demo", "r").await;
    run.log(HISTORY, 0, &[r#"{"_step":0,"a":1}"#, r#"{"_step":1,"a":"x"}"#]).await;
    run.log(HISTORY, 1, &[r#"{"_step":1,"a":2}"#, r#"{"_step":2,"a":3}"#]).await;
    run.log(HISTORY, 0, &[r#"{"_step":0,"a":1}"#, r#"{"_step":1,"a":2}"#, r#"{"_step":2,"a":3}"#]).await;
    let key = run.field("historyKeys").await["keys"]["a"].clone();
    assert_eq!(key, json!({"typeCounts": [{"type": "number", "count": 3}], "previousValue": 3}));
});

backend_test!(a_scan_finds_every_row_of_a_step_that_was_logged_twice, |app| {
    let run = app.ada.run("demo", "r").await;
    let rows: Vec<String> =
        [0, 1, 2, 1, 2, 3].map(|step| json!({"_step": step, "x": step}).to_string()).into();
    run.log(HISTORY, 0, &rows).await;
    let page = texts(&run.field("history(minStep: 1, maxStep: 3, samples: 2)").await);
    assert_eq!(page, rows[1..5]);
    let spec = r#"sampledHistory(specs: ["{\"keys\":[\"x\"],\"minStep\":1,\"maxStep\":3,\"samples\":2}"])"#;
    assert_eq!(run.field(spec).await, json!([[{"x": 1}, {"x": 2}, {"x": 1}, {"x": 2}]]));
});
