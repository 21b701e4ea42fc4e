//! Charts of many runs: what buckets say is what a plain computation on the rows says.

use std::cell::Cell;
use std::fmt::Write as _;

use axum::http::Method;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::support::{HISTORY, SETTLE_AFTER, TestApp, TestRun, backend_test};

/// Keys that hold numbers and nothing else, or nothing at all.
const NUMBERS: &[&str] = &["loss", "rare", "gone", "dict.v", "nowhere"];
/// And one that holds texts as well, so that everything is read row by row.
const MIXED: &[&str] = &["loss", "mixed"];

/// A row whose values are made of a step and a number: bare `NaN` and the like, nulls, texts, and keys that come and go.
fn row(step: u64, salt: u64) -> String {
    let drawn = (step * 7919 + salt * 104_729) % 1009;
    let loss = match drawn % 11 {
        0 => "NaN".to_owned(),
        1 => "-Infinity".to_owned(),
        _ => format!("{}.25", drawn % 100),
    };
    let runtime = f64::from(u32::try_from(step).unwrap()) / 8.0;
    let mut row = format!(r#"{{"_step":{step},"_runtime":{runtime},"loss":{loss},"dict":{{"v":{drawn}}}"#);
    if step.is_multiple_of(7) {
        write!(row, r#","rare":{step}"#).unwrap();
    }
    row += if drawn.is_multiple_of(5) { r#","gone":null"# } else { r#","gone":1"# };
    row += if drawn.is_multiple_of(13) { r#","mixed":"text"}"# } else { r#","mixed":-3}"# };
    row
}

fn number(value: Option<&Value>) -> Option<f64> {
    match value?.as_str() {
        Some("NaN") => Some(f64::NAN),
        Some("-Infinity") => Some(f64::NEG_INFINITY),
        _ => value?.as_f64(),
    }
}

/// The points of each key over an axis, in the order of the rows.
fn points(rows: &[String], asked: &Ask) -> Vec<Vec<(f64, f64)>> {
    let parse = |row: &String| -> Value {
        let quoted = row.replace("NaN", "\"NaN\"").replace("-Infinity", "\"-Infinity\"");
        serde_json::from_str(&quoted).unwrap()
    };
    let rows: Vec<Value> = rows.iter().map(parse).collect();
    let value = |row: &Value, key: &str| match key.split_once('.') {
        Some((group, member)) => number(row.get(group)?.get(member)),
        None => number(row.get(key)),
    };
    let of_key =
        |key: &&str| rows.iter().filter_map(|row| value(row, asked.axis).zip(value(row, key))).collect();
    asked.keys.iter().map(of_key).collect()
}

#[derive(Clone, Debug)]
struct Ask {
    keys: &'static [&'static str],
    axis: &'static str,
    min: Option<f64>,
    max: Option<f64>,
    buckets: usize,
}

impl Ask {
    fn field(&self) -> String {
        let Self { keys, axis, min, max, buckets } = self;
        let bound =
            |name: &str, bound: &Option<f64>| bound.map_or(String::new(), |at| format!(", {name}: {at}"));
        format!(
            "historyBuckets(keys: {}, xAxis: {axis:?}, buckets: {buckets}{}{}) \
             {{ key xMin xMax count nonFinite min max mean first last }}",
            json!(keys),
            bound("min", min),
            bound("max", max),
        )
    }

    fn wants(&self, x: f64) -> bool {
        self.min.is_none_or(|min| x >= min) && self.max.is_none_or(|max| x < max)
    }
}

async fn ask(run: &TestRun, ask: &Ask) -> Vec<Value> {
    run.field(&ask.field()).await.as_array().unwrap().clone()
}

fn list(series: &Value, name: &str) -> Vec<Option<f64>> {
    series[name].as_array().unwrap().iter().map(Value::as_f64).collect()
}

/// What a bucket must say that has these values.
fn computed(values: &[f64]) -> [Option<f64>; 7] {
    let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    let number = |count: usize| Some(f64::from(u32::try_from(count).unwrap()));
    let shown = |value: Option<&f64>| value.copied().filter(|value| value.is_finite());
    [
        number(values.len()),
        number(values.len() - finite.len()),
        finite.iter().copied().reduce(f64::min),
        finite.iter().copied().reduce(f64::max),
        (!finite.is_empty()).then(|| finite.iter().sum::<f64>() / number(finite.len()).unwrap()),
        shown(values.first()),
        shown(values.last()),
    ]
}

fn agree(one: Option<f64>, other: Option<f64>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => (one - other).abs() <= 1e-9 * one.abs().max(1.0),
        (one, other) => one == other,
    }
}

/// Holds an answer against the rows, whose x ascend.
fn check(rows: &[String], asked: &Ask, series: &[Value]) -> Result<(), TestCaseError> {
    for ((key, points), series) in asked.keys.iter().zip(points(rows, asked)).zip(series) {
        prop_assert_eq!(&series["key"], key);
        let (least, greatest) = (list(series, "xMin"), list(series, "xMax"));
        prop_assert!(least.len() <= asked.buckets);
        let mut seen = 0;
        let mut end = f64::NEG_INFINITY;
        for (number, (least, greatest)) in least.iter().zip(&greatest).enumerate() {
            let (least, greatest) = (least.unwrap(), greatest.unwrap());
            prop_assert!(end < least && least <= greatest, "{}: {:?}", key, series);
            end = greatest;
            let start = points.partition_point(|(x, _)| *x < least);
            let inside = &points[start..points.partition_point(|(x, _)| *x <= greatest)];
            let values: Vec<f64> = inside.iter().map(|(_, value)| *value).collect();
            let names = ["count", "nonFinite", "min", "max", "mean", "first", "last"];
            for (name, wanted) in names.into_iter().zip(computed(&values)) {
                let said = list(series, name)[number];
                prop_assert!(agree(said, wanted), "{} of {}: {:?}, not {:?}", name, key, said, wanted);
            }
            seen += inside.iter().filter(|(x, _)| asked.wants(*x)).count();
        }
        let wanted = points.iter().filter(|(x, _)| asked.wants(*x)).count();
        prop_assert_eq!(seen, wanted, "wanted values of {}", key);
    }
    Ok(())
}

/// What happens to a run between two questions.
#[derive(Clone, Debug)]
enum Event {
    Append(u64),
    Rewrite { back: u64, lines: u64 },
    Settle,
    Work,
    Rewind(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => (1_u64..700).prop_map(Event::Append),
        2 => (0_u64..900, 1_u64..40).prop_map(|(back, lines)| Event::Rewrite { back, lines }),
        2 => Just(Event::Settle),
        1 => Just(Event::Work),
        1 => (0_u64..1500).prop_map(Event::Rewind),
    ];
    prop::collection::vec(event, 1..9)
}

fn asks() -> impl Strategy<Value = Vec<Ask>> {
    let axis = prop_oneof![3 => Just("_step"), 2 => Just("_runtime"), 1 => Just("rare")];
    let keys = prop_oneof![4 => Just(NUMBERS), 1 => Just(MIXED)];
    let range = (prop::option::of(0_u32..1500), prop::option::of(1_u32..800));
    let ask = (keys, axis, range, 1_usize..20).prop_map(|(keys, axis, (min, width), buckets)| {
        let scale = if axis == "_runtime" { 8.0 } else { 1.0 };
        let max = width.map(|width| f64::from(min.unwrap_or_default() + width) / scale);
        Ask { keys, axis, min: min.map(|min| f64::from(min) / scale), max, buckets }
    });
    prop::collection::vec(ask, 1..4)
}

async fn happen(app: &TestApp, run: &TestRun, rows: &mut Vec<String>, salt: u64, event: &Event) {
    let have = rows.len() as u64;
    match event {
        Event::Append(lines) => {
            let new: Vec<_> = (have..have + lines).map(|step| row(step, salt)).collect();
            run.log(HISTORY, have, &new).await;
            rows.extend(new);
        }
        Event::Rewrite { back, lines } if have > 0 => {
            let start = have.saturating_sub(*back).min(have - 1);
            let end = (start + lines).min(have);
            let new: Vec<_> = (start..end).map(|step| row(step, salt)).collect();
            run.log(HISTORY, start, &new).await;
            for (step, row) in (start..).zip(new) {
                rows[usize::try_from(step).unwrap()] = row;
            }
        }
        Event::Rewrite { .. } => {}
        Event::Settle => {
            run.complete(0).await;
            app.wait(SETTLE_AFTER).await;
        }
        Event::Work => app.run_jobs().await,
        Event::Rewind(step) => {
            let input = json!({"entityName": "ada", "projectName": "demo", "runName": run.name,
                "metricName": "_step", "metricValue": step});
            app.ada.mutate("rewindRun", input, "rewoundRun { id }").await;
            rows.truncate(usize::try_from(*step).unwrap() + 1);
        }
    }
}

async fn check_one(app: &TestApp, case: usize, events: &[Event], asks: &[Ask]) -> Result<(), TestCaseError> {
    let run = app.ada.run("demo", &format!("r{case}")).await;
    let mut rows = Vec::new();
    for (salt, event) in (0..).zip(events) {
        happen(app, &run, &mut rows, salt, event).await;
        for asked in asks {
            check(&rows, asked, &ask(&run, asked).await)?;
        }
    }
    Ok(())
}

backend_test!(buckets_say_what_the_rows_say, |app| {
    let config = Config { cases: 24, max_shrink_iters: 200, failure_persistence: None, ..Config::default() };
    let cases = Cell::new(0);
    let checked = TestRunner::new(config).run(&(events(), asks()), |(events, asks)| {
        cases.set(cases.get() + 1);
        block_in_place(|| Handle::current().block_on(check_one(app, cases.get(), &events, &asks)))
    });
    checked.unwrap_or_else(|error| panic!("{error}"));
});

backend_test!(lines_that_a_file_no_longer_has_are_not_counted, |app| {
    let run = app.ada.run("demo", "r").await;
    let mut rows = Vec::new();
    for (salt, event) in (1..).zip([
        Event::Append(900),
        Event::Settle,
        Event::Rewrite { back: 500, lines: 30 },
        Event::Work,
        Event::Rewind(300),
        Event::Append(200),
        Event::Rewrite { back: 50, lines: 10 },
    ]) {
        happen(app, &run, &mut rows, salt, &event).await;
        for buckets in [1, 4] {
            let asked = every("_step", buckets);
            check(&rows, &asked, &ask(&run, &asked).await)
                .unwrap_or_else(|error| panic!("{event:?}: {error}"));
        }
    }
});

fn every(axis: &'static str, buckets: usize) -> Ask {
    Ask { keys: NUMBERS, axis, min: None, max: None, buckets }
}

backend_test!(a_long_history_has_as_many_buckets_as_are_asked_for_or_nearly, |app| {
    let run = app.ada.run("demo", "r").await;
    let rows: Vec<_> = (0..40_000).map(|step| row(step, 1)).collect();
    for start in (0..40_000).step_by(4000) {
        run.log(HISTORY, start as u64, &rows[start..start + 4000]).await;
    }
    for phase in ["live", "merged", "settled"] {
        for axis in ["_step", "_runtime"] {
            for buckets in [1, 10, 100, 1000] {
                let asked = every(axis, buckets);
                let series = ask(&run, &asked).await;
                check(&rows, &asked, &series).unwrap();
                let found = list(&series[0], "count").len();
                assert!(found * 2 >= buckets, "{phase}: {found} buckets of {buckets} over {axis}");
            }
        }
        let near = Ask { min: Some(20_000.5), max: Some(20_060.0), ..every("_step", 59) };
        let series = ask(&run, &near).await;
        assert_eq!(list(&series[0], "count"), vec![Some(1.0); 59], "{phase}");
        if phase == "live" {
            app.run_jobs().await;
        } else {
            run.complete(0).await;
            app.wait(SETTLE_AFTER).await;
        }
    }
});

backend_test!(steps_that_come_again_are_counted_again, |app| {
    let [one, two] = ["one", "two"].map(|name| app.ada.claiming("x-wandb-async-client-id", name));
    let (one, two) = (one.run("demo", "r").await, two.run("demo", "r").await);
    for start in (0..1000_u64).step_by(200) {
        let rows: Vec<_> = (start..start + 200).map(|step| row(step, 1)).collect();
        one.log(HISTORY, start, &rows).await;
        two.log(HISTORY, start, &rows).await;
    }
    for phase in ["live", "settled"] {
        let series = ask(&one, &every("_step", 5)).await;
        let counted: f64 = list(&series[0], "count").into_iter().flatten().sum();
        assert!((counted - 2000.0).abs() < f64::EPSILON, "{phase}: {counted}");
        one.complete(0).await;
        app.wait(SETTLE_AFTER).await;
    }
});

backend_test!(a_run_without_rows_has_no_buckets, |app| {
    let run = app.ada.run("demo", "r").await;
    let series = ask(&run, &every("_step", 5)).await;
    assert!(series.iter().all(|series| list(series, "count").is_empty()));
    assert_eq!(series.len(), NUMBERS.len());
});

backend_test!(what_would_have_to_be_read_for_too_long_is_refused_for_that_run_alone, |app| {
    let rows: Vec<_> = (0..300).map(|step| row(step, 1)).collect();
    let long = app.ada.run("demo", "long").await;
    long.log(HISTORY, 0, &rows).await;
    long.complete(0).await;
    app.wait(SETTLE_AFTER).await;
    let short = app.ada.run("demo", "short").await;
    short.log(HISTORY, 0, &rows).await;
    let fields = |key: &str| format!("historyBuckets(keys: [{key:?}], buckets: 1) {{ count }}");
    let execute = async |sql: &str| app.db.migration_connection().execute_unprepared(sql).await.unwrap();
    // The claim of more lines than there are stands for as many.
    execute("UPDATE history_segment SET line_count = 2000000").await;
    assert_eq!(long.refusal(&fields("mixed")).await.code, "NOT_SUMMARISED");
    assert_eq!(list(&long.field(&fields("loss")).await[0], "count"), [Some(300.0)]);
    let query =
        format!("{{ project(name: \"demo\") {{ runs {{ edges {{ node {{ {} }} }} }} }} }}", fields("mixed"));
    let body = json!({ "query": query }).to_string();
    let answer = app.ada.request(Method::POST, "/graphql").header("content-type", "application/json");
    let answer = app.ada.send(answer.body(body.into()).unwrap()).await;
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer["errors"].as_array().unwrap().len(), 1);
    let runs = answer["data"]["project"]["runs"]["edges"].as_array().unwrap();
    assert_eq!(runs[0]["node"]["historyBuckets"], Value::Null);
    assert_eq!(list(&runs[1]["node"]["historyBuckets"][0], "count"), [Some(277.0)]);
    execute("UPDATE history_chunk SET line_count = 2000000").await;
    assert_eq!(short.refusal(&fields("loss")).await.code, "UNAVAILABLE");
});

backend_test!(what_buckets_cannot_be_made_of_is_refused, |app| {
    let run = app.ada.run("demo", "r").await;
    let many = json!(vec!["a"; 51]);
    for (arguments, code) in [
        (r#"keys: ["a"], buckets: 0"#.to_owned(), "BUCKETS_INVALID"),
        (r#"keys: ["a"], buckets: 5001"#.to_owned(), "BUCKETS_INVALID"),
        (r#"keys: ["a"], min: 3, max: 3"#.to_owned(), "RANGE_INVALID"),
        (format!("keys: {many}, buckets: 10"), "TOO_MANY"),
    ] {
        let refusal = run.refusal(&format!("historyBuckets({arguments}) {{ key }}")).await;
        assert_eq!(refusal.code, code, "{arguments}");
    }
});
