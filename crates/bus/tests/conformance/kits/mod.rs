//! What makes hubs, edges and stores of each backend, and breaks them.

mod embedded;
mod nats;

use bus::{EdgeBus, EdgeInbox, HubBus, HubInbox, Store};
use prometheus::Registry;
use std::time::Duration;

pub(crate) use embedded::EmbeddedKit;
pub(crate) use nats::{NatsKit, Server};

pub(crate) const TOKEN: &str = "a-token-of-the-tests";

/// How an edge differs from others.
pub(crate) struct EdgeSetup {
    pub(crate) name: &'static str,
    pub(crate) token: &'static str,
    pub(crate) message_bytes_max: usize,
    pub(crate) inbox_bytes_max: usize,
    pub(crate) rooms_max: usize,
}

impl EdgeSetup {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            token: TOKEN,
            message_bytes_max: 64 << 10,
            inbox_bytes_max: 8 << 20,
            rooms_max: 100,
        }
    }
}

/// One hub, its edges, and a store.
pub(crate) trait Kit {
    const MESSAGE_BYTES_MAX: usize = 64 << 10;
    const VALUE_BYTES_MAX: usize = 128 << 10;

    /// Waits until the hub can be reached.
    async fn new() -> Self;
    fn hub(&mut self) -> (&HubBus, &mut HubInbox);
    /// Of the hub.
    fn registry(&self) -> &Registry;
    fn edge(&mut self, setup: EdgeSetup, registry: &Registry) -> (EdgeBus, EdgeInbox);
    /// Breaks the way between hub and edges.
    async fn cut(&mut self);
    async fn restore(&mut self);
    /// Each time a new handle of the same store.
    fn store(&self) -> Store;
    async fn restart_store(&mut self);
    async fn break_store(&mut self);
    async fn mend_store(&mut self);
}

/// The sum of a metric over the label values that contain `label`.
pub(crate) fn total(registry: &Registry, name: &str, label: &str) -> f64 {
    let families = registry.gather();
    let family = families.iter().find(|family| family.name() == name);
    let metrics = family.map(|family| family.get_metric()).unwrap_or_default();
    let of_label = metrics.iter().filter(|metric| {
        let mut values = metric.get_label().iter().map(|pair| pair.value());
        label.is_empty() || values.any(|value| value == label)
    });
    of_label
        .map(|metric| metric.get_counter().get_value() + metric.get_gauge().get_value())
        .sum()
}

/// Waits for what has no event: figures and queues tell nobody that they change, so they are looked at
/// again, until the deadline of the test.
pub(crate) async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
