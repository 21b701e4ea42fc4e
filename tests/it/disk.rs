//! What is deleted is off the disk, not only out of sight.

use serde_json::json;

use crate::support::{Backend, CONSOLE, SUMMARY, TRASH, TestApp, TestRun};

const LINES: u64 = 24;

/// A run whose settings say `word` many times.
async fn run(app: &TestApp, name: &str, word: &str) -> TestRun {
    let config = json!({"secret": {"value": word.repeat(10_000)}}).to_string();
    app.ada.run_with("demo", name, json!({"notes": word, "config": config})).await
}

/// About three megabytes: large lines, and small ones that share their pages with those of other runs.
async fn log(runs: &[(&TestRun, &str)]) {
    for line in 0..LINES {
        for (run, word) in runs {
            let large: String =
                (0..100_000_u64).map(|at| char::from(b'a' + hash(line * 100_000 + at) % 26)).collect();
            run.log(CONSOLE, line, &[format!("{word} {large}")]).await;
            run.log(SUMMARY, 0, &[json!({format!("{word}{line}"): word, "at": line}).to_string()]).await;
        }
    }
}

/// Letters that compress badly.
fn hash(number: u64) -> u8 {
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33).wrapping_mul(number | 1).to_le_bytes()[2]
}

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_purged_is_in_none_of_the_files_of_the_database() {
    let app = TestApp::start(Backend::Sqlite, 4).await;
    let (kept, purged) = (run(&app, "kept", "treasure").await, run(&app, "purged", "confidential").await);
    log(&[(&kept, "treasure"), (&purged, "confidential")]).await;
    app.collect().await;
    let before = app.database_bytes();
    assert!(holds(&before, "confidential"));
    purged.delete().await;
    app.wait(TRASH).await;
    app.collect().await;
    let after = app.database_bytes();
    assert!(!holds(&after, "confidential") && holds(&after, "treasure"));
    assert!(after.len() < before.len() * 2 / 3, "{} to {}", before.len(), after.len());
    assert_eq!(kept.console().await.len() as u64, LINES);
    // They keep the server running.
    drop((kept, purged));
    app.finish().await;
}
