//! What the text of a message carries: when it was meant to be sent, and its number.

use std::time::Instant;

use rooms::schema::{Body, Event, Message, User};

/// What a text begins with. Words and numbers only: filters look for links and for shouting.
const MARK: &str = "load ";

/// What a text is filled up with.
const FILLER: &str = "and so the evening goes on with one more line of it ";

/// Microseconds since the swarm began: one clock for who writes and who reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now_us(self) -> u64 {
        self.us(Instant::now())
    }

    pub(crate) fn us(self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.0);
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }
}

/// What a text carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// When it was to be sent, by the [`Clock`].
    pub(crate) due_us: u64,
    /// From 1.
    pub(crate) number: u64,
}

impl Stamp {
    /// A text of `bytes` bytes; longer if it does not fit.
    pub(crate) fn text(self, bytes: usize) -> String {
        let mut text = format!("{MARK}{} {} ", self.due_us, self.number);
        let missing = bytes.saturating_sub(text.len());
        text.extend(FILLER.chars().cycle().take(missing));
        text
    }

    /// Reads the beginning of a text; whatever follows is of no interest.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let (due_us, rest) = number(text.strip_prefix(MARK.as_bytes())?)?;
        let (number, _) = number(rest.strip_prefix(b" ")?)?;
        Some(Self { due_us, number })
    }
}

/// The decimal number that `bytes` begins with, and what follows.
pub(crate) fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value: u64 = 0;
    let mut rest = bytes;
    while let Some((digit @ b'0'..=b'9', after)) = rest.split_first() {
        value = value
            .checked_mul(10)?
            .checked_add(u64::from(digit - b'0'))?;
        rest = after;
    }
    (rest.len() < bytes.len()).then_some((value, rest))
}

/// How long the text of a room's message is, for the whole event to have `bytes` bytes as JSON.
pub(crate) fn text_bytes(bytes: usize) -> usize {
    let nominal = Event {
        seq: 100_000,
        at_ms: 1_795_000_000_000,
        media_ms: None,
        body: Body::Message(Message {
            id: "edge-1.100000".to_owned(),
            author: User {
                id: "user-1000".to_owned(),
                name: "User 1000".to_owned(),
                ..User::default()
            },
            kind: "text".to_owned(),
            ..Message::default()
        }),
    };
    let envelope = serde_json::to_string(&nominal).map_or(0, |json| json.len());
    bytes.saturating_sub(envelope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_says_when_it_was_due() {
        let stamp = Stamp {
            due_us: 1_234_567,
            number: 89,
        };
        let text = stamp.text(60);
        assert_eq!(text.len(), 60);
        assert_eq!(Stamp::read(text.as_bytes()), Some(stamp));
        assert_eq!(Stamp::read(b"load 12"), None);
        assert_eq!(Stamp::read(b"load  1 2"), None);
        assert_eq!(Stamp::read(b"something else"), None);
        assert_eq!(number(b"99999999999999999999"), None);
    }
}
