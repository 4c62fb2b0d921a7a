//! One suite for both backends: what a bus and a store promise, whatever carries them.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod broker;
mod kits;
mod links;

use std::time::Duration;

use bus::{EdgeBus, EdgeEvent, EdgeInbox, FromEdge, RoomName, SendError, Store, StoreError};
use bytes::Bytes;
use prometheus::Registry;
use tokio::time::timeout;

use kits::{EdgeSetup, EmbeddedKit, Kit, NatsKit, total, until};

/// For something that has to happen.
const SOON: Duration = Duration::from_secs(20);
/// For something that must not happen.
const A_WHILE: Duration = Duration::from_millis(700);

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(SOON, what).await.expect("it happens in time")
}

fn room(name: &str) -> RoomName {
    RoomName::new(name).unwrap()
}

/// An edge that is up.
struct Edge {
    name: &'static str,
    bus: EdgeBus,
    inbox: EdgeInbox,
    registry: Registry,
}

impl Edge {
    async fn new(kit: &mut impl Kit, name: &'static str) -> Self {
        Self::with(kit, EdgeSetup::new(name)).await
    }

    async fn with(kit: &mut impl Kit, setup: EdgeSetup) -> Self {
        let (name, registry) = (setup.name, Registry::new());
        let (bus, mut inbox) = kit.edge(setup, &registry);
        assert_eq!(soon(inbox.recv()).await, EdgeEvent::Up);
        assert!(bus.is_up());
        Self {
            name,
            bus,
            inbox,
            registry,
        }
    }

    /// Follows a room; returns when the hub may rely on it.
    async fn join(&self, kit: &mut impl Kit, to: &str) {
        self.bus.follow(room(to)).unwrap();
        self.hello(kit, to).await;
    }

    /// Something that the hub gets.
    async fn hello(&self, kit: &mut impl Kit, to: &str) {
        self.bus
            .send(&room(to), Bytes::from_static(b"hello"))
            .unwrap();
        let (from, got, message) = received(kit).await;
        assert_eq!(
            (from.as_str(), got.as_str(), &message[..]),
            (self.name, to, "hello")
        );
    }

    async fn message(&mut self) -> (String, String) {
        match soon(self.inbox.recv()).await {
            EdgeEvent::Message { room, message } => (
                room.to_string(),
                String::from_utf8(message.to_vec()).unwrap(),
            ),
            event => panic!("{event:?} instead of a message"),
        }
    }

    async fn expect(&mut self, room: &str, message: &str) {
        let got = self.message().await;
        assert_eq!(
            (got.0.as_str(), got.1.as_str()),
            (room, message),
            "{}",
            self.name
        );
    }
}

/// From whom, for which room, what.
async fn received(kit: &mut impl Kit) -> (String, String, String) {
    let FromEdge {
        room,
        edge,
        message,
    } = soon(kit.hub().1.recv()).await.expect("open");
    let message = String::from_utf8(message.to_vec()).unwrap();
    (edge.to_string(), room.to_string(), message)
}

async fn publish_reaches_all_followers_and_nobody_else<K: Kit>(mut kit: K) {
    let mut a = Edge::new(&mut kit, "a").await;
    let mut b = Edge::new(&mut kit, "b.with.dots").await;
    let mut c = Edge::new(&mut kit, "c").await;
    a.join(&mut kit, "one").await;
    b.join(&mut kit, "one").await;
    c.join(&mut kit, "two").await;
    let hub = kit.hub().0.clone();
    assert!(hub.is_up());
    hub.publish(&room("two"), "second".into());
    hub.publish(&room("nobody"), "lost".into());
    hub.publish(&room("one"), "first".into());
    a.expect("one", "first").await;
    b.expect("one", "first").await;
    c.expect("two", "second").await;
    // The next message is the next one: nothing else came in between.
    hub.publish(&room("one"), "".into());
    a.expect("one", "").await;
    assert_eq!(total(&a.registry, "weir_bus_drops_total", ""), 0.0);
}

async fn send_reaches_one<K: Kit>(mut kit: K) {
    let mut a = Edge::new(&mut kit, "a").await;
    let mut b = Edge::new(&mut kit, "b.with.dots").await;
    a.join(&mut kit, "one").await;
    b.join(&mut kit, "one").await;
    let hub = kit.hub().0.clone();
    hub.send(&room("one"), &"a".parse().unwrap(), "for a".into());
    hub.send(
        &room("one"),
        &"b.with.dots".parse().unwrap(),
        "for b".into(),
    );
    hub.send(&room("one"), &"nobody".parse().unwrap(), "lost".into());
    a.expect("one", "for a").await;
    b.expect("one", "for b").await;
    hub.send(&room("one"), &"a".parse().unwrap(), "again".into());
    a.expect("one", "again").await;
}

async fn each_sender_is_heard_in_order<K: Kit>(mut kit: K) {
    const COUNT: usize = 300;
    let mut a = Edge::new(&mut kit, "a").await;
    let b = Edge::new(&mut kit, "b").await;
    a.join(&mut kit, "one").await;
    for n in 0..COUNT {
        a.bus.send(&room("one"), n.to_string().into()).unwrap();
        b.bus.send(&room("one"), n.to_string().into()).unwrap();
    }
    let mut next = [0, 0];
    for _ in 0..2 * COUNT {
        let (from, _, message) = received(&mut kit).await;
        let next = &mut next[usize::from(from == "b")];
        assert_eq!(message, next.to_string());
        *next += 1;
    }
    let hub = kit.hub().0.clone();
    for n in 0..COUNT {
        hub.publish(&room("one"), n.to_string().into());
    }
    for n in 0..COUNT {
        a.expect("one", &n.to_string()).await;
    }
    for n in 0..COUNT {
        hub.send(&room("one"), &"a".parse().unwrap(), n.to_string().into());
    }
    for n in 0..COUNT {
        a.expect("one", &n.to_string()).await;
    }
}

async fn nothing_before_a_follow_and_nothing_after_it_ends<K: Kit>(mut kit: K) {
    let mut a = Edge::new(&mut kit, "a").await;
    a.join(&mut kit, "two").await;
    let hub = kit.hub().0.clone();
    // After what comes of room two, room one is through: what is published and what is sent have
    // an order each.
    hub.publish(&room("one"), "early".into());
    hub.publish(&room("two"), "now".into());
    a.expect("two", "now").await;
    hub.send(&room("one"), &"a".parse().unwrap(), "early".into());
    hub.send(&room("two"), &"a".parse().unwrap(), "now".into());
    a.expect("two", "now").await;
    a.join(&mut kit, "one").await;
    hub.publish(&room("one"), "late".into());
    a.expect("one", "late").await;

    // What is in the inbox already does not come out either.
    hub.publish(&room("one"), "in time".into());
    a.bus.unfollow(&room("one"));
    a.hello(&mut kit, "one").await;
    hub.publish(&room("one"), "gone".into());
    hub.send(&room("one"), &"a".parse().unwrap(), "gone".into());
    hub.publish(&room("two"), "back".into());
    a.expect("two", "back").await;
    hub.send(&room("two"), &"a".parse().unwrap(), "back".into());
    a.expect("two", "back").await;
    a.join(&mut kit, "one").await;
    hub.publish(&room("one"), "and again".into());
    let mut next = a.message().await;
    if next.1 == "in time" {
        // It was on its way when the room was left.
        next = a.message().await;
    }
    assert_eq!(next, ("one".to_owned(), "and again".to_owned()));
}

async fn rooms_that_are_followed_are_bounded<K: Kit>(mut kit: K) {
    let mut setup = EdgeSetup::new("a");
    setup.rooms_max = 2;
    let a = Edge::with(&mut kit, setup).await;
    a.join(&mut kit, "one").await;
    a.join(&mut kit, "two").await;
    assert!(a.bus.follow(room("one")).is_ok());
    let refused = a.bus.follow(room("three")).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "2 rooms are followed already, which is the limit"
    );
    a.bus.unfollow(&room("two"));
    a.join(&mut kit, "three").await;
}

async fn a_link_that_breaks_comes_back<K: Kit>(mut kit: K) {
    let mut a = Edge::new(&mut kit, "a").await;
    let mut b = Edge::new(&mut kit, "b").await;
    a.join(&mut kit, "one").await;
    b.join(&mut kit, "one").await;
    for _ in 0..2 {
        kit.cut().await;
        assert_eq!(soon(a.inbox.recv()).await, EdgeEvent::Down);
        assert_eq!(soon(b.inbox.recv()).await, EdgeEvent::Down);
        let sent = a.bus.send(&room("one"), "lost".into());
        assert_eq!(sent, Err(SendError::Down));
        // Followed and left meanwhile.
        a.bus.follow(room("two")).unwrap();
        b.bus.unfollow(&room("one"));
        b.bus.follow(room("one")).unwrap();
        kit.restore().await;
        assert_eq!(soon(a.inbox.recv()).await, EdgeEvent::Up);
        assert_eq!(soon(b.inbox.recv()).await, EdgeEvent::Up);
        let hub = kit.hub().0.clone();
        soon(until(|| hub.is_up())).await;
        a.hello(&mut kit, "one").await;
        b.hello(&mut kit, "one").await;
        hub.publish(&room("one"), "there again".into());
        a.expect("one", "there again").await;
        b.expect("one", "there again").await;
        hub.publish(&room("two"), "as well".into());
        a.expect("two", "as well").await;
    }
    assert_eq!(total(&a.registry, "weir_bus_reconnects_total", ""), 2.0);
    assert_eq!(total(&a.registry, "weir_bus_links", ""), 1.0);
}

async fn both_sides_start_while_the_other_is_away<K: Kit>(mut kit: K) {
    kit.cut().await;
    let (bus, mut inbox) = kit.edge(EdgeSetup::new("a"), &Registry::new());
    bus.follow(room("one")).unwrap();
    assert!(!bus.is_up());
    assert_eq!(bus.send(&room("one"), "x".into()), Err(SendError::Down));
    kit.restore().await;
    assert_eq!(soon(inbox.recv()).await, EdgeEvent::Up);
    let hub = kit.hub().0.clone();
    soon(until(|| hub.is_up())).await;
    bus.send(&room("one"), "hello".into()).unwrap();
    assert_eq!(received(&mut kit).await.2, "hello");
    hub.publish(&room("one"), "welcome".into());
    let room = room("one");
    let message = "welcome".into();
    assert_eq!(
        soon(inbox.recv()).await,
        EdgeEvent::Message { room, message }
    );
}

async fn oversized_messages_are_refused_by_name<K: Kit>(mut kit: K) {
    let mut a = Edge::new(&mut kit, "a").await;
    a.join(&mut kit, "one").await;
    let (fits, large) = (
        vec![b'x'; K::MESSAGE_BYTES_MAX],
        vec![b'x'; K::MESSAGE_BYTES_MAX + 1],
    );
    let refused = a.bus.send(&room("one"), large.clone().into()).unwrap_err();
    let (bytes, max) = (large.len(), fits.len());
    assert_eq!(refused, SendError::TooLarge { bytes, max });
    let hub = kit.hub().0.clone();
    let drops = |registry: &Registry| total(registry, "weir_bus_drops_total", "too_large");
    assert_eq!(drops(&a.registry), 1.0);
    hub.publish(&room("one"), large.clone().into());
    assert_eq!(drops(kit.registry()), 1.0);
    hub.publish(&room("one"), fits.clone().into());
    assert_eq!(a.message().await.1.len(), max);
    a.bus.send(&room("one"), fits.into()).unwrap();
    assert_eq!(received(&mut kit).await.2.len(), max);

    // An edge that may send more than its hub takes.
    let mut setup = EdgeSetup::new("b");
    setup.message_bytes_max *= 2;
    let b = Edge::with(&mut kit, setup).await;
    b.bus.send(&room("one"), large.into()).unwrap();
    let registry = kit.registry().clone();
    soon(until(|| {
        let refusals = total(&registry, "weir_bus_refusals_total", "too_large");
        drops(&registry) + refusals > 1.0
    }))
    .await;
    a.hello(&mut kit, "one").await;
}

async fn a_slow_edge_costs_the_others_nothing<K: Kit>(mut kit: K) {
    let mut a = Edge::new(&mut kit, "a").await;
    let mut setup = EdgeSetup::new("slow");
    setup.inbox_bytes_max = 64 << 10;
    let mut slow = Edge::with(&mut kit, setup).await;
    a.join(&mut kit, "one").await;
    slow.join(&mut kit, "one").await;
    let hub = kit.hub().0.clone();
    let message = Bytes::from(vec![b'x'; 4 << 10]);
    for _ in 0..200 {
        hub.publish(&room("one"), message.clone());
        assert_eq!(a.message().await.1.len(), message.len());
    }
    let dropped = || total(&slow.registry, "weir_bus_drops_total", "inbox_full");
    soon(until(|| dropped() > 180.0)).await;
    assert!(total(&slow.registry, "weir_bus_queue_bytes", "inbox") <= f64::from(64 << 10));
    assert_eq!(total(&a.registry, "weir_bus_drops_total", ""), 0.0);
    // What it has is whole, and it goes on.
    let kept = 200 - dropped() as usize;
    for _ in 0..kept {
        assert_eq!(slow.message().await.1.len(), message.len());
    }
    hub.publish(&room("one"), "later".into());
    slow.expect("one", "later").await;
}

async fn a_wrong_token_opens_nothing<K: Kit>(mut kit: K) {
    let mut setup = EdgeSetup::new("thief");
    setup.token = "wrong";
    let (bus, mut inbox) = kit.edge(setup, &Registry::new());
    bus.follow(room("one")).unwrap();
    assert!(timeout(A_WHILE, inbox.recv()).await.is_err());
    assert!(!bus.is_up());
    assert_eq!(bus.send(&room("one"), "x".into()), Err(SendError::Down));
    // Somebody else is served.
    let a = Edge::new(&mut kit, "a").await;
    a.join(&mut kit, "one").await;
}

async fn the_newer_edge_of_a_name_is_reached<K: Kit>(mut kit: K) {
    let first = Edge::new(&mut kit, "a").await;
    first.join(&mut kit, "one").await;
    let mut second = Edge::new(&mut kit, "a").await;
    second.join(&mut kit, "one").await;
    let hub = kit.hub().0.clone();
    hub.send(&room("one"), &"a".parse().unwrap(), "whoever".into());
    second.expect("one", "whoever").await;
}

async fn an_edge_that_is_dropped_leaves<K: Kit>(mut kit: K) {
    let a = Edge::new(&mut kit, "a").await;
    let Edge { bus, inbox, .. } = a;
    drop(inbox);
    soon(until(|| !bus.is_up())).await;
    assert_eq!(bus.send(&room("one"), "x".into()), Err(SendError::Down));
    let (hub, hub_inbox) = kit.hub();
    hub.close();
    assert_eq!(soon(hub_inbox.recv()).await, None);
    assert!(!hub.is_up());
}

async fn values(store: &Store, name: &str) -> Option<String> {
    let value = soon(store.load(&room(name))).await.unwrap()?;
    Some(String::from_utf8(value.to_vec()).unwrap())
}

async fn a_store_keeps_values<K: Kit>(mut kit: K) {
    let store = kit.store();
    assert_eq!(values(&store, "one").await, None);
    assert!(store.list().await.unwrap().is_empty());
    store.remove(&room("one")).await.unwrap();
    store.save(&room("two"), "b".into()).await.unwrap();
    store.save(&room("one"), "a".into()).await.unwrap();
    store.save(&room("One"), "other".into()).await.unwrap();
    store.save(&room("empty"), Bytes::new()).await.unwrap();
    store.save(&room("one"), "a2".into()).await.unwrap();
    assert_eq!(values(&store, "one").await.unwrap(), "a2");
    assert_eq!(values(&store, "empty").await.unwrap(), "");
    let rooms = ["One", "empty", "one", "two"].map(room);
    assert_eq!(store.list().await.unwrap(), rooms);
    store.remove(&room("two")).await.unwrap();
    store.remove(&room("empty")).await.unwrap();
    assert_eq!(values(&store, "two").await, None);

    let large = Bytes::from(vec![0; K::VALUE_BYTES_MAX + 1]);
    let refused = store.save(&room("one"), large).await.unwrap_err();
    assert!(matches!(refused, StoreError::TooLarge { .. }), "{refused}");
    let fits = Bytes::from(vec![b'x'; K::VALUE_BYTES_MAX]);
    store.save(&room("One"), fits.clone()).await.unwrap();

    kit.restart_store().await;
    let store = kit.store();
    assert_eq!(values(&store, "one").await.unwrap(), "a2");
    assert_eq!(values(&store, "One").await.unwrap().len(), fits.len());
    assert_eq!(store.list().await.unwrap(), ["One", "one"].map(room));
}

async fn a_save_that_failed_does_not_overtake_one_of_somebody_else<K: Kit>(mut kit: K) {
    let (store, other) = (kit.store(), kit.store());
    for _ in 0..3 {
        store.save(&room("one"), "a".into()).await.unwrap();
        kit.break_store().await;
        assert!(soon(store.save(&room("one"), "late".into())).await.is_err());
        kit.mend_store().await;
        soon(async { while other.save(&room("one"), "c".into()).await.is_err() {} }).await;
        assert!(values(&store, "one").await.is_some());
        assert_eq!(values(&other, "one").await.unwrap(), "c");
    }
}

async fn racing_writes_leave_one_whole_value<K: Kit>(kit: K) {
    let (left, right) = (kit.store(), kit.store());
    for _ in 0..10 {
        let a = Bytes::from(vec![b'a'; 10_000]);
        let b = Bytes::from(vec![b'b'; 20_000]);
        let name = room("one");
        let (saved, too) = tokio::join!(left.save(&name, a.clone()), right.save(&name, b.clone()));
        saved.unwrap();
        too.unwrap();
        let value = left.load(&name).await.unwrap().unwrap();
        assert!(value == a || value == b);
        // Of one handle: the last call.
        let (saved, too) = tokio::join!(left.save(&name, b.clone()), left.save(&name, a.clone()));
        saved.unwrap();
        too.unwrap();
        assert!(left.load(&name).await.unwrap().unwrap() == a);
    }
}

async fn a_store_that_fails_says_so<K: Kit>(mut kit: K) {
    let store = kit.store();
    store.save(&room("one"), "a".into()).await.unwrap();
    kit.break_store().await;
    assert!(soon(store.save(&room("one"), "b".into())).await.is_err());
    assert!(soon(store.remove(&room("two"))).await.is_err());
    assert!(soon(store.list()).await.is_err());
    kit.mend_store().await;
    // Nobody knows whether the save came before what broke.
    assert!(matches!(
        values(&store, "one").await.unwrap().as_str(),
        "a" | "b"
    ));
    store.save(&room("one"), "c".into()).await.unwrap();
    assert_eq!(values(&store, "one").await.unwrap(), "c");
}

macro_rules! suite {
    ($($test:ident),* $(,)?) => {
        mod embedded {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::$test(<super::EmbeddedKit as super::Kit>::new().await).await;
                }
            )*
        }
        mod nats {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::$test(<super::NatsKit as super::Kit>::new().await).await;
                }
            )*
        }
    };
}

suite!(
    a_link_that_breaks_comes_back,
    a_save_that_failed_does_not_overtake_one_of_somebody_else,
    a_slow_edge_costs_the_others_nothing,
    a_store_keeps_values,
    a_store_that_fails_says_so,
    a_wrong_token_opens_nothing,
    an_edge_that_is_dropped_leaves,
    both_sides_start_while_the_other_is_away,
    each_sender_is_heard_in_order,
    nothing_before_a_follow_and_nothing_after_it_ends,
    oversized_messages_are_refused_by_name,
    publish_reaches_all_followers_and_nobody_else,
    racing_writes_leave_one_whole_value,
    rooms_that_are_followed_are_bounded,
    send_reaches_one,
    the_newer_edge_of_a_name_is_reached,
);
