//! Applying a rule: project by project, batch by batch, each batch in a transaction of its own. What was cut off anywhere
//! begins anew with the next pass: what was taken is not seen any more.

use std::collections::VecDeque;

use super::{Action, Definition, Retention, Rule, Scope, Seen, rules, runs, versions};
use crate::artifact::DueVersionPlace;
use crate::clock::Timestamp;
use crate::db::{Db, Source};
use crate::error::Result;
use crate::id::{ArtifactId, ProjectId, RunId};
use crate::project::{self, Project};
use crate::run::DuePlace;

/// Things that are looked at together.
const PAGE: u64 = 1000;
/// Things that one transaction takes, all by one deletion: as many as one call restores.
const BATCH: usize = 200;

/// What a step of an application took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Runs that were archived.
    pub archived: usize,
    /// Runs and versions that were deleted.
    pub deleted: usize,
}

/// A rule that is being applied.
#[derive(Debug)]
pub struct Application {
    rule: Rule,
    projects: Projects,
    underway: Option<Underway>,
}

/// The project that a rule is being applied to.
#[derive(Debug)]
struct Underway {
    project: Project,
    /// What the last look found, still to be taken.
    due: VecDeque<i64>,
    look: Look,
}

/// Where the next look at a project begins.
#[derive(Clone, Copy, Debug)]
enum Look {
    AtFirst,
    After(Place),
    /// There is none.
    Never,
}

/// Where a look at a project ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Run(DuePlace),
    Version(DueVersionPlace),
}

/// The live projects of a scope, in the order of their ids.
#[derive(Debug)]
pub(super) struct Projects {
    scope: Scope,
    after: ProjectId,
}

impl Projects {
    pub(super) fn of(scope: Scope) -> Self {
        Self { scope, after: ProjectId(0) }
    }

    pub(super) async fn next(&mut self, db: &impl Source) -> Result<Option<Project>> {
        let next = match self.scope {
            Scope::Instance => project::next_live(db, None, self.after).await?,
            Scope::Entity(owner) => project::next_live(db, Some(owner), self.after).await?,
            Scope::Project(id) if self.after < id => project::find_live(db, id).await?,
            Scope::Project(_) => None,
        };
        if let Some(project) = &next {
            self.after = project.id;
        }
        Ok(next)
    }
}

/// A thing by its storage id, as a rule sees it: a run or a version.
#[derive(Clone, Debug)]
pub(super) struct Thing {
    pub(super) id: i64,
    /// What users call it in its project.
    pub(super) name: String,
    /// Its bytes, where they are known.
    pub(super) size_bytes: Option<i64>,
}

/// A page of what has reached the age at `at` in a project, and where the page ends, if there may be more.
pub(super) async fn look(
    db: &impl Source,
    project: &Project,
    definition: &Definition,
    at: Timestamp,
    after: Option<Place>,
) -> Result<(Vec<Seen<Thing>>, Option<Place>)> {
    match definition {
        Definition::Runs(rule) => {
            let after = after.and_then(|place| match place {
                Place::Run(place) => Some(place),
                Place::Version(_) => None,
            });
            let (seen, end) = runs::look(db, project, rule, at, after, PAGE).await?;
            let seen = seen
                .into_iter()
                .map(|seen| seen.map(|run| Thing { id: run.id.0, name: run.name, size_bytes: None }));
            Ok((seen.collect(), end.map(Place::Run)))
        }
        Definition::Versions(rule) => {
            let after = after.and_then(|place| match place {
                Place::Version(place) => Some(place),
                Place::Run(_) => None,
            });
            let (seen, end) = versions::look(db, project, rule, at, after, PAGE).await?;
            let seen = seen.into_iter().map(|seen| {
                seen.map(|version| Thing {
                    id: version.id.0,
                    name: version.name,
                    size_bytes: Some(version.size_bytes),
                })
            });
            Ok((seen.collect(), end.map(Place::Version)))
        }
    }
}

impl Application {
    /// Begins at the first project.
    pub fn begin(rule: Rule) -> Self {
        let projects = Projects::of(rule.scope());
        Self { rule, projects, underway: None }
    }

    /// Looks at the next things, or takes a batch of what was found; `settings` is what the settings say of periods. None
    /// once nothing is left to be looked at, or the rule was changed meanwhile.
    pub async fn step(&mut self, db: &Db, settings: Retention) -> Result<Option<Taken>> {
        let Some(underway) = &mut self.underway else {
            let Some(project) = self.projects.next(db).await? else { return Ok(None) };
            self.underway = Some(Underway { project, due: VecDeque::new(), look: Look::AtFirst });
            return Ok(Some(Taken::default()));
        };
        if !underway.due.is_empty() {
            let batch: Vec<i64> = underway.due.drain(..underway.due.len().min(BATCH)).collect();
            return take(db, settings, &self.rule, &underway.project, &batch).await;
        }
        let after = match underway.look {
            Look::AtFirst => None,
            Look::After(place) => Some(place),
            Look::Never => {
                self.underway = None;
                return Ok(Some(Taken::default()));
            }
        };
        let (seen, end) = look(db, &underway.project, &self.rule.definition, db.now(), after).await?;
        underway.due.extend(seen.iter().filter(|seen| seen.kept.is_none()).map(|seen| seen.thing.id));
        underway.look = end.map_or(Look::Never, Look::After);
        Ok(Some(Taken::default()))
    }
}

async fn take(
    db: &Db,
    settings: Retention,
    rule: &Rule,
    project: &Project,
    ids: &[i64],
) -> Result<Option<Taken>> {
    let tx = db.begin_write().await?;
    if !rules::is_in_force(&tx, rule).await? {
        return Ok(None);
    }
    let count = match &rule.definition {
        Definition::Runs(definition) => {
            let ids: Vec<RunId> = ids.iter().copied().map(RunId).collect();
            runs::take(&tx, settings, (rule, definition), project, &ids).await?
        }
        Definition::Versions(definition) => {
            let ids: Vec<ArtifactId> = ids.iter().copied().map(ArtifactId).collect();
            versions::take(&tx, settings, (rule, definition), project, &ids).await?
        }
    };
    tx.commit().await?;
    Ok(Some(match rule.definition.action() {
        Action::Archive => Taken { archived: count, deleted: 0 },
        Action::Delete => Taken { archived: 0, deleted: count },
    }))
}
