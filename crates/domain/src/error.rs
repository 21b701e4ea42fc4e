//! One error type, by what the caller can do about it.

use std::error::Error as StdError;
use std::iter::successors;
use std::time::Duration;

/// Anything that may stand behind an error.
pub type Cause = Box<dyn StdError + Send + Sync>;

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a verb or query did not answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing, or the caller may not know of it.
    #[error("{kind} not found: {id}")]
    NotFound {
        /// What was looked for, in the field's words.
        kind: &'static str,
        /// As the caller named it.
        id: String,
    },
    /// The input can never be accepted; sending it again is of no use.
    #[error("{field}: {reason}")]
    Invalid {
        /// Stable code, such as `FILTER_INVALID`.
        code: &'static str,
        /// Where in the input.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Two writers met; the same call may succeed later.
    #[error("{reason}")]
    Conflict {
        /// Who met whom.
        reason: String,
    },
    /// The thing is not in a state that allows this.
    #[error("{reason}")]
    Precondition {
        /// Stable code, such as `INVALID_STATE_TRANSITION`.
        code: &'static str,
        /// What stands in the way.
        reason: String,
    },
    /// The run's id is used up: it was deleted. Wording of the service, see the protocol reference 5.2.
    #[error("run {path} was previously created and deleted; try a new run name")]
    RunDeleted {
        /// `entity/project/run`.
        path: String,
    },
    /// No valid API key came with the request.
    #[error("{reason}")]
    Unauthenticated {
        /// What to do about it.
        reason: &'static str,
    },
    /// Signed in, but not allowed.
    #[error("not allowed")]
    Forbidden,
    /// Trouble that passes: a busy or absent database, a full disk, a failing store.
    #[error("temporarily unavailable")]
    Unavailable {
        /// When to try again.
        retry_after: Duration,
        /// The cause, for the log.
        #[source]
        source: Cause,
    },
    /// The instance is read-only for a while, so that the same call succeeds later.
    #[error("the server is read-only for now; try again later")]
    ReadOnly,
    /// A fault of ours. The caller gets the request id, the log gets the cause.
    #[error("internal error")]
    Internal {
        /// The cause, for the log.
        #[source]
        source: Cause,
    },
}

impl Error {
    /// A stable name for programs to match on.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "NOT_FOUND",
            Self::Invalid { code, .. } | Self::Precondition { code, .. } => code,
            Self::Conflict { .. } => "CONFLICT",
            Self::RunDeleted { .. } => "RUN_DELETED",
            Self::Unauthenticated { .. } => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::Unavailable { .. } => "UNAVAILABLE",
            Self::ReadOnly => "READ_ONLY",
            Self::Internal { .. } => "INTERNAL",
        }
    }

    /// There is no such `kind`.
    pub fn not_found(kind: &'static str, id: impl Into<String>) -> Self {
        Self::NotFound { kind, id: id.into() }
    }

    /// Bad input at `field`.
    pub fn invalid(code: &'static str, field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { code, field: field.into(), reason: reason.into() }
    }

    /// A fault of ours.
    pub fn internal(source: impl Into<Cause>) -> Self {
        Self::Internal { source: source.into() }
    }

    /// Trouble that passes.
    pub fn unavailable(source: impl Into<Cause>) -> Self {
        Self::Unavailable { retry_after: Duration::from_secs(2), source: source.into() }
    }
}

/// An error and all that it was caused by, in one line, for the log. Some errors repeat their cause in their own text.
pub fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = String::new();
    for cause in successors(Some(error), |&error| error.source()).map(ToString::to_string) {
        if !text.contains(&cause) {
            let separator = if text.is_empty() { "" } else { ": " };
            text.push_str(separator);
            text.push_str(&cause);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once_with_all_its_sources() {
        let inner = || std::io::Error::other("no route to host");
        assert_eq!(chain(&Error::unavailable(inner())), "temporarily unavailable: no route to host");
        let twice = Error::unavailable(Error::unavailable(inner()));
        assert_eq!(chain(&twice), "temporarily unavailable: no route to host");
    }
}
