//! Tells rooms, each in a task of its own: none waits for another one's hub.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bus::RoomName;
use gift_records::Reached;
use tokio::task::JoinSet;
use tokio::time::timeout_at;

use super::waiting::Waiting;
use crate::control::Desk;
use crate::rooms::NotPublished;

/// So long a turn waits for the rooms that it tells. Who takes longer is left out until the hub answers.
const TELL_WITHIN: Duration = Duration::from_millis(250);
/// Goals that rooms are told of at once. More are told nobody, but stand where goals are asked for.
const GOALS_MAX: usize = 256;

/// What rooms are being told: one task for each.
#[derive(Debug, Default)]
pub(super) struct Telling {
    tasks: JoinSet<(RoomName, Result<(), NotPublished>)>,
    /// Answers that no turn has seen yet.
    answers: Vec<(RoomName, Result<(), NotPublished>)>,
    goals: JoinSet<()>,
}

impl Telling {
    /// Tells rooms what waits for them, each in order, and waits a little for their answers.
    pub(super) async fn turn(&mut self, desk: &Desk, waiting: &mut Waiting) {
        self.note(desk, waiting);
        let mut asked = BTreeSet::new();
        for (room, publishes) in waiting.begin_telling(Instant::now()) {
            asked.insert(room.clone());
            let hubs = desk.rooms.clone();
            self.tasks.spawn(async move {
                let told = hubs.publish(&room, publishes).await;
                (room, told)
            });
        }
        let deadline = tokio::time::Instant::now() + TELL_WITHIN;
        while !asked.is_empty() {
            let Ok(Some(answer)) = timeout_at(deadline, self.tasks.join_next()).await else {
                break;
            };
            // A task that panics is a bug, and has said so; its room is left out.
            let Ok((room, told)) = answer else { continue };
            asked.remove(&room);
            self.answers.push((room, told));
        }
        self.note(desk, waiting);
    }

    /// Until a room that was left out has answered.
    pub(super) async fn answered(&mut self) {
        match self.tasks.join_next().await {
            Some(answer) => self.answers.extend(answer.ok()),
            None => std::future::pending().await,
        }
    }

    /// Tells rooms of goals that gifts have reached.
    pub(super) fn reached(&mut self, desk: &Desk, reached: Vec<Reached>) {
        while self.goals.try_join_next().is_some() {}
        if reached.is_empty() {
            return;
        }
        if self.goals.len() >= GOALS_MAX {
            tracing::warn!(
                "too many rooms do not answer: they are not told that they reached a goal"
            );
            return;
        }
        let desk = desk.clone();
        self.goals
            .spawn(async move { desk.tell_reached(reached).await });
    }

    /// Notes the answers that have come.
    fn note(&mut self, desk: &Desk, waiting: &mut Waiting) {
        for (room, told) in self.answers.drain(..) {
            let outcome = match told {
                Err(NotPublished::NoRoom) => "no-room",
                Ok(()) | Err(NotPublished::Busy { .. }) => "told",
            };
            let count = waiting.note_told(Instant::now(), &room, told);
            desk.metrics
                .announcements
                .with_label_values(&[outcome])
                .inc_by(u64::try_from(count).unwrap_or(u64::MAX));
        }
    }
}
