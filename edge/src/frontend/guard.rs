//! What a client may send before it has sent a request, byte by byte.
//!
//! The implementations behind this bound sizes. None of them bounds the time of what was begun, nor
//! how often an HTTP/2 client may make the server work without asking for anything. This does, below
//! them, where every byte passes.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use limits::{Flood, Frames};

use super::H1_HEAD_BYTES_MAX;

/// Reads that the head of an HTTP/1.1 request may take: after each of them it is parsed from its
/// beginning.
const H1_HEAD_READS_MAX: u32 = 1_024;

/// Why a connection is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attack {
    /// Too much of what costs the client nothing.
    Flood(Flood),
    /// The head of a request in too many pieces.
    HeadInPieces,
    /// The head of a request is too large.
    HeadTooLarge,
    /// The head of a request took too long.
    HeadTooSlow,
    /// The preface, a frame or a block of fields took too long.
    FrameTooSlow,
}

impl Attack {
    /// Label in metrics.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Flood(flood) => flood.as_str(),
            Self::HeadInPieces => "h1_head_in_pieces",
            Self::HeadTooLarge => "h1_head_too_large",
            Self::HeadTooSlow => "h1_head_too_slow",
            Self::FrameTooSlow => "h2_too_slow",
        }
    }
}

/// Which protocol is watched, and where it is.
#[derive(Debug)]
pub(super) enum Guard {
    H1(Heads),
    H2(Box<Frames>),
}

/// The next head has not come, or not all of it.
const HEAD: u8 = 0;
/// A head was complete, and what it asks for is not over: what comes is a body, or nobody's business.
const REQUEST: u8 = 1;
/// A request is over, and of the next head nothing has come.
const NEXT: u8 = 2;

/// HTTP/1.1: how much of the next head has come.
#[derive(Debug, Default)]
pub(super) struct Heads {
    phase: AtomicU8,
    since: Option<Duration>,
    bytes: usize,
    reads: u32,
}

impl Heads {
    /// The head of a request is complete, or the request is over.
    pub(super) fn set_in_request(&self, in_request: bool) {
        let phase = if in_request { REQUEST } else { NEXT };
        self.phase.store(phase, Ordering::Relaxed);
    }

    /// Whether a head is being read.
    fn is_head(&mut self) -> bool {
        let phase = self.phase.get_mut();
        let is_head = *phase != REQUEST;
        if *phase != HEAD {
            (self.since, self.bytes, self.reads) = (None, 0, 0);
        }
        if is_head {
            *phase = HEAD;
        }
        is_head
    }
}

impl Guard {
    /// How many bytes may be read now, and from when on something that was begun has not been
    /// ended.
    pub(super) fn before_read(&mut self) -> Result<(usize, Option<Duration>), Attack> {
        let heads = match self {
            Self::H2(frames) => return Ok((usize::MAX, frames.unfinished_since())),
            Self::H1(heads) => heads,
        };
        if !heads.is_head() {
            return Ok((usize::MAX, None));
        }
        if heads.reads >= H1_HEAD_READS_MAX {
            return Err(Attack::HeadInPieces);
        }
        match H1_HEAD_BYTES_MAX.checked_sub(heads.bytes) {
            Some(left) if left > 0 => Ok((left, heads.since)),
            _ => Err(Attack::HeadTooLarge),
        }
    }

    /// Takes what was read.
    pub(super) fn received(&mut self, bytes: &[u8], now: Duration) -> Result<(), Attack> {
        match self {
            Self::H2(frames) => frames.received(bytes, now).map_err(Attack::Flood),
            Self::H1(heads) => {
                if heads.is_head() {
                    heads.since.get_or_insert(now);
                    heads.bytes = heads.bytes.saturating_add(bytes.len());
                    heads.reads += 1;
                }
                Ok(())
            }
        }
    }

    /// Takes what was sent.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        if let Self::H2(frames) = self {
            frames.sent(bytes);
        }
    }

    /// What it is that takes too long.
    pub(super) fn too_slow(&self) -> Attack {
        match self {
            Self::H1(_) => Attack::HeadTooSlow,
            Self::H2(_) => Attack::FrameTooSlow,
        }
    }

    /// The last word to the client, as far as one can be said here.
    pub(super) fn farewell(&self, attack: Attack) -> Vec<u8> {
        let status = match attack {
            Attack::HeadTooSlow => "408 Request Timeout",
            Attack::HeadTooLarge | Attack::HeadInPieces => "431 Request Header Fields Too Large",
            Attack::Flood(_) | Attack::FrameTooSlow => {
                let Self::H2(frames) = self else {
                    return Vec::new();
                };
                return frames.goaway().map(Vec::from).unwrap_or_default();
            }
        };
        format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn heads(guard: &Guard) -> &Heads {
        let Guard::H1(heads) = guard else { panic!() };
        heads
    }

    #[test]
    fn each_head_has_its_own_time_and_size() {
        let mut guard = Guard::H1(Heads::default());
        assert_eq!(guard.before_read(), Ok((H1_HEAD_BYTES_MAX, None)));
        guard.received(b"GET / HT", at(1)).unwrap();
        guard.received(b"TP", at(2)).unwrap();
        let left = H1_HEAD_BYTES_MAX - 10;
        assert_eq!(guard.before_read(), Ok((left, Some(at(1)))));
        heads(&guard).set_in_request(true);
        assert_eq!(guard.before_read(), Ok((usize::MAX, None)));
        guard.received(&[0; H1_HEAD_BYTES_MAX + 1], at(3)).unwrap();
        heads(&guard).set_in_request(false);
        assert_eq!(guard.before_read(), Ok((H1_HEAD_BYTES_MAX, None)));
        // A request may begin and end between two reads.
        guard.received(b"GET", at(4)).unwrap();
        heads(&guard).set_in_request(true);
        heads(&guard).set_in_request(false);
        assert_eq!(guard.before_read(), Ok((H1_HEAD_BYTES_MAX, None)));
        guard.received(&[0; H1_HEAD_BYTES_MAX], at(5)).unwrap();
        assert_eq!(guard.before_read(), Err(Attack::HeadTooLarge));
    }

    #[test]
    fn a_head_comes_in_few_pieces() {
        let mut guard = Guard::H1(Heads::default());
        for _ in 0..H1_HEAD_READS_MAX {
            assert!(guard.before_read().is_ok());
            guard.received(b"a", at(1)).unwrap();
        }
        assert_eq!(guard.before_read(), Err(Attack::HeadInPieces));
        let answer = guard.farewell(Attack::HeadInPieces);
        assert!(answer.starts_with(b"HTTP/1.1 431 "));
    }
}
