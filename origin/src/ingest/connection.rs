//! One connection: feeds the session, obeys the clock, hands media over.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rtmp::{Event, ServerSession};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{CloseReason, Shared};
use crate::filters::PublishAsk;
use crate::publish::{EndReason, Publication, PublishedBody, PublishedTag};

/// One read. It bounds what a single call of the session can produce, too.
const READ_BYTES: usize = 16 * 1024;

/// For the last words to be taken, and for the peer to stop sending after them.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);

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
    stream: Option<String>,
    /// Until when the peer has to get to the next stage; a publisher has no next stage.
    stage_deadline: Instant,
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
            stream: None,
            received_bytes: 0,
            shutdown,
        }
    }

    /// Runs the session on `io` to its end.
    pub(super) async fn run<S>(mut self, mut io: S) -> Ending
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let reason = self.attend(&mut io).await;
        // Free the stream first: a publisher that reconnects at once must find it so.
        if let Some(publication) = self.publication.take()
            && matches!(reason, CloseReason::Unpublished)
        {
            publication.say_goodbye();
        }
        if let Some(farewell) = reason.farewell() {
            self.session.end(&farewell);
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
        S: AsyncRead + AsyncWrite + Unpin,
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

    async fn read<S>(&mut self, io: &mut S, buffer: &mut [u8]) -> Result<usize, CloseReason>
    where
        S: AsyncRead + Unpin,
    {
        let (deadline, late) = if self.session.publishing() {
            let deadline = Instant::now() + self.shared.limits.idle_timeout;
            (deadline, CloseReason::IdleTimeout)
        } else if self.session.handshake_done() {
            (self.stage_deadline, CloseReason::PublishTimeout)
        } else {
            (self.stage_deadline, CloseReason::HandshakeTimeout)
        };
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Err(CloseReason::Draining),
            reason = ended(self.publication.as_mut()) => Err(CloseReason::Ended(reason)),
            read = timeout_at(deadline, io.read(buffer)) => match read {
                Ok(Ok(count)) => Ok(count),
                Ok(Err(error)) => Err(CloseReason::lost(error)),
                Err(_) => Err(late),
            },
        }
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
                self.stream = Some(publication.stream().to_owned());
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
        let sent = publication.send(PublishedTag { timestamp_ms, body });
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

/// Resolves when the stream is ended from this side; never for a connection without one.
async fn ended(publication: Option<&mut Publication>) -> EndReason {
    match publication {
        Some(publication) => publication.ended().await,
        None => pending().await,
    }
}
