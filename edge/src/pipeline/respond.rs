//! Writes answers: whole ones from memory, growing ones from a flight, pages and problems.
//!
//! A growing answer is written at the viewer's own pace from the flight's shared pieces. When the
//! flight breaks off so does the answer, in the protocol's own way (a closed connection, a reset
//! stream): returning an error makes pingora drop the session unfinished.

use std::future::Future;
use std::time::Instant;

use bytes::Bytes;
use cache_policy::{CacheStatus, Forward, if_none_match};
use content_coding::{Coding, negotiate};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use pingora_error::{Error, ErrorSource, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::Session;

use super::EdgeProxy;
use super::log::{Context, Outcome};
use super::range::apply_range;
use crate::cache::flight::{FillError, FlightReader};
use crate::cache::object::{Object, ObjectHead};
use crate::frontend::protocol;
use crate::problem::Problem;

/// Fields an answer may carry beyond the object's own; room is made for them at once.
const OWN_FIELDS: usize = 8;

/// What is handed to HTTP/1.1 and HTTP/2 at once.
const PIECE_BYTES: usize = 64 << 10;

/// `Access-Control-Max-Age` of a preflight, in seconds: what browsers take at most.
const PREFLIGHT_SECONDS: HeaderValue = HeaderValue::from_static("7200");

/// What playlists are compressed in, smallest first.
const CODINGS: [Coding; 2] = [Coding::Zstd, Coding::Gzip];

/// What was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// The head; the body is the caller's to send.
    Head,
    /// Another answer, whole: a filter failed that fails closed.
    Instead,
}

impl EdgeProxy {
    /// A whole object from memory.
    pub(super) async fn respond_hit(
        &self,
        session: &mut Session,
        context: &mut Context,
        object: &Object,
    ) -> Result<()> {
        context.outcome = Outcome::Hit;
        let now = Instant::now();
        let left = object.head.fresh_left(now).as_secs();
        let status = CacheStatus::hit().ttl_seconds(i64::try_from(left).unwrap_or(i64::MAX));
        self.respond_whole(session, context, object, status).await
    }

    /// An object in flight. `led`: this request started the flight, and whether a stale object was
    /// there.
    pub(super) async fn respond_flight(
        &self,
        session: &mut Session,
        context: &mut Context,
        mut reader: FlightReader,
        led: Option<bool>,
    ) -> Result<()> {
        context.outcome = match led {
            Some(_) => Outcome::Miss,
            None => Outcome::Collapsed,
        };
        context.waits_for(&reader);
        let since = Instant::now();
        let head = self.wait(session, reader.head()).await?;
        self.metrics.stages.flight_head(since);
        context.stage("flight head");
        let head = match head {
            Ok(head) => head,
            Err(error) => {
                let problem = problem_of(error);
                return self.respond_problem(session, context, problem).await;
            }
        };
        let reason = match led {
            Some(true) => Forward::Stale,
            Some(false) | None => Forward::UriMiss,
        };
        let status = CacheStatus::forwarded(reason)
            .stored(!head.fresh_for.is_zero())
            .collapsed(led.is_none());
        let request = session.req_header();
        let compressible = head.is_compressible();
        // HTTP/1.0 cannot tell a whole body of unknown length from a broken one; a range needs the
        // whole length, and a HEAD or 304 no body; and what is compressed is compressed as a whole.
        // All wait for the end of the fill.
        if reader.is_complete()
            || (compressible && coding_for(request) != Coding::Identity)
            || request.version == Version::HTTP_10
            || request.method == Method::HEAD
            || request.headers.contains_key(header::RANGE)
        {
            return match self.wait(session, reader.whole()).await? {
                Ok(object) => self.respond_whole(session, context, &object, status).await,
                Err(error) => {
                    let problem = problem_of(error);
                    self.respond_problem(session, context, problem).await
                }
            };
        }
        self.respond_growing(session, context, &head, reader, status)
            .await
    }

    async fn respond_growing(
        &self,
        session: &mut Session,
        context: &Context,
        head: &ObjectHead,
        mut reader: FlightReader,
        status: CacheStatus,
    ) -> Result<()> {
        let mut response = self.response(session, context, head, status)?;
        if head.is_compressible() {
            vary(&mut response)?;
        }
        if protocol(session.as_downstream()) == "h1" {
            // pingora holds back what it writes under a Content-Length until its buffer is full;
            // every chunk of a chunked body goes out at once.
            response.insert_header(header::TRANSFER_ENCODING, "chunked")?;
        } else if let Some(length) = head.content_length {
            response.insert_header(header::CONTENT_LENGTH, length)?;
        }
        let sent = self.write_head(session, context, response, false).await?;
        if sent == Sent::Instead {
            return Ok(());
        }
        loop {
            match self.wait(session, reader.chunk()).await? {
                Ok(Some(chunk)) => write_body(session, context, chunk, false).await?,
                Ok(None) => return session.write_response_body(None, true).await,
                Err(error) => {
                    let mut error = Error::because(ErrorType::ReadError, "fill", error);
                    error.esource = ErrorSource::Upstream;
                    return Err(error);
                }
            }
        }
    }

    async fn respond_whole(
        &self,
        session: &mut Session,
        context: &Context,
        object: &Object,
        status: CacheStatus,
    ) -> Result<()> {
        let head = &object.head;
        let mut response = self.response(session, context, head, status)?;
        let request = session.req_header();
        let mut coding = Coding::Identity;
        if object.is_compressible() {
            coding = coding_for(request);
            vary(&mut response)?;
        }
        let (mut body, coding) = object.coded(coding, || self.metrics.compressed(coding));
        if let Some(tag) = head.etag(coding) {
            response.insert_header(header::ETAG, tag)?;
        }
        if head.status == StatusCode::OK {
            if if_none_match(&request.headers, &response.headers) {
                response.set_status(StatusCode::NOT_MODIFIED)?;
                return self.write_bodiless(session, context, response).await;
            }
            if coding != Coding::Identity {
                response.insert_header(header::CONTENT_ENCODING, coding.as_str())?;
            }
            response.insert_header(header::ACCEPT_RANGES, "bytes")?;
            body = apply_range(&request.headers, &mut response, body)?;
        }
        response.insert_header(header::CONTENT_LENGTH, body.len())?;
        self.write_whole(session, context, response, body).await
    }

    /// A page, an asset, or 404.
    pub(super) async fn respond_page(
        &self,
        session: &mut Session,
        context: &Context,
    ) -> Result<()> {
        let request = session.req_header();
        let Some(page) = self.pages.find(request.uri.path()) else {
            let problem = Problem::new(StatusCode::NOT_FOUND, "there is nothing of this name");
            return self.respond_problem(session, context, problem).await;
        };
        let mut response = ResponseHeader::build_no_case(StatusCode::OK, Some(16))?;
        for (name, value) in page.headers() {
            response.insert_header(name, value)?;
        }
        if let Some(alt_svc) = self.alt_svc(session) {
            response.insert_header(header::ALT_SVC, alt_svc)?;
        }
        if if_none_match(&request.headers, page.headers()) {
            response.set_status(StatusCode::NOT_MODIFIED)?;
            return self.write_bodiless(session, context, response).await;
        }
        let (body, encoding) = page.body(&request.headers);
        if let Some(encoding) = encoding {
            response.insert_header(header::CONTENT_ENCODING, encoding)?;
        }
        response.insert_header(header::CONTENT_LENGTH, body.len())?;
        self.write_whole(session, context, response, body).await
    }

    /// An error of the edge's own.
    pub(super) async fn respond_problem(
        &self,
        session: &mut Session,
        context: &Context,
        problem: Problem,
    ) -> Result<()> {
        let mut fields = HeaderMap::new();
        if let Some(allow) = problem.allow {
            fields.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        let body = problem.body();
        self.write_problem(session, context, problem.status, body, fields)
            .await
    }

    /// `application/problem+json`, with `fields` and those that go with its status. A 503 that says
    /// nothing else says that one may come again after a second.
    pub(super) async fn write_problem(
        &self,
        session: &mut Session,
        context: &Context,
        status: StatusCode,
        body: String,
        mut fields: HeaderMap,
    ) -> Result<()> {
        Problem::write_headers(&mut fields);
        if status == StatusCode::SERVICE_UNAVAILABLE && !fields.contains_key(header::RETRY_AFTER) {
            fields.insert(header::RETRY_AFTER, 1.into());
        }
        match status {
            // RFC 6455 section 4.4.
            StatusCode::UPGRADE_REQUIRED => {
                fields.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
                fields.insert(
                    header::SEC_WEBSOCKET_VERSION,
                    HeaderValue::from_static("13"),
                );
            }
            StatusCode::UNAUTHORIZED => {
                let scheme = HeaderValue::from_static("Bearer realm=\"weir\"");
                fields.insert(header::WWW_AUTHENTICATE, scheme);
            }
            _ => {}
        }
        let mut response = ResponseHeader::build_no_case(status, Some(8))?;
        for (name, value) in &fields {
            response.insert_header(name, value)?;
        }
        response.insert_header(header::CONTENT_LENGTH, body.len())?;
        self.write_whole(session, context, response, body.into())
            .await
    }

    /// A CORS preflight: any origin may read, with the fields players send.
    pub(super) async fn respond_preflight(
        &self,
        session: &mut Session,
        context: &Context,
    ) -> Result<()> {
        let mut response = ResponseHeader::build_no_case(StatusCode::NO_CONTENT, Some(8))?;
        response.insert_header(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")?;
        response.insert_header(header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, OPTIONS")?;
        response.insert_header(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "Authorization, Range, CMCD-Object, CMCD-Request, CMCD-Session, CMCD-Status",
        )?;
        response.insert_header(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS)?;
        self.write_bodiless(session, context, response).await
    }

    /// The head of an answer with an object: its own fields, and this hop's.
    fn response(
        &self,
        session: &Session,
        context: &Context,
        head: &ObjectHead,
        status: CacheStatus,
    ) -> Result<ResponseHeader> {
        let fields = head.headers.len() + OWN_FIELDS;
        let mut response = ResponseHeader::build_no_case(head.status, Some(fields))?;
        for (name, value) in &head.headers {
            response.append_header(name, value)?;
        }
        let age = head.age(Instant::now()).as_secs();
        if age > 0 || !head.own_error {
            response.insert_header(header::AGE, age)?;
        }
        let mut list = HeaderMap::with_capacity(1);
        for value in head.headers.get_all(cache_policy::CACHE_STATUS) {
            list.append(cache_policy::CACHE_STATUS, value.clone());
        }
        status.append_to(&mut list, &self.name);
        response.remove_header(&cache_policy::CACHE_STATUS);
        for (name, value) in &list {
            response.append_header(name, value)?;
        }
        if let Some(alt_svc) = self.alt_svc(session) {
            response.insert_header(header::ALT_SVC, alt_svc)?;
        }
        if let Some(cookie) = &context.set_cookie {
            response.append_header(header::SET_COOKIE, cookie.as_str())?;
        }
        Ok(response)
    }

    /// `Alt-Svc` invites to HTTP/3 whoever came over TLS on TCP.
    pub(super) fn alt_svc(&self, session: &Session) -> Option<&HeaderValue> {
        self.alt_svc
            .as_ref()
            .filter(|_| !session.as_downstream().is_custom() && is_secure(session))
    }

    pub(super) async fn write_whole(
        &self,
        session: &mut Session,
        context: &Context,
        response: ResponseHeader,
        body: Bytes,
    ) -> Result<()> {
        let bodiless = body.is_empty() || session.req_header().method == Method::HEAD;
        let sent = self
            .write_head(session, context, response, bodiless)
            .await?;
        if bodiless || sent == Sent::Instead {
            return Ok(());
        }
        write_body(session, context, body, true).await
    }

    pub(super) async fn write_bodiless(
        &self,
        session: &mut Session,
        context: &Context,
        response: ResponseHeader,
    ) -> Result<()> {
        self.write_head(session, context, response, true)
            .await
            .map(|_| ())
    }

    /// Every head of every answer passes here, and so the filters' last word on it.
    pub(super) async fn write_head(
        &self,
        session: &mut Session,
        context: &Context,
        mut response: ResponseHeader,
        end: bool,
    ) -> Result<Sent> {
        prioritise(&mut response, context)?;
        let mut instead = None;
        if let Some(filtering) = &context.filtering {
            let request = session.req_header();
            instead = self
                .filter_response(filtering, context, request, &mut response)
                .await?;
        }
        let Some(reply) = instead else {
            session
                .write_response_header(Box::new(response), end)
                .await?;
            let took = context.note_head();
            self.metrics.head_seconds.observe(took.as_secs_f64());
            return Ok(Sent::Head);
        };
        let mut response = self.reply_head(session, reply.status, &reply.headers, &reply.body)?;
        prioritise(&mut response, context)?;
        let bodiless = reply.body.is_empty() || session.req_header().method == Method::HEAD;
        session
            .write_response_header(Box::new(response), bodiless)
            .await?;
        context.note_head();
        if !bodiless {
            write_body(session, context, reply.body.clone(), true).await?;
        }
        Ok(Sent::Instead)
    }

    /// Waits for a flight, unless the viewer leaves first.
    pub(super) async fn wait<T>(
        &self,
        session: &mut Session,
        ready: impl Future<Output = T>,
    ) -> Result<T> {
        let mut ready = std::pin::pin!(ready);
        if let Some(now) = futures::FutureExt::now_or_never(ready.as_mut()) {
            return Ok(now);
        }
        let _counted = Waiting::new(&self.metrics.waiters);
        unless_gone(session, ready).await
    }
}

/// Waits, unless the client leaves first.
pub(super) async fn unless_gone<T>(
    session: &mut Session,
    ready: impl Future<Output = T>,
) -> Result<T> {
    tokio::select! {
        biased;
        value = ready => Ok(value),
        gone = session.as_downstream_mut().read_body_or_idle(true) => Err(match gone {
            Err(error) => error.into_down(),
            Ok(_) => {
                let mut error = Error::explain(
                    ErrorType::ConnectionClosed,
                    "the viewer sent a body with a request that has none",
                );
                error.esource = ErrorSource::Downstream;
                error
            }
        }),
    }
}

/// Writes some of a body, in pieces: pingora counts what is written whole, so that of an answer that breaks off at
/// most a piece more was handed over than is counted; and its write timeout is for a piece, not for an object.
/// HTTP/3 counts every byte by itself.
/// What has a limited bandwidth waits for it before each piece.
pub(super) async fn write_body(
    session: &mut Session,
    context: &Context,
    mut body: Bytes,
    end: bool,
) -> Result<()> {
    let permit = context.permit.as_ref();
    if permit.is_some() || !session.as_downstream().is_custom() {
        while body.len() > PIECE_BYTES {
            let piece = body.split_to(PIECE_BYTES);
            if let Some(permit) = permit {
                permit.pace(piece.len()).await;
            }
            session.write_response_body(Some(piece), false).await?;
        }
    }
    if let Some(permit) = permit {
        permit.pace(body.len()).await;
    }
    session.write_response_body(Some(body), end).await
}

/// Counts a request as waiting for as long as it lives.
struct Waiting<'a>(&'a prometheus::IntGauge);

impl<'a> Waiting<'a> {
    fn new(gauge: &'a prometheus::IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Whether the viewer's connection is encrypted.
pub(super) fn is_secure(session: &Session) -> bool {
    let downstream = session.as_downstream();
    downstream.is_custom()
        || downstream
            .digest()
            .is_some_and(|digest| digest.ssl_digest.is_some())
}

/// What a playlist is to be compressed in for whoever asks.
fn coding_for(request: &RequestHeader) -> Coding {
    negotiate(&request.headers, &CODINGS)
}

/// Says of a playlist that it depends on `Accept-Encoding`, unless it does so already.
fn vary(response: &mut ResponseHeader) -> Result<()> {
    let lines = response.headers.get_all(header::VARY).iter();
    let mut names = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','));
    if !names.any(|name| name.trim().eq_ignore_ascii_case("accept-encoding")) {
        response.append_header(header::VARY, "Accept-Encoding")?;
    }
    Ok(())
}

/// Gives an answer an urgency (RFC 9218) unless it has one: an object's own comes from the origin,
/// which knows the rungs.
pub(super) fn prioritise(response: &mut ResponseHeader, context: &Context) -> Result<()> {
    if !response.headers.contains_key("priority") {
        response.insert_header("priority", context.kind.priority())?;
    }
    Ok(())
}

pub(super) fn problem_of(error: FillError) -> Problem {
    let (status, detail) = match error {
        FillError::Broken => (StatusCode::BAD_GATEWAY, "the parent's answer broke off"),
        FillError::Silent => (
            StatusCode::GATEWAY_TIMEOUT,
            "the parent fell silent in the middle of its answer",
        ),
        FillError::TooLarge => (
            StatusCode::BAD_GATEWAY,
            "the object is larger than this edge takes",
        ),
        FillError::Abandoned => (StatusCode::SERVICE_UNAVAILABLE, "this edge is stopping"),
    };
    Problem::new(status, detail)
}
