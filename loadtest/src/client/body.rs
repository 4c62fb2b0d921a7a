//! A response and its body, and the verdict on whether the body is whole.

use std::fmt;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, Version, header};

use super::{Parts, Source};

/// Why a body is not the whole object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Broken {
    /// The message ended properly, but not at its Content-Length.
    #[error("{received} bytes, where Content-Length says {expected}")]
    Length {
        /// Content-Length.
        expected: u64,
        /// The body bytes that arrived.
        received: u64,
    },
    /// The stream or connection broke off.
    #[error("broke off after {received} bytes: {reason}")]
    Reset {
        /// The body bytes that arrived before.
        received: u64,
        /// What the protocol said.
        reason: String,
    },
    /// HTTP/1.1 with neither Content-Length nor chunked coding: its end is only that the
    /// connection closed, and a server that died looks the same.
    #[error("{received} bytes, delimited by nothing but the end of the connection")]
    Unframed {
        /// The body bytes that arrived.
        received: u64,
    },
}

/// A response whose body may still be arriving.
pub struct Response {
    status: StatusCode,
    version: Version,
    headers: HeaderMap,
    source: Option<Source>,
    framing: Framing,
    received: u64,
    asked_at: Instant,
    head_at: Instant,
}

#[derive(Debug, Clone, Copy)]
enum Framing {
    /// Exactly so many bytes.
    Length(u64),
    /// The protocol marks the end by itself.
    Marked,
    /// Nothing does.
    Close,
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("version", &self.version)
            .field("headers", &self.headers)
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}

impl Response {
    pub(super) fn new(parts: Parts, method: &Method, asked_at: Instant) -> Self {
        Self {
            framing: Framing::of(&parts, method),
            status: parts.status,
            version: parts.version,
            headers: parts.headers,
            source: Some(parts.source),
            received: 0,
            asked_at,
            head_at: Instant::now(),
        }
    }

    /// The status code.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The HTTP version of the answer.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The header fields.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// A header field as text, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The next bytes of the body; `Ok(None)` once the whole body has been read, and only then.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Broken> {
        let Some(source) = &mut self.source else {
            return Ok(None);
        };
        let received = self.received;
        match source.next().await {
            Ok(Some(data)) => {
                self.received += data.len() as u64;
                Ok(Some(data))
            }
            Ok(None) => {
                self.source = None;
                self.framing.verdict(received).map(|()| None)
            }
            Err(reason) => {
                self.source = None;
                Err(Broken::Reset { received, reason })
            }
        }
    }

    /// Reads to the end, whole or broken, and notes when each piece arrived.
    pub async fn collect(mut self) -> Fetched {
        let mut body = BytesMut::new();
        let mut arrivals = Vec::new();
        let broken = loop {
            match self.chunk().await {
                Ok(Some(data)) => {
                    arrivals.push(Arrival {
                        after: self.asked_at.elapsed(),
                        bytes: data.len(),
                    });
                    body.extend_from_slice(&data);
                }
                Ok(None) => break None,
                Err(broken) => break Some(broken),
            }
        };
        Fetched {
            status: self.status,
            version: self.version,
            headers: self.headers,
            body: body.freeze(),
            broken,
            head_after: self.head_at - self.asked_at,
            took: self.asked_at.elapsed(),
            arrivals,
        }
    }
}

impl Framing {
    fn of(parts: &Parts, method: &Method) -> Self {
        // RFC 9110 section 6.4.1: these have no content, whatever their fields say.
        let no_content = *method == Method::HEAD
            || parts.status == StatusCode::NO_CONTENT
            || parts.status == StatusCode::NOT_MODIFIED;
        if no_content {
            return Self::Length(0);
        }
        let length = parts
            .headers
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        match (length, &parts.source) {
            (Some(length), _) => Self::Length(length),
            (None, Source::H1(_)) if !parts.headers.contains_key(header::TRANSFER_ENCODING) => {
                Self::Close
            }
            (None, _) => Self::Marked,
        }
    }

    fn verdict(self, received: u64) -> Result<(), Broken> {
        match self {
            Self::Length(expected) if expected != received => {
                Err(Broken::Length { expected, received })
            }
            Self::Length(_) | Self::Marked => Ok(()),
            Self::Close => Err(Broken::Unframed { received }),
        }
    }
}

/// One piece of a body: when it came, counted from the request, and its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Since the request was sent.
    pub after: Duration,
    /// The piece's size.
    pub bytes: usize,
}

/// A response that has been read to its end.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The status code.
    pub status: StatusCode,
    /// The HTTP version of the answer.
    pub version: Version,
    /// The header fields.
    pub headers: HeaderMap,
    /// What arrived of the body. Only when `broken` is `None` is it the whole.
    pub body: Bytes,
    /// What is wrong with the body; `None` when it is whole.
    pub broken: Option<Broken>,
    /// From the request to the response header.
    pub head_after: Duration,
    /// From the request to the end of the body.
    pub took: Duration,
    /// When each piece came.
    pub arrivals: Vec<Arrival>,
}

impl Fetched {
    /// Whether the body is whole.
    pub fn is_whole(&self) -> bool {
        self.broken.is_none()
    }

    /// A header field as text, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as text, with replacement characters where it is none.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
