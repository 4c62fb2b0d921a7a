//! What fills an [`EdgeInbox`](crate::EdgeInbox).

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use crate::edge::{EdgeEvent, EdgeShared};
use crate::metrics::Drop;
use crate::name::RoomName;
use crate::queue::{self, Refused};

/// The end that writes.
#[derive(Debug)]
pub(crate) struct Inbox {
    shared: Arc<EdgeShared>,
    queue: queue::Sender<EdgeEvent>,
}

pub(crate) fn inbox(
    bytes_max: usize,
    shared: &Arc<EdgeShared>,
) -> (Inbox, queue::Receiver<EdgeEvent>) {
    let (queue, events) = queue::queue(bytes_max, shared.metrics.inbox_bytes.clone());
    let shared = Arc::clone(shared);
    (Inbox { shared, queue }, events)
}

impl Inbox {
    /// What a hub sent, if the room is still followed and the reader is not too slow.
    pub(crate) fn message(&self, room: RoomName, message: Bytes) {
        let metrics = &self.shared.metrics;
        if !self.shared.follows.contains(&room) {
            metrics.dropped(Drop::NotFollowed);
            return;
        }
        let bytes = message.len();
        match self.queue.push(bytes, EdgeEvent::Message { room, message }) {
            Ok(()) => {}
            Err(Refused::Full) => metrics.dropped(Drop::InboxFull),
            Err(Refused::Closed) => metrics.dropped(Drop::Down),
        }
    }

    /// Sending works from now on.
    pub(crate) fn up(&self) {
        self.shared.metrics.links.set(1);
        self.shared.out.open();
        self.queue.push_always(EdgeEvent::Up, |_| true);
    }

    /// What was not sent is lost.
    pub(crate) fn down(&self) {
        self.shared.metrics.links.set(0);
        let lost = self.shared.out.shut();
        self.shared.metrics.dropped_many(Drop::Down, lost);
        self.queue.push_always(EdgeEvent::Down, is_news);
    }
}

/// Whether the end of the link says more than the queue does. A Down and an Up that nobody took
/// are as good as the Down alone: without this, a link that flaps would fill the memory of an edge
/// that does not read.
fn is_news(queue: &mut VecDeque<(usize, EdgeEvent)>) -> bool {
    let mut last = queue.iter().rev().map(|(_, event)| event);
    if last.next() == Some(&EdgeEvent::Up) && last.next() == Some(&EdgeEvent::Down) {
        queue.pop_back();
        return false;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_flaps_leaves_two_events() {
        let mut queue = VecDeque::new();
        for _ in 0..10 {
            queue.push_back((1, EdgeEvent::Up));
            if is_news(&mut queue) {
                queue.push_back((1, EdgeEvent::Down));
            }
        }
        let events: Vec<_> = queue.into_iter().map(|(_, event)| event).collect();
        assert_eq!(events, [EdgeEvent::Up, EdgeEvent::Down]);
    }
}
