//! One publisher: sends each message when it is due, drops out where that is asked for, and comes back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use parking_lot::Mutex;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{sleep_until, timeout_at};

use super::recording::Recording;
use super::report::Sent;
use super::session::{Address, Session};

/// Before another attempt after one that failed.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Publisher {
    pub(super) address: Address,
    pub(super) key: String,
    pub(super) recording: Arc<Recording>,
    pub(super) sent: Arc<Mutex<Sent>>,
    pub(super) jitter: Duration,
    pub(super) flap: Option<Duration>,
    pub(super) flap_pause: Duration,
    pub(super) due: Instant,
    pub(super) until: Instant,
    pub(super) random: Random,
}

impl Publisher {
    pub(super) async fn run(mut self) {
        sleep_until(self.due.into()).await;
        let mut pause = Duration::ZERO;
        while Instant::now() + pause < self.until {
            tokio::time::sleep(pause).await;
            pause = match Session::open(&self.address, &self.key).await {
                Ok(session) => {
                    self.sent.lock().connected += 1;
                    self.send(session).await
                }
                Err(error) => {
                    self.sent.lock().note(format!("{error:#}"));
                    RETRY_PAUSE
                }
            };
        }
    }

    /// Until the run is over, the server has enough, or it is time to drop out. Says how long to stay away.
    async fn send(&mut self, mut session: Session) -> Duration {
        let begun = Instant::now();
        let out_at = self
            .flap
            .map(|flap| begun + flap.mul_f64(0.5 + self.random.fraction()));
        let mut out = BytesMut::new();
        for tag in &self.recording.setup {
            session.encode(tag, 0, &mut out);
        }
        // Jitter delays what follows, too: the order stays.
        let mut earliest = begun;
        let recording = Arc::clone(&self.recording);
        for (tag, at_ms) in rounds(&recording) {
            let due = begun + Duration::from_millis(at_ms.into());
            let leaves = (due + self.jitter.mul_f64(self.random.fraction())).max(earliest);
            earliest = leaves;
            if leaves >= self.until {
                break;
            }
            if out_at.is_some_and(|at| leaves >= at) {
                self.sent.lock().flaps += 1;
                return self.flap_pause;
            }
            if Instant::now() < leaves
                && let Ok(told) = timeout_at(leaves.into(), session.status()).await
            {
                let why = told.map_or_else(
                    |error| format!("cut off: {error:#}"),
                    |(code, description)| format!("{code}: {description}"),
                );
                self.sent.lock().note(why);
                return RETRY_PAUSE;
            }
            session.encode(tag, at_ms, &mut out);
            let now = Instant::now();
            // Whoever does not read holds a publisher up for ever.
            let written = timeout_at(self.until.into(), session.stream.write_all(&out)).await;
            match written {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    self.sent.lock().note(format!("cut off: {error}"));
                    return RETRY_PAUSE;
                }
                Err(_) => {
                    self.sent.lock().note("not read any more".to_owned());
                    return RETRY_PAUSE;
                }
            }
            let mut sent = self.sent.lock();
            sent.message(out.len(), now - leaves, now.elapsed());
            out.clear();
        }
        // The end of the run: closed without a goodbye, as an encoder that is switched off.
        RETRY_PAUSE
    }
}

/// The recording over and over, with times that go on.
fn rounds(recording: &Recording) -> impl Iterator<Item = (&super::recording::Tag, u32)> {
    (0_u32..).flat_map(move |round| {
        let from = round.saturating_mul(recording.round_ms);
        let tags = recording.media.iter();
        tags.map(move |tag| (tag, from.saturating_add(tag.at_ms)))
    })
}

/// SplitMix64: the same numbers for the same publisher in each run.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From 0 to below 1.
    fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_spread() {
        let mut random = Random::new(7);
        let drawn: Vec<f64> = (0..1_000).map(|_| random.fraction()).collect();
        assert!(drawn.iter().all(|fraction| (0.0..1.0).contains(fraction)));
        let mean = drawn.iter().sum::<f64>() / 1_000.0;
        assert!((0.45..0.55).contains(&mean), "{mean}");
    }
}
