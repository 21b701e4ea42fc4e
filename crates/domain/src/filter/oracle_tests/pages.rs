//! What pages show while runs come, go and change between them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::draw::draw;
use super::orders::ORDERS;
use super::{delete, insert, page, project, update, ways};
use crate::db::Page;
use crate::error::Error;
use crate::filter::{RunFilter, RunOrder};
use crate::run::{self as runs, Access, Run};
use crate::test_support::{TestDb, backend_test};

const RUNS: usize = 12;

/// Half of the runs or so meet it, in two ranges of an index.
const SOME: &str = r#"{"$or": [{"state": "running"}, {"config.a": {"$exists": true}}]}"#;

/// A project between whose pages runs come, go and change.
struct Changing<'a> {
    test: &'a TestDb,
    runner: &'a mut TestRunner,
    next_id: usize,
    /// Those that are there, and whether they were there from the start and never changed.
    present: BTreeMap<i64, bool>,
}

impl Changing<'_> {
    async fn insert(&mut self, from_the_start: bool) {
        insert(self.test, self.next_id, &mut draw(self.runner, 1)[0]).await;
        self.present.insert(i64::try_from(self.next_id).unwrap(), from_the_start);
        self.next_id += 1;
    }

    async fn delete(&mut self, id: i64) {
        delete(self.test, id).await;
        self.present.remove(&id);
    }

    async fn update(&mut self, id: i64) {
        update(self.test, id, &draw(self.runner, 1)[0]).await;
        self.present.insert(id, false);
    }

    fn any(&mut self) -> i64 {
        let ids: Vec<i64> = self.present.keys().copied().collect();
        ids[any::<Index>().new_tree(self.runner).unwrap().current().index(ids.len())]
    }

    /// The last run shown goes, or changes, as well: its cursor holds.
    async fn change(&mut self, shown: i64) {
        let (gone, changed) = (self.any(), self.any());
        self.delete(gone).await;
        if self.present.contains_key(&changed) {
            self.update(changed).await;
        }
        if self.present.contains_key(&shown) {
            if shown % 2 == 0 { self.delete(shown).await } else { self.update(shown).await }
        }
        self.insert(false).await;
    }
}

backend_test!(pages_show_each_run_once_while_others_come_and_go, |test| {
    let mut runner = TestRunner::deterministic();
    let mut next_id = 1;
    for text in ORDERS {
        let order = RunOrder::parse(text).unwrap();
        for (source, way) in [("", 0), ("", 1), (SOME, 0), (SOME, 2)] {
            let filter = RunFilter::parse(source).unwrap();
            let way = &ways(&test, &filter)[way];
            test.execute("UPDATE run SET lifecycle = 'deleted'").await;
            let mut project =
                Changing { test: &test, runner: &mut runner, next_id, present: BTreeMap::new() };
            for _ in 0..RUNS {
                project.insert(true).await;
            }
            let all = page(&test, way, &filter, &order, 1000, None).await.unwrap();
            let all: BTreeSet<i64> = all.items.iter().map(|(run, _)| run.id.0).collect();

            let mut seen = Vec::new();
            let mut after: Option<String> = None;
            loop {
                let page = page(&test, way, &filter, &order, 3, after.as_deref()).await.unwrap();
                seen.extend(page.items.iter().map(|(run, _)| run.id.0));
                after = page.items.last().map(|(_, cursor)| cursor.clone()).or(after);
                if !page.has_next {
                    break;
                }
                project.change(*seen.last().unwrap()).await;
            }
            let times = |id| seen.iter().filter(|seen| **seen == id).count();
            for (id, _) in project.present.iter().filter(|(_, unchanged)| **unchanged) {
                assert_eq!(times(*id), usize::from(all.contains(id)), "{text} {source} by {way:?}: run {id}");
            }
            next_id = project.next_id;
        }
    }
});

backend_test!(every_way_continues_where_another_stopped, |test| {
    let mut runner = TestRunner::deterministic();
    for (id, document) in draw(&mut runner, 2 * RUNS).iter_mut().enumerate() {
        insert(&test, id + 1, document).await;
    }
    let filter = RunFilter::parse(SOME).unwrap();
    let ways = ways(&test, &filter);
    assert_eq!(ways.len(), 3);
    for text in ORDERS {
        let order = RunOrder::parse(text).unwrap();
        let all = page(&test, &Access::All, &filter, &order, 1000, None).await.unwrap();
        let (mut seen, mut after) = (Vec::new(), None);
        for way in ways.iter().cycle() {
            let Page { items, has_next } =
                page(&test, way, &filter, &order, 4, after.as_deref()).await.unwrap();
            after = items.last().map(|(_, cursor)| cursor.clone());
            seen.extend(items);
            if !has_next {
                break;
            }
        }
        assert_eq!(seen, all.items, "{text}");
    }
});

backend_test!(a_cursor_goes_only_with_its_own_list, |test| {
    for (id, document) in draw(&mut TestRunner::deterministic(), 3).iter_mut().enumerate() {
        insert(&test, id + 1, document).await;
    }
    let page = async |filter: &str, order: &str, after: Option<&str>| {
        let (filter, order) = (RunFilter::parse(filter).unwrap(), RunOrder::parse(order).unwrap());
        runs::list(&test.db, &project(), &filter, &order, 1, after).await
    };
    let first = page("", "-config.a", None).await.unwrap();
    let cursor = first.items[0].1.as_str();
    let refused = |outcome: Result<_, Error>| outcome.map(|_: Page<Run>| ()).unwrap_err().code();
    assert!(first.has_next);
    assert!(page("{}", "-config.a", Some(cursor)).await.is_ok());
    assert_eq!(refused(page("{}", "+config.a", Some(cursor)).await), "CURSOR_FOREIGN");
    assert_eq!(refused(page(r#"{"state":"running"}"#, "-config.a", Some(cursor)).await), "CURSOR_FOREIGN");
    assert_eq!(refused(page("{}", "-config.a", Some("bm90IG9uZQ")).await), "CURSOR_INVALID");
});
