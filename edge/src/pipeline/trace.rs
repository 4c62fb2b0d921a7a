//! The span of a traced request. Names and attributes are those of OpenTelemetry's semantic
//! conventions for HTTP servers; what is Weir's own begins with `weir.`.

use std::time::SystemTime;

use http::StatusCode;
use pingora_error::Error;
use pingora_proxy::Session;
use telemetry::traces::Link;

use super::EdgeProxy;
use super::log::{Context, Outcome};
use crate::access_log::path_of;
use crate::cache::flight::FlightReader;
use crate::frontend::protocol;

impl Context {
    /// What is done on the request's behalf belongs to this, if it is traced.
    pub(super) fn link(&self) -> Option<Link> {
        self.span.as_ref().map(telemetry::traces::Span::link)
    }

    /// The request waits for a fetch that another one began.
    pub(super) fn waits_for(&mut self, flight: &FlightReader) {
        if let (Some(span), Outcome::Collapsed, Some(leader)) =
            (&mut self.span, self.outcome, flight.led_by())
        {
            span.linked_to(leader);
        }
    }

    /// A stage is over.
    pub(super) fn stage(&mut self, name: &'static str) {
        if let Some(span) = &mut self.span {
            span.event(name);
        }
    }
}

impl EdgeProxy {
    /// Makes a span for the request, if it is to be traced.
    pub(super) fn begin_trace(&self, session: &Session, context: &mut Context) {
        context.span = self.traces.server(&session.req_header().headers);
    }

    /// The request is over.
    pub(super) fn end_trace(
        &self,
        session: &Session,
        error: Option<&Error>,
        context: &mut Context,
    ) {
        let head_after = context.head_after();
        let Some(mut span) = context.span.take() else {
            return;
        };
        let request = session.req_header();
        let downstream = session.as_downstream();
        span.name(format!("{} {}", request.method, context.kind.as_str()));
        span.set("http.request.method", request.method.to_string());
        span.set("url.path", path_of(request.uri.path()).to_owned());
        span.set("network.protocol.name", "http");
        span.set("network.protocol.version", version(protocol(downstream)));
        let bytes = downstream.body_bytes_sent();
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        span.set("http.response.body.size", bytes);
        span.set("weir.kind", context.kind.as_str());
        span.set("weir.cache", context.outcome.as_str());
        if let Some(stream) = &context.stream {
            span.set("weir.stream", stream.clone());
        }
        if let Some(refused) = context.refused {
            span.set("weir.refused", refused);
        }
        if let Some(head) = head_after
            && let Some(began) = SystemTime::now().checked_sub(context.started.elapsed())
        {
            span.event_at("head", began + head);
        }
        let taken = context.upgraded.then_some(StatusCode::SWITCHING_PROTOCOLS);
        let written = downstream.response_written();
        let status = taken.or_else(|| written.map(|response| response.status));
        if let Some(status) = status {
            let code = i64::from(status.as_u16());
            span.set("http.response.status_code", code);
            if status.is_server_error() {
                span.failed(String::new());
            }
        }
        if let Some(error) = error {
            span.set("error.type", error.etype().as_str().to_owned());
            span.failed(error.esource().as_str().to_owned());
        }
    }
}

/// `network.protocol.version`.
fn version(protocol: &'static str) -> &'static str {
    match protocol {
        "h3" => "3",
        "h2" => "2",
        _ => "1.1",
    }
}
