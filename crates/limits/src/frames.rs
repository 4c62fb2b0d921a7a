//! What an HTTP/2 client sends beside requests: frames that cost the server work, and the client
//! nothing.
//!
//! Reads the bytes of a connection as they pass, in both directions, frame header by frame header
//! (RFC 9113 section 4.1). It does not decode payloads and it checks no rule of the protocol: that
//! is the HTTP/2 implementation's business, behind it.
//!
//! | frames | budget |
//! |---|---|
//! | RST_STREAM | [`RESETS`]: a request that is taken back has been worked on (CVE-2023-44487) |
//! | PING | [`PINGS`]: each is answered |
//! | SETTINGS | [`SETTINGS`]: each is answered |
//! | WINDOW_UPDATE | one for every [`SENT_BYTES_PER_UPDATE`] that were sent, and then [`OTHERS`] |
//! | PRIORITY, unknown types, empty DATA and CONTINUATION | [`OTHERS`] |
//!
//! What is begun has to be ended: [`Frames::unfinished_since`] is the time from which on a frame, or
//! the block of a request's fields, has been waiting for its rest.

use std::time::Duration;

use crate::rate::{Debt, Rate};

/// Bytes of a frame's header.
const HEADER_BYTES: usize = 9;
/// Bytes of the connection preface, before the first frame (RFC 9113 section 3.4).
const PREFACE_BYTES: u32 = 24;
/// END_STREAM, of DATA and HEADERS.
const END_STREAM: u8 = 0x1;
/// END_HEADERS, of HEADERS and CONTINUATION.
const END_HEADERS: u8 = 0x4;
/// ACK, of SETTINGS and PING.
const ACK: u8 = 0x1;
/// ENHANCE_YOUR_CALM (RFC 9113 section 7).
const ENHANCE_YOUR_CALM: u32 = 0xb;
/// Body bytes that make one more WINDOW_UPDATE ordinary.
pub const SENT_BYTES_PER_UPDATE: u64 = 512;
/// WINDOW_UPDATEs that sent bytes may allow at once.
const UPDATES_MAX: u64 = 1 << 20;

/// A budget: so many a second, so many at once.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// A second.
    pub per_second: u64,
    /// At once.
    pub burst: u64,
}

/// A player that leaves resets what is in flight, a few hundred parts at most, and seldom.
pub const RESETS: Budget = Budget {
    per_second: 20,
    burst: 500,
};
/// Clients ping to measure and to keep connections open: a few a second.
pub const PINGS: Budget = Budget {
    per_second: 20,
    burst: 100,
};
/// Clients change their settings once or twice.
pub const SETTINGS: Budget = Budget {
    per_second: 1,
    burst: 20,
};
/// Browsers send PRIORITY or PRIORITY_UPDATE with every request.
pub const OTHERS: Budget = Budget {
    per_second: 1_000,
    burst: 5_000,
};

/// What a client sent too much of; [`Flood::as_str`] is a label of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flood {
    /// PRIORITY, WINDOW_UPDATE, empty and unknown frames.
    Others,
    /// PING.
    Pings,
    /// RST_STREAM.
    Resets,
    /// SETTINGS.
    Settings,
}

impl Flood {
    /// Label in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Others => "h2_frames",
            Self::Pings => "h2_pings",
            Self::Resets => "h2_resets",
            Self::Settings => "h2_settings",
        }
    }
}

/// Where one direction's bytes are.
#[derive(Clone, Copy, Debug, Default)]
struct Scanner {
    header: [u8; HEADER_BYTES],
    have: usize,
    /// Of the payload.
    left: u32,
}

#[derive(Clone, Copy, Debug)]
struct Head {
    length: u32,
    kind: u8,
    flags: u8,
    stream: u32,
}

impl Scanner {
    fn is_between_frames(&self) -> bool {
        self.have == 0 && self.left == 0
    }

    /// Whether the frame whose head was read ends in `bytes`.
    fn ends_in(&self, bytes: &[u8]) -> bool {
        self.have == 0 && usize::try_from(self.left).is_ok_and(|left| left <= bytes.len())
    }

    /// The head of the next frame that ends in `bytes`, and what is behind it.
    fn next<'a>(&mut self, mut bytes: &'a [u8]) -> Option<(Head, &'a [u8])> {
        let skip = bytes
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left = self
            .left
            .saturating_sub(u32::try_from(skip).unwrap_or(u32::MAX));
        bytes = bytes.get(skip..).unwrap_or_default();
        while self.have < HEADER_BYTES {
            let (first, rest) = bytes.split_first()?;
            if let Some(place) = self.header.get_mut(self.have) {
                *place = *first;
            }
            self.have += 1;
            bytes = rest;
        }
        self.have = 0;
        let [a, b, c, kind, flags, s0, s1, s2, s3] = self.header;
        let head = Head {
            length: u32::from_be_bytes([0, a, b, c]),
            kind,
            flags,
            stream: u32::from_be_bytes([s0, s1, s2, s3]) & 0x7fff_ffff,
        };
        self.left = head.length;
        Some((head, bytes))
    }
}

/// One connection, as the server sees it.
#[derive(Debug)]
pub struct Frames {
    preface: u32,
    received: Scanner,
    sent: Scanner,
    /// Whether the fields of a request are still to be ended.
    in_block: bool,
    since: Option<Duration>,
    last_stream: u32,
    updates: u64,
    sent_bytes: u64,
    resets: Debt,
    pings: Debt,
    settings: Debt,
    others: Debt,
}

impl Frames {
    /// A connection that begins now.
    #[must_use]
    pub fn new(now: Duration) -> Self {
        Self {
            preface: PREFACE_BYTES,
            received: Scanner::default(),
            sent: Scanner::default(),
            in_block: false,
            since: Some(now),
            last_stream: 0,
            updates: 0,
            sent_bytes: 0,
            resets: Debt::default(),
            pings: Debt::default(),
            settings: Debt::default(),
            others: Debt::default(),
        }
    }

    /// Takes what came from the client.
    ///
    /// # Errors
    /// It sent too much of something.
    pub fn received(&mut self, mut bytes: &[u8], now: Duration) -> Result<(), Flood> {
        let preface = bytes.len().min(usize::try_from(self.preface).unwrap_or(0));
        self.preface -= u32::try_from(preface).unwrap_or(self.preface);
        bytes = bytes.get(preface..).unwrap_or_default();
        if self.may_end() && self.received.ends_in(bytes) {
            self.since = None;
        }
        while let Some((head, rest)) = self.received.next(bytes) {
            bytes = rest;
            self.frame(head, now)?;
            // What was unfinished is finished: what follows begins now.
            if self.may_end() && self.received.ends_in(bytes) {
                self.since = None;
            }
        }
        let is_finished = self.may_end() && self.received.is_between_frames();
        if is_finished {
            self.since = None;
        } else {
            self.since.get_or_insert(now);
        }
        Ok(())
    }

    /// Takes what was sent to the client.
    pub fn sent(&mut self, mut bytes: &[u8]) {
        self.sent_bytes += u64::try_from(bytes.len()).unwrap_or(0);
        self.updates += self.sent_bytes / SENT_BYTES_PER_UPDATE;
        self.updates = self.updates.min(UPDATES_MAX);
        self.sent_bytes %= SENT_BYTES_PER_UPDATE;
        while let Some((_, rest)) = self.sent.next(bytes) {
            bytes = rest;
        }
    }

    /// From when on something that was begun has not been ended; `None`: nothing is.
    #[must_use]
    pub fn unfinished_since(&self) -> Option<Duration> {
        self.since
    }

    /// A GOAWAY that says ENHANCE_YOUR_CALM, if what was sent so far ends with a frame's end.
    #[must_use]
    pub fn goaway(&self) -> Option<[u8; 17]> {
        let [s0, s1, s2, s3] = self.last_stream.to_be_bytes();
        let [c0, c1, c2, c3] = ENHANCE_YOUR_CALM.to_be_bytes();
        let frame = [0, 0, 8, 0x7, 0, 0, 0, 0, 0, s0, s1, s2, s3, c0, c1, c2, c3];
        self.sent.is_between_frames().then_some(frame)
    }

    /// Whether the end of a frame is the end of what was begun.
    fn may_end(&self) -> bool {
        self.preface == 0 && !self.in_block
    }

    fn frame(&mut self, head: Head, now: Duration) -> Result<(), Flood> {
        let is_acknowledgement = head.flags & ACK != 0;
        match head.kind {
            // DATA
            0x0 if head.length > 0 || head.flags & END_STREAM != 0 => Ok(()),
            // HEADERS
            0x1 => {
                self.in_block = head.flags & END_HEADERS == 0;
                self.last_stream = self.last_stream.max(head.stream);
                Ok(())
            }
            0x3 => charge(&mut self.resets, RESETS, Flood::Resets, now),
            // Ours are acknowledged once each.
            0x4 | 0x6 if is_acknowledgement => Ok(()),
            0x4 => charge(&mut self.settings, SETTINGS, Flood::Settings, now),
            0x6 => charge(&mut self.pings, PINGS, Flood::Pings, now),
            // WINDOW_UPDATE
            0x8 if self.updates > 0 => {
                self.updates -= 1;
                Ok(())
            }
            // CONTINUATION
            0x9 => {
                self.in_block &= head.flags & END_HEADERS == 0;
                if head.length > 0 || head.flags & END_HEADERS != 0 {
                    return Ok(());
                }
                charge(&mut self.others, OTHERS, Flood::Others, now)
            }
            _ => charge(&mut self.others, OTHERS, Flood::Others, now),
        }
    }
}

fn charge(debt: &mut Debt, budget: Budget, flood: Flood, now: Duration) -> Result<(), Flood> {
    let rate = Rate::new(budget.per_second, budget.burst);
    match rate {
        Some(rate) => debt.take(rate, 1, now).map_err(|_| flood),
        None => Err(flood),
    }
}

#[cfg(test)]
mod tests;
