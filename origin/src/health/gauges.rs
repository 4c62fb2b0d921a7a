//! The figures as metrics. Labelled by stream while it is live, and by nothing of outside besides: when it
//! is over its series go.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Registry};
use telemetry::metrics::{RegisterError, counter_vec, float_gauge_vec, gauge_vec};

use super::judge::Cause;
use super::reading::Reading;
use super::rules::{Breach, RuleAction};
use super::stream::Stream;

/// A figure of a stream.
type Figure = fn(&Reading) -> Option<f64>;

/// Name, meaning, and where it comes from. In base units, as Prometheus has them.
const FIGURES: [(&str, &str, Figure); 10] = [
    (
        "origin_stream_ingest_bits_per_second",
        "Media bits that the publisher sends, over 5 s.",
        |reading| Some(reading.bitrate_kbps? * 1_000.0),
    ),
    (
        "origin_stream_frames_per_second",
        "Frames that arrive, over 5 s.",
        |reading| reading.frame_rate,
    ),
    (
        "origin_stream_keyframe_interval_seconds",
        "Media time between the last two keyframes, or since the last one.",
        |reading| reading.keyframe_interval_seconds,
    ),
    (
        "origin_stream_av_offset_seconds",
        "How far sound is ahead of the picture as they arrive; negative: behind.",
        |reading| Some(reading.sound_offset_ms? / 1_000.0),
    ),
    (
        "origin_stream_pace_ratio",
        "Media time that arrives in a second, over 10 s.",
        |reading| reading.pace,
    ),
    (
        "origin_stream_late_frames_ratio",
        "Share of frames that come more than half a second late, over 10 s.",
        |reading| Some(reading.late_percent / 100.0),
    ),
    (
        "origin_stream_missing_frames_ratio",
        "Share of frames that are missing between others, over 10 s.",
        |reading| Some(reading.missing_percent / 100.0),
    ),
    (
        "origin_stream_round_trip_seconds",
        "Round trip to the publisher, as the kernel measures it.",
        |reading| Some(reading.round_trip_ms? / 1_000.0),
    ),
    (
        "origin_stream_part_latency_p50_seconds",
        "From a part's last source frame to the part, over 10 s: the median.",
        |reading| Some(reading.latency_p50_ms? / 1_000.0),
    ),
    (
        "origin_stream_part_latency_p99_seconds",
        "The same: the 99th percentile.",
        |reading| Some(reading.latency_p99_ms? / 1_000.0),
    ),
];

#[derive(Clone, Debug)]
pub(super) struct Gauges {
    state: IntGaugeVec,
    reasons: IntGaugeVec,
    figures: Vec<(GaugeVec, Figure)>,
    speed: GaugeVec,
    lag: GaugeVec,
    broken: IntCounterVec,
    /// The streams that are shown, and the rungs of each.
    shown: Arc<Mutex<HashMap<String, Vec<String>>>>,
}

impl Gauges {
    pub(super) fn register(registry: &Registry) -> Result<Self, RegisterError> {
        let mut figures = Vec::new();
        for (name, help, figure) in FIGURES {
            figures.push((float_gauge_vec(registry, name, help, &["stream"])?, figure));
        }
        let of_rung = &["stream", "rung"];
        Ok(Self {
            state: gauge_vec(
                registry,
                "origin_stream_state",
                "How the stream is: 0 good, 1 degraded, 2 bad.",
                &["stream"],
            )?,
            reasons: gauge_vec(
                registry,
                "origin_stream_reason",
                "Why it is not good: 1 degraded, 2 bad.",
                &["stream", "reason"],
            )?,
            figures,
            speed: float_gauge_vec(
                registry,
                "origin_stream_encoder_speed_ratio",
                "Media time that the encoder of a rung makes in a second, over 10 s.",
                of_rung,
            )?,
            lag: float_gauge_vec(
                registry,
                "origin_stream_encoder_lag_seconds",
                "Media time between what came and what the encoder of a rung made of it.",
                of_rung,
            )?,
            broken: counter_vec(
                registry,
                "origin_ingest_rules_broken_total",
                "Publishers that broke a rule of ingest, by what was done.",
                &["rule", "action"],
            )?,
            shown: Arc::default(),
        })
    }

    /// Counts a publisher that broke a rule.
    pub(super) fn broken(&self, breach: &Breach) {
        let action = match breach.action {
            RuleAction::Cut => "cut",
            RuleAction::Warn => "warn",
        };
        let labels = [breach.rule.as_str(), action];
        self.broken.with_label_values(&labels).inc();
    }

    /// Shows the newest figures.
    pub(super) fn show(&self, name: &str, stream: &Stream) {
        let Some(reading) = stream.history().newest() else {
            return;
        };
        let state = self.state.with_label_values(&[name]);
        state.set(stream.state().level());
        let reasons = stream.reasons();
        for cause in Cause::ALL {
            let labels = [name, cause.as_str()];
            match reasons.iter().find(|reason| reason.cause == cause) {
                Some(reason) => self
                    .reasons
                    .with_label_values(&labels)
                    .set(reason.state.level()),
                None => drop(self.reasons.remove_label_values(&labels)),
            }
        }
        for (gauge, figure) in &self.figures {
            set(gauge, &[name], figure(reading));
        }
        for rung in &reading.rungs {
            let labels = [name, rung.name.as_str()];
            set(&self.speed, &labels, rung.speed);
            set(&self.lag, &labels, Some(rung.lag_ms / 1_000.0));
        }
        let rungs: Vec<String> = reading.rungs.iter().map(|rung| rung.name.clone()).collect();
        let before = self.shown.lock().insert(name.to_owned(), rungs.clone());
        let gone = before.unwrap_or_default();
        self.remove_rungs(name, gone.iter().filter(|rung| !rungs.contains(rung)));
    }

    /// Takes all away that is shown of streams for which `is_live` says no.
    pub(super) fn retain(&self, is_live: impl Fn(&str) -> bool) {
        self.shown.lock().retain(|name, rungs| {
            let keep = is_live(name);
            if !keep {
                self.remove(name);
                self.remove_rungs(name, rungs.iter());
            }
            keep
        });
    }

    /// An error says that it was not there.
    fn remove(&self, name: &str) {
        drop(self.state.remove_label_values(&[name]));
        for cause in Cause::ALL {
            drop(self.reasons.remove_label_values(&[name, cause.as_str()]));
        }
        for (gauge, _) in &self.figures {
            drop(gauge.remove_label_values(&[name]));
        }
    }

    fn remove_rungs<'a>(&self, name: &str, rungs: impl Iterator<Item = &'a String>) {
        for rung in rungs {
            let labels = [name, rung.as_str()];
            drop(self.speed.remove_label_values(&labels));
            drop(self.lag.remove_label_values(&labels));
        }
    }
}

fn set(gauge: &GaugeVec, labels: &[&str], value: Option<f64>) {
    match value {
        Some(value) => gauge.with_label_values(labels).set(value),
        None => drop(gauge.remove_label_values(labels)),
    }
}
