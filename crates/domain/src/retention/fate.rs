//! Which rule will take a run, and when: as things stand now.

use std::collections::HashMap;

use super::{Action, Definition, Rule, Scope, rules, runs};
use crate::clock::Timestamp;
use crate::db::Source;
use crate::error::Result;
use crate::id::{ProjectId, RunId};
use crate::project;
use crate::run::{self, Run};

/// What a rule will do with a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fate {
    /// The rule.
    pub rule: Rule,
    /// What it does.
    pub action: Action,
    /// When the run reaches the age. It is taken by the next pass.
    pub at: Timestamp,
}

/// The rule that will be the first to take each of these runs, which were found through their door; none of those that
/// no rule takes as things stand. A number of statements for each project and rule, however many runs.
pub async fn get_fates(db: &impl Source, ids: &[RunId]) -> Result<HashMap<RunId, Fate>> {
    let mut by_project: HashMap<ProjectId, Vec<Run>> = HashMap::new();
    for run in run::get_many(db, ids).await?.into_values() {
        by_project.entry(run.project_id).or_default().push(run);
    }
    let mut fates: HashMap<RunId, Fate> = HashMap::new();
    for (id, found) in by_project {
        let Some(project) = project::find_live(db, id).await? else { continue };
        let in_force = rules::list_rules(db, Scope::Project(id)).await?;
        for rule in in_force.into_iter().filter(|rule| rule.enabled) {
            let Definition::Runs(definition) = &rule.definition else { continue };
            let seen = runs::look_at(db, &project, definition, found.clone()).await?;
            for seen in seen.into_iter().filter(|seen| seen.kept.is_none()) {
                let at = seen.began.after(definition.age());
                let is_first = fates.get(&seen.thing.id).is_none_or(|fate| at < fate.at);
                if is_first {
                    let fate = Fate { rule: rule.clone(), action: definition.action, at };
                    fates.insert(seen.thing.id, fate);
                }
            }
        }
    }
    Ok(fates)
}
