//! Runs.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object};

use counterweight_domain as domain;
use counterweight_domain::account::Role;
use counterweight_domain::artifact::ArtifactRole;
use counterweight_domain::file::Grant;
use counterweight_domain::history::{self, Axis, BucketSpec, Sample, SampleSpec, StepRange, Stream};
use counterweight_domain::hold::Subject;
use counterweight_domain::json;
use counterweight_domain::run::{Lifecycle, RunDocument, RunState};
use counterweight_domain::usage::Scope;

use super::history::{cost, distinct_keys, parse_specs, samples, specs_cost};
use super::{
    AlertConnection, ArtifactConnection, FileConnection, HistoryBuckets, Hold, LogLineConnection,
    ParquetHistory, Project, RunInfo, RunRetention, StorageUsage, User, history_buckets, storage,
};
use crate::connection;
use crate::context::{ContextExt as _, RequestContext};
use crate::error::{OrGraphql as _, Result};
use crate::loaders::{FateOf, FileCount, RoleIn, Sampled};
use crate::scalars::{DateTime, Int64, Json, JsonString};

/// A run.
pub(crate) struct Run(pub(crate) domain::run::Run);

/// Where a run stands between live and gone.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "Lifecycle")]
enum RunLifecycle {
    /// Listed.
    Live,
    /// Out of the listings, reachable by name.
    Archived,
    /// In the trash.
    Deleted,
    /// Gone; only its id stays taken.
    Purged,
}

impl Run {
    async fn document(&self, ctx: &Context<'_>) -> Result<Option<RunDocument>> {
        ctx.request()?.loader.load_one(self.0.id).await.or_graphql()
    }

    async fn stream(&self, ctx: &Context<'_>, stream: Stream) -> Result<Option<history::HistoryStream>> {
        ctx.request()?.loader.load_one((self.0.id, stream)).await.or_graphql()
    }

    async fn rows(
        &self,
        ctx: &Context<'_>,
        stream: Stream,
        range: StepRange,
        wanted: Option<i32>,
    ) -> Result<Vec<String>> {
        let RequestContext { reader, row_budget, .. } = ctx.request()?;
        reader.rows(self.0.id, stream, range, samples(wanted), row_budget).await.or_graphql()
    }

    async fn sampled(&self, ctx: &Context<'_>, specs: Vec<SampleSpec>) -> Result<Vec<Arc<Sample>>> {
        let wanted = |spec| Sampled { run: self.0.id, spec: Arc::new(spec) };
        let wanted: Vec<Sampled> = specs.into_iter().map(wanted).collect();
        let some = wanted.iter().filter(|wanted| !wanted.spec.keys.is_empty());
        let found = ctx.request()?.loader.load_many(some.cloned()).await.or_graphql()?;
        Ok(wanted.iter().map(|wanted| found.get(wanted).cloned().unwrap_or_default()).collect())
    }

    async fn line_count(&self, ctx: &Context<'_>, stream: Stream) -> Result<i32> {
        let found = self.stream(ctx, stream).await?;
        Ok(found.map_or(0, |found| i32::try_from(found.line_count).unwrap_or(i32::MAX)))
    }

    async fn exports(&self, ctx: &Context<'_>) -> Result<Vec<String>> {
        let Some(stream) = self.stream(ctx, Stream::History).await? else { return Ok(Vec::new()) };
        let RequestContext { db, links, .. } = ctx.request()?;
        let segments = history::list_exports(db, &stream).await.or_graphql()?;
        let url = |segment_id| links.signed(&Grant::History { segment_id }).or_graphql();
        segments.into_iter().map(url).collect()
    }

    /// A JSON list of the last line, as a resuming client reads it (protocol reference 5.4).
    async fn last_line(&self, ctx: &Context<'_>, stream: Stream) -> Result<JsonString> {
        let lines = ctx.request()?.reader.tail(self.0.id, stream, 1).await.or_graphql()?;
        serde_json::to_string(&lines).map_err(domain::Error::internal).or_graphql().map(JsonString)
    }
}

/// How many files are wanted by name.
fn names_wanted(names: Option<&[Option<String>]>) -> Option<i32> {
    let wanted = names.unwrap_or_default().iter().flatten().count();
    i32::try_from(wanted).ok().filter(|wanted| *wanted > 0)
}

/// The text of one member of an object; the last one where it is there twice.
fn member<'a>(object: &'a str, key: &str) -> &'a str {
    json::members(object).into_iter().rfind(|(name, _)| name == key).map_or("", |(_, value)| value)
}

#[Object]
impl Run {
    /// Global id, the storage id of the client.
    async fn id(&self) -> ID {
        self.0.id.to_node_id().into()
    }

    /// The run id that users see.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The pretty name.
    async fn display_name(&self) -> &str {
        &self.0.display_name
    }

    /// The number of its project.
    async fn project_id(&self) -> Int64 {
        Int64(self.0.project_id.0)
    }

    /// Its project.
    async fn project(&self, ctx: &Context<'_>) -> Result<Option<Project>> {
        Ok(ctx.request()?.loader.load_one(self.0.project_id).await.or_graphql()?.map(Project))
    }

    /// Who created it.
    async fn user(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        Ok(ctx.request()?.loader.load_one(self.0.user_id).await.or_graphql()?.map(User))
    }

    /// What its process is doing.
    async fn state(&self) -> &str {
        self.0.state.as_str()
    }

    /// Bytes of its files and history, by what becomes of them.
    #[graphql(complexity = "storage::COST + child_complexity")]
    async fn storage(&self, ctx: &Context<'_>) -> Result<StorageUsage> {
        StorageUsage::get(ctx, Scope::Run(self.0.id)).await
    }

    /// Where it stands between live and gone.
    async fn lifecycle(&self) -> RunLifecycle {
        self.0.lifecycle.into()
    }

    /// When an archived run will be deleted; none: never.
    async fn archived_until(&self) -> Option<DateTime> {
        self.0.archived_until.map(DateTime)
    }

    /// When it was deleted.
    async fn deleted_at(&self) -> Option<DateTime> {
        self.0.deleted_at.map(DateTime)
    }

    /// Until when a deleted run can be restored.
    async fn purge_after(&self) -> Option<DateTime> {
        self.0.purge_after.map(DateTime)
    }

    /// What keeps it from being deleted: a hold on it, or else on its project.
    async fn hold(&self, ctx: &Context<'_>) -> Result<Option<Hold>> {
        Hold::on_first(ctx, &[Subject::Run(self.0.id), Subject::Project(self.0.project_id)]).await
    }

    /// The rule that will be the first to take it, as things stand; none: none will.
    #[graphql(complexity = "storage::COST + child_complexity")]
    async fn retention(&self, ctx: &Context<'_>) -> Result<Option<RunRetention>> {
        let fate = ctx.request()?.loader.load_one(FateOf(self.0.id)).await.or_graphql()?;
        Ok(fate.map(RunRetention))
    }

    /// Its tags.
    async fn tags(&self) -> &[String] {
        self.0.tags.as_slice()
    }

    /// Its group.
    async fn group(&self) -> Option<&str> {
        self.0.group_name.as_deref()
    }

    /// Its job type.
    async fn job_type(&self) -> Option<&str> {
        self.0.job_type.as_deref()
    }

    /// Git commit.
    async fn commit(&self) -> Option<&str> {
        self.0.commit_hash.as_deref()
    }

    /// The machine that ran it.
    async fn host(&self) -> Option<&str> {
        self.0.host.as_deref()
    }

    /// Its description.
    async fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }

    /// Its notes.
    async fn notes(&self) -> Option<&str> {
        self.0.notes.as_deref()
    }

    /// Whether the viewer may only read it.
    async fn read_only(&self, ctx: &Context<'_>) -> Result<bool> {
        let role = ctx.request()?.loader.load_one(RoleIn(self.0.project_id)).await.or_graphql()?;
        Ok(!role.is_some_and(Role::may_write))
    }

    /// When it was created.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When it last changed by other than a heartbeat.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.updated_at)
    }

    /// When its writer was last heard of.
    async fn heartbeat_at(&self) -> DateTime {
        DateTime(self.0.heartbeat_at)
    }

    /// The sweep that started it.
    async fn sweep_name(&self) -> Option<&str> {
        self.0.sweep_name.as_deref()
    }

    /// Whether its writer is told to stop.
    async fn stopped(&self) -> bool {
        self.0.stop_requested
    }

    /// Same as `stopped`.
    async fn should_stop(&self) -> bool {
        self.0.stop_requested
    }

    /// Whether it runs.
    async fn running(&self) -> bool {
        self.0.state == RunState::Running
    }

    /// Whether it failed or crashed.
    async fn failed(&self) -> bool {
        matches!(self.0.state, RunState::Failed | RunState::Crashed)
    }

    /// Exit code of its process.
    async fn exitcode(&self) -> Option<i32> {
        self.0.exit_code
    }

    /// The whole config, as the client sent it.
    async fn config(&self, ctx: &Context<'_>) -> Result<JsonString> {
        let text = self.document(ctx).await?.and_then(|document| document.config);
        Ok(JsonString(text.unwrap_or_else(|| "{}".to_owned())))
    }

    /// Chosen keys of the client's own part of the config. Whether `t` is there tells it that the run has started.
    async fn wandb_config(&self, ctx: &Context<'_>, keys: Option<Vec<String>>) -> Result<JsonString> {
        let text = self.document(ctx).await?.and_then(|document| document.config).unwrap_or_default();
        let own = json::members(member(member(&text, "_wandb"), "value"));
        let is_wanted = |key: &String| keys.as_ref().is_none_or(|keys| keys.contains(key));
        Ok(JsonString(json::object(own.into_iter().filter(|(key, _)| is_wanted(key)))))
    }

    /// The whole summary, as the client sent it; bare `NaN` may stand in it.
    async fn summary_metrics(&self, ctx: &Context<'_>) -> Result<JsonString> {
        let text = self.document(ctx).await?.and_then(|document| document.summary);
        Ok(JsonString(text.unwrap_or_else(|| "{}".to_owned())))
    }

    /// The latest system metrics.
    async fn system_metrics(&self, ctx: &Context<'_>) -> Result<JsonString> {
        let text = self.document(ctx).await?.and_then(|document| document.system_metrics).unwrap_or_default();
        Ok(JsonString(json::object(json::members(&text).into_iter().filter(|(key, _)| key != "_wandb"))))
    }

    /// Lines of history.
    async fn history_line_count(&self, ctx: &Context<'_>) -> Result<i32> {
        self.line_count(ctx, Stream::History).await
    }

    /// Lines of system metrics.
    async fn events_line_count(&self, ctx: &Context<'_>) -> Result<i32> {
        self.line_count(ctx, Stream::Events).await
    }

    /// Lines of console output.
    async fn log_line_count(&self, ctx: &Context<'_>) -> Result<i32> {
        self.line_count(ctx, Stream::Console).await
    }

    /// The last line of history, in a JSON list.
    async fn history_tail(&self, ctx: &Context<'_>) -> Result<JsonString> {
        self.last_line(ctx, Stream::History).await
    }

    /// The last line of system metrics, in a JSON list.
    async fn events_tail(&self, ctx: &Context<'_>) -> Result<JsonString> {
        self.last_line(ctx, Stream::Events).await
    }

    /// What was logged, key by key; none before the first row.
    async fn history_keys(&self, ctx: &Context<'_>) -> Result<Option<Json>> {
        let Some(stream) = self.stream(ctx, Stream::History).await? else { return Ok(None) };
        history::history_keys(&stream).or_graphql()?.as_ref().map(Json::of).transpose()
    }

    /// Rows as they were logged, at most `samples` of them, evenly chosen; from `minStep`, up to but not including
    /// `maxStep`.
    #[graphql(complexity = "cost(samples(wanted))")]
    async fn history(
        &self,
        ctx: &Context<'_>,
        min_step: Option<Int64>,
        max_step: Option<Int64>,
        #[graphql(name = "samples")] wanted: Option<i32>,
    ) -> Result<Option<Vec<String>>> {
        let range = StepRange { min: min_step.map(|step| step.0), max: max_step.map(|step| step.0) };
        self.rows(ctx, Stream::History, range, wanted).await.map(Some)
    }

    /// System metrics, at most `samples` rows, evenly chosen.
    #[graphql(complexity = "cost(samples(wanted))")]
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "samples")] wanted: Option<i32>,
    ) -> Result<Option<Vec<String>>> {
        self.rows(ctx, Stream::Events, StepRange::default(), wanted).await.map(Some)
    }

    /// For each spec (a JSON object with `keys`, and perhaps `samples`, `minStep` and `maxStep`), rows that have all its
    /// keys, cut down to these; from `minStep`, up to but not including `maxStep`, unless `_step` is among the keys twice.
    #[graphql(complexity = "specs_cost(&specs)")]
    async fn sampled_history(&self, ctx: &Context<'_>, specs: Vec<JsonString>) -> Result<Vec<Option<Json>>> {
        let samples = self.sampled(ctx, parse_specs(&specs)?).await?;
        samples.iter().map(|sample| Json::of(sample.as_ref()).map(Some)).collect()
    }

    /// Numbers of the history in buckets, for charts of many runs: for each key its values over an x axis from `min` up
    /// to but not including `max`, or over all of it, in at most so many buckets of equal width. Without an x axis, over
    /// the steps; an x axis that goes back is of little use. Rows without a finite number on the x axis are left out.
    ///
    /// What a bucket says is exact for the values that it has. A short history, or a short part of it, is read row by
    /// row, and every value is in the bucket of its own x. In a longer one, values come in stretches of 128 rows or more:
    /// each lies as a whole in the bucket in which it begins, and is there whenever some of it is wanted.
    ///
    /// A key that holds more than numbers, or an x axis that only some rows have, is read row by row however long the
    /// history is, up to a million rows of all runs; then `NOT_SUMMARISED` says so, for each run on its own.
    #[graphql(complexity = "history_buckets::cost(keys.len(), buckets)")]
    async fn history_buckets(
        &self,
        ctx: &Context<'_>,
        keys: Vec<String>,
        x_axis: Option<String>,
        min: Option<f64>,
        max: Option<f64>,
        buckets: Option<i32>,
    ) -> Option<Result<Vec<HistoryBuckets>>> {
        // What one run cannot answer takes nothing from the others.
        let spec = Axis::parse(x_axis, min, max).and_then(|axis| BucketSpec::parse(keys, axis, buckets));
        Some(match spec.or_graphql() {
            Ok(spec) => HistoryBuckets::load(ctx, self.0.id, spec).await,
            Err(refused) => Err(refused),
        })
    }

    /// History in Parquet files, and what is not in them yet.
    #[graphql(complexity = "100")]
    async fn parquet_history(&self, ctx: &Context<'_>, live_keys: Vec<String>) -> Result<ParquetHistory> {
        let keys = distinct_keys(live_keys)?;
        let parquet_urls = self.exports(ctx).await?;
        if !parquet_urls.is_empty() {
            return Ok(ParquetHistory { parquet_urls, live_data: Vec::new() });
        }
        let ends = vec![SampleSpec { keys, samples: 2, range: StepRange::default() }];
        let found = self.sampled(ctx, ends).await?;
        let live_data = found.iter().flat_map(|ends| ends.rows()).map(|row| Json::of(&row));
        Ok(ParquetHistory { parquet_urls, live_data: live_data.collect::<Result<_>>()? })
    }

    /// Console lines: the `last` ones, or the `first` ones after a cursor.
    #[graphql(complexity = "connection::cost(first.or(last), child_complexity)")]
    async fn log_lines(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        last: Option<i32>,
        after: Option<String>,
        #[graphql(name = "useImprovedPagination")] _use_improved_pagination: Option<bool>,
    ) -> Result<Option<LogLineConnection>> {
        let wanted = connection::page_size(first.or(last))?;
        let start = match (first, last) {
            (None, Some(_)) => {
                let count = i64::from(self.line_count(ctx, Stream::Console).await?);
                count.saturating_sub_unsigned(wanted).max(0)
            }
            _ => LogLineConnection::start_after(self.0.id, after.as_deref())?,
        };
        LogLineConnection::page(ctx, self.0.id, start, wanted).await.map(Some)
    }

    /// How many files it has.
    async fn file_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let count = ctx.request()?.loader.load_one(FileCount(self.0.id)).await.or_graphql()?;
        Ok(count.map_or(0, |count| i32::try_from(count).unwrap_or(i32::MAX)))
    }

    /// Its files: exactly `names`, in their order, or by name those that match a SQL `LIKE` pattern, or all. A name that
    /// has no file answers with one of no bytes, since older clients upload to its `url(upload: true)`; they name no
    /// number either, and mean all of `names`.
    #[graphql(complexity = "connection::cost(first.or(names_wanted(names.as_deref())), child_complexity)")]
    async fn files(
        &self,
        ctx: &Context<'_>,
        names: Option<Vec<Option<String>>>,
        pattern: Option<String>,
        after: Option<String>,
        first: Option<i32>,
    ) -> Result<Option<FileConnection>> {
        let first = first.or(names_wanted(names.as_deref()));
        let names: Vec<String> = names.unwrap_or_default().into_iter().flatten().collect();
        let after = after.as_deref();
        let page = if names.is_empty() {
            FileConnection::page(ctx, &self.0, pattern, after, first).await
        } else {
            FileConnection::named(ctx, &self.0, names, after, first).await
        };
        page.map(Some)
    }

    /// Versions of artifacts that it made, or would have made the same, in the order in which it did.
    #[graphql(complexity = "connection::cost(first, child_complexity)")]
    async fn output_artifacts(
        &self,
        ctx: &Context<'_>,
        after: Option<String>,
        first: Option<i32>,
    ) -> Result<Option<ArtifactConnection>> {
        ArtifactConnection::of_run(ctx, &self.0, ArtifactRole::Output, after.as_deref(), first)
            .await
            .map(Some)
    }

    /// Versions of artifacts that it used, in the order in which it did.
    #[graphql(complexity = "connection::cost(first, child_complexity)")]
    async fn input_artifacts(
        &self,
        ctx: &Context<'_>,
        after: Option<String>,
        first: Option<i32>,
    ) -> Result<Option<ArtifactConnection>> {
        ArtifactConnection::of_run(ctx, &self.0, ArtifactRole::Input, after.as_deref(), first).await.map(Some)
    }

    /// What it told its owner by `run.alert()`, the newest first.
    #[graphql(complexity = "connection::cost(first, child_complexity)")]
    async fn alerts(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Option<AlertConnection>> {
        AlertConnection::page(ctx, self.0.id, after.as_deref(), first).await.map(Some)
    }

    /// How it was started.
    #[graphql(complexity = "100")]
    async fn run_info(&self, ctx: &Context<'_>) -> Result<Option<RunInfo>> {
        let request = ctx.request()?;
        RunInfo::read(&request.db, &request.blobs, self.0.id).await.or_graphql()
    }
}
