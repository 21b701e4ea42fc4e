//! Where settings come from, strongest last: the built-in file, a file, the environment, the command line.

use std::path::PathBuf;

use figment::providers::{Format as _, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider, Source};

use super::{Config, ConfigError};

const DEFAULTS: &str = include_str!("../../../../config.default.toml");
const PREFIX: &str = "COUNTERWEIGHT_";

/// Keys without a section. All are strings. Any other variable of this form is left alone: container platforms
/// set `COUNTERWEIGHT_PORT` and the like for a service of this name.
const PLAIN_KEYS: [&str; 6] = ["listen", "data", "database_url", "object_store", "admin_api_key", "log"];

/// What the command line says.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--listen`
    pub listen: Option<String>,
    /// `--data`
    pub data: Option<String>,
    /// `--database-url`
    pub database_url: Option<String>,
    /// `--object-store`
    pub object_store: Option<String>,
}

/// Merges the layers and checks the result.
pub fn load(
    flags: Flags,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let mut figment = Figment::from(Toml::string(DEFAULTS));
    if let Some(path) = &flags.config {
        figment = figment.merge(Toml::file_exact(path));
    }
    for setting in from_environment(environment).into_iter().chain(from_flags(flags)) {
        figment = figment.merge(setting);
    }
    let config: Config = figment.extract().map_err(|error| explain(&figment, &error))?;
    config.validate().map_err(|(key, reason)| ConfigError {
        key: key.to_owned(),
        reason: reason.to_owned(),
        origin: origin(&figment, key),
    })?;
    Ok(config)
}

/// One value that knows its origin.
struct Setting {
    key: String,
    value: Value,
    origin: String,
}

impl Provider for Setting {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let nested = figment::util::nest(&self.key, self.value.clone()).into_dict().unwrap_or_default();
        Ok(Profile::Default.collect(nested))
    }
}

fn from_environment(environment: impl IntoIterator<Item = (String, String)>) -> Vec<Setting> {
    let mut settings = Vec::new();
    for (name, text) in environment {
        if text.is_empty() {
            continue;
        }
        if name == "GORILLA_DATA_RETENTION_PERIOD" {
            // First, so that our own name wins.
            settings
                .insert(0, Setting { key: "retention.trash".to_owned(), value: text.into(), origin: name });
            continue;
        }
        let Some(key) = name.strip_prefix(PREFIX).map(str::to_ascii_lowercase) else { continue };
        if PLAIN_KEYS.contains(&key.as_str()) {
            settings.push(Setting { key, value: text.into(), origin: name });
        } else if key.contains("__") {
            let number = text.parse::<u64>().map(Value::from);
            let value = number.unwrap_or_else(|_| text.into());
            settings.push(Setting { key: key.replace("__", "."), value, origin: name });
        }
    }
    settings
}

fn from_flags(flags: Flags) -> impl Iterator<Item = Setting> {
    let flags = [
        ("listen", "--listen", flags.listen),
        ("data", "--data", flags.data),
        ("database_url", "--database-url", flags.database_url),
        ("object_store", "--object-store", flags.object_store),
    ];
    flags.into_iter().filter_map(|(key, flag, text)| {
        Some(Setting { key: key.to_owned(), value: text?.into(), origin: flag.to_owned() })
    })
}

fn origin(figment: &Figment, key: &str) -> Option<String> {
    figment.find_metadata(key).and_then(describe)
}

fn describe(metadata: &Metadata) -> Option<String> {
    match &metadata.source {
        Some(Source::File(path)) => Some(path.display().to_string()),
        Some(_) => None,
        None => Some(metadata.name.to_string()),
    }
}

fn explain(figment: &Figment, error: &figment::Error) -> ConfigError {
    use figment::error::Kind;
    let mut path = error.path.clone();
    let reason = match &error.kind {
        Kind::UnknownField(field, known) => {
            if path.last() != Some(field) {
                path.push(field.clone());
            }
            format!("there is no such setting here, only {}", known.join(", "))
        }
        Kind::InvalidType(actual, expected) | Kind::InvalidValue(actual, expected) => {
            format!("must be {expected}, not {actual}")
        }
        kind => kind.to_string(),
    };
    let key = path.join(".");
    let origin = origin(figment, &key).or_else(|| error.metadata.as_ref().and_then(describe));
    ConfigError { key, reason, origin }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;

    fn with_environment(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        load(Flags::default(), pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())))
    }

    fn refusal(name: &str, text: &str) -> String {
        with_environment(&[(name, text)]).unwrap_err().to_string()
    }

    #[test]
    fn the_built_in_file_is_complete() {
        let config = with_environment(&[]).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(config.retention.trash, Duration::from_hours(7 * 24));
        assert_eq!(config.database_url(), "sqlite:./data/counterweight.db");
        assert!(config.uses_data_folder());
    }

    #[test]
    fn stronger_layers_win() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.toml");
        std::fs::write(
            &path,
            "data = \"/from/file\"\nlog = \"debug\"\n[gc]\ngrace = \"2s\"\nmin_age = \"1s\"",
        )
        .unwrap();
        let flags = Flags { config: Some(path), data: Some("/from/flag".to_owned()), ..Flags::default() };
        let environment = [("COUNTERWEIGHT_GC__GRACE", "3s"), ("COUNTERWEIGHT_DATA", "/from/environment")]
            .map(|(name, text)| (name.to_owned(), text.to_owned()));
        let config = load(flags, environment).unwrap();
        assert_eq!(config.data, Path::new("/from/flag"));
        assert_eq!(config.log, "debug");
        assert_eq!(config.gc.grace, Duration::from_secs(3));
        assert_eq!(config.gc.min_age, Duration::from_secs(1));
        assert_eq!(config.gc.interval, Duration::from_hours(1));
    }

    #[test]
    fn the_services_own_retention_variable_is_read_and_ours_is_stronger() {
        let theirs = ("GORILLA_DATA_RETENTION_PERIOD", "168h0m0s");
        let config = with_environment(&[theirs]).unwrap();
        assert_eq!(config.retention.trash, Duration::from_hours(168));
        let config = with_environment(&[("COUNTERWEIGHT_RETENTION__TRASH", "2s"), theirs]).unwrap();
        assert_eq!(config.retention.trash, Duration::from_secs(2));
    }

    #[test]
    fn archived_runs_can_be_kept_for_ever() {
        let config = with_environment(&[("COUNTERWEIGHT_RETENTION__ARCHIVE", "never")]).unwrap();
        assert_eq!(config.retention.archive, None);
    }

    #[test]
    fn a_wrong_value_names_its_key_and_origin() {
        assert_eq!(
            refusal("COUNTERWEIGHT_GC__GRACE", "soon"),
            "setting gc.grace: \"soon\" is not a duration like \"30s\" or \"7d\" (from COUNTERWEIGHT_GC__GRACE)"
        );
        assert!(
            refusal("GORILLA_DATA_RETENTION_PERIOD", "7").ends_with("(from GORILLA_DATA_RETENTION_PERIOD)")
        );
        assert_eq!(
            refusal("COUNTERWEIGHT_WORKER__POLL", "0s"),
            "setting worker.poll: must be longer than zero (from COUNTERWEIGHT_WORKER__POLL)"
        );
        assert_eq!(
            refusal("COUNTERWEIGHT_DATABASE__CONNECTIONS", "many"),
            "setting database.connections: must be u32, not string \"many\" (from COUNTERWEIGHT_DATABASE__CONNECTIONS)"
        );
        assert!(refusal("COUNTERWEIGHT_LOG", "a=b=c").starts_with("setting log: "));
        let message = refusal("COUNTERWEIGHT_LISTEN", "8080");
        assert!(message.starts_with("setting listen: "), "{message}");
        assert!(message.ends_with("(from COUNTERWEIGHT_LISTEN)"), "{message}");
        let message = refusal("COUNTERWEIGHT_ADMIN_API_KEY", "a-secret-that-is-short");
        assert!(message.starts_with("setting admin_api_key: a key has at least 40"), "{message}");
        assert!(!message.contains("secret"), "{message}");
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_known_ones() {
        let message = refusal("COUNTERWEIGHT_GC__GRASE", "5m");
        assert!(message.starts_with("setting gc.grase: there is no such setting here"), "{message}");
        assert!(message.contains("grace"), "{message}");
        assert!(message.ends_with("(from COUNTERWEIGHT_GC__GRASE)"), "{message}");
        assert!(refusal("COUNTERWEIGHT_GCC__GRACE", "5m").starts_with("setting gcc: "));
    }

    #[test]
    fn foreign_and_empty_variables_are_left_alone() {
        let foreign = [("COUNTERWEIGHT_PORT", "tcp://10.0.0.1:80"), ("COUNTERWEIGHT_DATABASE_URL", "")];
        assert_eq!(with_environment(&foreign).unwrap().database_url(), "sqlite:./data/counterweight.db");
    }

    #[test]
    fn digits_are_a_good_key() {
        let key = "1234567890".repeat(4);
        let config = with_environment(&[("COUNTERWEIGHT_ADMIN_API_KEY", &key)]).unwrap();
        assert_eq!(config.admin_api_key.unwrap().reveal(), key);
    }

    #[test]
    fn a_missing_or_broken_file_is_an_error_with_its_name() {
        let load_file = |path: &Path| {
            load(Flags { config: Some(path.to_owned()), ..Flags::default() }, []).unwrap_err().to_string()
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.toml");
        assert!(load_file(&path).contains("settings.toml"), "{}", load_file(&path));
        std::fs::write(&path, "listen = ").unwrap();
        assert!(load_file(&path).contains("settings.toml"), "{}", load_file(&path));
        std::fs::write(&path, "[runs]\ncrash_after = 5").unwrap();
        assert!(load_file(&path).starts_with("setting runs.crash_after: "), "{}", load_file(&path));
        assert!(load_file(&path).contains("settings.toml"), "{}", load_file(&path));
    }

    #[test]
    fn secrets_are_not_printed() {
        let config = with_environment(&[
            ("COUNTERWEIGHT_DATABASE_URL", "postgres://me:hidden@localhost/db"),
            ("COUNTERWEIGHT_ADMIN_API_KEY", &"hidden".repeat(10)),
        ]);
        let printed = format!("{:?}", config.unwrap());
        assert!(!printed.contains("hidden"), "{printed}");
    }
}
