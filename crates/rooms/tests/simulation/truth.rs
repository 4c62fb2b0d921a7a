//! What the hub said, for comparison.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use rooms::{
    RoomState,
    schema::{Act, Body, Event, EventFrame, Message},
};

#[derive(Debug)]
struct Epoch {
    events: Vec<Arc<Event>>,
    /// After each event; the first is that of the beginning.
    rooms: Vec<RoomState>,
    /// `seq` and act.
    deletions: Vec<(u64, Act)>,
    texts: BTreeSet<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Truth {
    epochs: BTreeMap<u64, Epoch>,
}

impl Truth {
    pub(crate) fn begin(&mut self, epoch: u64, room: RoomState) {
        self.epochs.insert(
            epoch,
            Epoch {
                events: Vec::new(),
                rooms: vec![room],
                deletions: Vec::new(),
                texts: BTreeSet::new(),
            },
        );
    }

    pub(crate) fn record(&mut self, frame: &EventFrame) {
        let epoch = self.epochs.get_mut(&frame.epoch).expect("an epoch begun");
        assert_eq!(
            frame.first,
            epoch.events.len() as u64 + 1,
            "the hub skipped"
        );
        frame.check_whole().expect("a whole frame");
        for event in &frame.events {
            if let Body::Message(message) = &event.body {
                let is_new = epoch.texts.insert(message.text.clone());
                assert!(is_new, "twice in an epoch: {}", message.text);
            }
            if let Body::Moderation(moderation) = &event.body
                && matches!(
                    moderation.act,
                    Act::DeleteMessage { .. } | Act::DeleteUser { .. } | Act::Clear
                )
            {
                epoch.deletions.push((event.seq, moderation.act.clone()));
            }
            let mut room = epoch.rooms.last().unwrap().clone();
            room.apply(event);
            epoch.rooms.push(room);
            epoch.events.push(Arc::clone(event));
        }
    }

    /// Whether a message left the hub: not if it was deleted before its tick ended.
    pub(crate) fn has_message(&self, id: &str) -> bool {
        let events = self.epochs.values().flat_map(|epoch| &epoch.events);
        events
            .filter_map(|event| match &event.body {
                Body::Message(message) => Some(&message.id),
                _ => None,
            })
            .any(|known| known == id)
    }

    pub(crate) fn event(&self, epoch: u64, seq: u64) -> &Event {
        &self.epochs[&epoch].events[seq as usize - 1]
    }

    pub(crate) fn room(&self, epoch: u64, seq: u64) -> &RoomState {
        &self.epochs[&epoch].rooms[seq as usize]
    }

    /// Whether something in `after..=until` deletes the message.
    pub(crate) fn is_deleted(&self, epoch: u64, message: &Message, after: u64, until: u64) -> bool {
        let deletions = self.epochs[&epoch].deletions.iter();
        deletions
            .filter(|(seq, _)| *seq > after && *seq <= until)
            .any(|(_, act)| match act {
                Act::DeleteMessage { id } => message.id == *id,
                Act::DeleteUser { user } => message.author.id == *user,
                Act::Clear => true,
                _ => false,
            })
    }
}
