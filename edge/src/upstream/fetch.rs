//! One fetch: picks a parent, asks, and reads the answer into a flight.
//!
//! Attempts: a request that failed before any byte of its answer is asked again of the next
//! parent; on a pooled connection it is first asked once more of the same one, since the parent
//! may just have closed it (RFC 9112 §9.3.1). After the first byte nothing is retried: readers may
//! have seen it.

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use cache_policy::{
    ERROR_LIFETIME_MIN, Received, StoreDecision, age_value, decide_store, strip_for_storage,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use pingora_core::protocols::http::client::HttpSession;
use pingora_error::{Error, ErrorType};
use pingora_http::RequestHeader;
use tokio::time::timeout;

use super::parent::{Parent, Place, Turn};
use super::standing::Failure;
use super::{Asking, Inner};
use crate::access_log::REQUEST_ID;
use crate::cache::Fill;
use crate::cache::flight::FillError;
use crate::cache::object::{Object, ObjectHead};
use crate::problem::Problem;

/// Attempts at one parent: one, and one more when the first was on a pooled connection.
const ATTEMPTS_PER_PARENT_MAX: usize = 2;

/// Fields of a parent's answer that say something of that hop alone; this edge writes its own.
const OF_ONE_HOP: [HeaderName; 4] = [
    header::ALT_SVC,
    header::CONTENT_LENGTH,
    header::DATE,
    header::SERVER,
];

/// What is asked of a parent.
struct Request {
    path_and_query: String,
    asking: Asking,
}

/// Why a parent gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NoAnswer {
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

impl NoAnswer {
    fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Closed => "closed",
            Self::Silent => "silent",
            Self::Lost => "lost",
            Self::Busy => "busy",
        }
    }

    /// What it says of the parent; what was seen otherwise says nothing new.
    fn failure(self) -> Option<Failure> {
        match self {
            Self::Unreachable => Some(Failure::Unreachable),
            Self::Closed | Self::Silent => Some(Failure::NoAnswer),
            Self::Lost | Self::Busy => None,
        }
    }

    fn problem(self) -> Problem {
        match self {
            Self::Unreachable => Problem::new(StatusCode::BAD_GATEWAY, "no parent can be reached"),
            Self::Closed => Problem::new(
                StatusCode::BAD_GATEWAY,
                "the parent closed the connection without an answer",
            ),
            Self::Silent | Self::Lost => Problem::new(
                StatusCode::GATEWAY_TIMEOUT,
                "the parent did not answer in time",
            ),
            Self::Busy => Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "all parents have as many requests as they may",
            ),
        }
    }
}

/// A parent's answer, its head read.
struct Answer<'a> {
    parent: &'a Parent,
    place: Place,
    turn: Turn,
    head: ObjectHead,
}

impl Answer<'_> {
    fn is_gateway_failure(&self) -> bool {
        matches!(
            self.head.status,
            StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT
        )
    }
}

impl Inner {
    pub(super) async fn fill(&self, mut fill: Fill, asking: Asking) {
        let request = Request {
            path_and_query: fill.key().to_string(),
            asking,
        };
        let answer = match self.ask(&request).await {
            Ok(answer) => answer,
            Err(failure) => {
                tracing::warn!(key = %fill.key(), reason = failure.as_str(), "no parent answered");
                self.answer_with_problem(fill, failure.problem());
                return;
            }
        };
        let Answer {
            parent,
            mut place,
            mut turn,
            head,
        } = answer;
        fill.writer().head(head);
        let read = tokio::select! {
            read = self.read_body(&mut turn.session, &mut fill) => read,
            () = place.parent_lost() => Err(FillError::Silent),
        };
        match read {
            Ok(()) => {
                if fill.complete() {
                    parent.give_back(turn).await;
                } else {
                    self.broken(FillError::Broken);
                }
            }
            Err(error) => {
                tracing::warn!(key = %fill.key(), parent = %parent.url, %error, "fill broke off");
                self.broken(error);
                let memo = self.memo(Problem::new(
                    StatusCode::BAD_GATEWAY,
                    "the parent's answer broke off",
                ));
                fill.abort(error, Some(memo));
                if matches!(turn.session, HttpSession::H2(_)) {
                    turn.session.shutdown().await;
                    parent.give_back(turn).await;
                }
            }
        }
    }

    async fn ask(&self, request: &Request) -> Result<Answer<'_>, NoAnswer> {
        let now = Instant::now();
        let parents = self.order(&request.path_and_query, now);
        let last = parents.len().saturating_sub(1);
        let mut failure = NoAnswer::Unreachable;
        for (index, parent) in parents.into_iter().enumerate() {
            parent.tries(now);
            match self.ask_parent(parent, request).await {
                // The parent itself lacks a parent: another may not.
                Ok(answer) if answer.is_gateway_failure() => {
                    self.failed(parent, Failure::NoAnswer, "gateway");
                    if index == last {
                        return Ok(answer);
                    }
                    failure = NoAnswer::Closed;
                }
                Ok(answer) => {
                    self.succeeded(parent);
                    return Ok(answer);
                }
                Err(error) => {
                    if let Some(failure) = error.failure() {
                        self.failed(parent, failure, error.as_str());
                    }
                    failure = error;
                    // A held request that got no answer has used up the viewers' patience as well.
                    if error == NoAnswer::Silent {
                        break;
                    }
                }
            }
        }
        Err(failure)
    }

    async fn ask_parent<'a>(
        &self,
        parent: &'a Parent,
        request: &Request,
    ) -> Result<Answer<'a>, NoAnswer> {
        let name = parent.authority();
        let Some(mut place) = parent.place() else {
            self.asked(name, NoAnswer::Busy.as_str());
            return Err(NoAnswer::Busy);
        };
        let mut failure = NoAnswer::Unreachable;
        for _ in 0..ATTEMPTS_PER_PARENT_MAX {
            let asked_at = Instant::now();
            let mut turn = match parent.turn().await {
                Ok(turn) => turn,
                Err(error) => {
                    tracing::debug!(parent = %parent.url, %error, "parent unreachable");
                    self.asked(name, NoAnswer::Unreachable.as_str());
                    return Err(NoAnswer::Unreachable);
                }
            };
            let reused = if turn.reused { "true" } else { "false" };
            self.metrics
                .upstream_connections
                .with_label_values(&[name, reused])
                .inc();
            let answered = timeout(
                self.settings.head_timeout,
                read_head(&mut turn.session, parent, request),
            );
            let outcome = tokio::select! {
                outcome = answered => outcome,
                () = place.parent_lost() => {
                    self.asked(name, NoAnswer::Lost.as_str());
                    return Err(NoAnswer::Lost);
                }
            };
            match outcome {
                Ok(Ok(())) => {
                    let head = head(&turn.session)?;
                    self.asked(name, head.status.as_str());
                    self.metrics
                        .upstream_head_seconds
                        .observe(asked_at.elapsed().as_secs_f64());
                    return Ok(Answer {
                        parent,
                        place,
                        turn,
                        head,
                    });
                }
                Ok(Err(error)) => {
                    self.asked(name, NoAnswer::Closed.as_str());
                    failure = NoAnswer::Closed;
                    if !turn.reused {
                        tracing::warn!(parent = %parent.url, %error, "parent gave no answer");
                        parent.explain_refusal();
                        return Err(failure);
                    }
                    tracing::debug!(parent = %parent.url, %error, "parent gave no answer");
                }
                Err(_) => {
                    self.asked(name, NoAnswer::Silent.as_str());
                    if matches!(turn.session, HttpSession::H2(_)) {
                        turn.session.shutdown().await;
                        parent.give_back(turn).await;
                    }
                    return Err(NoAnswer::Silent);
                }
            }
        }
        Err(failure)
    }

    async fn read_body(&self, session: &mut HttpSession, fill: &mut Fill) -> Result<(), FillError> {
        loop {
            let read = timeout(self.settings.body_timeout, session.read_response_body()).await;
            match read {
                Ok(Ok(Some(chunk))) => {
                    self.metrics.fill_bytes.inc_by(chunk.len() as u64);
                    fill.writer().push(chunk)?;
                }
                Ok(Ok(None)) => return Ok(()),
                Ok(Err(error)) => {
                    tracing::debug!(%error, "reading the parent's body");
                    return Err(FillError::Broken);
                }
                Err(_) => return Err(FillError::Silent),
            }
        }
    }

    /// Ends a flight that has no head yet with an answer of this edge's own.
    fn answer_with_problem(&self, mut fill: Fill, problem: Problem) {
        let Object { head, body, .. } = self.memo(problem);
        fill.writer().head(head);
        if fill.writer().push(body).is_ok() {
            fill.complete();
        }
    }

    fn memo(&self, problem: Problem) -> Object {
        let body = problem.body();
        let mut headers = HeaderMap::new();
        Problem::write_headers(&mut headers);
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        let head = ObjectHead {
            status: problem.status,
            headers,
            content_length: Some(body.len() as u64),
            age_at_receipt: Duration::ZERO,
            received_at: Instant::now(),
            fresh_for: self.settings.error_memo,
            own_error: true,
        };
        Object::new(head, Bytes::from(body))
    }

    fn asked(&self, parent: &str, outcome: &str) {
        self.metrics
            .upstream_requests
            .with_label_values(&[parent, outcome])
            .inc();
    }

    fn broken(&self, error: FillError) {
        self.metrics
            .broken_fills
            .with_label_values(&[error.as_str()])
            .inc();
    }
}

async fn read_head(
    session: &mut HttpSession,
    parent: &Parent,
    request: &Request,
) -> pingora_error::Result<()> {
    let mut head = RequestHeader::build("GET", request.path_and_query.as_bytes(), Some(4))?;
    head.insert_header(header::HOST, parent.authority())?;
    // One request serves all: what is to be compressed is compressed here, from this.
    head.insert_header(header::ACCEPT_ENCODING, "identity")?;
    if let Some(authorization) = &request.asking.authorization {
        head.insert_header(header::AUTHORIZATION, authorization)?;
    }
    if let Some(id) = &request.asking.request_id {
        head.insert_header(REQUEST_ID, id)?;
    }
    session.write_request_header(Box::new(head)).await?;
    session.finish_request_body().await?;
    loop {
        session.read_response_header().await?;
        let Some(response) = session.response_header() else {
            return Err(Error::new(ErrorType::ReadError));
        };
        // Interim responses (1xx) precede the one that counts; 101 was never asked for.
        if !response.status.is_informational() {
            return Ok(());
        }
        // pingora reads one head per HTTP/2 stream, and panics on a second call.
        if matches!(session, HttpSession::H2(_)) {
            return Err(Error::new(ErrorType::H2Error));
        }
    }
}

/// The head of a parent's answer on the terms of RFC 9111.
///
/// An answer that may not be stored is still shared by those who wait for it: everybody was
/// admitted by this edge, and the parent was told nothing of any of them.
fn head(session: &HttpSession) -> Result<ObjectHead, NoAnswer> {
    let response = session.response_header().ok_or(NoAnswer::Closed)?;
    let received = Received {
        now: SystemTime::now(),
        // The time a parent held the request is no age: the answer was made at its end.
        response_delay: Duration::ZERO,
    };
    let terms = decide_store(response.status, &response.headers, received);
    let (fresh_for, age_at_receipt) = match terms {
        StoreDecision::Storable(terms) => (terms.fresh_for, terms.age_at_store),
        // A parent that is itself in trouble says no-store; its followers must not herd either.
        StoreDecision::NotStorable(_) if response.status.is_server_error() => {
            (ERROR_LIFETIME_MIN, Duration::ZERO)
        }
        StoreDecision::NotStorable(_) => (Duration::ZERO, age_value(&response.headers)),
    };
    let content_length = response
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse().ok());
    let mut headers = response.headers.clone();
    strip_for_storage(&mut headers);
    for name in OF_ONE_HOP {
        headers.remove(name);
    }
    Ok(ObjectHead {
        status: response.status,
        headers,
        content_length,
        age_at_receipt,
        received_at: Instant::now(),
        fresh_for,
        own_error: false,
    })
}
