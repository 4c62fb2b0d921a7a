//! One hub, several edges, many clients, on a virtual clock, over links that lose, delay, double
//! and reorder; with restarts, slow readers, delayed viewers and moderators.
//!
//! `SEED=n` runs that seed alone; `SEEDS=n` runs the first n. A failing seed is printed.
//!
//! Checked for every seed, for every client that is connected:
//!
//! - each event of CONTROL comes once and in order, as the hub made it, within an epoch;
//! - each event that does not come was told of: a gap, a `dropped`, or "not recovered";
//! - a gap never hides CONTROL;
//! - what was deleted does not come once its edge knows; pins included;
//! - settings, pin and sanctions are those of the hub at the same `seq`, all the time;
//! - one's own messages come, or are answered for;
//! - no publish becomes two events of an epoch;
//! - changes of STATE fit the version before;
//! - after quiet all clients agree with the hub; presence and likes are the truth;
//! - hub and edges stay within their bounds.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test, though clippy does not see it in its helpers"
)]

mod chance;
mod client;
mod coverage;
mod network;
mod truth;
mod world;

use coverage::Coverage;
use world::World;

const SEEDS_DEFAULT: u64 = 200;

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
fn clients_follow_a_room() {
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
