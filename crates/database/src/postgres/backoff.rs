//! How long to wait before the next attempt.

use std::time::Duration;

use rand::Rng as _;

/// Before the second attempt.
const MIN: Duration = Duration::from_millis(10);
/// Before any.
const MAX: Duration = Duration::from_millis(500);

/// Before the attempt after `failures` failed ones (at least one): from half to all of a bound
/// that doubles, so that processes that met in a deadlock do not meet again.
pub fn backoff(failures: u32) -> Duration {
    bound(failures).mul_f64(rand::rng().random_range(0.5..=1.0))
}

fn bound(failures: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1).min(31));
    MIN.saturating_mul(doubled).min(MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_to_a_bound() {
        for (failures, ms) in [
            (0, 10),
            (1, 10),
            (2, 20),
            (6, 320),
            (7, 500),
            (u32::MAX, 500),
        ] {
            let bound = Duration::from_millis(ms);
            assert_eq!(super::bound(failures), bound, "{failures}");
            let delay = backoff(failures);
            assert!(delay >= bound / 2 && delay <= bound, "{delay:?}");
        }
    }
}
