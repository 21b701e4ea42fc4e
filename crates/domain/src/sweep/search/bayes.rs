//! By what the runs so far tell: the parameters that promise most, by expected improvement.

use std::f64::consts::{PI, SQRT_2};

use serde_json::{Map, Value};

use super::Space;
use super::draw::Draw;
use super::process::Process;

/// Runs that are drawn by chance before anything is concluded from them.
const BY_CHANCE: usize = 3;
/// Candidates that one is chosen from.
const CANDIDATES: usize = 500;
/// Runs that are looked at, the latest; what more of them tell is little, and costs their cube.
const MOST_OBSERVED: usize = 200;

/// A run of the sweep.
#[derive(Clone, Debug)]
pub(crate) struct Observation {
    /// Its config, in the client's envelopes.
    pub(crate) config: Map<String, Value>,
    /// Its metric, the smaller the better; none while it runs.
    pub(crate) loss: Option<f64>,
}

/// The parameters of the next run, by those before it, the latest last.
pub(super) fn suggest(space: &Space, observed: &[Observation], draw: &mut Draw) -> Map<String, Value> {
    let latest = &observed[observed.len().saturating_sub(MOST_OBSERVED)..];
    let known = latest.iter().filter_map(|seen| Some((space.coordinates(&seen.config)?, seen.loss)));
    let (places, losses): (Vec<_>, Vec<_>) = known.unzip();
    let ended: Vec<f64> = losses.iter().flatten().copied().filter(|loss| loss.is_finite()).collect();
    let by_chance = space.draw(draw);
    if ended.len() < BY_CHANCE {
        return space.assemble(&by_chance);
    }
    let (mean, deviation) = spread(&ended);
    // What a run will come to that is still on its way: the usual.
    let scaled = |loss: &Option<f64>| {
        loss.filter(|loss| loss.is_finite()).map_or(0.0, |loss| (loss - mean) / deviation)
    };
    let seen: Vec<f64> = losses.iter().map(scaled).collect();
    let best = seen.iter().copied().fold(f64::MAX, f64::min);
    let Some(process) = Process::fit(&places, &seen) else { return space.assemble(&by_chance) };
    let mut chosen = (f64::MIN, space.assemble(&by_chance));
    for _ in 0..CANDIDATES {
        let candidate = space.assemble(&space.draw(draw));
        let Some(place) = space.coordinates(&candidate) else { continue };
        let promise = improvement(process.expect(&place), best);
        if promise > chosen.0 {
            chosen = (promise, candidate);
        }
    }
    chosen.1
}

/// Mean and deviation; the latter is 1 where all are the same.
fn spread(values: &[f64]) -> (f64, f64) {
    let count: f64 = values.iter().map(|_| 1.0).sum();
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    (mean, if variance > 0.0 { variance.sqrt() } else { 1.0 })
}

/// By how much to expect less than `best`.
fn improvement((mean, deviation): (f64, f64), best: f64) -> f64 {
    let margin = (best - mean) / deviation;
    let density = (-0.5 * margin * margin).exp() / (2.0 * PI).sqrt();
    deviation * (margin * below(margin) + density)
}

/// How likely a normal number is below this (Abramowitz and Stegun 7.1.26).
fn below(margin: f64) -> f64 {
    const TERMS: [f64; 5] = [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    let far = margin.abs() / SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * far);
    let sum = TERMS.iter().fold(0.0, |sum, term| (sum + term) * t);
    let tail = 0.5 * sum * (-far * far).exp();
    if margin < 0.0 { tail } else { 1.0 - tail }
}
