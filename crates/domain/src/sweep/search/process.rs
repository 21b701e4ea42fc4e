//! A Gaussian process: what values to expect between those that were seen.

/// Of observations on top of each other, and of noise.
const NOISE: f64 = 1e-3;
/// How far away a value still tells something; the likeliest one is taken.
const LENGTHS: [f64; 5] = [0.1, 0.2, 0.4, 0.8, 1.6];

/// What was seen, ready for questions.
#[derive(Debug)]
pub(super) struct Process {
    places: Vec<Vec<f64>>,
    length: f64,
    /// The lower triangle of the covariance's root, row by row.
    root: Vec<Vec<f64>>,
    weights: Vec<f64>,
}

impl Process {
    /// Of places and what was seen there, which has mean 0 and deviation 1. None where nothing was seen.
    pub(super) fn fit(places: &[Vec<f64>], seen: &[f64]) -> Option<Self> {
        let fits = LENGTHS.into_iter().filter_map(|length| fit_by(places, seen, length));
        fits.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, process)| process)
    }

    /// The mean and the deviation of what to expect at a place.
    pub(super) fn expect(&self, place: &[f64]) -> (f64, f64) {
        let alike: Vec<f64> = self.places.iter().map(|other| likeness(place, other, self.length)).collect();
        let mean = dot(&alike, &self.weights);
        let known = forward(&self.root, &alike);
        (mean, (1.0 - dot(&known, &known)).max(1e-12).sqrt())
    }
}

/// With the logarithm of how likely it is.
fn fit_by(places: &[Vec<f64>], seen: &[f64], length: f64) -> Option<(f64, Process)> {
    let mut root: Vec<Vec<f64>> = Vec::with_capacity(places.len());
    for (row, place) in places.iter().enumerate() {
        let alike: Vec<f64> = places[..row].iter().map(|other| likeness(place, other, length)).collect();
        let mut line = forward(&root, &alike);
        let rest = 1.0 + NOISE - dot(&line, &line);
        if rest <= 0.0 {
            return None;
        }
        line.push(rest.sqrt());
        root.push(line);
    }
    let half = forward(&root, seen);
    let spread: f64 = root.iter().filter_map(|line| line.last()).map(|diagonal| diagonal.ln()).sum();
    let likely = -0.5 * dot(&half, &half) - spread;
    let weights = backward(&root, half);
    (!places.is_empty()).then(|| (likely, Process { places: places.to_vec(), length, root, weights }))
}

/// Matérn's covariance, twice differentiable.
fn likeness(a: &[f64], b: &[f64], length: f64) -> f64 {
    let square: f64 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
    let far = (5.0 * square).sqrt() / length;
    (1.0 + far + far * far / 3.0) * (-far).exp()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Solves `root * x = right`.
fn forward(root: &[Vec<f64>], right: &[f64]) -> Vec<f64> {
    let mut solved: Vec<f64> = Vec::with_capacity(right.len() + 1);
    for (line, right) in root.iter().zip(right) {
        let diagonal = line.last().copied().unwrap_or(1.0);
        solved.push((right - dot(line, &solved)) / diagonal);
    }
    solved
}

/// Solves `rootᵀ * x = right`.
fn backward(root: &[Vec<f64>], mut right: Vec<f64>) -> Vec<f64> {
    for row in (0..root.len()).rev() {
        right[row] /= root[row][row];
        let solved = right[row];
        for (rest, below) in right[..row].iter_mut().zip(&root[row]) {
            *rest -= below * solved;
        }
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_expected_again_and_what_lies_far_off_is_open() {
        let places = vec![vec![0.0], vec![0.5], vec![1.0]];
        let process = Process::fit(&places, &[1.0, -1.0, 0.5]).unwrap();
        let (mean, deviation) = process.expect(&[0.5]);
        assert!((mean + 1.0).abs() < 0.05 && deviation < 0.1, "{mean} {deviation}");
        assert!(process.expect(&[9.0]).1 > 0.9);
        assert!(Process::fit(&[], &[]).is_none());
    }
}
