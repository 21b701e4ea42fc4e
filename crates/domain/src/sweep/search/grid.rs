//! Every combination of values, once, in the order of the parameters' names; the last one changes fastest.

use serde_json::{Map, Value};

use super::Space;
use super::distribution::Axis;
use crate::error::{Error, Result};

/// Combinations of a grid.
const MOST: u64 = 1_000_000_000;

/// A grid.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    space: Space,
    axes: Vec<Axis>,
    size: u64,
}

impl Grid {
    /// Fails where a parameter has no end of values, or all have too many together.
    pub(super) fn new(space: Space) -> Result<Self> {
        let mut axes = Vec::new();
        for (position, distribution) in space.distributions().enumerate() {
            axes.push(distribution.values().ok_or_else(|| {
                let at = format!("parameters.{}", space.name(position));
                let reason = "a grid needs values, whole bounds, or q_uniform; these values have no end";
                Error::invalid("SWEEP_CONFIG_INVALID", at, reason)
            })?);
        }
        let size = axes.iter().try_fold(1_u64, |size, axis| size.checked_mul(axis.len()));
        let size = size.filter(|size| *size <= MOST).ok_or_else(|| {
            let reason = format!("the grid has more than {MOST} combinations");
            Error::invalid("SWEEP_CONFIG_INVALID", "parameters", reason)
        })?;
        Ok(Self { space, axes, size })
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The `number`th combination; none behind the last one.
    pub(super) fn point(&self, number: u64) -> Option<Map<String, Value>> {
        if number >= self.size {
            return None;
        }
        let mut rest = number;
        let mut values: Vec<Value> = Vec::with_capacity(self.axes.len());
        for axis in self.axes.iter().rev() {
            values.push(axis.at(rest % axis.len()));
            rest /= axis.len();
        }
        values.reverse();
        Some(self.space.assemble(&values))
    }
}
