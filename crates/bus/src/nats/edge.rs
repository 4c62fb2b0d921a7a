//! The edge's side.

use std::collections::HashMap;
use std::sync::Arc;

use async_nats::{Client, Message, Subscriber};
use futures::StreamExt;
use prometheus::Registry;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use super::NatsOptions;
use super::connect::{Connection, Dialer, Side};
use super::hub::publish;
use super::subjects::Subjects;
use crate::edge::{EdgeBus, EdgeInbox, EdgeShared, Outgoing};
use crate::error::BusError;
use crate::follows::{Follows, Told};
use crate::inbox::{self, Inbox};
use crate::metrics::{Drop as Dropped, Metrics, Role};
use crate::name::{EdgeName, RoomName};
use crate::queue::{self, Receiver};

pub(super) fn start(
    options: NatsOptions,
    name: EdgeName,
    registry: &Registry,
) -> Result<(EdgeBus, EdgeInbox), BusError> {
    let metrics = Metrics::new(Role::Edge, registry)?;
    let dialer = Dialer::new(
        &options,
        &format!("weir edge {name}"),
        Some(metrics.clone()),
    )?;
    let (out, outgoing) = queue::queue(options.link_queue_bytes_max, metrics.out_bytes.clone());
    out.shut();
    let shared = Arc::new(EdgeShared {
        follows: Follows::new(options.rooms_max),
        out,
        message_bytes_max: options.message_bytes_max,
        metrics,
    });
    let (inbox, events) = inbox::inbox(options.inbox_bytes_max, &shared);
    let stop = CancellationToken::new();
    let driver = Driver {
        name,
        reading: Reading {
            subjects: Subjects::new(&options.prefix),
            message_bytes_max: options.message_bytes_max,
            inbox: Arc::new(inbox),
            metrics: shared.metrics.clone(),
        },
        shared: Arc::clone(&shared),
    };
    let stopped = stop.clone();
    tokio::spawn(async move {
        let ended = Arc::clone(&driver.reading.inbox);
        tokio::select! {
            () = stopped.cancelled() => {}
            () = driver.run(dialer, outgoing) => {}
        }
        ended.down();
    });
    let inbox = EdgeInbox {
        shared: Arc::clone(&shared),
        queue: events,
        _alive: stop.drop_guard(),
    };
    Ok((EdgeBus(shared), inbox))
}

impl Side for Arc<Inbox> {
    fn up(&self) {
        Inbox::up(self);
    }

    fn down(&self) {
        Inbox::down(self);
    }
}

struct Driver {
    name: EdgeName,
    shared: Arc<EdgeShared>,
    reading: Reading,
}

/// What a subscription's task needs.
#[derive(Clone)]
struct Reading {
    subjects: Subjects,
    message_bytes_max: usize,
    inbox: Arc<Inbox>,
    metrics: Metrics,
}

impl Driver {
    async fn run(self, dialer: Dialer, mut outgoing: Receiver<Outgoing>) {
        let side = Arc::clone(&self.reading.inbox);
        let metrics = self.shared.metrics.clone();
        let connection = Connection::new(dialer, side, metrics).await;
        // What hubs send to this edge alone is one subscription, and the inbox knows what is
        // followed; what they publish is one per room, so that it only comes where it is wanted.
        let own = self.reading.subjects.edge_of_all_rooms(&self.name);
        let own = match connection.client.subscribe(own).await {
            Ok(subscription) => subscription,
            Err(error) => {
                tracing::error!(%error, "NATS takes no subscription");
                return;
            }
        };
        let reading = self.reading.clone();
        tokio::select! {
            () = connection.watch() => {}
            () = self.write(&connection, &mut outgoing) => {}
            () = reading.run(own) => tracing::error!("the subscription to NATS has ended"),
        }
    }

    async fn write(&self, connection: &Connection<Arc<Inbox>>, outgoing: &mut Receiver<Outgoing>) {
        let mut subscriptions = Subscriptions::default();
        loop {
            tokio::select! {
                () = connection.fresh() => {
                    self.tell(&connection.client, &mut subscriptions).await;
                    connection.up().await;
                }
                () = self.shared.follows.changed() => {
                    self.tell(&connection.client, &mut subscriptions).await;
                }
                next = outgoing.recv() => {
                    let Some(Outgoing { room, message }) = next else { return };
                    self.tell(&connection.client, &mut subscriptions).await;
                    let subject = self.reading.subjects.hub(&room, &self.name);
                    publish(connection, subject, message, &self.shared.metrics).await;
                }
            }
        }
    }

    /// Makes NATS know what is followed.
    async fn tell(&self, client: &Client, subscriptions: &mut Subscriptions) {
        let changes = self.shared.follows.changes(&mut subscriptions.told);
        for room in changes.remove {
            subscriptions.end(&room);
        }
        for room in changes.add {
            let subject = self.reading.subjects.all(&room);
            match client.subscribe(subject).await {
                Ok(subscription) => {
                    let task = tokio::spawn(self.reading.clone().run(subscription));
                    let task = task.abort_handle();
                    subscriptions.tasks.insert(room, task);
                }
                Err(error) => tracing::error!(%error, %room, "NATS takes no subscription"),
            }
        }
    }
}

/// Of the rooms that are followed. Ended when it is dropped.
#[derive(Default)]
struct Subscriptions {
    told: Told,
    tasks: HashMap<RoomName, AbortHandle>,
}

impl Subscriptions {
    fn end(&mut self, room: &RoomName) {
        if let Some(task) = self.tasks.remove(room) {
            // Dropping a subscription ends it.
            task.abort();
        }
    }
}

impl Drop for Subscriptions {
    fn drop(&mut self) {
        self.tasks.values().for_each(AbortHandle::abort);
    }
}

impl Reading {
    async fn run(self, mut subscription: Subscriber) {
        while let Some(message) = subscription.next().await {
            self.deliver(message);
        }
    }

    fn deliver(&self, message: Message) {
        let Some(room) = self.subjects.room_of(&message.subject) else {
            self.metrics.dropped(Dropped::Unknown);
            return;
        };
        let (bytes, max) = (message.payload.len(), self.message_bytes_max);
        if bytes > max {
            self.metrics.dropped(Dropped::TooLarge);
            tracing::warn!(%room, bytes, max, "a message of a hub is too large");
            return;
        }
        self.inbox.message(room, message.payload);
    }
}
