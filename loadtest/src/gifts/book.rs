//! What was given, held against what screens have shown: each gift once on every screen that was
//! there. Knows nothing of sockets and codecs; the time is an argument.

use crate::histogram::Histogram;

/// What became of a tap.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Fate {
    /// No answer yet, or none at all.
    #[default]
    Unknown,
    /// Paid: the room sees it.
    Given,
    /// Held, or refused: the room does not see it.
    Other,
}

/// One gift that was meant to be given.
#[derive(Debug, Default)]
struct Tap {
    due_us: u64,
    answered_us: u64,
    fate: Fate,
    /// As the answer or the first screen says.
    id: Option<Box<str>>,
    /// Somebody says another one.
    has_other_id: bool,
    /// Screens that have shown it.
    screens: u32,
    /// When the last of them did.
    last_us: u64,
}

impl Tap {
    /// Until when it may have come to a screen.
    fn until_us(&self) -> u64 {
        self.last_us.max(self.answered_us)
    }

    /// Somebody says that this is its id.
    fn has_id(&mut self, id: &str) {
        let is_same = &**self.id.get_or_insert_with(|| id.into()) == id;
        self.has_other_id |= !is_same;
    }
}

/// Sums over all taps and screens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Gifts that were answered "given".
    pub(super) given: u64,
    /// Of these, those that no screen has shown.
    pub(super) never_shown: u64,
    /// Gifts that were shown, though they were not answered "given".
    pub(super) shown_unanswered: u64,
    /// Of these, those that were answered otherwise.
    pub(super) shown_refused: u64,
    /// Gifts that have two ids.
    pub(super) other_id: u64,
    /// Given gifts times screens that were there and have not shown them.
    pub(super) missing: u64,
    /// The same for screens that were away, and were told that they miss something.
    pub(super) missing_told: u64,
}

/// All taps, by number from 1.
#[derive(Debug, Default)]
pub(super) struct Book {
    taps: Vec<Tap>,
    /// Taps that were due before are not measured.
    measured_from_us: u64,
    /// From due to answered; from due to shown, on any screen.
    pub(super) answered: Histogram,
    pub(super) shown: Histogram,
    /// Measured gifts that were given.
    pub(super) given_measured: u64,
}

impl Book {
    pub(super) fn measure_from(&mut self, us: u64) {
        self.measured_from_us = us;
    }

    /// The number of the next tap.
    pub(super) fn tap(&mut self, due_us: u64) -> u64 {
        self.taps.push(Tap {
            due_us,
            ..Tap::default()
        });
        self.len()
    }

    pub(super) fn len(&self) -> u64 {
        u64::try_from(self.taps.len()).unwrap_or(u64::MAX)
    }

    /// The answer that holds.
    pub(super) fn answered(&mut self, number: u64, fate: Fate, id: Option<&str>, now_us: u64) {
        let measured_from_us = self.measured_from_us;
        let Some(tap) = tap(&mut self.taps, number) else {
            return;
        };
        tap.fate = fate;
        tap.answered_us = now_us;
        if let Some(id) = id {
            tap.has_id(id);
        }
        if fate == Fate::Given && tap.due_us >= measured_from_us {
            self.given_measured += 1;
            self.answered.record(now_us.saturating_sub(tap.due_us));
        }
    }

    /// Whether there is such a tap.
    pub(super) fn knows(&self, number: u64) -> bool {
        (1..=self.len()).contains(&number)
    }

    /// A screen shows it for the first time.
    pub(super) fn shown(&mut self, number: u64, id: &str, now_us: u64) {
        let measured_from_us = self.measured_from_us;
        let Some(tap) = tap(&mut self.taps, number) else {
            return;
        };
        tap.has_id(id);
        tap.screens += 1;
        tap.last_us = tap.last_us.max(now_us);
        if tap.due_us >= measured_from_us {
            self.shown.record(now_us.saturating_sub(tap.due_us));
        }
    }

    /// From due until the last of the screens has shown it. A gift that not all have shown is not
    /// in here: it is missing.
    pub(super) fn last_shown(&self, screens: usize) -> Histogram {
        let mut histogram = Histogram::default();
        let is_whole = |tap: &&Tap| {
            screens > 0
                && usize::try_from(tap.screens).is_ok_and(|shown| shown >= screens)
                && tap.due_us >= self.measured_from_us
        };
        for tap in self.taps.iter().filter(is_whole) {
            histogram.record(tap.last_us.saturating_sub(tap.due_us));
        }
        histogram
    }

    /// Given gifts that not all of so many screens have shown.
    pub(super) fn is_settled(&self, screens: usize) -> bool {
        self.lacking(screens).next().is_none()
    }

    fn lacking(&self, screens: usize) -> impl Iterator<Item = (u64, &Tap)> {
        (1..).zip(&self.taps).filter(move |(_, tap)| {
            tap.fate == Fate::Given && usize::try_from(tap.screens).is_ok_and(|at| at < screens)
        })
    }

    pub(super) fn judge<'a>(
        &self,
        screens: usize,
        watches: impl Iterator<Item = &'a Watch> + Clone,
    ) -> Verdict {
        let mut verdict = Verdict::default();
        for tap in &self.taps {
            let is_shown = tap.screens > 0;
            verdict.other_id += u64::from(tap.has_other_id);
            match tap.fate {
                Fate::Given => {
                    verdict.given += 1;
                    verdict.never_shown += u64::from(!is_shown);
                }
                Fate::Unknown => verdict.shown_unanswered += u64::from(is_shown),
                Fate::Other => {
                    verdict.shown_unanswered += u64::from(is_shown);
                    verdict.shown_refused += u64::from(is_shown);
                }
            }
        }
        for (number, tap) in self.lacking(screens) {
            for watch in watches.clone().filter(|watch| !watch.has(number)) {
                if watch.was_away(tap.due_us, tap.until_us()) {
                    verdict.missing_told += 1;
                } else {
                    verdict.missing += 1;
                }
            }
        }
        verdict
    }
}

fn tap(taps: &mut [Tap], number: u64) -> Option<&mut Tap> {
    taps.get_mut(usize::try_from(number).ok()?.checked_sub(1)?)
}

/// What a screen makes of a gift that comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    /// For the first time.
    New,
    /// Again, after the screen was welcomed anew: a page does not show it twice.
    Repeated,
    /// Again, and nothing has happened in between.
    Twice,
}

/// What one screen has seen, over all its connections.
#[derive(Debug)]
pub(super) struct Watch {
    /// Since the last welcome, and before it.
    now: Bits,
    before: Bits,
    /// When it was away, and was then told that it misses something.
    holes: Vec<(u64, u64)>,
    away_since_us: Option<u64>,
    heard_us: u64,
    pub(super) repeated: u64,
    pub(super) twice: u64,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            now: Bits::default(),
            before: Bits::default(),
            holes: Vec::new(),
            away_since_us: Some(0),
            heard_us: 0,
            repeated: 0,
            twice: 0,
        }
    }
}

impl Watch {
    /// A welcome, the first or another. `is_whole`: all that was missed follows.
    pub(super) fn welcomed(&mut self, is_whole: bool, now_us: u64) {
        self.before.add(std::mem::take(&mut self.now));
        let away_since_us = self.away_since_us.take().unwrap_or(self.heard_us);
        if !is_whole {
            self.holes.push((away_since_us, now_us));
        }
        self.heard_us = now_us;
    }

    /// Something came: what was before has come, too.
    pub(super) fn heard(&mut self, now_us: u64) {
        self.heard_us = now_us;
    }

    /// The connection ended. What was under way then is missed, too.
    pub(super) fn ended(&mut self) {
        self.away_since_us.get_or_insert(self.heard_us);
    }

    pub(super) fn is_there(&self) -> bool {
        self.away_since_us.is_none()
    }

    pub(super) fn sees(&mut self, number: u64) -> Sight {
        if !self.now.insert(number) {
            self.twice += 1;
            return Sight::Twice;
        }
        if self.before.has(number) {
            self.repeated += 1;
            return Sight::Repeated;
        }
        Sight::New
    }

    fn has(&self, number: u64) -> bool {
        self.now.has(number) || self.before.has(number)
    }

    /// At any time between.
    fn was_away(&self, from_us: u64, until_us: u64) -> bool {
        let open = self.away_since_us.map(|since_us| (since_us, u64::MAX));
        self.holes
            .iter()
            .copied()
            .chain(open)
            .any(|(begin_us, end_us)| from_us <= end_us && until_us >= begin_us)
    }
}

/// A set of numbers from 1, without large holes.
#[derive(Debug, Default)]
struct Bits(Vec<u64>);

impl Bits {
    /// False if it was there.
    fn insert(&mut self, number: u64) -> bool {
        let (at, bit) = Self::place(number);
        if self.0.len() <= at {
            self.0.resize(at + 1, 0);
        }
        let Some(word) = self.0.get_mut(at) else {
            return false;
        };
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    fn has(&self, number: u64) -> bool {
        let (at, bit) = Self::place(number);
        self.0.get(at).is_some_and(|word| word & bit != 0)
    }

    fn add(&mut self, other: Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (word, more) in self.0.iter_mut().zip(other.0) {
            *word |= more;
        }
    }

    fn place(number: u64) -> (usize, u64) {
        let at = usize::try_from(number / 64).unwrap_or(usize::MAX);
        (at, 1 << (number % 64))
    }
}

#[cfg(test)]
mod tests;
