//! What a rule takes and what it keeps. Pure.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use sea_orm::DeriveValueType;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::filter::RunFilter;
use crate::run::{Lifecycle, Since, Tags};

/// A hundred years.
const LONGEST_AGE: u64 = 100 * 366 * 24 * 3600;
const LONGEST_FILTER: usize = 16 * 1024;
const LONGEST_NAME: usize = 512;
/// Runs or versions that are kept by their rank.
const MOST_KEPT: u32 = 1000;

/// What a rule takes, and what of that it keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveValueType)]
#[serde(rename_all = "snake_case")]
#[sea_orm(value_type = "String")]
pub enum Definition {
    /// It is about runs.
    Runs(RunRule),
    /// It is about versions of artifacts.
    Versions(VersionRule),
}

/// What a rule does with runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It takes them out of the listings.
    Archive,
    /// It puts them into the trash.
    Delete,
}

/// Which runs a rule takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRule {
    /// What becomes of them.
    pub action: Action,
    /// What their age counts from.
    pub since: Since,
    /// At which age, in seconds.
    pub age_seconds: u64,
    /// Among which runs of a project, as `Project.runs` takes it; live ones, unless it asks for archived ones.
    pub filter: String,
    /// Which of them stay all the same.
    pub keep: KeepRuns,
}

/// Runs that stay. Running and held ones always do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeepRuns {
    /// The youngest of those that the filter means.
    pub last: Option<u32>,
    /// The youngest of each group of these; those without a group are one group.
    pub last_of_group: Option<u32>,
    /// Those with the best values of a metric.
    pub best: Option<Best>,
    /// Those that have tags.
    pub tagged: Option<Tagged>,
    /// Those that logged an artifact which is linked somewhere or has an alias other than `latest`.
    pub linked: bool,
}

/// The runs with the best values in their summary. Where values tie, the youngest is the best by `max`, the oldest by `min`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Best {
    /// The key in the summary. Runs without a number there are not among the best.
    pub metric: String,
    /// Which values are good.
    pub goal: Goal,
    /// How many.
    pub count: u32,
}

/// Which values are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Low ones.
    Min,
    /// High ones.
    Max,
}

/// Which tags keep a thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tagged {
    /// Any.
    Any,
    /// One of these.
    OneOf(Vec<String>),
}

/// Which versions a rule deletes: committed ones of this age, counted from the commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionRule {
    /// At which age, in seconds.
    pub age_seconds: u64,
    /// Of this type; none: of any.
    pub type_name: Option<String>,
    /// Of this collection; none: of any.
    pub collection_name: Option<String>,
    /// Which of them stay all the same.
    pub keep: KeepVersions,
}

/// Versions that stay. Held ones always do, and those in a registry or under a protected alias.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeepVersions {
    /// The youngest of each collection.
    pub last: Option<u32>,
    /// Those that have tags.
    pub tagged: Option<Tagged>,
    /// Those that have an alias somewhere, `latest` included.
    pub aliased: bool,
    /// Those that are linked to a portfolio.
    pub linked: bool,
}

impl Definition {
    /// The age at which it takes things.
    pub fn age(&self) -> Duration {
        match self {
            Self::Runs(rule) => rule.age(),
            Self::Versions(rule) => rule.age(),
        }
    }

    /// What it does.
    pub fn action(&self) -> Action {
        match self {
            Self::Runs(rule) => rule.action,
            Self::Versions(_) => Action::Delete,
        }
    }

    /// Refuses what is out of bounds or makes no sense.
    pub(super) fn check(&self) -> Result<()> {
        if self.age().as_secs() > LONGEST_AGE {
            return Err(invalid("ageSeconds", format!("at most {LONGEST_AGE} seconds")));
        }
        match self {
            Self::Runs(rule) => rule.check(),
            Self::Versions(rule) => rule.check(),
        }
    }
}

impl RunRule {
    pub(super) fn age(&self) -> Duration {
        Duration::from_secs(self.age_seconds)
    }

    /// Its filter, read.
    pub(super) fn parse_filter(&self) -> Result<RunFilter> {
        RunFilter::parse(&self.filter)
    }

    fn check(&self) -> Result<()> {
        if self.filter.len() > LONGEST_FILTER {
            return Err(invalid("filters", format!("at most {LONGEST_FILTER} bytes")));
        }
        if self.parse_filter()?.lifecycle() == Lifecycle::Archived && self.action == Action::Archive {
            return Err(invalid("filters", "archived runs cannot be archived; delete them"));
        }
        check_count("keep.last", self.keep.last)?;
        check_count("keep.lastOfGroup", self.keep.last_of_group)?;
        if let Some(best) = &self.keep.best {
            check_count("keep.best.count", Some(best.count))?;
            check_name("keep.best.metric", &best.metric)?;
        }
        check_tags(self.keep.tagged.as_ref())
    }
}

impl VersionRule {
    pub(super) fn age(&self) -> Duration {
        Duration::from_secs(self.age_seconds)
    }

    fn check(&self) -> Result<()> {
        for (field, name) in
            [("artifactTypeName", &self.type_name), ("artifactCollectionName", &self.collection_name)]
        {
            name.as_ref().map_or(Ok(()), |name| check_name(field, name))?;
        }
        check_count("keep.last", self.keep.last)?;
        check_tags(self.keep.tagged.as_ref())
    }
}

impl Tagged {
    /// Whether one of these tags keeps what has them.
    pub(super) fn keeps<'a>(&self, mut tags: impl Iterator<Item = &'a str>) -> bool {
        match self {
            Self::Any => tags.next().is_some(),
            Self::OneOf(named) => tags.any(|tag| named.iter().any(|named| named == tag)),
        }
    }
}

fn check_count(field: &'static str, count: Option<u32>) -> Result<()> {
    match count {
        None | Some(1..=MOST_KEPT) => Ok(()),
        Some(_) => Err(invalid(field, format!("is 1 to {MOST_KEPT}"))),
    }
}

/// What people call a rule or a thing: words, and not too many.
pub(super) fn check_name(field: &'static str, name: &str) -> Result<()> {
    if !name.trim().is_empty() && name.len() <= LONGEST_NAME && !name.contains('\0') {
        return Ok(());
    }
    Err(invalid(field, format!("has 1 to {LONGEST_NAME} bytes, and no NUL")))
}

fn check_tags(tagged: Option<&Tagged>) -> Result<()> {
    match tagged {
        Some(Tagged::OneOf(tags)) if tags.is_empty() => {
            Err(invalid("keep.tags", "name a tag, or keep what is tagged"))
        }
        Some(Tagged::OneOf(tags)) => Tags::new(tags.clone()).map(drop),
        Some(Tagged::Any) | None => Ok(()),
    }
}

pub(super) fn invalid(field: &'static str, reason: impl Into<String>) -> Error {
    Error::invalid("RETENTION_RULE_INVALID", field, reason)
}

impl fmt::Display for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        serde_json::to_string(self).map_err(|_| fmt::Error)?.fmt(f)
    }
}

impl FromStr for Definition {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs() -> RunRule {
        RunRule {
            action: Action::Delete,
            since: Since::Ended,
            age_seconds: 3600,
            filter: String::new(),
            keep: KeepRuns::default(),
        }
    }

    fn refusal(rule: RunRule) -> &'static str {
        Definition::Runs(rule).check().unwrap_err().code()
    }

    #[test]
    fn a_rule_reads_back_as_it_was_written() {
        let best = Best { metric: "val/loss".to_owned(), goal: Goal::Min, count: 3 };
        let keep = KeepRuns { best: Some(best), tagged: Some(Tagged::Any), ..KeepRuns::default() };
        let rule = Definition::Runs(RunRule { keep, ..runs() });
        assert_eq!(rule.to_string().parse::<Definition>().unwrap(), rule);
    }

    #[test]
    fn what_is_out_of_bounds_is_refused() {
        Definition::Runs(runs()).check().unwrap();
        assert_eq!(refusal(RunRule { age_seconds: u64::MAX, ..runs() }), "RETENTION_RULE_INVALID");
        assert_eq!(refusal(RunRule { filter: "{".to_owned(), ..runs() }), "FILTER_INVALID");
        let archived = r#"{"archived": true}"#.to_owned();
        let twice = RunRule { action: Action::Archive, filter: archived, ..runs() };
        assert_eq!(refusal(twice), "RETENTION_RULE_INVALID");
        for count in [0, MOST_KEPT + 1] {
            let keep = KeepRuns { last: Some(count), ..KeepRuns::default() };
            assert_eq!(refusal(RunRule { keep, ..runs() }), "RETENTION_RULE_INVALID");
        }
        let nothing = KeepRuns { tagged: Some(Tagged::OneOf(Vec::new())), ..KeepRuns::default() };
        assert_eq!(refusal(RunRule { keep: nothing, ..runs() }), "RETENTION_RULE_INVALID");
    }

    #[test]
    fn tags_keep_what_has_one_of_them() {
        let two = Tagged::OneOf(vec!["best".to_owned(), "paper".to_owned()]);
        for (tags, any, one) in
            [(&[][..], false, false), (&["x"], true, false), (&["x", "paper"], true, true)]
        {
            assert_eq!(Tagged::Any.keeps(tags.iter().copied()), any, "{tags:?}");
            assert_eq!(two.keeps(tags.iter().copied()), one, "{tags:?}");
        }
    }
}
