//! Tells rooms what was paid, in order and at least once; a gift's id lets a screen show it once.
//!
//! What is told is removed from the outbox some time afterwards, so that a crash in between tells it
//! again: what a hub accepted is on its way to edges for a moment.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::gifts::Announcement;
use bus::RoomName;
use gift_records::{Applied, Period, Reached};
use ledger::{Queued, Store as _};
use rooms::SCORES_MAX;
use rooms::schema::{Body, Publish, Score};
use tokio_util::sync::CancellationToken;

use super::boards::notice;
use super::records::applied;
use crate::control::Desk;
use telling::Telling;
use waiting::{BATCH, WAITING_MAX, Waiting};

mod telling;
mod waiting;

/// Without a word that there is something, it is looked for this often: another origin may have paid.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After something failed.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// Messages that are not in the records, or not in the queue of webhooks, at most: beyond it, everybody
/// waits for their disk.
const UNSETTLED_MAX: usize = 4_096;
/// Places of a leaderboard that a room's hub is given anew: as many as it keeps.
const SCORES: usize = SCORES_MAX;
const _: () = assert!(SCORES <= gift_records::limits::ENTRIES_MAX);

/// Everything that was read and is not done with.
#[derive(Debug, Default)]
struct Outbox {
    /// What rooms are to be told.
    waiting: Waiting,
    /// What they are being told.
    telling: Telling,
    /// Not in the records yet.
    unrecorded: Vec<(u64, Applied)>,
    /// Not in the queue of webhooks yet.
    unhooked: Vec<(u64, Announcement)>,
}

impl Outbox {
    fn take_in(&mut self, desk: &Desk, messages: Vec<Queued>) {
        for message in messages {
            self.waiting.note_read(message.seq);
            let Some((room, publish, announcement)) = understood(&message) else {
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
            let applied = applied(&announcement, message.batch);
            if matches!(applied, Applied::Refunded { .. }) {
                self.waiting.miscounted(room.clone());
            }
            self.unrecorded.push((message.seq, applied));
            self.unhooked.push((message.seq, announcement));
            self.waiting.push(message.seq, room, publish);
        }
    }

    /// The first message that is not in the records, or not in the queue of webhooks.
    fn unsettled(&self) -> Option<u64> {
        let unrecorded = self.unrecorded.first().map(|(seq, _)| *seq);
        let unhooked = self.unhooked.first().map(|(seq, _)| *seq);
        [unrecorded, unhooked].into_iter().flatten().min()
    }

    fn has_space(&self) -> bool {
        let unsettled = self.unrecorded.len().max(self.unhooked.len());
        self.waiting.len() < WAITING_MAX && unsettled < UNSETTLED_MAX
    }
}

/// Runs until it is told to stop.
pub(in crate::control) async fn dispatch(desk: Desk, stop: CancellationToken) {
    let mut outbox = Outbox::default();
    loop {
        let went_well = turn(&desk, &mut outbox).await;
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let left_out = outbox.waiting.left_out(Instant::now());
        desk.metrics.rooms_left_out.set(count(left_out));
        let waiting = outbox.waiting.len();
        desk.metrics.announcements_waiting.set(count(waiting));
        let rest = async {
            match went_well {
                // There may be more.
                Ok(true) => {}
                Ok(false) => tokio::select! {
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                    () = desk.announced.notified() => {}
                    // It may be told what came meanwhile.
                    () = outbox.telling.answered() => {}
                },
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
async fn turn(desk: &Desk, outbox: &mut Outbox) -> Result<bool, ()> {
    let has_more = read(desk, outbox).await? | read_again(desk, outbox).await?;
    let unrecorded = first(&outbox.unrecorded);
    let unhooked = first(&outbox.unhooked);
    let (recorded, hooked) = (unrecorded.len(), unhooked.len());
    // Beside each other: no screen waits for a disk a second time.
    let ((), reached, is_hooked) = tokio::join!(
        outbox.telling.turn(desk, &mut outbox.waiting),
        record(desk, unrecorded),
        hook(desk, unhooked)
    );
    if is_hooked {
        outbox.unhooked.drain(..hooked);
    }
    let is_recorded = reached.is_some();
    if let Some(reached) = reached {
        outbox.unrecorded.drain(..recorded);
        // Before all is in the records, they have less than the hubs.
        if outbox.unrecorded.is_empty() {
            let rooms = outbox.waiting.take_uncounted();
            for room in correct(desk, rooms).await {
                outbox.waiting.miscounted(room);
            }
        }
        // After the gifts that reached them.
        outbox.telling.reached(desk, reached);
    }
    remove(desk, outbox).await?;
    if is_recorded && is_hooked {
        let is_settled = outbox.unsettled().is_none();
        Ok(has_more || !is_settled || outbox.waiting.is_ready(Instant::now()))
    } else {
        Err(())
    }
}

/// So many that they are written within the time of one operation, however many wait.
fn first<T: Clone>(messages: &[T]) -> Vec<T> {
    messages.iter().take(BATCH).cloned().collect()
}

/// Reads what is new. Whether there may be more.
async fn read(desk: &Desk, outbox: &mut Outbox) -> Result<bool, ()> {
    if !outbox.has_space() {
        return Ok(false);
    }
    let messages = read_after(desk, outbox.waiting.read()).await?;
    let is_full = messages.len() == BATCH;
    outbox.take_in(desk, messages);
    if !is_full {
        outbox.waiting.caught_up();
    }
    Ok(is_full)
}

/// Reads for one room what there was no space for. Whether there was one.
async fn read_again(desk: &Desk, outbox: &mut Outbox) -> Result<bool, ()> {
    let Some((room, after)) = outbox.waiting.behind(Instant::now()) else {
        return Ok(false);
    };
    let messages = read_after(desk, after).await?;
    let last = messages.last().map(|last| last.seq);
    let last = last.filter(|_| messages.len() == BATCH);
    let all = messages.iter().filter_map(|message| {
        let (of, publish, _) = understood(message)?;
        (of == room).then_some((message.seq, publish))
    });
    outbox.waiting.catch_up(&room, all.collect(), last);
    Ok(true)
}

async fn read_after(desk: &Desk, seq: u64) -> Result<Vec<Queued>, ()> {
    let read = desk.ledger.outbox_after(seq, BATCH).await;
    read.map_err(|error| {
        desk.metrics
            .announcements
            .with_label_values(&["unread"])
            .inc();
        tracing::warn!(%error, "the outbox cannot be read; trying again");
    })
}

/// Removes what was done with long enough ago.
async fn remove(desk: &Desk, outbox: &mut Outbox) -> Result<(), ()> {
    let unsettled = outbox.unsettled();
    let Some(seq) = outbox.waiting.removable(Instant::now(), unsettled) else {
        return Ok(());
    };
    let removed = desk.ledger.outbox_done(seq).await;
    let is_removed = removed.is_ok();
    outbox.waiting.note_removed(Instant::now(), seq, is_removed);
    removed.map_err(|error| {
        tracing::warn!(%error, "the outbox cannot be written; trying again");
    })
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

/// Gives rooms the points that the records have, where the hub's own may be wrong. Those of which it has to be
/// tried again.
async fn correct(desk: &Desk, mut rooms: BTreeSet<RoomName>) -> BTreeSet<RoomName> {
    let mut later = BTreeSet::new();
    while let Some(room) = rooms.pop_first() {
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
                if desk.rooms.set_scores(&room, scores.collect()) {
                    desk.metrics.scores_corrected.inc();
                } else {
                    later.insert(room);
                }
            }
            Err(error) => {
                tracing::warn!(%error, %room, "a room's points cannot be read");
                later.insert(room);
                // Nor can the others'.
                break;
            }
        }
    }
    later.extend(rooms);
    later
}

fn understood(message: &Queued) -> Option<(RoomName, Publish, Announcement)> {
    let announcement: Announcement = serde_json::from_slice(&message.payload).ok()?;
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
    Some((room, publish, announcement))
}

fn refunded(gift: &str) -> Publish {
    let payload = serde_json::json!({ "id": gift });
    notice("gift_refunded", &format!("refund.{gift}"), &payload)
}

/// What tells that there is something in the outbox.
pub(in crate::control) type Announced = Arc<tokio::sync::Notify>;
