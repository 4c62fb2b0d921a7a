//! What the hub said, for comparison.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use rooms::{
    RoomState,
    schema::{Act, Body, Event, EventFrame, Message, Moderation, ReviewKind},
};

/// That what was held comes right after its approval.
fn approves(epoch: &Epoch, message: &Message) {
    let before = epoch.events.last().expect("an event before it");
    let Body::Moderation(Moderation {
        act: Act::Approve { id },
        ..
    }) = &before.body
    else {
        panic!("held, and said after {before:?}");
    };
    let [.., open, _] = epoch.rooms.as_slice() else {
        panic!("no state before {before:?}");
    };
    let review = open.review(id).expect("it was open");
    assert_eq!(review.message, *message);
}

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
    /// Ids of messages that were held.
    held: BTreeSet<String>,
    /// What was held and came into the room.
    pub(crate) approved: u64,
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
            if let Body::Review(review) = &event.body
                && review.kind == ReviewKind::Held
            {
                self.held.insert(review.message.id.clone());
            }
            if let Body::Message(message) = &event.body
                && self.held.contains(&message.id)
            {
                self.approved += 1;
                approves(epoch, message);
            }
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

    /// That each act and each review that left the hub was written down.
    pub(crate) fn check_written(&self, written: &BTreeSet<(u64, u64)>) {
        for (number, epoch) in &self.epochs {
            for event in &epoch.events {
                let is_one = matches!(event.body, Body::Moderation(_) | Body::Review(_));
                assert_eq!(is_one, written.contains(&(*number, event.seq)));
            }
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
