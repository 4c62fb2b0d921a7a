//! Numbers that players must never see go back: Media Sequence Numbers and EXT-X-DISCONTINUITY-SEQUENCE
//! of every stream, kept on disk over restarts, with what it takes to go on with a stream.
//!
//! Numbers are *reserved*: what is on disk is ahead of what is listed, so that a process that dies
//! without a word has used nothing that its next life will use again. Without a directory, or without
//! a fresh record, numbers begin at the clock's seconds; a segment lasts at least about a second, so that no
//! stream is ever ahead of that clock. A record is fresh for [`FRESH`]: another origin may have carried
//! the stream since.

mod file;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use channels::Begun;
use hls::Msn;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::packager::Layout;
use file::File;

/// 2026-01-01T00:00:00Z, where the clock's Media Sequence Numbers count seconds from.
const EPOCH_UNIX_SECONDS: u64 = 1_767_225_600;
/// The clock's EXT-X-DISCONTINUITY-SEQUENCE counts hours, so that it does not go back for a stream that
/// breaks less than once an hour. Not seconds: hls.js walks an array of that length at every reload, and
/// 28 million entries cost it a second each time.
const DISCONTINUITY_SECONDS: u64 = 3_600;
/// Numbers reserved at once: a write every half a minute or so.
const AHEAD: u64 = 16;
/// The record of a stream that runs is touched when half of these are used: every 8 segments, of 2 s at most.
const UNTOUCHED: Duration = Duration::from_secs(16);
/// A record that was not touched for longer does not bind: the clock does too.
const FRESH: Duration = Duration::from_secs(600);
/// Records kept; beyond them those that have ended go first that were not touched for longest.
const RECORDS_MAX: usize = 10_000;

/// The numbers of all streams. Clones share them.
#[derive(Clone, Debug)]
pub struct Numbers {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Whoever writes holds it: an orderly end writes while what it has just stopped may still be at it.
    file: Option<Mutex<File>>,
    records: Mutex<BTreeMap<String, Record>>,
    /// Something is to be written.
    changed: Notify,
}

/// What is kept of a stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    /// No segment has had this number, or one above.
    next_msn: u64,
    /// No playlist has had this EXT-X-DISCONTINUITY-SEQUENCE, or one above.
    next_discontinuity_sequence: u64,
    /// When the record was last touched, in Unix seconds.
    touched: u64,
    /// The stream was left, or ended, in order: nothing of it was shown after that. Absent in files of before.
    #[serde(default)]
    left: bool,
    /// How to go on with it; none once it has ended.
    live: Option<Live>,
}

/// What it takes to go on with a stream in another life of this process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Live {
    /// For people.
    pub title: Option<String>,
    /// When its first picture arrived.
    pub started_at: SystemTime,
    /// Its renditions, which are named in playlists that players have.
    pub(crate) layout: Layout,
    /// What its publisher's key comes back with, if that is good for one broadcast: whether it may is as
    /// durable as the stream that waits for it. Absent in files of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) begun: Option<Begun>,
}

/// What a stream begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// The first segment's number.
    pub msn: Msn,
    /// EXT-X-DISCONTINUITY-SEQUENCE of the first segment.
    pub discontinuity_sequence: u64,
}

impl Numbers {
    /// Reads what is kept in the directory, which is made if missing; `None`: nothing is kept.
    pub fn open(directory: Option<&Path>) -> std::io::Result<Self> {
        let file = directory.map(File::open).transpose()?;
        let records = match &file {
            Some(file) => file.read()?,
            None => BTreeMap::new(),
        };
        Ok(Self {
            shared: Arc::new(Shared {
                file: file.map(Mutex::new),
                records: Mutex::new(records),
                changed: Notify::new(),
            }),
        })
    }

    /// Whether numbers survive this process.
    pub fn is_durable(&self) -> bool {
        self.shared.file.is_some()
    }

    /// Where a stream begins that is not gone on with, and reserves it.
    pub fn begin(&self, stream: &str, live: Live, now: SystemTime) -> Start {
        let unix = unix_seconds(now);
        let clock = unix.saturating_sub(EPOCH_UNIX_SECONDS);
        let mut records = self.shared.records.lock();
        let kept = records.get(stream);
        let is_fresh = kept.is_some_and(|kept| {
            let age = unix.saturating_sub(kept.touched);
            age <= FRESH.as_secs()
        });
        let by_clock = if is_fresh {
            (0, 0)
        } else {
            (clock, clock / DISCONTINUITY_SECONDS)
        };
        let msn = kept.map_or(0, |kept| kept.next_msn).max(by_clock.0);
        let discontinuity_sequence = kept
            .map_or(0, |kept| kept.next_discontinuity_sequence)
            .max(by_clock.1);
        let record = Record {
            next_msn: msn.saturating_add(AHEAD),
            next_discontinuity_sequence: discontinuity_sequence.saturating_add(AHEAD),
            touched: unix,
            left: false,
            live: Some(live),
        };
        records.insert(stream.to_owned(), record);
        forget(&mut records);
        drop(records);
        self.shared.changed.notify_one();
        Start {
            msn: Msn::new(msn),
            discontinuity_sequence,
        }
    }

    /// Somebody publishes: from now on a stream that is there waits for nobody else.
    pub(crate) fn published(&self, stream: &str, begun: Option<Begun>) {
        let mut records = self.shared.records.lock();
        let live = records.get_mut(stream).and_then(|it| it.live.as_mut());
        let Some(live) = live.filter(|live| live.begun != begun) else {
            return;
        };
        live.begun = begun;
        drop(records);
        self.shared.changed.notify_one();
    }

    /// A stream has come so far: its next segment and the sequence of its next discontinuity.
    pub fn reach(&self, stream: &str, msn: Msn, discontinuity_sequence: u64, now: SystemTime) {
        let mut records = self.shared.records.lock();
        let Some(record) = records.get_mut(stream) else {
            return;
        };
        let near = |reserved: u64, next: u64| reserved < next.saturating_add(AHEAD / 2);
        let is_near = near(record.next_msn, msn.value())
            || near(record.next_discontinuity_sequence, discontinuity_sequence);
        if !is_near {
            return;
        }
        record.next_msn = record.next_msn.max(msn.value().saturating_add(AHEAD));
        record.next_discontinuity_sequence = record
            .next_discontinuity_sequence
            .max(discontinuity_sequence.saturating_add(AHEAD));
        record.touched = unix_seconds(now);
        record.left = false;
        drop(records);
        self.shared.changed.notify_one();
    }

    /// A stream stops here, with nothing reserved ahead: for good, or to be gone on with by the next life.
    pub fn leave(&self, stream: &str, next: Start, goes_on: bool, now: SystemTime) {
        let mut records = self.shared.records.lock();
        let Some(record) = records.get_mut(stream) else {
            return;
        };
        record.next_msn = next.msn.value();
        record.next_discontinuity_sequence = next.discontinuity_sequence;
        record.touched = unix_seconds(now);
        record.left = true;
        if !goes_on {
            record.live = None;
        }
        drop(records);
        self.shared.changed.notify_one();
    }

    /// The streams of another life that were live, and for how long they have been without an origin. After a kill -9
    /// that is not known to [`UNTOUCHED`]: the least that it can be, for whoever published may be about to come back.
    pub fn left_behind(&self, now: SystemTime) -> Vec<(String, Live, Duration)> {
        let now = unix_seconds(now);
        let records = self.shared.records.lock();
        let live = records.iter().filter_map(|(stream, record)| {
            let age = Duration::from_secs(now.saturating_sub(record.touched));
            let shown = if record.left {
                Duration::ZERO
            } else {
                UNTOUCHED
            };
            Some((
                stream.clone(),
                record.live.clone()?,
                age.saturating_sub(shown),
            ))
        });
        live.collect()
    }

    /// A stream of another life will not be gone on with.
    pub fn give_up(&self, stream: &str) {
        if let Some(record) = self.shared.records.lock().get_mut(stream) {
            record.live = None;
        }
        self.shared.changed.notify_one();
    }

    /// Writes what changes until it is dropped. Where nothing is kept it waits for ever.
    pub async fn keep(self) {
        if !self.is_durable() {
            return std::future::pending().await;
        }
        loop {
            self.shared.changed.notified().await;
            self.flush().await;
        }
    }

    /// Writes what is left.
    pub async fn flush(&self) {
        let shared = Arc::clone(&self.shared);
        let written = tokio::task::spawn_blocking(move || shared.write());
        let written = written.await.map_err(std::io::Error::other);
        // A stream goes on all the same: numbers from the clock are what a full disk leaves.
        if let Err(error) = written.flatten() {
            tracing::error!(%error, "the numbers of streams cannot be kept");
        }
    }
}

impl Shared {
    /// Writes the records as they are once it is its turn, so that the last to write writes the newest.
    fn write(&self) -> std::io::Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let file = file.lock();
        let records = self.records.lock().clone();
        let written = file.write(records);
        if written.is_err() {
            // What is there falls behind what is listed from here on, and would bind the next life to it.
            file.remove();
        }
        written
    }
}

fn forget(records: &mut BTreeMap<String, Record>) {
    while records.len() > RECORDS_MAX {
        let ended = records.iter().filter(|(_, record)| record.live.is_none());
        let oldest = ended.min_by_key(|(_, record)| record.touched);
        let Some(oldest) = oldest.map(|(stream, _)| stream.clone()) else {
            return;
        };
        records.remove(&oldest);
    }
}

fn unix_seconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = EPOCH_UNIX_SECONDS + 1_000_000;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(START + seconds)
    }

    fn live() -> Live {
        Live {
            title: None,
            started_at: at(0),
            layout: Layout::default(),
            begun: None,
        }
    }

    fn next(msn: u64, discontinuity_sequence: u64) -> Start {
        Start {
            msn: Msn::new(msn),
            discontinuity_sequence,
        }
    }

    #[test]
    fn without_a_record_the_clock_counts() {
        let numbers = Numbers::open(None).unwrap();
        assert!(!numbers.is_durable());
        assert_eq!(
            numbers.begin("demo", live(), at(0)),
            next(1_000_000, 1_000_000 / 3_600)
        );
    }

    #[test]
    fn a_stream_that_ended_is_gone_on_from_where_it_was() {
        let numbers = Numbers::open(None).unwrap();
        let start = numbers.begin("demo", live(), at(0));
        let end = next(start.msn.value() + 3, start.discontinuity_sequence + 1);
        numbers.leave("demo", end, false, at(6));
        assert_eq!(numbers.begin("demo", live(), at(7)), end);
        numbers.leave("demo", end, false, at(8));
        assert_eq!(
            numbers.begin("demo", live(), at(5_000)),
            next(1_005_000, 1_005_000 / 3_600),
            "another origin may have had it meanwhile"
        );
    }

    #[test]
    fn a_clock_that_is_set_back_takes_no_number_back() {
        let numbers = Numbers::open(None).unwrap();
        let start = numbers.begin("demo", live(), at(10_000));
        let end = next(start.msn.value() + 3, start.discontinuity_sequence + 1);
        numbers.leave("demo", end, false, at(10_006));
        assert_eq!(numbers.begin("demo", live(), at(0)), end);
    }

    #[tokio::test]
    async fn what_was_reserved_is_not_used_again_by_the_next_life() {
        let directory = tempfile::tempdir().unwrap();
        let numbers = Numbers::open(Some(directory.path())).unwrap();
        let start = numbers.begin("demo", live(), at(0));
        let mut used = start;
        for second in 1..100 {
            used = next(used.msn.value() + 1, used.discontinuity_sequence);
            numbers.reach("demo", used.msn, used.discontinuity_sequence, at(second));
            numbers.flush().await;
            // It dies here: so much is on disk.
            let again = Numbers::open(Some(directory.path())).unwrap();
            let left = again.left_behind(at(second));
            let (stream, kept, _) = left.first().unwrap();
            assert_eq!((stream.as_str(), kept), ("demo", &live()));
            let goes_on = again.begin("demo", live(), at(second));
            assert!(goes_on.msn > used.msn, "{goes_on:?} {used:?}");
            assert!(goes_on.msn.value() <= used.msn.value() + AHEAD);
            assert!(goes_on.discontinuity_sequence > used.discontinuity_sequence);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn whoever_writes_at_once_writes_all() {
        let directory = tempfile::tempdir().unwrap();
        let numbers = Numbers::open(Some(directory.path())).unwrap();
        let mut writers = tokio::task::JoinSet::new();
        for n in 0..40 {
            let numbers = numbers.clone();
            writers.spawn(async move {
                numbers.begin(&"s".repeat(40 - n), live(), at(0));
                numbers.flush().await;
            });
        }
        writers.join_all().await;
        let again = Numbers::open(Some(directory.path())).unwrap();
        assert_eq!(again.left_behind(at(0)).len(), 40);
    }

    #[tokio::test]
    async fn a_record_that_could_not_be_kept_up_binds_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let numbers = Numbers::open(Some(directory.path())).unwrap();
        let mut used = numbers.begin("demo", live(), at(0));
        numbers.flush().await;
        // As a full disk would have it: nothing more can be written.
        std::fs::create_dir(directory.path().join("numbers.json.new")).unwrap();
        for second in 1..300 {
            used = next(used.msn.value() + 1, used.discontinuity_sequence);
            numbers.reach("demo", used.msn, used.discontinuity_sequence, at(second));
            numbers.flush().await;
        }
        let again = Numbers::open(Some(directory.path())).unwrap();
        let goes_on = again.begin("demo", live(), at(301));
        assert!(goes_on.msn > used.msn, "{goes_on:?} {used:?}");
    }

    #[tokio::test]
    async fn who_leaves_in_order_leaves_no_hole() {
        let directory = tempfile::tempdir().unwrap();
        let numbers = Numbers::open(Some(directory.path())).unwrap();
        let start = numbers.begin("demo", live(), at(0));
        let end = next(start.msn.value() + 5, start.discontinuity_sequence + 1);
        numbers.leave("demo", end, true, at(10));
        numbers.flush().await;
        let again = Numbers::open(Some(directory.path())).unwrap();
        assert_eq!(
            again.left_behind(at(15)),
            [("demo".to_owned(), live(), Duration::from_secs(5))]
        );
        again.give_up("demo");
        assert_eq!(again.left_behind(at(15)), []);
        assert_eq!(again.begin("demo", live(), at(15)), end);
    }

    /// It ran until a moment ago: its publisher has the whole grace to come back.
    #[tokio::test]
    async fn a_kill_takes_nothing_of_the_grace() {
        let directory = tempfile::tempdir().unwrap();
        let numbers = Numbers::open(Some(directory.path())).unwrap();
        let start = numbers.begin("demo", live(), at(0));
        let mut second = 0;
        for segment in 1..100 {
            second = segment * 2;
            let msn = Msn::new(start.msn.value() + segment);
            numbers.reach("demo", msn, start.discontinuity_sequence, at(second));
            numbers.flush().await;
            let again = Numbers::open(Some(directory.path())).unwrap();
            let (_, _, age) = again.left_behind(at(second)).remove(0);
            assert_eq!(age, Duration::ZERO, "killed after {second} s");
        }
        let again = Numbers::open(Some(directory.path())).unwrap();
        let (_, _, age) = again.left_behind(at(second + 30)).remove(0);
        assert!((14..=30).contains(&age.as_secs()), "{age:?}");
    }

    #[tokio::test]
    async fn the_next_life_waits_for_whoever_published_last() {
        let directory = tempfile::tempdir().unwrap();
        let numbers = Numbers::open(Some(directory.path())).unwrap();
        let begun = |key: &str| {
            Some(Begun {
                key: key.to_owned(),
                used_ms: 1,
                stops: 2,
            })
        };
        // There is no stream yet that could be left behind.
        numbers.published("demo", begun("key-0"));
        numbers.begin("demo", live(), at(0));
        for last in [begun("key-1"), begun("key-2"), None] {
            numbers.published("demo", last.clone());
            numbers.flush().await;
            let again = Numbers::open(Some(directory.path())).unwrap();
            let left = again.left_behind(at(1));
            assert_eq!(left.len(), 1);
            assert_eq!(left[0].1.begun, last);
        }
    }

    #[test]
    fn records_that_nobody_writes_are_bounded_too() {
        let numbers = Numbers::open(None).unwrap();
        for n in 0..RECORDS_MAX as u64 + 10 {
            let stream = format!("s{n}");
            let start = numbers.begin(&stream, live(), at(n));
            numbers.leave(&stream, start, false, at(n));
        }
        assert_eq!(numbers.shared.records.lock().len(), RECORDS_MAX);
    }

    #[test]
    fn records_are_bounded_and_live_ones_stay() {
        let record = |touched, live| Record {
            next_msn: 1,
            next_discontinuity_sequence: 1,
            touched,
            left: false,
            live,
        };
        let mut records: BTreeMap<_, _> = (0..RECORDS_MAX as u64 + 10)
            .map(|n| (format!("s{n}"), record(n, (n < 5).then(live))))
            .collect();
        forget(&mut records);
        assert_eq!(records.len(), RECORDS_MAX);
        assert!(records.contains_key("s4") && !records.contains_key("s5"));
    }
}
