//! `/v1/streams/health` and `/v1/streams/{name}/health` on the admin listener, and the page about them.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State as Extract};
use axum::http::header::CACHE_CONTROL;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use parking_lot::Mutex;
use serde::Serialize;
use settings::Secret;
use tokio::time::Instant;

use super::judge::State;
use super::reading::{Reading, Series, rounded};
use super::stream::Stream;
use super::{Healths, STEP, page};
use crate::caller::{Door, staff_only};
use crate::clock::unix_ms;
use crate::problem::Problem;

/// The figures ask for `admin.token`, as `/v1/rooms` does; the page has none in it, and asks for nothing.
pub(crate) fn router(healths: Healths, operator_token: Option<Secret>) -> Router {
    let door = Door::Operator(operator_token);
    Router::new()
        .route("/v1/streams/health", get(list))
        .route("/v1/streams/{name}/health", get(look))
        .layer(from_fn_with_state(door, staff_only))
        .with_state(healths)
        .merge(page::router())
}

/// All streams, by name; those that are over last.
async fn list(Extract(healths): Extract<Healths>) -> Response {
    let now = healths.shared.since_start(Instant::now());
    let mut streams: Vec<Summary> = healths
        .all()
        .into_iter()
        .map(|(name, stream)| Summary::new(name, &stream.lock(), now))
        .collect();
    streams.sort_by_key(|stream| !stream.live);
    uncached(&serde_json::json!({ "streams": streams }))
}

/// One stream, with its history.
async fn look(
    Extract(healths): Extract<Healths>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let now = healths.shared.since_start(Instant::now());
    let stream: Option<Arc<Mutex<Stream>>> = healths.shared.streams.lock().get(&name).cloned();
    let Some(stream) = stream else {
        let detail = "nobody has published a stream of this name in the last five minutes";
        return Err(Problem::unknown("unknown-stream", detail));
    };
    let detailed = Detailed::new(name, &stream.lock(), now, unix_ms());
    Ok(uncached(&detailed))
}

fn uncached(body: &impl Serialize) -> Response {
    ([(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

#[derive(Serialize)]
struct Detailed {
    #[serde(flatten)]
    summary: Summary,
    history: HistoryView,
}

/// The last five minutes.
#[derive(Serialize)]
struct HistoryView {
    /// When the newest number was, by the wall's clock.
    until_ms: u64,
    /// From one number to the next.
    step_seconds: u64,
    #[serde(flatten)]
    series: Series,
}

#[derive(Serialize)]
struct Summary {
    name: String,
    /// Whether it is published, or its last parts are being made.
    live: bool,
    state: State,
    reasons: Vec<ReasonView>,
    /// Since the stream began, until it was over.
    seconds: u64,
    publisher: Option<PublisherView>,
    source: Option<SourceView>,
    /// Of the newest part.
    media_sequence_number: Option<u64>,
    now: Figures,
    totals: TotalsView,
}

#[derive(Serialize)]
struct ReasonView {
    code: &'static str,
    state: State,
    text: String,
    seconds: u64,
}

#[derive(Serialize)]
struct PublisherView {
    transport: &'static str,
    encoder: Option<String>,
    seconds: u64,
}

#[derive(Serialize)]
struct SourceView {
    video_codec: String,
    audio_codec: Option<String>,
    width: u32,
    height: u32,
    renditions: Vec<String>,
}

#[derive(Default, Serialize)]
struct Figures {
    bitrate_kbps: Option<f64>,
    frame_rate: Option<f64>,
    source_frame_rate: Option<f64>,
    keyframe_interval_seconds: Option<f64>,
    av_offset_ms: Option<f64>,
    pace: Option<f64>,
    late_percent: f64,
    missing_percent: f64,
    round_trip_ms: Option<f64>,
    latency_p50_ms: Option<f64>,
    latency_p99_ms: Option<f64>,
    rungs: Vec<RungView>,
}

#[derive(Serialize)]
struct RungView {
    name: String,
    speed: Option<f64>,
    lag_ms: f64,
}

/// Counted over all publishers of this stream.
#[derive(Serialize)]
struct TotalsView {
    publishers: u64,
    frames: u64,
    late_frames: u64,
    missing_frames: u64,
    timestamp_jumps: u64,
}

impl Detailed {
    fn new(name: String, stream: &Stream, now: Duration, now_ms: u64) -> Self {
        let passed = now.saturating_sub(stream.read_at()).as_millis();
        Self {
            summary: Summary::new(name, stream, now),
            history: HistoryView {
                until_ms: now_ms.saturating_sub(u64::try_from(passed).unwrap_or(u64::MAX)),
                step_seconds: STEP.as_secs(),
                series: stream.history().series(),
            },
        }
    }
}

impl Summary {
    fn new(name: String, stream: &Stream, now: Duration) -> Self {
        // What is over grows no older.
        let until = stream.over().unwrap_or(now);
        let seconds = |since: Duration| until.saturating_sub(since).as_secs();
        let totals = stream.totals();
        let live = stream.over().is_none();
        let reasons = stream.reasons().into_iter().map(|reason| ReasonView {
            code: reason.cause.as_str(),
            state: reason.state,
            text: reason.words,
            seconds: seconds(reason.since),
        });
        Self {
            live,
            state: stream.state(),
            reasons: reasons.collect(),
            seconds: seconds(stream.began()),
            publisher: stream.publisher().map(|(publisher, since)| PublisherView {
                transport: if publisher.tls { "rtmps" } else { "rtmp" },
                encoder: publisher.encoder.clone(),
                seconds: seconds(since),
            }),
            source: stream.source().map(|source| SourceView {
                video_codec: source.video_codec.clone(),
                audio_codec: source.audio_codec.clone(),
                width: source.width,
                height: source.height,
                renditions: source.renditions.clone(),
            }),
            media_sequence_number: stream.msn(),
            now: stream
                .history()
                .newest()
                .map(Figures::new)
                .unwrap_or_default(),
            totals: TotalsView {
                publishers: stream.sessions(),
                frames: totals.frames,
                late_frames: totals.late,
                missing_frames: totals.missing,
                timestamp_jumps: totals.jumps,
            },
            name,
        }
    }
}

impl Figures {
    fn new(reading: &Reading) -> Self {
        let round = |value: Option<f64>| value.map(rounded);
        let rungs = reading.rungs.iter().map(|rung| RungView {
            name: rung.name.clone(),
            speed: round(rung.speed),
            lag_ms: rung.lag_ms,
        });
        Self {
            bitrate_kbps: round(reading.bitrate_kbps),
            frame_rate: round(reading.frame_rate),
            source_frame_rate: round(reading.usual_frame_rate),
            keyframe_interval_seconds: round(reading.keyframe_interval_seconds),
            av_offset_ms: round(reading.sound_offset_ms),
            pace: round(reading.pace),
            late_percent: rounded(reading.late_percent),
            missing_percent: rounded(reading.missing_percent),
            round_trip_ms: round(reading.round_trip_ms),
            latency_p50_ms: round(reading.latency_p50_ms),
            latency_p99_ms: round(reading.latency_p99_ms),
            rungs: rungs.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::{IngestRules, Publisher};

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn json(stream: &Stream, now: Duration) -> serde_json::Value {
        let now_ms = 1_000_000 + u64::try_from(now.as_millis()).unwrap();
        serde_json::to_value(Detailed::new("demo".to_owned(), stream, now, now_ms)).unwrap()
    }

    #[test]
    fn what_is_over_grows_no_older_and_its_history_stays_where_it_was() {
        let mut stream = Stream::new(at(0));
        let number = stream.publish(at(0), Publisher::default(), IngestRules::default());
        for second in 1..=20 {
            stream.tick(at(second));
        }
        let no_picture = |json: &serde_json::Value| json["reasons"][0]["seconds"].clone();
        let live = json(&stream, at(20));
        assert_eq!(
            (&live["seconds"], &live["live"]),
            (&20.into(), &true.into())
        );
        assert_eq!(live["history"]["until_ms"], 1_020_000);
        stream.unpublish(at(20), number);
        // As whoever asks for a handle on it does.
        stream.touch(at(60));
        let over = json(&stream, at(100));
        assert_eq!(
            (&over["seconds"], &over["live"]),
            (&20.into(), &false.into())
        );
        assert_eq!(no_picture(&over), no_picture(&live));
        assert_eq!(over["history"]["until_ms"], 1_020_000);
    }

    #[test]
    fn the_time_that_nobody_published_is_a_hole_in_the_history() {
        let mut stream = Stream::new(at(0));
        let number = stream.publish(at(0), Publisher::default(), IngestRules::default());
        for second in 1..=10 {
            stream.tick(at(second));
        }
        stream.unpublish(at(10), number);
        stream.publish(at(100), Publisher::default(), IngestRules::default());
        stream.tick(at(101));
        let row = json(&stream, at(101))["history"]["bitrate_kbps"].clone();
        assert_eq!(row.as_array().unwrap().len(), 101);
        stream.publish(at(2_000), Publisher::default(), IngestRules::default());
        assert_eq!(
            stream.began(),
            at(100),
            "another publisher of the same stream"
        );
    }
}
