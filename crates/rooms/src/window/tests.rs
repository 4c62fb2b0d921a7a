use super::*;
use crate::schema::{Act, Message, Moderation, User};

fn event(seq: u64, body: Body) -> Arc<Event> {
    Arc::new(Event {
        seq,
        at_ms: seq,
        media_ms: None,
        body,
    })
}

fn message(seq: u64, author: &str) -> Arc<Event> {
    let message = Message {
        id: format!("m{seq}"),
        author: User {
            id: author.to_owned(),
            ..User::default()
        },
        ..Message::default()
    };
    event(seq, Body::Message(message))
}

fn frame(first: u64, events: Vec<Arc<Event>>) -> Arc<EventFrame> {
    Arc::new(EventFrame {
        epoch: 1,
        at_ms: first,
        first,
        last: first + events.len() as u64 - 1,
        dropped: 0,
        events,
    })
}

/// Frames of two messages each, from 1.
fn window(frames: u64, events_max: usize, bytes_max: usize) -> Window {
    let mut window = Window::new(events_max, bytes_max, 0);
    for at in 0..frames {
        let first = at * 2 + 1;
        let events = vec![message(first, "a"), message(first + 1, "b")];
        assert!(window.append(frame(first, events)));
    }
    window
}

fn seqs(window: &Window, after: u64) -> Option<Vec<u64>> {
    let frames = window.after(after)?;
    Some(frames.flat_map(|frame| frame.first..=frame.last).collect())
}

#[test]
fn a_fill_is_complete_or_there_is_none() {
    let window = window(5, 6, usize::MAX);
    assert_eq!((window.first(), window.head(), window.events()), (5, 10, 6));
    assert_eq!(seqs(&window, 4), Some((5..=10).collect()));
    assert_eq!(seqs(&window, 8), Some(vec![9, 10]));
    // Within a frame: the frame.
    assert_eq!(seqs(&window, 9), Some(vec![9, 10]));
    assert_eq!(seqs(&window, 10), Some(vec![]));
    assert_eq!(seqs(&window, 3), None, "something is missing");
    assert_eq!(seqs(&window, 11), None, "from elsewhere");
}

#[test]
fn only_the_next_whole_frame_is_taken() {
    let mut window = window(2, 100, usize::MAX);
    assert!(!window.append(frame(6, vec![message(6, "a")])), "a hole");
    assert!(!window.append(frame(4, vec![message(4, "a")])), "again");
    let mut part = (*frame(5, vec![message(5, "a"), message(6, "a")])).clone();
    part.events.pop();
    assert!(!window.append(Arc::new(part)), "not whole");
    assert_eq!(window.head(), 4);
}

#[test]
fn bytes_are_bounded_but_for_the_last_frame() {
    let one = weight(&message(1, "a"));
    let small = window(50, 1_000, one * 10);
    assert!(small.bytes() <= one * 10 + 20, "{}", small.bytes());
    let tiny = window(50, 1_000, 1);
    assert_eq!(tiny.events(), 2);
    assert_eq!(tiny.first(), 99);
}

#[test]
fn a_deleted_message_leaves_its_slot() {
    let mut window = window(3, 100, usize::MAX);
    let pinned = Body::Moderation(Moderation {
        actor: String::new(),
        reason: String::new(),
        act: Act::Pin {
            id: "m2".to_owned(),
            message: match &message(2, "b").body {
                Body::Message(message) => Some(message.clone()),
                _ => None,
            },
        },
    });
    assert!(window.append(frame(7, vec![event(7, pinned), message(8, "b")])));
    assert!(window.message("m2").is_some());
    assert_eq!(
        window.delete(8, Deletion::Message("m2")),
        2,
        "message and pin"
    );
    assert!(window.message("m2").is_none());
    assert_eq!(seqs(&window, 0), Some((1..=8).collect()));
    // What was said after the act stays, even in the same frame.
    assert_eq!(window.delete(8, Deletion::User("b")), 2);
    assert!(window.message("m8").is_some());
    assert!(window.message("m1").is_some());
    assert_eq!(window.delete(9, Deletion::Everything), 4);
    assert_eq!(window.head(), 8);
}

#[test]
fn an_index_stays_with_its_frame() {
    let window = window(5, 6, usize::MAX);
    assert_eq!((window.base(), window.end()), (2, 5));
    assert!(window.get(1).is_none());
    assert_eq!(window.get(2).map(|(frame, _)| frame.frame().first), Some(5));
    assert_eq!(window.index_after(6), 3);
    assert_eq!(window.weights_before(5).messages, 10);
    assert_eq!(window.weights_before(2).messages, 4);
    assert_eq!(
        window.weights_before(0).messages,
        4,
        "of the first that is there"
    );
}
