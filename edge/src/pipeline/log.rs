//! What is remembered of a request, counted and logged at its end.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderName, StatusCode, header};
use pingora_error::{Error, ErrorSource, ErrorType};
use pingora_http::RequestHeader;
use pingora_proxy::Session;
use prometheus::IntGauge;
use telemetry::traces::Span;

use super::EdgeProxy;
use super::early::Haste;
use super::filter::{Filtering, Filters, host_of};
use super::route::Kind;
use crate::access_log::{AccessLog, Head, REQUEST_ID, Record, is_request_id, made_id, path_of};
use crate::frontend::protocol;
use crate::limits::Permit;
use crate::metrics::Metrics;
use crate::streams::{Answer, Asker};

/// Whose the streams are when nobody says: the default of filters.tenant.
const DEFAULT_TENANT: &str = "default";

/// [`cmcd::FIELDS`].
const CMCD_FIELDS: [HeaderName; 4] = {
    let [object, request, session, status] = cmcd::FIELDS;
    [
        HeaderName::from_static(object),
        HeaderName::from_static(request),
        HeaderName::from_static(session),
        HeaderName::from_static(status),
    ]
};

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
    /// It may be a repetition of what somebody recorded.
    pub(super) early: Option<Haste>,
    /// Another tier asks, for viewers that it has admitted.
    pub(super) tier: bool,
    /// Why it was not admitted; a label in metrics.
    pub(super) refused: Option<&'static str>,
    pub(super) set_cookie: Option<String>,
    /// Paces the answer; `None`: nothing limits its bandwidth.
    pub(super) permit: Option<Permit>,
    /// The connection was taken out of the session after a 101.
    pub(super) upgraded: bool,
    pub(super) started: Instant,
    /// The request is traced.
    pub(super) span: Option<Span>,
    /// From then to the answer's head.
    head_after: OnceLock<Duration>,
    /// What it is called in access logs, if anybody asked.
    request_id: OnceLock<String>,
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
            early: None,
            tier: false,
            refused: None,
            set_cookie: None,
            permit: None,
            upgraded: false,
            started: Instant::now(),
            span: None,
            head_after: OnceLock::new(),
            request_id: OnceLock::new(),
            in_progress: metrics.in_progress.clone(),
        }
    }

    /// The answer's head has been handed to the protocol; how long that took.
    pub(super) fn note_head(&self) -> Duration {
        *self.head_after.get_or_init(|| self.started.elapsed())
    }

    /// From the request to the answer's head.
    pub(super) fn head_after(&self) -> Option<Duration> {
        self.head_after.get().copied()
    }

    /// What the request is called: as the tier or the proxy in front calls it, or the filters here, or anew.
    fn request_id(&self, request: &RequestHeader) -> &str {
        self.request_id.get_or_init(|| {
            let filtering = self.filtering.as_ref();
            given_id(request)
                .map(str::to_owned)
                .or_else(|| filtering.map(|filtering| filtering.id.clone()))
                .unwrap_or_else(made_id)
        })
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
        self.count_stream(session.req_header(), context, status, bytes as u64);
        if !context.upgraded && context.stream.is_some() {
            let first_byte = context.head_after.get().copied();
            let stages = &self.metrics.stages;
            stages.answered(first_byte, context.started.elapsed());
        }
        // A viewer who leaves while he waits has failed nobody: players do it at every switch.
        let broke_off = error.is_some_and(|error| error.esource() != &ErrorSource::Downstream);
        let failed = broke_off || status.is_some_and(|status| status.as_u16() >= 400);
        if let Some(log) = &self.json_log {
            self.write_line(log, session, (status, bytes as u64, failed), error, context);
        }
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
            path = path_of(request.uri.path()),
            status = status_label,
            cache = context.outcome.as_str(),
            refused = context.refused,
            bytes,
            milliseconds = u64::try_from(context.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            error = error.map(tracing::field::display),
            "request"
        );
    }

    /// The id that a parent is told, if anybody here or in front of here logs by it.
    pub(super) fn passed_on_id(
        &self,
        request: &RequestHeader,
        context: &Context,
    ) -> Option<String> {
        let wanted = self.json_log.is_some() || given_id(request).is_some();
        wanted.then(|| context.request_id(request).to_owned())
    }

    /// Whose streams these are.
    pub(super) fn tenant(&self) -> &str {
        self.filters
            .as_ref()
            .map_or(DEFAULT_TENANT, Filters::tenant)
    }

    /// Whether another tier asked. Without filters nobody has looked at that so far.
    fn asked_by_tier(&self, request: &RequestHeader, context: &Context) -> bool {
        let looked = self.filters.is_some() && context.filtering.is_some();
        context.tier || (!looked && self.is_tier_for(&request.headers, context.stream.as_deref()))
    }

    fn count_stream(
        &self,
        request: &RequestHeader,
        context: &Context,
        status: Option<StatusCode>,
        bytes: u64,
    ) {
        let Some(stream) = context.stream.as_deref() else {
            return;
        };
        // Only what came out of the cache shows that there is such a stream: filters answer for any.
        let found = context.outcome != Outcome::None
            && status
                .is_some_and(|status| status.is_success() || status == StatusCode::NOT_MODIFIED);
        let report = if found { self.report(request) } else { None };
        let asker = if self.asked_by_tier(request, context) {
            Asker::Tier
        } else {
            Asker::Viewer
        };
        let answer = Answer {
            tenant: self.tenant(),
            stream,
            asker,
            bytes,
            found,
            report: report.as_ref(),
        };
        self.streams.count(&answer, Instant::now());
    }

    /// What the player says of itself.
    fn report(&self, request: &RequestHeader) -> Option<cmcd::Report> {
        let mut report = cmcd::Report::default();
        for name in &CMCD_FIELDS {
            for value in request.headers.get_all(name) {
                if let Err(malformed) = report.read(value.as_bytes()) {
                    self.streams.malformed(malformed);
                }
            }
        }
        if let Some(query) = request.uri.query()
            && let Err(malformed) = report.read_query(query)
        {
            self.streams.malformed(malformed);
        }
        (!report.is_empty()).then_some(report)
    }

    fn write_line(
        &self,
        log: &AccessLog,
        session: &Session,
        (status, bytes, failed): (Option<StatusCode>, u64, bool),
        error: Option<&Error>,
        context: &Context,
    ) {
        let request = session.req_header();
        let id = context.request_id(request);
        if !log.wants(failed, id) {
            return;
        }
        let downstream = session.as_downstream();
        let agent = request.headers.get(header::USER_AGENT);
        let head = Head {
            method: request.method.as_str(),
            host: host_of(&request.uri, &request.headers),
            path: request.uri.path(),
            user_agent: agent.and_then(|agent| agent.to_str().ok()),
        };
        let took = context.started.elapsed();
        let began = SystemTime::now().checked_sub(took);
        let mut record = Record::new(began.unwrap_or(SystemTime::UNIX_EPOCH), id, head);
        record.node = log.node();
        record.protocol = protocol(downstream);
        record.status = status.map(|status| status.as_u16());
        record.bytes = bytes;
        record.duration_ms = millis(took);
        record.ttfb_ms = context.head_after.get().map(|after| millis(*after));
        record.cache = context.outcome.as_str();
        record.kind = context.kind.as_str();
        record.stream = context.stream.as_deref();
        record.tenant = context.stream.is_some().then(|| self.tenant());
        record.tier = context.stream.is_some() && self.asked_by_tier(request, context);
        record.refused = context.refused;
        record.trace_id = context.link().map(|link| link.trace_id().to_string());
        record.error = error.map(|error| {
            let (source, kind) = (error.esource().as_str(), error.etype().as_str());
            format!("{source} {kind}")
        });
        let address = downstream.client_addr().and_then(|it| it.as_inet());
        record.client = address.and_then(|address| log.client(address.ip()));
        log.write(&record);
    }
}

/// The id that the request brought along.
fn given_id(request: &RequestHeader) -> Option<&str> {
    let id = request.headers.get(REQUEST_ID)?.to_str().ok()?;
    is_request_id(id).then_some(id)
}

/// To the microsecond.
fn millis(span: Duration) -> f64 {
    (span.as_secs_f64() * 1e6).round() / 1e3
}
