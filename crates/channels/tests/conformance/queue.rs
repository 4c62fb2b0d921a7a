//! Webhooks, and what they are still to hear.

use channels::limits::{LEASE_MS, WEBHOOKS_MAX};
use channels::{
    Channels, Delivery, Enqueued, Error, Event, Events, NewRoom, NewWebhook, SigningSecret,
};

use crate::{Kit, NOW, open};

async fn webhook(channels: &Channels, events: &[&str], room: Option<&str>) -> String {
    let events = Events::parse(events.iter().copied()).unwrap();
    let url = "https://example.org/hook".to_owned();
    let room = room.map(str::to_owned);
    let secret = SigningSecret::random().unwrap();
    let new = NewWebhook::new(url, events, room, secret).unwrap();
    channels.create_webhook(new, NOW).await.unwrap().id
}

fn event(id: &str, kind: Events, room: &str) -> Event {
    Event {
        id: id.to_owned(),
        kind,
        room: room.to_owned(),
        at_ms: NOW,
        body: format!("{{\"id\":\"{id}\"}}"),
        sender: None,
    }
}

async fn due(channels: &Channels, now_ms: u64) -> Vec<Delivery> {
    channels.due(now_ms, usize::MAX).await.unwrap()
}

pub(crate) async fn only_who_wants_to_hears<K: Kit>(kit: K) {
    let channels = open(&kit).await;
    webhook(&channels, &["live", "ended"], None).await;
    webhook(&channels, &["live"], Some("a")).await;
    webhook(&channels, &["gift"], Some("b")).await;
    for (kind, room, hears) in [
        (Events::LIVE, "a", 2),
        (Events::LIVE, "b", 1),
        (Events::ENDED, "a", 1),
        (Events::GIFT, "a", 0),
        (Events::GIFT, "b", 1),
    ] {
        let id = format!("{kind:?} {room}");
        let queued = channels.enqueue(event(&id, kind, room), NOW).await.unwrap();
        assert_eq!(queued.waiting, hears, "{id}");
    }
    assert_eq!(channels.queue().await.unwrap().waiting, 5);
    let first = due(&channels, NOW).await;
    assert!(first[0].body.starts_with("{\"id\":"));
    assert!(first[0].secret.expose().starts_with("whsec_"));
}

pub(crate) async fn an_endpoint_hears_in_order_and_others_do_not_wait<K: Kit>(kit: K) {
    let channels = open(&kit).await;
    let slow = webhook(&channels, &["live", "ended"], None).await;
    webhook(&channels, &["live", "ended"], None).await;
    for id in ["1", "2"] {
        let queued = channels.enqueue(event(id, Events::LIVE, "a"), NOW).await;
        queued.unwrap();
    }
    let first = due(&channels, NOW).await;
    assert_eq!(first.len(), 2, "one of each");
    assert!(
        due(&channels, NOW + LEASE_MS - 1).await.is_empty(),
        "nobody else's"
    );
    for delivery in first {
        if delivery.webhook == slow {
            channels.failed(delivery.seq, NOW + 1_000).await.unwrap();
        } else {
            channels.delivered(delivery.seq).await.unwrap();
        }
    }
    let second = due(&channels, NOW + 1).await;
    assert_eq!(second.len(), 1, "the slow one's first is not due");
    assert_eq!(
        (second[0].body.as_str(), second[0].attempts),
        ("{\"id\":\"2\"}", 0)
    );
    let again = due(&channels, NOW + 1_000).await;
    assert_eq!(
        (again[0].body.as_str(), again[0].attempts),
        ("{\"id\":\"1\"}", 1)
    );
    channels.reclaim(NOW + 1_001).await.unwrap();
    let again = due(&channels, NOW + 1_001).await;
    assert_eq!(again.len(), 2, "what was taken is with nobody");
    // Whoever had taken it died.
    let again = due(&channels, NOW + 1_001 + LEASE_MS).await;
    assert_eq!(again.len(), 2);
}

pub(crate) async fn the_same_event_is_queued_once<K: Kit>(kit: K) {
    let channels = open(&kit).await;
    webhook(&channels, &["gift"], None).await;
    for hears in [1, 0] {
        let queued = channels.enqueue(event("g", Events::GIFT, "a"), NOW).await;
        assert_eq!(queued.unwrap().waiting, hears);
    }
    channels.close().await;
    let channels = open(&kit).await;
    let first = due(&channels, NOW).await;
    assert_eq!(first.len(), 1, "it is on the disk");
    channels.delivered(first[0].seq).await.unwrap();
    assert_eq!(channels.queue().await.unwrap().waiting, 0);
}

pub(crate) async fn the_oldest_is_dropped<K: Kit>(kit: K) {
    let channels = open(&kit).await;
    webhook(&channels, &["live"], None).await;
    for id in 0..5 {
        let event = event(&id.to_string(), Events::LIVE, "a");
        let queued = channels.enqueue_bounded(vec![event], NOW, 3).await.unwrap();
        let dropped = u64::from(id >= 3);
        assert_eq!(
            queued,
            Enqueued {
                waiting: 1,
                dropped
            }
        );
    }
    let queue = channels.queue().await.unwrap();
    assert_eq!((queue.waiting, queue.dropped), (3, 2));
    assert_eq!(due(&channels, NOW).await[0].body, "{\"id\":\"2\"}");
}

pub(crate) async fn a_webhook_that_goes_takes_its_queue<K: Kit>(kit: K) {
    let channels = open(&kit).await;
    let id = webhook(&channels, &["live"], None).await;
    channels
        .enqueue(event("1", Events::LIVE, "a"), NOW)
        .await
        .unwrap();
    channels.delete_webhook(&id).await.unwrap();
    assert_eq!(
        channels.delete_webhook(&id).await,
        Err(Error::UnknownWebhook)
    );
    assert_eq!(channels.queue().await.unwrap().waiting, 0);
    assert!(due(&channels, NOW).await.is_empty());
    channels.sweep().await.unwrap();
    for _ in 0..WEBHOOKS_MAX {
        webhook(&channels, &["live"], None).await;
    }
    let events = Events::LIVE;
    let secret = SigningSecret::random().unwrap();
    let new = NewWebhook::new("https://a.example".to_owned(), events, None, secret).unwrap();
    assert_eq!(
        channels.create_webhook(new, NOW).await,
        Err(Error::TooManyWebhooks)
    );
    assert_eq!(
        channels.webhooks().await.unwrap().len() as u64,
        WEBHOOKS_MAX
    );
}

pub(crate) async fn who_is_erased_is_told_of_no_more<K: Kit>(kit: K) {
    let channels = open(&kit).await;
    let owned = |name: &str, owner: &str| {
        NewRoom::new(name.to_owned(), String::new(), Some(owner.to_owned())).unwrap()
    };
    for (name, owner) in [("a", "u-ana"), ("b", "u-ben")] {
        let made = channels.create_room(owned(name, owner), NOW).await;
        made.unwrap();
    }
    for _ in 0..2 {
        webhook(&channels, &["gift"], None).await;
    }
    for (id, sender) in [("1", Some("u-ana")), ("2", Some("u-ben")), ("3", None)] {
        let told = Event {
            sender: sender.map(str::to_owned),
            ..event(id, Events::GIFT, "a")
        };
        channels.enqueue(told, NOW).await.unwrap();
    }
    let version = channels.version().await.unwrap();
    for _ in 0..2 {
        channels.forget("u-ana").await.unwrap();
        assert_eq!(channels.queue().await.unwrap().waiting, 4);
    }
    assert!(channels.version().await.unwrap() > version, "others look");
    let first = due(&channels, NOW).await;
    assert!(
        first.iter().all(|it| it.body.contains("\"2\"")),
        "{first:?}"
    );
    let owner = async |name| channels.room(name).await.unwrap().owner;
    assert_eq!(owner("a").await, None);
    assert_eq!(owner("b").await.as_deref(), Some("u-ben"));
}
