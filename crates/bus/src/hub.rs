//! The bus as hubs see it.

use bytes::Bytes;

use crate::metrics::Metrics;
use crate::name::{EdgeName, RoomName};
use crate::queue;
use crate::{embedded, nats};

/// What an edge sent to the hub of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FromEdge {
    /// Of which room. The bus does not know which rooms there are.
    pub room: RoomName,
    /// The sender, as authenticated by the link (embedded) or as the subject says (NATS).
    pub edge: EdgeName,
    /// Opaque.
    pub message: Bytes,
}

/// Where hubs send. One for all hubs of a process; clones are cheap and share everything.
#[derive(Clone, Debug)]
pub struct HubBus(pub(crate) Inner);

#[derive(Clone, Debug)]
pub(crate) enum Inner {
    Embedded(embedded::Hub),
    Nats(nats::Hub),
}

impl HubBus {
    /// To every edge that follows the room. Never blocks; what cannot be sent is dropped and
    /// counted (`weir_bus_drops_total`).
    pub fn publish(&self, room: &RoomName, message: Bytes) {
        match &self.0 {
            Inner::Embedded(hub) => hub.publish(room, &message),
            Inner::Nats(hub) => hub.publish(room, message),
        }
    }

    /// To one edge, if it follows the room. Never blocks, as [`publish`](Self::publish).
    pub fn send(&self, room: &RoomName, edge: &EdgeName, message: Bytes) {
        match &self.0 {
            Inner::Embedded(hub) => hub.send(room, edge, &message),
            Inner::Nats(hub) => hub.send(room, edge, message),
        }
    }

    /// Whether edges can be reached: always with the embedded bus, until it is closed.
    pub fn is_up(&self) -> bool {
        match &self.0 {
            Inner::Embedded(hub) => hub.is_up(),
            Inner::Nats(hub) => hub.is_up(),
        }
    }

    /// Ends all links and takes no new ones: for the end of the process. What was not sent yet is
    /// lost. [`HubInbox::recv`] returns None after what it has already.
    pub fn close(&self) {
        match &self.0 {
            Inner::Embedded(hub) => hub.close(),
            Inner::Nats(hub) => hub.close(),
        }
    }
}

/// What edges sent, of all rooms, in order per edge. Bounded in bytes: whoever does not read loses
/// messages, which are counted.
#[derive(Debug)]
pub struct HubInbox {
    pub(crate) queue: queue::Receiver<FromEdge>,
    pub(crate) metrics: Metrics,
}

impl HubInbox {
    /// The next message. None: the bus is closed. Safe to cancel.
    pub async fn recv(&mut self) -> Option<FromEdge> {
        let next = self.queue.recv().await?;
        self.metrics.received(next.message.len());
        Some(next)
    }
}
