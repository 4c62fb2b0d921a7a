//! A day on air, in virtual time: one stream for 24 hours, with sources of every kind one after the other. Every
//! playlist keeps every rule, and its dates are the wall's.
//!
//! `DAY_HOURS=240 DAY_SEED=7` makes it longer, and another. A failure names the seed and what happened last;
//! `DAY_SAY=1` (with `--nocapture`) tells of every check.

mod books;
mod source;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use origin::packager::WallClock;
use origin::window::LiveStream;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::time::Instant;

use crate::rules::Rules;
use crate::world::{GRACE, LINGER, WINDOW_BYTES_MAX, World, number};
use books::{Books, OFF_MS_MAX, apart_ms, newest_ms, unix_ms};
use source::{Event, MONO_44100, STEREO_48000, Setting, Source};

const HOURS: u64 = 24;
const NAME: &str = "s0";
/// 2026-11-22T00:00:00Z.
const MIDNIGHT: Duration = Duration::from_secs(1_795_305_600);
/// A playlist lists five minutes: none of it is missed.
const CHECK: Duration = Duration::from_secs(120);
/// What happens may be seen for so long.
const SETTLED: Duration = Duration::from_secs(40);
/// A picture takes so long at most until it is listed: its batch and its way, the part that it is in and the
/// frame behind it.
const LISTED_MS_MAX: i64 = WAY_MS_MAX + 340 + 60;
/// Its batch and its way. Dates count from when a source's first picture had come: they are early by its way.
const WAY_MS_MAX: i64 = 200 + 80 + 20;
/// Sound's parts begin with whole frames of its own, and those are counted until they are off by 100 ms.
const SOUND_APART_MS_MAX: i64 = 130;
/// Frames a second, and how long such a source may be on air, in minutes.
const RATES: [((i64, i64), u64); 7] = [
    ((24_000, 1_001), 100),
    ((25, 1), 100),
    ((30_000, 1_001), 40),
    ((30, 1), 40),
    ((50, 1), 6),
    ((60_000, 1_001), 6),
    ((60, 1), 6),
];

/// A capture may stop for four seconds before gaps are listed, and goes on at a keyframe.
const HOLE_MS_MAX: i64 = 6_500;
/// What a day has to have.
const ALL: [&str; 25] = [
    "23.976",
    "25",
    "29.97",
    "30",
    "50",
    "59.94",
    "60",
    "variable",
    "B-frames",
    "48 kHz stereo",
    "44.1 kHz mono",
    "silent",
    "no sound",
    "sound that drifts",
    "a clock that is off",
    "odd timestamps",
    "wrapped",
    "leap",
    "leap back",
    "small leap",
    "small leap back",
    "no pictures",
    "heap",
    "other picture",
    "away",
];

struct Day {
    seed: u64,
    world: World,
    random: StdRng,
    live: Option<Arc<LiveStream>>,
    rules: Rules,
    books: Books,
    /// How often what happened.
    happened: BTreeMap<&'static str, u64>,
    /// What happened last, for whoever has to understand a failure.
    story: VecDeque<String>,
    begun: Instant,
    disturbed: Instant,
    lags_ms: (i64, i64),
    bytes_most: usize,
}

impl Day {
    fn new(seed: u64) -> Self {
        let wall_clock = WallClock::counting_from(SystemTime::UNIX_EPOCH + MIDNIGHT);
        Self {
            seed,
            world: World::new(wall_clock),
            random: StdRng::seed_from_u64(seed),
            live: None,
            rules: Rules::default(),
            books: Books::default(),
            happened: BTreeMap::new(),
            story: VecDeque::new(),
            begun: Instant::now(),
            disturbed: Instant::now(),
            lags_ms: (i64::MAX, i64::MIN),
            bytes_most: 0,
        }
    }

    fn note(&mut self, what: &'static str, how: &dyn std::fmt::Debug) {
        *self.happened.entry(what).or_default() += 1;
        if self.story.len() > 12 {
            self.story.pop_front();
        }
        let at = self.begun.elapsed().as_secs_f64();
        self.story.push_back(format!("{at:.1} s: {what} {how:?}"));
    }

    /// The first source is one that leaves room for the others; those have everything.
    fn setting(&mut self) -> (Setting, Duration) {
        let first = self.story.is_empty();
        let random = &mut self.random;
        let (rate, minutes_max) = match first {
            true => RATES[3],
            false => RATES[random.random_range(0..RATES.len())],
        };
        let sound = match random.random_range(0..8) {
            _ if first => Some(STEREO_48000),
            0..2 => Some(STEREO_48000),
            2..5 => Some(MONO_44100),
            _ => None,
        };
        let setting = Setting {
            rate,
            b_frames: random.random_bool(0.4),
            picture: random.random_range(0..2),
            sound,
            off_ppm: random.random_range(-200..=200),
            sound_off_ppm: match random.random_range(0..2) {
                0 => random.random_range(-300..300),
                _ => 0,
            },
            first_timestamp: match random.random_range(0..4) {
                // It wraps within the hour.
                0 => u32::MAX - random.random_range(0..3_000_000),
                // Whoever has 31 bits: a little below zero.
                1 => (1 << 31) - 40,
                2 => random.random(),
                _ => 0,
            },
        };
        let minutes = self.random.random_range(2..minutes_max);
        (setting, Duration::from_secs(minutes * 60))
    }

    fn event(&mut self) -> (&'static str, Event) {
        let random = &mut self.random;
        let seconds = |most: u64, random: &mut StdRng| {
            Duration::from_millis(random.random_range(300..most * 1_000))
        };
        match random.random_range(0..9) {
            0 => ("leap", Event::Leap(random.random_range(6_000..86_400_000))),
            1 => (
                "leap back",
                Event::Leap(-random.random_range(6_000..86_400_000)),
            ),
            2 => ("small leap", Event::Leap(random.random_range(60..4_800))),
            3 => (
                "small leap back",
                Event::Leap(-random.random_range(60..4_800)),
            ),
            4 => ("no pictures", Event::NoPictures(seconds(25, random))),
            5 => ("no sound", Event::NoSound(seconds(60, random))),
            6 => ("heap", Event::Heap(seconds(15, random))),
            7 => ("variable", Event::Variable(seconds(60, random))),
            _ => ("other picture", Event::OtherPicture),
        }
    }

    /// A source, from when it connects until it has vanished and is waited for.
    async fn source(&mut self, until: Instant) {
        let (setting, length) = self.setting();
        self.note("source", &setting);
        self.count(&setting);
        self.disturbed = Instant::now();
        let until = (Instant::now() + length).min(until);
        let publication = self.world.publish(0).await;
        let mut source = Source::connect(publication, setting).await.unwrap();
        while Instant::now() < until {
            let quiet = Duration::from_secs(self.random.random_range(60..600));
            let event_at = (Instant::now() + quiet).min(until);
            while Instant::now() < event_at {
                let check_at = (Instant::now() + CHECK).min(event_at);
                let sent = source.run_until(check_at, &mut self.random).await;
                self.right(sent.map_err(|end| format!("it was ended: {end:?}")));
                self.check();
            }
            let (what, event) = self.event();
            self.note(what, &event);
            self.disturbed = Instant::now()
                + match event {
                    Event::NoPictures(by) | Event::NoSound(by) => by,
                    Event::Heap(by) | Event::Variable(by) => by,
                    _ => Duration::ZERO,
                };
            source.happen(event).await.unwrap();
        }
        *self.happened.entry("wrapped").or_default() += source.wraps;
        drop(source);
    }

    /// Nobody is there, for less than the stream waits.
    async fn absence(&mut self) {
        let away = Duration::from_millis(self.random.random_range(200..25_000));
        self.note("away", &away);
        self.disturbed = Instant::now();
        tokio::time::sleep(away).await;
        self.check();
    }

    fn count(&mut self, setting: &Setting) {
        let rate = match setting.rate {
            (24_000, _) => "23.976",
            (25, _) => "25",
            (30_000, _) => "29.97",
            (30, _) => "30",
            (50, _) => "50",
            (60_000, _) => "59.94",
            _ => "60",
        };
        let sound = match setting.sound {
            None => "silent",
            Some(sound) if sound == MONO_44100 => "44.1 kHz mono",
            Some(_) => "48 kHz stereo",
        };
        let more = [
            (setting.b_frames, "B-frames"),
            (setting.off_ppm.abs() > 100, "a clock that is off"),
            (
                setting.sound.is_some() && setting.sound_off_ppm.abs() > 100,
                "sound that drifts",
            ),
            (setting.first_timestamp != 0, "odd timestamps"),
        ];
        let more = more.into_iter().filter(|(is, _)| *is);
        for what in more.map(|(_, what)| what).chain([rate, sound]) {
            *self.happened.entry(what).or_default() += 1;
        }
    }

    fn right(&self, kept: Result<(), String>) {
        if let Err(broken) = kept {
            let story = Vec::from_iter(self.story.iter().map(String::as_str)).join("\n");
            let at = self.begun.elapsed();
            let seed = self.seed;
            panic!("DAY_SEED={seed}: {broken}\nat {at:?}, after\n{story}");
        }
    }

    fn check(&mut self) {
        let checked = self.try_check();
        self.right(checked);
    }

    fn try_check(&mut self) -> Result<(), String> {
        let Some(live) = self.world.studio.catalog.get(NAME) else {
            return Err("there is no stream".to_owned());
        };
        let first = self.live.get_or_insert_with(|| Arc::clone(&live));
        if !Arc::ptr_eq(first, &live) || live.is_ended() {
            return Err("the stream ended".to_owned());
        }
        self.rules.check(&live)?;
        self.bytes_most = self.bytes_most.max(live.update().stored_bytes());
        let (video, sound) = (self.rules.seen(&live, 0), self.rules.seen(&live, 1));
        let (Some(video), Some(sound)) = (video, sound) else {
            return Err("a rendition is missing".to_owned());
        };
        self.books.enter(video)?;
        let now_ms = unix_ms(self.world.studio.wall_clock.now());
        let lag_ms = now_ms - newest_ms(video);
        let settled = (self.disturbed + SETTLED).duration_since(self.begun);
        let apart_ms = apart_ms(
            video,
            sound,
            unix_ms(SystemTime::UNIX_EPOCH + MIDNIGHT + settled),
        );
        say(format_args!(
            "{:?}: lag {lag_ms} ms, of sound {} ms, {apart_ms} ms apart; {:?}",
            self.begun.elapsed(),
            now_ms - newest_ms(sound),
            self.story.back()
        ));
        if self.disturbed + SETTLED > Instant::now() {
            return Ok(());
        }
        self.lags_ms.0 = self.lags_ms.0.min(lag_ms);
        self.lags_ms.1 = self.lags_ms.1.max(lag_ms);
        if !(-WAY_MS_MAX - OFF_MS_MAX..=LISTED_MS_MAX + OFF_MS_MAX).contains(&lag_ms) {
            return Err(format!("what is newest is dated {lag_ms} ms ago"));
        }
        if apart_ms > SOUND_APART_MS_MAX {
            return Err(format!("sound is dated {apart_ms} ms beside"));
        }
        Ok(())
    }
}

/// For whoever looks into a failure: `DAY_SAY=1`.
#[expect(clippy::print_stdout, reason = "asked for")]
fn say(what: std::fmt::Arguments<'_>) {
    if std::env::var_os("DAY_SAY").is_some() {
        println!("{what}");
    }
}

impl Day {
    /// What is true of the day as a whole.
    fn close_the_books(&self, hours: u64) {
        let (books, happened) = (&self.books, &self.happened);
        let (bytes, lags_ms) = (self.bytes_most, self.lags_ms);
        say(format_args!(
            "{happened:?}\n{books:?}\n{bytes} bytes, {lags_ms:?} ms"
        ));
        assert!(
            bytes < WINDOW_BYTES_MAX / 4,
            "{bytes} bytes for five minutes"
        );
        let of = |what: &str| i64::try_from(*happened.get(what).unwrap_or(&0)).unwrap();
        // Everything that was on air is listed: what is not was the end of a part and the wait for a keyframe.
        let breaks = ["source", "no pictures", "small leap", "small leap back"];
        let breaks: i64 = breaks.into_iter().map(of).sum();
        let holes_ms = books.hole_ms;
        assert!(
            (-10 * books.holes..=breaks * 2_000).contains(&holes_ms),
            "{holes_ms} ms are lost"
        );
        let longest_ms = books.longest_hole_ms;
        assert!(longest_ms < HOLE_MS_MAX, "a hole of {longest_ms} ms");
        let wall_ms = i64::try_from(hours).unwrap() * 3_600_000;
        let listed_ms = books.media_ms + books.gap_ms + holes_ms + books.steered_ms;
        let off_ms = wall_ms - listed_ms;
        assert!(
            off_ms.abs() < 30_000,
            "{off_ms} ms of the day are not listed"
        );
        let away_ms = (
            of("away") * 25_000,
            of("no pictures") * 25_000 + of("heap") * 17_000,
        );
        let most_ms = away_ms.0 + away_ms.1 + of("other picture") * 5_000;
        assert!(books.gap_ms < most_ms, "{} ms of gaps", books.gap_ms);
        if hours >= HOURS {
            let dull: Vec<_> = ALL.iter().filter(|what| of(what) == 0).collect();
            assert!(dull.is_empty(), "{dull:?} did not happen");
            assert!(
                books.holes > of("source"),
                "{} discontinuities",
                books.holes
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_day_on_air_breaks_no_rule() {
    let (hours, seed) = (number("DAY_HOURS", HOURS), number("DAY_SEED", 1));
    let mut day = Day::new(seed);
    let until = day.begun + Duration::from_secs(hours * 3_600);
    while Instant::now() < until {
        day.source(until).await;
        day.absence().await;
    }
    let live = day.live.clone().unwrap();
    let publication = day.world.publish(0).await;
    publication.say_goodbye();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(live.is_ended());
    day.close_the_books(hours);
    tokio::time::sleep(GRACE + LINGER + Duration::from_secs(5)).await;
    day.world.assert_nothing_is_left();
}

/// What is newest is dated truly, and sound beside its picture, a minute after any of this.
#[tokio::test(start_paused = true)]
async fn dates_are_true_a_minute_after_whatever_happens() {
    let seconds = Duration::from_secs;
    for event in [
        Event::Heap(seconds(3)),
        Event::Heap(seconds(12)),
        Event::Leap(-1_488),
        Event::Leap(2_718),
        Event::Leap(4_197_532),
        Event::NoPictures(seconds(3)),
        Event::NoPictures(seconds(20)),
        Event::NoSound(seconds(7)),
        Event::OtherPicture,
    ] {
        let mut day = Day::new(1);
        let (mut setting, _) = day.setting();
        setting.off_ppm = 2_000;
        let publication = day.world.publish(0).await;
        let mut source = Source::connect(publication, setting).await.unwrap();
        // So long that the source's clock is off by more than may be.
        for what in ["the first half", "the second half"] {
            let until = Instant::now() + seconds(360);
            while Instant::now() < until {
                let check_at = Instant::now() + CHECK;
                source.run_until(check_at, &mut day.random).await.unwrap();
                day.check();
            }
            day.note(what, &event);
            source.happen(event).await.unwrap();
            let until = Instant::now() + seconds(85);
            day.disturbed = Instant::now() + seconds(22);
            source.run_until(until, &mut day.random).await.unwrap();
            day.check();
        }
    }
}
