//! The bus as an edge sees it.

use std::sync::Arc;

use bytes::Bytes;
use tokio_util::sync::DropGuard;

use crate::follows::Follows;
use crate::metrics::{Drop, Metrics};
use crate::name::RoomName;
use crate::queue;

/// What an edge hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EdgeEvent {
    /// The bus cannot be reached any more; what is sent is refused. Follows stay.
    Down,
    /// The bus can be reached, for the first time or again, and was told what is followed: what
    /// is sent from now on arrives after that. What was published since [`EdgeEvent::Down`] is
    /// lost.
    Up,
    /// From the hub of a room that is followed. With NATS the first ones of a new connection may
    /// come just before its [`EdgeEvent::Up`].
    Message {
        /// Which.
        room: RoomName,
        /// Opaque.
        message: Bytes,
    },
}

/// Why a message is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The bus cannot be reached.
    #[error("the bus is down")]
    Down,
    /// The queue is at its bound: the link is slower than this edge.
    #[error("the queue of the bus is full")]
    Full,
    /// Larger than a message may be.
    #[error("the message has {bytes} bytes, and {max} is the limit")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// What is allowed.
        max: usize,
    },
}

/// Why a room is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// As many as may be.
    #[error("{max} rooms are followed already, which is the limit")]
    TooMany {
        /// The bound.
        max: usize,
    },
}

/// Where an edge sends, and says what it follows. Clones are cheap and share everything.
#[derive(Clone, Debug)]
pub struct EdgeBus(pub(crate) Arc<EdgeShared>);

/// Of an edge's handles and its task.
#[derive(Debug)]
pub(crate) struct EdgeShared {
    pub(crate) follows: Follows,
    pub(crate) out: queue::Sender<Outgoing>,
    pub(crate) message_bytes_max: usize,
    pub(crate) metrics: Metrics,
}

/// To the hub of a room.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) room: RoomName,
    pub(crate) message: Bytes,
}

impl EdgeBus {
    /// Hears a room from now on, over every reconnect, until [`unfollow`](Self::unfollow). What
    /// is sent after this call reaches the hub after the follow took effect. Again: no effect.
    ///
    /// # Errors
    /// Too many rooms.
    pub fn follow(&self, room: RoomName) -> Result<(), FollowError> {
        self.0.follows.add(room)
    }

    /// Hears a room no more: [`EdgeInbox::recv`] returns nothing of it after this call, unless it
    /// is followed again. Then what was on its way may still come.
    pub fn unfollow(&self, room: &RoomName) {
        self.0.follows.remove(room);
    }

    /// To the hub of a room, followed or not. Never blocks. Ok means that it is on its way, not
    /// that it arrives.
    ///
    /// # Errors
    /// It is dropped, and counted.
    pub fn send(&self, room: &RoomName, message: Bytes) -> Result<(), SendError> {
        let shared = &self.0;
        let (bytes, max) = (message.len(), shared.message_bytes_max);
        if bytes > max {
            shared.metrics.dropped(Drop::TooLarge);
            return Err(SendError::TooLarge { bytes, max });
        }
        let room = room.clone();
        let sent = shared.out.push(bytes, Outgoing { room, message });
        sent.map_err(|refused| match refused {
            queue::Refused::Closed => {
                shared.metrics.dropped(Drop::Down);
                SendError::Down
            }
            queue::Refused::Full => {
                shared.metrics.dropped(Drop::QueueFull);
                SendError::Full
            }
        })
    }

    /// Whether the bus can be reached.
    pub fn is_up(&self) -> bool {
        self.0.out.is_open()
    }
}

/// What an edge hears. The link lives as long as this does. Bounded in bytes: whoever does not
/// read loses messages, which are counted; Up and Down are never lost, but a Down, an Up and a
/// Down that nobody took in between may be one Down.
#[derive(Debug)]
pub struct EdgeInbox {
    pub(crate) shared: Arc<EdgeShared>,
    pub(crate) queue: queue::Receiver<EdgeEvent>,
    pub(crate) _alive: DropGuard,
}

impl EdgeInbox {
    /// The next event; at the start the bus is down, which is not told. Safe to cancel.
    pub async fn recv(&mut self) -> EdgeEvent {
        loop {
            let Some(event) = self.queue.recv().await else {
                // The task ends when this inbox is dropped, not before.
                return std::future::pending().await;
            };
            if let EdgeEvent::Message { room, message } = &event {
                if !self.shared.follows.contains(room) {
                    self.shared.metrics.dropped(Drop::NotFollowed);
                    continue;
                }
                self.shared.metrics.received(message.len());
            }
            return event;
        }
    }
}
