//! Alerts: what a run's script tells its owner, by `run.alert()`.

mod commands;
mod queries;

use std::time::Duration;

use sea_orm::{DeriveActiveEnum, EnumIter};

pub use self::commands::notify;
pub use self::queries::list_many;
pub use crate::entity::alert::Model as Alert;
use crate::error::{Error, Result};

/// How long alerts of one title wait for each other when their run does not say: what the client says then.
pub const DEFAULT_WAIT: Duration = Duration::from_mins(1);

/// How urgent an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum AlertSeverity {
    /// Good to know.
    Info,
    /// To look at.
    Warn,
    /// Something went wrong.
    Error,
}

/// What a script says in an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    title: String,
    text: String,
    severity: AlertSeverity,
}

impl Message {
    /// The client asks for titles of less than 64 characters, and sends longer ones all the same.
    const LONGEST_TITLE: usize = 256;
    const LONGEST_TEXT: usize = 64 * 1024;

    /// Checks that title and text are no longer, in bytes, than a message is.
    pub fn new(title: String, text: String, severity: AlertSeverity) -> Result<Self> {
        let parts = [("title", &title, Self::LONGEST_TITLE), ("text", &text, Self::LONGEST_TEXT)];
        for (field, part, longest) in parts {
            if part.len() > longest || part.contains('\0') {
                let reason = format!("at most {longest} bytes and no NUL");
                return Err(Error::invalid("TEXT_INVALID", field, reason));
            }
        }
        if title.trim().is_empty() {
            return Err(Error::invalid("TEXT_INVALID", "title", "an alert has a title"));
        }
        Ok(Self { title, text, severity })
    }
}
