//! How long what is deleted or archived is kept. The nearest that says something rules: the project, its entity, the
//! instance, the settings.

use std::time::Duration;

use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveModelTrait as _, EntityTrait as _, FromQueryResult as _, IntoActiveModel as _, Set};

use super::{Scope, ScopeKind};
use crate::account::Caller;
use crate::db::{Source, WriteTx, dialect};
use crate::entity::retention_period::{ActiveModel, Entity, Model};
use crate::error::{Error, Result};
use crate::id::ProjectId;

/// How long what is unwanted can be brought back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// From deletion to purge.
    pub trash: Duration,
    /// From archiving to deletion; `None` keeps archived runs for ever.
    pub archive: Option<Duration>,
    /// From the deletion of a version of an artifact to its purge.
    pub artifacts: Duration,
}

impl Retention {
    /// What rules in a project, where this is what the settings say. Every verb that fixes a deadline asks it.
    pub(crate) async fn of_project(self, db: &impl Source, id: ProjectId) -> Result<Self> {
        get_periods(db, self, Scope::Project(id)).await.map(|periods| periods.retention)
    }
}

/// Who says how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The settings of the server.
    Settings,
    /// What was set for the instance, an entity or a project.
    Set(ScopeKind),
}

/// The periods that rule somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Periods {
    /// How long they are.
    pub retention: Retention,
    /// Who says so of the trash.
    pub trash_from: Origin,
    /// Who says so of the archive.
    pub archive_from: Origin,
    /// Who says so of the trash of artifacts.
    pub artifacts_from: Origin,
}

/// The periods that rule in a scope, which was found through its door; `settings` is what the settings say.
pub async fn get_periods(db: &impl Source, settings: Retention, scope: Scope) -> Result<Periods> {
    let sql = format!("SELECT * FROM retention_period WHERE {}", scope.covers());
    let statement = dialect::statement(db.connection(), sql, [scope.subject_id().into()]);
    let mut rows = Model::find_by_statement(statement).all(db.connection()).await?;
    rows.sort_unstable_by_key(|row| row.scope);
    let from = Origin::Settings;
    let mut periods =
        Periods { retention: settings, trash_from: from, archive_from: from, artifacts_from: from };
    for row in rows {
        let from = Origin::Set(row.scope);
        if let Some(seconds) = row.trash_seconds {
            periods.retention.trash = Duration::from_secs(seconds.unsigned_abs());
            periods.trash_from = from;
        }
        if let Some(seconds) = row.archive_seconds {
            periods.retention.archive = (seconds > 0).then(|| Duration::from_secs(seconds.unsigned_abs()));
            periods.archive_from = from;
        }
        if let Some(seconds) = row.artifact_seconds {
            periods.retention.artifacts = Duration::from_secs(seconds.unsigned_abs());
            periods.artifacts_from = from;
        }
    }
    Ok(periods)
}

/// What a scope says of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeriodSetting {
    /// Nothing: what is around it rules.
    Inherit,
    /// That it never ends.
    Never,
    /// That it is so many seconds.
    Seconds(i64),
}

impl PeriodSetting {
    /// As the client writes a time to live: -1 to inherit, -2 for never.
    pub fn parse(field: &'static str, seconds: i64) -> Result<Self> {
        /// A hundred years.
        const MOST: i64 = 100 * 366 * 24 * 3600;
        match seconds {
            -1 => Ok(Self::Inherit),
            -2 => Ok(Self::Never),
            1..=MOST => Ok(Self::Seconds(seconds)),
            _ => {
                Err(invalid(field, format!("is 1 to {MOST} seconds, -1 to inherit, or -2 to keep for ever")))
            }
        }
    }

    fn stored(self) -> Option<i64> {
        match self {
            Self::Inherit => None,
            Self::Never => Some(0),
            Self::Seconds(seconds) => Some(seconds),
        }
    }
}

fn invalid(field: &'static str, reason: impl Into<String>) -> Error {
    Error::invalid("RETENTION_PERIOD_INVALID", field, reason)
}

/// What a scope comes to say of its periods; `None` leaves one as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NewPeriods {
    /// Of the trash.
    pub trash: Option<PeriodSetting>,
    /// Of the archive.
    pub archive: Option<PeriodSetting>,
    /// Of the trash of artifacts.
    pub artifacts: Option<PeriodSetting>,
}

/// Sets periods of a scope. Deadlines that there are stay where they are.
pub async fn set_periods(tx: &WriteTx, caller: &Caller, scope: Scope, new: NewPeriods) -> Result<()> {
    scope.authorize(tx, caller).await?;
    let NewPeriods { trash, archive, artifacts } = new;
    for (field, period) in [("trashSeconds", trash), ("artifactSeconds", artifacts)] {
        if period == Some(PeriodSetting::Never) {
            return Err(invalid(field, "the trash is emptied some time; hold what must stay"));
        }
    }
    let first = ActiveModel {
        scope: Set(scope.kind()),
        subject_id: Set(scope.subject_id()),
        trash_seconds: Set(None),
        archive_seconds: Set(None),
        artifact_seconds: Set(None),
    };
    let there = OnConflict::new().do_nothing().to_owned();
    Entity::insert(first).on_conflict(there).exec_without_returning(tx.connection()).await?;
    let key = (scope.kind(), scope.subject_id());
    let found = Entity::find_by_id(key).one(tx.connection()).await?;
    let mut row =
        found.ok_or_else(|| Error::internal("a period that vanished while it was set"))?.into_active_model();
    if let Some(trash) = trash {
        row.trash_seconds = Set(trash.stored());
    }
    if let Some(archive) = archive {
        row.archive_seconds = Set(archive.stored());
    }
    if let Some(artifacts) = artifacts {
        row.artifact_seconds = Set(artifacts.stored());
    }
    row.update(tx.connection()).await?;
    Ok(())
}
