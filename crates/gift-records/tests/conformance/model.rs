//! Whatever comes in whatever order: everything is what a model says that keeps only records, and
//! counts all of them each time.

use std::collections::{BTreeMap, BTreeSet};

use database::testing::Kit;
use gift_records::{
    Applied, DatabaseSettings, Day, DaySum, Entry, GiftRecord, GiftRecords, Goal, Leaderboard,
    Period, Spent, State,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::{DAY_MS, NOON, TIMEOUT, gift, held, noon, open, refund};

const ROOMS: [&str; 2] = ["demo", "other"];
const USERS: [&str; 3] = ["ana", "ben", "cleo"];
const DAYS: u64 = 4;
/// Histories that are tried on SQLite.
const CASES: u32 = 32;
/// And on PostgreSQL, which takes a moment to start for each.
const CASES_POSTGRES: u32 = 4;

/// What is done.
#[derive(Clone, Debug)]
enum Step {
    Apply(Vec<Message>),
    /// Messages from some numbers back come again.
    Again(u64),
    Hold(Made),
    Reject(u8),
    SetGoal(usize, u64),
    ClearGoal(usize),
    Forget(usize),
    Sweep(u64),
    Reopen,
}

#[derive(Clone, Debug)]
enum Message {
    Given(Made),
    Refunded(u8),
}

/// A gift: id, room, user, day and points.
type Made = (u8, usize, usize, u64, u64);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let id = 0..16_u8;
    let made = move || {
        let (rooms, users) = (0..ROOMS.len(), 0..USERS.len());
        (0..16_u8, rooms, users, 0..DAYS, 0..5_u64)
    };
    let message = prop_oneof![
        3 => made().prop_map(Message::Given),
        1 => id.clone().prop_map(Message::Refunded),
    ];
    let step = prop_oneof![
        8 => prop::collection::vec(message, 1..6).prop_map(Step::Apply),
        1 => (0..6_u64).prop_map(Step::Again),
        2 => made().prop_map(Step::Hold),
        1 => id.prop_map(Step::Reject),
        2 => (0..ROOMS.len(), 1..12_u64).prop_map(|(room, target)| Step::SetGoal(room, target)),
        1 => (0..ROOMS.len()).prop_map(Step::ClearGoal),
        1 => (0..USERS.len()).prop_map(Step::Forget),
        1 => (0..=DAYS).prop_map(Step::Sweep),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..24)
}

fn made(&(id, room, user, day, points): &Made, held_: bool) -> GiftRecord {
    let id = format!("g{id}");
    let gift = if held_ { held } else { gift }(&id, ROOMS[room], USERS[user]);
    GiftRecord {
        at_ms: NOON + day * DAY_MS,
        points,
        total: 10 * points,
        earned: 5 * points,
        ..gift
    }
}

/// Records and their numbers in lists, and nothing that was counted before.
#[derive(Debug, Default)]
struct Model {
    gifts: BTreeMap<String, (u64, GiftRecord)>,
    number: u64,
    cursor: u64,
    swept: Option<Day>,
    names: BTreeMap<String, String>,
    forgotten: BTreeSet<String>,
    goals: BTreeMap<String, (Goal, u64)>,
    /// All messages, for when they come again.
    sent: Vec<(u64, Applied)>,
}

impl Model {
    fn blank(&self, gift: &mut GiftRecord) {
        if self.forgotten.contains(&gift.sender_id) {
            gift.sender_name.clear();
            gift.note = None;
        }
    }

    fn keep(&mut self, gift: GiftRecord) {
        self.number += 1;
        self.gifts.insert(gift.id.clone(), (self.number, gift));
    }

    fn hold(&mut self, mut gift: GiftRecord) -> bool {
        if self.gifts.contains_key(&gift.id) {
            return false;
        }
        self.blank(&mut gift);
        self.keep(gift);
        true
    }

    /// Rooms whose goals are reached.
    fn apply(&mut self, seq: u64, message: Applied) -> Option<String> {
        self.cursor = seq;
        self.sent.push((seq, message.clone()));
        match message {
            Applied::Given(mut gift) => {
                let before = self.gifts.get(&gift.id).map(|(_, gift)| gift);
                match before.map(|before| before.state) {
                    Some(State::Given | State::Refunded) => return None,
                    Some(_) => gift.signals = before?.signals.clone(),
                    None => {}
                }
                gift.seq = Some(seq);
                if !self.forgotten.contains(&gift.sender_id) {
                    let name = gift.sender_name.clone();
                    self.names.insert(gift.sender_id.clone(), name);
                }
                self.blank(&mut gift);
                let (room, at_ms) = (gift.room.clone(), gift.at_ms);
                self.keep(gift);
                let now = self.goal(&room)?;
                let (goal, _) = self.goals.get_mut(&room)?;
                if goal.reached_at_ms.is_none() && now.progress >= goal.target {
                    goal.reached_at_ms = Some(at_ms);
                    return Some(room);
                }
            }
            Applied::Refunded { id, at_ms } => {
                let (_, gift) = self.gifts.get_mut(&id)?;
                if gift.state == State::Given {
                    gift.state = State::Refunded;
                    gift.refunded_at_ms = Some(at_ms);
                }
            }
        }
        None
    }

    fn reject(&mut self, id: &str) -> bool {
        let gift = self.gifts.get_mut(id).map(|(_, gift)| gift);
        let held = gift.filter(|gift| gift.state == State::Held);
        held.is_some_and(|gift| {
            gift.state = State::Rejected;
            gift.plan = None;
            true
        })
    }

    fn forget(&mut self, user: &str) {
        self.forgotten.insert(user.to_owned());
        self.names.remove(user);
        for (_, gift) in self.gifts.values_mut() {
            if gift.sender_id == user {
                gift.sender_name.clear();
                gift.note = None;
                gift.plan = None;
                if gift.state == State::Held {
                    gift.state = State::Rejected;
                }
            }
        }
    }

    fn given(&self) -> impl Iterator<Item = &GiftRecord> {
        let gifts = self.gifts.values().map(|(_, gift)| gift);
        gifts.filter(|gift| gift.state == State::Given)
    }

    fn board(&self, room: Option<&str>, period: Period) -> Leaderboard {
        let wanted = |gift: &&GiftRecord| {
            let day = Day::of(gift.at_ms);
            let of_day = match period {
                Period::Day(wanted) => day == wanted && self.swept.is_none_or(|swept| day >= swept),
                Period::All => true,
            };
            of_day && room.is_none_or(|room| gift.room == room)
        };
        let mut points: BTreeMap<&str, u64> = BTreeMap::new();
        for gift in self.given().filter(wanted) {
            *points.entry(&gift.sender_id).or_default() += gift.points;
        }
        let mut entries: Vec<_> = points
            .into_iter()
            .filter(|(_, points)| *points > 0)
            .map(|(user, points)| Entry {
                user_id: user.to_owned(),
                name: self.names.get(user).cloned().unwrap_or_default(),
                points,
            })
            .collect();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.points));
        Leaderboard {
            total: entries.iter().map(|entry| entry.points).sum(),
            entries,
        }
    }

    fn earnings(&self, room: &str) -> Vec<DaySum> {
        let mut days: BTreeMap<Day, DaySum> = BTreeMap::new();
        for gift in self.given().filter(|gift| gift.room == room) {
            let day = Day::of(gift.at_ms);
            let sum = days.entry(day).or_insert(DaySum {
                day,
                gifts: 0,
                coins: 0,
                diamonds: 0,
            });
            sum.gifts += 1;
            sum.coins += gift.total;
            sum.diamonds += gift.earned;
        }
        days.into_values().collect()
    }

    fn goal(&self, room: &str) -> Option<Goal> {
        let (goal, since) = self.goals.get(room)?;
        let count = |gift: &&GiftRecord| gift.room == room && gift.seq > Some(*since);
        Some(Goal {
            progress: self.given().filter(count).map(|gift| gift.points).sum(),
            ..goal.clone()
        })
    }

    fn spent(&self, user: &str, since: u64) -> Spent {
        let gifts = self.gifts.values().map(|(_, gift)| gift);
        let counted = gifts.filter(|gift| {
            let counts = matches!(gift.state, State::Given | State::Held);
            counts && gift.sender_id == user && gift.at_ms >= since
        });
        counted.fold(Spent::default(), |sum, gift| Spent {
            gifts: sum.gifts + 1,
            coins: sum.coins + gift.total,
        })
    }

    fn list(&self, state: Option<State>) -> Vec<GiftRecord> {
        let gifts = self.gifts.values();
        let mut wanted: Vec<_> = gifts
            .filter(|(_, gift)| state.is_none_or(|state| gift.state == state))
            .collect();
        wanted.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        wanted.into_iter().map(|(_, gift)| gift.clone()).collect()
    }
}

async fn step<K: Kit>(kit: &K, records: &mut GiftRecords, model: &mut Model, step: Step) {
    match step {
        Step::Apply(messages) => {
            // Numbers have gaps.
            let numbers = (model.cursor + 1..).step_by(2);
            let messages: Vec<_> = numbers.zip(messages.iter().map(message)).collect();
            let outcome = records.apply_all(messages.clone()).await.expect("applied");
            assert_eq!(outcome.applied, messages.len());
            let reached: Vec<_> = messages
                .into_iter()
                .filter_map(|(seq, message)| model.apply(seq, message))
                .collect();
            let told: Vec<_> = outcome.reached.iter().map(|it| it.room.clone()).collect();
            assert_eq!(told, reached);
        }
        Step::Again(back) => {
            let from = model.cursor.saturating_sub(back);
            let again = model.sent.iter().filter(|(seq, _)| *seq >= from);
            let outcome = records.apply_all(again.cloned().collect()).await;
            assert_eq!(outcome.expect("nothing"), gift_records::Outcome::default());
        }
        Step::Hold(it) => {
            let gift = made(&it, true);
            let new = records.hold(gift.clone()).await.expect("held");
            assert_eq!(new, model.hold(gift));
        }
        Step::Reject(id) => {
            let id = format!("g{id}");
            let rejected = records.reject_held(&id).await.expect("rejected");
            assert_eq!(rejected, model.reject(&id));
        }
        Step::SetGoal(room, target) => {
            let goal = records.set_goal(ROOMS[room], "a hat", target, NOON).await;
            let goal = (goal.expect("a goal"), model.cursor);
            model.goals.insert(ROOMS[room].to_owned(), goal);
        }
        Step::ClearGoal(room) => {
            let cleared = records.clear_goal(ROOMS[room]).await.expect("cleared");
            assert_eq!(cleared, model.goals.remove(ROOMS[room]).is_some());
        }
        Step::Forget(user) => {
            records.forget(USERS[user]).await.expect("forgotten");
            model.forget(USERS[user]);
        }
        Step::Sweep(day) => {
            let before = NOON + day * DAY_MS;
            records.sweep(before).await.expect("swept");
            model.swept = model.swept.max(Some(Day::of(before)));
        }
        Step::Reopen => {
            records.close().await;
            *records = open(kit).await;
        }
    }
}

fn message(message: &Message) -> Applied {
    match message {
        Message::Given(it) => Applied::Given(made(it, false)),
        Message::Refunded(id) => refund(&format!("g{id}")),
    }
}

async fn compare(records: &GiftRecords, model: &Model) {
    assert_eq!(records.cursor().await.expect("a read"), model.cursor);
    let last = noon().next().next().next().next();
    let mut periods = vec![Period::All];
    periods.extend((0..=DAYS).map(|day| Period::Day(last.minus(day))));
    for room in [None, Some(ROOMS[0]), Some(ROOMS[1])] {
        for &period in &periods {
            let board = records.leaderboard(room, period, 100).await;
            let expected = model.board(room, period);
            assert_eq!(board.expect("a board"), expected, "{room:?} {period:?}");
        }
    }
    for room in ROOMS {
        let earnings = records.earnings(room, noon(), last).await;
        assert_eq!(earnings.expect("earnings"), model.earnings(room));
        let goal = records.goal(room).await.expect("a read");
        assert_eq!(goal, model.goal(room));
    }
    for user in USERS {
        for day in 0..DAYS {
            let since = NOON + day * DAY_MS;
            let spent = records.spent_since(user, since).await.expect("a sum");
            assert_eq!(spent, model.spent(user, since));
        }
    }
    for state in [
        None,
        Some(State::Given),
        Some(State::Held),
        Some(State::Rejected),
    ] {
        let page = records.gifts(None, state, None, 100).await.expect("a page");
        assert_eq!(page.gifts, model.list(state));
    }
}

pub(crate) async fn everything_is_what_a_naive_model_says<K: Kit>(first: K) {
    let settings = first.settings(TIMEOUT);
    drop(first);
    let config = Config {
        cases: match settings {
            DatabaseSettings::Sqlite(_) => CASES,
            DatabaseSettings::Postgres(_) => CASES_POSTGRES,
        },
        failure_persistence: None,
        ..Config::default()
    };
    let here = tokio::runtime::Handle::current();
    let tried = tokio::task::block_in_place(|| {
        TestRunner::new(config).run(&steps(), |steps| {
            here.block_on(async {
                let kit = K::new();
                let mut records = open(&kit).await;
                let mut model = Model::default();
                for next in steps {
                    step(&kit, &mut records, &mut model, next).await;
                    compare(&records, &model).await;
                }
                records.close().await;
            });
            Ok(())
        })
    });
    tried.expect("the model's answer");
}
