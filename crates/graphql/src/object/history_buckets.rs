//! Charts of many runs.

use std::sync::Arc;

use async_graphql::{Context, SimpleObject};

use counterweight_domain::Error;
use counterweight_domain::history::{BucketSpec, Stretch};
use counterweight_domain::id::RunId;

use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::loaders::Buckets;
use crate::scalars::Numbers;

/// The values of a key over an x axis. Each list has an item for each bucket that has a value, by their place on the x
/// axis.
#[derive(SimpleObject)]
pub(crate) struct HistoryBuckets {
    /// As it was asked for.
    key: String,
    /// The values lie nowhere below this.
    x_min: Numbers,
    /// Nor above this.
    x_max: Numbers,
    /// How many values.
    count: Numbers,
    /// How many of these are not finite; least, greatest and mean are of the others.
    non_finite: Numbers,
    /// The least finite value.
    min: Numbers,
    /// The greatest finite value.
    max: Numbers,
    /// The mean of the finite values.
    mean: Numbers,
    /// The value that was logged first; null for one that is not finite.
    first: Numbers,
    /// The value that was logged last; null for one that is not finite.
    last: Numbers,
}

impl HistoryBuckets {
    /// Those of a run, in the order of the keys.
    pub(crate) async fn load(ctx: &Context<'_>, run: RunId, spec: BucketSpec) -> Result<Vec<Self>> {
        let spec = Arc::new(spec);
        let wanted = Buckets { run, spec: Arc::clone(&spec) };
        let found = ctx.request()?.loader.load_one(wanted).await.or_graphql()?;
        let series = found.ok_or_else(|| Error::internal("a run without its history")).or_graphql()?;
        let series = series.or_graphql()?;
        Ok(spec.keys().iter().zip(series).map(|(key, buckets)| Self::new(key, &buckets)).collect())
    }

    fn new(key: &str, buckets: &[Stretch]) -> Self {
        let numbers = |of: fn(&Stretch) -> Option<f64>| Numbers(buckets.iter().map(of).collect());
        Self {
            key: key.to_owned(),
            x_min: numbers(|bucket| Some(bucket.x_min)),
            x_max: numbers(|bucket| Some(bucket.x_max)),
            count: numbers(|bucket| Some(bucket.count.into())),
            non_finite: numbers(|bucket| Some((bucket.count - bucket.finite).into())),
            min: numbers(Stretch::min),
            max: numbers(Stretch::max),
            mean: numbers(Stretch::mean),
            first: numbers(Stretch::first),
            last: numbers(Stretch::last),
        }
    }
}

/// What buckets cost beside other fields: fifty runs with ten charts of them must pass.
pub(crate) fn cost(keys: usize, buckets: Option<i32>) -> usize {
    let buckets = usize::try_from(buckets.unwrap_or(500)).unwrap_or_default();
    keys.saturating_mul(buckets / 10 + 10).saturating_add(10)
}
