//! What all screens and givers of a run share.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use crate::chat::dialect::{Dialect, http_url};
use crate::chat::socket::Dialer;
use crate::chat::stamp::{Clock, Stamp, number};
use crate::histogram::Histogram;

use super::Plan;
use super::book::{Book, Watch};
use super::till::Till;

/// Distinct reasons for the end of a connection that are told apart.
const REASONS_MAX: usize = 20;

/// Combos that are told apart.
const COMBOS_MAX: usize = 1_000_000;

/// What stands between the stamp and the run in a note.
const RUN_MARK: &str = "of run ";

pub(super) struct Stage {
    pub(super) plan: Plan,
    /// One for each edge.
    pub(super) dialers: Vec<Dialer>,
    pub(super) clock: Clock,
    /// What makes ids and notes differ from those of earlier runs.
    pub(super) run: u64,
    pub(super) book: Mutex<Book>,
    pub(super) till: Mutex<Till>,
    pub(super) screens: Vec<Mutex<Screen>>,
    /// How late this program reads, by a clock that should tick on time.
    pub(super) lag: Mutex<Histogram>,
    /// No screen has to come back any more.
    pub(super) is_over: AtomicBool,
    combos: Mutex<Combos>,
    ends: Mutex<BTreeMap<String, u64>>,
}

/// Series that ended.
#[derive(Debug, Default)]
struct Combos {
    /// How many taps each had.
    counts: BTreeMap<String, u64>,
    deliveries: u64,
}

/// One connection that watches, and those that follow it.
#[derive(Debug, Default)]
pub(super) struct Screen {
    pub(super) watch: Watch,
    pub(super) position: Option<rooms::schema::Position>,
    /// Welcomes after the first.
    pub(super) returns: u64,
    /// Of these, those that said that something is missing.
    pub(super) not_recovered: u64,
    /// Messages that are none.
    pub(super) malformed: u64,
    pub(super) is_known: bool,
}

impl Stage {
    pub(super) async fn new(plan: &Plan) -> anyhow::Result<Self> {
        let mut dialers = Vec::new();
        for url in &plan.urls {
            dialers.push(Dialer::new(&http_url(url), &plan.trust, plan.screens).await?);
        }
        let run = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        Ok(Self {
            dialers,
            clock: Clock::start(),
            run: u64::try_from(run)?,
            book: Mutex::default(),
            till: Mutex::new(Till::new(&plan.givers)),
            screens: (0..plan.screens).map(|_| Mutex::default()).collect(),
            lag: Mutex::default(),
            is_over: AtomicBool::new(false),
            combos: Mutex::default(),
            ends: Mutex::default(),
            plan: plan.clone(),
        })
    }

    pub(super) fn dialect(&self) -> Dialect {
        Dialect::Weir(self.plan.codec)
    }

    /// The note of a gift: words and numbers, because filters look for everything else.
    pub(super) fn note(&self, stamp: Stamp) -> String {
        note(self.run, stamp)
    }

    /// The number of a gift of this run.
    pub(super) fn number(&self, note: &str) -> Option<u64> {
        read_note(self.run, note)
    }

    /// A series ended, and a screen was told.
    pub(super) fn combo_ended(&self, id: &str, count: u64) {
        let mut combos = self.combos.lock();
        combos.deliveries += 1;
        if combos.counts.len() < COMBOS_MAX && !combos.counts.contains_key(id) {
            combos.counts.insert(id.to_owned(), count);
        }
    }

    /// Series that ended, their taps, and how often screens were told.
    pub(super) fn combos(&self) -> [u64; 3] {
        let combos = self.combos.lock();
        let series = u64::try_from(combos.counts.len()).unwrap_or(u64::MAX);
        [series, combos.counts.values().sum(), combos.deliveries]
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

fn note(run: u64, stamp: Stamp) -> String {
    format!("{}{RUN_MARK}{run}", stamp.text(0))
}

fn read_note(run: u64, note: &str) -> Option<u64> {
    let stamp = Stamp::read(note.as_bytes())?;
    let (_, of) = note.split_once(RUN_MARK)?;
    let (of, _) = number(of.as_bytes())?;
    (of == run).then_some(stamp.number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_says_which_gift_of_which_run_it_is() {
        let stamp = Stamp {
            due_us: 1_234_567,
            number: 89,
        };
        let text = note(1_795_000_000_000, stamp);
        assert_eq!(text, "load 1234567 89 of run 1795000000000");
        assert_eq!(read_note(1_795_000_000_000, &text), Some(89));
        assert_eq!(read_note(1_795_000_000_001, &text), None);
        assert_eq!(read_note(1, "load 1 2"), None);
        assert_eq!(read_note(1, "for you"), None);
        let longest = Stamp {
            due_us: u64::MAX,
            number: u64::MAX,
        };
        assert!(note(u64::MAX, longest).len() <= 140);
    }
}
