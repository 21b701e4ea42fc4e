//! Config and summary of runs, the same for everyone who is measured.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Map, Value, json};

/// Values of a config, and of a summary.
const VALUES: usize = 20;
const BATCH_SIZES: [u32; 5] = [16, 32, 64, 128, 256];
/// The batch size that listings filter on.
pub(crate) const BATCH_SIZE: u32 = 64;
/// And the accuracy that they ask for more than.
pub(crate) const ACCURACY: f64 = 0.5;

/// What is known of a run beside its history.
#[derive(Debug)]
pub(crate) struct Documents {
    pub(crate) name: String,
    pub(crate) config: Map<String, Value>,
    /// Numbers only, as `MLflow` has nothing else.
    pub(crate) summary: Vec<(String, f64)>,
}

impl Documents {
    /// Run `number`: one in five has the wanted batch size, and half of these are accurate enough.
    pub(crate) fn new(number: u64) -> Self {
        let mut random = StdRng::seed_from_u64(number);
        let batch_size = BATCH_SIZES[random.random_range(0..BATCH_SIZES.len())];
        let mut config = Map::new();
        config.insert("batch_size".to_owned(), batch_size.into());
        config.insert("lr".to_owned(), random.random_range(1e-5..1e-1).into());
        config.insert("model".to_owned(), format!("resnet-{}", random.random_range(18..152)).into());
        for index in config.len()..VALUES {
            let value: Value = if index % 2 == 0 {
                random.random_range(0.0..1.0).into()
            } else {
                format!("choice-{}", random.random_range(0..1000)).into()
            };
            config.insert(format!("option_{index}"), value);
        }
        let mut summary = vec![
            ("accuracy".to_owned(), random.random_range(0.0..1.0)),
            ("loss".to_owned(), random.random_range(0.0..10.0)),
        ];
        for index in summary.len()..VALUES {
            summary.push((format!("metric_{index}"), random.random_range(0.0..1.0)));
        }
        Self { name: format!("run-{number:08}"), config, summary }
    }

    /// A run of which nothing is known yet.
    pub(crate) fn empty(name: String) -> Self {
        Self { name, config: Map::new(), summary: Vec::new() }
    }

    /// The config as the wandb client sends it.
    pub(crate) fn client_config(&self) -> Value {
        let values =
            self.config.iter().map(|(key, value)| (key.clone(), json!({"value": value, "desc": null})));
        Value::Object(values.collect())
    }

    pub(crate) fn summary_object(&self) -> Value {
        Value::Object(self.summary.iter().map(|(key, value)| (key.clone(), (*value).into())).collect())
    }
}
