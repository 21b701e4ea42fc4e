//! How long things are kept: the periods of the trash and of the archive, and rules by which runs and versions go by
//! themselves.

mod apply;
mod definition;
mod fate;
mod periods;
mod rules;
mod runs;
mod scope;
mod simulate;
mod versions;

pub use self::apply::{Application, Taken};
pub use self::definition::{
    Action, Best, Definition, Goal, KeepRuns, KeepVersions, RunRule, Tagged, VersionRule,
};
pub use self::fate::{Fate, get_fates};
pub use self::periods::{NewPeriods, Origin, PeriodSetting, Periods, Retention, get_periods, set_periods};
pub(crate) use self::rules::forget;
pub use self::rules::{create_rule, delete_rule, list_enabled, list_rules, update_rule};
pub use self::scope::{Scope, ScopeKind, find_scope};
pub use self::simulate::{Day, Simulated, Simulation, Subject, simulate, simulate_rule};
use crate::clock::Timestamp;
pub use crate::entity::retention_rule::Model as Rule;
pub use crate::run::Since;

/// What keeps a thing from a rule that means it, and has reached its age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kept {
    /// Its writer is expected to be heard of.
    Running,
    /// It is held.
    Held,
    /// A registry has it, or a protected alias names it.
    Protected,
    /// It has a tag that keeps it.
    Tagged,
    /// It is linked somewhere; of a run: what it logged has a link or an alias.
    Linked,
    /// It has an alias.
    Aliased,
    /// It is among the youngest.
    Last,
    /// It is among the youngest of its group.
    LastOfGroup,
    /// It is among the best.
    Best,
}

/// A thing that a rule means.
#[derive(Clone, Debug)]
struct Seen<T> {
    thing: T,
    /// When its age began to count.
    began: Timestamp,
    /// What keeps it; none: the rule takes it.
    kept: Option<Kept>,
}

impl<T> Seen<T> {
    fn map<U>(self, change: impl FnOnce(T) -> U) -> Seen<U> {
        Seen { thing: change(self.thing), began: self.began, kept: self.kept }
    }
}

impl Rule {
    /// Where it holds.
    pub fn scope(&self) -> Scope {
        Scope::of(self.scope, self.subject_id)
    }

    /// What is recorded as the reason of what it does.
    fn reason(&self) -> String {
        format!("retention rule \"{}\"", self.name)
    }
}
