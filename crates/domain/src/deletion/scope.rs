//! What goes with deleted runs, and what stands in the way: the artifacts that they logged, and who else has these. Writes
//! nothing.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::plan::Obstacle;
use super::{OnRegistryLink, WithRuns};
use crate::account::{Caller, Role};
use crate::artifact::{self, Made, NamedPlace};
use crate::db::Source;
use crate::error::{Error, Result};
use crate::hold;
use crate::id::{ArtifactId, ProjectId, RunId};
use crate::project;

/// What the place of a version is called for who may not see its project. It counts all the same.
const UNSEEN: &str = "a project that you may not see";

/// Obstacles that an error names; more are only counted.
const MOST_NAMED: usize = 20;

/// What a set of runs made, and where that is.
#[derive(Debug, Default)]
pub(super) struct Scope {
    with: WithRuns,
    made: BTreeMap<RunId, Vec<Made>>,
    places: HashMap<ArtifactId, Vec<NamedPlace>>,
    writable: HashSet<ProjectId>,
    held_runs: HashMap<RunId, String>,
    held_versions: HashMap<ArtifactId, String>,
}

/// What becomes of the artifacts of a deleted run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// They go.
    Go,
    /// They stay.
    Stay,
}

impl Scope {
    /// Looks at who holds these runs, and at what they made, if that is to go with them. Who is about to write has called
    /// [`hold::freeze`] before.
    pub(super) async fn load(
        db: &impl Source,
        caller: &Caller,
        runs: &[RunId],
        with: WithRuns,
    ) -> Result<Self> {
        let held_runs = hold::reasons_of_runs(db, runs).await?;
        let mut scope = Self { with, held_runs, ..Self::default() };
        if !with.artifacts {
            return Ok(scope);
        }
        let made = artifact::made_by(db, runs).await?;
        let ids: Vec<ArtifactId> = made.iter().map(|made| made.artifact_id).collect();
        let projects: HashSet<ProjectId> = made.iter().map(|made| made.project_id).collect();
        let projects: Vec<ProjectId> = projects.into_iter().collect();
        let roles = project::get_roles(db, caller, &projects).await?;
        scope.writable =
            roles.into_iter().filter(|(_, role)| *role >= Role::Member).map(|(id, _)| id).collect();
        scope.held_versions = hold::reasons_of_versions(db, &ids).await?;
        for place in seen_places(db, caller, &ids).await? {
            scope.places.entry(place.artifact_id).or_default().push(place);
        }
        for made in made {
            scope.made.entry(made.run_id).or_default().push(made);
        }
        Ok(scope)
    }

    /// What this run made, if that was asked about.
    pub(super) fn made(&self, run: RunId) -> &[Made] {
        self.made.get(&run).map(Vec::as_slice).unwrap_or_default()
    }

    /// Where a version is.
    pub(super) fn places(&self, artifact: ArtifactId) -> &[NamedPlace] {
        self.places.get(&artifact).map(Vec::as_slice).unwrap_or_default()
    }

    /// The portfolios that have what this run made.
    pub(super) fn links(&self, run: RunId) -> impl Iterator<Item = &NamedPlace> {
        self.made(run).iter().flat_map(|made| self.places(made.artifact_id)).filter(|place| place.is_link)
    }

    /// What becomes of the artifacts if this run is deleted.
    pub(super) fn fate(&self, run: RunId) -> Fate {
        let keeps = self.with.on_registry_link == OnRegistryLink::KeepArtifacts;
        if keeps && self.links(run).next().is_some() { Fate::Stay } else { Fate::Go }
    }

    /// Everything that keeps this run from being deleted so.
    pub(super) fn obstacles(&self, run: RunId) -> Vec<Obstacle> {
        let mut found = Vec::new();
        if let Some(reason) = self.held_runs.get(&run) {
            let (name, reason) = (format!("run {}", run.to_node_id()), held(reason));
            found.push(Obstacle { code: "HELD", run_id: run, name, reason });
        }
        if self.fate(run) == Fate::Go {
            found.extend(self.made(run).iter().flat_map(|made| self.obstacles_of(made)));
        }
        found
    }

    fn obstacles_of(&self, made: &Made) -> Vec<Obstacle> {
        let mut found = Vec::new();
        let mut add = |code, name: &str, reason| {
            found.push(Obstacle { code, run_id: made.run_id, name: name.to_owned(), reason });
        };
        if !self.writable.contains(&made.project_id) {
            add("FORBIDDEN", &made.name, "you may not delete it where it was made".to_owned());
        }
        if let Some(reason) = self.held_versions.get(&made.artifact_id) {
            let home = self.places(made.artifact_id).iter().find(|place| !place.is_link);
            add("HELD", home.map_or(&made.name, |home| &home.path), held(reason));
        }
        for place in self.places(made.artifact_id) {
            if !place.protected.is_empty() {
                let named: Vec<_> =
                    place.protected.iter().filter(|alias| place.aliases.contains(alias)).collect();
                add("ALIAS_PROTECTED", &place.path, format!("protected aliases name it: {named:?}"));
            }
            if place.is_link && place.keeps_linked {
                add("REGISTRY_KEEPS", &place.path, "the registry keeps what is linked to it".to_owned());
            }
            if place.is_link && self.with.on_registry_link == OnRegistryLink::Abort {
                let aliases = place.aliases.join(", ");
                add(
                    "REGISTRY_LINKED",
                    &place.path,
                    format!("it is linked there, with the aliases [{aliases}]"),
                );
            }
        }
        found
    }

    /// Refuses a run that something keeps.
    pub(super) fn check(&self, run: RunId) -> Result<()> {
        refuse(&self.obstacles(run))
    }
}

/// All places of these versions, those in projects that the caller does not see without their names.
pub(super) async fn seen_places(
    db: &impl Source,
    caller: &Caller,
    ids: &[ArtifactId],
) -> Result<Vec<NamedPlace>> {
    let mut places = artifact::places_of(db, ids).await?;
    let there: HashSet<ProjectId> = places.iter().map(|place| place.project_id).collect();
    let seen = project::get_many(db, caller, &Vec::from_iter(there)).await?;
    places.iter_mut().filter(|place| !seen.contains_key(&place.project_id)).for_each(mask);
    Ok(places)
}

/// Takes the names from a place.
pub(super) fn mask(place: &mut NamedPlace) {
    UNSEEN.clone_into(&mut place.path);
    place.aliases.clear();
}

fn held(reason: &str) -> String {
    format!("an administrator holds it ({reason})")
}

/// The error that these obstacles are, if there are any: each of them named.
pub(super) fn refuse(obstacles: &[Obstacle]) -> Result<()> {
    let Some(first) = obstacles.first() else { return Ok(()) };
    let named = obstacles.iter().take(MOST_NAMED).map(|found| format!("{}: {}", found.name, found.reason));
    let mut named: Vec<_> = named.collect();
    if let Some(more) = obstacles.len().checked_sub(MOST_NAMED).filter(|more| *more > 0) {
        named.push(format!("and {more} more"));
    }
    let reason = named.join("; ");
    Err(match first.code {
        "FORBIDDEN" => Error::Forbidden,
        code => Error::Precondition { code, reason },
    })
}
