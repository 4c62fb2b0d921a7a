//! What all connections of a run share, and what each has of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use rooms::schema::{Outcome, Recovery};

use super::ledger::Ledger;
use super::report::Talk;
use super::socket::Dialer;
use super::stamp::{Clock, Stamp};
use super::{Plan, http_url};

/// Distinct reasons for the end of a connection that are told apart.
const REASONS_MAX: usize = 20;

/// Latencies that one connection keeps.
const LATENCIES_MAX: usize = 500_000;

pub(super) struct Swarm {
    pub(super) plan: Plan,
    pub(super) dialer: Dialer,
    pub(super) clock: Clock,
    pub(super) path: String,
    pub(super) text_bytes: usize,
    /// What makes ids differ from those of earlier runs.
    pub(super) run: u64,
    /// Slow connections are slow no more.
    pub(super) released: Arc<AtomicBool>,
    /// Messages that were due from here on, and before the other, are measured.
    measure_from_us: AtomicU64,
    measure_to_us: AtomicU64,
    pub(super) heard: Mutex<Heard>,
    ends: Mutex<BTreeMap<String, u64>>,
}

/// What talkers were answered.
#[derive(Default)]
pub(super) struct Heard {
    pub(super) talk: Talk,
    /// Epoch and `seq`.
    pub(super) acts: Vec<(u64, u64)>,
}

impl Swarm {
    pub(super) async fn new(plan: &Plan) -> anyhow::Result<Self> {
        let sessions = plan.connections;
        let run = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        Ok(Self {
            dialer: Dialer::new(&http_url(&plan.url), &plan.trust, sessions).await?,
            clock: Clock::start(),
            path: plan.dialect.path(&plan.url, &plan.room)?,
            text_bytes: plan.dialect.text_bytes(plan.message_bytes),
            run: u64::try_from(run)?,
            released: Arc::default(),
            measure_from_us: AtomicU64::new(u64::MAX),
            measure_to_us: AtomicU64::new(u64::MAX),
            heard: Mutex::default(),
            ends: Mutex::default(),
            plan: plan.clone(),
        })
    }

    pub(super) fn measure_from(&self, us: u64) {
        self.measure_from_us.store(us, Ordering::Relaxed);
    }

    pub(super) fn measure_to(&self, us: u64) {
        self.measure_to_us.store(us, Ordering::Relaxed);
    }

    fn measures(&self, due_us: u64) -> bool {
        due_us >= self.measure_from_us.load(Ordering::Relaxed)
            && due_us < self.measure_to_us.load(Ordering::Relaxed)
    }

    /// A connection ended, or did not come about.
    pub(super) fn note_end(&self, why: &str) {
        let mut ends = self.ends.lock();
        let is_known = ends.contains_key(why) || ends.len() < REASONS_MAX;
        let why = if is_known { why } else { "other" };
        *ends.entry(why.to_owned()).or_default() += 1;
    }

    pub(super) fn ends(&self) -> BTreeMap<String, u64> {
        self.ends.lock().clone()
    }
}

impl Heard {
    /// An answer to a message or an act.
    pub(super) fn answer(&mut self, is_act: bool, epoch: u64, outcome: Outcome) {
        let talk = &mut self.talk;
        let reason = match outcome {
            Outcome::Accepted { seq: Some(seq), .. } if is_act => {
                talk.acts_accepted += 1;
                self.acts.push((epoch, seq));
                return;
            }
            Outcome::Accepted { seq: Some(_), .. } => {
                talk.accepted += 1;
                return;
            }
            Outcome::Accepted { seq: None, .. } => "for the author alone".to_owned(),
            Outcome::Refused { code, .. } => code.as_str().to_owned(),
            Outcome::Rejected { code, .. } => code,
            Outcome::Held => "held".to_owned(),
        };
        *talk.refused.entry(reason).or_default() += 1;
    }
}

/// What a connection is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Listener,
    Publisher,
    Moderator,
}

/// The place of one connection, and of those that follow it when it ends.
pub(super) struct Seat {
    pub(super) role: Role,
    /// Whether it is slow, once it is in the room.
    pub(super) slow: Option<Arc<AtomicBool>>,
    pub(super) is_sampled: bool,
    pub(super) token: Option<String>,
    pub(super) account: Mutex<Account>,
}

impl Seat {
    /// The connection is in the room, or is no more.
    pub(super) fn welcome(&self, account: &mut Account, at_us: Option<u64>) {
        account.welcomed_us = at_us;
        if let Some(slow) = &self.slow {
            slow.store(at_us.is_some(), Ordering::Relaxed);
        }
    }

    /// Whether it reads as fast as it can.
    pub(super) fn is_steady(&self) -> bool {
        self.slow.is_none()
    }
}

#[derive(Default)]
pub(super) struct Account {
    pub(super) ledger: Ledger,
    pub(super) latencies_us: Vec<u32>,
    pub(super) control_latencies_us: Vec<u32>,
    /// When the connection was in the room, by the swarm's clock; none while it is not.
    pub(super) welcomed_us: Option<u64>,
    pub(super) recovery: Option<Recovery>,
}

impl Account {
    pub(super) fn measure(&mut self, swarm: &Swarm, is_control: bool, stamp: Stamp, now_us: u64) {
        if !swarm.measures(stamp.due_us) {
            return;
        }
        let latencies = if is_control {
            &mut self.control_latencies_us
        } else {
            &mut self.latencies_us
        };
        if latencies.len() < LATENCIES_MAX {
            let us = now_us.saturating_sub(stamp.due_us);
            latencies.push(u32::try_from(us).unwrap_or(u32::MAX));
        }
    }
}

/// Publishers and moderators come first. Slow and sampled connections are spread evenly.
pub(super) fn seats(plan: &Plan) -> Vec<Arc<Seat>> {
    let publishers = plan.talkers() - plan.moderators.len();
    let listeners = plan.connections - plan.talkers();
    let spread =
        |at: usize, of: usize, among: usize| among > 0 && at * of / among != (at + 1) * of / among;
    let seat = |index: usize| {
        let talker = index.checked_sub(plan.talkers());
        let is_slow = talker.is_some_and(|at| spread(at, plan.slow_percent, 100));
        let samples = plan.samples.min(listeners);
        let role = match index {
            _ if talker.is_some() => Role::Listener,
            _ if index < publishers => Role::Publisher,
            _ => Role::Moderator,
        };
        Seat {
            role,
            slow: is_slow.then(Arc::default),
            is_sampled: !is_slow && talker.is_some_and(|at| spread(at, samples, listeners)),
            token: match role {
                Role::Listener => None,
                Role::Publisher => plan.tokens.get(index).cloned(),
                Role::Moderator => plan.moderators.get(index - publishers).cloned(),
            },
            account: Mutex::default(),
        }
    };
    (0..plan.connections)
        .map(|index| Arc::new(seat(index)))
        .collect()
}
