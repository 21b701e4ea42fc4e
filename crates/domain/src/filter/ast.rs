//! The tree of a filter. Pure.

use super::field::Field;
use super::pattern::Pattern;

/// A condition on a run, or on another record with fields of its own. Every node is true or false, never unknown.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Filter<F = Field> {
    /// All of them; true when there is none.
    All(Vec<Self>),
    /// One of them at least; false when there is none.
    Any(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
    /// A field passes a test.
    Test {
        /// Where the values are.
        field: F,
        /// What one of them must satisfy.
        test: Test,
    },
}

/// What at least one value of a field must satisfy. Values of another type never do.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    /// Equal to one of these; null also stands for a missing value.
    OneOf(Vec<Scalar>),
    /// Before or after this.
    Compare(Comparison, Scalar),
    /// The pattern occurs in a string.
    Matches(Pattern),
    /// There is a value, null included.
    Exists,
}

/// How a value stands to an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// An operand.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    /// A moment, or a span of time.
    Micros(i64),
}

impl<F> Filter<F> {
    /// What is true of everything.
    pub(super) const EVERYTHING: Self = Self::All(Vec::new());

    pub(super) fn not(self) -> Self {
        Self::Not(Box::new(self))
    }

    /// All of `parts`, without a needless level.
    pub(super) fn all(mut parts: Vec<Self>) -> Self {
        match parts.pop() {
            Some(only) if parts.is_empty() => only,
            last => {
                parts.extend(last);
                Self::All(parts)
            }
        }
    }
}
