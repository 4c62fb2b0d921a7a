//! Thousands of publishers' lives, seeded, in virtual time: they connect, stall, flap, change what they send, lie
//! about it, and say goodbye or do not. The whole origin between the socket and HTTP runs; after each life every
//! playlist must keep every rule, and in the end nothing may be left.
//!
//! `LIVES=100000 LIVES_SEED=7` makes it longer, and another. A failure names the seed and the life.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test's helpers fail the test; clippy.toml excuses only functions marked #[test]"
)]

mod publisher;
mod rules;

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use origin::config;
use origin::control::Herald;
use origin::filters::PublishAsk;
use origin::metrics::Metrics;
use origin::numbers::Numbers;
use origin::packager::{Shows, Studio, WallClock};
use origin::publish::Streams;
use origin::thumbnails::Thumbnails;
use origin::transcode::Jobs;
use origin::window::Catalog;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use publisher::Publisher;
use rules::Rules;

/// Streams side by side.
const STREAMS: u64 = 8;
/// Half a minute of this machine's time.
const LIVES: u64 = 10_000;
const GRACE: Duration = Duration::from_secs(30);
const LINGER: Duration = Duration::from_secs(20);

/// Every source of the publishers is below the one rung, and passes through; what cannot meets an encoder that
/// is not there.
const CONFIGURATION: &str = r#"
[transcode]
ffmpeg = "/nonexistent/ffmpeg"
failures_max = 1
[[ladder]]
name = "2160p"
height = 2160
video_bitrate_kbps = 8000
[packaging]
state_dir = ""
linger_seconds = 20
window_bytes_max = 16777216
"#;

struct World {
    studio: Studio,
    streams: Streams,
}

fn world() -> World {
    let mut text = CONFIGURATION.to_owned();
    for stream in 0..STREAMS {
        text.push_str(&format!(
            "[[streams]]\nname = \"s{stream}\"\npublish_key = \"{}\"\n",
            key(stream)
        ));
    }
    let settings = config::parse(Path::new("lives.toml"), &text).unwrap();
    let metrics = Metrics::register(&telemetry::Registry::new()).unwrap();
    let studio = Studio {
        jobs: Jobs::new(NonZeroUsize::MIN, metrics.jobs()),
        transcode: settings.transcode.clone(),
        thumbnails: Thumbnails::new(None, settings.transcode.ffmpeg.clone()),
        packaging: settings.packaging.clone(),
        catalog: Catalog::default(),
        metrics,
        herald: Herald::default(),
        numbers: Numbers::open(None).unwrap(),
        wall_clock: WallClock::System,
        reconnect_grace: GRACE,
        slate: None,
        shutdown: CancellationToken::new(),
        tasks: TaskTracker::new(),
        shows: Shows::default(),
    };
    let begin = studio.clone();
    let start = Box::new(move |claim| begin.begin(claim));
    let streams = Streams::new(&settings.streams, None, start);
    World { studio, streams }
}

fn key(stream: u64) -> String {
    format!("key-of-stream-{stream}")
}

fn number(name: &str, default: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.map_or(default, |given| given.parse().unwrap())
}

/// One stream's publishers, one after the other.
async fn live_on(world: Arc<World>, stream: u64, lives: u64, seed: u64) -> [u64; 3] {
    let mut random = StdRng::seed_from_u64(seed.wrapping_mul(1_000).wrapping_add(stream));
    let name = format!("s{stream}");
    let mut rules = Rules::default();
    let mut publisher = Publisher::default();
    for life in 0..lives {
        let key = key(stream);
        let ask = PublishAsk {
            app: "live",
            key: &key,
            peer: (std::net::Ipv4Addr::LOCALHOST, 1).into(),
            tls: false,
        };
        let publication = world.streams.claim(&ask).await;
        let publication = publication.unwrap();
        let said = publisher.live(publication, &mut random).await;
        let away = match random.random_range(0..10) {
            0 => GRACE + Duration::from_secs(1),
            1 => GRACE + LINGER + Duration::from_secs(1),
            _ => Duration::from_millis(random.random_range(1..5_000)),
        };
        tokio::time::sleep(away).await;
        let checked = match world.studio.catalog.get(&name) {
            Some(live) => rules.check(&live),
            None => Ok(()),
        };
        if let Err(broken) = checked {
            panic!("LIVES_SEED={seed}, stream {stream}, life {life}, {said:?}: {broken}");
        }
    }
    [rules.checked, rules.with_gaps, rules.discontinuities]
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_publishers_break_no_rule_and_leave_nothing() {
    let (lives, seed) = (number("LIVES", LIVES), number("LIVES_SEED", 1));
    let world = Arc::new(world());
    let streams = (0..STREAMS).map(|stream| {
        let lives = lives.div_ceil(STREAMS);
        tokio::spawn(live_on(Arc::clone(&world), stream, lives, seed))
    });
    let streams: Vec<_> = streams.collect();
    let mut seen = [0; 3];
    for stream in streams {
        for (sum, own) in seen.iter_mut().zip(stream.await.unwrap()) {
            *sum += own;
        }
    }
    let [checked, with_gaps, discontinuities] = seen;
    assert!(
        checked > lives / 2 && with_gaps > lives / 20 && discontinuities > lives / 20,
        "the lives are too dull: {seen:?}"
    );
    tokio::time::sleep(GRACE + LINGER + Duration::from_secs(5)).await;
    assert_eq!(world.streams.claimed(), 0);
    assert!(
        world.studio.catalog.all().is_empty(),
        "a stream is left over"
    );
    assert_eq!(world.studio.tasks.len(), 0, "a task is left over");
}

/// Gaps and media take turns once, whatever the moment of the return: a gap that is listed while the first part is
/// made would end it, and the next one too.
#[tokio::test(start_paused = true)]
async fn who_comes_back_is_shown_from_the_first_part_on() {
    for away_ms in (3_000..3_400).step_by(20) {
        let world = world();
        let key = key(0);
        let ask = PublishAsk {
            app: "live",
            key: &key,
            peer: (std::net::Ipv4Addr::LOCALHOST, 1).into(),
            tls: false,
        };
        publisher::steady(world.streams.claim(&ask).await.unwrap(), 5).await;
        tokio::time::sleep(Duration::from_millis(away_ms)).await;
        publisher::steady(world.streams.claim(&ask).await.unwrap(), 9).await;
        let live = world.studio.catalog.get("s0").unwrap();
        let listed = rules::playlist(&live, 0).unwrap();
        let gaps: Vec<bool> = listed.segments.iter().map(|own| own.gap).collect();
        let turns = gaps.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert_eq!(turns, 2, "away for {away_ms} ms: {gaps:?}");
        let media = gaps.iter().rev().take_while(|gap| !**gap).count();
        assert!(media >= 3, "away for {away_ms} ms: {gaps:?}");
    }
}
