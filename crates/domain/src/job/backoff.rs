use std::time::Duration;

use crate::clock::Env;

const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_hours(1);

/// How long to wait after so many failures in a row: doubled each time up to an hour, plus up to a quarter
/// more, so that what failed together is not tried again together.
pub fn backoff(failures: u32, env: &Env) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
    let wait = FIRST.saturating_mul(doubled).min(LONGEST);
    let thousandths = u32::try_from(env.below(1001)).unwrap_or_default();
    wait + wait * thousandths / 4000
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::{ManualClock, SeededRandom, Timestamp};

    #[test]
    fn doubles_up_to_an_hour_and_spreads() {
        let env = Env::new(Arc::new(ManualClock::new(Timestamp(0))), Arc::new(SeededRandom::new(1)));
        for (failures, seconds) in
            [(0, 5), (1, 5), (2, 10), (3, 20), (10, 2560), (11, 3600), (u32::MAX, 3600)]
        {
            let least = Duration::from_secs(seconds);
            let waits: Vec<_> = (0..20).map(|_| backoff(failures, &env)).collect();
            assert!(
                waits.iter().all(|wait| (least..=least.mul_f64(1.25)).contains(wait)),
                "{failures}: {waits:?}"
            );
            assert!(waits.iter().any(|wait| *wait != waits[0]), "{failures}: no spread");
        }
    }
}
