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

mod day;
mod publisher;
mod rules;
mod world;

use std::sync::Arc;
use std::time::Duration;

use hls::media::MediaPlaylist;
use origin::packager::WallClock;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use publisher::{Publisher, Steady};
use rules::Rules;
use world::{GRACE, LINGER, STREAMS, World, number};

/// Half a minute of this machine's time.
const LIVES: u64 = 10_000;

/// One stream's publishers, one after the other.
async fn live_on(world: Arc<World>, stream: u64, lives: u64, seed: u64) -> [u64; 3] {
    let mut random = StdRng::seed_from_u64(seed.wrapping_mul(1_000).wrapping_add(stream));
    let name = format!("s{stream}");
    let mut rules = Rules::default();
    let mut publisher = Publisher::default();
    for life in 0..lives {
        let publication = world.publish(stream).await;
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
    let world = Arc::new(World::new(WallClock::System));
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
    world.assert_nothing_is_left();
}

/// One publisher for five seconds, and another for nine when that one has been away for so long.
async fn away_for(away_ms: u64, before: Steady, after: Steady) -> MediaPlaylist {
    let world = World::new(WallClock::System);
    before.publish(world.publish(0).await, 5).await;
    tokio::time::sleep(Duration::from_millis(away_ms)).await;
    after.publish(world.publish(0).await, 9).await;
    let live = world.studio.catalog.get("s0").unwrap();
    rules::playlist(&live, 0).unwrap()
}

/// How often gaps begin or end, and whether there are gaps at the end.
fn turns(playlist: &MediaPlaylist) -> usize {
    let gaps: Vec<bool> = playlist.segments.iter().map(|own| own.gap).collect();
    gaps.windows(2).filter(|pair| pair[0] != pair[1]).count()
}

/// Gaps and media take turns once, whatever the moment of the return: a gap that is listed while the first part is
/// made would end it, and the next one too.
#[tokio::test(start_paused = true)]
async fn who_comes_back_is_shown_from_the_first_part_on() {
    let another = Steady {
        picture: 1,
        ..Steady::default()
    };
    for away_ms in (3_000..3_400).step_by(20) {
        let listed = away_for(away_ms, Steady::default(), another).await;
        assert_eq!(turns(&listed), 2, "away for {away_ms} ms: {listed:?}");
        let segments = listed.segments.iter().rev();
        let media = segments.take_while(|own| !own.gap).count();
        assert!(media >= 3, "away for {away_ms} ms: {listed:?}");
    }
}

/// With the configuration of before nothing is looked at first: there is a gap for the time away, and no longer.
#[tokio::test(start_paused = true)]
async fn who_comes_back_as_the_same_is_shown_at_once() {
    for away_ms in (3_000..3_400).step_by(50) {
        let listed = away_for(away_ms, Steady::default(), Steady::default()).await;
        assert_eq!(turns(&listed), 2, "away for {away_ms} ms: {listed:?}");
        let gaps = listed.segments.iter().filter(|own| own.gap);
        let gap_ms: u128 = gaps.map(|own| own.duration.as_millis()).sum();
        let away = u128::from(away_ms);
        // They are listed when they are over.
        assert!(
            (away - 350..=away).contains(&gap_ms),
            "away for {away} ms, gaps of {gap_ms} ms"
        );
    }
}

/// The configuration does not tell how often keyframes come.
#[tokio::test(start_paused = true)]
async fn who_only_seems_to_be_the_same_is_looked_at_again() {
    let other = Steady {
        gop: 30,
        ..Steady::default()
    };
    let listed = away_for(3_000, Steady::default(), other).await;
    assert_eq!(
        turns(&listed),
        4,
        "shown, and seen to be another: {listed:?}"
    );
    let grid = listed.segments.last().unwrap().duration;
    assert_eq!(grid, Duration::from_secs(2), "two GOPs");
}
