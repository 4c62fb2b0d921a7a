//! A player's buffer: media goes in as Parts arrive, wall time takes it out. Pure: `now` is given.

use std::time::{Duration, Instant};

/// The buffer of one rendition.
#[derive(Debug)]
pub(super) struct Buffer {
    /// Media needed before playback begins: PART-HOLD-BACK at first, one Part after a stall.
    needed: Duration,
    after_stall: Duration,
    level: Duration,
    playing_since: Option<Instant>,
    stalled_at: Option<Instant>,
    stalls: u32,
    stalled_for: Duration,
    began: Option<Instant>,
}

impl Buffer {
    pub(super) fn new(hold_back: Duration, part_target: Duration) -> Self {
        Self {
            needed: hold_back,
            after_stall: part_target,
            level: Duration::ZERO,
            playing_since: None,
            stalled_at: None,
            stalls: 0,
            stalled_for: Duration::ZERO,
            began: None,
        }
    }

    /// A Part has arrived.
    pub(super) fn add(&mut self, media: Duration, now: Instant) {
        self.advance(now);
        self.level += media;
        if self.playing_since.is_none() && self.level >= self.needed {
            self.playing_since = Some(now);
            self.began.get_or_insert(now);
            if let Some(stalled_at) = self.stalled_at.take() {
                self.stalled_for += now - stalled_at;
            }
        }
    }

    /// Plays up to `now`.
    pub(super) fn advance(&mut self, now: Instant) {
        let Some(since) = self.playing_since else {
            return;
        };
        let wanted = now.saturating_duration_since(since);
        if let Some(left) = self.level.checked_sub(wanted) {
            self.level = left;
            self.playing_since = Some(now);
        } else {
            self.stalls += 1;
            self.stalled_at = Some(since + self.level);
            self.level = Duration::ZERO;
            self.playing_since = None;
            self.needed = self.after_stall;
        }
    }

    /// When playback began.
    pub(super) fn began(&self) -> Option<Instant> {
        self.began
    }

    /// How often the buffer ran dry.
    pub(super) fn stalls(&self) -> u32 {
        self.stalls
    }

    /// For how long altogether, a stall that goes on at `now` included.
    pub(super) fn stalled_for(&self, now: Instant) -> Duration {
        let open = self
            .stalled_at
            .map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        self.stalled_for + open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn plays_without_a_stall_while_parts_come_in_time() {
        let start = Instant::now();
        let mut buffer = Buffer::new(ms(900), ms(300));
        for index in 0..10 {
            buffer.add(ms(300), start + ms(300) * index);
        }
        assert_eq!(buffer.began(), Some(start + ms(600)));
        buffer.advance(start + ms(3599));
        assert_eq!(buffer.stalls(), 0);
    }

    #[test]
    fn counts_a_stall_from_the_moment_the_buffer_is_dry() {
        let start = Instant::now();
        let mut buffer = Buffer::new(ms(300), ms(300));
        buffer.add(ms(300), start);
        buffer.add(ms(300), start + ms(1000));
        assert_eq!(buffer.stalls(), 1);
        assert_eq!(buffer.stalled_for(start + ms(1100)), ms(700));
        buffer.advance(start + ms(1300));
        assert_eq!(buffer.stalls(), 1);
        buffer.advance(start + ms(1400));
        assert_eq!(buffer.stalls(), 2);
        assert_eq!(buffer.stalled_for(start + ms(1400)), ms(800));
    }
}
