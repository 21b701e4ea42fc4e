//! Which runs a filter finds.

use std::collections::BTreeSet;

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use sea_orm::{EntityTrait as _, QueryFilter as _};
use serde_json::Value;

use super::draw::{draw, filter};
use super::{insert, listed, project, ways};
use crate::entity::run;
use crate::filter::eval::eval;
use crate::filter::{Compiler, RunFilter, RunOrder};
use crate::run::{self as runs, Access};
use crate::test_support::{TestDb, backend_test};

const RUNS: usize = 60;
const FILTERS: usize = 400;

/// Where the database and the oracle differ on a filter.
async fn disagreement(test: &TestDb, documents: &[Value], source: &str) -> Option<String> {
    let filter = RunFilter::parse(source).unwrap();
    let expected: BTreeSet<String> = documents
        .iter()
        .filter(|document| eval(filter.tree(), document))
        .map(|document| document["name"].as_str().unwrap().to_owned())
        .collect();
    for way in ways(test, &filter) {
        let found: BTreeSet<String> =
            listed(test, &way, &filter, &RunOrder::parse("").unwrap()).await.into_iter().collect();
        if let Some(name) = found.symmetric_difference(&expected).next() {
            let document = documents.iter().find(|document| document["name"] == **name).unwrap();
            return Some(format!("{source} is {} of {document:#} by {way:?}", expected.contains(name)));
        }
    }
    // The same as sets, where a statement asks about all runs at once.
    let project = project();
    let connection = crate::Source::connection(&test.db);
    let compiler = Compiler::new(&project, connection.get_database_backend());
    let sets = run::Entity::find().filter(compiler.condition(&filter)).all(connection).await.unwrap();
    let sets: BTreeSet<String> = sets.into_iter().map(|run| run.name).collect();
    let count = runs::count(&test.db, &project, &filter).await.unwrap();
    (sets != expected || count != expected.len() as u64)
        .then(|| format!("{source} counts {count}, not {}, or is {sets:?}, not {expected:?}", expected.len()))
}

backend_test!(a_filter_finds_what_it_means, |test| {
    let mut runner = TestRunner::deterministic();
    let mut documents = draw(&mut runner, RUNS);
    for (id, document) in documents.iter_mut().enumerate() {
        insert(&test, id + 1, document).await;
    }
    for _ in 0..FILTERS {
        let mut tree = filter().new_tree(&mut runner).unwrap();
        let mut found = disagreement(&test, &documents, &tree.current().to_string()).await;
        let Some(mut worst) = found.take() else { continue };
        while tree.simplify() {
            if let Some(simpler) = disagreement(&test, &documents, &tree.current().to_string()).await {
                worst = simpler;
            } else if !tree.complicate() {
                break;
            }
        }
        panic!("{worst}");
    }
});

backend_test!(archived_and_deleted_runs_are_not_among_the_live_ones, |test| {
    for (id, document) in draw(&mut TestRunner::deterministic(), 3).iter_mut().enumerate() {
        insert(&test, id + 1, document).await;
    }
    test.execute("UPDATE run SET lifecycle = 'archived' WHERE id = 2").await;
    test.execute("UPDATE run SET lifecycle = 'deleted' WHERE id = 3").await;
    let order = RunOrder::parse("").unwrap();
    assert_eq!(listed(&test, &Access::InOrder, &RunFilter::parse("{}").unwrap(), &order).await, ["run-1"]);
    let archived = RunFilter::parse(r#"{"archived":true}"#).unwrap();
    assert_eq!(listed(&test, &Access::InOrder, &archived, &order).await, ["run-2"]);
});
