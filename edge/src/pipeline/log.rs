//! What is remembered of a request, counted and logged at its end.

use std::time::Instant;

use http::StatusCode;
use pingora_error::{Error, ErrorSource, ErrorType};
use pingora_proxy::Session;
use prometheus::IntGauge;

use super::EdgeProxy;
use super::filter::Filtering;
use super::route::Kind;
use crate::frontend::protocol;
use crate::metrics::Metrics;

/// How the cache dealt with a request; a label in metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Joined a flight that another request had started.
    Collapsed,
    /// Served from memory.
    Hit,
    /// Started a flight.
    Miss,
    /// The cache was not asked.
    None,
}

impl Outcome {
    /// Label in metrics.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Collapsed => "collapsed",
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::None => "none",
        }
    }
}

/// One request's notes.
#[derive(Debug)]
pub struct Context {
    pub(super) kind: Kind,
    pub(super) outcome: Outcome,
    /// The stream it is about.
    pub(super) stream: Option<String>,
    /// Filters are called for it.
    pub(super) filtering: Option<Filtering>,
    /// Another tier asks, for viewers that it has admitted.
    pub(super) tier: bool,
    /// Why it was not admitted; a label in metrics.
    pub(super) refused: Option<&'static str>,
    pub(super) set_cookie: Option<String>,
    /// The connection was taken out of the session after a 101.
    pub(super) upgraded: bool,
    pub(super) started: Instant,
    in_progress: IntGauge,
}

impl Context {
    pub(super) fn new(metrics: &Metrics) -> Self {
        metrics.in_progress.inc();
        Self {
            kind: Kind::Refused,
            outcome: Outcome::None,
            stream: None,
            filtering: None,
            tier: false,
            refused: None,
            set_cookie: None,
            upgraded: false,
            started: Instant::now(),
            in_progress: metrics.in_progress.clone(),
        }
    }

    /// Whether an error leaves somebody to answer.
    pub(super) fn viewer_is_there(&self, error: &Error) -> bool {
        !matches!(
            (error.esource(), error.etype()),
            (
                ErrorSource::Downstream,
                ErrorType::WriteError
                    | ErrorType::ReadError
                    | ErrorType::ConnectionClosed
                    | ErrorType::WriteTimedout
            )
        )
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        self.in_progress.dec();
    }
}

impl EdgeProxy {
    pub(super) fn log(&self, session: &Session, error: Option<&Error>, context: &Context) {
        let protocol = protocol(session.as_downstream());
        let downstream = session.as_downstream();
        let taken = context.upgraded.then_some(StatusCode::SWITCHING_PROTOCOLS);
        let written = downstream.response_written();
        let status = taken.or_else(|| written.map(|response| response.status));
        let bytes = downstream.body_bytes_sent();
        let status_label = status.as_ref().map_or("none", StatusCode::as_str);
        self.metrics
            .requests
            .with_label_values(&[
                protocol,
                context.kind.as_str(),
                status_label,
                context.outcome.as_str(),
            ])
            .inc();
        self.metrics
            .body_bytes
            .with_label_values(&[protocol])
            .inc_by(bytes as u64);
        // A viewer who leaves while he waits has failed nobody: players do it at every switch.
        let broke_off = error.is_some_and(|error| error.esource() != &ErrorSource::Downstream);
        let failed = broke_off || status.is_some_and(|status| status.as_u16() >= 400);
        if !self.access_log.wants(failed) {
            return;
        }
        let request = session.req_header();
        tracing::info!(
            target: "access",
            protocol,
            client = downstream.client_addr().map(tracing::field::display),
            request_id = context.filtering.as_ref().map(|filtering| &*filtering.id),
            method = %request.method,
            // The query may hold a playback token.
            path = request.uri.path(),
            status = status_label,
            cache = context.outcome.as_str(),
            refused = context.refused,
            bytes,
            milliseconds = u64::try_from(context.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            error = error.map(tracing::field::display),
            "request"
        );
    }
}
