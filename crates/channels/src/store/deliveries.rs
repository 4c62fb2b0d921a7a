//! The queue: what webhooks are still to hear.
//!
//! Of each webhook only the oldest delivery is ever tried, so that it hears things in order.

use database::{Row, Value};

use super::{Channels, Head, count, head};
use crate::error::Error;
use crate::key::SigningSecret;
use crate::limits::{DELIVERIES_MAX, LEASE_MS, WEBHOOKS_MAX};
use crate::model::{Delivery, Enqueued, Event, Queue};

/// The bit of the event has to be among the webhook's; both databases know `&`.
const INSERT: &str = "INSERT INTO channels_deliveries (webhook, event, body, at_ms, attempts, next_ms, \
    sender) SELECT id, $1, $2, $3, 0, $4, $7 FROM channels_webhooks \
    WHERE (events & $5) <> 0 AND (room IS NULL OR room = $6) ORDER BY id \
    ON CONFLICT (webhook, event) DO NOTHING";
const DROP: &str = "DELETE FROM channels_deliveries WHERE seq IN \
    (SELECT seq FROM channels_deliveries ORDER BY seq LIMIT $1)";
const COUNTED: &str = "UPDATE channels_head SET waiting = $1, dropped = $2";
const DUE: &str = "SELECT d.seq, d.webhook, w.url, w.secret, d.body, d.at_ms, d.attempts \
    FROM channels_webhooks w JOIN channels_deliveries d ON d.seq = \
    (SELECT min(o.seq) FROM channels_deliveries o WHERE o.webhook = w.id) \
    WHERE d.next_ms <= $1 ORDER BY d.seq LIMIT $2 FOR UPDATE";
const LEASE: &str = "UPDATE channels_deliveries SET next_ms = $2 WHERE seq = $1";
const DONE: &str = "DELETE FROM channels_deliveries WHERE seq = $1";
const AGAIN: &str = "UPDATE channels_deliveries SET attempts = attempts + 1, next_ms = $2 \
    WHERE seq = $1";
const RECLAIM: &str = "UPDATE channels_deliveries SET next_ms = $1 WHERE next_ms > $1";
const ORPHANS: &str = "DELETE FROM channels_deliveries \
    WHERE webhook NOT IN (SELECT id FROM channels_webhooks)";
const COUNT: &str = "SELECT count(*) FROM channels_deliveries";
const QUEUE: &str = "SELECT waiting, dropped FROM channels_head";

impl Channels {
    /// Queues an event for the webhooks that want to hear of it. The same event again is the same, as
    /// long as it waits.
    ///
    /// # Errors
    /// The store's.
    pub async fn enqueue(&self, event: Event, now_ms: u64) -> Result<Enqueued, Error> {
        self.enqueue_all(vec![event], now_ms).await
    }

    /// The same with several, in order, in one transaction.
    ///
    /// # Errors
    /// The store's.
    pub async fn enqueue_all(&self, events: Vec<Event>, now_ms: u64) -> Result<Enqueued, Error> {
        self.enqueue_bounded(events, now_ms, DELIVERIES_MAX).await
    }

    /// The bound is an argument for tests alone.
    #[doc(hidden)]
    pub async fn enqueue_bounded(
        &self,
        events: Vec<Event>,
        now_ms: u64,
        max: u64,
    ) -> Result<Enqueued, Error> {
        self.run((events, now_ms, max), |tx, (events, now_ms, max)| {
            Box::pin(async move {
                let Head { waiting, dropped } = head(tx).await?;
                let mut new = 0;
                for event in events {
                    let values = [
                        event.id.as_str().into(),
                        event.body.as_str().into(),
                        event.at_ms.into(),
                        (*now_ms).into(),
                        event.kind.bits().into(),
                        event.room.as_str().into(),
                        event.sender.as_deref().into(),
                    ];
                    new += tx.execute(INSERT, &values).await?;
                }
                if new == 0 {
                    return Ok(Enqueued::default());
                }
                let beyond = (waiting + new).saturating_sub(*max);
                let gone = match beyond {
                    0 => 0,
                    beyond => tx.execute(DROP, &[beyond.into()]).await?,
                };
                let waiting = (waiting + new).saturating_sub(gone);
                let counted = [waiting.into(), (dropped + gone).into()];
                tx.execute(COUNTED, &counted).await?;
                Ok(Enqueued {
                    waiting: new,
                    dropped: gone,
                })
            })
        })
        .await
    }

    /// The oldest delivery of each webhook, if its time has come; of so many webhooks. Each is nobody else's for
    /// [`LEASE_MS`].
    ///
    /// # Errors
    /// The store's.
    pub async fn due(&self, now_ms: u64, limit: usize) -> Result<Vec<Delivery>, Error> {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX).min(WEBHOOKS_MAX);
        self.run((now_ms, limit), |tx, (now_ms, limit)| {
            Box::pin(async move {
                let rows = tx.query(DUE, &[(*now_ms).into(), (*limit).into()]).await?;
                let due: Result<Vec<Delivery>, Error> = rows.iter().map(read).collect();
                let due = due?;
                for delivery in &due {
                    let until = now_ms.saturating_add(LEASE_MS);
                    tx.execute(LEASE, &[delivery.seq.into(), until.into()])
                        .await?;
                }
                Ok(due)
            })
        })
        .await
    }

    /// A delivery is done with: it was taken, or is given up.
    ///
    /// # Errors
    /// The store's.
    pub async fn delivered(&self, seq: u64) -> Result<(), Error> {
        self.run(seq, |tx, seq| {
            Box::pin(async move {
                let head = head(tx).await?;
                let gone = tx.execute(DONE, &[(*seq).into()]).await?;
                let waiting = head.waiting.saturating_sub(gone);
                tx.execute(COUNTED, &[waiting.into(), head.dropped.into()])
                    .await?;
                Ok(())
            })
        })
        .await
    }

    /// A delivery failed, and is tried again at a time.
    ///
    /// # Errors
    /// The store's.
    pub async fn failed(&self, seq: u64, next_ms: u64) -> Result<(), Error> {
        self.run((seq, next_ms), |tx, (seq, next_ms)| {
            Box::pin(async move {
                tx.execute(AGAIN, &[(*seq).into(), (*next_ms).into()])
                    .await?;
                Ok(())
            })
        })
        .await
    }

    /// Whatever waits is due, also what was taken and is with nobody: for the only process that
    /// delivers, when it begins.
    ///
    /// # Errors
    /// The store's.
    pub async fn reclaim(&self, now_ms: u64) -> Result<(), Error> {
        self.run(now_ms, |tx, now_ms| {
            Box::pin(async move {
                tx.execute(RECLAIM, &[(*now_ms).into()]).await?;
                Ok(())
            })
        })
        .await
    }

    /// How much waits.
    ///
    /// # Errors
    /// The store's.
    pub async fn queue(&self) -> Result<Queue, Error> {
        self.run((), |tx, ()| {
            Box::pin(async move {
                let rows = tx.query(QUEUE, &[]).await?;
                let row = super::first(&rows)?;
                Ok(Queue {
                    waiting: row.number(0)?,
                    dropped: row.number(1)?,
                })
            })
        })
        .await
    }

    /// Removes what webhooks were to hear that were deleted meanwhile, and counts anew.
    ///
    /// # Errors
    /// The store's.
    pub async fn sweep(&self) -> Result<(), Error> {
        self.run((), |tx, ()| {
            Box::pin(async move {
                let head = head(tx).await?;
                tx.execute(ORPHANS, &[]).await?;
                let waiting = count(tx, COUNT, &[]).await?;
                let counted: [Value; 2] = [waiting.into(), head.dropped.into()];
                tx.execute(COUNTED, &counted).await?;
                Ok(())
            })
        })
        .await
    }
}

fn read(row: &Row) -> Result<Delivery, Error> {
    Ok(Delivery {
        seq: row.number(0)?,
        webhook: row.text(1)?.to_owned(),
        url: row.text(2)?.to_owned(),
        secret: SigningSecret::stored(row.text(3)?),
        body: row.text(4)?.to_owned(),
        at_ms: row.number(5)?,
        attempts: row.number(6)?,
    })
}
