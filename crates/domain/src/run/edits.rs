//! Tags and groups of many runs.

use std::collections::HashMap;

use sea_orm::{ActiveValue, ColumnTrait, EntityTrait, QueryFilter, Set};
use serde::{Deserialize, Serialize};

use super::documents::insert_values;
use super::{Run, Tags, ValueScope};
use crate::bulk::Refused;
use crate::db::{Source, WriteTx};
use crate::entity::{run, run_value};
use crate::error::{Error, Result};
use crate::id::RunId;

/// A change to the tags and the group of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEdit {
    remove_tags: Vec<String>,
    add_tags: Vec<String>,
    group: GroupEdit,
}

/// A change to the group of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupEdit {
    /// It stays.
    #[default]
    Keep,
    /// The run joins this one.
    Join(String),
    /// The run is in none.
    Leave,
}

impl RunEdit {
    /// Tags are removed before others are added at the end. `EDIT_EMPTY` when nothing is to be changed, `TAG_INVALID`
    /// and `TEXT_INVALID` when it cannot be.
    pub fn new(add_tags: Vec<String>, remove_tags: Vec<String>, group: GroupEdit) -> Result<Self> {
        if add_tags.is_empty() && remove_tags.is_empty() && group == GroupEdit::Keep {
            return Err(Error::invalid("EDIT_EMPTY", "input", "names nothing to change"));
        }
        if let GroupEdit::Join(name) = &group {
            super::upsert::check_text("groupName", name)?;
        }
        let tags = |tags| Tags::new(tags).map(|tags| tags.as_slice().to_vec());
        Ok(Self { add_tags: tags(add_tags)?, remove_tags: tags(remove_tags)?, group })
    }

    fn tags(&self, before: &Tags) -> Result<Tags> {
        let kept = before.as_slice().iter().filter(|tag| !self.remove_tags.contains(tag));
        Tags::new(kept.chain(&self.add_tags).cloned().collect())
    }
}

/// Changes runs, which are locked. Answers those that would have too many tags.
pub(crate) async fn apply(tx: &WriteTx, edit: &RunEdit, runs: Vec<Run>) -> Result<Vec<Refused>> {
    let mut refused = Vec::new();
    // Runs that were edited together before have the same tags, so there are few groups.
    let mut by_tags: HashMap<String, (Tags, Vec<Run>)> = HashMap::new();
    for run in runs {
        match edit.tags(&run.tags) {
            Ok(tags) => by_tags.entry(tags.to_string()).or_insert((tags, Vec::new())).1.push(run),
            Err(error) => refused.push(Refused { run_id: run.id, reason: error.to_string() }),
        }
    }
    let mut retagged = Vec::new();
    for (tags, runs) in by_tags.into_values() {
        let ids: Vec<RunId> = runs.iter().map(|run| run.id).collect();
        let group_name = match &edit.group {
            GroupEdit::Keep => ActiveValue::NotSet,
            GroupEdit::Join(name) => Set(Some(name.clone())),
            GroupEdit::Leave => Set(None),
        };
        retagged.extend(runs.into_iter().filter(|run| run.tags != tags));
        let change = run::ActiveModel {
            tags: Set(tags),
            group_name,
            updated_at: Set(tx.now()),
            ..run::ActiveModel::default()
        };
        run::Entity::update_many()
            .set(change)
            .filter(run::Column::Id.is_in(ids))
            .exec(tx.connection())
            .await?;
    }
    index(tx, edit, &retagged).await?;
    Ok(refused)
}

/// Makes the index say of the runs what their tags now say.
async fn index(tx: &WriteTx, edit: &RunEdit, runs: &[Run]) -> Result<()> {
    run_value::Entity::delete_many()
        .filter(run_value::Column::RunId.is_in(runs.iter().map(|run| run.id)))
        .filter(run_value::Column::Scope.eq(ValueScope::Tag))
        .filter(run_value::Column::Path.is_in(&edit.remove_tags))
        .exec(tx.connection())
        .await?;
    let rows = runs.iter().flat_map(|run| {
        edit.add_tags.iter().map(|tag| run_value::ActiveModel {
            run_id: Set(run.id),
            project_id: Set(run.project_id),
            scope: Set(ValueScope::Tag),
            path: Set(tag.clone()),
            num: Set(None),
            text: Set(Some(tag.clone())),
            bool: Set(None),
        })
    });
    insert_values(tx, rows.collect()).await
}
