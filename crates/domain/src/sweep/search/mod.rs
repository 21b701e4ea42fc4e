//! Which parameters a run gets next. Pure: the same sweep, numbers and observations give the same parameters.

mod bayes;
mod distribution;
mod draw;
mod grid;
mod halving;
mod process;
mod space;
#[cfg(test)]
mod tests;

pub(crate) use self::bayes::Observation;
use self::draw::Draw;
use self::grid::Grid;
pub(crate) use self::halving::Halving;
pub(crate) use self::space::Space;

use serde_json::{Map, Value};

use crate::error::Result;

/// How parameters are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// Every combination, once.
    Grid,
    /// By chance.
    Random,
    /// By chance at first, then where the runs so far promise most.
    Bayes,
    /// By a program of the user's; the server chooses none.
    Custom,
}

impl Method {
    /// The client's word for it.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "grid" => Self::Grid,
            "random" => Self::Random,
            "bayes" => Self::Bayes,
            "custom" => Self::Custom,
            _ => return None,
        })
    }
}

/// Parameters of runs, one after the other.
#[derive(Clone, Debug)]
pub(crate) enum Search {
    /// Every combination, in a fixed order.
    Grid(Grid),
    /// By chance, or by what was observed.
    Drawn(Space),
    /// None.
    Nothing,
}

impl Search {
    /// Fails where a grid is asked for of what cannot be counted.
    pub(crate) fn new(method: Method, space: Space) -> Result<Self> {
        Ok(match method {
            Method::Grid => Self::Grid(Grid::new(space)?),
            Method::Random | Method::Bayes => Self::Drawn(space),
            Method::Custom => Self::Nothing,
        })
    }

    /// How many there are; none: without end.
    pub(crate) fn size(&self) -> Option<u64> {
        match self {
            Self::Grid(grid) => Some(grid.size()),
            Self::Drawn(_) => None,
            Self::Nothing => Some(0),
        }
    }

    /// The parameters of the `number`th run, in the client's envelopes; none behind the last one. What was observed is
    /// asked for where the method goes by it.
    pub(crate) fn parameters(
        &self,
        seed: u64,
        number: u64,
        observed: Option<&[Observation]>,
    ) -> Option<Map<String, Value>> {
        match self {
            Self::Grid(grid) => grid.point(number),
            Self::Drawn(space) => {
                let mut draw = Draw::new(seed, number);
                Some(match observed {
                    Some(observed) => bayes::suggest(space, observed, &mut draw),
                    None => space.assemble(&space.draw(&mut draw)),
                })
            }
            Self::Nothing => None,
        }
    }
}
