//! What came of it, as a table for people and as JSON for machines.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use serde::Serialize;

use crate::histogram::{Histogram, Spread};

use super::stage::{Screen, Stage};

/// Who leaves, or reads, so late is the limit itself, and not the server.
const LATE_MS_MAX: f64 = 20.0;

/// What was tapped, and what it was answered; warm-up included.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Taps {
    /// Gifts that were meant to be given, and were sent.
    pub sent: u64,
    /// Gifts for which there was no room any more.
    pub unsent: u64,
    /// Requests that repeat one before.
    pub repeats: u64,
    /// Requests that waited for others to end before they were sent.
    pub waited: u64,
    /// Gifts that have no answer that holds.
    pub unanswered: usize,
    /// All answers, repetitions included: the status and what it said.
    pub answers: BTreeMap<String, u64>,
}

/// Gifts, held against screens; warm-up included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Gifts that were answered "given".
    pub given: u64,
    /// Sum of their totals.
    pub coins: u64,
    /// Gifts that were answered "held".
    pub held: usize,
    /// Sum of their totals.
    pub held_coins: u64,
    /// Given gifts times screens that were there and have not shown them.
    pub missing: u64,
    /// The same for screens that were away, and were told that they miss something.
    pub missing_told: u64,
    /// Given gifts that no screen has shown.
    pub never_shown: u64,
    /// Times that a screen showed a gift again, without having been welcomed anew.
    pub twice: u64,
    /// Times that a gift came again after another welcome: pages do not show it.
    pub repeated: u64,
    /// Gifts that were shown, though they were not answered "given".
    pub shown_unanswered: u64,
    /// Of these, those that were answered "held", or refused.
    pub shown_refused: u64,
    /// Gifts whose id is not the same everywhere.
    pub other_id: u64,
    /// Series that ended.
    pub combo_ends: u64,
    /// Taps of these series.
    pub combo_taps: u64,
    /// Times that screens were told of their ends.
    pub combo_end_deliveries: u64,
}

/// What a process of the server took, children included.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Server {
    /// The process.
    pub pid: u32,
    /// CPU per given gift of the measured time, in microseconds. None if the process ended.
    pub cpu_us_per_gift: Option<f64>,
}

/// The whole run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Screens wanted.
    pub screens: usize,
    /// Screens that were in the room when giving began.
    pub connected: usize,
    /// Screens that are in the room at the end.
    pub connected_at_end: usize,
    /// Times that screens were welcomed again.
    pub returns: u64,
    /// Of these, those that said that something is missing.
    pub not_recovered: u64,
    /// Messages to screens that are none, or of another epoch than the welcome's.
    pub malformed: u64,
    /// Measured time.
    pub seconds: f64,
    /// Gifts given per second of it.
    pub gifts_per_second: f64,
    /// What was tapped.
    pub taps: Taps,
    /// Gifts, held against screens.
    pub account: Account,
    /// From the moment a gift was to be given until its answer "given".
    pub answered: Spread,
    /// Until a screen has shown it; all screens.
    pub shown: Spread,
    /// Until the last screen has shown it; gifts that all have shown.
    pub last_shown: Spread,
    /// The server, as far as its processes were named.
    pub servers: Vec<Server>,
    /// CPU of this program per given gift of the measured time, in microseconds.
    pub client_cpu_us_per_gift: f64,
    /// How late taps left this program.
    pub left_late: Spread,
    /// How late this program reads what screens get.
    pub read_late: Spread,
    /// Why the figures may be this program's and not the server's.
    pub limits: Vec<String>,
    /// Why connections ended, or did not come about.
    pub ends: BTreeMap<String, u64>,
}

/// What was used in the measured time, and on the way.
pub(super) struct Used<'a> {
    pub(super) seconds: f64,
    pub(super) client_cpu: Duration,
    pub(super) servers: Vec<(u32, Option<Duration>)>,
    pub(super) repeats: u64,
    pub(super) waited: u64,
    pub(super) unsent: u64,
    pub(super) late: &'a Histogram,
}

pub(super) fn of(
    stage: &Stage,
    connected: usize,
    screens: &[impl Deref<Target = Screen>],
    used: &Used<'_>,
) -> Report {
    let sum = |of: fn(&Screen) -> u64| screens.iter().map(|screen| of(screen)).sum();
    let book = stage.book.lock();
    let till = stage.till.lock();
    let gifts = book.given_measured;
    let per_gift = |cpu: Duration| cpu.as_secs_f64() * 1e6 / gifts.max(1) as f64;
    let servers = used.servers.iter().map(|&(pid, cpu)| Server {
        pid,
        cpu_us_per_gift: cpu.map(per_gift),
    });
    let verdict = book.judge(screens.len(), screens.iter().map(|screen| &screen.watch));
    let [combo_ends, combo_taps, combo_end_deliveries] = stage.combos();
    let (left_late, read_late) = (used.late.spread(), stage.lag.lock().spread());
    Report {
        screens: screens.len(),
        connected,
        connected_at_end: screens
            .iter()
            .filter(|screen| screen.watch.is_there())
            .count(),
        returns: sum(|screen| screen.returns),
        not_recovered: sum(|screen| screen.not_recovered),
        malformed: sum(|screen| screen.malformed),
        seconds: used.seconds,
        gifts_per_second: gifts as f64 / used.seconds,
        taps: Taps {
            sent: book.len(),
            unsent: used.unsent,
            repeats: used.repeats,
            waited: used.waited,
            unanswered: till.unanswered.len(),
            answers: till.answers.clone(),
        },
        account: Account {
            given: verdict.given,
            coins: till.total_coins,
            held: till.held.len(),
            held_coins: till.held_coins,
            missing: verdict.missing,
            missing_told: verdict.missing_told,
            never_shown: verdict.never_shown,
            twice: sum(|screen| screen.watch.twice),
            repeated: sum(|screen| screen.watch.repeated),
            shown_unanswered: verdict.shown_unanswered,
            shown_refused: verdict.shown_refused,
            other_id: verdict.other_id,
            combo_ends,
            combo_taps,
            combo_end_deliveries,
        },
        answered: book.answered.spread(),
        shown: book.shown.spread(),
        last_shown: book.last_shown(screens.len()).spread(),
        servers: servers.collect(),
        client_cpu_us_per_gift: per_gift(used.client_cpu),
        left_late,
        read_late,
        limits: limits(&left_late, &read_late, used.unsent),
        ends: stage.ends(),
    }
}

/// Why the figures may be this program's.
fn limits(left_late: &Spread, read_late: &Spread, unsent: u64) -> Vec<String> {
    let mut limits = Vec::new();
    if left_late.p99_ms > LATE_MS_MAX {
        limits.push(format!("gifts leave {:.0} ms late (p99)", left_late.p99_ms));
    }
    if read_late.p99_ms > LATE_MS_MAX {
        limits.push(format!(
            "what screens get is read {:.0} ms late (p99)",
            read_late.p99_ms
        ));
    }
    if unsent > 0 {
        limits.push(format!("{unsent} gifts were not sent: too many wait"));
    }
    limits
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |name: &str, value: String| writeln!(f, "| {name} | {value} |");
        row(
            "gifts",
            format!(
                "{:.1} per second for {:.1} s",
                self.gifts_per_second, self.seconds
            ),
        )?;
        row("---", "---".to_owned())?;
        row(
            "screens",
            format!(
                "{} of {}, {} at the end; {} returns, {} not recovered; {} messages malformed",
                self.connected,
                self.screens,
                self.connected_at_end,
                self.returns,
                self.not_recovered,
                self.malformed
            ),
        )?;
        row("taps", self.taps.to_string())?;
        for (status, count) in &self.taps.answers {
            row("answered", format!("{count} times: {status}"))?;
        }
        row("tap to answer", self.answered.to_string())?;
        row("tap to shown", self.shown.to_string())?;
        row("tap to last screen", self.last_shown.to_string())?;
        let Account {
            given, coins, held, ..
        } = self.account;
        row(
            "paid",
            format!(
                "{given} gifts, {coins} coins; {held} held, {} coins",
                self.account.held_coins
            ),
        )?;
        row("exactly once", self.account.to_string())?;
        row(
            "combos",
            format!(
                "{} ended, of {} taps; screens were told {} times",
                self.account.combo_ends, self.account.combo_taps, self.account.combo_end_deliveries
            ),
        )?;
        for server in &self.servers {
            let cpu = server.cpu_us_per_gift.map_or_else(
                || "ended on the way".to_owned(),
                |us| format!("{us:.0} us of CPU per gift"),
            );
            row(&format!("server {}", server.pid), cpu)?;
        }
        row(
            "this client",
            format!("{:.0} us of CPU per gift", self.client_cpu_us_per_gift),
        )?;
        for limit in &self.limits {
            row("this client is the limit", limit.clone())?;
        }
        for (why, count) in &self.ends {
            row("ended", format!("{count} times: {why}"))?;
        }
        Ok(())
    }
}

impl fmt::Display for Taps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} sent, {} not, {} repeated, {} waited to be sent, {} never answered",
            self.sent, self.unsent, self.repeats, self.waited, self.unanswered
        )
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} missing (and {} told), {} never shown, {} twice, {} repeated; {} shown without \
             \"given\" ({} of them refused), {} with another id",
            self.missing,
            self.missing_told,
            self.never_shown,
            self.twice,
            self.repeated,
            self.shown_unanswered,
            self.shown_refused,
            self.other_id
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_is_late_says_so() {
        let late = |p99_ms| Spread {
            p99_ms,
            ..Spread::default()
        };
        assert!(limits(&late(20.0), &late(1.0), 0).is_empty());
        assert_eq!(limits(&late(21.0), &late(21.0), 3).len(), 3);
    }
}
