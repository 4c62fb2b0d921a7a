//! Reads of a server's message what the ledger needs, on every connection and without allocating:
//! which events there are, and which of them are CONTROL. What is not common is decoded whole.

use std::cell::RefCell;

use memchr::memmem;
use rooms::schema::{Lane, SCHEMA_VERSION, ServerMessage};
use rooms::{Codec, DecodeError};

use super::ledger::{Head, Ledger, Slot};
use super::stamp::number;

thread_local! {
    /// The events of the frame that is being read: it counts only when it was read to its end.
    static SLOTS: RefCell<Vec<Slot>> = RefCell::default();
}

/// Notes a message. What is neither events nor STATE comes back decoded.
pub(super) fn note(
    codec: Codec,
    bytes: &[u8],
    ledger: &mut Ledger,
) -> Result<Option<ServerMessage>, DecodeError> {
    let is_noted = SLOTS.with_borrow_mut(|slots| {
        slots.clear();
        match shape(codec, bytes) {
            Shape::State => {
                ledger.tally.states += 1;
                true
            }
            Shape::Events(rest) => {
                let head = match codec {
                    Codec::Json => json(rest, slots),
                    Codec::Binary => Input(rest).events(slots),
                };
                if let Some(head) = head {
                    ledger.frame(head, slots.iter().copied());
                }
                head.is_some()
            }
            Shape::Other => false,
        }
    });
    if is_noted {
        return Ok(None);
    }
    decode(codec, bytes, ledger).map(Some)
}

/// The same with everything decoded. Events come back, too.
pub(super) fn decode(
    codec: Codec,
    bytes: &[u8],
    ledger: &mut Ledger,
) -> Result<ServerMessage, DecodeError> {
    let message = codec.decode_server(bytes)?;
    match &message {
        ServerMessage::Welcome(welcome) => ledger.welcome(welcome),
        ServerMessage::Events(frame) => {
            let slots = frame.events.iter().map(|event| Slot {
                seq: event.seq,
                lane: event.body.lane(),
            });
            ledger.frame(Head::of(frame), slots);
        }
        ServerMessage::Gap(gap) => ledger.gap(gap),
        ServerMessage::State(_) | ServerMessage::Change(_) => ledger.tally.states += 1,
        _ => {}
    }
    Ok(message)
}

enum Shape<'a> {
    Events(&'a [u8]),
    State,
    Other,
}

fn shape(codec: Codec, bytes: &[u8]) -> Shape<'_> {
    match codec {
        Codec::Json => {
            if let Some(rest) = bytes.strip_prefix(b"{\"type\":\"events\",") {
                Shape::Events(rest)
            } else if bytes.starts_with(b"{\"type\":\"state\",")
                || bytes.starts_with(b"{\"type\":\"change\",")
            {
                Shape::State
            } else {
                Shape::Other
            }
        }
        // The cases of `ServerMessage` in crates/rooms/src/binary/schema.rs.
        Codec::Binary => match bytes {
            [SCHEMA_VERSION, 1, rest @ ..] => Shape::Events(rest),
            [SCHEMA_VERSION, 3 | 4, ..] => Shape::State,
            _ => Shape::Other,
        },
    }
}

/// In the order in which serde writes. Quotes within strings are escaped, so that no text of a
/// user looks like a key.
fn json(bytes: &[u8], slots: &mut Vec<Slot>) -> Option<Head> {
    let (epoch, rest) = number(bytes.strip_prefix(b"\"epoch\":")?)?;
    let (_, rest) = number(rest.strip_prefix(b",\"at_ms\":")?)?;
    let (first, rest) = number(rest.strip_prefix(b",\"first\":")?)?;
    let (last, rest) = number(rest.strip_prefix(b",\"last\":")?)?;
    let (dropped, rest) = match rest.strip_prefix(b",\"dropped\":") {
        Some(rest) => number(rest)?,
        None => (0, rest),
    };
    let mut rest = rest.strip_prefix(b",\"events\":[")?;
    while let Some(at) = memmem::find(rest, b"{\"seq\":") {
        let (seq, after) = number(rest.get(at + 7..)?)?;
        let (_, after) = number(after.strip_prefix(b",\"at_ms\":")?)?;
        let after = match after.strip_prefix(b",\"media_ms\":") {
            Some(after) => number(after)?.1,
            None => after,
        };
        rest = after.strip_prefix(b",\"body\":{\"type\":\"")?;
        let is_chat = rest.starts_with(b"message\"") || rest.starts_with(b"void\"");
        let lane = if is_chat { Lane::Chat } else { Lane::Control };
        slots.push(Slot { seq, lane });
    }
    Some(Head {
        epoch,
        first,
        last,
        dropped: u32::try_from(dropped).ok()?,
    })
}

/// What is left of a binary frame.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn events(&mut self, slots: &mut Vec<Slot>) -> Option<Head> {
        let epoch = self.number()?;
        let _at_ms = self.number()?;
        let first = self.number()?;
        let last = first.checked_add(self.number()?)?;
        let dropped = u32::try_from(self.number()?).ok()?;
        for _ in 0..self.number()? {
            let seq = first.checked_add(self.number()?)?;
            let _before_ms = self.number()?;
            self.option(|input| input.number().map(|_| ()))?;
            match self.number()? {
                0 => {}
                1 => self.message()?,
                // CONTROL is rare enough to be decoded.
                _ => return None,
            }
            slots.push(Slot {
                seq,
                lane: Lane::Chat,
            });
        }
        self.0.is_empty().then_some(Head {
            epoch,
            first,
            last,
            dropped,
        })
    }

    fn message(&mut self) -> Option<()> {
        self.string()?;
        // The author: id, name, roles, level.
        self.string()?;
        self.string()?;
        self.skip(1)?;
        self.number()?;
        // Kind, text.
        self.string()?;
        self.string()?;
        self.option(Self::string)?;
        for _ in 0..self.number()? {
            self.string()?;
            self.string()?;
        }
        Some(())
    }

    fn number(&mut self) -> Option<u64> {
        let mut value: u64 = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7F).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn string(&mut self) -> Option<()> {
        let length = usize::try_from(self.number()?).ok()?;
        self.skip(length)
    }

    fn option(&mut self, inner: impl FnOnce(&mut Self) -> Option<()>) -> Option<()> {
        match self.number()? {
            0 => Some(()),
            _ => inner(self),
        }
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.0 = self.0.get(bytes..)?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rooms::schema::{Attr, Body, Event, EventFrame, Message, Notice, Recovery, User, Welcome};

    use super::*;

    const CODECS: [Codec; 2] = [Codec::Json, Codec::Binary];

    fn message(text: &str) -> Body {
        Body::Message(Message {
            id: "edge-1.17".to_owned(),
            author: User {
                id: "u-ada".to_owned(),
                name: "Ada {\"seq\":9,".to_owned(),
                ..User::default()
            },
            kind: "text".to_owned(),
            text: text.to_owned(),
            reply_to: Some("edge-1.3".to_owned()),
            attrs: vec![Attr {
                key: "seq".to_owned(),
                value: "1".to_owned(),
            }],
        })
    }

    fn frame(first: u64, bodies: Vec<Body>) -> EventFrame {
        let events = (first..).zip(bodies).map(|(seq, body)| {
            Arc::new(Event {
                seq,
                at_ms: 1_795_000_000_000,
                media_ms: seq.is_multiple_of(2).then_some(5),
                body,
            })
        });
        let events: Vec<_> = events.collect();
        EventFrame {
            epoch: 7,
            at_ms: 1_795_000_000_100,
            first,
            last: first + events.len() as u64 - 1,
            dropped: 0,
            events,
        }
    }

    fn welcomed(codec: Codec) -> Ledger {
        let welcome = Welcome {
            version: SCHEMA_VERSION,
            epoch: 7,
            seq: 0,
            next: 1,
            recovery: Recovery::Fresh,
            lost: None,
            snapshot: None,
            sanction: None,
        };
        let mut ledger = Ledger::default();
        let bytes = codec.encode(&ServerMessage::Welcome(welcome.into()));
        assert!(note(codec, &bytes, &mut ledger).unwrap().is_some());
        ledger
    }

    #[test]
    fn chat_is_read_without_being_decoded() {
        for codec in CODECS {
            let mut ledger = welcomed(codec);
            let bodies = vec![message("\"{\"seq\":4,\\"), Body::Void, message("")];
            let bytes = codec.encode(&ServerMessage::Events(frame(1, bodies)));
            assert_eq!(note(codec, &bytes, &mut ledger).unwrap(), None);
            assert_eq!((ledger.tally.events, ledger.tally.lost), (3, 0));
        }
    }

    #[test]
    fn both_ways_of_reading_agree_on_control() {
        for codec in CODECS {
            let notice = || Body::Notice(Notice::default());
            let mut events = frame(1, vec![message("a"), notice(), message("b"), notice()]);
            events.events.remove(2);
            let bytes = codec.encode(&ServerMessage::Events(events));
            let (mut noted, mut decoded) = (welcomed(codec), welcomed(codec));
            note(codec, &bytes, &mut noted).unwrap();
            decode(codec, &bytes, &mut decoded).unwrap();
            assert_eq!(noted.tally, decoded.tally);
            assert_eq!((noted.tally.events, noted.tally.lost), (3, 1));
            let control = crate::chat::ledger::judge([&noted, &decoded].into_iter(), []);
            assert_eq!((control.events, control.owed, control.lost), (2, 4, 0));
        }
    }

    #[test]
    fn what_is_broken_off_is_no_message() {
        for codec in CODECS {
            let bytes = codec.encode(&ServerMessage::Events(frame(1, vec![message("a")])));
            let mut ledger = welcomed(codec);
            assert!(note(codec, &bytes[..20], &mut ledger).is_err());
            assert!(note(codec, b"nonsense", &mut ledger).is_err());
            assert_eq!(ledger.tally.events, 0);
        }
    }
}
