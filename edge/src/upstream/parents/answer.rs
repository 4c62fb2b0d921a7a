//! A request to a parent, and what comes of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, Method, StatusCode, header};
use pingora_core::protocols::http::client::HttpSession;
use pingora_error::{Error, ErrorType};
use pingora_http::RequestHeader;
use telemetry::traces::{Link, Span};
use tokio::time::timeout;

use crate::cache::flight::FillError;
use crate::problem::Problem;
use crate::upstream::parent::{Parent, Place, Turn};
use crate::upstream::standing::Failure;

/// What is asked of a parent.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Method. Whether it is idempotent decides whether the request is asked again.
    pub method: &'a Method,
    /// Path and query. The parents of a stream are chosen by it.
    pub target: &'a str,
    /// What stands in `Host`; `None`: the parent's own.
    pub authority: Option<&'a str>,
    /// All fields but `Host` and `Content-Length`.
    pub headers: &'a HeaderMap,
    /// The body.
    pub body: Bytes,
    /// On whose behalf, if that is traced.
    pub trace: Option<&'a Link>,
}

/// A parent's answer, its head read. Dropped, an HTTP/1.1 connection goes with it.
#[derive(Debug)]
pub struct Answer {
    /// Status and fields, as they came.
    pub head: Parts,
    /// From the request to the head.
    pub delay: Duration,
    pub(super) parent: Arc<Parent>,
    pub(super) place: Place,
    pub(super) turn: Turn,
    /// Until the answer is dropped.
    pub(super) span: Option<Span>,
}

/// Why no parent answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// No connection.
    Unreachable,
    /// The connection ended before an answer.
    Closed,
    /// No answer in time.
    Silent,
    /// It was found to be dead, and another one is not.
    Lost,
    /// It has as many requests as it may.
    Busy,
}

impl Request<'_> {
    /// A span for an attempt at a parent, if the request is traced.
    pub(super) fn span(&self, parent: &str) -> Option<Span> {
        let mut span = self.trace?.client(self.method.to_string());
        span.set("http.request.method", self.method.to_string());
        span.set("server.address", parent.to_owned());
        // The query may hold what is nobody's business.
        let path = self.target.split('?').next().unwrap_or_default();
        span.set("url.path", path.to_owned());
        Some(span)
    }

    /// Sends it to a parent, and reads the head of the answer.
    pub(super) async fn exchange(
        &self,
        session: &mut HttpSession,
        parent: &str,
        span: Option<Link>,
    ) -> pingora_error::Result<Parts> {
        let fields = self.headers.len() + 2;
        let target = self.target.as_bytes();
        let mut head = RequestHeader::build(self.method.clone(), target, Some(fields))?;
        head.insert_header(header::HOST, self.authority.unwrap_or(parent))?;
        let mut trace = HeaderMap::new();
        if let Some(span) = span {
            span.inject(&mut trace);
        }
        for (name, value) in &trace {
            head.insert_header(name, value)?;
        }
        for (name, value) in self.headers {
            // What a client said of its own trace gives way.
            if !trace.contains_key(name) {
                head.append_header(name, value)?;
            }
        }
        let has_body = !self.body.is_empty();
        let expects_body = [Method::POST, Method::PUT, Method::PATCH].contains(self.method);
        if has_body || expects_body {
            head.insert_header(header::CONTENT_LENGTH, self.body.len())?;
        }
        session.write_request_header(Box::new(head)).await?;
        if has_body {
            session.write_request_body(self.body.clone(), true).await?;
        }
        session.finish_request_body().await?;
        loop {
            session.read_response_header().await?;
            let Some(response) = session.response_header() else {
                return Err(Error::new(ErrorType::ReadError));
            };
            // Interim responses (1xx) precede the one that counts; 101 was never asked for.
            if !response.status.is_informational() {
                return Ok(response.as_owned_parts());
            }
            // pingora reads one head per HTTP/2 stream, and panics on a second call.
            if matches!(session, HttpSession::H2(_)) {
                return Err(Error::new(ErrorType::H2Error));
            }
        }
    }
}

impl Answer {
    /// The parent that gave it.
    pub fn parent(&self) -> &Parent {
        &self.parent
    }

    /// `Content-Length`, if there is one.
    pub fn content_length(&self) -> Option<u64> {
        let value = self.head.headers.get(header::CONTENT_LENGTH)?;
        value.to_str().ok()?.parse().ok()
    }

    /// The next piece of the body; `None`: it has ended.
    ///
    /// # Errors
    /// It broke off, nothing came `within` that time, or the parent was found to be dead.
    pub async fn read(&mut self, within: Duration) -> Result<Option<Bytes>, FillError> {
        let read = tokio::select! {
            read = timeout(within, self.turn.session.read_response_body()) => read,
            () = self.place.parent_lost() => return Err(FillError::Silent),
        };
        let read = match read {
            Ok(Ok(piece)) => Ok(piece),
            Ok(Err(error)) => {
                tracing::debug!(%error, "reading the parent's body");
                Err(FillError::Broken)
            }
            Err(_) => Err(FillError::Silent),
        };
        if let (Some(span), Err(error)) = (&mut self.span, &read) {
            span.failed(error.to_string());
        }
        read
    }

    /// Its body was read to the end: the connection is free for others.
    pub async fn finish(self) {
        self.parent.give_back(self.turn).await;
    }

    /// Gives it up.
    pub async fn end(self) {
        self.turn.end(&self.parent).await;
    }
}

impl NoAnswer {
    /// Label in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Closed => "closed",
            Self::Silent => "silent",
            Self::Lost => "lost",
            Self::Busy => "busy",
        }
    }

    /// What a client is told.
    pub fn problem(self) -> Problem {
        let (status, detail) = match self {
            Self::Unreachable => (StatusCode::BAD_GATEWAY, "no parent can be reached"),
            Self::Closed => (
                StatusCode::BAD_GATEWAY,
                "the parent closed the connection without an answer",
            ),
            Self::Silent | Self::Lost => (
                StatusCode::GATEWAY_TIMEOUT,
                "the parent did not answer in time",
            ),
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "all parents have as many requests as they may",
            ),
        };
        Problem::new(status, detail)
    }

    /// What it says of the parent; what was seen otherwise says nothing new.
    pub(super) fn failure(self) -> Option<Failure> {
        match self {
            Self::Unreachable => Some(Failure::Unreachable),
            Self::Closed | Self::Silent => Some(Failure::NoAnswer),
            Self::Lost | Self::Busy => None,
        }
    }

    /// Whether the next parent may be asked after it. A request that got no answer in time has
    /// used up the patience of those who wait, too; one that a parent can have seen is asked again
    /// only if it is `idempotent`.
    pub(super) fn leaves_another(self, idempotent: bool) -> bool {
        match self {
            Self::Unreachable | Self::Busy => true,
            Self::Closed | Self::Lost => idempotent,
            Self::Silent => false,
        }
    }
}
