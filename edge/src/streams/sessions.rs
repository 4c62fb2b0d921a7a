//! How many different sessions a stream has, in bounded memory (HyperLogLog, Flajolet et al. 2007, with linear
//! counting for few).
//!
//! Two generations of 30 seconds: what was seen in this one or the one before counts. 4 KiB a stream, however many
//! session ids somebody invents.

use cmcd::Session;

/// How long a generation lasts.
const GENERATION_MILLIS: u64 = 30_000;
/// Bits of the hash that choose a register.
const INDEX_BITS: u32 = 11;
/// Registers of a generation. The standard error is 1.04 / sqrt(2048) = 2.3 %.
const REGISTERS: usize = 1 << INDEX_BITS;
/// One more than the highest rank: a hash has 53 bits behind the index.
const RANKS: usize = 64;
/// The correction for so many registers.
const ALPHA: f64 = 0.7213 / (1.0 + 1.079 / 2048.0);

/// The sessions of one stream.
#[derive(Debug)]
pub(super) struct Sessions {
    /// Number of the present generation, counted from the start of the process.
    generation: u64,
    present: Box<[u8; REGISTERS]>,
    before: Box<[u8; REGISTERS]>,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            generation: 0,
            present: Box::new([0; REGISTERS]),
            before: Box::new([0; REGISTERS]),
        }
    }
}

impl Sessions {
    /// A session that is there at `millis`, milliseconds since any fixed instant.
    pub(super) fn see(&mut self, session: Session, millis: u64) {
        self.turn(millis);
        let hash = session.hash();
        let index = usize::try_from(hash >> (u64::BITS - INDEX_BITS)).unwrap_or(0);
        // A one behind the last bit bounds the rank.
        let rest = (hash << INDEX_BITS) | (1 << (INDEX_BITS - 1));
        let rank = u8::try_from(rest.leading_zeros() + 1).unwrap_or(u8::MAX);
        if let Some(register) = self.present.get_mut(index) {
            *register = rank.max(*register);
        }
    }

    /// How many were there in the last 30 to 60 seconds, about.
    pub(super) fn count(&mut self, millis: u64) -> u32 {
        self.turn(millis);
        let mut ranks = [0_u16; RANKS];
        for (present, before) in self.present.iter().zip(self.before.iter()) {
            if let Some(count) = ranks.get_mut(usize::from(*present.max(before))) {
                *count += 1;
            }
        }
        let empty = ranks.first().copied().unwrap_or_default();
        let (mut sum, mut weight) = (0.0, 1.0);
        for count in ranks {
            sum += f64::from(count) * weight;
            weight /= 2.0;
        }
        let registers = f64::from(1 << INDEX_BITS);
        let mut estimate = ALPHA * registers * registers / sum;
        if estimate <= 2.5 * registers && empty > 0 {
            estimate = registers * (registers / f64::from(empty)).ln();
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "positive; `as` stops at the largest"
        )]
        let whole = estimate.round() as u32;
        whole
    }

    fn turn(&mut self, millis: u64) {
        let generation = millis / GENERATION_MILLIS;
        if generation <= self.generation {
            return;
        }
        if generation == self.generation + 1 {
            std::mem::swap(&mut self.present, &mut self.before);
        } else {
            self.before.fill(0);
        }
        self.present.fill(0);
        self.generation = generation;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(number: u32) -> Session {
        let mut report = cmcd::Report::default();
        report
            .read(format!("sid=\"viewer-{number}\"").as_bytes())
            .unwrap();
        report.session.unwrap()
    }

    #[test]
    fn few_are_exact_and_many_close() {
        for (count, tolerance) in [
            (0, 0),
            (1, 0),
            (7, 0),
            (100, 5),
            (3_000, 200),
            (50_000, 3_500),
        ] {
            let mut sessions = Sessions::default();
            for number in 0..count {
                for _ in 0..2 {
                    sessions.see(session(number), 0);
                }
            }
            let told = sessions.count(0);
            assert!(told.abs_diff(count) <= tolerance, "{told} of {count}");
        }
    }

    #[test]
    fn who_is_gone_for_a_minute_is_not_counted() {
        let mut sessions = Sessions::default();
        sessions.see(session(1), 29_000);
        sessions.see(session(2), 31_000);
        assert_eq!(sessions.count(59_999), 2);
        assert_eq!(sessions.count(60_000), 1);
        assert_eq!(sessions.count(90_000), 0);
        sessions.see(session(3), 95_000);
        assert_eq!(sessions.count(1_000_000), 0);
    }
}
