//! The life of one link at the edge.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{self, Message, protocol::frame::CloseFrame};
use tokio_util::sync::CancellationToken;

use super::connect::Link;
use super::envelope::{Envelope, message};
use super::{CLOSE_REPLACED, CLOSE_TIMEOUT};
use crate::edge::{EdgeShared, Outgoing};
use crate::follows::Told;
use crate::inbox::Inbox;
use crate::metrics::{Drop, Refusal};
use crate::queue::Receiver;

type Sink<S> = SplitSink<WebSocketStream<S>, Message>;

/// Why a link ended.
#[derive(Debug)]
pub(super) enum Ended {
    Broken(tungstenite::Error),
    Closed(u16, String),
    Nonsense(String),
    Replaced,
    Silent,
    /// By this side.
    Stopped,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(error) => write!(f, "{error}"),
            Self::Closed(code, reason) => write!(f, "closed by the hub: {code} {reason}"),
            Self::Nonsense(what) => write!(f, "the hub said nonsense: {what}"),
            Self::Replaced => f.write_str("another edge of this name made a link"),
            Self::Silent => f.write_str("nothing was heard of the hub"),
            Self::Stopped => f.write_str("stopped"),
        }
    }
}

/// What outlives links.
pub(super) struct Session {
    pub(super) shared: Arc<EdgeShared>,
    pub(super) inbox: Inbox,
    pub(super) outgoing: Receiver<Outgoing>,
    pub(super) ping_interval: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) stop: CancellationToken,
}

impl Session {
    pub(super) async fn run(&mut self, link: Link) -> Ended {
        match link {
            Link::Plain(socket) => self.run_on(*socket).await,
            Link::Tls(socket) => self.run_on(*socket).await,
        }
    }

    async fn run_on<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        socket: WebSocketStream<S>,
    ) -> Ended {
        let (mut sink, stream) = socket.split();
        let mut told = Told::default();
        // The follows before everything else.
        match timeout(self.idle_timeout, self.tell(&mut sink, &mut told)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Ended::Broken(error),
            Err(_) => return Ended::Silent,
        }
        self.inbox.up();
        let stop = self.stop.clone();
        let (shared, inbox) = (Arc::clone(&self.shared), &self.inbox);
        let idle_timeout = self.idle_timeout;
        let writing = Writing {
            shared: &shared,
            outgoing: &mut self.outgoing,
            ping_interval: self.ping_interval,
            told,
        };
        let ended = tokio::select! {
            () = stop.cancelled() => Ended::Stopped,
            ended = read(&shared, inbox, stream, idle_timeout) => ended,
            Err(error) = writing.run(&mut sink) => Ended::Broken(error),
        };
        self.inbox.down();
        if !matches!(ended, Ended::Broken(_)) {
            let _ = timeout(CLOSE_TIMEOUT, sink.close()).await;
        }
        ended
    }

    async fn tell<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        sink: &mut Sink<S>,
        told: &mut Told,
    ) -> Result<(), tungstenite::Error> {
        tell(&self.shared, sink, told).await?;
        sink.flush().await
    }
}

/// Makes the hub know what is followed.
async fn tell<S: AsyncRead + AsyncWrite + Unpin>(
    shared: &EdgeShared,
    sink: &mut Sink<S>,
    told: &mut Told,
) -> Result<(), tungstenite::Error> {
    let changes = shared.follows.changes(told);
    // First what makes room.
    for room in changes.remove {
        let frame = Envelope::Unfollow(room).encode();
        sink.feed(Message::Binary(frame)).await?;
    }
    for room in changes.add {
        let frame = Envelope::Follow(room).encode();
        sink.feed(Message::Binary(frame)).await?;
    }
    Ok(())
}

struct Writing<'a> {
    shared: &'a EdgeShared,
    outgoing: &'a mut Receiver<Outgoing>,
    ping_interval: Duration,
    told: Told,
}

impl Writing<'_> {
    /// Ends with an error only.
    async fn run<S: AsyncRead + AsyncWrite + Unpin>(
        mut self,
        sink: &mut Sink<S>,
    ) -> Result<std::convert::Infallible, tungstenite::Error> {
        let mut pings = interval(self.ping_interval);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some(next) = self.outgoing.recv() => self.pass_on(sink, next).await?,
                () = self.shared.follows.changed() => {
                    tell(self.shared, sink, &mut self.told).await?;
                }
                _ = pings.tick() => sink.feed(Message::Ping(Bytes::new())).await?,
            }
            sink.flush().await?;
        }
    }

    /// A message and those that came meanwhile.
    async fn pass_on<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        sink: &mut Sink<S>,
        first: Outgoing,
    ) -> Result<(), tungstenite::Error> {
        let mut next = Some(first);
        while let Some(Outgoing {
            room,
            message: payload,
        }) = next
        {
            tell(self.shared, sink, &mut self.told).await?;
            sink.feed(Message::Binary(message(&room, &payload))).await?;
            self.shared.metrics.sent(payload.len());
            next = self.outgoing.try_recv();
        }
        Ok(())
    }
}

async fn read<S: AsyncRead + AsyncWrite + Unpin>(
    shared: &EdgeShared,
    inbox: &Inbox,
    mut stream: SplitStream<WebSocketStream<S>>,
    idle_timeout: Duration,
) -> Ended {
    loop {
        let next = match timeout(idle_timeout, stream.next()).await {
            Ok(Some(Ok(message))) => message,
            Ok(Some(Err(error))) => {
                if matches!(error, tungstenite::Error::Capacity(_)) {
                    shared.metrics.dropped(Drop::TooLarge);
                }
                return Ended::Broken(error);
            }
            Ok(None) => return Ended::Broken(tungstenite::Error::ConnectionClosed),
            Err(_) => return Ended::Silent,
        };
        let envelope = match next {
            Message::Binary(frame) => Envelope::decode(frame),
            Message::Close(frame) => return closed(frame),
            Message::Text(_) => return Ended::Nonsense("text".to_owned()),
            Message::Frame(_) | Message::Ping(_) | Message::Pong(_) => continue,
        };
        match envelope {
            Ok(Envelope::Message(room, message)) => inbox.message(room, message),
            Ok(Envelope::Refused(room)) => {
                shared.metrics.refused(Refusal::TooManyRooms);
                tracing::error!(%room, "the hub refuses to let this edge follow one more room");
            }
            Ok(_) => return Ended::Nonsense("that it follows a room".to_owned()),
            Err(error) => return Ended::Nonsense(error.to_string()),
        }
    }
}

fn closed(frame: Option<CloseFrame>) -> Ended {
    let Some(frame) = frame else {
        return Ended::Closed(1005, String::new());
    };
    match u16::from(frame.code) {
        CLOSE_REPLACED => Ended::Replaced,
        code => Ended::Closed(code, frame.reason.to_string()),
    }
}
