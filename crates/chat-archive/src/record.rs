//! What a record is: the epoch in eight bytes, and the event as JSON.

use rooms::schema::Event;
use serde::Serialize;

use crate::error::Error;

/// Something that happened in a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Record {
    /// Life of the hub.
    pub epoch: u64,
    /// What happened.
    pub event: Event,
}

pub(crate) fn encode(epoch: u64, event: &Event, into: &mut Vec<u8>) -> Result<(), Error> {
    into.extend_from_slice(&epoch.to_le_bytes());
    serde_json::to_writer(into, event).map_err(|_| Error::Seal)
}

/// None if this version knows no such event.
pub(crate) fn decode(text: &[u8]) -> Option<Record> {
    let (epoch, json) = text.split_first_chunk()?;
    Some(Record {
        epoch: u64::from_le_bytes(*epoch),
        event: serde_json::from_slice(json).ok()?,
    })
}

/// Finds records that may name something, without taking them apart.
#[derive(Clone, Debug)]
pub(crate) struct Needle(Option<String>);

impl Needle {
    pub(crate) fn new(text: &str) -> Self {
        // What is escaped in JSON looks otherwise there, and again in JSON within JSON.
        let is_plain = |c: char| !c.is_control() && !matches!(c, '"' | '\\' | '/') && c.is_ascii();
        Self(text.chars().all(is_plain).then(|| text.to_owned()))
    }

    pub(crate) fn may_be_in(&self, record: &[u8]) -> bool {
        let Some(needle) = &self.0 else {
            return true;
        };
        contains(record, needle)
    }
}

/// Whether the JSON of a record has this in it; true if that is not known.
pub(crate) fn contains(record: &[u8], text: &str) -> bool {
    let json = record.get(size_of::<u64>()..).unwrap_or_default();
    std::str::from_utf8(json).map_or(true, |json| json.contains(text))
}
