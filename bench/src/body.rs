//! Requests as the client sends them, made beforehand so that sending them costs little.

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

pub(crate) const LINES: usize = 100;
pub(crate) const METRICS: usize = 10;

/// All steps have the same number of digits.
const FIRST_STEP: usize = 10_000_000;
const OFFSET_WIDTH: usize = 12;

/// A `file_stream` request of a run. Only the offset and the steps in it change.
pub(crate) struct Body {
    text: Vec<u8>,
    offset_at: usize,
    steps_at: Vec<usize>,
}

impl Body {
    /// Metrics of run `seed`: walks whose values have all their digits, as those of a training have.
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let mut metrics: Vec<f64> = (0..METRICS).map(|_| random.random_range(0.1..10.0)).collect();
        let mut text = r#"{"files":{"wandb-history.jsonl":{"offset":"#.to_owned();
        let offset_at = text.len();
        text.push_str(&" ".repeat(OFFSET_WIDTH));
        text.push_str(r#","content":["#);
        let mut steps_at = Vec::with_capacity(LINES);
        for line in 0..LINES {
            text.push_str(if line == 0 { r#""{\"_step\":"# } else { r#","{\"_step\":"# });
            steps_at.push(text.len());
            text.push_str(&FIRST_STEP.to_string());
            let seconds = line as f64 * 0.173_205_08;
            let mut fields = vec![
                format!(r#",\"_runtime\":{seconds}"#),
                format!(r#",\"_timestamp\":{}"#, 1.79e9 + seconds),
            ];
            for (number, metric) in metrics.iter_mut().enumerate() {
                *metric *= random.random_range(0.98..1.01);
                fields.push(format!(r#",\"train/metric_{number}\":{metric}"#));
            }
            text.push_str(&fields.concat());
            text.push_str(r#"}""#);
        }
        text.push_str("]}}}");
        Self { text: text.into_bytes(), offset_at, steps_at }
    }

    /// The request whose first line has this number.
    pub(crate) fn starting_at(&mut self, first_line: usize) -> Bytes {
        self.put(self.offset_at, &format!("{first_line:>OFFSET_WIDTH$}"));
        for line in 0..LINES {
            self.put(self.steps_at[line], &(FIRST_STEP + first_line + line).to_string());
        }
        Bytes::copy_from_slice(&self.text)
    }

    fn put(&mut self, at: usize, digits: &str) {
        self.text[at..at + digits.len()].copy_from_slice(digits.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_request_is_what_the_client_sends() {
        let mut body = Body::new(1);
        for first_line in [0, 700] {
            let request: Value = serde_json::from_slice(&body.starting_at(first_line)).unwrap();
            let stream = &request["files"]["wandb-history.jsonl"];
            assert_eq!(stream["offset"], first_line);
            assert_eq!(stream["content"].as_array().unwrap().len(), LINES);
            let last: Value = serde_json::from_str(stream["content"][LINES - 1].as_str().unwrap()).unwrap();
            assert_eq!(last["_step"], FIRST_STEP + first_line + LINES - 1);
            assert_eq!(last.as_object().unwrap().keys().filter(|key| !key.starts_with('_')).count(), METRICS);
        }
    }
}
