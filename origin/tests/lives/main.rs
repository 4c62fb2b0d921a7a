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

use origin::packager::WallClock;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use publisher::Publisher;
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

/// Gaps and media take turns once, whatever the moment of the return: a gap that is listed while the first part is
/// made would end it, and the next one too.
#[tokio::test(start_paused = true)]
async fn who_comes_back_is_shown_from_the_first_part_on() {
    for away_ms in (3_000..3_400).step_by(20) {
        let world = World::new(WallClock::System);
        publisher::steady(world.publish(0).await, 5).await;
        tokio::time::sleep(Duration::from_millis(away_ms)).await;
        publisher::steady(world.publish(0).await, 9).await;
        let live = world.studio.catalog.get("s0").unwrap();
        let listed = rules::playlist(&live, 0).unwrap();
        let gaps: Vec<bool> = listed.segments.iter().map(|own| own.gap).collect();
        let turns = gaps.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert_eq!(turns, 2, "away for {away_ms} ms: {gaps:?}");
        let media = gaps.iter().rev().take_while(|gap| !**gap).count();
        assert!(media >= 3, "away for {away_ms} ms: {gaps:?}");
    }
}
