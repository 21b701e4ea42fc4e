//! How long things are kept: the periods of the trash and of the archive.

mod periods;
mod scope;

pub use self::periods::{NewPeriods, Origin, PeriodSetting, Periods, Retention, get_periods, set_periods};
pub use self::scope::{Scope, ScopeKind, find_scope};
