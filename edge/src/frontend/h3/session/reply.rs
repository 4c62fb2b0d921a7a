//! The response: what pingora writes, as HTTP/3 may carry it.

use std::future::Future;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use pingora_error::{ErrorType, Result};
use pingora_http::ResponseHeader;
use transport::h3::{Code, Delivery, ResponseWriter};

use super::head::{CONNECTION_FIELDS, Urgency};
use super::{downstream, write_error};
use crate::frontend::Metrics;

/// A response on its way out.
pub(super) struct Reply {
    writer: ResponseWriter,
    /// The final head, once written.
    header: Option<ResponseHeader>,
    /// To a HEAD there is never a body.
    to_head_request: bool,
    /// Body bytes that the head announces; `None` for any number.
    length: Option<u64>,
    /// Body bytes queued.
    body_bytes: usize,
    metrics: Metrics,
}

impl Reply {
    pub(super) fn new(
        writer: ResponseWriter,
        to_head_request: bool,
        urgency: Option<Urgency>,
        metrics: Metrics,
    ) -> Self {
        let reply = Self {
            writer,
            header: None,
            to_head_request,
            length: None,
            body_bytes: 0,
            metrics,
        };
        reply.prioritize(urgency);
        reply
    }

    /// The final head, if it was written.
    pub(super) fn header(&self) -> Option<&ResponseHeader> {
        self.header.as_ref()
    }

    /// Body bytes that QUIC has taken, of a response that broke off too.
    pub(super) fn body_bytes(&self) -> usize {
        usize::try_from(self.writer.body_bytes()).unwrap_or(usize::MAX)
    }

    pub(super) fn is_finished(&self) -> bool {
        self.writer.is_finished()
    }

    pub(super) fn has_queued(&self) -> bool {
        self.writer.has_queued()
    }

    pub(super) fn delivery(&self) -> impl Future<Output = Delivery> + Send + Sync + 'static {
        self.writer.delivery()
    }

    /// Queues a head. As pingora's other sessions do, it ignores a second final head: an error
    /// that comes late must not be answered a second time.
    pub(super) fn queue_header(&mut self, mut header: ResponseHeader, end: bool) -> Result<()> {
        let informational = header.status.is_informational();
        // RFC 9114 section 4.5: there is no 101.
        if self.header.is_some() || header.status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(());
        }
        remove_connection_fields(&mut header);
        if !informational {
            if !header.headers.contains_key(header::DATE) {
                header.insert_header(header::DATE, date_now())?;
            }
            self.length = self.announced_length(&header)?;
            self.prioritize(Urgency::of(&header.headers));
        }
        let mut head = http::Response::new(());
        *head.status_mut() = header.status;
        *head.headers_mut() = header.headers.clone();
        self.writer.queue_head(head).map_err(|e| write_error(&e))?;
        if !informational {
            self.header = Some(header);
            if end {
                self.queue_finish();
            }
        }
        Ok(())
    }

    pub(super) fn queue_body(&mut self, data: Option<Bytes>, end: bool) -> Result<()> {
        if let Some(data) = data.filter(|data| !data.is_empty() && self.may_have_body()) {
            self.body_bytes += data.len();
            if self.length.is_some_and(|l| (self.body_bytes as u64) > l) {
                self.reset();
                return Err(downstream(
                    ErrorType::WriteError,
                    "the response's body is longer than its Content-Length",
                ));
            }
            self.writer.queue_data(data).map_err(|e| write_error(&e))?;
        }
        if end {
            self.queue_finish();
        }
        Ok(())
    }

    pub(super) fn queue_trailers(&mut self, trailers: Option<HeaderMap>) -> Result<()> {
        if let Some(trailers) = trailers
            && self.may_have_body()
        {
            self.writer
                .queue_trailers(trailers)
                .map_err(|e| write_error(&e))?;
        }
        self.queue_finish();
        Ok(())
    }

    /// Ends the response: with a FIN if it is complete, else with a reset (a client takes a FIN
    /// for the end of the body, and few compare with the Content-Length).
    pub(super) fn queue_finish(&mut self) {
        if self.is_complete() {
            self.writer.queue_finish();
        } else {
            self.reset();
        }
    }

    /// Hands to QUIC some of what is queued; whether there is more. Cancel-safe.
    pub(super) async fn flush_some(&mut self) -> Result<bool> {
        self.writer.flush_some().await.map_err(|e| write_error(&e))
    }

    /// Breaks the response off, visibly.
    pub(super) fn reset(&mut self) {
        self.writer.reset(Code::H3_INTERNAL_ERROR);
    }

    fn is_complete(&self) -> bool {
        self.header.is_some() && self.length.is_none_or(|l| l == self.body_bytes as u64)
    }

    fn may_have_body(&self) -> bool {
        !self.to_head_request
            && self.header.as_ref().is_none_or(|header| {
                // RFC 9110 sections 15.3.5 and 15.4.5.
                !matches!(
                    header.status,
                    StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
                )
            })
    }

    /// The length that the body must have. The Content-Length of the answer to a HEAD, and of a
    /// 304, is that of another response (RFC 9110 section 8.6).
    fn announced_length(&self, header: &ResponseHeader) -> Result<Option<u64>> {
        let bodiless = matches!(
            header.status,
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
        );
        let Some(length) = header.headers.get(header::CONTENT_LENGTH) else {
            return Ok(None);
        };
        if self.to_head_request || bodiless {
            return Ok(None);
        }
        let parsed = length.to_str().ok().and_then(|l| l.parse::<u64>().ok());
        match parsed {
            Some(length) => Ok(Some(length)),
            None => Err(downstream(
                ErrorType::InvalidHTTPHeader,
                "the response's Content-Length is no number",
            )),
        }
    }

    fn prioritize(&self, urgency: Option<Urgency>) {
        if let Some(urgency) = urgency {
            self.writer.set_priority(urgency.quic_priority());
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if !self.writer.is_finished() {
            self.metrics.h3_resets.inc();
        }
    }
}

/// The fields that HTTP/3 does without: those of the hop, and those that `Connection` names
/// (RFC 9114 section 4.2). pingora's cache adds `Transfer-Encoding`.
fn remove_connection_fields(header: &mut ResponseHeader) {
    let named: Vec<HeaderName> = header
        .headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        header.remove_header(&name);
    }
    for name in CONNECTION_FIELDS {
        header.remove_header(name);
    }
}

/// Now, as RFC 9110 section 5.6.7 writes it.
pub(super) fn date_now() -> HeaderValue {
    let date = httpdate::fmt_http_date(SystemTime::now());
    // Its characters are letters, digits, spaces, commas and colons.
    HeaderValue::from_str(&date).unwrap_or_else(|_| HeaderValue::from_static(""))
}
