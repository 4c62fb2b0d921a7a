//! What messages change, without I/O: given what is stored of the gifts, people and goals that they
//! name, it says what is to be written.
//!
//! Sums are never read: what is added and what is subtracted are collected apart, per row, so that a
//! group of gifts changes each row once or twice, and no row goes below zero in between.

use std::collections::{BTreeMap, BTreeSet};

use crate::day::Day;
use crate::record::{Applied, GiftRecord, Goal, Outcome, Reached, State};

/// On leaderboards: all rooms, and the sum of all users.
pub(crate) const ALL: &str = "";
/// On leaderboards: all days.
pub(crate) const ALL_DAYS: i64 = -1;

/// The row that all writers lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The last message that was applied.
    pub(crate) cursor: u64,
    /// The last number that was given to a record.
    pub(crate) number: u64,
    /// Boards of earlier days are gone.
    pub(crate) swept: Day,
}

/// A record and its place in lists.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) record: GiftRecord,
    pub(crate) number: u64,
}

/// A goal, and from which message on gifts count for it.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    pub(crate) goal: Goal,
    pub(crate) since_seq: u64,
}

/// A row of a leaderboard.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) room: String,
    pub(crate) day: i64,
    pub(crate) user: String,
}

/// What a room earned on a day, or part of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum {
    pub(crate) gifts: u64,
    pub(crate) coins: u64,
    pub(crate) diamonds: u64,
}

/// What is to be added to rows, or subtracted from them.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    pub(crate) points: BTreeMap<Place, u64>,
    pub(crate) days: BTreeMap<(String, Day), Sum>,
}

/// What is stored, and what becomes of it.
#[derive(Debug)]
pub(crate) struct Book {
    pub(crate) head: Head,
    gifts: BTreeMap<String, Kept>,
    forgotten: BTreeSet<String>,
    goals: BTreeMap<String, Counted>,
    changed_gifts: BTreeSet<String>,
    changed_goals: BTreeSet<String>,
    /// Of those who gave, the last one.
    pub(crate) names: BTreeMap<String, String>,
    pub(crate) added: Sums,
    pub(crate) subtracted: Sums,
    outcome: Outcome,
}

impl Book {
    pub(crate) fn new(
        head: Head,
        gifts: BTreeMap<String, Kept>,
        forgotten: BTreeSet<String>,
        goals: BTreeMap<String, Counted>,
    ) -> Self {
        Self {
            head,
            gifts,
            forgotten,
            goals,
            changed_gifts: BTreeSet::new(),
            changed_goals: BTreeSet::new(),
            names: BTreeMap::new(),
            added: Sums::default(),
            subtracted: Sums::default(),
            outcome: Outcome::default(),
        }
    }

    /// Applies a message, unless that was done before.
    pub(crate) fn apply(&mut self, seq: u64, message: Applied) {
        if seq <= self.head.cursor {
            return;
        }
        self.head.cursor = seq;
        self.outcome.applied += 1;
        match message {
            Applied::Given(record) => self.give(seq, record),
            Applied::Refunded { id, at_ms } => self.refund(&id, at_ms),
        }
    }

    /// A gift that is known as given stays as it is: ids are for ever.
    fn give(&mut self, seq: u64, record: GiftRecord) {
        let mut record = record.bounded();
        if let Some(before) = self.gifts.get(&record.id) {
            if matches!(before.record.state, State::Given | State::Refunded) {
                return;
            }
            // Why it was held stays known.
            if record.signals.is_empty() {
                record.signals.clone_from(&before.record.signals);
            }
        }
        record.seq = Some(seq);
        record.state = State::Given;
        record.plan = None;
        record.refunded_at_ms = None;
        if self.forgotten.contains(&record.sender_id) {
            record.sender_name.clear();
            record.note = None;
        } else {
            let name = record.sender_name.clone();
            self.names.insert(record.sender_id.clone(), name);
        }
        self.added.count(&record, self.head.swept);
        self.towards_goal(&record);
        self.head.number += 1;
        let number = self.head.number;
        self.changed_gifts.insert(record.id.clone());
        self.gifts
            .insert(record.id.clone(), Kept { record, number });
    }

    /// Of what was never given, or was refunded before, nothing is left to subtract.
    fn refund(&mut self, id: &str, at_ms: u64) {
        let Some(kept) = self.gifts.get_mut(id) else {
            return;
        };
        if kept.record.state != State::Given {
            return;
        }
        kept.record.state = State::Refunded;
        kept.record.refunded_at_ms = Some(at_ms);
        self.changed_gifts.insert(id.to_owned());
        self.subtracted.count(&kept.record, self.head.swept);
        if let Some(counted) = self.goals.get_mut(&kept.record.room)
            && kept.record.seq > Some(counted.since_seq)
        {
            let progress = &mut counted.goal.progress;
            *progress = progress.saturating_sub(kept.record.points);
            self.changed_goals.insert(kept.record.room.clone());
        }
    }

    /// Every gift that is new is newer than the goal.
    fn towards_goal(&mut self, record: &GiftRecord) {
        let Some(counted) = self.goals.get_mut(&record.room) else {
            return;
        };
        let goal = &mut counted.goal;
        goal.progress = goal.progress.saturating_add(record.points);
        if goal.reached_at_ms.is_none() && goal.progress >= goal.target {
            goal.reached_at_ms = Some(record.at_ms);
            self.outcome.reached.push(Reached {
                room: record.room.clone(),
                goal: goal.clone(),
            });
        }
        self.changed_goals.insert(record.room.clone());
    }

    /// Records that are new or changed.
    pub(crate) fn changed_gifts(&self) -> impl Iterator<Item = &Kept> {
        let ids = self.changed_gifts.iter();
        ids.filter_map(|id| self.gifts.get(id))
    }

    /// Goals that are changed, and their rooms.
    pub(crate) fn changed_goals(&self) -> impl Iterator<Item = (&str, &Goal)> {
        let rooms = self.changed_goals.iter();
        rooms.filter_map(|room| Some((room.as_str(), &self.goals.get(room)?.goal)))
    }

    pub(crate) fn finish(self) -> Outcome {
        self.outcome
    }
}

impl Sums {
    fn count(&mut self, record: &GiftRecord, swept: Day) {
        let day = record.day();
        // A board that was swept does not begin anew with what comes late.
        let daily = (day >= swept).then(|| i64::try_from(day.number()).unwrap_or(i64::MAX));
        for day in daily.into_iter().chain([ALL_DAYS]) {
            for room in [record.room.as_str(), ALL] {
                for user in [record.sender_id.as_str(), ALL] {
                    let place = Place {
                        room: room.to_owned(),
                        day,
                        user: user.to_owned(),
                    };
                    *self.points.entry(place).or_default() += record.points;
                }
            }
        }
        let of_day = self.days.entry((record.room.clone(), day)).or_default();
        of_day.gifts += 1;
        of_day.coins += record.total;
        of_day.diamonds += record.earned;
    }
}
