//! The figures of a moment, and those of the last five minutes. Pure.

use std::collections::VecDeque;

use serde::Serialize;

/// Moments kept: five minutes, one a second.
pub const MOMENTS_MAX: usize = 300;

/// What is known of a stream at a moment. `None`: not known, or not yet.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Reading {
    pub(super) publisher: bool,
    pub(super) bitrate_kbps: Option<f64>,
    pub(super) frame_rate: Option<f64>,
    pub(super) usual_frame_rate: Option<f64>,
    pub(super) keyframe_interval_seconds: Option<f64>,
    pub(super) sound_offset_ms: Option<f64>,
    pub(super) pace: Option<f64>,
    pub(super) late_percent: f64,
    pub(super) missing_percent: f64,
    pub(super) recent_jumps: f64,
    pub(super) without_picture_seconds: f64,
    pub(super) without_sound_seconds: Option<f64>,
    pub(super) round_trip_ms: Option<f64>,
    pub(super) latency_p50_ms: Option<f64>,
    pub(super) latency_p99_ms: Option<f64>,
    /// Those that are made.
    pub(super) rungs: Vec<RungReading>,
    /// The names of those that are not, for the load.
    pub(super) left_out: Vec<String>,
}

/// A rung of the ladder at a moment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RungReading {
    pub(super) name: String,
    /// Media time made in a second.
    pub(super) speed: Option<f64>,
    /// Media time between what came and what was made of it.
    pub(super) lag_ms: f64,
}

impl Reading {
    pub(super) fn slowest_rung(&self) -> Option<&RungReading> {
        let by_lag = |a: &&RungReading, b: &&RungReading| a.lag_ms.total_cmp(&b.lag_ms);
        self.rungs.iter().max_by(by_lag)
    }
}

/// The last five minutes, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    moments: VecDeque<Reading>,
}

/// What charts are drawn from: one row of numbers a figure, one number a second, the newest last.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Series {
    bitrate_kbps: Row,
    frame_rate: Row,
    keyframe_interval_seconds: Row,
    av_offset_ms: Row,
    pace: Row,
    round_trip_ms: Row,
    latency_p50_ms: Row,
    latency_p99_ms: Row,
    rungs: Vec<RungSeries>,
}

#[derive(Clone, Debug, Serialize)]
struct RungSeries {
    name: String,
    speed: Row,
    lag_ms: Row,
}

type Row = Vec<Option<f64>>;

impl History {
    pub(super) fn push(&mut self, reading: Reading) {
        if self.moments.len() >= MOMENTS_MAX {
            self.moments.pop_front();
        }
        self.moments.push_back(reading);
    }

    /// Of so many moments nothing is known.
    pub(super) fn skip(&mut self, moments: u64) {
        if !self.moments.is_empty() {
            let moments = usize::try_from(moments).unwrap_or(MOMENTS_MAX);
            for _ in 0..moments.min(MOMENTS_MAX) {
                self.push(Reading::default());
            }
        }
    }

    pub(super) fn newest(&self) -> Option<&Reading> {
        self.moments.back()
    }

    pub(super) fn series(&self) -> Series {
        let row = |of: &dyn Fn(&Reading) -> Option<f64>| -> Row {
            self.moments
                .iter()
                .map(|moment| of(moment).map(rounded))
                .collect()
        };
        let newest = self.newest().map_or(&[][..], |moment| &moment.rungs);
        let rungs = newest.iter().map(|RungReading { name, .. }| {
            let of =
                |moment: &Reading| moment.rungs.iter().find(|rung| rung.name == *name).cloned();
            RungSeries {
                name: name.clone(),
                speed: row(&|moment| of(moment)?.speed),
                lag_ms: row(&|moment| Some(of(moment)?.lag_ms)),
            }
        });
        Series {
            bitrate_kbps: row(&|moment| moment.bitrate_kbps),
            frame_rate: row(&|moment| moment.frame_rate),
            keyframe_interval_seconds: row(&|moment| moment.keyframe_interval_seconds),
            av_offset_ms: row(&|moment| moment.sound_offset_ms),
            pace: row(&|moment| moment.pace),
            round_trip_ms: row(&|moment| moment.round_trip_ms),
            latency_p50_ms: row(&|moment| moment.latency_p50_ms),
            latency_p99_ms: row(&|moment| moment.latency_p99_ms),
            rungs: rungs.collect(),
        }
    }
}

/// To three places: a chart shows no more, and JSON is shorter.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_five_minutes_are_kept() {
        let mut history = History::default();
        for second in 0..1_000 {
            history.push(Reading {
                frame_rate: Some(f64::from(second)),
                ..Reading::default()
            });
        }
        let series = history.series();
        assert_eq!(series.frame_rate.len(), MOMENTS_MAX);
        assert_eq!(series.frame_rate.first(), Some(&Some(700.0)));
        assert_eq!(series.frame_rate.last(), Some(&Some(999.0)));
        assert_eq!(series.pace.last(), Some(&None));
    }
}
