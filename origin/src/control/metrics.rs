//! Figures of the control API.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderValue;
use http::header::CACHE_CONTROL;
use prometheus::{HistogramVec, IntCounter, IntCounterVec, IntGauge, Registry};
use telemetry::metrics::{self, RegisterError};

use super::problem::Code;

/// Bounds of the time an answer takes, in seconds.
const SECONDS: [f64; 9] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5];

/// Everything that the control API counts.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    /// `weir_control_requests_total{route,outcome}`.
    pub(crate) requests: IntCounterVec,
    /// `weir_control_request_seconds{route}`.
    pub(crate) seconds: HistogramVec,
    /// `weir_gifts_total{outcome}`.
    pub(crate) gifts: IntCounterVec,
    /// `weir_gift_announcements_total{outcome}`.
    pub(crate) announcements: IntCounterVec,
    /// `weir_gift_announcements_waiting`.
    pub(crate) announcements_waiting: IntGauge,
    /// `weir_gift_rooms_left_out`.
    pub(crate) rooms_left_out: IntGauge,
    /// `weir_gift_scores_corrected_total`.
    pub(crate) scores_corrected: IntCounter,
    /// `weir_control_refresh_reused_total`.
    pub(crate) refresh_reused: IntCounter,
    /// `weir_control_audit_failed_total`.
    pub(crate) audit_failed: IntCounter,
    /// `weir_control_chores_failed_total`.
    pub(crate) chores_failed: IntCounter,
}

impl Metrics {
    /// Registers every metric.
    ///
    /// # Errors
    /// A name that is already taken: a bug.
    pub(crate) fn new(r: &Registry) -> Result<Self, RegisterError> {
        Ok(Self {
            requests: metrics::counter_vec(
                r,
                "weir_control_requests_total",
                "Requests that edges passed on, by route and outcome (\"ok\", or the problem's code).",
                &["route", "outcome"],
            )?,
            seconds: metrics::histogram_vec(
                r,
                "weir_control_request_seconds",
                "Time until the answer was there.",
                &["route"],
                &SECONDS,
            )?,
            gifts: metrics::counter_vec(
                r,
                "weir_gifts_total",
                "Gifts, by what became of them (given, held, again, or the problem's code).",
                &["outcome"],
            )?,
            announcements: metrics::counter_vec(
                r,
                "weir_gift_announcements_total",
                "What rooms were to be told from the ledger's outbox (told, no-room, unread, unreadable, unrecorded, unhooked).",
                &["outcome"],
            )?,
            announcements_waiting: metrics::gauge(
                r,
                "weir_gift_announcements_waiting",
                "What was read from the outbox and could not be told yet; more may wait in the outbox.",
            )?,
            rooms_left_out: metrics::gauge(
                r,
                "weir_gift_rooms_left_out",
                "Rooms that are not told of gifts now, because their hub does not answer.",
            )?,
            scores_corrected: metrics::counter(
                r,
                "weir_gift_scores_corrected_total",
                "Times that a room was given its points from the records: after a start, and after a refund.",
            )?,
            refresh_reused: metrics::counter(
                r,
                "weir_control_refresh_reused_total",
                "Refresh tokens that two people had: the sign-in was ended.",
            )?,
            audit_failed: metrics::counter(
                r,
                "weir_control_audit_failed_total",
                "Acts of staff that are in the log of the process alone.",
            )?,
            chores_failed: metrics::counter(
                r,
                "weir_control_chores_failed_total",
                "Times that keys could not be read or made, held gifts not be given back, or what is old not be removed.",
            )?,
        })
    }
}

/// Counts answers by the route that gave them: the pattern, never what stood in the URL.
pub(crate) async fn count(
    State(metrics): State<Metrics>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.extensions().get::<MatchedPath>().cloned();
    let route = path.as_ref().map_or("other", MatchedPath::as_str);
    let started = Instant::now();
    let response = next.run(request).await;
    let code = response.extensions().get::<Code>().map(|code| code.0);
    let outcome = match code {
        Some(code) => code,
        None if response.status().is_success() => "ok",
        None => "refused",
    };
    let elapsed = started.elapsed().as_secs_f64();
    metrics.requests.with_label_values(&[route, outcome]).inc();
    metrics.seconds.with_label_values(&[route]).observe(elapsed);
    response
}

/// Nothing here is for caches.
pub(crate) async fn no_store(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let fields = response.headers_mut();
    fields
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}
