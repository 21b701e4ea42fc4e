//! What values a parameter may have, and how likely each is.

use serde_json::{Map, Number, Value};

use super::draw::Draw;
use crate::error::{Error, Result};

/// Values that one parameter lists.
const MOST_VALUES: usize = 10_000;

/// The values of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Distribution {
    /// One of these, each with its weight.
    Listed(Vec<Value>, Vec<f64>),
    /// A whole number, each as likely.
    Whole(i64, i64),
    /// A number.
    Continuous(Shape, Option<Quantum>),
}

/// How a number is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Shape {
    /// Between these.
    Uniform(f64, f64),
    /// Its logarithm between these.
    Logarithmic(f64, f64),
    /// The logarithm of its inverse between these.
    InverseLogarithmic(f64, f64),
    /// Around a mean, with a deviation.
    Normal(f64, f64),
    /// Its logarithm around a mean, with a deviation.
    LogNormal(f64, f64),
    /// Between 0 and 1.
    Beta(f64, f64),
}

/// A number is a multiple of this.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Quantum {
    step: f64,
    is_whole: bool,
}

fn invalid(at: &str, reason: impl Into<String>) -> Error {
    Error::invalid("SWEEP_CONFIG_INVALID", format!("parameters.{at}"), reason)
}

/// What a sweep's owner wrote of a parameter.
struct Written<'a> {
    at: &'a str,
    fields: &'a Map<String, Value>,
}

impl Written<'_> {
    fn number(&self, field: &str, default: Option<f64>) -> Result<f64> {
        let found = match self.fields.get(field) {
            None => default,
            Some(value) => value.as_f64().filter(|number| number.is_finite()),
        };
        found.ok_or_else(|| invalid(self.at, format!("needs a number as {field}")))
    }

    fn positive(&self, field: &str, default: Option<f64>) -> Result<f64> {
        let found = self.number(field, default)?;
        let refuse = || invalid(self.at, format!("{field} is greater than 0"));
        if found > 0.0 { Ok(found) } else { Err(refuse()) }
    }

    fn bounds(&self, defaults: [Option<f64>; 2]) -> Result<(f64, f64)> {
        let (min, max) = (self.number("min", defaults[0])?, self.number("max", defaults[1])?);
        if min <= max { Ok((min, max)) } else { Err(invalid(self.at, "min is not greater than max")) }
    }

    fn whole_bounds(&self) -> Result<(i64, i64)> {
        let whole = |field| self.fields.get(field).and_then(Value::as_i64);
        let found = whole("min").zip(whole("max"));
        let (min, max) = found.ok_or_else(|| invalid(self.at, "needs whole numbers as min and max"))?;
        if min <= max { Ok((min, max)) } else { Err(invalid(self.at, "min is not greater than max")) }
    }

    /// Both as logarithms.
    fn bounds_of_values(&self) -> Result<(f64, f64)> {
        let (min, max) = self.bounds([None, None])?;
        if min > 0.0 { Ok((min.ln(), max.ln())) } else { Err(invalid(self.at, "min is greater than 0")) }
    }

    fn quantum(&self) -> Result<Quantum> {
        let is_whole = self.fields.get("q").is_none_or(|q| q.is_i64() || q.is_u64());
        Ok(Quantum { step: self.positive("q", Some(1.0))?, is_whole })
    }

    fn listed(&self) -> Result<Distribution> {
        let values = self.fields.get("values").and_then(Value::as_array).cloned();
        let values = values.filter(|values| (1..=MOST_VALUES).contains(&values.len()));
        let reason = || invalid(self.at, format!("values is a list of 1 to {MOST_VALUES} values"));
        let values = values.ok_or_else(reason)?;
        let Some(given) = self.fields.get("probabilities") else {
            let weights = vec![1.0; values.len()];
            return Ok(Distribution::Listed(values, weights));
        };
        let weights: Option<Vec<f64>> =
            given.as_array().and_then(|list| list.iter().map(Value::as_f64).collect());
        let fits = |weights: &Vec<f64>| {
            let sum: f64 = weights.iter().sum();
            weights.len() == values.len()
                && weights.iter().all(|weight| *weight >= 0.0)
                && (sum - 1.0).abs() < 1e-3
        };
        let weights = weights.filter(fits);
        let reason = || invalid(self.at, "probabilities are as many as values, none below 0, and 1 together");
        Ok(Distribution::Listed(values, weights.ok_or_else(reason)?))
    }

    /// The distribution that goes without saying.
    fn implied(&self) -> Result<&'static str> {
        let has = |field: &str| self.fields.contains_key(field);
        let is_whole =
            |field: &str| self.fields.get(field).is_some_and(|value| value.is_i64() || value.is_u64());
        Ok(if has("value") {
            "constant"
        } else if has("values") {
            "categorical"
        } else if has("min") && has("max") {
            if is_whole("min") && is_whole("max") { "int_uniform" } else { "uniform" }
        } else if has("mu") || has("sigma") {
            "normal"
        } else {
            return Err(invalid(self.at, "needs value, values, min and max, or a distribution"));
        })
    }
}

impl Distribution {
    /// Reads what stands under a parameter's name; `at` is where that is.
    pub(super) fn parse(at: &str, fields: &Map<String, Value>) -> Result<Self> {
        let written = Written { at, fields };
        let name = match fields.get("distribution") {
            None => written.implied()?,
            Some(name) => name.as_str().ok_or_else(|| invalid(at, "distribution is a name"))?,
        };
        let (quantised, plain) = match name.strip_prefix("q_") {
            Some(plain) => (true, plain),
            None => (false, name),
        };
        let shape = match plain {
            "constant" if !quantised => {
                let value = fields.get("value").ok_or_else(|| invalid(at, "a constant has a value"))?;
                return Ok(Self::Listed(vec![value.clone()], vec![1.0]));
            }
            "categorical" | "categorical_w_probabilities" if !quantised => return written.listed(),
            "int_uniform" if !quantised => {
                let (min, max) = written.whole_bounds()?;
                return Ok(Self::Whole(min, max));
            }
            "uniform" => written.bounds([None, None]).map(|(min, max)| Shape::Uniform(min, max))?,
            "log_uniform" => {
                let (min, max) = written.bounds([Some(0.0), Some(1.0)])?;
                Shape::Logarithmic(min, max)
            }
            // The logarithm of the inverse is uniform where the logarithm is.
            "log_uniform_values" | "inv_log_uniform_values" => {
                let (min, max) = written.bounds_of_values()?;
                Shape::Logarithmic(min, max)
            }
            "inv_log_uniform" if !quantised => {
                let (min, max) = written.bounds([Some(0.0), Some(1.0)])?;
                Shape::InverseLogarithmic(min, max)
            }
            "normal" => {
                Shape::Normal(written.number("mu", Some(0.0))?, written.positive("sigma", Some(1.0))?)
            }
            "log_normal" => {
                Shape::LogNormal(written.number("mu", Some(0.0))?, written.positive("sigma", Some(1.0))?)
            }
            "beta" => Shape::Beta(written.positive("a", Some(1.0))?, written.positive("b", Some(1.0))?),
            _ => return Err(invalid(at, format!("there is no distribution {name:?}"))),
        };
        let quantum = quantised.then(|| written.quantum()).transpose()?;
        Ok(Self::Continuous(shape, quantum))
    }

    /// A value by chance.
    pub(super) fn draw(&self, draw: &mut Draw) -> Value {
        match self {
            Self::Listed(values, weights) => values[draw.weighted(weights)].clone(),
            Self::Whole(min, max) => {
                let further = draw.below(max.abs_diff(*min).saturating_add(1));
                min.saturating_add_unsigned(further).into()
            }
            Self::Continuous(shape, quantum) => {
                let number = shape.draw(draw);
                quantum.map_or_else(|| number.into(), |quantum| quantum.round(number))
            }
        }
    }

    /// All values, each once; none where they cannot be counted.
    pub(super) fn values(&self) -> Option<Axis> {
        match self {
            Self::Listed(values, _) => {
                let mut distinct: Vec<Value> = Vec::with_capacity(values.len());
                let mut seen = std::collections::HashSet::new();
                distinct.extend(values.iter().filter(|value| seen.insert(value.to_string())).cloned());
                Some(Axis::Listed(distinct))
            }
            Self::Whole(min, max) => Some(Axis::Whole(*min, *max)),
            Self::Continuous(Shape::Uniform(min, max), Some(quantum)) => {
                // What lies between, so that all are within the bounds.
                let first = whole((min / quantum.step - 1e-9).ceil())?;
                let last = whole((max / quantum.step + 1e-9).floor())?;
                (first <= last).then_some(Axis::Multiples(*quantum, first, last))
            }
            Self::Continuous(..) => None,
        }
    }

    /// Where a value lies, for a measure of how alike two of them are: about 0 to 1, and a direction for each listed one.
    pub(super) fn coordinates(&self, value: &Value) -> Option<Vec<f64>> {
        match self {
            Self::Listed(values, _) => {
                let found = values.iter().position(|listed| listed == value)?;
                Some((0..values.len()).map(|at| if at == found { 0.5_f64.sqrt() } else { 0.0 }).collect())
            }
            Self::Whole(min, max) => {
                let (min, max): (f64, f64) = (float(*min)?, float(*max)?);
                Some(vec![scaled(value.as_f64()?, min, max)])
            }
            Self::Continuous(shape, _) => shape.coordinate(value.as_f64()?).map(|at| vec![at]),
        }
    }
}

impl Shape {
    fn draw(self, draw: &mut Draw) -> f64 {
        match self {
            Self::Uniform(min, max) => draw.between(min, max),
            Self::Logarithmic(min, max) => draw.between(min, max).exp(),
            Self::InverseLogarithmic(min, max) => (-draw.between(min, max)).exp(),
            Self::Normal(mu, sigma) => mu + sigma * draw.normal(),
            Self::LogNormal(mu, sigma) => (mu + sigma * draw.normal()).exp(),
            Self::Beta(a, b) => draw.beta(a, b),
        }
    }

    fn coordinate(self, number: f64) -> Option<f64> {
        let at = match self {
            Self::Uniform(min, max) => scaled(number, min, max),
            Self::Logarithmic(min, max) => scaled(number.ln(), min, max),
            Self::InverseLogarithmic(min, max) => scaled(-number.ln(), min, max),
            Self::Normal(mu, sigma) => scaled(number, mu - 2.0 * sigma, mu + 2.0 * sigma),
            Self::LogNormal(mu, sigma) => scaled(number.ln(), mu - 2.0 * sigma, mu + 2.0 * sigma),
            Self::Beta(..) => number,
        };
        at.is_finite().then_some(at)
    }
}

fn scaled(number: f64, min: f64, max: f64) -> f64 {
    if max > min { (number - min) / (max - min) } else { 0.0 }
}

impl Quantum {
    fn round(self, number: f64) -> Value {
        self.multiple((number / self.step).round())
    }

    fn multiple(self, count: f64) -> Value {
        // 3 * 0.1 is not 0.3, and 3 / 10 is.
        let inverse = (1.0 / self.step).round();
        let exact = inverse >= 1.0 && (inverse * self.step - 1.0).abs() < 1e-12;
        let number = if exact { count / inverse } else { count * self.step };
        match whole(number) {
            Some(whole) if self.is_whole => whole.into(),
            _ => Number::from_f64(number).map_or(Value::Null, Value::Number),
        }
    }
}

/// The values of a parameter that can be counted.
#[derive(Clone, Debug)]
pub(super) enum Axis {
    Listed(Vec<Value>),
    Whole(i64, i64),
    Multiples(Quantum, i64, i64),
}

impl Axis {
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Listed(values) => values.len() as u64,
            Self::Whole(first, last) | Self::Multiples(_, first, last) => {
                last.abs_diff(*first).saturating_add(1)
            }
        }
    }

    pub(super) fn at(&self, position: u64) -> Value {
        match self {
            Self::Listed(values) => {
                usize::try_from(position).ok().and_then(|at| values.get(at)).cloned().unwrap_or_default()
            }
            Self::Whole(first, _) => first.saturating_add_unsigned(position).into(),
            Self::Multiples(quantum, first, _) => {
                float(first.saturating_add_unsigned(position)).map_or(Value::Null, |n| quantum.multiple(n))
            }
        }
    }
}

/// A number without a fraction as an integer.
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0).then(|| format!("{number:.0}").parse().ok()).flatten()
}

fn float(number: i64) -> Option<f64> {
    number.to_string().parse().ok()
}
