//! Live and ended: told by broadcasts, which wait for nobody.

use ::channels::{Events, random_id};
use prometheus::IntCounter;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Told, Webhooks};
use crate::clock::unix_ms;

/// What waits to be written; more is lost, and counted.
const HEARD_MAX: usize = 1_024;
/// After a write that failed.
const AGAIN_AFTER: std::time::Duration = std::time::Duration::from_secs(1);

/// Where a broadcast says that it is live. Without webhooks nobody hears it.
#[derive(Clone, Debug, Default)]
pub struct Herald(Option<Mouth>);

#[derive(Clone, Debug)]
struct Mouth {
    heard: mpsc::Sender<(Events, String, u64)>,
    lost: IntCounter,
}

/// What heralds said, to be written down.
pub(in crate::control) type Heard = mpsc::Receiver<(Events, String, u64)>;

/// A herald, and who hears it.
pub(in crate::control) fn herald(lost: IntCounter) -> (Herald, Heard) {
    let (heard, hears) = mpsc::channel(HEARD_MAX);
    (Herald(Some(Mouth { heard, lost })), hears)
}

impl Herald {
    pub(crate) fn live(&self, room: &str) {
        self.say(Events::LIVE, room);
    }

    pub(crate) fn ended(&self, room: &str) {
        self.say(Events::ENDED, room);
    }

    fn say(&self, kind: Events, room: &str) {
        let Some(mouth) = &self.0 else {
            return;
        };
        if mouth
            .heard
            .try_send((kind, room.to_owned(), unix_ms()))
            .is_err()
        {
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
        let Some((kind, room, at_ms)) = said else {
            return;
        };
        while let Ok(id) = random_id("ev-") {
            let told = Told {
                id,
                kind,
                room: room.clone(),
                at_ms,
                data: json!({}),
            };
            let Err(error) = webhooks.tell([told]).await else {
                break;
            };
            tracing::warn!(%error, room, "webhooks cannot be told; trying again");
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
