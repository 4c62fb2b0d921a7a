//! Tells rooms what was paid, in order and at least once; a gift's id lets a screen show it once.
//!
//! What is told is removed from the outbox afterwards, so that a crash in between tells it again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ::gifts::Announcement;
use bus::RoomName;
use gift_records::Applied;
use ledger::{Queued, Store as _};
use rooms::schema::{Body, Publish};
use tokio_util::sync::CancellationToken;

use super::boards::notice;
use super::records::applied;
use crate::control::Desk;
use crate::rooms::NotPublished;

/// Messages that are read at once.
const BATCH: usize = 256;
/// Without a word that there is something, it is looked for this often: another origin may have paid.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After something failed.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// Messages of rooms that cannot be told now. Beyond it, everybody waits.
const WAITING_MAX: usize = 4_096;

/// What was read and is not told yet, by room, in order.
#[derive(Debug, Default)]
struct Waiting {
    rooms: BTreeMap<RoomName, Vec<(u64, Publish)>>,
    /// For the records, which take all of them before anybody is told.
    unrecorded: Vec<(u64, Applied)>,
    /// The last that was read.
    read: u64,
}

impl Waiting {
    fn len(&self) -> usize {
        self.rooms.values().map(Vec::len).sum()
    }

    /// Everything up to there was told.
    fn done(&self) -> u64 {
        let firsts = self.rooms.values().filter_map(|queue| queue.first());
        firsts
            .map(|(seq, _)| seq.saturating_sub(1))
            .min()
            .unwrap_or(self.read)
    }

    fn take_in(&mut self, desk: &Desk, messages: Vec<Queued>) {
        for message in messages {
            self.read = self.read.max(message.seq);
            match understood(&message) {
                Some((room, publish, applied)) => {
                    self.unrecorded.push((message.seq, applied));
                    self.rooms
                        .entry(room)
                        .or_default()
                        .push((message.seq, publish));
                }
                None => {
                    // Nobody would understand it later either.
                    desk.metrics
                        .announcements
                        .with_label_values(&["unreadable"])
                        .inc();
                    tracing::error!(
                        seq = message.seq,
                        "the outbox holds what is no announcement"
                    );
                }
            }
        }
    }
}

/// Runs until it is told to stop.
pub(in crate::control) async fn dispatch(desk: Desk, stop: CancellationToken) {
    let mut waiting = Waiting::default();
    let mut done = 0;
    loop {
        let went_well = turn(&desk, &mut waiting, &mut done).await;
        desk.metrics
            .announcements_waiting
            .set(i64::try_from(waiting.len()).unwrap_or(i64::MAX));
        let rest = async {
            match went_well {
                // There may be more.
                Ok(true) => {}
                Ok(false) => {
                    let told = desk.announced.notified();
                    drop(tokio::time::timeout(LOOK_EVERY, told).await);
                }
                Err(()) => tokio::time::sleep(AGAIN_AFTER).await,
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = rest => {}
        }
    }
}

/// Reads, tells, and removes what was told. Whether there may be more right now.
async fn turn(desk: &Desk, waiting: &mut Waiting, done: &mut u64) -> Result<bool, ()> {
    let mut is_full = false;
    if waiting.len() < WAITING_MAX {
        let read = desk.ledger.outbox_after(waiting.read, BATCH).await;
        let messages = read.map_err(|error| {
            desk.metrics
                .announcements
                .with_label_values(&["unread"])
                .inc();
            tracing::warn!(%error, "the outbox cannot be read; trying again");
        })?;
        is_full = messages.len() == BATCH;
        waiting.take_in(desk, messages);
    }
    if !waiting.unrecorded.is_empty() {
        let applied = desk.records.apply_all(waiting.unrecorded.clone()).await;
        let outcome = applied.map_err(|error| {
            desk.metrics
                .announcements
                .with_label_values(&["unrecorded"])
                .inc();
            tracing::warn!(%error, "gifts cannot be recorded; trying again");
        })?;
        waiting.unrecorded.clear();
        let is_told = tell(desk, waiting).await;
        // After the gifts that reached them.
        desk.tell_reached(outcome.reached).await;
        return finish(desk, waiting, done, is_told, is_full).await;
    }
    let is_told = tell(desk, waiting).await;
    finish(desk, waiting, done, is_told, is_full).await
}

/// Removes from the outbox what was told.
async fn finish(
    desk: &Desk,
    waiting: &Waiting,
    done: &mut u64,
    is_told: bool,
    is_full: bool,
) -> Result<bool, ()> {
    let told = waiting.done();
    if told > *done {
        let removed = desk.ledger.outbox_done(told).await;
        removed.map_err(|error| {
            tracing::warn!(%error, "the outbox cannot be written; what was told is told again after a restart");
        })?;
        *done = told;
    }
    if is_told { Ok(is_full) } else { Err(()) }
}

/// Tells all rooms at once, each in order. Whether all were told.
async fn tell(desk: &Desk, waiting: &mut Waiting) -> bool {
    let rooms = std::mem::take(&mut waiting.rooms);
    let telling = rooms.into_iter().map(|(room, queue)| async move {
        let publishes = queue.iter().map(|(_, publish)| publish.clone()).collect();
        let told = desk.rooms.publish(&room, publishes).await;
        (room, queue, told)
    });
    let mut is_told = true;
    for (room, mut queue, told) in futures::future::join_all(telling).await {
        let (count, outcome) = match told {
            Ok(()) => (queue.len(), "told"),
            // The money has moved; that the room is gone changes nothing of it.
            Err(NotPublished::NoRoom) => (queue.len(), "no-room"),
            Err(NotPublished::Busy { told }) => {
                is_told = false;
                (told, "told")
            }
        };
        let counted = u64::try_from(count).unwrap_or(u64::MAX);
        desk.metrics
            .announcements
            .with_label_values(&[outcome])
            .inc_by(counted);
        queue.drain(..count.min(queue.len()));
        if !queue.is_empty() {
            waiting.rooms.insert(room, queue);
        }
    }
    is_told
}

fn understood(message: &Queued) -> Option<(RoomName, Publish, Applied)> {
    let announcement: Announcement = serde_json::from_slice(&message.payload).ok()?;
    let applied = applied(&announcement, message.batch);
    let (room, publish) = match announcement {
        Announcement::Given {
            gift,
            room,
            media_ms,
            ..
        } => (
            room,
            Publish {
                author: gift.sender.id.clone(),
                client_id: gift.id.clone(),
                media_ms,
                body: Body::Gift(*gift),
            },
        ),
        Announcement::Refunded { id, room, .. } => (room, refunded(&id)),
    };
    Some((RoomName::new(&room).ok()?, publish, applied))
}

fn refunded(gift: &str) -> Publish {
    let payload = serde_json::json!({ "id": gift });
    notice("gift_refunded", &format!("refund.{gift}"), &payload)
}

/// What tells that there is something in the outbox.
pub(in crate::control) type Announced = Arc<tokio::sync::Notify>;
