//! Delivers what is queued: signed, in order for each endpoint, again and again for a day.

use std::sync::Arc;
use std::time::Duration;

use ::channels::limits::{DELIVER_WITHIN_MS, LEASE_MS};
use ::channels::{Delivery, Error, backoff_ms};
use http::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use ring::hmac;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Webhooks;
use super::address::{Public, check};
use crate::clock::unix_ms;

/// Deliveries at a time, of different endpoints.
const AT_ONCE_MAX: usize = 16;
/// For a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// For an attempt, the answer included.
const ATTEMPT_WITHIN: Duration = Duration::from_secs(10);
/// Of an answer so much is read, for the connection's sake; what it says is nobody's concern.
const ANSWER_BYTES_MAX: usize = 4 << 10;
/// The queue is looked at this often, if nothing was queued.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// After a failure of the store.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How often it is looked for what belongs to nobody.
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);

const _: () = assert!(
    LEASE_MS > 2 * 10_000,
    "an attempt ends before another origin takes over"
);

/// Why nothing can be delivered.
#[derive(Debug, thiserror::Error)]
#[error("control.webhooks: {0}")]
pub struct WorkerError(#[from] reqwest::Error);

/// Who delivers.
#[derive(Clone, Debug)]
pub(in crate::control) struct Worker {
    webhooks: Webhooks,
    client: reqwest::Client,
    places: Arc<Semaphore>,
}

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
enum AttemptError {
    #[error(transparent)]
    Address(#[from] super::address::AddressError),
    #[error("the endpoint answered {0}")]
    Answer(u16),
    #[error("{}", causes(.0))]
    Http(#[from] reqwest::Error),
}

impl Worker {
    /// Makes a client. A process without a TLS provider gets ring.
    pub(in crate::control) fn new(webhooks: Webhooks) -> Result<Self, WorkerError> {
        // reqwest panics without one, even for http. Another thread may install it meanwhile.
        transport::tls::install_crypto_provider();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("weir/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_WITHIN)
            .timeout(ATTEMPT_WITHIN)
            .redirect(Policy::none())
            .no_proxy();
        if !webhooks.allow_private {
            builder = builder.dns_resolver(Public);
        }
        Ok(Self {
            client: builder.build()?,
            places: Arc::new(Semaphore::new(AT_ONCE_MAX)),
            webhooks,
        })
    }

    /// Runs until it is told to stop. What is being tried then is tried again later.
    pub(in crate::control) async fn run(self, is_alone: bool, stop: CancellationToken) {
        if is_alone && let Err(error) = self.webhooks.store.reclaim(unix_ms()).await {
            tracing::warn!(%error, "deliveries wait for a minute");
        }
        let attempts = TaskTracker::new();
        let mut sweep = tokio::time::interval(SWEEP_EVERY);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let pause = match self.begin(&attempts, &stop).await {
                Ok(()) => LOOK_EVERY,
                Err(error) => {
                    tracing::warn!(%error, "webhooks cannot be read; trying again");
                    AGAIN_AFTER
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.webhooks.queued.notified() => {}
                () = tokio::time::sleep(pause) => {}
                _ = sweep.tick() => {
                    if let Err(error) = self.webhooks.store.sweep().await {
                        tracing::warn!(%error, "webhooks' queue cannot be swept; trying again");
                    }
                }
            }
        }
        attempts.close();
        attempts.wait().await;
    }

    /// Begins as many deliveries as there are places for.
    async fn begin(&self, attempts: &TaskTracker, stop: &CancellationToken) -> Result<(), Error> {
        let queue = self.webhooks.store.queue().await?;
        let waiting = i64::try_from(queue.waiting).unwrap_or(i64::MAX);
        self.webhooks.metrics.waiting.set(waiting);
        let free = self.places.available_permits();
        if queue.waiting == 0 || free == 0 {
            return Ok(());
        }
        for delivery in self.webhooks.store.due(unix_ms(), free).await? {
            let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
                // Nobody else takes places: the rest comes when its lease is over.
                break;
            };
            let (worker, stop) = (self.clone(), stop.clone());
            attempts.spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = worker.deliver(delivery) => {}
                }
                drop(place);
            });
        }
        Ok(())
    }

    /// Tries once, and writes down what became of it.
    async fn deliver(&self, delivery: Delivery) {
        let tried = self.attempt(&delivery).await;
        let (store, now) = (&self.webhooks.store, unix_ms());
        let (outcome, written) = match &tried {
            Ok(()) => ("delivered", store.delivered(delivery.seq).await),
            Err(_) if now.saturating_sub(delivery.at_ms) >= DELIVER_WITHIN_MS => {
                ("given-up", store.delivered(delivery.seq).await)
            }
            Err(_) => {
                let pause = backoff_ms(delivery.attempts + 1, rand::random());
                ("failed", store.failed(delivery.seq, now + pause).await)
            }
        };
        let webhook = &delivery.webhook;
        if let Err(error) = tried {
            let attempts = delivery.attempts + 1;
            tracing::info!(webhook, attempts, %error, outcome, "a webhook was not told");
        }
        let attempts = &self.webhooks.metrics.attempts;
        attempts.with_label_values(&[outcome]).inc();
        match written {
            // The endpoint's next one.
            Ok(()) => self.webhooks.queued.notify_one(),
            Err(error) => {
                tracing::warn!(webhook, %error, "a delivery is made again: it cannot be noted");
            }
        }
    }

    async fn attempt(&self, delivery: &Delivery) -> Result<(), AttemptError> {
        let url = check(&delivery.url, self.webhooks.allow_private)?;
        let signature = signature(delivery.secret.expose(), unix_ms() / 1_000, &delivery.body);
        let request = self
            .client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header("weir-signature", signature)
            .body(delivery.body.clone());
        let mut answer = request.send().await.map_err(without_url)?;
        let status = answer.status();
        let mut read = 0;
        while read < ANSWER_BYTES_MAX
            && let Ok(Some(bytes)) = answer.chunk().await
        {
            read += bytes.len();
        }
        if !status.is_success() {
            return Err(AttemptError::Answer(status.as_u16()));
        }
        Ok(())
    }
}

/// reqwest's own text leaves out what went wrong.
fn causes(error: &reqwest::Error) -> String {
    use std::error::Error as _;
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// A URL may hold what is not for the log.
fn without_url(error: reqwest::Error) -> reqwest::Error {
    error.without_url()
}

/// `t=SECONDS,v1=HEX`: over the time and the body, so that an old delivery cannot be shown as a new one.
fn signature(secret: &str, seconds: u64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{seconds}.{body}").as_bytes());
    let hex: String = tag
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("t={seconds},v1={hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_over_time_and_body() {
        let made = signature("key", 7, "{}");
        // printf '7.{}' | openssl dgst -sha256 -hmac key
        let by_openssl = "77bc83bd1f40422311e47918b203449aecf84b02c1568bb1b570ac2a474cc2d8";
        assert_eq!(made, format!("t=7,v1={by_openssl}"));
        assert_ne!(signature("key", 8, "{}"), made);
        assert_ne!(signature("kez", 7, "{}"), made);
    }
}
