//! Asks a site's parents, and reads what they answer.
//!
//! A request that failed before any byte of its answer is asked again, of the same parent if the
//! connection was a pooled one, else of the next: only if its method is idempotent (RFC 9110
//! 9.2.2), or if no parent can have seen it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Version, header};
use pingora_core::protocols::http::client::HttpSession;
use pingora_error::{Error, ErrorType};
use pingora_http::RequestHeader;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{Inner, Outgoing, Site};
use crate::cache::flight::{FillError, FlightWriter};
use crate::problem::Problem;
use crate::upstream::choice::{self, Candidate, Choice};
use crate::upstream::parent::{Parent, Place, Turn};
use crate::upstream::standing::Failure;
use crate::upstream::{note_answer, note_failure};

/// Attempts at one parent: one, and one more when the first was on a pooled connection.
const ATTEMPTS_PER_PARENT_MAX: usize = 2;
/// Pieces of a body that wait for one client.
const PIECES_MAX: usize = 8;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// No connection.
    Unreachable,
    /// The connection ended before an answer.
    Closed,
    /// No answer in time.
    Silent,
    /// All parents have as many requests as they may.
    Busy,
}

/// A parent's answer, its head read.
#[derive(Debug)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Protocol.
    pub version: Version,
    /// Fields, as they came.
    pub headers: HeaderMap,
    /// `Content-Length`, if there is one.
    pub content_length: Option<u64>,
    /// From the request to the head.
    pub delay: Duration,
    parent: Arc<Parent>,
    _place: Place,
    turn: Turn,
}

/// An answer for one client.
#[derive(Debug)]
pub struct Passed {
    /// Status.
    pub status: StatusCode,
    /// Protocol.
    pub version: Version,
    /// Fields, as they came.
    pub headers: HeaderMap,
    /// `Content-Length`, if there is one.
    pub content_length: Option<u64>,
    /// From the request to the head.
    pub delay: Duration,
    /// The body, at the client's pace.
    pub body: mpsc::Receiver<Result<Bytes, FillError>>,
}

impl NoAnswer {
    /// Label in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Closed => "closed",
            Self::Silent => "silent",
            Self::Busy => "busy",
        }
    }

    /// What it says of the parent.
    fn failure(self) -> Option<Failure> {
        match self {
            Self::Unreachable => Some(Failure::Unreachable),
            Self::Closed | Self::Silent => Some(Failure::NoAnswer),
            Self::Busy => None,
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
            Self::Silent => (
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
}

/// The two ends of an answer for one client.
pub(super) fn channel(answer: &Answer) -> (Passed, mpsc::Sender<Result<Bytes, FillError>>) {
    let (sender, body) = mpsc::channel(PIECES_MAX);
    let passed = Passed {
        status: answer.status,
        version: answer.version,
        headers: answer.headers.clone(),
        content_length: answer.content_length,
        delay: answer.delay,
        body,
    };
    (passed, sender)
}

pub(super) async fn ask(
    inner: &Inner,
    site: &Site,
    outgoing: &Outgoing,
) -> Result<Answer, NoAnswer> {
    let now = Instant::now();
    let parents = in_order(site, now);
    let last = parents.len().saturating_sub(1);
    let again = is_idempotent(&outgoing.method);
    let mut failure = NoAnswer::Unreachable;
    for (index, parent) in parents.into_iter().enumerate() {
        parent.tries(now);
        let asked = ask_parent(inner, site, parent, outgoing).await;
        match &asked {
            Ok(_) => note_answer(parent, &inner.metrics),
            Err(failure) => {
                if let Some(kind) = failure.failure() {
                    note_failure(parent, kind, failure.as_str(), &inner.metrics);
                }
            }
        }
        match asked {
            // The parent itself lacks a parent: another may not.
            Ok(answer) if again && index < last && is_gateway_failure(answer.status) => {
                failure = NoAnswer::Closed;
            }
            Ok(answer) => return Ok(answer),
            Err(error @ (NoAnswer::Unreachable | NoAnswer::Busy)) => failure = error,
            Err(NoAnswer::Closed) if again => failure = NoAnswer::Closed,
            Err(failure) => return Err(failure),
        }
    }
    Err(failure)
}

/// The parents of a site, best first: as they are listed, those that are up before the others.
fn in_order(site: &Site, now: Instant) -> Vec<&Arc<Parent>> {
    let candidates: Vec<_> = site
        .parents
        .iter()
        .map(|parent| Candidate {
            authority: parent.authority(),
            backup: parent.backup,
            availability: parent.availability(now),
        })
        .collect();
    let order = choice::order(Choice::First, "", &candidates);
    order
        .into_iter()
        .filter_map(|place| site.parents.get(place))
        .collect()
}

async fn ask_parent(
    inner: &Inner,
    site: &Site,
    parent: &Arc<Parent>,
    outgoing: &Outgoing,
) -> Result<Answer, NoAnswer> {
    let name = parent.authority();
    let asked = |outcome: &str| {
        let labels = [name, outcome];
        inner
            .metrics
            .upstream_requests
            .with_label_values(&labels)
            .inc();
    };
    let Some(place) = parent.place() else {
        asked(NoAnswer::Busy.as_str());
        return Err(NoAnswer::Busy);
    };
    for _ in 0..ATTEMPTS_PER_PARENT_MAX {
        let asked_at = Instant::now();
        let mut turn = match parent.turn().await {
            Ok(turn) => turn,
            Err(error) => {
                tracing::debug!(parent = %parent.url, %error, "parent unreachable");
                asked(NoAnswer::Unreachable.as_str());
                return Err(NoAnswer::Unreachable);
            }
        };
        let reused = if turn.reused { "true" } else { "false" };
        let labels = [name, reused];
        inner
            .metrics
            .upstream_connections
            .with_label_values(&labels)
            .inc();
        let within = site.settings.upstream.head_timeout;
        let outcome = timeout(within, exchange(&mut turn.session, outgoing)).await;
        match outcome {
            Ok(Ok(head)) => {
                asked(head.status.as_str());
                let delay = asked_at.elapsed();
                inner
                    .metrics
                    .upstream_head_seconds
                    .observe(delay.as_secs_f64());
                return Ok(Answer {
                    content_length: content_length(&head.headers),
                    status: head.status,
                    version: head.version,
                    headers: head.headers,
                    delay,
                    parent: Arc::clone(parent),
                    _place: place,
                    turn,
                });
            }
            Ok(Err(error)) => {
                tracing::debug!(parent = %parent.url, %error, "no answer");
                asked(NoAnswer::Closed.as_str());
                if !(turn.reused && is_idempotent(&outgoing.method)) {
                    return Err(NoAnswer::Closed);
                }
            }
            Err(_) => {
                asked(NoAnswer::Silent.as_str());
                end_stream(parent, turn).await;
                return Err(NoAnswer::Silent);
            }
        }
    }
    Err(NoAnswer::Closed)
}

struct Head {
    status: StatusCode,
    version: Version,
    headers: HeaderMap,
}

async fn exchange(session: &mut HttpSession, outgoing: &Outgoing) -> pingora_error::Result<Head> {
    let fields = outgoing.headers.len() + 2;
    let target = outgoing.target.as_bytes();
    let mut head = RequestHeader::build(outgoing.method.clone(), target, Some(fields))?;
    head.insert_header(header::HOST, outgoing.authority.as_str())?;
    for (name, value) in &outgoing.headers {
        head.append_header(name, value)?;
    }
    let has_body = !outgoing.body.is_empty();
    let expects_body = [Method::POST, Method::PUT, Method::PATCH].contains(&outgoing.method);
    if has_body || expects_body {
        head.insert_header(header::CONTENT_LENGTH, outgoing.body.len())?;
    }
    session.write_request_header(Box::new(head)).await?;
    if has_body {
        session
            .write_request_body(outgoing.body.clone(), true)
            .await?;
    }
    session.finish_request_body().await?;
    loop {
        session.read_response_header().await?;
        let Some(response) = session.response_header() else {
            return Err(Error::new(ErrorType::ReadError));
        };
        // Interim responses (1xx) are not passed on; 101 was never asked for.
        if !response.status.is_informational() {
            return Ok(Head {
                status: response.status,
                version: response.version,
                headers: response.headers.clone(),
            });
        }
        // pingora reads one head per HTTP/2 stream, and panics on a second call.
        if matches!(session, HttpSession::H2(_)) {
            return Err(Error::new(ErrorType::H2Error));
        }
    }
}

/// Where a body goes.
pub(super) enum Sink<'a> {
    /// To one client, at its pace.
    Client(&'a mpsc::Sender<Result<Bytes, FillError>>),
    /// To all who read the flight.
    Flight(&'a mut FlightWriter),
    /// Nowhere: there is none.
    Nowhere,
}

impl Sink<'_> {
    async fn take(&mut self, piece: Bytes) -> Result<(), FillError> {
        match self {
            Self::Client(client) => {
                let sent = client.send(Ok(piece)).await;
                sent.map_err(|_| FillError::Abandoned)
            }
            Self::Flight(writer) => writer.push(piece),
            Self::Nowhere => Ok(()),
        }
    }
}

/// Reads the body into `sink`, to its end or until that takes no more.
pub(super) async fn body(
    inner: &Inner,
    site: &Site,
    mut answer: Answer,
    mut sink: Sink<'_>,
) -> Result<(), FillError> {
    let within = site.settings.upstream.body_timeout;
    let mut bytes = 0;
    let outcome = loop {
        match timeout(within, answer.turn.session.read_response_body()).await {
            Ok(Ok(Some(piece))) => {
                bytes += piece.len() as u64;
                inner.metrics.fill_bytes.inc_by(piece.len() as u64);
                if let Err(error) = sink.take(piece).await {
                    break Err(error);
                }
            }
            Ok(Ok(None)) => break Ok(()),
            Ok(Err(error)) => {
                tracing::debug!(%error, "reading the parent's body");
                break Err(FillError::Broken);
            }
            Err(_) => break Err(FillError::Silent),
        }
    };
    let outcome = outcome.and_then(|()| {
        let whole = bytes == 0 || answer.content_length.is_none_or(|length| length == bytes);
        if whole {
            Ok(())
        } else {
            Err(FillError::Broken)
        }
    });
    match outcome {
        Ok(()) => answer.parent.give_back(answer.turn).await,
        Err(error) => {
            inner
                .metrics
                .broken_fills
                .with_label_values(&[error.as_str()])
                .inc();
            end_stream(&answer.parent, answer.turn).await;
        }
    }
    outcome
}

/// Reads the body for one client, at its pace.
pub(super) async fn stream(
    inner: &Inner,
    site: &Site,
    answer: Answer,
    client: mpsc::Sender<Result<Bytes, FillError>>,
) {
    if let Err(error) = body(inner, site, answer, Sink::Client(&client)).await {
        let _ = client.send(Err(error)).await;
    }
}

/// Gives an answer up.
pub(super) async fn discard(answer: Answer) {
    end_stream(&answer.parent, answer.turn).await;
}

/// An HTTP/2 connection outlives a stream that ended early; an HTTP/1.1 one goes with it.
async fn end_stream(parent: &Parent, mut turn: Turn) {
    if matches!(turn.session, HttpSession::H2(_)) {
        turn.session.shutdown().await;
        parent.give_back(turn).await;
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

fn is_gateway_failure(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT
    )
}

/// RFC 9110 9.2.2.
fn is_idempotent(method: &Method) -> bool {
    cache_policy::shared::is_safe(method) || [Method::PUT, Method::DELETE].contains(method)
}
