//! Which runs are not worth their time: successive halving, as `early_terminate: {type: hyperband}` asks for.
//!
//! At each band, a number of values that a run has logged, only the best of all runs that came so far go on: one in
//! `eta`.

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// Bands of a sweep, and how far they lie.
const MOST: usize = 20;
const FURTHEST: u64 = 1_000_000;

/// When runs are compared.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Halving {
    bands: Vec<usize>,
    eta: f64,
    strict: bool,
}

impl Halving {
    /// Reads the `early_terminate` of a config.
    pub(crate) fn parse(written: &Map<String, Value>) -> Result<Self> {
        let invalid = |reason: &str| Error::invalid("SWEEP_CONFIG_INVALID", "early_terminate", reason);
        if written.get("type").and_then(Value::as_str) != Some("hyperband") {
            return Err(invalid("its type is hyperband"));
        }
        let number = |field: &str| match written.get(field) {
            None => Ok(None),
            Some(value) => match value.as_f64().filter(|number| *number >= 1.0) {
                Some(number) => Ok(Some(number)),
                None => Err(invalid(&format!("{field} is a number, 1 or more"))),
            },
        };
        let (least, most) = (number("min_iter")?, number("max_iter")?);
        let (eta, times) = (number("eta")?.unwrap_or(3.0), number("s")?);
        if eta <= 1.0 {
            return Err(invalid("eta is greater than 1"));
        }
        let strict = written.get("strict").and_then(Value::as_bool).unwrap_or_default();
        let bands = match (least, most) {
            (Some(least), most) => upwards(least, most, eta),
            (None, Some(most)) => downwards(most, times.unwrap_or(1.0), eta),
            (None, None) => return Err(invalid("needs min_iter or max_iter")),
        };
        Ok(Self { bands, eta, strict })
    }

    /// Of how many logged values the first ones that are compared next, where a run was compared so often.
    pub(crate) fn next(&self, compared: usize) -> Option<usize> {
        self.bands.get(compared).copied()
    }

    /// What a run is judged by once it has logged these values, the smaller the better: its best, or its last.
    pub(crate) fn score(&self, values: &[f64]) -> Option<f64> {
        if self.strict { values.last().copied() } else { values.iter().copied().reduce(f64::min) }
    }

    /// Whether a run that has this score goes on, among all that came as far; its own is one of them.
    pub(crate) fn goes_on(&self, score: f64, mut all: Vec<f64>) -> bool {
        all.sort_by(f64::total_cmp);
        // The best one goes on, however few there are.
        let share = (0..all.len())
            .zip(1_u32..)
            .take_while(|(_, place)| f64::from(*place) * self.eta <= all_len(&all));
        let last = share.last().map_or(0, |(position, _)| position);
        all.get(last).is_none_or(|threshold| score <= *threshold)
    }
}

fn all_len(all: &[f64]) -> f64 {
    u32::try_from(all.len()).map_or(f64::MAX, f64::from)
}

fn upwards(least: f64, most: Option<f64>, eta: f64) -> Vec<usize> {
    let most = most.unwrap_or(f64::MAX);
    let mut bands: Vec<usize> = Vec::new();
    let mut at = least;
    while at <= most && bands.len() < MOST {
        let Some(band) = rounded(at) else { break };
        if bands.last() != Some(&band) {
            bands.push(band);
        }
        at *= eta;
    }
    bands
}

fn downwards(most: f64, times: f64, eta: f64) -> Vec<usize> {
    let mut bands: Vec<usize> = Vec::new();
    let (mut at, mut times) = (most / eta, times);
    while at >= 1.0 && times >= 1.0 && bands.len() < MOST {
        let Some(band) = rounded(at) else { break };
        bands.push(band);
        at /= eta;
        times -= 1.0;
    }
    bands.reverse();
    bands.dedup();
    bands
}

fn rounded(number: f64) -> Option<usize> {
    format!("{number:.0}").parse::<u64>().ok().filter(|number| *number <= FURTHEST)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn halving(written: &Value) -> Halving {
        let mut written = written.as_object().unwrap().clone();
        written.insert("type".to_owned(), "hyperband".into());
        Halving::parse(&written).unwrap()
    }

    #[test]
    fn bands_are_those_of_the_documentation() {
        assert_eq!(halving(&json!({"min_iter": 3})).bands[..4], [3, 9, 27, 81]);
        assert_eq!(halving(&json!({"max_iter": 27, "s": 2})).bands, [3, 9]);
        assert_eq!(halving(&json!({"min_iter": 2, "max_iter": 20, "eta": 2})).bands, [2, 4, 8, 16]);
        let refused = Halving::parse(json!({"type": "hyperband"}).as_object().unwrap()).unwrap_err();
        assert_eq!(refused.code(), "SWEEP_CONFIG_INVALID");
    }

    #[test]
    fn one_in_eta_goes_on_and_the_best_always() {
        let by = halving(&json!({"min_iter": 3, "eta": 2}));
        assert!(by.goes_on(9.0, vec![9.0]));
        assert!(!by.goes_on(9.0, vec![1.0, 9.0]));
        assert!(by.goes_on(2.0, vec![4.0, 1.0, 3.0, 2.0]));
        assert!(!by.goes_on(3.0, vec![4.0, 1.0, 3.0, 2.0]));
    }

    #[test]
    fn a_run_is_judged_by_its_best_or_strictly_by_its_last() {
        assert_eq!(halving(&json!({"min_iter": 3})).score(&[3.0, 1.0, 2.0]), Some(1.0));
        assert_eq!(halving(&json!({"min_iter": 3, "strict": true})).score(&[3.0, 1.0, 2.0]), Some(2.0));
    }
}
