//! What a rule does with the runs of a project. The look and the application ask the same questions.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use super::definition::{Action, Goal, KeepRuns, RunRule};
use super::{Kept, Retention, Rule, Seen};
use crate::artifact;
use crate::audit::{Act, Action as Done};
use crate::clock::Timestamp;
use crate::db::{Source, WriteTx};
use crate::deletion;
use crate::error::Result;
use crate::filter::{RunFilter, RunOrder};
use crate::hold;
use crate::id::RunId;
use crate::project::Project;
use crate::run::{self, Due, DuePlace, Run};

/// A page of the runs that have reached the age at `at`, each with what keeps it, and where the page ends, if there may
/// be more.
pub(super) async fn look(
    db: &impl Source,
    project: &Project,
    rule: &RunRule,
    at: Timestamp,
    after: Option<DuePlace>,
    limit: u64,
) -> Result<(Vec<Seen<Run>>, Option<DuePlace>)> {
    let filter = rule.parse_filter()?;
    let due = Due { filter: &filter, since: rule.since, until: at.before(rule.age()) };
    let (runs, end) = run::list_due(db, project, due, after, limit).await?;
    Ok((judge(db, project, rule, &filter, runs).await?, end))
}

/// Which of these runs of a project the rule means, whatever their age, and what keeps them.
pub(super) async fn look_at(
    db: &impl Source,
    project: &Project,
    rule: &RunRule,
    runs: Vec<Run>,
) -> Result<Vec<Seen<Run>>> {
    let filter = rule.parse_filter()?;
    let ids: Vec<RunId> = runs.iter().map(|run| run.id).collect();
    let meant = run::meant_by(db, project, &filter, &ids).await?;
    let runs = runs.into_iter().filter(|run| meant.contains(&run.id)).collect();
    judge(db, project, rule, &filter, runs).await
}

/// Takes those of these runs that the rule still takes. Answers how many.
pub(super) async fn take(
    tx: &WriteTx,
    settings: Retention,
    (rule, definition): (&Rule, &RunRule),
    project: &Project,
    ids: &[RunId],
) -> Result<usize> {
    // Before any row is locked.
    hold::freeze(tx).await?;
    let mut held: Vec<Run> = run::load_for_update(tx, ids).await?.into_values().collect();
    held.retain(|run| run.lifecycle.is_reachable() && run.project_id == project.id);
    held.sort_unstable_by_key(|run| run.id);
    let until = tx.now().before(definition.age());
    let seen = look_at(tx, project, definition, held).await?;
    let due = seen.into_iter().filter(|seen| seen.kept.is_none() && seen.began <= until);
    let runs: Vec<Run> = due.map(|seen| seen.thing).collect();
    let (count, reason) = (runs.len(), rule.reason());
    match definition.action {
        Action::Archive => {
            let retention = settings.of_project(tx, project.id).await?;
            let until = retention.archive.map(|period| tx.now().after(period));
            let act = Act::of_itself(Done::Archive).because(Some(&reason));
            deletion::archive_held(tx, act, runs, until).await?;
        }
        Action::Delete => deletion::delete_by_rule(tx, rule.user_id, &reason, settings, runs).await?,
    }
    Ok(count)
}

async fn judge(
    db: &impl Source,
    project: &Project,
    rule: &RunRule,
    filter: &RunFilter,
    runs: Vec<Run>,
) -> Result<Vec<Seen<Run>>> {
    let ids: Vec<RunId> = runs.iter().map(|run| run.id).collect();
    let held = hold::reasons_of_runs(db, &ids).await?;
    let linked = if rule.keep.linked { artifact::made_to_last(db, &ids).await? } else { HashSet::new() };
    let reason = |run: &Run| {
        let tagged = rule.keep.tagged.as_ref();
        if run.state.is_active() {
            Some(Kept::Running)
        } else if held.contains_key(&run.id) {
            Some(Kept::Held)
        } else if tagged.is_some_and(|tagged| tagged.keeps(run.tags.as_slice().iter().map(String::as_str))) {
            Some(Kept::Tagged)
        } else {
            linked.contains(&run.id).then_some(Kept::Linked)
        }
    };
    let mut seen: Vec<Seen<Run>> = runs
        .into_iter()
        .map(|run| Seen { began: rule.since.begin(&run), kept: reason(&run), thing: run })
        .collect();
    // A rank is asked for only where nothing else decides.
    if seen.iter().any(|seen| seen.kept.is_none()) {
        let ranks = Ranks::load(db, project, filter, &rule.keep, &seen).await?;
        for seen in seen.iter_mut().filter(|seen| seen.kept.is_none()) {
            seen.kept = ranks.of(&seen.thing);
        }
    }
    Ok(seen)
}

/// The runs that are kept by their rank among those that the filter means.
#[derive(Default)]
struct Ranks {
    last: HashSet<RunId>,
    last_of_group: HashMap<Option<String>, HashSet<RunId>>,
    best: HashSet<RunId>,
}

impl Ranks {
    async fn load(
        db: &impl Source,
        project: &Project,
        filter: &RunFilter,
        keep: &KeepRuns,
        seen: &[Seen<Run>],
    ) -> Result<Self> {
        let mut ranks = Self::default();
        let youngest = RunOrder::parse("-created_at")?;
        if let Some(count) = keep.last {
            ranks.last = first(db, project, filter, &youngest, count).await?;
        }
        if let Some(count) = keep.last_of_group {
            for seen in seen.iter().filter(|seen| seen.kept.is_none()) {
                let group = seen.thing.group_name.clone();
                if let Entry::Vacant(kept) = ranks.last_of_group.entry(group) {
                    let of_group = filter.within_group(kept.key().as_deref());
                    kept.insert(first(db, project, &of_group, &youngest, count).await?);
                }
            }
        }
        if let Some(best) = &keep.best {
            let order = RunOrder::by_summary(&best.metric, best.goal == Goal::Max);
            let measured = filter.with_number(&best.metric);
            ranks.best = first(db, project, &measured, &order, best.count).await?;
        }
        Ok(ranks)
    }

    fn of(&self, run: &Run) -> Option<Kept> {
        let of_group = self.last_of_group.get(&run.group_name);
        if self.last.contains(&run.id) {
            Some(Kept::Last)
        } else if of_group.is_some_and(|kept| kept.contains(&run.id)) {
            Some(Kept::LastOfGroup)
        } else {
            self.best.contains(&run.id).then_some(Kept::Best)
        }
    }
}

async fn first(
    db: &impl Source,
    project: &Project,
    filter: &RunFilter,
    order: &RunOrder,
    count: u32,
) -> Result<HashSet<RunId>> {
    let page = run::list(db, project, filter, order, count.into(), None).await?;
    Ok(page.items.into_iter().map(|(run, _)| run.id).collect())
}
