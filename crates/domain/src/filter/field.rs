//! What a filter or an order can name. Pure.

use super::index;
use crate::run::ValueScope;

/// Where the values of a path are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// A property of the run itself.
    Column(Column),
    /// Indexed values; more than one path where the client's spelling is ambiguous.
    Value {
        /// Which document.
        scope: ValueScope,
        /// Paths in the index, most likely first.
        paths: Vec<String>,
    },
    /// The run's tags.
    Tag,
    /// Whether this key was ever logged.
    Key(String),
    /// A name that nobody knows: missing on every run.
    Unknown,
}

/// A property of the run itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Name,
    DisplayName,
    State,
    Group,
    JobType,
    Sweep,
    Host,
    Commit,
    Notes,
    Description,
    Username,
    Entity,
    Project,
    CreatedAt,
    UpdatedAt,
    HeartbeatAt,
    /// From creation to the end, or to the last heartbeat.
    Duration,
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Number,
    Text,
    Bool,
    /// A moment or a span of time in microseconds; an id.
    Integer,
}

impl Column {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "name" => Self::Name,
            "display_name" | "displayName" => Self::DisplayName,
            "state" => Self::State,
            "group" => Self::Group,
            "job_type" | "jobType" => Self::JobType,
            "sweep" => Self::Sweep,
            "host" => Self::Host,
            "commit" => Self::Commit,
            "notes" => Self::Notes,
            "description" => Self::Description,
            "username" | "user.username" => Self::Username,
            "entity" => Self::Entity,
            "project" => Self::Project,
            "created_at" | "createdAt" => Self::CreatedAt,
            "updated_at" | "updatedAt" => Self::UpdatedAt,
            "heartbeat_at" | "heartbeatAt" => Self::HeartbeatAt,
            "duration" => Self::Duration,
            _ => return None,
        })
    }

    /// The type of its values.
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::CreatedAt | Self::UpdatedAt | Self::HeartbeatAt | Self::Duration => Kind::Integer,
            _ => Kind::Text,
        }
    }

    /// Whether all runs of a project have the same.
    pub(crate) fn is_the_projects(self) -> bool {
        matches!(self, Self::Entity | Self::Project)
    }

    /// Whether it may be longer than an index has room for.
    pub(crate) fn is_long(self) -> bool {
        match self {
            Self::DisplayName
            | Self::Group
            | Self::JobType
            | Self::Sweep
            | Self::Host
            | Self::Commit
            | Self::Notes
            | Self::Description => true,
            Self::Name
            | Self::State
            | Self::Username
            | Self::Entity
            | Self::Project
            | Self::CreatedAt
            | Self::UpdatedAt
            | Self::HeartbeatAt
            | Self::Duration => false,
        }
    }

    /// Whether an index has a project's runs in its order.
    pub(crate) fn is_indexed(self) -> bool {
        matches!(
            self,
            Self::Name
                | Self::DisplayName
                | Self::State
                | Self::Group
                | Self::JobType
                | Self::Sweep
                | Self::CreatedAt
                | Self::UpdatedAt
                | Self::HeartbeatAt
        )
    }
}

impl Field {
    /// What lies under a key of the summary.
    pub(super) fn of_summary(key: &str) -> Self {
        Self::parse(&format!("summary_metrics.{key}"))
    }

    /// Reads a path as the client spells it.
    pub(crate) fn parse(path: &str) -> Self {
        let path = &index::storable(path);
        let value = |scope, mut paths: Vec<String>| {
            paths.retain(|path| !path.is_empty() && path.len() <= index::LONGEST_PATH);
            if paths.is_empty() { Self::Unknown } else { Self::Value { scope, paths } }
        };
        if let Some(rest) = path.strip_prefix("config.") {
            value(ValueScope::Config, config_paths(rest))
        } else if let Some(rest) = strip_either(path, "summary_metrics.", "summaryMetrics.") {
            value(ValueScope::Summary, vec![rest.to_owned()])
        } else if let Some(rest) = strip_either(path, "system_metrics.", "systemMetrics.") {
            value(ValueScope::System, vec![rest.to_owned()])
        } else if let Some(rest) = path.strip_prefix("keys_info.keys.") {
            Self::Key(rest.to_owned())
        } else if path == "tags" {
            Self::Tag
        } else {
            Column::parse(path).map_or(Self::Unknown, Self::Column)
        }
    }
}

fn strip_either<'a>(path: &'a str, snake: &str, camel: &str) -> Option<&'a str> {
    path.strip_prefix(snake).or_else(|| path.strip_prefix(camel))
}

/// A config entry is stored as `{"lr": {"value": 0.1}}` and indexed as `lr`, so the first `value` after the key may
/// be that envelope. It may also be the user's own key, so the path as written counts too.
fn config_paths(path: &str) -> Vec<String> {
    let mut segments: Vec<&str> = path.split('.').collect();
    let envelope = segments.iter().skip(1).position(|segment| *segment == "value");
    let mut paths = Vec::new();
    if let Some(position) = envelope {
        segments.remove(position + 1);
        paths.push(segments.join("."));
    }
    paths.push(path.to_owned());
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(paths: &[&str]) -> Field {
        Field::Value {
            scope: ValueScope::Config,
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        }
    }

    #[test]
    fn the_envelope_of_a_config_entry_may_be_written_or_not() {
        assert_eq!(Field::parse("config.lr"), config(&["lr"]));
        assert_eq!(Field::parse("config.lr.value"), config(&["lr", "lr.value"]));
        assert_eq!(Field::parse("config.a.value.b"), config(&["a.b", "a.value.b"]));
        assert_eq!(Field::parse("config.value"), config(&["value"]));
    }

    #[test]
    fn columns_are_spelled_in_both_ways() {
        for (snake, camel) in [
            ("display_name", "displayName"),
            ("created_at", "createdAt"),
            ("heartbeat_at", "heartbeatAt"),
            ("job_type", "jobType"),
            ("summary_metrics.loss/val", "summaryMetrics.loss/val"),
        ] {
            assert_ne!(Field::parse(snake), Field::Unknown, "{snake}");
            assert_eq!(Field::parse(snake), Field::parse(camel), "{snake}");
        }
    }

    #[test]
    fn what_nobody_knows_is_missing() {
        for path in ["", "config", "config.", "colour", "tags.x", &format!("config.{}", "k".repeat(513))] {
            assert_eq!(Field::parse(path), Field::Unknown, "{path}");
        }
    }
}
