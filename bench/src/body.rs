//! History as it is sent, made beforehand so that sending it costs little.

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// Metrics of a line.
pub(crate) const METRICS: usize = 10;
/// The metric that charts show.
pub(crate) const KEY: &str = "loss";

const NUMBER_WIDTH: usize = 10;
/// The last digits of each value, which change from line to line: no column repeats itself.
const CHANGING: usize = 6;

/// The names of a line's metrics.
pub(crate) fn metrics() -> [String; METRICS] {
    std::array::from_fn(|number| if number == 0 { KEY.to_owned() } else { format!("train/metric_{number}") })
}

/// A request with lines of a run's history. Only its step numbers and the last digits of its values change.
#[derive(Debug)]
pub(crate) struct Body {
    text: Vec<u8>,
    lines: usize,
    offset_at: Option<usize>,
    /// Where a step is written, and of which line.
    steps: Vec<(usize, usize)>,
    /// Where a value's last digits are written, and those of which line.
    values: Vec<(usize, usize)>,
}

impl Body {
    /// `lines` lines of run `seed` as the wandb client streams them.
    pub(crate) fn file_stream(seed: u64, lines: usize) -> Self {
        let mut body = Self::begin(r#"{"files":{"wandb-history.jsonl":{"offset":"#, lines);
        body.offset_at = Some(body.text.len());
        body.push(&" ".repeat(NUMBER_WIDTH));
        body.push(r#","content":["#);
        let names = metrics();
        let mut walks = Walks::new(seed);
        for line in 0..lines {
            body.push(if line == 0 { r#""{\"_step\":"# } else { r#","{\"_step\":"# });
            body.push_step(line);
            let seconds = line as f64 * 0.173_205_08;
            body.push(&format!(r#",\"_runtime\":{seconds},\"_timestamp\":{}"#, 1.79e9 + seconds));
            for (name, value) in names.iter().zip(walks.next_values()) {
                body.push(&format!(r#",\"{name}\":"#));
                body.push_value(line, value);
            }
            body.push(r#"}""#);
        }
        body.push("]}}}");
        body
    }

    /// The same as `MLflow`'s `log-batch`, for the first `metrics` of a line.
    pub(crate) fn log_batch(seed: u64, run_id: &str, lines: usize, metrics: usize) -> Self {
        let mut body = Self::begin(&format!(r#"{{"run_id":"{run_id}","metrics":["#), lines);
        let names = self::metrics();
        let mut walks = Walks::new(seed);
        for line in 0..lines {
            for (number, (name, value)) in names.iter().zip(walks.next_values()).take(metrics).enumerate() {
                let comma = if (line, number) == (0, 0) { "" } else { "," };
                let timestamp = 1_790_000_000_000 + 173 * line;
                body.push(&format!(r#"{comma}{{"key":"{name}","timestamp":{timestamp},"step":"#));
                body.push_step(line);
                body.push(r#","value":"#);
                body.push_value(line, value);
                body.push("}");
            }
        }
        body.push("]}");
        body
    }

    fn begin(text: &str, lines: usize) -> Self {
        let text = text.as_bytes().to_vec();
        Self { text, lines, offset_at: None, steps: Vec::new(), values: Vec::new() }
    }

    fn push(&mut self, text: &str) {
        self.text.extend_from_slice(text.as_bytes());
    }

    fn push_step(&mut self, line: usize) {
        self.steps.push((self.text.len(), line));
        self.push(&" ".repeat(NUMBER_WIDTH));
    }

    /// A value with all its digits, as those of a training have.
    fn push_value(&mut self, line: usize, value: f64) {
        let text = format!("{value:.15}");
        self.values.push((self.text.len() + text.len() - CHANGING, line));
        self.push(&text);
    }

    /// How many lines it has.
    pub(crate) fn lines(&self) -> usize {
        self.lines
    }

    /// The request whose first line has this number.
    pub(crate) fn starting_at(&mut self, first_line: usize) -> Bytes {
        let Self { text, steps, values, offset_at, .. } = self;
        for (at, line) in offset_at.iter().map(|at| (*at, 0)).chain(steps.iter().copied()) {
            put(&mut text[at..at + NUMBER_WIDTH], first_line + line, b' ');
        }
        for (at, line) in values.iter().copied() {
            let mixed = (first_line + line + at).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
            put(&mut text[at..at + CHANGING], mixed, b'0');
        }
        Bytes::copy_from_slice(text)
    }
}

/// The last digits of a number, with `padding` before one that is short.
fn put(place: &mut [u8], mut number: usize, padding: u8) {
    for (index, digit) in place.iter_mut().rev().enumerate() {
        *digit = if number > 0 || index == 0 { b"0123456789"[number % 10] } else { padding };
        number /= 10;
    }
}

/// Values that go up and down by a little.
struct Walks {
    random: StdRng,
    values: [f64; METRICS],
}

impl Walks {
    fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let values = std::array::from_fn(|_| random.random_range(0.1..10.0));
        Self { random, values }
    }

    fn next_values(&mut self) -> [f64; METRICS] {
        for value in &mut self.values {
            *value *= self.random.random_range(0.98..1.01);
        }
        self.values
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_request_is_what_the_client_sends() {
        let mut body = Body::file_stream(1, 100);
        let mut seen = Vec::new();
        for first_line in [0, 700] {
            let request: Value = serde_json::from_slice(&body.starting_at(first_line)).unwrap();
            let stream = &request["files"]["wandb-history.jsonl"];
            assert_eq!(stream["offset"], first_line);
            assert_eq!(stream["content"].as_array().unwrap().len(), 100);
            let last: Value = serde_json::from_str(stream["content"][99].as_str().unwrap()).unwrap();
            assert_eq!(last["_step"], first_line + 99);
            assert_eq!(last.as_object().unwrap().keys().filter(|key| !key.starts_with('_')).count(), METRICS);
            seen.push(last[KEY].as_f64().unwrap());
        }
        assert!((seen[0] - seen[1]).abs() > 0.0);
    }

    #[test]
    fn a_batch_has_a_point_for_each_line_and_metric() {
        let mut body = Body::log_batch(1, "abc", 100, 1);
        let request: Value = serde_json::from_slice(&body.starting_at(300)).unwrap();
        assert_eq!(request["run_id"], "abc");
        let points = request["metrics"].as_array().unwrap();
        assert_eq!((points.len(), &points[99]["step"], &points[0]["key"]), (100, &399.into(), &KEY.into()));
    }
}
