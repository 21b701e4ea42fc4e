//! What a rule would do, before it does it. Writes nothing; looks at things as the application does.

use std::collections::BTreeMap;

use super::apply::{Projects, Thing, look};
use super::{Action, Definition, Kept, Scope, Seen, rules};
use crate::account::Caller;
use crate::clock::Timestamp;
use crate::db::Db;
use crate::error::Result;
use crate::id::{ArtifactId, RetentionRuleId, RunId};
use crate::project::{self, Project};
use crate::usage;

/// Things that are listed.
const MOST_LISTED: usize = 1000;
/// Things that are looked at.
const MOST_LOOKED_AT: usize = 100_000;
const DAY_MICROS: i64 = 24 * 3600 * 1_000_000;
/// Days that are told apart.
const DAYS: i64 = 30;

/// What a rule would do if it were applied at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Simulation {
    /// The moment.
    pub at: Timestamp,
    /// What would become of what it takes.
    pub action: Action,
    /// How many things it would take.
    pub taken_count: u64,
    /// Their bytes; those that several of them share are counted for each.
    pub taken_bytes: i64,
    /// How many have reached the age and would stay.
    pub kept_count: u64,
    /// The first thousand of both.
    pub items: Vec<Simulated>,
    /// What would have been taken on each of the last 30 days, had the rule been there; days without anything are left out.
    pub days: Vec<Day>,
    /// Whether everything was looked at. After 100 000 things there may be more.
    pub complete: bool,
}

/// A thing that has reached the age.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Simulated {
    /// Which it is.
    pub subject: Subject,
    /// `entity/project/run` or `entity/project/collection:v0`.
    pub path: String,
    /// When it reached the age.
    pub due_at: Timestamp,
    /// What keeps it; none: the rule would take it.
    pub kept: Option<Kept>,
    /// Its bytes, if it would be taken.
    pub bytes: i64,
}

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A run.
    Run(RunId),
    /// A version of an artifact.
    Version(ArtifactId),
}

/// What would have been taken on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// When it began, in UTC.
    pub begins_at: Timestamp,
    /// How many things.
    pub count: u64,
    /// Their bytes.
    pub bytes: i64,
}

/// What a rule that is there would do now, or at another moment; of those projects that the caller sees.
pub async fn simulate_rule(
    db: &Db,
    caller: &Caller,
    id: RetentionRuleId,
    at: Option<Timestamp>,
) -> Result<Simulation> {
    let rule = rules::find_rule(db, caller, id).await?;
    simulate(db, caller, rule.scope(), &rule.definition, at).await
}

/// The same of one that is not. In a project, whoever sees it may ask; elsewhere, whoever may make such a rule.
pub async fn simulate(
    db: &Db,
    caller: &Caller,
    scope: Scope,
    definition: &Definition,
    at: Option<Timestamp>,
) -> Result<Simulation> {
    if !matches!(scope, Scope::Project(_)) {
        scope.authorize(db, caller).await?;
    }
    definition.check()?;
    let at = at.unwrap_or_else(|| db.now());
    let mut tally = Tally::new(at, definition);
    let mut projects = Projects::of(scope);
    while let Some(project) = projects.next(db).await? {
        if !project::get_many(db, caller, &[project.id]).await?.contains_key(&project.id) {
            continue;
        }
        let mut after = None;
        loop {
            let (seen, end) = look(db, &project, definition, at, after).await?;
            tally.add(db, definition, &project, seen).await?;
            after = end;
            if after.is_none() {
                break;
            }
            if tally.is_full() {
                return Ok(tally.finish(false));
            }
        }
    }
    Ok(tally.finish(true))
}

struct Tally {
    simulation: Simulation,
    looked_at: usize,
    days: BTreeMap<i64, (u64, i64)>,
}

impl Tally {
    fn new(at: Timestamp, definition: &Definition) -> Self {
        let simulation = Simulation {
            at,
            action: definition.action(),
            taken_count: 0,
            taken_bytes: 0,
            kept_count: 0,
            items: Vec::new(),
            days: Vec::new(),
            complete: false,
        };
        Self { simulation, looked_at: 0, days: BTreeMap::new() }
    }

    fn is_full(&self) -> bool {
        self.looked_at >= MOST_LOOKED_AT
    }

    async fn add(
        &mut self,
        db: &Db,
        definition: &Definition,
        project: &Project,
        seen: Vec<Seen<Thing>>,
    ) -> Result<()> {
        self.looked_at += seen.len();
        let taken = seen.iter().filter(|seen| seen.kept.is_none());
        let sizes: BTreeMap<i64, i64> = match definition {
            Definition::Runs(_) => {
                let ids: Vec<RunId> = taken.map(|seen| RunId(seen.thing.id)).collect();
                let sizes = usage::of_runs(db, &ids).await?;
                sizes.into_iter().map(|(id, bytes)| (id.0, bytes)).collect()
            }
            Definition::Versions(_) => {
                taken.map(|seen| (seen.thing.id, seen.thing.size_bytes.unwrap_or_default())).collect()
            }
        };
        for seen in seen {
            let due_at = seen.began.after(definition.age());
            let bytes = sizes.get(&seen.thing.id).copied().unwrap_or_default();
            self.count(due_at, seen.kept, bytes);
            if self.simulation.items.len() < MOST_LISTED {
                let subject = match definition {
                    Definition::Runs(_) => Subject::Run(RunId(seen.thing.id)),
                    Definition::Versions(_) => Subject::Version(ArtifactId(seen.thing.id)),
                };
                let path = format!("{}/{}/{}", project.entity_name, project.name, seen.thing.name);
                self.simulation.items.push(Simulated { subject, path, due_at, kept: seen.kept, bytes });
            }
        }
        Ok(())
    }

    fn count(&mut self, due_at: Timestamp, kept: Option<Kept>, bytes: i64) {
        if kept.is_some() {
            self.simulation.kept_count += 1;
            return;
        }
        self.simulation.taken_count += 1;
        self.simulation.taken_bytes += bytes;
        let (day, today) = (due_at.0.div_euclid(DAY_MICROS), self.simulation.at.0.div_euclid(DAY_MICROS));
        if today - day < DAYS {
            let of_day = self.days.entry(day).or_default();
            of_day.0 += 1;
            of_day.1 += bytes;
        }
    }

    fn finish(self, complete: bool) -> Simulation {
        let day = |(day, (count, bytes))| Day { begins_at: Timestamp(day * DAY_MICROS), count, bytes };
        Simulation { days: self.days.into_iter().map(day).collect(), complete, ..self.simulation }
    }
}
