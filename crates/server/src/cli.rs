//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::Flags;

/// Experiment tracking for the `wandb` client, on your own machine, that really deletes.
#[derive(Debug, Parser)]
#[command(name = "counterweight", version, after_help = AFTER_HELP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Settings of every command.
    #[command(flatten)]
    pub settings: Settings,
}

const AFTER_HELP: &str = "\
Settings: each has a place in config.default.toml and a variable, as gc.grace and COUNTERWEIGHT_GC__GRACE.
Exit codes: 0 done, 1 failed, 2 wrong usage or a wrong setting; `fsck` has its own.";

/// What `counterweight` does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the API and the page, and run the worker
    Serve {
        /// Leave deletion and collection to separate `counterweight worker` processes
        #[arg(long)]
        no_worker: bool,
    },
    /// Run only the worker: purge deleted runs, collect bytes, detect crashes
    Worker,
    /// Bring the database up to date
    Migrate,
    /// Collect once, now, and report
    #[command(args_conflicts_with_subcommands = true)]
    Gc {
        /// Only report what would be done
        #[arg(long)]
        dry_run: bool,
        /// Or steer the collections of all workers
        #[command(subcommand)]
        command: Option<GcCommand>,
    },
    /// Let nothing be changed for a while; clients wait and try again
    #[command(subcommand)]
    ReadOnly(ReadOnlyCommand),
    /// Compare bucket and database; exit code 0: they agree, 1: they differ, 2: it could not be finished
    Fsck(FsckArgs),
    /// Manage users
    #[command(subcommand)]
    User(UserCommand),
    /// Manage organizations: teams that share registries
    #[command(subcommand)]
    Org(OrgCommand),
    /// Manage teams
    #[command(subcommand)]
    Team(TeamCommand),
    /// Read what was done to things
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Read what deletions took away for good
    #[command(subcommand)]
    Receipt(ReceiptCommand),
    /// Print the GraphQL schema
    Schema,
    /// Check settings, database and object store
    Doctor,
}

/// `counterweight gc …`
#[derive(Debug, Subcommand)]
pub enum GcCommand {
    /// Stop purges, expirations and collections, on every worker
    Pause {
        /// Why, for whoever asks
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Let them go on
    Resume,
    /// Say what was done and what is to be done
    Status,
}

/// `counterweight read-only …`
#[derive(Debug, Subcommand)]
pub enum ReadOnlyCommand {
    /// From now on
    On {
        /// Why, for whoever asks
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// No longer
    Off,
    /// Say which
    Status,
}

/// `counterweight fsck`
#[derive(Args, Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct FsckArgs {
    /// Read every object, and hold it to its digests
    #[arg(long)]
    pub digests: bool,
    /// Let the collector remove, after its grace, the objects that the database does not know
    #[arg(long)]
    pub quarantine: bool,
    /// Give files whose bytes are missing those of an object that the database does not know and that is the same
    #[arg(long)]
    pub adopt: bool,
    /// Print a line of JSON for each difference, and one that sums up
    #[arg(long)]
    pub json: bool,
}

/// `counterweight user …`
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make a user with a personal entity, and print the API key
    Create {
        /// Name of user and entity
        name: String,
        /// Their address, by which a service may name them too
        #[arg(long, value_name = "ADDRESS")]
        email: Option<String>,
        /// May administer the instance
        #[arg(long)]
        admin: bool,
        /// Use this key instead of a random one (at least 40 characters)
        #[arg(long, value_name = "KEY")]
        api_key: Option<String>,
    },
}

/// `counterweight org …`
#[derive(Debug, Subcommand)]
pub enum OrgCommand {
    /// Make an organization
    Create {
        /// Its name, as shown
        name: String,
        /// The name of the entity that owns its registries [default: the same]
        #[arg(long, value_name = "NAME")]
        entity: Option<String>,
        /// Its first administrator
        #[arg(long, value_name = "USER")]
        admin: Option<String>,
    },
    /// Let a user into an organization, or change their role there
    AddMember {
        /// The organization
        org: String,
        /// The user
        user: String,
        /// What they may do: admin, member, viewer
        #[arg(long, default_value = "member")]
        role: String,
    },
}

/// `counterweight audit …`
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Print the chain of entries as lines of JSON
    Export {
        /// Only what comes after this place
        #[arg(long, value_name = "POSITION", default_value_t = 0)]
        after: i64,
    },
    /// Check an export, without a database; names the first line that does not fit
    Verify {
        /// What `audit export` printed
        file: PathBuf,
    },
}

/// `counterweight receipt …`
#[derive(Debug, Subcommand)]
pub enum ReceiptCommand {
    /// Print the receipt of a deletion of which nothing is outstanding
    Export {
        /// Id of the deletion
        id: String,
    },
    /// Check a receipt, without a database
    Verify {
        /// What `receipt export` printed
        file: PathBuf,
    },
}

/// `counterweight team …`
#[derive(Debug, Subcommand)]
pub enum TeamCommand {
    /// Make a team
    Create {
        /// Its name
        name: String,
        /// Its organization
        #[arg(long)]
        org: String,
        /// Its first administrator
        #[arg(long, value_name = "USER")]
        admin: Option<String>,
    },
    /// Let a user into a team, or change their role there
    AddMember {
        /// The team
        team: String,
        /// The user
        user: String,
        /// What they may do: admin, member, viewer
        #[arg(long, default_value = "member")]
        role: String,
    },
}

/// Flags of every command.
#[derive(Args, Debug)]
pub struct Settings {
    #[arg(
        long,
        global = true,
        value_name = "ADDRESS",
        help = "Where to serve [env: COUNTERWEIGHT_LISTEN] [default: 127.0.0.1:8080]"
    )]
    listen: Option<String>,
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        help = "Folder of the SQLite database and the objects [env: COUNTERWEIGHT_DATA] [default: ./data]"
    )]
    data: Option<String>,
    #[arg(
        long,
        global = true,
        value_name = "URL",
        help = "sqlite:PATH or postgres://… [env: COUNTERWEIGHT_DATABASE_URL]"
    )]
    database_url: Option<String>,
    #[arg(
        long,
        global = true,
        value_name = "URL",
        help = "file:///… or s3://… [env: COUNTERWEIGHT_OBJECT_STORE]"
    )]
    object_store: Option<String>,
    /// File with settings
    #[arg(long, global = true, value_name = "FILE", env = "COUNTERWEIGHT_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
}

impl From<Settings> for Flags {
    fn from(settings: Settings) -> Self {
        let Settings { listen, data, database_url, object_store, config } = settings;
        Self { config, listen, data, database_url, object_store }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_stand_before_or_after_the_command() {
        for line in [["counterweight", "--data", "x", "serve"], ["counterweight", "serve", "--data", "x"]] {
            let flags = Flags::from(Cli::parse_from(line).settings);
            assert_eq!(flags.data.as_deref(), Some("x"));
        }
    }
}
