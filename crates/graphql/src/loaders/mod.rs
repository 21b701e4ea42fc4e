//! One statement for what many objects of an answer need.

mod artifact;
mod hold;
mod retention;
mod sweep;

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

pub(crate) use self::artifact::{AliasesOf, CurrentManifest, LinksOf, SourcePlace, TagsOf, TagsOfCollection};
pub(crate) use self::hold::PathOf;
pub(crate) use self::retention::FateOf;
pub(crate) use self::sweep::{RunsOf, TotalsOf};

use counterweight_domain::account::{self, Caller, Entity, Organization, Role, Roster, User};
use counterweight_domain::alert::{self, Alert};
use counterweight_domain::file::{self, File, FileQuery};
use counterweight_domain::history::{
    self, BucketSpec, HistoryStream, Reader, RowBudget, Sample, SampleSpec, Stream, Stretch,
};
use counterweight_domain::id::{AlertId, EntityId, OrganizationId, ProjectId, RunId, UserId};
use counterweight_domain::project::{self, Project};
use counterweight_domain::run::{self, RunDocument};
use counterweight_domain::{Db, Error};

/// The source of all loads of a request.
pub(crate) struct Loader {
    pub(crate) db: Db,
    pub(crate) caller: Caller,
    pub(crate) reader: Reader,
    pub(crate) row_budget: Arc<RowBudget>,
}

/// The user whose personal entity it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Owner(pub(crate) EntityId);

/// Where a user owns projects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TeamsOf(pub(crate) UserId);

/// Who belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MembersOf(pub(crate) EntityId);

/// What the caller may do in it: in an entity, or in a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RoleIn<Id>(pub(crate) Id);

/// A page of a run's alerts, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AlertPage {
    pub(crate) run: RunId,
    pub(crate) before: Option<AlertId>,
    pub(crate) limit: u64,
}

/// The names of a project's owner and of the project, whatever became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NamesOf(pub(crate) ProjectId);

/// How many files a run has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FileCount(pub(crate) RunId);

/// A page of a run's files.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FilePage {
    pub(crate) run: RunId,
    pub(crate) wanted: FileQuery,
    pub(crate) limit: u64,
}

/// Values of a run's history over an axis.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Buckets {
    pub(crate) run: RunId,
    pub(crate) spec: Arc<BucketSpec>,
}

/// Few rows of a run's history, cut down to some keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Sampled {
    pub(crate) run: RunId,
    pub(crate) spec: Arc<SampleSpec>,
}

type Loaded<K, V> = Result<HashMap<K, V>, Arc<Error>>;

/// The runs by what they are asked for: those of a list for the same, so there are few groups.
fn by_question<Q: Eq + Hash>(wanted: impl Iterator<Item = (Q, RunId)>) -> HashMap<Q, Vec<RunId>> {
    let mut groups: HashMap<Q, Vec<RunId>> = HashMap::new();
    for (question, run) in wanted {
        groups.entry(question).or_default().push(run);
    }
    groups
}

impl async_graphql::dataloader::Loader<UserId> for Loader {
    type Value = User;
    type Error = Arc<Error>;

    async fn load(&self, ids: &[UserId]) -> Loaded<UserId, User> {
        Ok(account::get_users(&self.db, ids).await?)
    }
}

impl async_graphql::dataloader::Loader<EntityId> for Loader {
    type Value = Entity;
    type Error = Arc<Error>;

    async fn load(&self, ids: &[EntityId]) -> Loaded<EntityId, Entity> {
        Ok(account::get_entities(&self.db, ids).await?)
    }
}

impl async_graphql::dataloader::Loader<NamesOf> for Loader {
    type Value = (String, String);
    type Error = Arc<Error>;

    async fn load(&self, keys: &[NamesOf]) -> Loaded<NamesOf, Self::Value> {
        let ids: Vec<ProjectId> = keys.iter().map(|key| key.0).collect();
        let names = project::get_names(&self.db, &ids).await?;
        Ok(names.into_iter().map(|(id, names)| (NamesOf(id), names)).collect())
    }
}

impl async_graphql::dataloader::Loader<Owner> for Loader {
    type Value = User;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[Owner]) -> Loaded<Owner, User> {
        let ids: Vec<EntityId> = keys.iter().map(|key| key.0).collect();
        let owners = account::get_owners(&self.db, &ids).await?;
        Ok(owners.into_iter().map(|(entity, user)| (Owner(entity), user)).collect())
    }
}

impl async_graphql::dataloader::Loader<OrganizationId> for Loader {
    type Value = Organization;
    type Error = Arc<Error>;

    async fn load(&self, ids: &[OrganizationId]) -> Loaded<OrganizationId, Organization> {
        Ok(account::get_organizations(&self.db, ids).await?)
    }
}

impl async_graphql::dataloader::Loader<TeamsOf> for Loader {
    type Value = Vec<Entity>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[TeamsOf]) -> Loaded<TeamsOf, Vec<Entity>> {
        let ids: Vec<UserId> = keys.iter().map(|key| key.0).collect();
        let entities = account::list_entities(&self.db, &self.caller, &ids).await?;
        Ok(entities.into_iter().map(|(user, entities)| (TeamsOf(user), entities)).collect())
    }
}

impl async_graphql::dataloader::Loader<MembersOf> for Loader {
    type Value = Roster;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[MembersOf]) -> Loaded<MembersOf, Roster> {
        let ids: Vec<EntityId> = keys.iter().map(|key| key.0).collect();
        let rosters = account::list_members(&self.db, &self.caller, &ids).await?;
        Ok(rosters.into_iter().map(|(entity, roster)| (MembersOf(entity), roster)).collect())
    }
}

impl async_graphql::dataloader::Loader<RoleIn<EntityId>> for Loader {
    type Value = Role;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[RoleIn<EntityId>]) -> Loaded<RoleIn<EntityId>, Role> {
        let ids: Vec<EntityId> = keys.iter().map(|key| key.0).collect();
        let roles = account::get_roles(&self.db, &self.caller, &ids).await?;
        Ok(roles.into_iter().map(|(entity, role)| (RoleIn(entity), role)).collect())
    }
}

impl async_graphql::dataloader::Loader<RoleIn<ProjectId>> for Loader {
    type Value = Role;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[RoleIn<ProjectId>]) -> Loaded<RoleIn<ProjectId>, Role> {
        let ids: Vec<ProjectId> = keys.iter().map(|key| key.0).collect();
        let roles = project::get_roles(&self.db, &self.caller, &ids).await?;
        Ok(roles.into_iter().map(|(project, role)| (RoleIn(project), role)).collect())
    }
}

impl async_graphql::dataloader::Loader<ProjectId> for Loader {
    type Value = Project;
    type Error = Arc<Error>;

    async fn load(&self, ids: &[ProjectId]) -> Loaded<ProjectId, Project> {
        Ok(project::get_many(&self.db, &self.caller, ids).await?)
    }
}

impl async_graphql::dataloader::Loader<RunId> for Loader {
    type Value = RunDocument;
    type Error = Arc<Error>;

    async fn load(&self, ids: &[RunId]) -> Loaded<RunId, RunDocument> {
        Ok(run::get_documents(&self.db, ids).await?)
    }
}

impl async_graphql::dataloader::Loader<(RunId, Stream)> for Loader {
    type Value = HistoryStream;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[(RunId, Stream)]) -> Loaded<(RunId, Stream), HistoryStream> {
        let mut ids: Vec<RunId> = keys.iter().map(|(run, _)| *run).collect();
        ids.sort_unstable();
        ids.dedup();
        Ok(history::get_streams(&self.db, &ids).await?)
    }
}

impl async_graphql::dataloader::Loader<Buckets> for Loader {
    /// In the order of the keys, or why this run has no answer.
    type Value = Result<Vec<Vec<Stretch>>, Arc<Error>>;
    type Error = Arc<Error>;

    async fn load(&self, wanted: &[Buckets]) -> Loaded<Buckets, Self::Value> {
        let groups = by_question(wanted.iter().map(|Buckets { run, spec }| (spec, *run)));
        let mut found = HashMap::with_capacity(wanted.len());
        for (spec, runs) in groups {
            for (run, series) in self.reader.buckets(&runs, spec).await? {
                found.insert(Buckets { run, spec: Arc::clone(spec) }, series.map_err(Arc::new));
            }
        }
        Ok(found)
    }
}

impl async_graphql::dataloader::Loader<Sampled> for Loader {
    type Value = Arc<Sample>;
    type Error = Arc<Error>;

    async fn load(&self, wanted: &[Sampled]) -> Loaded<Sampled, Arc<Sample>> {
        let groups = by_question(wanted.iter().map(|Sampled { run, spec }| (spec, *run)));
        let mut found = HashMap::with_capacity(wanted.len());
        for (spec, runs) in groups {
            for (run, sample) in self.reader.sampled(&runs, spec, &self.row_budget).await? {
                found.insert(Sampled { run, spec: Arc::clone(spec) }, Arc::new(sample));
            }
        }
        Ok(found)
    }
}

impl async_graphql::dataloader::Loader<FileCount> for Loader {
    type Value = i64;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[FileCount]) -> Loaded<FileCount, i64> {
        let ids: Vec<RunId> = keys.iter().map(|key| key.0).collect();
        let counts = file::count_many(&self.db, &ids).await?;
        Ok(counts.into_iter().map(|(run, count)| (FileCount(run), count)).collect())
    }
}

impl async_graphql::dataloader::Loader<FilePage> for Loader {
    type Value = Vec<File>;
    type Error = Arc<Error>;

    async fn load(&self, pages: &[FilePage]) -> Loaded<FilePage, Vec<File>> {
        let groups = by_question(pages.iter().map(|page| ((&page.wanted, page.limit), page.run)));
        let mut found = HashMap::with_capacity(pages.len());
        for ((wanted, limit), runs) in groups {
            for (run, files) in file::list_many(&self.db, &runs, wanted, limit).await? {
                found.insert(FilePage { run, wanted: wanted.clone(), limit }, files);
            }
        }
        Ok(found)
    }
}

impl async_graphql::dataloader::Loader<AlertPage> for Loader {
    type Value = Vec<Alert>;
    type Error = Arc<Error>;

    async fn load(&self, pages: &[AlertPage]) -> Loaded<AlertPage, Vec<Alert>> {
        let groups = by_question(pages.iter().map(|page| ((page.before, page.limit), page.run)));
        let mut found = HashMap::with_capacity(pages.len());
        for ((before, limit), runs) in groups {
            for (run, alerts) in alert::list_many(&self.db, &runs, before, limit).await? {
                found.insert(AlertPage { run, before, limit }, alerts);
            }
        }
        Ok(found)
    }
}
