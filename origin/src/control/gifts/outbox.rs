//! Tells rooms what was paid, in order and at least once; a gift's id lets a screen show it once.
//!
//! What is told is removed from the outbox some time afterwards, so that a crash in between tells it
//! again: what a hub accepted is on its way to edges for a moment.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::gifts::Announcement;
use bus::RoomName;
use gift_records::{Applied, Period, Reached};
use ledger::{Queued, Store as _};
use rooms::schema::{Body, Publish, Score};
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

/// So long after a room was told, what it was told is still in the outbox: it is on its way from the hub to
/// edges, which may have to find the hub again first, and a crash would lose it. A screen that is told again
/// shows it once.
const TOLD_FOR: Duration = Duration::from_secs(10);
/// Places of a leaderboard that a room's hub is given anew.
const SCORES: usize = 100;

/// What was read and is not done with.
#[derive(Debug, Default)]
struct Waiting {
    /// Not told yet, by room, in order.
    rooms: BTreeMap<RoomName, Vec<(u64, Publish)>>,
    /// Not in the records yet.
    unrecorded: Vec<(u64, Applied)>,
    /// Not in the queue of webhooks yet.
    unhooked: Vec<(u64, Announcement)>,
    /// Rooms whose hub may have counted something twice, or has something to take away.
    uncounted: BTreeSet<RoomName>,
    /// The last that was read.
    read: u64,
    /// The last that was in the records when this process began: up to there everything is a repetition.
    repeated: u64,
    /// When everything up to a number was told.
    told: VecDeque<(Instant, u64)>,
    /// The last that was removed from the outbox.
    removed: u64,
}

impl Waiting {
    fn len(&self) -> usize {
        self.rooms.values().map(Vec::len).sum()
    }

    /// Everything up to there was told, and is in the records and the queue of webhooks.
    fn done(&self) -> u64 {
        let queues = self.rooms.values().filter_map(|queue| queue.first());
        let untold = queues.map(|(seq, _)| *seq).min();
        let unrecorded = self.unrecorded.first().map(|(seq, _)| *seq);
        let unhooked = self.unhooked.first().map(|(seq, _)| *seq);
        let first = [untold, unrecorded, unhooked].into_iter().flatten().min();
        first.map_or(self.read, |seq| seq.saturating_sub(1))
    }

    /// Notes what is done by now; up to where everything was done long enough ago.
    fn removable(&mut self, now: Instant) -> Option<u64> {
        let done = self.done();
        let noted = self.told.back().map_or(self.removed, |(_, seq)| *seq);
        if done > noted {
            self.told.push_back((now, done));
        }
        let mut removable = None;
        while let Some((at, seq)) = self.told.front()
            && now.duration_since(*at) >= TOLD_FOR
        {
            removable = Some(*seq);
            self.told.pop_front();
        }
        removable
    }

    fn take_in(&mut self, desk: &Desk, messages: Vec<Queued>) {
        for message in messages {
            self.read = self.read.max(message.seq);
            let Some((room, publish, applied, announcement)) = understood(&message) else {
                // Nobody would understand it later either.
                desk.metrics
                    .announcements
                    .with_label_values(&["unreadable"])
                    .inc();
                tracing::error!(
                    seq = message.seq,
                    "the outbox holds what is no announcement"
                );
                continue;
            };
            if message.seq <= self.repeated || matches!(applied, Applied::Refunded { .. }) {
                self.uncounted.insert(room.clone());
            }
            self.unrecorded.push((message.seq, applied));
            self.unhooked.push((message.seq, announcement));
            let queue = self.rooms.entry(room).or_default();
            queue.push((message.seq, publish));
        }
    }
}

/// Runs until it is told to stop.
pub(in crate::control) async fn dispatch(desk: Desk, stop: CancellationToken) {
    let mut waiting = Waiting::default();
    let mut knows_repeated = false;
    loop {
        if !knows_repeated && let Ok(cursor) = desk.records.cursor().await {
            waiting.repeated = cursor;
            knows_repeated = true;
        }
        let went_well = if knows_repeated {
            turn(&desk, &mut waiting).await
        } else {
            Err(())
        };
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

/// Reads, tells and records, and removes what is done with. Whether there may be more right now.
async fn turn(desk: &Desk, waiting: &mut Waiting) -> Result<bool, ()> {
    let mut is_full = false;
    let untold = waiting.unrecorded.len().max(waiting.unhooked.len());
    if waiting.len() < WAITING_MAX && untold < WAITING_MAX {
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
    let unrecorded = waiting.unrecorded.clone();
    let unhooked = waiting.unhooked.clone();
    // Beside each other: no screen waits for a disk a second time.
    let (is_told, reached, is_hooked) = tokio::join!(
        tell(desk, waiting),
        record(desk, unrecorded),
        hook(desk, unhooked)
    );
    if is_hooked {
        waiting.unhooked.clear();
    }
    let is_recorded = reached.is_some();
    if let Some(reached) = reached {
        waiting.unrecorded.clear();
        correct(desk, waiting).await;
        // After the gifts that reached them.
        desk.tell_reached(reached).await;
    }
    if let Some(seq) = waiting.removable(Instant::now()) {
        match desk.ledger.outbox_done(seq).await {
            Ok(()) => waiting.removed = seq,
            Err(error) => {
                waiting.told.push_front((Instant::now(), seq));
                tracing::warn!(%error, "the outbox cannot be written; trying again");
                return Err(());
            }
        }
    }
    if is_told && is_recorded && is_hooked {
        Ok(is_full)
    } else {
        Err(())
    }
}

/// Takes them into the records; answers goals that they reached. `None`: not now.
async fn record(desk: &Desk, messages: Vec<(u64, Applied)>) -> Option<Vec<Reached>> {
    if messages.is_empty() {
        return Some(Vec::new());
    }
    match desk.records.apply_all(messages).await {
        Ok(outcome) => Some(outcome.reached),
        Err(error) => {
            desk.metrics
                .announcements
                .with_label_values(&["unrecorded"])
                .inc();
            tracing::warn!(%error, "gifts cannot be recorded; trying again");
            None
        }
    }
}

/// Queues them for webhooks. Whether they are.
async fn hook(desk: &Desk, messages: Vec<(u64, Announcement)>) -> bool {
    if messages.is_empty() {
        return true;
    }
    let announcements: Vec<_> = messages.into_iter().map(|(_, it)| it).collect();
    match desk.webhooks.gifts(&announcements).await {
        Ok(()) => true,
        Err(error) => {
            desk.metrics
                .announcements
                .with_label_values(&["unhooked"])
                .inc();
            tracing::warn!(%error, "webhooks cannot be told of gifts; trying again");
            false
        }
    }
}

/// Gives rooms the points that the records have, where the hub's own may be wrong.
async fn correct(desk: &Desk, waiting: &mut Waiting) {
    for room in std::mem::take(&mut waiting.uncounted) {
        let board = desk
            .records
            .leaderboard(Some(room.as_str()), Period::All, SCORES)
            .await;
        match board {
            Ok(board) => {
                let scores = board.entries.into_iter().map(|entry| Score {
                    id: entry.user_id,
                    name: entry.name,
                    points: entry.points,
                });
                desk.rooms.set_scores(&room, scores.collect());
            }
            Err(error) => {
                tracing::warn!(%error, %room, "a room's points cannot be read");
                waiting.uncounted.insert(room);
                return;
            }
        }
    }
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

fn understood(message: &Queued) -> Option<(RoomName, Publish, Applied, Announcement)> {
    let announcement: Announcement = serde_json::from_slice(&message.payload).ok()?;
    let applied = applied(&announcement, message.batch);
    let (room, publish) = match announcement.clone() {
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
    let room = RoomName::new(&room).ok()?;
    Some((room, publish, applied, announcement))
}

fn refunded(gift: &str) -> Publish {
    let payload = serde_json::json!({ "id": gift });
    notice("gift_refunded", &format!("refund.{gift}"), &payload)
}

/// What tells that there is something in the outbox.
pub(in crate::control) type Announced = Arc<tokio::sync::Notify>;
