use super::*;

mod reviews;

use crate::{
    limits::{FRAME_EVENTS_MAX, LEADERBOARD_MAX, SANCTIONS_MAX},
    schema::{
        Act, Attr, Combo, Gift, Message, Moderation, Notice, RefusalCode, Roles, SettingsPatch,
        User,
    },
};

const START_MS: u64 = 1_000_000;

struct Room {
    hub: Hub,
    now_ms: u64,
    count: u64,
}

impl Room {
    fn new() -> Self {
        let hub = Hub::new(&Config::default(), 7, Saved::default(), START_MS, 1);
        Self {
            hub: hub.expect("correct settings"),
            now_ms: START_MS,
            count: 0,
        }
    }

    fn publish(&mut self, author: &str, body: Body) -> Outcome {
        self.count += 1;
        let publish = Publish {
            author: author.to_owned(),
            client_id: format!("c{}", self.count),
            media_ms: None,
            body,
        };
        self.hub.publish(self.now_ms, publish)
    }

    fn say(&mut self, author: &str, roles: Roles) -> Outcome {
        let id = format!("m{}", self.count + 1);
        self.publish(author, message(&id, author, roles))
    }

    fn act(&mut self, act: Act) -> Outcome {
        let moderation = Moderation {
            actor: "mod".to_owned(),
            reason: "because".to_owned(),
            act,
        };
        self.publish("mod", Body::Moderation(moderation))
    }

    fn set(&mut self, patch: SettingsPatch) -> Outcome {
        self.act(Act::Settings { patch })
    }

    /// The next tick, and what it puts out.
    fn tick(&mut self) -> Vec<HubOutput> {
        self.now_ms += 100;
        self.hub.tick(self.now_ms);
        std::iter::from_fn(|| self.hub.poll_output()).collect()
    }

    fn frames(&mut self) -> Vec<Arc<EventFrame>> {
        self.tick()
            .into_iter()
            .filter_map(|output| match output {
                HubOutput::All(ToEdge::Frame(frame)) => Some(frame),
                _ => None,
            })
            .collect()
    }

    fn hear(&mut self, body: FromEdgeBody) -> Vec<ToEdge> {
        let message = FromEdge {
            edge: "edge".to_owned(),
            incarnation: 1,
            body,
        };
        self.hub.handle(self.now_ms, message);
        std::iter::from_fn(|| self.hub.poll_output())
            .filter_map(|output| match output {
                HubOutput::One { message, .. } => Some(message),
                _ => None,
            })
            .collect()
    }
}

fn message(id: &str, author: &str, roles: Roles) -> Body {
    Body::Message(Message {
        id: id.to_owned(),
        author: User {
            id: author.to_owned(),
            roles,
            ..User::default()
        },
        kind: "text".to_owned(),
        text: "hello".to_owned(),
        ..Message::default()
    })
}

fn seq(outcome: &Outcome) -> Option<u64> {
    match outcome {
        Outcome::Accepted { seq, .. } => *seq,
        _ => panic!("{outcome:?}"),
    }
}

fn refusal(outcome: Outcome) -> (RefusalCode, Option<u64>) {
    match outcome {
        Outcome::Refused {
            code,
            retry_after_ms,
        } => (code, retry_after_ms),
        _ => panic!("{outcome:?}"),
    }
}

fn user(id: &str) -> String {
    id.to_owned()
}

#[test]
fn a_tick_makes_one_frame_and_an_empty_one_none() {
    let mut room = Room::new();
    assert!(room.frames().is_empty());
    room.say("a", Roles::NONE);
    room.act(Act::Unpin);
    room.say("b", Roles::NONE);
    let frames = room.frames();
    assert_eq!(frames.len(), 1);
    assert_eq!(
        (frames[0].first, frames[0].last, frames[0].epoch),
        (1, 3, 7)
    );
    assert!(room.frames().is_empty());
    room.say("a", Roles::NONE);
    assert_eq!(room.frames()[0].first, 4);
}

#[test]
fn a_repetition_gets_the_first_answer() {
    let mut room = Room::new();
    let publish = |id: &str, client_id: &str| Publish {
        author: user("a"),
        client_id: client_id.to_owned(),
        media_ms: None,
        body: message(id, "a", Roles::NONE),
    };
    let first = room.hub.publish(START_MS, publish("m1", "c1"));
    // Through another edge, with another id.
    assert_eq!(room.hub.publish(START_MS, publish("m2", "c1")), first);
    assert_eq!(
        first,
        Outcome::Accepted {
            seq: Some(1),
            id: user("m1")
        }
    );
    assert_ne!(room.hub.publish(START_MS, publish("m2", "c2")), first);
    // Another author's is another one.
    let other = Publish {
        author: user("b"),
        body: message("m3", "b", Roles::NONE),
        ..publish("m3", "c1")
    };
    assert_eq!(seq(&room.hub.publish(START_MS, other)), Some(3));
    // The window is over.
    let later = START_MS + Config::default().dedup_ms;
    assert_eq!(seq(&room.hub.publish(later, publish("m1", "c1"))), Some(4));
}

#[test]
fn sanctions_hold_from_the_next_event_on() {
    let mut room = Room::new();
    let timeout = Act::Timeout {
        user: user("a"),
        seconds: 10,
        until_ms: 1,
    };
    assert_eq!(seq(&room.say("a", Roles::NONE)), Some(1));
    room.act(timeout);
    assert_eq!(
        refusal(room.say("a", Roles::NONE)),
        (RefusalCode::TimedOut, Some(10_000))
    );
    room.now_ms += 10_000;
    assert!(seq(&room.say("a", Roles::NONE)).is_some());
    room.act(Act::Ban { user: user("a") });
    assert_eq!(refusal(room.say("a", Roles::NONE)).0, RefusalCode::Banned);
    room.act(Act::Unban { user: user("a") });
    assert!(seq(&room.say("a", Roles::NONE)).is_some());
    assert_eq!(
        refusal(room.say("a", Roles::MUTED)).0,
        RefusalCode::Restricted
    );
}

#[test]
fn a_shadow_ban_looks_like_being_accepted() {
    let mut room = Room::new();
    room.act(Act::ShadowBan { user: user("a") });
    let outcome = room.say("a", Roles::NONE);
    assert_eq!(seq(&outcome), None);
    assert_eq!(room.hub.figures().shadowed, 1);
    // And not like being sampled out, in what everybody sees.
    assert_eq!(room.hub.figures().sampled, 0);
    let frames = room.frames();
    assert_eq!(frames[0].events.len(), 1);
    let public = frames[0].public().expect("another view");
    assert_eq!(public.events[0].body, Body::Void);
}

#[test]
fn above_the_cap_chat_is_sampled_and_nothing_else() {
    let mut room = Room::new();
    room.set(SettingsPatch {
        chat_per_second_max: Some(10),
        ..SettingsPatch::default()
    });
    let passed = |room: &mut Room, roles| {
        let outcomes = (0..50).map(|_| room.say("a", roles));
        outcomes.filter(|outcome| seq(outcome).is_some()).count()
    };
    assert_eq!(passed(&mut room, Roles::NONE), 5, "half a second's worth");
    assert_eq!(passed(&mut room, Roles::MODERATOR), 50);
    assert!(seq(&room.act(Act::Unpin)).is_some());
    room.now_ms += 300;
    assert_eq!(passed(&mut room, Roles::NONE), 3);
    assert_eq!(room.hub.figures().sampled, 45 + 47);
    for _ in 0..10 {
        room.tick();
    }
    assert_eq!(room.hub.state().sampled, 45 + 47);
}

#[test]
fn restrictions_and_malformed_publishes_are_refused_by_name() {
    let mut room = Room::new();
    room.set(SettingsPatch {
        restrict: Some(Roles::SUBSCRIBER),
        ..SettingsPatch::default()
    });
    assert_eq!(
        refusal(room.say("a", Roles::NONE)).0,
        RefusalCode::Restricted
    );
    assert!(seq(&room.say("a", Roles::SUBSCRIBER)).is_some());
    assert!(seq(&room.say("a", Roles::BROADCASTER)).is_some());
    let malformed = [
        ("b", message("m", "a", Roles::NONE)),
        ("a", message("", "a", Roles::NONE)),
        ("a", message(&"x".repeat(200), "a", Roles::NONE)),
        ("", message("m", "", Roles::NONE)),
        ("a", Body::Void),
    ];
    for (author, body) in malformed {
        assert_eq!(
            refusal(room.publish(author, body)).0,
            RefusalCode::Malformed
        );
    }
    assert_eq!(room.hub.figures().refused[&RefusalCode::Malformed], 5);
    let unknown = Act::Pin {
        id: user("nothing"),
        message: None,
    };
    assert_eq!(refusal(room.act(unknown)).0, RefusalCode::UnknownMessage);
}

#[test]
fn a_pin_carries_what_the_hub_knows_and_not_what_was_sent() {
    let mut room = Room::new();
    room.say("a", Roles::NONE);
    let Body::Message(forged) = message("m1", "somebody else", Roles::NONE) else {
        panic!("a message");
    };
    room.act(Act::Pin {
        id: user("m1"),
        message: Some(forged),
    });
    let pinned = room.hub.room().pinned().expect("a pin");
    assert_eq!(pinned.author.id, "a");
    room.act(Act::DeleteUser { user: user("a") });
    assert!(room.hub.room().pinned().is_none());
    // All within one tick: what leaves has no trace of it.
    let frame = room.frames().remove(0);
    assert_eq!(frame.events[0].body, Body::Void);
    let pin = &frame.events[1].body;
    assert!(matches!(
        pin,
        Body::Moderation(Moderation {
            act: Act::Pin { message: None, .. },
            ..
        })
    ));
}

#[test]
fn bounds_of_sanctions_and_attributes_are_refused() {
    let mut room = Room::new();
    for at in 0..SANCTIONS_MAX {
        room.act(Act::Ban {
            user: format!("u{at}"),
        });
    }
    let more = || Act::Ban { user: user("more") };
    assert_eq!(refusal(room.act(more())).0, RefusalCode::Full);
    room.act(Act::Unban { user: user("u1") });
    assert!(seq(&room.act(more())).is_some());
    let attrs = |from: usize| SettingsPatch {
        attrs: (from..from + 10)
            .map(|at| Attr {
                key: format!("k{at}"),
                value: user("v"),
            })
            .collect(),
        ..SettingsPatch::default()
    };
    assert!(seq(&room.set(attrs(0))).is_some());
    assert!(seq(&room.set(attrs(5))).is_some());
    assert_eq!(refusal(room.set(attrs(15))).0, RefusalCode::Full);
}

#[test]
fn frames_are_closed_early_when_they_are_full() {
    let mut room = Room::new();
    for _ in 0..FRAME_EVENTS_MAX + 1 {
        room.say("a", Roles::NONE);
    }
    let frames = room.frames();
    assert_eq!(frames.len(), 2);
    assert_eq!(frames[0].events.len(), FRAME_EVENTS_MAX);
}

#[test]
fn an_edge_gets_a_fill_or_everything() {
    let mut room = Room::new();
    for _ in 0..3 {
        room.say("a", Roles::NONE);
        room.tick();
    }
    let position = |epoch, seq| Some(Position { epoch, seq });
    for (position, expected) in [
        (position(7, 1), Some(2)),
        (position(7, 3), Some(0)),
        (position(7, 9), None),
        (position(6, 1), None),
        (None, None),
    ] {
        let mut said = room.hear(FromEdgeBody::Hello { position });
        match (said.remove(0), expected) {
            (ToEdge::Fill { frames, .. }, Some(count)) => assert_eq!(frames.len(), count),
            (
                ToEdge::Reset {
                    frames, standing, ..
                },
                None,
            ) => {
                assert_eq!((frames.len(), standing.head), (3, 3));
            }
            (other, _) => panic!("{position:?}: {other:?}"),
        }
    }
}

#[test]
fn an_answer_leaves_after_its_frame() {
    let mut room = Room::new();
    let publish = FromEdgeBody::Publish(Box::new(Publish {
        author: user("a"),
        client_id: user("c"),
        media_ms: None,
        body: message("m", "a", Roles::NONE),
    }));
    assert!(room.hear(publish.clone()).is_empty());
    let said = room.tick();
    assert!(matches!(said[0], HubOutput::All(ToEdge::Frame(_))));
    assert!(matches!(
        said[1],
        HubOutput::One {
            message: ToEdge::Ack { .. },
            ..
        }
    ));
    // It has left: a repetition is answered at once.
    assert_eq!(room.hear(publish).len(), 1);
}

#[test]
fn gifts_count_once_and_make_the_leaderboard() {
    let mut room = Room::new();
    let gift = |at: usize| Publish {
        author: format!("u{at}"),
        client_id: format!("gift-{at}"),
        media_ms: None,
        body: Body::Gift(Gift {
            id: format!("gift-{at}"),
            sender: User {
                id: format!("u{at}"),
                ..User::default()
            },
            recipient: user("host"),
            item: user("rose"),
            count: 1,
            points: 100 + at as u64,
            ..Gift::default()
        }),
    };
    for at in 0..LEADERBOARD_MAX + 5 {
        room.hub.publish(START_MS, gift(at));
        room.hub.publish(START_MS, gift(at));
    }
    for _ in 0..6 {
        room.tick();
    }
    let board = &room.hub.state().leaderboard;
    assert_eq!(board.len(), LEADERBOARD_MAX);
    assert_eq!((board[0].id.as_str(), board[0].points), ("u14", 114));
    // What was saved is there again, in another epoch.
    let saved = room.hub.saved().clone();
    let again = Hub::new(&Config::default(), 8, saved, START_MS, 1).expect("correct settings");
    assert_eq!(&again.state().leaderboard, board);
}

/// A gift of a series, as its driver publishes it.
fn tapped(number: u64) -> Publish {
    Publish {
        author: user("a"),
        client_id: format!("gift-{number}"),
        media_ms: None,
        body: Body::Gift(Gift {
            id: format!("gift-{number}"),
            sender: User {
                id: user("a"),
                ..User::default()
            },
            recipient: user("room:demo"),
            item: user("rose"),
            count: 1,
            points: 10,
            combo: Some(Combo {
                id: user("a/rose"),
                count: 1,
                window_ms: 1_000,
            }),
            ..Gift::default()
        }),
    }
}

#[test]
fn a_series_of_gifts_is_counted_by_the_hub_and_ends_with_an_event() {
    let mut room = Room::new();
    for number in 0..3 {
        room.hub.publish(room.now_ms, tapped(number));
        // What comes again, because its driver was not answered, is not another one.
        room.hub.publish(room.now_ms, tapped(number));
        room.now_ms += 300;
    }
    let mut counts = Vec::new();
    let mut ends = Vec::new();
    while ends.is_empty() {
        room.now_ms = room.hub.deadline();
        room.hub.tick(room.now_ms);
        for event in room.frames().iter().flat_map(|frame| &frame.events) {
            match &event.body {
                Body::Gift(gift) => counts.push(gift.combo.as_ref().unwrap().count),
                Body::Notice(notice) if notice.kind == COMBO_END => {
                    ends.push((event.at_ms, notice.payload.clone()));
                }
                _ => {}
            }
        }
    }
    assert_eq!(counts, [1, 2, 3]);
    let (at_ms, payload) = ends.remove(0);
    assert_eq!(at_ms, START_MS + 600 + 1_000, "when its time was over");
    let payload: serde_json::Value = serde_json::from_str(&payload).unwrap();
    assert_eq!(
        (&payload["count"], &payload["points"]),
        (&3.into(), &30.into())
    );
}

#[test]
fn no_edge_says_what_was_paid() {
    let mut room = Room::new();
    let outputs = room.hear(FromEdgeBody::Publish(Box::new(tapped(1))));
    assert!(outputs.is_empty());
    assert!(room.frames().is_empty());
    assert_eq!(room.hub.figures().malformed, 1);
}

/// Ids of gifts can be computed by who gives: saying something under one swallows no gift, nor is it answered
/// as one.
#[test]
fn what_is_said_hides_no_gift_of_the_same_id() {
    for says_first in [true, false] {
        let mut room = Room::new();
        let Publish {
            author, client_id, ..
        } = tapped(1);
        let said = FromEdgeBody::Publish(Box::new(Publish {
            body: message("m1", &author, Roles::NONE),
            author,
            client_id,
            media_ms: None,
        }));
        if says_first {
            room.hear(said.clone());
        }
        for _ in 0..2 {
            room.hub.publish(room.now_ms, tapped(1));
        }
        if !says_first {
            room.hear(said);
        }
        let frames = room.frames();
        let bodies = frames.iter().flat_map(|frame| &frame.events);
        let gifts = bodies.clone().filter(|it| matches!(it.body, Body::Gift(_)));
        assert_eq!(gifts.count(), 1, "{frames:?}");
        let said = bodies.filter(|it| matches!(it.body, Body::Message(_)));
        assert_eq!(said.count(), 1, "{frames:?}");
        assert_eq!(room.hub.figures().duplicates, 1);
    }
}

/// However much is said meanwhile, a gift that comes again is the same.
#[test]
fn chatter_pushes_no_gift_out_of_what_is_known() {
    let mut room = Room::new();
    room.hub.publish(room.now_ms, tapped(1));
    for number in 0..=Config::default().dedup_entries {
        let publish = Publish {
            author: user("mod"),
            client_id: format!("said-{number}"),
            media_ms: None,
            body: message(&format!("m{number}"), "mod", Roles::MODERATOR),
        };
        room.hear(FromEdgeBody::Publish(Box::new(publish)));
    }
    room.hub.publish(room.now_ms, tapped(1));
    assert_eq!(room.hub.figures().duplicates, 1);
}

#[test]
fn quiet_rooms_say_where_they_stand() {
    let mut room = Room::new();
    let notice = Body::Notice(Notice {
        id: user("n"),
        ..Notice::default()
    });
    room.publish("system", notice);
    let heartbeats: Vec<u64> = (0..100)
        .flat_map(|_| room.tick())
        .filter_map(|output| match output {
            HubOutput::All(ToEdge::Heartbeat { standing }) => Some(standing.head),
            _ => None,
        })
        .collect();
    assert_eq!(heartbeats, [1; 5], "each two seconds");
}

#[test]
fn time_that_goes_back_is_not_believed() {
    let mut room = Room::new();
    room.say("a", Roles::NONE);
    room.now_ms -= 500_000;
    room.say("a", Roles::NONE);
    room.now_ms = START_MS;
    let frame = room.frames().remove(0);
    assert_eq!(frame.events[1].at_ms, START_MS);
}

#[test]
fn a_tick_is_longer_in_a_crowd_as_far_as_the_writes_leave_time() {
    let mut room = Room::new();
    let mut span = |connections, tick_ms| {
        room.hub.published.connections = connections;
        room.hub.config.tick_ms = tick_ms;
        room.hub.tick_span()
    };
    let spans = [0, 100, 1_000, 5_000, 10_000, 100_000].map(|it| span(it, 100));
    assert_eq!(spans, [100, 110, 200, 190, 150, 100]);
    assert_eq!(span(1_000, 500), 500, "as it is set");
    assert_eq!(span(u32::MAX, 10), 10);
}
