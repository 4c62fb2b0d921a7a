//! One origin and many players on a virtual clock, over seeded jitter.
//!
//! `SEED=n` runs that seed alone; `SEEDS=n` runs the first n. A failing seed is printed.
//!
//! Checked for every seed:
//!
//! - MSN, Discontinuity Sequence and the last Part never go back, for any player;
//! - each blocked reload is answered within the bound, and contains what it asked for;
//! - every playlist parses, keeps its durations, and its Parts add up to their Segment;
//! - a Playlist Delta Update, merged, is the whole playlist;
//! - what is listed can be fetched, late as well, and continues where the last fetch ended;
//! - a hint gives 404 only if the Part never came;
//! - each player sees the end.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test, though clippy does not see it in its helpers"
)]

mod origin;
mod player;
mod world;

use world::{Coverage, World};

const SEEDS_DEFAULT: u64 = 40;

/// Names the seed when a property fails.
struct SeedGuard(u64);

impl Drop for SeedGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("simulation failed: repeat it with SEED={}", self.0);
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().expect("SEED and SEEDS are numbers"))
}

#[test]
fn players_follow_an_origin() {
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SEEDS").unwrap_or(SEEDS_DEFAULT),
    };
    let is_whole_run = seeds.end - seeds.start >= SEEDS_DEFAULT;
    let mut coverage = Coverage::default();
    for seed in seeds {
        let _guard = SeedGuard(seed);
        World::new(seed).run(&mut coverage);
    }
    println!("{coverage:#?}");
    if is_whole_run {
        coverage.check();
    }
}
