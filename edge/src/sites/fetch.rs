//! Asks a site's parents, and reads what they answer.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, Version};
use tokio::sync::mpsc;

use super::{Inner, Outgoing, Site};
use crate::cache::flight::{FillError, FlightWriter};
use crate::upstream::parents::{Answer, NoAnswer, Request};

/// Pieces of a body that wait for one client.
const PIECES_MAX: usize = 8;

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

impl Outgoing {
    fn request(&self) -> Request<'_> {
        Request {
            method: &self.method,
            target: &self.target,
            authority: Some(&self.authority),
            headers: &self.headers,
            body: self.body.clone(),
            trace: self.trace.as_ref(),
        }
    }
}

/// The two ends of an answer for one client.
pub(super) fn channel(answer: &Answer) -> (Passed, mpsc::Sender<Result<Bytes, FillError>>) {
    let (sender, body) = mpsc::channel(PIECES_MAX);
    let passed = Passed {
        status: answer.head.status,
        version: answer.head.version,
        headers: answer.head.headers.clone(),
        content_length: answer.content_length(),
        delay: answer.delay,
        body,
    };
    (passed, sender)
}

pub(super) async fn ask(site: &Site, outgoing: &Outgoing) -> Result<Answer, NoAnswer> {
    site.parents.ask(&outgoing.request()).await
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
        match answer.read(within).await {
            Ok(Some(piece)) => {
                bytes += piece.len() as u64;
                inner.metrics.fill_bytes.inc_by(piece.len() as u64);
                if let Err(error) = sink.take(piece).await {
                    break Err(error);
                }
            }
            Ok(None)
                if bytes == 0 || answer.content_length().is_none_or(|length| length == bytes) =>
            {
                break Ok(());
            }
            Ok(None) => break Err(FillError::Broken),
            Err(error) => break Err(error),
        }
    };
    match outcome {
        Ok(()) => answer.finish().await,
        Err(error) => {
            inner
                .metrics
                .broken_fills
                .with_label_values(&[error.as_str()])
                .inc();
            answer.end().await;
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
