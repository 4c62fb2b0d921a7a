//! A hub that says anything, in any order: the edge keeps its bounds, and its readers see `seq`
//! rise without a hole that they were not told of, and nothing that is for moderators.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rooms::{
    Codec, Config, EdgeRoom, FRAMES_AHEAD_MAX, Next, Reader,
    schema::{Body, Recovery, ServerMessage, ToEdge, View},
};

fuzz_target!(|data: &[u8]| {
    let config = Config {
        window_events: 16,
        ..Config::default()
    };
    let mut edge = EdgeRoom::new(&config, "edge".to_owned(), 1, 0, 1).unwrap();
    let mut reader = Reader::new(Codec::Binary, View::Public, None, None);
    let mut position = None;
    let mut now_ms = 0;
    // Messages with their length before them, in two bytes.
    let mut rest = data;
    while let Some((length, more)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_le_bytes(*length)).min(more.len());
        let (bytes, more) = more.split_at(length);
        rest = more;
        now_ms += 100;
        if let Ok(message) = ToEdge::from_binary(bytes) {
            edge.handle(now_ms, message);
        }
        edge.tick(now_ms);
        while edge.poll_output().is_some() {}
        assert!(edge.figures().frames_ahead <= FRAMES_AHEAD_MAX);
        while let Some(next) = reader.poll(edge.timeline(), now_ms) {
            let (Next::Send(bytes) | Next::Close(_, bytes)) = next;
            match ServerMessage::from_binary(&bytes).unwrap() {
                ServerMessage::Welcome(welcome) => {
                    assert!(
                        welcome.recovery != Recovery::Complete || position == Some(welcome.next)
                    );
                    assert!(welcome.snapshot.is_none_or(|it| it.reviews.is_empty()));
                    position = Some(welcome.next);
                }
                ServerMessage::Events(frame) => {
                    assert_eq!(position, Some(frame.first));
                    position = frame.last.checked_add(1);
                    let mut bodies = frame.events.iter().map(|event| &event.body);
                    assert!(!bodies.any(|body| matches!(body, Body::Review(_))));
                }
                ServerMessage::Gap(gap) => {
                    assert_eq!(position, Some(gap.from));
                    position = gap.to.checked_add(1);
                }
                _ => {}
            }
        }
    }
});
