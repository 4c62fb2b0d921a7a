//! One connection: feeds the session, obeys the clock, hands media over.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rtmp::flv::{AudioBody, VideoBody};
use rtmp::{Event, ServerSession};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::wire::Wire;
use super::{CloseReason, Shared};
use crate::filters::PublishAsk;
use crate::health::{Observer, Picture, Publisher};
use crate::publish::{EndReason, Publication, PublishedBody, PublishedTag};

/// One read. It bounds what a single call of the session can produce, too.
const READ_BYTES: usize = 16 * 1024;

/// For the last words to be taken, and for the peer to stop sending after them.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);

/// From one look at a publisher's rules, and at its round trip time, to the next.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Read and dropped after the last words, so that the kernel does not answer unread bytes with a
/// reset, which would destroy those words on the peer's side.
const FAREWELL_READ_BYTES_MAX: usize = 256 * 1024;

/// How a connection ended.
pub(super) struct Ending {
    pub(super) reason: CloseReason,
    pub(super) stream: Option<String>,
    pub(super) received_bytes: u64,
}

impl From<CloseReason> for Ending {
    fn from(reason: CloseReason) -> Self {
        Self {
            reason,
            stream: None,
            received_bytes: 0,
        }
    }
}

pub(super) struct Connection {
    shared: Arc<Shared>,
    session: ServerSession,
    publication: Option<Publication>,
    observer: Option<Observer>,
    next_check: Instant,
    stream: Option<String>,
    /// Until when the peer has to get to the next stage; a publisher has no next stage.
    stage_deadline: Instant,
    /// When the last byte came.
    heard: Instant,
    received_bytes: u64,
    peer: Peer,
    shutdown: CancellationToken,
}

/// Who is at the other end.
#[derive(Clone, Copy)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    pub(super) tls: bool,
}

impl Connection {
    pub(super) fn new(
        shared: Arc<Shared>,
        peer: Peer,
        started: Instant,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            peer,
            stage_deadline: started + shared.limits.handshake_timeout,
            shared,
            session: ServerSession::new(),
            publication: None,
            observer: None,
            next_check: started,
            heard: started,
            stream: None,
            received_bytes: 0,
            shutdown,
        }
    }

    /// Runs the session on `io` to its end.
    pub(super) async fn run<S>(mut self, mut io: S) -> Ending
    where
        S: Wire,
    {
        let reason = self.attend(&mut io).await;
        // Free the stream first: a publisher that reconnects at once must find it so.
        if let Some(publication) = self.publication.take()
            && matches!(reason, CloseReason::Unpublished)
        {
            publication.say_goodbye();
        }
        self.observer = None;
        match reason.farewell() {
            Some(farewell) if reason.is_rejection() => self.session.end_rejected(&farewell),
            Some(farewell) => self.session.end(&farewell),
            None => {}
        }
        let _ = timeout(FAREWELL_TIMEOUT, self.part(&mut io, &reason)).await;
        Ending {
            reason,
            stream: self.stream,
            received_bytes: self.received_bytes,
        }
    }

    async fn attend<S>(&mut self, io: &mut S) -> CloseReason
    where
        S: Wire,
    {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            match timeout(self.shared.limits.write_timeout, self.flush(io)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return CloseReason::lost(error),
                Err(_) => return CloseReason::WriteTimeout,
            }
            let count = match self.read(io, &mut buffer).await {
                Ok(0) => return CloseReason::PeerClosed,
                Ok(count) => count,
                Err(reason) => return reason,
            };
            self.received_bytes += count as u64;
            self.heard = Instant::now();
            let handshaking = !self.session.handshake_done();
            let outcome = self
                .session
                .handle_input(buffer.get(..count).unwrap_or_default());
            if handshaking && self.session.handshake_done() {
                self.stage_deadline = Instant::now() + self.shared.limits.publish_timeout;
            }
            // What came before an error is good.
            if let Err(reason) = self.handle_events().await {
                return reason;
            }
            if let Err(error) = outcome {
                return CloseReason::Protocol(error);
            }
        }
    }

    /// Reads, and looks after the publisher while nothing comes.
    async fn read<S>(&mut self, io: &mut S, buffer: &mut [u8]) -> Result<usize, CloseReason>
    where
        S: Wire,
    {
        let (deadline, late) = if self.session.publishing() {
            let deadline = self.heard + self.shared.limits.idle_timeout;
            (deadline, CloseReason::IdleTimeout)
        } else if self.session.handshake_done() {
            (self.stage_deadline, CloseReason::PublishTimeout)
        } else {
            (self.stage_deadline, CloseReason::HandshakeTimeout)
        };
        loop {
            self.check(io)?;
            let check = sleep_until(self.next_check);
            tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return Err(CloseReason::Draining),
                reason = ended(self.publication.as_mut()) => return Err(CloseReason::Ended(reason)),
                () = check, if self.observer.is_some() => {}
                read = timeout_at(deadline, io.read(buffer)) => return match read {
                    Ok(Ok(count)) => Ok(count),
                    Ok(Err(error)) => Err(CloseReason::lost(error)),
                    Err(_) => Err(late),
                },
            }
        }
    }

    /// Once a second: whether the publisher keeps to its rules, and sends a picture.
    fn check(&mut self, io: &impl Wire) -> Result<(), CloseReason> {
        let Some(observer) = &self.observer else {
            return Ok(());
        };
        let now = Instant::now();
        if now < self.next_check {
            return Ok(());
        }
        if let Some(stream) = &self.stream {
            // They may be others by now.
            observer.hold_to(self.shared.rules_of(stream));
        }
        self.next_check = now + CHECK_EVERY.min(self.shared.limits.picture_timeout);
        if let Some(breach) = observer.check(io.round_trip()) {
            return Err(CloseReason::Breach(breach));
        }
        let without = observer.without_picture();
        if without >= self.shared.limits.picture_timeout {
            return Err(CloseReason::NoPicture(without));
        }
        Ok(())
    }

    async fn handle_events(&mut self) -> Result<(), CloseReason> {
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::Publish { app, key } => self.publish(&app, key.expose()).await?,
                Event::Audio { timestamp_ms, body } => {
                    self.hand_over(timestamp_ms, PublishedBody::Audio(body))
                        .await?;
                }
                Event::Video { timestamp_ms, body } => {
                    self.hand_over(timestamp_ms, PublishedBody::Video(body))
                        .await?;
                }
                Event::Unpublish => return Err(CloseReason::Unpublished),
                Event::Metadata(metadata) => {
                    let encoder = metadata.text("encoder");
                    if let (Some(observer), Some(encoder)) = (&self.observer, encoder) {
                        observer.encoder(encoder);
                    }
                    tracing::debug!(stream = self.stream, encoder, "publisher's metadata");
                }
                // `connect` alone means nothing yet; the session has answered it.
                _ => {}
            }
        }
        Ok(())
    }

    async fn publish(&mut self, app: &str, key: &str) -> Result<(), CloseReason> {
        let ask = PublishAsk {
            app,
            key,
            peer: self.peer.address,
            tls: self.peer.tls,
        };
        let claimed = tokio::select! {
            biased;
            () = self.shutdown.cancelled() => return Err(CloseReason::Draining),
            claimed = self.shared.streams.claim(&ask) => claimed,
        };
        match claimed {
            Ok(publication) => {
                tracing::info!(stream = publication.stream(), ?app, "publish accepted");
                let stream = publication.stream();
                let publisher = Publisher {
                    tls: self.peer.tls,
                    encoder: None,
                };
                let rules = self.shared.rules_of(stream);
                self.observer = Some(self.shared.health.publish(stream, publisher, rules));
                self.stream = Some(stream.to_owned());
                self.publication = Some(publication);
                self.session.accept().map_err(CloseReason::Protocol)
            }
            Err(refusal) => {
                let told = self.session.reject(&refusal.to_string());
                told.map_err(CloseReason::Protocol)?;
                Err(CloseReason::Refused(refusal))
            }
        }
    }

    /// Waits while the packager is busy: the socket is not read meanwhile, and TCP slows the peer.
    async fn hand_over(
        &mut self,
        timestamp_ms: i64,
        body: PublishedBody,
    ) -> Result<(), CloseReason> {
        let Some(publication) = &mut self.publication else {
            return Ok(());
        };
        if let Some(observer) = &self.observer {
            observe(observer, timestamp_ms, &body);
        }
        let sent = publication.send(PublishedTag {
            timestamp_ms,
            arrival: self.heard,
            body,
        });
        tokio::select! {
            biased;
            sent = timeout(self.shared.limits.stall_timeout, sent) => match sent {
                Ok(Ok(())) => Ok(()),
                Ok(Err(reason)) => Err(CloseReason::Ended(reason)),
                Err(_) => Err(CloseReason::Stalled),
            },
            () = self.shutdown.cancelled() => Err(CloseReason::Draining),
        }
    }

    async fn flush<S>(&mut self, io: &mut S) -> std::io::Result<()>
    where
        S: AsyncWrite + Unpin,
    {
        let mut written = false;
        while let Some(output) = self.session.poll_output() {
            io.write_all(&output).await?;
            written = true;
        }
        if written {
            io.flush().await?;
        }
        Ok(())
    }

    /// Says the last words and closes.
    async fn part<S>(&mut self, io: &mut S, reason: &CloseReason) -> std::io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.flush(io).await?;
        io.shutdown().await?;
        if reason.awaits_the_peer() {
            let mut sink = [0; 4096];
            let mut left = FAREWELL_READ_BYTES_MAX;
            while left > 0 {
                match io.read(&mut sink).await? {
                    0 => break,
                    count => left = left.saturating_sub(count),
                }
            }
        }
        Ok(())
    }
}

/// Tells the health of the stream what has come.
fn observe(observer: &Observer, dts_ms: i64, body: &PublishedBody) {
    match body {
        PublishedBody::Audio(AudioBody::Frame { data, .. }) => observer.sound(dts_ms, data.len()),
        PublishedBody::Video(VideoBody::Frame { keyframe, data, .. }) => {
            observer.picture(&Picture {
                dts_ms,
                keyframe: *keyframe,
                bytes: data.len(),
            });
        }
        PublishedBody::Video(VideoBody::SequenceHeader { codec, record }) => {
            // What cannot be read is refused by the packager, in its own words.
            if let Ok(config) = crate::packager::video_config(*codec, record.clone()) {
                observer.size(config.width().into(), config.height().into());
            }
        }
        PublishedBody::Audio(_) | PublishedBody::Video(_) => {}
    }
}

/// Resolves when the stream is ended from this side; never for a connection without one.
async fn ended(publication: Option<&mut Publication>) -> EndReason {
    match publication {
        Some(publication) => publication.ended().await,
        None => pending().await,
    }
}
