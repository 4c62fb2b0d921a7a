use std::sync::Arc;

use super::*;
use crate::{
    Config, RoomState,
    schema::{
        Act, AudienceChange, Body, Event, EventFrame, Message, Moderation, Review, ReviewKind,
        StateChange, StateWhole, User,
    },
};

const CODEC: Codec = Codec::Json;

fn message(seq: u64, bytes: usize) -> Arc<Event> {
    let message = Message {
        id: format!("m{seq}"),
        text: "x".repeat(bytes),
        ..Message::default()
    };
    event(seq, Body::Message(message))
}

fn act(seq: u64, reason: usize) -> Arc<Event> {
    let moderation = Moderation {
        actor: "mod".to_owned(),
        reason: "r".repeat(reason),
        act: Act::Unpin,
    };
    event(seq, Body::Moderation(moderation))
}

fn event(seq: u64, body: Body) -> Arc<Event> {
    Arc::new(Event {
        seq,
        at_ms: seq * 1_000,
        media_ms: None,
        body,
    })
}

/// A frame per second.
fn frame(events: Vec<Arc<Event>>) -> Arc<EventFrame> {
    let (first, last) = (events[0].seq, events[events.len() - 1].seq);
    Arc::new(EventFrame {
        epoch: 7,
        at_ms: last * 1_000,
        first,
        last,
        dropped: 0,
        events,
    })
}

fn timeline(config: &Config) -> Timeline {
    let mut timeline = Timeline::new(config);
    timeline.reset(
        7,
        0,
        RoomState::default(),
        Vec::new(),
        StateWhole::default(),
    );
    timeline
}

fn config() -> Config {
    Config {
        window_events: 100,
        history_events: 2,
        lag_bytes_max: 4_096,
        control_lag_bytes_max: 4_096,
        direct_bytes_max: 1_024,
        ..Config::default()
    }
}

fn reader(resume: Option<Position>) -> Reader {
    Reader::new(CODEC, View::Public, None, resume)
}

fn at(seq: u64) -> Option<Position> {
    Some(Position { epoch: 7, seq })
}

fn next(reader: &mut Reader, timeline: &Timeline, now_ms: u64) -> Option<ServerMessage> {
    let (Next::Send(bytes) | Next::Close(_, bytes)) = reader.poll(timeline, now_ms)?;
    Some(CODEC.decode_server(&bytes).unwrap())
}

/// Takes one message and is not heard of again: what comes now is lag.
fn stall(reader: &mut Reader, timeline: &mut Timeline) {
    timeline.change(change(1));
    assert!(matches!(
        next(reader, timeline, 0),
        Some(ServerMessage::Change(_))
    ));
}

/// In a few words.
fn drain(reader: &mut Reader, timeline: &Timeline, now_ms: u64) -> Vec<String> {
    let mut said = Vec::new();
    while let Some(message) = next(reader, timeline, now_ms) {
        said.push(match message {
            ServerMessage::Welcome(it) => {
                let whole = it.recovery != Recovery::Complete;
                assert_eq!(it.snapshot.is_some(), whole);
                format!(
                    "{:?} from {} ({:?})",
                    it.recovery,
                    it.next,
                    it.lost.map(|it| (it.from, it.to))
                )
            }
            ServerMessage::State(it) => format!("state {}", it.version),
            ServerMessage::Change(it) => format!("change {}", it.version),
            ServerMessage::Events(it) => {
                format!(
                    "{}-{} ({} events, {} dropped)",
                    it.first,
                    it.last,
                    it.events.len(),
                    it.dropped
                )
            }
            ServerMessage::Gap(it) => format!("gap {}-{} ({:?})", it.from, it.to, it.messages),
            ServerMessage::Close { resume, .. } => format!("close at {}", resume.unwrap().seq),
            other => format!("{other:?}"),
        });
    }
    said
}

#[test]
fn who_comes_gets_the_snapshot_and_a_little_history() {
    let mut timeline = timeline(&config());
    let mut early = Reader::new(CODEC, View::Public, None, None);
    assert_eq!(
        drain(&mut early, &timeline, 0),
        ["Fresh from 1 (None)", "state 0"]
    );
    for first in [1, 3, 5] {
        timeline.append(frame(vec![message(first, 1), message(first + 1, 1)]));
    }
    assert_eq!(drain(&mut early, &timeline, 0).len(), 3);
    let mut late = reader(None);
    assert_eq!(
        drain(&mut late, &timeline, 0),
        [
            "Fresh from 5 (None)",
            "state 0",
            "5-6 (2 events, 0 dropped)"
        ]
    );
    assert_eq!(late.position(), at(6));
}

#[test]
fn a_position_is_filled_completely_or_not_at_all() {
    let mut timeline = timeline(&Config {
        window_events: 16,
        ..config()
    });
    for seq in 1..=20 {
        timeline.append(frame(vec![message(seq, 500)]));
    }
    // Above the bound of the lag, and complete all the same.
    let said = drain(&mut reader(at(4)), &timeline, 0);
    assert_eq!(said[..2], ["Complete from 5 (None)", "state 0"]);
    assert_eq!(said.len(), 2 + 16);
    assert!(
        said[2..]
            .iter()
            .all(|said| said.ends_with("(1 events, 0 dropped)"))
    );
    assert_eq!(
        drain(&mut reader(at(3)), &timeline, 0)[..2],
        ["NotRecovered from 19 (Some((4, 18)))", "state 0"]
    );
    let elsewhere = Some(Position { epoch: 6, seq: 19 });
    assert_eq!(
        drain(&mut reader(elsewhere), &timeline, 0)[0],
        "NotRecovered from 19 (None)"
    );
    // A later epoch: wait.
    let later = Some(Position { epoch: 8, seq: 1 });
    assert!(drain(&mut reader(later), &timeline, 0).is_empty());
    // Not believed.
    assert!(drain(&mut reader(at(u64::MAX)), &timeline, 0)[0].starts_with("NotRecovered"));
}

#[test]
fn what_another_edge_sent_already_is_not_sent_again() {
    let mut timeline = timeline(&config());
    let mut ahead = reader(at(3));
    assert_eq!(drain(&mut ahead, &timeline, 0)[0], "Complete from 4 (None)");
    timeline.append(frame(vec![message(1, 1), message(2, 1)]));
    assert!(drain(&mut ahead, &timeline, 0).is_empty());
    timeline.append(frame(vec![message(3, 1), message(4, 1)]));
    assert_eq!(
        drain(&mut ahead, &timeline, 0),
        ["4-4 (1 events, 0 dropped)"]
    );
}

#[test]
fn lagging_chat_is_dropped_and_told_and_control_is_not() {
    let mut timeline = timeline(&config());
    let mut slow = reader(None);
    drain(&mut slow, &timeline, 0);
    stall(&mut slow, &mut timeline);
    for seq in 1..=12 {
        let events = if seq == 4 {
            vec![message(seq, 1_000), act(5, 10)]
        } else {
            vec![message(seq + u64::from(seq > 4), 1_000)]
        };
        timeline.append(frame(events));
    }
    assert_eq!(
        drain(&mut slow, &timeline, 0),
        [
            "gap 1-3 (Some(3))",
            "4-5 (1 events, 1 dropped)",
            "gap 6-11 (Some(6))",
            "12-12 (1 events, 0 dropped)",
            "13-13 (1 events, 0 dropped)",
        ]
    );
    assert_eq!(slow.dropped(), 10);
}

#[test]
fn control_that_is_not_taken_closes_with_a_position_to_resume_from() {
    let mut timeline = timeline(&config());
    let mut slow = reader(None);
    drain(&mut slow, &timeline, 0);
    timeline.append(frame(vec![message(1, 1)]));
    drain(&mut slow, &timeline, 0);
    stall(&mut slow, &mut timeline);
    for seq in 2..=4 {
        timeline.append(frame(vec![act(seq, 1_500)]));
    }
    assert!(slow.is_slow(&timeline, 0));
    assert_eq!(drain(&mut slow, &timeline, 0), ["close at 1"]);
    assert_eq!(drain(&mut slow, &timeline, 0), [""; 0], "closed is closed");
    // Nothing is lost for who comes back.
    let said = drain(&mut reader(at(1)), &timeline, 0);
    assert_eq!(said.len(), 2 + 3);
}

#[test]
fn a_burst_makes_nobody_slow_who_had_everything() {
    let mut timeline = timeline(&config());
    let mut fast = reader(None);
    for burst in 0..3 {
        drain(&mut fast, &timeline, 0);
        for at in 1..=10 {
            let seq = burst * 20 + at * 2;
            timeline.append(frame(vec![act(seq - 1, 1_500), message(seq, 1_500)]));
        }
        let said = drain(&mut fast, &timeline, 0);
        assert_eq!(said.len(), 10);
        assert!(
            said.iter()
                .all(|said| said.ends_with("(2 events, 0 dropped)"))
        );
    }
}

#[test]
fn control_that_left_the_window_closes_and_chat_that_did_is_a_gap() {
    let config = Config {
        window_events: 16,
        lag_bytes_max: 16 * 1024 * 1024,
        ..config()
    };
    for has_control in [false, true] {
        let mut timeline = timeline(&config);
        let mut stuck = reader(None);
        drain(&mut stuck, &timeline, 0);
        for seq in 1..=20 {
            let is_control = has_control && seq == 2;
            let event = if is_control {
                act(seq, 1)
            } else {
                message(seq, 1)
            };
            timeline.append(frame(vec![event]));
        }
        let said = drain(&mut stuck, &timeline, 0);
        if has_control {
            assert_eq!(said, ["close at 0"]);
        } else {
            assert_eq!(said[0], "gap 1-4 (Some(4))");
            assert_eq!(said.len(), 1 + 16);
        }
    }
}

#[test]
fn answers_are_bounded() {
    let timeline = timeline(&config());
    let mut reader = reader(None);
    drain(&mut reader, &timeline, 0);
    let own = ServerMessage::Own {
        at_ms: 1,
        message: Arc::new(Message {
            text: "x".repeat(300),
            ..Message::default()
        }),
    };
    assert_eq!(reader.push_direct(&timeline, &own), Ok(()));
    assert_eq!(reader.push_direct(&timeline, &own), Ok(()));
    assert_eq!(reader.push_direct(&timeline, &own), Err(DirectOverflow));
    assert_eq!(drain(&mut reader, &timeline, 0), ["close at 0"]);
}

fn change(version: u64) -> Arc<StateChange> {
    Arc::new(StateChange {
        version,
        likes: version,
        burst: 1,
        sampled: 0,
        users: 0,
        connections: 0,
        audience: AudienceChange::Same,
        leaderboard: None,
    })
}

#[test]
fn state_is_a_change_for_who_follows_and_whole_for_who_missed_one() {
    let mut timeline = timeline(&config());
    let mut fast = reader(None);
    let mut slow = reader(None);
    drain(&mut fast, &timeline, 0);
    drain(&mut slow, &timeline, 0);
    for version in 1..=3 {
        assert!(timeline.change(change(version)));
        assert_eq!(
            drain(&mut fast, &timeline, 0),
            [format!("change {version}")]
        );
    }
    assert_eq!(drain(&mut slow, &timeline, 0), ["state 3"]);
    assert!(!timeline.change(change(5)), "not the next one");
}

#[test]
fn a_held_reader_sees_later_and_never_what_was_deleted_meanwhile() {
    let mut timeline = timeline(&config());
    let mut held = reader(None);
    held.hold(5_000);
    drain(&mut held, &timeline, 0);
    for seq in 1..=6 {
        timeline.append(frame(vec![message(seq, 10)]));
    }
    assert_eq!(held.due_at(&timeline), Some(6_000));
    assert!(drain(&mut held, &timeline, 5_999).is_empty());
    assert_eq!(
        drain(&mut held, &timeline, 6_000),
        ["1-1 (1 events, 0 dropped)"]
    );
    assert_eq!(held.due_at(&timeline), Some(7_000));
    let clear = Body::Moderation(Moderation {
        actor: String::new(),
        reason: String::new(),
        act: Act::Clear,
    });
    timeline.append(frame(vec![event(7, clear)]));
    let ServerMessage::Events(frame) = next(&mut held, &timeline, 7_000).unwrap() else {
        panic!("a frame is due");
    };
    assert_eq!(frame.events[0].body, Body::Void);
    held.hold(0);
    assert_eq!(drain(&mut held, &timeline, 7_000).len(), 5);
}

#[test]
fn a_window_too_short_for_the_hold_lets_its_older_half_go() {
    let mut timeline = timeline(&Config {
        window_events: 16,
        ..config()
    });
    let mut held = reader(None);
    held.hold(HOLD_MS_MAX);
    drain(&mut held, &timeline, 0);
    let mut seen = 0;
    for seq in 1..=200 {
        let event = if seq % 3 == 0 {
            act(seq, 1)
        } else {
            message(seq, 1)
        };
        timeline.append(frame(vec![event]));
        for said in drain(&mut held, &timeline, seq * 1_000) {
            assert!(said.ends_with("(1 events, 0 dropped)"), "{said}");
            seen += 1;
        }
    }
    assert!((190..=193).contains(&seen), "{seen}");
}

#[test]
fn all_readers_share_the_bytes_of_a_view() {
    let mut timeline = timeline(&config());
    let mut readers: Vec<Reader> = [View::Public, View::Public, View::Moderator]
        .map(|view| Reader::new(Codec::Binary, view, None, None))
        .into();
    let mut poll = |timeline: &Timeline| -> Vec<Bytes> {
        let polled = readers.iter_mut().map(|reader| {
            loop {
                let Some(Next::Send(bytes)) = reader.poll(timeline, 0) else {
                    panic!("nothing");
                };
                if let Ok(ServerMessage::Events(_)) = ServerMessage::from_binary(&bytes) {
                    return bytes;
                }
            }
        });
        polled.collect()
    };
    timeline.append(frame(vec![message(1, 10)]));
    let chat = poll(&timeline);
    assert!(chat.iter().all(|bytes| bytes.as_ptr() == chat[0].as_ptr()));
    timeline.append(frame(vec![act(2, 10)]));
    let acts = poll(&timeline);
    assert_eq!(acts[0].as_ptr(), acts[1].as_ptr());
    assert_ne!(acts[0], acts[2], "only moderators see who acted");
}

#[test]
fn an_epoch_that_nobody_heard_of_is_waited_for_and_then_not() {
    let mut timeline = timeline(&config());
    timeline.append(frame(vec![message(1, 1)]));
    let mut reader = reader(Some(Position { epoch: 99, seq: 5 }));
    assert_eq!(reader.poll(&timeline, 10_000), None);
    let due = reader.due_at(&timeline).unwrap();
    assert!(due > 10_000, "there is nothing to poll at once: {due}");
    assert_eq!(reader.poll(&timeline, due - 1), None);
    assert_eq!(
        drain(&mut reader, &timeline, due),
        [
            "NotRecovered from 1 (None)",
            "state 0",
            "1-1 (1 events, 0 dropped)"
        ]
    );
}

/// More than is shown to who comes: a storm that is told again after a crash, before edges have heard of the
/// new life.
#[test]
fn who_was_here_before_a_crash_gets_all_of_the_new_life() {
    let config = config();
    let mut timeline = timeline(&config);
    let mut here = reader(None);
    drain(&mut here, &timeline, 0);
    timeline.append(frame(vec![message(1, 1)]));
    drain(&mut here, &timeline, 0);
    let storm = (1..=5).map(|seq| {
        Arc::new(EventFrame {
            epoch: 8,
            ..(*frame(vec![message(seq, 1)])).clone()
        })
    });
    let (room, state) = (RoomState::default(), StateWhole::default());
    timeline.reset(8, 5, room, storm.collect(), state);
    let mut back = reader(at(1));
    for reader in [&mut here, &mut back] {
        let told = drain(reader, &timeline, 0);
        assert_eq!(told[0], "NotRecovered from 1 (None)");
        assert_eq!(told.last().unwrap(), "5-5 (1 events, 0 dropped)");
        assert_eq!(told.len(), 2 + 5, "{told:?}");
    }
    // Who was not gets the usual.
    let told = drain(&mut reader(None), &timeline, 0);
    assert_eq!(told[0], "Fresh from 4 (None)");
}

#[test]
fn a_new_generation_welcomes_again() {
    let mut timeline = timeline(&config());
    let mut reader = Reader::new(CODEC, View::Public, Some("a".to_owned()), None);
    drain(&mut reader, &timeline, 0);
    timeline.append(frame(vec![message(1, 1)]));
    drain(&mut reader, &timeline, 0);
    let room = RoomState::default();
    timeline.reset(9, 40, room, Vec::new(), StateWhole::default());
    assert_eq!(
        drain(&mut reader, &timeline, 0),
        ["NotRecovered from 41 (None)", "state 0"]
    );
    assert_eq!(reader.position(), Some(Position { epoch: 9, seq: 40 }));
}

fn review(seq: u64) -> Arc<Event> {
    let review = Review {
        id: format!("r{seq}"),
        kind: ReviewKind::Held,
        message: Message::default(),
        reason: "r".repeat(1_000),
        by: String::new(),
    };
    event(seq, Body::Review(review))
}

/// Viewers can make as many reviews as they complain.
#[test]
fn reviews_make_only_moderators_slow() {
    for (count, window_events) in [(20, 100), (60, 16)] {
        let config = Config {
            window_events,
            ..config()
        };
        let mut timeline = timeline(&config);
        let mut public = reader(None);
        let mut moderator = Reader::new(CODEC, View::Moderator, None, None);
        for reader in [&mut public, &mut moderator] {
            drain(reader, &timeline, 0);
        }
        timeline.change(change(1));
        for reader in [&mut public, &mut moderator] {
            assert!(next(reader, &timeline, 0).is_some());
        }
        for seq in 1..=count {
            timeline.append(frame(vec![review(seq)]));
        }
        assert!(!public.is_slow(&timeline, 0), "{count}");
        assert!(moderator.is_slow(&timeline, 0), "{count}");
        drain(&mut public, &timeline, 0);
        assert_eq!(public.position(), at(count), "nothing to miss");
    }
}

#[test]
fn a_driver_ends_a_connection_with_a_reason() {
    let timeline = timeline(&config());
    let mut reader = reader(None);
    drain(&mut reader, &timeline, 0);
    let Next::Close(code, bytes) = reader.close(CloseCode::Draining, Some(1_234)) else {
        panic!("a close");
    };
    assert_eq!((code.websocket(), code.as_str()), (4001, "draining"));
    let message = CODEC.decode_server(&bytes).unwrap();
    let expected = ServerMessage::Close {
        code,
        resume: at(0),
        retry_after_ms: Some(1_234),
    };
    assert_eq!(message, expected);
    assert!(next(&mut reader, &timeline, 0).is_none());
}

#[test]
fn who_becomes_a_moderator_gets_the_snapshot_of_one() {
    let mut timeline = timeline(&config());
    timeline.append(frame(vec![message(1, 10), review(2)]));
    let mut reader = reader(None);
    drain(&mut reader, &timeline, 0);
    timeline.append(frame(vec![message(3, 10)]));
    reader.set_view(View::Moderator);
    assert_eq!(reader.position(), at(2));
    let Some(ServerMessage::Welcome(welcome)) = next(&mut reader, &timeline, 0) else {
        panic!("a welcome");
    };
    assert_eq!(welcome.recovery, Recovery::NotRecovered);
    assert_eq!((welcome.seq, welcome.next, welcome.lost), (3, 1, None));
    let snapshot = welcome.snapshot.expect("what to begin with");
    assert_eq!(snapshot.reviews.len(), 1);
    assert_eq!(drain(&mut reader, &timeline, 0).len(), 3, "STATE, history");
    // Back again, and a moderator who stays one: nothing is new.
    reader.set_view(View::Public);
    reader.set_view(View::Public);
    assert!(next(&mut reader, &timeline, 0).is_none());
}

#[test]
fn what_is_queued_first_comes_before_the_welcome() {
    let timeline = timeline(&config());
    let mut reader = reader(None);
    let you = ServerMessage::You {
        user: User::default(),
        session: None,
        server_ms: 0,
        heartbeat_ms: 20_000,
        can: vec![],
    };
    reader.push_direct(&timeline, &you).unwrap();
    assert_eq!(next(&mut reader, &timeline, 0), Some(you));
    assert!(matches!(
        next(&mut reader, &timeline, 0),
        Some(ServerMessage::Welcome(_))
    ));
}
