//! Whether a sweep gives out runs, and how far these are. Pure.

use std::time::Duration;

use sea_orm::{DeriveActiveEnum, EnumIter, Iterable as _};

use super::Agent;
use crate::clock::Timestamp;
use crate::error::{Error, Result};

/// An agent that is not heard of for so long is gone.
pub(super) const SILENCE: Duration = Duration::from_mins(5);

/// Whether agents are given runs, as the client spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SweepState {
    /// They will be; none asked yet.
    Pending,
    /// They are.
    Running,
    /// Not for now.
    Paused,
    /// No more; those that run go on to their end.
    Finished,
    /// No more; those that run are ended.
    Canceled,
}

impl SweepState {
    /// Reads the client's spelling.
    pub fn parse(text: &str) -> Result<Self> {
        let found = Self::iter().find(|state| state.as_str() == text.to_ascii_uppercase());
        found.ok_or_else(|| {
            Error::invalid("SWEEP_STATE_UNKNOWN", "state", format!("a sweep has no state {text:?}"))
        })
    }

    /// The client's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Paused => "PAUSED",
            Self::Finished => "FINISHED",
            Self::Canceled => "CANCELED",
        }
    }

    /// Whether agents are given runs.
    pub(super) fn gives_runs(self) -> bool {
        matches!(self, Self::Pending | Self::Running)
    }

    /// What its owner may ask for: to pause what runs, to go on with anything but what was cancelled, to end what has
    /// not ended.
    pub(super) fn requested(self, to: Self) -> Result<Self> {
        let allowed = match to {
            Self::Pending => self == Self::Pending,
            Self::Running | Self::Finished => self != Self::Canceled,
            Self::Paused => matches!(self, Self::Pending | Self::Running | Self::Paused),
            Self::Canceled => true,
        };
        if allowed {
            return Ok(to);
        }
        let reason = format!("invalid state transition of a sweep from {} to {}", self.as_str(), to.as_str());
        Err(Error::Precondition { code: "INVALID_STATE_TRANSITION", reason })
    }
}

/// How far a run is that an agent was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum GivenState {
    /// Nobody has confirmed it yet.
    Given,
    /// Its agent has it.
    Taken,
    /// It is over, well or not.
    Ended,
}

/// What an agent is doing, as the client spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentState {
    /// It is heard of.
    Running,
    /// There was nothing left for it.
    Finished,
    /// It fell silent.
    Crashed,
}

impl AgentState {
    /// What an agent is doing at this moment.
    pub fn of(agent: &Agent, now: Timestamp) -> Self {
        if agent.told_to_exit {
            Self::Finished
        } else if agent.heartbeat_at < now.before(SILENCE) {
            Self::Crashed
        } else {
            Self::Running
        }
    }

    /// The client's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Finished => "FINISHED",
            Self::Crashed => "CRASHED",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancelled_sweep_stays_so_and_a_finished_one_may_go_on() {
        let may = |from: SweepState, to| from.requested(to).is_ok();
        assert!(may(SweepState::Pending, SweepState::Paused));
        assert!(may(SweepState::Paused, SweepState::Running));
        assert!(may(SweepState::Finished, SweepState::Running));
        assert!(!may(SweepState::Finished, SweepState::Paused));
        assert!(!may(SweepState::Canceled, SweepState::Running));
        assert!(!may(SweepState::Running, SweepState::Pending));
        assert_eq!(SweepState::parse("paused").unwrap(), SweepState::Paused);
        assert_eq!(SweepState::parse("asleep").unwrap_err().code(), "SWEEP_STATE_UNKNOWN");
    }
}
