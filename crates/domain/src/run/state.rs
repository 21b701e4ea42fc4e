//! What a run's process is doing, and where the run stands between live and purged. Pure.

use std::fmt;
use std::str::FromStr;

use sea_orm::{DeriveActiveEnum, DeriveValueType, EnumIter};

use crate::error::{Error, Result};

/// What the run's process is doing, as the client spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum RunState {
    /// Created, waiting to start.
    Pending,
    /// Its writer is heard of.
    Running,
    /// Ended with exit code 0.
    Finished,
    /// Ended with another exit code.
    Failed,
    /// No heartbeat for too long.
    Crashed,
    /// Ended after it was told to stop.
    Killed,
    /// Announced that its machine is being taken away.
    Preempting,
    /// Its machine was taken away.
    Preempted,
}

impl RunState {
    /// The client's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Crashed => "crashed",
            Self::Killed => "killed",
            Self::Preempting => "preempting",
            Self::Preempted => "preempted",
        }
    }

    /// Whether its writer is expected to be heard of.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Pending | Self::Running | Self::Preempting)
    }

    /// Whether a writer said that it is the end.
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Finished | Self::Failed | Self::Killed)
    }

    /// How a run ends whose writer sent its last request.
    pub fn ended(exit_code: i32, stop_requested: bool) -> Self {
        match (exit_code, stop_requested) {
            (0, _) => Self::Finished,
            (_, true) => Self::Killed,
            (_, false) => Self::Failed,
        }
    }

    /// What `updateRunState` allows (protocol reference 5.3).
    pub fn requested(self, to: Self) -> Result<Self> {
        match (self, to) {
            (Self::Running | Self::Failed | Self::Crashed | Self::Preempted, Self::Pending)
            | (Self::Pending | Self::Running, Self::Failed) => Ok(to),
            _ => Err(Error::Precondition {
                code: "INVALID_STATE_TRANSITION",
                reason: format!("invalid state transition from {} to {}", self.as_str(), to.as_str()),
            }),
        }
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RunState {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        use sea_orm::Iterable as _;
        Self::iter().find(|state| state.as_str() == text).ok_or_else(|| {
            Error::invalid("RUN_STATE_UNKNOWN", "state", format!("there is no state {text:?}"))
        })
    }
}

/// Where a run stands between live and purged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Lifecycle {
    /// Listed and writable.
    Live,
    /// Out of the listings, reachable by name; deleted when its archive period is over.
    Archived,
    /// In the trash: unreachable, restorable until its deadline.
    Deleted,
    /// Only the tombstone is left, which keeps the run id taken.
    Purged,
}

impl Lifecycle {
    /// Whether the run can be read and written by its name.
    pub fn is_reachable(self) -> bool {
        matches!(self, Self::Live | Self::Archived)
    }

    /// Whether the run still has its history and files.
    pub fn keeps_rows(self) -> bool {
        self != Self::Purged
    }
}

/// The tags of a run, in the order the user gave, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveValueType)]
#[sea_orm(value_type = "String")]
pub struct Tags(Vec<String>);

impl Tags {
    const MOST: usize = 1000;
    const LONGEST: usize = 256;

    /// Checks and de-duplicates.
    pub fn new(tags: Vec<String>) -> Result<Self> {
        if tags.len() > Self::MOST {
            return Err(Error::invalid("TAG_INVALID", "tags", format!("at most {} tags", Self::MOST)));
        }
        let mut kept: Vec<String> = Vec::with_capacity(tags.len());
        for (index, tag) in tags.into_iter().enumerate() {
            if tag.is_empty() || tag.len() > Self::LONGEST || tag.contains('\0') {
                return Err(Error::invalid(
                    "TAG_INVALID",
                    format!("tags[{index}]"),
                    format!("a tag has 1 to {} bytes and no NUL", Self::LONGEST),
                ));
            }
            if !kept.contains(&tag) {
                kept.push(tag);
            }
        }
        Ok(Self(kept))
    }

    /// The tags.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        serde_json::to_string(&self.0).map_err(|_| fmt::Error)?.fmt(f)
    }
}

impl FromStr for Tags {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text).map(Self)
    }
}

/// Which part of a run an indexed value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "i32", db_type = "Integer")]
pub enum ValueScope {
    /// `config.*`
    #[sea_orm(num_value = 1)]
    Config,
    /// `summary_metrics.*`
    #[sea_orm(num_value = 2)]
    Summary,
    /// `tags`
    #[sea_orm(num_value = 3)]
    Tag,
    /// `keys_info.keys.*`: a key that was logged.
    #[sea_orm(num_value = 4)]
    Key,
    /// `system_metrics.*`
    #[sea_orm(num_value = 5)]
    System,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_ends_by_its_exit_code_and_the_stop_flag() {
        assert_eq!(RunState::ended(0, false), RunState::Finished);
        assert_eq!(RunState::ended(1, false), RunState::Failed);
        assert_eq!(RunState::ended(255, true), RunState::Killed);
        assert_eq!(RunState::ended(0, true), RunState::Finished);
    }

    #[test]
    fn only_the_documented_requests_change_a_state() {
        assert!(RunState::Running.requested(RunState::Pending).is_ok());
        assert!(RunState::Pending.requested(RunState::Failed).is_ok());
        let refused = RunState::Pending.requested(RunState::Pending).unwrap_err();
        assert_eq!(refused.code(), "INVALID_STATE_TRANSITION");
        assert!(refused.to_string().contains("invalid state transition"));
        assert!(RunState::Finished.requested(RunState::Running).is_err());
    }

    #[test]
    fn tags_are_kept_once_and_in_order() {
        let tags = Tags::new(vec!["b".into(), "a".into(), "b".into()]).unwrap();
        assert_eq!(tags.to_string(), r#"["b","a"]"#);
        assert_eq!(tags.to_string().parse::<Tags>().unwrap(), tags);
        assert_eq!(Tags::new(vec![String::new()]).unwrap_err().code(), "TAG_INVALID");
    }
}
