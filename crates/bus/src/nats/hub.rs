//! The hub's side.

use std::sync::Arc;

use async_nats::{Message, Subscriber};
use bytes::Bytes;
use futures::StreamExt;
use prometheus::Registry;
use tokio_util::sync::CancellationToken;

use super::NatsOptions;
use super::connect::{Connection, Dialer, Side};
use super::subjects::Subjects;
use crate::error::BusError;
use crate::hub::{FromEdge, HubBus, HubInbox, Inner};
use crate::metrics::{Drop as Dropped, Metrics, Role};
use crate::name::{EdgeName, RoomName};
use crate::queue::{self, Receiver, Refused, Sender};

/// Shared by the clones of the bus.
#[derive(Clone, Debug)]
pub(crate) struct Hub(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    subjects: Subjects,
    message_bytes_max: usize,
    out: Sender<Out>,
    metrics: Metrics,
    stop: CancellationToken,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What is to be published.
#[derive(Debug)]
struct Out {
    subject: String,
    message: Bytes,
}

pub(super) fn start(
    options: NatsOptions,
    registry: &Registry,
) -> Result<(HubBus, HubInbox), BusError> {
    let metrics = Metrics::new(Role::Hub, registry)?;
    let dialer = Dialer::new(&options, "weir hub", Some(metrics.clone()))?;
    let (out, outgoing) = queue::queue(options.link_queue_bytes_max, metrics.out_bytes.clone());
    out.shut();
    let (inbox, inbox_end) = queue::queue(options.inbox_bytes_max, metrics.inbox_bytes.clone());
    let shared = Arc::new(Shared {
        subjects: Subjects::new(&options.prefix),
        message_bytes_max: options.message_bytes_max,
        out: out.clone(),
        metrics: metrics.clone(),
        stop: CancellationToken::new(),
    });
    let stop = shared.stop.clone();
    let driver = Driver {
        subjects: shared.subjects.clone(),
        message_bytes_max: options.message_bytes_max,
        inbox,
        metrics: metrics.clone(),
    };
    tokio::spawn(async move {
        let ended = driver.inbox.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            () = driver.run(dialer, out, outgoing) => {}
        }
        ended.end();
    });
    let inbox = HubInbox {
        queue: inbox_end,
        metrics,
    };
    Ok((HubBus(Inner::Nats(Hub(shared))), inbox))
}

impl Hub {
    pub(crate) fn publish(&self, room: &RoomName, message: Bytes) {
        self.push(room, self.0.subjects.all(room), message);
    }

    pub(crate) fn send(&self, room: &RoomName, edge: &EdgeName, message: Bytes) {
        self.push(room, self.0.subjects.edge(room, edge), message);
    }

    pub(crate) fn is_up(&self) -> bool {
        self.0.out.is_open()
    }

    pub(crate) fn close(&self) {
        self.0.stop.cancel();
        self.0.out.end();
    }

    fn push(&self, room: &RoomName, subject: String, message: Bytes) {
        let shared = &self.0;
        let (bytes, max) = (message.len(), shared.message_bytes_max);
        if bytes > max {
            shared.metrics.dropped(Dropped::TooLarge);
            tracing::error!(%room, bytes, max, "a message of a hub is too large for the bus");
            return;
        }
        match shared.out.push(bytes, Out { subject, message }) {
            Ok(()) => {}
            Err(Refused::Full) => shared.metrics.dropped(Dropped::QueueFull),
            Err(Refused::Closed) => shared.metrics.dropped(Dropped::Down),
        }
    }
}

struct Outgoing {
    out: Sender<Out>,
    metrics: Metrics,
}

impl Side for Outgoing {
    fn up(&self) {
        self.out.open();
    }

    fn down(&self) {
        let lost = self.out.shut();
        self.metrics.dropped_many(Dropped::Down, lost);
    }
}

struct Driver {
    subjects: Subjects,
    message_bytes_max: usize,
    inbox: Sender<FromEdge>,
    metrics: Metrics,
}

impl Driver {
    async fn run(self, dialer: Dialer, out: Sender<Out>, mut outgoing: Receiver<Out>) {
        let side = Outgoing {
            out,
            metrics: self.metrics.clone(),
        };
        let connection = Connection::new(dialer, side, self.metrics.clone()).await;
        let client = connection.client.clone();
        let subscription = match client.subscribe(self.subjects.hub_of_all()).await {
            Ok(subscription) => subscription,
            Err(error) => {
                tracing::error!(%error, "NATS takes no subscription");
                return;
            }
        };
        tokio::select! {
            () = connection.watch() => {}
            () = self.write(&connection, &mut outgoing) => {}
            () = self.read(subscription) => tracing::error!("the subscription to NATS has ended"),
        }
    }

    async fn write(&self, connection: &Connection<Outgoing>, outgoing: &mut Receiver<Out>) {
        loop {
            tokio::select! {
                () = connection.fresh() => connection.up().await,
                next = outgoing.recv() => match next {
                    Some(Out { subject, message }) => {
                        publish(connection, subject, message, &self.metrics).await;
                    }
                    None => return,
                },
            }
        }
    }

    async fn read(&self, mut subscription: Subscriber) {
        while let Some(message) = subscription.next().await {
            self.deliver(message);
        }
    }

    fn deliver(&self, message: Message) {
        let Some((room, edge)) = self.subjects.sender_of(&message.subject) else {
            self.metrics.dropped(Dropped::Unknown);
            tracing::warn!(subject = %message.subject, "no edge has such a subject");
            return;
        };
        let (bytes, max) = (message.payload.len(), self.message_bytes_max);
        if bytes > max {
            self.metrics.dropped(Dropped::TooLarge);
            tracing::warn!(%room, %edge, bytes, max, "a message of an edge is too large");
            return;
        }
        let from = FromEdge {
            room,
            edge,
            message: message.payload,
        };
        match self.inbox.push(bytes, from) {
            Ok(()) => {}
            Err(Refused::Full) => self.metrics.dropped(Dropped::InboxFull),
            Err(Refused::Closed) => self.metrics.dropped(Dropped::Down),
        }
    }
}

/// Gives a message to the client, which waits while it has too much.
pub(super) async fn publish<S: Side>(
    connection: &Connection<S>,
    subject: String,
    message: Bytes,
    metrics: &Metrics,
) {
    let bytes = message.len();
    match connection.client.publish(subject, message).await {
        Ok(()) => metrics.sent(bytes),
        Err(error) => {
            let why = match error.kind() {
                async_nats::client::PublishErrorKind::MaxPayloadExceeded => Dropped::TooLarge,
                _ => Dropped::Down,
            };
            metrics.dropped(why);
            tracing::error!(%error, bytes, "NATS does not take a message");
        }
    }
}
