//! A merge that is cut off or overtaken, or whose store fails, at any step: history is what its writer made it, and nothing
//! is left behind.

use counterweight_domain::history::{self, Merge};
use counterweight_domain::id::RunId;
use counterweight_domain::{Error, Result};
use counterweight_storage::Fault;
use serde_json::json;

use crate::support::{Cut, HISTORY, SETTLE_AFTER, TestApp, TestRun, backend_test, until};

/// What there is to do for a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    /// So many lines are live that they are merged although the run goes on.
    Live,
    /// Lines that are in a file were written again.
    Overwritten,
    /// Lines that are in a file were taken back.
    TakenBack,
    /// The run has ended.
    Ended,
    /// It has ended again, after lines of its files were written again and others were added.
    EndedAgain,
}

const WORK: [Work; 5] = [Work::Live, Work::Overwritten, Work::TakenBack, Work::Ended, Work::EndedAgain];

fn rows(steps: std::ops::Range<u64>, value: &str) -> Vec<String> {
    steps.map(|step| format!(r#"{{"_step":{step},"value":{value},"name":"n{step}"}}"#)).collect()
}

async fn settle(app: &TestApp, run: &TestRun) {
    run.complete(0).await;
    app.wait(SETTLE_AFTER).await;
}

/// Forgets what came after a step.
async fn take_back(app: &TestApp, run: &TestRun, step: u64) {
    let input = json!({"entityName": "ada", "projectName": "demo", "runName": run.name,
        "metricName": "_step", "metricValue": step});
    app.ada.mutate("rewindRun", input, "rewoundRun { id }").await;
}

impl Work {
    /// A run for which this is to be done, and its history.
    async fn prepare(self, app: &TestApp, name: &str) -> (TestRun, Vec<String>) {
        let run = app.ada.run("demo", name).await;
        if self == Self::Live {
            let lines = rows(0..8200, "1");
            for start in (0..8200).step_by(4100) {
                run.log(HISTORY, start as u64, &lines[start..start + 4100]).await;
            }
            return (run, lines);
        }
        let mut lines = rows(0..300, "1.5");
        run.log(HISTORY, 0, &lines).await;
        if self != Self::Ended {
            settle(app, &run).await;
        }
        if matches!(self, Self::Overwritten | Self::EndedAgain) {
            let anew = rows(100..150, "NaN");
            run.log(HISTORY, 100, &anew).await;
            lines.splice(100..150, anew);
        }
        if self == Self::TakenBack {
            take_back(app, &run, 200).await;
            lines.truncate(201);
        }
        if self == Self::EndedAgain {
            let more = rows(300..350, "2");
            run.log(HISTORY, 300, &more).await;
            lines.extend(more);
        }
        run.complete(0).await;
        app.advance(SETTLE_AFTER);
        (run, lines)
    }

    /// Its next step.
    async fn step(self, app: &TestApp, id: RunId) -> Result<Merge> {
        let blobs = app.blobs.with_faults(&app.faults);
        match self {
            Self::Ended | Self::EndedAgain => history::settle(&app.db, &blobs, id, SETTLE_AFTER).await,
            _ => history::merge(&app.db, &blobs, id).await,
        }
    }
}

/// Does the work with an interruption at the first place, then at the second, and so on, until there is none left and
/// nothing to do. Answers how often it was interrupted.
async fn interrupt(
    app: &TestApp,
    work: Work,
    attempt: impl AsyncFn(RunId, usize) -> Option<Result<Merge>>,
) -> usize {
    let (run, wanted) = work.prepare(app, &format!("{work:?}")).await;
    let id = RunId::from_node_id(&run.id).unwrap();
    let (mut place, mut interrupted) = (0, 0);
    loop {
        place += 1;
        let done = attempt(id, place).await;
        app.faults.clear();
        assert_eq!(run.history().await, wanted, "{work:?}, interrupted at place {place}");
        match done {
            Some(Ok(Merge::Nothing)) => break,
            // What comes next is interrupted from its first place on.
            Some(Ok(_)) => place = 0,
            Some(Err(_)) | None => interrupted += 1,
        }
    }
    run.log(HISTORY, wanted.len() as u64, &rows(9000..9001, "0")).await;
    assert_eq!(run.history().await.len(), wanted.len() + 1);
    settle(app, &run).await;
    assert_eq!(run.history().await[..wanted.len()], wanted);
    assert!(app.rows("history_segment").await > 0);
    interrupted
}

/// Nothing is in the store but what segments refer to.
async fn check_objects(app: &TestApp) {
    app.collect().await;
    app.collect().await;
    let objects = app.objects().await.len();
    let of_segments = app.number("SELECT COUNT(DISTINCT rows_blob_id) FROM history_segment").await * 2;
    assert_eq!(i64::try_from(objects).unwrap(), of_segments);
    assert_eq!(app.rows("blob").await, of_segments);
}

backend_test!(a_merge_may_be_cut_off_wherever_it_waits, |app| {
    for work in WORK {
        let cut = async |id, place| {
            let mut polls = 0;
            let is_cut = || {
                polls += 1;
                polls == place
            };
            Cut { inner: Box::pin(work.step(app, id)), is_cut }.await
        };
        assert!(interrupt(app, work, cut).await > 0, "{work:?}");
    }
    check_objects(app).await;
});

backend_test!(a_merge_may_be_cut_off_in_every_call_of_the_store, |app| {
    for work in WORK {
        let cut = async |id, place: usize| {
            app.faults.fail_call(place as u64, Fault::Silence);
            Cut { inner: Box::pin(work.step(app, id)), is_cut: || app.faults.is_silent() }.await
        };
        assert!(interrupt(app, work, cut).await >= 2, "{work:?}");
    }
    check_objects(app).await;
});

backend_test!(a_store_that_fails_during_a_merge_costs_nothing, |app| {
    for work in WORK {
        let fail = async |id, place: usize| {
            app.faults.fail_call(place as u64, Fault::Unavailable);
            Some(work.step(app, id).await)
        };
        assert!(interrupt(app, work, fail).await >= 2, "{work:?}");
    }
    check_objects(app).await;
});

/// Does the next step of the work, and takes the run back while it waits for the `place`-th answer of the store. None where
/// it needs fewer.
async fn overtake(app: &TestApp, work: Work, run: &TestRun, place: u64) -> Option<Result<Merge>> {
    app.faults.fail_call(place, Fault::Silence);
    let mut step = Box::pin(work.step(app, RunId::from_node_id(&run.id).unwrap()));
    tokio::select! {
        biased;
        done = &mut step => {
            app.faults.clear();
            done.unwrap();
            return None;
        }
        () = until(async || app.faults.is_silent()) => {}
    }
    take_back(app, run, 149).await;
    app.faults.clear();
    Some(step.await)
}

backend_test!(a_merge_gives_up_when_the_run_is_taken_back_in_the_meantime, |app| {
    for work in WORK {
        for place in 1.. {
            let (run, mut lines) = work.prepare(app, &format!("{work:?}-{place}")).await;
            let Some(done) = overtake(app, work, &run, place).await else {
                assert!(place > 2, "{work:?}");
                break;
            };
            assert!(matches!(done, Err(Error::Conflict { .. })), "{work:?}, at {place}: {done:?}");
            lines.truncate(150);
            assert_eq!(run.history().await, lines, "{work:?}, at {place}");
            settle(app, &run).await;
            assert_eq!(run.history().await, lines, "{work:?}, at {place}");
        }
    }
});

backend_test!(a_job_that_the_store_failed_is_done_later, |app| {
    let (run, wanted) = Work::Ended.prepare(app, "r").await;
    app.faults.fail_all(Fault::Unavailable);
    app.run_jobs().await;
    assert_eq!(app.rows("history_segment").await, 0);
    app.faults.clear();
    assert_eq!(run.history().await, wanted);
    app.wait(std::time::Duration::from_hours(1)).await;
    assert_eq!(app.rows("history_segment").await, 1);
    assert_eq!(run.history().await, wanted);
});
