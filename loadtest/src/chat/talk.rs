//! Says things at a fixed rate. When something was meant to be said does not depend on whether what
//! came before was taken, or arrived.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::dialect::Say;
use super::stamp::Stamp;
use super::swarm::Swarm;

/// What may wait for one talker. Beyond that the server has long fallen behind.
pub(super) const OUTBOX_MAX: usize = 4_096;

/// What was said.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Said {
    /// Handed to talkers.
    pub(super) sent: u64,
    /// There was no room for it.
    pub(super) unsent: u64,
}

/// Says something `rate` times a second for so long, by each of `outboxes` in turn. Numbers begin
/// with 1 and have no holes.
pub(super) async fn talk(
    swarm: Arc<Swarm>,
    outboxes: Vec<mpsc::Sender<Say>>,
    rate: f64,
    duration: Duration,
    say: fn(Stamp) -> Say,
) -> Said {
    let mut said = Said::default();
    let start = Instant::now();
    let mut turns = outboxes.iter().cycle();
    for tick in 0_u64.. {
        let after = tick as f64 / rate;
        if !after.is_finite() || after >= duration.as_secs_f64() {
            break;
        }
        let due = start + Duration::from_secs_f64(after);
        tokio::time::sleep_until(due.into()).await;
        let Some(outbox) = turns.next() else { break };
        let stamp = Stamp {
            due_us: swarm.clock.us(due),
            number: said.sent + 1,
        };
        match outbox.try_send(say(stamp)) {
            Ok(()) => said.sent += 1,
            Err(_) => said.unsent += 1,
        }
    }
    said
}
