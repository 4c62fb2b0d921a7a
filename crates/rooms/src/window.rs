//! The recovery window: the last frames of an epoch, at the hub and at edges.

use std::{collections::VecDeque, sync::Arc};

use crate::{
    encoded::EncodedFrame,
    moderation::Deletion,
    schema::{Body, Event, EventFrame, View, is_hidden},
};

/// What an event weighs besides its text: its share of the frame, of shared pointers, of JSON keys.
const EVENT_BYTES: usize = 96;

/// The last frames, bounded in events and in bytes. The last frame always stays.
///
/// Bytes are *weights*: the text of an event and a constant. They are close to its
/// encoded length, the same for all codecs, and known before anything is encoded.
///
/// Frames have an *index* that grows by one and never changes, for cursors.
#[derive(Debug)]
pub struct Window {
    slots: VecDeque<Slot>,
    /// Index of the first slot.
    base: u64,
    /// `seq` of the last event that was ever in it.
    head: u64,
    /// Weight up to the first slot.
    before: Weights,
    events: usize,
    bytes: usize,
    events_max: usize,
    bytes_max: usize,
}

/// A frame and the weight of everything up to its end. Weights are not taken back when messages
/// are deleted: lags are differences of them.
#[derive(Debug)]
struct Slot {
    frame: Arc<EncodedFrame>,
    end: Weights,
    events: usize,
    bytes: usize,
}

/// Sums since the window was begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Weights {
    pub(crate) whole: u64,
    /// CONTROL as moderators see it.
    control: u64,
    /// CONTROL without what is for moderators alone: how much of that there is, viewers can make
    /// by complaining, and nobody else may be closed as slow for it.
    public_control: u64,
    /// Number of messages.
    pub(crate) messages: u64,
}

impl Weights {
    /// Of CONTROL, for who looks.
    pub(crate) fn control(self, view: View) -> u64 {
        match view {
            View::Public => self.public_control,
            View::Moderator => self.control,
        }
    }
}

impl Window {
    /// An empty window whose next event has `seq` `head + 1`.
    pub fn new(events_max: usize, bytes_max: usize, head: u64) -> Self {
        Self {
            slots: VecDeque::new(),
            base: 0,
            head,
            before: Weights::default(),
            events: 0,
            bytes: 0,
            events_max,
            bytes_max,
        }
    }

    /// `seq` of the last event that was ever in it.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// `seq` of the first event in it, or of the next one if it is empty.
    pub fn first(&self) -> u64 {
        self.slots
            .front()
            .map_or(self.head + 1, |slot| slot.frame.frame().first)
    }

    /// Events in it.
    pub fn events(&self) -> usize {
        self.events
    }

    /// Weight of the events in it.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether half of a bound is reached.
    pub(crate) fn is_half_full(&self) -> bool {
        self.events > self.events_max / 2 || self.bytes > self.bytes_max / 2
    }

    /// Whether everything after `seq` is in it.
    pub fn covers(&self, seq: u64) -> bool {
        seq <= self.head && self.first() <= seq + 1
    }

    /// Takes the next frame, and lets go of those that are too many. Whether it was the next one,
    /// and whole.
    pub fn append(&mut self, frame: Arc<EventFrame>) -> bool {
        if frame.first != self.head + 1 || frame.check_whole().is_err() {
            return false;
        }
        let mut end = self.slots.back().map_or(self.before, |slot| slot.end);
        let mut bytes = 0;
        for event in &frame.events {
            let weight = weight(event);
            bytes += weight;
            let weight = u64::try_from(weight).unwrap_or(u64::MAX);
            end.whole += weight;
        }
        let counts = frame.counts();
        if counts.control > 0 {
            // A control-only frame is at most this.
            for event in &frame.control_only().events {
                let weight = u64::try_from(weight(event)).unwrap_or(u64::MAX);
                end.control += weight;
                if !is_hidden(&event.body) {
                    end.public_control += weight;
                }
            }
        }
        end.messages += u64::from(counts.messages);
        self.head = frame.last;
        self.events += frame.events.len();
        self.bytes += bytes;
        self.slots.push_back(Slot {
            events: frame.events.len(),
            frame: Arc::new(EncodedFrame::new(frame)),
            end,
            bytes,
        });
        while self.slots.len() > 1 && (self.events > self.events_max || self.bytes > self.bytes_max)
        {
            self.evict();
        }
        true
    }

    fn evict(&mut self) {
        let Some(slot) = self.slots.pop_front() else {
            return;
        };
        self.base += 1;
        self.before = slot.end;
        self.events -= slot.events;
        self.bytes -= slot.bytes;
    }

    /// Frames with everything after `seq`, if all of it is here. The first may hold more.
    pub fn after(&self, seq: u64) -> Option<impl Iterator<Item = &Arc<EventFrame>>> {
        let from = self.covers(seq).then(|| self.index_after(seq))?;
        let skipped = usize::try_from(from - self.base).ok()?;
        Some(
            self.slots
                .iter()
                .skip(skipped)
                .map(|slot| slot.frame.frame()),
        )
    }

    /// Takes messages that were said before the act at `seq` out of the frames. How many events
    /// changed.
    pub(crate) fn delete(&mut self, seq: u64, deletion: Deletion<'_>) -> usize {
        let mut changed = 0;
        // From the end: what is deleted has just been said, as a rule, and an id occurs once as a
        // message and any number of times as a pin after it.
        for slot in self.slots.iter_mut().rev() {
            let Some((frame, count)) = redacted(slot.frame.frame(), seq, deletion) else {
                continue;
            };
            slot.frame = Arc::new(EncodedFrame::new(Arc::new(frame)));
            changed += count;
        }
        changed
    }

    /// The newest message with this id.
    pub(crate) fn message(&self, id: &str) -> Option<&Arc<Event>> {
        let frames = self.slots.iter().rev();
        frames
            .flat_map(|slot| slot.frame.frame().events.iter().rev())
            .find(|event| is_message(event, id))
    }

    /// Index of the first frame that holds something after `seq`.
    pub(crate) fn index_after(&self, seq: u64) -> u64 {
        let at = self
            .slots
            .partition_point(|slot| slot.frame.frame().last <= seq);
        self.base + u64::try_from(at).unwrap_or(u64::MAX)
    }

    /// Index of the first frame that is still here.
    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    /// Index of the frame that comes next.
    pub(crate) fn end(&self) -> u64 {
        self.base + u64::try_from(self.slots.len()).unwrap_or(u64::MAX)
    }

    /// The frame, and sums up to its end.
    pub(crate) fn get(&self, index: u64) -> Option<(&Arc<EncodedFrame>, Weights)> {
        let at = usize::try_from(index.checked_sub(self.base)?).ok()?;
        self.slots.get(at).map(|slot| (&slot.frame, slot.end))
    }

    /// Sums up to the beginning of the frame, which may be the next one; of one that is gone,
    /// up to the first that is not.
    pub(crate) fn weights_before(&self, index: u64) -> Weights {
        let before = index.checked_sub(1).and_then(|before| self.get(before));
        before.map_or(self.before, |(_, end)| end)
    }
}

/// The frame without what is deleted, and how many events that were.
fn redacted(frame: &EventFrame, seq: u64, deletion: Deletion<'_>) -> Option<(EventFrame, usize)> {
    let is_deleted =
        |event: &Arc<Event>| event.seq < seq && deletion.rest_of(&event.body).is_some();
    if !frame.events.iter().any(is_deleted) {
        return None;
    }
    let mut frame = frame.clone();
    let count = redact(&mut frame.events, seq, deletion);
    Some((frame, count))
}

/// Takes messages that were said before the act at `seq` out of `events`. How many changed.
pub(crate) fn redact(events: &mut [Arc<Event>], seq: u64, deletion: Deletion<'_>) -> usize {
    let mut changed = 0;
    for event in events.iter_mut().filter(|event| event.seq < seq) {
        if let Some(body) = deletion.rest_of(&event.body) {
            *event = Arc::new(Event { body, ..**event });
            changed += 1;
        }
    }
    changed
}

pub(crate) fn is_message(event: &Event, id: &str) -> bool {
    matches!(&event.body, Body::Message(message) if message.id == id)
}

/// See [`Window`].
pub(crate) fn weight(event: &Event) -> usize {
    EVENT_BYTES
        + match &event.body {
            Body::Message(it) => message_weight(it),
            Body::Moderation(it) => it.actor.len() + it.reason.len() + act_weight(&it.act),
            Body::Gift(it) => {
                let animation = it.animation.as_ref();
                it.id.len()
                    + user_weight(&it.sender)
                    + it.recipient.len()
                    + it.item.len()
                    + it.note.as_ref().map_or(0, String::len)
                    + it.combo.as_ref().map_or(0, |combo| 48 + combo.id.len())
                    + animation.map_or(0, |it| 64 + it.asset.len() + it.payload.len())
            }
            Body::Notice(it) => it.id.len() + it.kind.len() + it.text.len() + it.payload.len(),
            Body::Review(it) => review_weight(it),
            Body::Void => 0,
        }
}

/// Without what each event weighs.
pub(crate) fn review_weight(review: &crate::schema::Review) -> usize {
    review.id.len() + review.reason.len() + review.by.len() + message_weight(&review.message)
}

fn message_weight(message: &crate::schema::Message) -> usize {
    let attrs = message.attrs.iter();
    message.id.len()
        + user_weight(&message.author)
        + message.kind.len()
        + message.text.len()
        + message.reply_to.as_ref().map_or(0, String::len)
        + attrs
            .map(|attr| 48 + attr.key.len() + attr.value.len())
            .sum::<usize>()
}

fn user_weight(user: &crate::schema::User) -> usize {
    user.id.len() + user.name.len()
}

fn act_weight(act: &crate::schema::Act) -> usize {
    use crate::schema::Act;
    match act {
        Act::DeleteMessage { id } | Act::Approve { id } | Act::Dismiss { id } => id.len(),
        Act::Pin { id, message } => id.len() + message.as_ref().map_or(0, message_weight),
        Act::Timeout { user, .. }
        | Act::Ban { user }
        | Act::DeleteUser { user }
        | Act::ShadowBan { user }
        | Act::ShadowUnban { user }
        | Act::Unban { user } => user.len(),
        Act::Clear | Act::Unpin => 0,
        Act::Settings { patch } => {
            let attrs = patch.attrs.iter();
            attrs
                .map(|attr| 48 + attr.key.len() + attr.value.len())
                .sum()
        }
    }
}

#[cfg(test)]
mod tests;
