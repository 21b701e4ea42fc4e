//! What the program does, one file per command.

mod audit;
mod doctor;
mod fsck;
mod gc;
mod migrate;
mod organization;
mod receipt;
mod resources;
mod schema;
mod serve;
mod switch;
mod team;
mod user;
mod worker;

use std::io::{Write as _, stdout};

use counterweight_domain::Error;
use counterweight_storage::{Misconfiguration, StorageError};

use crate::cli::{AuditCommand, Cli, Command, OrgCommand, ReceiptCommand, TeamCommand, UserCommand};
use crate::config::{self, ConfigError, Flags};
use crate::telemetry;

/// Reads the settings, starts the log and runs the command.
pub async fn run(cli: Cli) -> anyhow::Result<()> {
    match &cli.command {
        Command::Schema => return schema::run(),
        Command::Audit(AuditCommand::Verify { file }) => return audit::verify(file),
        Command::Receipt(ReceiptCommand::Verify { file }) => return receipt::verify(file),
        _ => {}
    }
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let config = config::load(Flags::from(cli.settings), environment)?;
    telemetry::start_log(&config.log)?;
    match cli.command {
        Command::Serve { no_worker } => serve::run(config, !no_worker).await,
        Command::Worker => worker::run(&config).await,
        Command::Migrate => migrate::run(&config).await,
        Command::Gc { dry_run, command: None } => gc::run(&config, dry_run).await,
        Command::Gc { command: Some(command), .. } => switch::steer_collector(&config, command).await,
        Command::ReadOnly(command) => switch::read_only(&config, command).await,
        Command::Fsck(wish) => fsck::run(&config, &wish).await,
        Command::User(UserCommand::Create { name, email, admin, api_key }) => {
            user::create(&config, &name, email.as_deref(), admin, api_key.as_deref()).await
        }
        Command::Org(OrgCommand::Create { name, entity, admin }) => {
            organization::create(&config, &name, entity.as_deref(), admin.as_deref()).await
        }
        Command::Org(OrgCommand::AddMember { org, user, role }) => {
            organization::add_member(&config, &org, &user, &role).await
        }
        Command::Team(TeamCommand::Create { name, org, admin }) => {
            team::create(&config, &name, &org, admin.as_deref()).await
        }
        Command::Team(TeamCommand::AddMember { team, user, role }) => {
            team::add_member(&config, &team, &user, &role).await
        }
        Command::Audit(AuditCommand::Export { after }) => audit::export(&config, after).await,
        Command::Audit(AuditCommand::Verify { file }) => audit::verify(&file),
        Command::Receipt(ReceiptCommand::Export { id }) => receipt::export(&config, &id).await,
        Command::Receipt(ReceiptCommand::Verify { file }) => receipt::verify(&file),
        Command::Schema => schema::run(),
        Command::Doctor => doctor::run(&config).await,
    }
}

/// What the program ends with: 1 when it failed, 2 for a wrong usage, and of `fsck` when it could not finish.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    if error.is::<fsck::Unfinished>() || is_wrong_usage(error) { 2 } else { 1 }
}

/// Whether what failed is what was asked for, not the doing of it.
fn is_wrong_usage(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<ConfigError>()
            || matches!(cause.downcast_ref(), Some(Error::Invalid { .. }))
            || matches!(
                cause.downcast_ref(),
                Some(StorageError::Misconfigured(
                    Misconfiguration::Url(_)
                        | Misconfiguration::Scheme(_)
                        | Misconfiguration::NotAFolder
                        | Misconfiguration::NoBucket
                ))
            )
    })
}

/// Prints a result.
fn say(text: &str) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}
