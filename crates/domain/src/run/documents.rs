//! Config, summary and system metrics: kept byte for byte, and indexed by value for filters and orders.

use std::collections::{BTreeMap, HashMap, HashSet};

use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, Set};

use super::{Run, Tags, ValueScope};
use crate::db::{Source, WriteTx};
use crate::entity::{run_document, run_value};
use crate::error::{Error, Result};
use crate::filter::index::{self, IndexedValue};
use crate::id::RunId;
use crate::json;

/// Rows per statement: seven values each, far below both databases' limits on bound values.
const BATCH: usize = 1000;

/// Makes the empty documents of a new run.
pub(super) async fn create(tx: &WriteTx, run: RunId) -> Result<()> {
    let empty = run_document::ActiveModel {
        run_id: Set(run),
        config: Set(None),
        summary: Set(None),
        system_metrics: Set(None),
        inherited_summary: Set(None),
    };
    run_document::Entity::insert(empty).exec_without_returning(tx.connection()).await?;
    Ok(())
}

/// A document as the client sent it, with the values found in it. Made before any transaction is opened.
#[derive(Clone, Debug)]
pub struct Document {
    text: String,
    values: Vec<IndexedValue>,
}

impl Document {
    /// Reads a config: `{"key": {"value": …}, …}`.
    pub fn config(text: String) -> Result<Self> {
        let values = index::config_values(&parse("config", &text)?);
        Ok(Self { text, values })
    }

    /// Reads a summary, or a line of system metrics.
    pub fn summary(text: String) -> Result<Self> {
        let values = index::summary_values(&parse("summary", &text)?);
        Ok(Self { text, values })
    }

    /// The latest of each key in lines of system metrics.
    pub(crate) fn system_metrics(lines: &[String]) -> Result<Self> {
        if let [line] = lines {
            return Self::summary(line.clone());
        }
        let mut members = BTreeMap::new();
        for line in lines {
            members.extend(json::members(line));
        }
        Self::summary(json::object(members))
    }

    /// Takes in a later summary, or later system metrics.
    pub(crate) fn add(&mut self, later: Self) -> Result<()> {
        *self = later.over(&self.text)?;
        Ok(())
    }

    /// This summary, with what another has of other keys.
    fn over(self, other: &str) -> Result<Self> {
        Self::summary(merge(other, &self.text))
    }

    /// These system metrics, with what there was of other keys.
    fn after(self, before: &str) -> Result<Self> {
        let own: HashSet<String> = json::members(&self.text).into_iter().map(|(key, _)| key).collect();
        let others = json::members(before).iter().filter(|(key, _)| !own.contains(key)).count();
        if others == 0 || own.len() + others > MOST_SYSTEM_METRICS { Ok(self) } else { self.over(before) }
    }
}

/// A document of system metrics has no more keys than this; one that grows beyond is begun anew.
const MOST_SYSTEM_METRICS: usize = 4096;

/// What the client notes of itself in a config: what metrics mean, and that the run has started.
const OWN_ENTRY: &str = "_wandb";

/// Replaces the config. The client's own entry stays where the new one has none: scripts that change a config send back
/// what they were shown, which may be the user's entries alone.
pub(super) async fn set_config(tx: &WriteTx, run: &Run, mut config: Document) -> Result<()> {
    let is_own = |(key, _): &(String, &str)| key == OWN_ENTRY;
    let mut entries = json::members(&config.text);
    if !entries.iter().any(is_own) {
        let before = run_document::Entity::find_by_id(run.id).one(tx.connection()).await?;
        let before = before.and_then(|document| document.config).unwrap_or_default();
        if let Some(own) = json::members(&before).into_iter().rfind(is_own) {
            entries.push(own);
            config.text = json::object(entries);
        }
    }
    set(tx, run, run_document::Column::Config, ValueScope::Config, config).await
}

/// Replaces the summary.
pub(super) async fn set_summary(tx: &WriteTx, run: &Run, summary: Document) -> Result<()> {
    forget_inherited(tx, run).await?;
    set(tx, run, run_document::Column::Summary, ValueScope::Summary, summary).await
}

/// Replaces the summary of a run that begins at a step of a run, with what there was at that step. Its writer is not
/// told: what that sends is the whole of its own part, and goes on top.
pub(crate) async fn inherit_summary(tx: &WriteTx, run: &Run, summary: Document) -> Result<()> {
    set_inherited(tx, run, Some(summary.text.clone())).await?;
    set(tx, run, run_document::Column::Summary, ValueScope::Summary, summary).await
}

/// From now on, what is sent is the whole summary.
pub(super) async fn forget_inherited(tx: &WriteTx, run: &Run) -> Result<()> {
    set_inherited(tx, run, None).await
}

async fn set_inherited(tx: &WriteTx, run: &Run, summary: Option<String>) -> Result<()> {
    run_document::Entity::update_many()
        .col_expr(run_document::Column::InheritedSummary, Expr::value(summary))
        .filter(run_document::Column::RunId.eq(run.id))
        .exec(tx.connection())
        .await?;
    Ok(())
}

/// Adds to the summary.
pub(crate) async fn merge_summary(tx: &WriteTx, run: &Run, more: Document) -> Result<()> {
    let before = run_document::Entity::find_by_id(run.id).one(tx.connection()).await?;
    let before = before.and_then(|document| document.summary).unwrap_or_default();
    set(tx, run, run_document::Column::Summary, ValueScope::Summary, more.over(&before)?).await
}

/// Takes what the writers of runs sent: whole summaries, and the latest system metrics.
pub(crate) async fn take(
    tx: &WriteTx,
    runs: &HashMap<RunId, Run>,
    summaries: HashMap<RunId, Document>,
    system_metrics: HashMap<RunId, Document>,
) -> Result<()> {
    use run_document::Column::{InheritedSummary, RunId as Id, Summary, SystemMetrics};
    if summaries.is_empty() && system_metrics.is_empty() {
        return Ok(());
    }
    let ids = summaries.keys().chain(system_metrics.keys()).copied();
    let before: Vec<(RunId, Option<String>, Option<String>)> = run_document::Entity::find()
        .select_only()
        .columns([Id, InheritedSummary, SystemMetrics])
        .filter(Id.is_in(ids))
        .into_tuple()
        .all(tx.connection())
        .await?;
    let before: HashMap<_, _> =
        before.into_iter().map(|(id, inherited, metrics)| (id, (inherited, metrics))).collect();
    let known = |id| runs.get(&id).ok_or_else(|| Error::internal("a run vanished from its batch"));
    for (id, mut summary) in summaries {
        if let Some((Some(inherited), _)) = before.get(&id) {
            summary = summary.over(inherited)?;
        }
        set(tx, known(id)?, Summary, ValueScope::Summary, summary).await?;
    }
    for (id, mut metrics) in system_metrics {
        if let Some((_, Some(before))) = before.get(&id) {
            metrics = metrics.after(before)?;
        }
        set(tx, known(id)?, SystemMetrics, ValueScope::System, metrics).await?;
    }
    Ok(())
}

/// Adds to the config.
pub(super) async fn merge_config(tx: &WriteTx, run: &Run, more: Document) -> Result<()> {
    let before = run_document::Entity::find_by_id(run.id).one(tx.connection()).await?;
    let before = before.and_then(|document| document.config).unwrap_or_default();
    set_config(tx, run, Document::config(merge(&before, &more.text))?).await
}

/// What is in either object; where both have a key, as `more` has it.
fn merge(before: &str, more: &str) -> String {
    let mut members: BTreeMap<_, _> = json::members(before).into_iter().collect();
    members.extend(json::members(more));
    json::object(members)
}

async fn set(
    tx: &WriteTx,
    run: &Run,
    column: run_document::Column,
    scope: ValueScope,
    document: Document,
) -> Result<()> {
    run_document::Entity::update_many()
        .col_expr(column, document.text.into())
        .filter(run_document::Column::RunId.eq(run.id))
        .exec(tx.connection())
        .await?;
    replace_values(tx, run, scope, document.values).await
}

/// Indexes the tags.
pub(super) async fn index_tags(tx: &WriteTx, run: &Run, tags: &Tags) -> Result<()> {
    let values = tags
        .as_slice()
        .iter()
        .map(|tag| IndexedValue { path: tag.clone(), num: None, text: Some(tag.clone()), bool: None })
        .collect();
    replace_values(tx, run, ValueScope::Tag, values).await
}

fn parse(field: &'static str, text: &str) -> Result<serde_json::Value> {
    match json::parse(text) {
        Ok(value) if value.is_object() => Ok(value),
        Ok(_) => Err(Error::invalid("DOCUMENT_INVALID", field, "must be a JSON object")),
        Err(error) => Err(Error::invalid("DOCUMENT_INVALID", field, error.to_string())),
    }
}

/// Makes the index of one scope say exactly `values`, touching only the rows that differ.
async fn replace_values(tx: &WriteTx, run: &Run, scope: ValueScope, values: Vec<IndexedValue>) -> Result<()> {
    let scoped = || {
        run_value::Entity::find()
            .filter(run_value::Column::RunId.eq(run.id))
            .filter(run_value::Column::Scope.eq(scope))
    };
    let mut before: HashMap<String, run_value::Model> =
        scoped().all(tx.connection()).await?.into_iter().map(|row| (row.path.clone(), row)).collect();
    let mut changed = Vec::new();
    for value in values {
        let same = before
            .remove(&value.path)
            .is_some_and(|row| row.num == value.num && row.text == value.text && row.bool == value.bool);
        if !same {
            changed.push(run_value::ActiveModel {
                run_id: Set(run.id),
                project_id: Set(run.project_id),
                scope: Set(scope),
                path: Set(value.path),
                num: Set(value.num),
                text: Set(value.text),
                bool: Set(value.bool),
            });
        }
    }
    let gone: Vec<String> = before.into_keys().collect();
    for paths in gone.chunks(BATCH) {
        run_value::Entity::delete_many()
            .filter(run_value::Column::RunId.eq(run.id))
            .filter(run_value::Column::Scope.eq(scope))
            .filter(run_value::Column::Path.is_in(paths))
            .exec(tx.connection())
            .await?;
    }
    insert_values(tx, changed).await
}

/// Adds or overwrites rows of the index.
pub(super) async fn insert_values(tx: &WriteTx, mut rows: Vec<run_value::ActiveModel>) -> Result<()> {
    use run_value::Column::{Bool, Num, Path, RunId, Scope, Text};
    while !rows.is_empty() {
        let rest = rows.split_off(rows.len().min(BATCH));
        run_value::Entity::insert_many(rows)
            .on_conflict(
                OnConflict::columns([RunId, Scope, Path]).update_columns([Num, Text, Bool]).to_owned(),
            )
            .exec_without_returning(tx.connection())
            .await?;
        rows = rest;
    }
    Ok(())
}

/// Notes keys that were logged for the first time, for `keys_info.keys.*` filters.
pub(crate) async fn add_keys(tx: &WriteTx, run: &Run, keys: impl IntoIterator<Item = String>) -> Result<()> {
    let rows = keys
        .into_iter()
        .map(|path| run_value::ActiveModel {
            run_id: Set(run.id),
            project_id: Set(run.project_id),
            scope: Set(ValueScope::Key),
            path: Set(path),
            num: Set(None),
            text: Set(None),
            bool: Set(None),
        })
        .collect();
    insert_values(tx, rows).await
}
