//! Live and ended: told by broadcasts, which wait for nobody.

use std::time::SystemTime;

use ::channels::{Events, random_id};
use prometheus::IntCounter;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Told, Webhooks};
use crate::clock::{unix_ms, unix_ms_of};

/// What waits to be written; more is lost, and counted.
const HEARD_MAX: usize = 1_024;
/// After a write that failed.
const AGAIN_AFTER: std::time::Duration = std::time::Duration::from_secs(1);

/// Where a broadcast says that it is live. Without webhooks nobody hears it.
#[derive(Clone, Debug, Default)]
pub struct Herald(Option<Mouth>);

#[derive(Clone, Debug)]
struct Mouth {
    heard: mpsc::Sender<Told>,
    lost: IntCounter,
}

/// What heralds said, to be written down.
pub(in crate::control) type Heard = mpsc::Receiver<Told>;

/// A herald, and who hears it.
pub(in crate::control) fn herald(lost: IntCounter) -> (Herald, Heard) {
    let (heard, hears) = mpsc::channel(HEARD_MAX);
    (Herald(Some(Mouth { heard, lost })), hears)
}

impl Herald {
    /// A broadcast began; when it did, tells it from others.
    pub(crate) fn live(&self, room: &str, started: SystemTime) {
        self.say(Events::LIVE, room, started);
    }

    /// The broadcast that began then is over.
    pub(crate) fn ended(&self, room: &str, started: SystemTime) {
        self.say(Events::ENDED, room, started);
    }

    fn say(&self, kind: Events, room: &str, started: SystemTime) {
        let Some(mouth) = &self.0 else {
            return;
        };
        // The id is made here, once: a write whose end nobody heard of is tried again, and must not be
        // another event then.
        let said = random_id("ev-").is_ok_and(|id| {
            let told = Told {
                id,
                kind,
                room: room.to_owned(),
                at_ms: unix_ms(),
                data: json!({ "started_at_ms": unix_ms_of(started) }),
                sender: None,
            };
            mouth.heard.try_send(told).is_ok()
        });
        if !said {
            mouth.lost.inc();
            tracing::warn!(room, "webhooks are not told: too much is waiting");
        }
    }
}

/// Writes down what heralds say, until it is told to stop and nothing more was said.
pub(in crate::control) async fn write(
    webhooks: Webhooks,
    mut heard: Heard,
    stop: CancellationToken,
) {
    loop {
        let said = tokio::select! {
            biased;
            said = heard.recv() => said,
            () = stop.cancelled() => None,
        };
        let Some(told) = said else {
            return;
        };
        while let Err(error) = webhooks.tell([told.clone()]).await {
            tracing::warn!(%error, room = told.room, "webhooks cannot be told; trying again");
            tokio::select! {
                () = tokio::time::sleep(AGAIN_AFTER) => {}
                () = stop.cancelled() => {
                    webhooks.metrics.lost.inc();
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use channels::{Channels, DatabaseConfig, NewWebhook, SigningSecret};
    use settings::KeyPath;
    use telemetry::Registry;

    use super::*;
    use crate::control::webhooks::Metrics;

    /// Webhooks with one that hears everything, and their store.
    async fn webhooks(directory: &std::path::Path) -> (Webhooks, Channels) {
        let config = DatabaseConfig {
            path: directory.join("rooms.db"),
            ..DatabaseConfig::default()
        };
        let settings = config.resolve(&KeyPath::new("control")).unwrap();
        let store = Channels::open(settings).await.unwrap();
        let events = Events::parse(["live", "ended"]).unwrap();
        let url = "https://example.org/".to_owned();
        let new = NewWebhook::new(url, events, None, SigningSecret::random().unwrap());
        store.create_webhook(new.unwrap(), 0).await.unwrap();
        let metrics = Metrics::new(&Registry::new()).unwrap();
        (Webhooks::new(store.clone(), metrics, false), store)
    }

    #[tokio::test]
    async fn what_is_written_again_is_the_same_event() {
        let directory = tempfile::tempdir().unwrap();
        let (webhooks, store) = webhooks(directory.path()).await;
        let (herald, mut heard) = herald(webhooks.metrics.lost.clone());
        herald.live("demo", SystemTime::UNIX_EPOCH);
        let told = heard.recv().await.unwrap();
        // It was committed, and nobody heard of it.
        webhooks.tell([told.clone()]).await.unwrap();
        let (again, heard) = mpsc::channel(1);
        again.send(told).await.unwrap();
        drop(again);
        write(webhooks, heard, CancellationToken::new()).await;
        assert_eq!(store.queue().await.unwrap().waiting, 1);
        store.close().await;
    }
}
