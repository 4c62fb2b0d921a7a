//! One HTTP/3 request as pingora's session.
//!
//! The trait is pingora's (doc-hidden, so pingora is pinned). What it expects of a session beyond
//! its signatures, learnt from its sources and from a trial, stands at the methods concerned.

mod body;
mod head;
mod reply;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::Stream;
use http::{HeaderMap, Method};
use pingora_core::protocols::Digest;
use pingora_core::protocols::http::HttpTask;
use pingora_core::protocols::http::custom::CustomMessageWrite;
use pingora_core::protocols::http::custom::server::Session as CustomSession;
use pingora_core::protocols::l4::socket::SocketAddr as PingoraAddr;
use pingora_error::{Error, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use tokio::time::timeout;
use transport::h3::{Delivery, Request, ResponseWriter, WriteError};

use self::body::{Body, LATE_FIN_TIMEOUT};
use self::head::{MalformedHead, RequestHead};
use self::reply::Reply;
use crate::frontend::Metrics;

/// The ends of a connection.
#[derive(Debug, Clone)]
pub(super) struct Addresses {
    pub(super) peer: SocketAddr,
    pub(super) local: Option<SocketAddr>,
}

/// One request and its response.
///
/// **Invariant: the client sees a FIN only after a complete response.** Everything else, a drop
/// included, resets the stream.
pub(super) struct Session {
    head: RequestHeader,
    body: Body,
    reply: Reply,
    tasks: VecDeque<HttpTask>,
    proxy_tasks_enabled: bool,
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
    drain_timeout: Option<Duration>,
    peer: PingoraAddr,
    local: Option<PingoraAddr>,
}

impl Session {
    /// Checks the head and waits shortly for the end of a request that should have no body. A
    /// malformed request has been answered with a 400.
    pub(super) async fn open(
        request: Request,
        addresses: &Addresses,
        write_timeout: Duration,
        metrics: Metrics,
    ) -> std::result::Result<Self, MalformedHead> {
        let Request {
            head,
            body,
            mut response,
            ..
        } = request;
        let RequestHead {
            header,
            body_length,
            urgency,
        } = match RequestHead::check(head) {
            Ok(head) => head,
            Err(reason) => {
                refuse(&mut response, &reason).await;
                return Err(reason);
            }
        };
        let mut body = Body::new(body, body_length);
        let bodiless = matches!(header.method, Method::GET | Method::HEAD);
        if let Err(reason) = body.open(bodiless).await {
            refuse(&mut response, &reason).await;
            return Err(reason);
        }
        let is_head = header.method == Method::HEAD;
        Ok(Self {
            head: header,
            body,
            reply: Reply::new(response, is_head, urgency, metrics),
            tasks: VecDeque::new(),
            proxy_tasks_enabled: true,
            read_timeout: None,
            write_timeout: Some(write_timeout),
            drain_timeout: None,
            peer: addresses.peer.into(),
            local: addresses.local.map(Into::into),
        })
    }

    /// The timeout is for a viewer that takes nothing, however long the whole takes.
    async fn flush(&mut self) -> Result<()> {
        loop {
            let step = self.reply.flush_some();
            let more = match self.write_timeout {
                None => step.await,
                Some(limit) => match timeout(limit, step).await {
                    Ok(more) => more,
                    Err(_elapsed) => Err(downstream(ErrorType::WriteTimedout, "HTTP/3 write")),
                },
            }?;
            if !more {
                return Ok(());
            }
        }
    }

    fn queue_task(&mut self, task: HttpTask) -> Result<()> {
        match task {
            HttpTask::Header(header, end) => self.reply.queue_header(*header, end),
            HttpTask::Body(data, end) => self.reply.queue_body(data, end),
            HttpTask::Trailer(trailers) => self.reply.queue_trailers(trailers.map(|t| *t)),
            HttpTask::Done => {
                self.reply.queue_finish();
                Ok(())
            }
            HttpTask::UpgradedBody(..) => Error::e_explain(
                ErrorType::InternalError,
                "there are no upgrades in HTTP/3 (RFC 9114 section 4.5)",
            ),
            HttpTask::Failed(e) => Err(e),
        }
    }
}

/// Answers a malformed request: 400, then nothing (RFC 9114 section 4.1.2).
async fn refuse(response: &mut ResponseWriter, reason: &MalformedHead) {
    let mut head = http::Response::new(());
    *head.status_mut() = reason.status();
    head.headers_mut().insert(
        http::header::CONTENT_LENGTH,
        http::HeaderValue::from_static("0"),
    );
    head.headers_mut()
        .insert(http::header::DATE, reply::date_now());
    if response.queue_head(head).is_ok() {
        response.queue_finish();
        // A client that is gone needs no answer.
        let _ = timeout(LATE_FIN_TIMEOUT, response.flush()).await;
    }
}

/// An error that is the client's doing. pingora attempts no answer to `ConnectionClosed`,
/// `ReadError` and `WriteError` of this source.
fn downstream(kind: ErrorType, context: impl Into<pingora_error::ImmutStr>) -> Box<Error> {
    let mut error = Error::explain(kind, context);
    error.as_down();
    error
}

fn write_error(e: &WriteError) -> Box<Error> {
    let kind = match e {
        WriteError::Stopped(_) | WriteError::ConnectionLost(_) => ErrorType::ConnectionClosed,
        _ => ErrorType::WriteError,
    };
    downstream(kind, format!("HTTP/3 response: {e}"))
}

#[async_trait]
impl CustomSession for Session {
    fn req_header(&self) -> &RequestHeader {
        &self.head
    }

    fn req_header_mut(&mut self) -> &mut RequestHeader {
        &mut self.head
    }

    async fn read_body_bytes(&mut self) -> Result<Option<Bytes>> {
        let read = self.body.read();
        match self.read_timeout {
            None => read.await,
            Some(limit) => match timeout(limit, read).await {
                Ok(piece) => piece,
                Err(_elapsed) => Err(downstream(ErrorType::ReadTimedout, "HTTP/3 body")),
            },
        }
    }

    async fn drain_request_body(&mut self) -> Result<()> {
        let limit = self.drain_timeout.unwrap_or(Duration::MAX);
        let drain = async {
            while self.read_body_bytes().await?.is_some() {}
            Ok(())
        };
        match timeout(limit, drain).await {
            Ok(drained) => drained,
            Err(_elapsed) => Err(downstream(ErrorType::ReadTimedout, "HTTP/3 body drain")),
        }
    }

    async fn write_response_header(
        &mut self,
        header: Box<ResponseHeader>,
        end: bool,
    ) -> Result<()> {
        self.reply.queue_header(*header, end)?;
        self.flush().await
    }

    async fn write_response_header_ref(
        &mut self,
        header: &ResponseHeader,
        end: bool,
    ) -> Result<()> {
        self.reply.queue_header(header.clone(), end)?;
        self.flush().await
    }

    async fn write_body(&mut self, data: Bytes, end: bool) -> Result<()> {
        self.reply.queue_body(Some(data), end)?;
        self.flush().await
    }

    async fn write_trailers(&mut self, trailers: HeaderMap) -> Result<()> {
        self.reply.queue_trailers(Some(trailers))?;
        self.flush().await
    }

    async fn response_duplex_vec(&mut self, tasks: Vec<HttpTask>) -> Result<bool> {
        for task in tasks {
            self.queue_task(task)?;
        }
        self.flush().await?;
        Ok(self.reply.is_finished())
    }

    fn proxy_tasks_enabled(&self) -> bool {
        self.proxy_tasks_enabled
    }

    fn set_proxy_tasks_enabled(&mut self, enabled: bool) {
        self.proxy_tasks_enabled = enabled;
    }

    fn send_proxy_task(&mut self, task: HttpTask) {
        self.tasks.push_back(task);
    }

    fn has_pending_proxy_tasks(&self) -> bool {
        !self.tasks.is_empty() || self.reply.has_queued()
    }

    /// Must be cancel-safe: a task is taken off and queued in one step, and the queue survives.
    async fn write_proxy_tasks(&mut self) -> Result<bool> {
        while let Some(task) = self.tasks.pop_front() {
            self.queue_task(task)?;
        }
        self.flush().await?;
        Ok(self.reply.is_finished())
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.read_timeout = timeout;
    }

    fn get_read_timeout(&self) -> Option<Duration> {
        self.read_timeout
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        self.write_timeout = timeout;
    }

    fn get_write_timeout(&self) -> Option<Duration> {
        self.write_timeout
    }

    fn set_total_drain_timeout(&mut self, timeout: Option<Duration>) {
        self.drain_timeout = timeout;
    }

    fn get_total_drain_timeout(&self) -> Option<Duration> {
        self.drain_timeout
    }

    fn request_summary(&self) -> String {
        format!("{} {} HTTP/3", self.head.method, self.head.uri)
    }

    fn response_written(&self) -> Option<&ResponseHeader> {
        self.reply.header()
    }

    async fn shutdown(&mut self, _code: u32, _context: &str) {
        self.reply.reset();
    }

    async fn abandon(&mut self, _context: &str) {
        self.reply.reset();
    }

    fn is_body_done(&mut self) -> bool {
        self.body.is_done()
    }

    async fn finish(&mut self) -> Result<()> {
        if self.reply.header().is_none() {
            return Ok(());
        }
        self.reply.queue_finish();
        self.flush().await
    }

    fn is_body_empty(&mut self) -> bool {
        self.body.empty
    }

    /// With nothing left to read it must stay pending until the client goes away: this is how
    /// pingora learns that a held request is not wanted any more.
    async fn read_body_or_idle(&mut self, no_body_expected: bool) -> Result<Option<Bytes>> {
        if !no_body_expected && !self.body.is_done() {
            return self.read_body_bytes().await;
        }
        let delivery = self.reply.delivery().await;
        if delivery == Delivery::Acknowledged {
            // The response is complete: what the client does now is of no interest.
            return std::future::pending().await;
        }
        Err(downstream(
            ErrorType::ConnectionClosed,
            format!("the HTTP/3 client went away: {delivery:?}"),
        ))
    }

    fn body_bytes_sent(&self) -> usize {
        self.reply.body_bytes()
    }

    fn body_bytes_read(&self) -> usize {
        self.body.read_bytes
    }

    fn digest(&self) -> Option<&Digest> {
        None
    }

    fn digest_mut(&mut self) -> Option<&mut Digest> {
        None
    }

    fn client_addr(&self) -> Option<&PingoraAddr> {
        Some(&self.peer)
    }

    fn server_addr(&self) -> Option<&PingoraAddr> {
        self.local.as_ref()
    }

    /// HTTP/3 has no such bytes; pingora only logs them.
    fn pseudo_raw_h1_request_header(&self) -> Bytes {
        Bytes::new()
    }

    fn enable_retry_buffering(&mut self) {
        self.body.retry.get_or_insert_default();
    }

    fn retry_buffer_truncated(&self) -> bool {
        self.body
            .retry
            .as_ref()
            .is_some_and(|retry| retry.truncated)
    }

    fn get_retry_buffer(&self) -> Option<Bytes> {
        let retry = self.body.retry.as_ref()?;
        (!retry.truncated && !retry.bytes.is_empty()).then(|| Bytes::copy_from_slice(&retry.bytes))
    }

    async fn finish_custom(&mut self) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_reader(
        &mut self,
    ) -> Option<Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>> {
        None
    }

    fn restore_custom_message_reader(
        &mut self,
        _: Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>,
    ) -> Result<()> {
        Ok(())
    }

    /// `None` switches custom messages off altogether.
    fn take_custom_message_writer(&mut self) -> Option<Box<dyn CustomMessageWrite>> {
        None
    }

    fn restore_custom_message_writer(&mut self, _: Box<dyn CustomMessageWrite>) -> Result<()> {
        Ok(())
    }
}
