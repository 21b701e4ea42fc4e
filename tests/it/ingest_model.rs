//! Whatever a writer sends, in whatever pieces and however often: what is read back is what a simple model keeps.

use std::cell::Cell;
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::support::{CONSOLE, EVENTS, HISTORY, SETTLE_AFTER, TestApp, TestRun, backend_test, texts};

const STREAMS: [&str; 3] = [HISTORY, EVENTS, CONSOLE];

/// One request: for each stream it may bring lines, from a number that is `back` before the end, or beyond it.
#[derive(Clone, Debug)]
struct Write {
    parts: Vec<Part>,
    times: u8,
    /// Whether the run then ends, and its history settles into files, before it goes on.
    settles: bool,
}

#[derive(Clone, Debug)]
struct Part {
    stream: usize,
    back: i64,
    lines: Vec<u8>,
}

fn writes() -> impl Strategy<Value = Vec<Write>> {
    let lines = prop_oneof![
        4 => prop::collection::vec(0_u8..4, 0..6),
        1 => prop::collection::vec(0_u8..4, 300),
    ];
    let part = (0..STREAMS.len(), prop_oneof![3 => Just(0_i64), 4 => 0_i64..12, 1 => -4_i64..0], lines)
        .prop_map(|(stream, back, lines)| Part { stream, back, lines });
    let times = prop_oneof![3 => Just(1_u8), 1 => 2_u8..4];
    let write = (prop::collection::vec(part, 1..3), times, prop::bool::weighted(0.3))
        .prop_map(|(parts, times, settles)| Write { parts, times, settles });
    prop::collection::vec(write, 1..14)
}

/// The lines of each stream; of the console, those that were written.
#[derive(Default)]
struct Model {
    lines: [BTreeMap<i64, String>; 3],
}

impl Model {
    fn count(&self, stream: usize) -> i64 {
        self.lines[stream].last_key_value().map_or(0, |(last, _)| last + 1)
    }

    /// What `write` means now: the offset and the text of each part.
    fn concrete(&self, write: &Write, salt: usize) -> BTreeMap<usize, (i64, Vec<String>)> {
        let part = |part: &Part| {
            let offset = (self.count(part.stream) - part.back).max(0);
            let line = |(index, letter): (usize, &u8)| {
                match STREAMS[part.stream] {
                CONSOLE => format!("line {letter} {salt}"),
                _ => json!({"_step": offset + i64::try_from(index).unwrap(), "value": letter, "salt": salt % 3}).to_string(),
            }
            };
            (part.stream, (offset, part.lines.iter().enumerate().map(line).collect()))
        };
        write.parts.iter().map(part).collect()
    }

    /// Whether the request is taken; if so, takes it.
    fn take(&mut self, parts: &BTreeMap<usize, (i64, Vec<String>)>) -> bool {
        let leaves_gap = |(stream, (offset, lines)): (&usize, &(i64, Vec<String>))| {
            STREAMS[*stream] != CONSOLE && !lines.is_empty() && *offset > self.count(*stream)
        };
        if parts.iter().any(leaves_gap) {
            return false;
        }
        for (stream, (offset, lines)) in parts {
            self.lines[*stream].extend((*offset..).zip(lines.iter().cloned()));
        }
        true
    }

    fn whole(&self, stream: usize) -> Vec<String> {
        (0..self.count(stream)).map(|n| self.lines[stream].get(&n).cloned().unwrap_or_default()).collect()
    }
}

async fn send(run: &TestRun, parts: &BTreeMap<usize, (i64, Vec<String>)>) -> (u16, String) {
    let files: serde_json::Map<String, Value> = parts
        .iter()
        .map(|(stream, (offset, lines))| {
            (STREAMS[*stream].to_owned(), json!({"offset": offset, "content": lines}))
        })
        .collect();
    run.stream(&json!({ "files": files })).await.outcome()
}

async fn check_one(app: &TestApp, case: usize, writes: &[Write]) -> Result<(), TestCaseError> {
    let run = app.ada.run("demo", &format!("r{case}")).await;
    let mut model = Model::default();
    for (salt, write) in writes.iter().enumerate() {
        let parts = model.concrete(write, salt);
        let taken = model.take(&parts);
        let wanted = if taken { (200, String::new()) } else { (400, "OFFSET_GAP".to_owned()) };
        for _ in 0..write.times {
            prop_assert_eq!(send(&run, &parts).await, wanted.clone());
        }
        if write.settles {
            run.complete(0).await;
            app.wait(SETTLE_AFTER).await;
        }
    }
    let specs =
        r#"sampledHistory(specs: ["{\"keys\":[\"_step\",\"value\"],\"samples\":100000}"]) historyKeys"#;
    let cut = run.show(specs).await;
    let rows = model.whole(0).into_iter().map(|line| {
        let row: Value = serde_json::from_str(&line).unwrap();
        json!({"_step": row["_step"], "value": row["value"]})
    });
    prop_assert_eq!(cut["sampledHistory"][0].clone(), Value::Array(rows.collect()));
    let counted = &cut["historyKeys"]["keys"]["value"]["typeCounts"][0]["count"];
    prop_assert_eq!(counted.as_i64().unwrap_or_default(), model.count(0));
    let read = run
        .show(
            "history(samples: 100000) events(samples: 100000) historyLineCount eventsLineCount logLineCount \
               logLines(first: 1000) { edges { node { line number } } }",
        )
        .await;
    prop_assert_eq!(texts(&read["history"]), model.whole(0));
    prop_assert_eq!(texts(&read["events"]), model.whole(1));
    let console: Vec<_> =
        read["logLines"]["edges"].as_array().unwrap().iter().map(|edge| &edge["node"]).collect();
    let printed: Vec<_> = console.iter().map(|node| node["line"].as_str().unwrap().to_owned()).collect();
    let first_thousand = |lines: Vec<String>| lines.into_iter().take(1000).collect::<Vec<_>>();
    prop_assert_eq!(printed, first_thousand(model.whole(2)));
    let counts =
        ["historyLineCount", "eventsLineCount", "logLineCount"].map(|field| read[field].as_i64().unwrap());
    prop_assert_eq!(counts, [0, 1, 2].map(|stream| model.count(stream)));
    Ok(())
}

backend_test!(what_was_acknowledged_is_read_back_once, |app| {
    let config = Config { cases: 24, max_shrink_iters: 200, failure_persistence: None, ..Config::default() };
    let cases = Cell::new(0);
    let checked = TestRunner::new(config).run(&writes(), |writes| {
        cases.set(cases.get() + 1);
        block_in_place(|| Handle::current().block_on(check_one(app, cases.get(), &writes)))
    });
    checked.unwrap_or_else(|error| panic!("{error}"));
});
