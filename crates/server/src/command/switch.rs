use std::fmt::Write as _;

use counterweight_domain::collector::{self, GcPass, Status};
use counterweight_domain::switch::{self, Switch, SwitchedOn};

use super::{resources, say};
use crate::cli::{GcCommand, ReadOnlyCommand};
use crate::config::Config;

pub(super) async fn steer_collector(config: &Config, command: GcCommand) -> anyhow::Result<()> {
    let db = resources::open_database(config).await?;
    match command {
        GcCommand::Pause { reason } => {
            switch::turn_on(&db, Switch::CollectorPaused, reason).await?;
            say("The collector is paused: workers stop after the batch that they are at.")
        }
        GcCommand::Resume => {
            switch::turn_off(&db, Switch::CollectorPaused).await?;
            say("The collector goes on, within a minute or so.")
        }
        GcCommand::Status => say(&describe(&collector::status(&db).await?)?),
    }
}

pub(super) async fn read_only(config: &Config, command: ReadOnlyCommand) -> anyhow::Result<()> {
    let db = resources::open_database(config).await?;
    match command {
        ReadOnlyCommand::On { reason } => {
            switch::turn_on(&db, Switch::ReadOnly, reason).await?;
            say("Servers and workers change nothing until it is off.")
        }
        ReadOnlyCommand::Off => {
            switch::turn_off(&db, Switch::ReadOnly).await?;
            say("Servers and workers change things again.")
        }
        ReadOnlyCommand::Status => match switch::get(&db, Switch::ReadOnly).await? {
            Some(state) => say(&format!("read-only {}", since(&state))),
            None => say("writable"),
        },
    }
}

fn since(state: &SwitchedOn) -> String {
    let reason = state.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
    format!("since {}{reason}", state.set_at.to_rfc3339())
}

fn describe(status: &Status) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    match (&status.paused, &status.read_only) {
        (Some(paused), _) => writeln!(text, "paused        {}", since(paused))?,
        (None, Some(read_only)) => writeln!(text, "stopped       read-only {}", since(read_only))?,
        (None, None) => writeln!(text, "running")?,
    }
    if let Some(GcPass { began_at, ended_at, scanned, doomed, swept, bytes, failed, .. }) = &status.last {
        let ended =
            ended_at.map_or_else(|| "not ended".to_owned(), |at| format!("ended {}", at.to_rfc3339()));
        writeln!(
            text,
            "last pass     began {}, {ended}: looked at {scanned} blobs, doomed {doomed}, removed {swept} objects with \
             {bytes} bytes, failed at {failed}",
            began_at.to_rfc3339()
        )?;
    }
    let Status { unreachable, unreachable_bytes, due, .. } = status;
    writeln!(text, "unreachable   {unreachable} objects with {unreachable_bytes} bytes, {due} of them due")?;
    if let Some(at) = status.oldest_at {
        writeln!(text, "oldest        unreachable since {}", at.to_rfc3339())?;
    }
    writeln!(text, "lag           {} s", status.lag.as_secs())?;
    if let Some(left) = status.time_left {
        writeln!(text, "time left     {} s", left.as_secs())?;
    }
    for length in &status.queue {
        writeln!(
            text,
            "jobs          {} {}: {}, {} due",
            length.kind, length.state, length.jobs, length.due
        )?;
    }
    Ok(text)
}
