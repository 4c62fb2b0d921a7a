//! What an operator sees of a bus: `weir_bus_*`, with the label `role`.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use crate::error::BusError;

/// Which side of the bus.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Role {
    Edge,
    Hub,
}

impl Role {
    fn as_str(self) -> &'static str {
        match self {
            Self::Edge => "edge",
            Self::Hub => "hub",
        }
    }
}

/// Why a message is dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Drop {
    /// The other side cannot be reached.
    Down,
    /// Whoever reads here is too slow.
    InboxFull,
    /// The edge does not follow the room (any more).
    NotFollowed,
    /// The link is too slow.
    QueueFull,
    /// The NATS client's own buffer was full.
    SlowConsumer,
    /// Over the bound.
    TooLarge,
    /// NATS carried something that is no message of this bus.
    Unknown,
}

impl Drop {
    fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::InboxFull => "inbox_full",
            Self::NotFollowed => "not_followed",
            Self::QueueFull => "queue_full",
            Self::SlowConsumer => "slow_consumer",
            Self::TooLarge => "too_large",
            Self::Unknown => "unknown",
        }
    }
}

/// Why a hub does not take, or does not keep, a link or a follow of an edge.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusal {
    /// The edge gave itself no name, or a bad one.
    Name,
    /// The edge said what is no message of this bus.
    Protocol,
    /// A newer link of the same edge took over.
    Replaced,
    /// A message over the bound.
    TooLarge,
    /// As many links as may be.
    TooManyLinks,
    /// The edge follows as many rooms as it may; only the follow is refused.
    TooManyRooms,
    /// Nothing heard.
    Silent,
    /// No token, or an unknown one.
    Unauthorized,
}

impl Refusal {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Protocol => "protocol",
            Self::Replaced => "replaced",
            Self::Silent => "silent",
            Self::TooLarge => "too_large",
            Self::TooManyLinks => "too_many_links",
            Self::TooManyRooms => "too_many_rooms",
            Self::Unauthorized => "unauthorized",
        }
    }
}

/// Of one bus; clones share everything.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    pub(crate) links: IntGauge,
    pub(crate) reconnects: IntCounter,
    /// Bytes that wait for the reader of the inbox.
    pub(crate) inbox_bytes: IntGauge,
    /// Bytes that wait for links.
    pub(crate) out_bytes: IntGauge,
    messages_in: IntCounter,
    messages_out: IntCounter,
    bytes_in: IntCounter,
    bytes_out: IntCounter,
    drops: IntCounterVec,
    refusals: IntCounterVec,
}

impl Metrics {
    pub(crate) fn new(role: Role, registry: &Registry) -> Result<Self, BusError> {
        let opts =
            |name: &str, help: &str| Opts::new(name, help).const_label("role", role.as_str());
        let links = IntGauge::with_opts(opts("weir_bus_links", "Links that are up."))?;
        let reconnects = opts("weir_bus_reconnects_total", "Links made after the first.");
        let reconnects = IntCounter::with_opts(reconnects)?;
        let messages = opts("weir_bus_messages_total", "Messages carried.");
        let messages = IntCounterVec::new(messages, &["direction"])?;
        let bytes = opts("weir_bus_bytes_total", "Bytes of messages carried.");
        let bytes = IntCounterVec::new(bytes, &["direction"])?;
        let drops = opts("weir_bus_drops_total", "Messages dropped.");
        let drops = IntCounterVec::new(drops, &["reason"])?;
        let refusals = opts(
            "weir_bus_refusals_total",
            "Links and follows of edges that a hub refused or ended.",
        );
        let refusals = IntCounterVec::new(refusals, &["reason"])?;
        let queues = opts("weir_bus_queue_bytes", "Bytes that wait.");
        let queues = IntGaugeVec::new(queues, &["queue"])?;
        registry.register(Box::new(links.clone()))?;
        registry.register(Box::new(reconnects.clone()))?;
        registry.register(Box::new(messages.clone()))?;
        registry.register(Box::new(bytes.clone()))?;
        registry.register(Box::new(drops.clone()))?;
        registry.register(Box::new(refusals.clone()))?;
        registry.register(Box::new(queues.clone()))?;
        Ok(Self {
            links,
            reconnects,
            inbox_bytes: queues.with_label_values(&["inbox"]),
            out_bytes: queues.with_label_values(&["out"]),
            messages_in: messages.with_label_values(&["in"]),
            messages_out: messages.with_label_values(&["out"]),
            bytes_in: bytes.with_label_values(&["in"]),
            bytes_out: bytes.with_label_values(&["out"]),
            drops,
            refusals,
        })
    }

    /// A message was taken from the inbox.
    pub(crate) fn received(&self, bytes: usize) {
        self.messages_in.inc();
        self.bytes_in
            .inc_by(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// A message was handed to a link, once per link.
    pub(crate) fn sent(&self, bytes: usize) {
        self.messages_out.inc();
        self.bytes_out
            .inc_by(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    pub(crate) fn dropped(&self, why: Drop) {
        self.dropped_many(why, 1);
    }

    pub(crate) fn dropped_many(&self, why: Drop, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.drops.with_label_values(&[why.as_str()]).inc_by(count);
    }

    pub(crate) fn refused(&self, why: Refusal) {
        self.refusals.with_label_values(&[why.as_str()]).inc();
    }
}
