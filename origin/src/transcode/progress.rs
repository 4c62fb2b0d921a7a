//! How far one child has come: the lag that decides, and each rung's for the metrics.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::metrics::RungMetrics;

/// A rung's speed is an average over so long.
const SPEED_SPAN: Duration = Duration::from_secs(2);
/// Frames whose way through is timed: 8 s at 60 per second. A child farther behind is not timed.
const TIMED_MAX: usize = 480;

/// What a child was given and what it gave back.
#[derive(Debug)]
pub(super) struct Progress {
    /// Oldest and newest frame given.
    fed_ms: Option<(i64, i64)>,
    /// When the newest frames were given. What a child was given at its start is not among them.
    given: VecDeque<(i64, Instant)>,
    rungs: Vec<RungProgress>,
}

#[derive(Debug)]
struct RungProgress {
    /// Newest frame got back.
    made_ms: Option<i64>,
    /// Where the present measurement of the speed began.
    mark: Option<(Instant, i64)>,
    metrics: RungMetrics,
}

impl Progress {
    /// A child with one rung for each of `metrics`; `fed_ms` is what it is given at once.
    pub(super) fn new(metrics: Vec<RungMetrics>, fed_ms: Option<(i64, i64)>) -> Self {
        let rung = |metrics| RungProgress {
            made_ms: None,
            mark: None,
            metrics,
        };
        Self {
            fed_ms,
            given: VecDeque::new(),
            rungs: metrics.into_iter().map(rung).collect(),
        }
    }

    /// It was given a frame.
    pub(super) fn fed(&mut self, dts_ms: i64, now: Instant) {
        if self.given.len() >= TIMED_MAX {
            self.given.pop_front();
        }
        self.given.push_back((dts_ms, now));
        let oldest = self.fed_ms.map_or(dts_ms, |(oldest, _)| oldest);
        self.fed_ms = Some((oldest, dts_ms));
    }

    /// It gave a frame back.
    pub(super) fn made(&mut self, rung: usize, dts_ms: i64, now: Instant) {
        let fed_ms = self.fed_ms.map_or(dts_ms, |(_, newest)| newest);
        let Some(rung) = self.rungs.get_mut(rung) else {
            return;
        };
        rung.made_ms = Some(dts_ms);
        let given = self.given.binary_search_by_key(&dts_ms, |(at, _)| *at);
        if let Some((_, at)) = given.ok().and_then(|index| self.given.get(index)) {
            rung.metrics.delay(now.saturating_duration_since(*at));
        }
        rung.metrics.lag(millis(fed_ms - dts_ms));
        let (since, from_ms) = *rung.mark.get_or_insert((now, dts_ms));
        let elapsed = now - since;
        if elapsed >= SPEED_SPAN {
            let made = millis(dts_ms - from_ms);
            rung.metrics
                .speed(made.as_secs_f64() / elapsed.as_secs_f64());
            rung.mark = Some((now, dts_ms));
        }
    }

    /// Whether anything came back.
    pub(super) fn has_made(&self) -> bool {
        self.rungs.iter().any(|rung| rung.made_ms.is_some())
    }

    /// Source time between the newest frame given and the newest that all rungs gave back.
    pub(super) fn lag(&self) -> Duration {
        let Some((oldest, newest)) = self.fed_ms else {
            return Duration::ZERO;
        };
        let made = self.rungs.iter().map(|rung| rung.made_ms.unwrap_or(oldest));
        millis(newest - made.min().unwrap_or(oldest))
    }
}

impl Drop for RungProgress {
    fn drop(&mut self) {
        self.metrics.lag(Duration::ZERO);
        self.metrics.speed(0.0);
    }
}

fn millis(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use prometheus::Registry;

    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn the_slowest_rung_is_the_lag_and_each_has_its_speed() {
        let metrics = Metrics::register(&Registry::new()).unwrap();
        let metrics = metrics.stream("demo").transcode();
        let rungs = ["720p", "480p"].map(|name| metrics.rung(name));
        let mut progress = Progress::new(rungs.to_vec(), Some((0, 1_000)));
        assert!(!progress.has_made());
        assert_eq!(progress.lag(), Duration::from_secs(1));
        let begun = Instant::now();
        for second in 0..=4_u32 {
            let now = begun + Duration::from_secs(1) * second;
            let at = i64::from(second) * 1_000;
            progress.fed(at + 1_000, now);
            progress.made(0, at, now);
            progress.made(1, at / 2, now);
        }
        assert!(progress.has_made());
        assert_eq!(progress.lag(), Duration::from_secs(3));
        let [first, second] = rungs.map(|rung| (rung.speed_now(), rung.lag_now()));
        assert_eq!(first, (1.0, 1.0));
        assert_eq!(second, (0.5, 3.0));
    }
}
