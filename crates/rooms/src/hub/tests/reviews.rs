//! Reviews, relays, and what the driver writes down and saves.

use proptest::prelude::*;

use std::collections::BTreeMap;

use super::*;
use crate::schema::Review;
use crate::{
    limits::{RELAY_USERS_MAX, REVIEWS_MAX},
    rng::Rng,
    schema::ReviewKind,
};

impl Room {
    fn ask(&mut self, id: &str, kind: ReviewKind, message: Body) -> Outcome {
        let Body::Message(message) = message else {
            panic!("a message");
        };
        let author = message.author.id.clone();
        let review = Review {
            id: id.to_owned(),
            kind,
            message,
            reason: "link".to_owned(),
            by: String::new(),
        };
        self.publish(&author, Body::Review(review))
    }

    fn hold(&mut self, id: &str, author: &str) -> Outcome {
        let held = message(&format!("held-{id}"), author, Roles::NONE);
        self.ask(id, ReviewKind::Held, held)
    }

    /// Of a message of which the edge says nothing but the id.
    fn complain(&mut self, id: &str, about: &str) -> Outcome {
        self.ask(
            id,
            ReviewKind::Report,
            message(about, "reporter", Roles::NONE),
        )
    }

    fn approve(&mut self, id: &str) -> Outcome {
        self.act(Act::Approve { id: id.to_owned() })
    }

    fn dismiss(&mut self, id: &str) -> Outcome {
        self.act(Act::Dismiss { id: id.to_owned() })
    }

    fn open(&self) -> Vec<&str> {
        let reviews = self.hub.room().reviews();
        reviews.iter().map(|review| review.id.as_str()).collect()
    }
}

fn bodies(frames: &[Arc<EventFrame>]) -> Vec<&Body> {
    let events = frames.iter().flat_map(|frame| &frame.events);
    events.map(|event| &event.body).collect()
}

#[test]
fn what_is_held_is_said_when_it_is_approved_and_only_then() {
    let mut room = Room::new();
    room.hold("r1", "a");
    room.hold("r2", "b");
    assert_eq!(room.open(), ["r1", "r2"]);
    assert_eq!(seq(&room.approve("r1")), Some(3));
    assert_eq!(seq(&room.dismiss("r2")), Some(5));
    assert!(room.open().is_empty());
    for again in [room.approve("r1"), room.dismiss("r1"), room.approve("r2")] {
        assert_eq!(refusal(again).0, RefusalCode::UnknownMessage);
    }
    let frames = room.frames();
    let bodies = bodies(&frames);
    assert!(matches!(bodies[2], Body::Moderation(_)));
    assert!(matches!(bodies[3], Body::Message(message) if message.id == "held-r1"));
    assert_eq!(bodies.len(), 5);
    let public = frames[0].public().expect("another view");
    let seen: Vec<&Body> = public.events.iter().map(|event| &event.body).collect();
    assert_eq!(
        seen,
        [
            &Body::Void,
            &Body::Void,
            &Body::Void,
            bodies[3],
            &Body::Void
        ]
    );
}

#[test]
fn a_report_is_of_a_message_of_the_room_and_one_is_enough() {
    let mut room = Room::new();
    room.say("a", Roles::NONE);
    assert_eq!(
        refusal(room.complain("r1", "m2")).0,
        RefusalCode::UnknownMessage
    );
    assert!(seq(&room.complain("r2", "m1")).is_some());
    assert_eq!(room.hub.room().reviews()[0].message.author.id, "a");
    assert_eq!(seq(&room.complain("r3", "m1")), None, "known already");
    assert_eq!(room.open(), ["r2"]);
    // Neither a deletion nor a ban closes it.
    room.act(Act::Ban { user: user("a") });
    room.act(Act::DeleteUser { user: user("a") });
    assert_eq!(room.open(), ["r2"]);
    let before = room.hub.figures().head;
    assert_eq!(seq(&room.approve("r2")), Some(before + 1));
    assert_eq!(room.hub.figures().head, before + 1, "nothing is said");
    assert!(room.open().is_empty());
}

#[test]
fn the_rules_for_messages_hold_for_what_is_held() {
    let mut room = Room::new();
    room.hold("r1", "a");
    room.hold("r2", "b");
    room.act(Act::Ban { user: user("a") });
    room.act(Act::ShadowBan { user: user("b") });
    for id in ["r1", "r2"] {
        assert_eq!(refusal(room.approve(id)).0, RefusalCode::Banned);
    }
    assert_eq!(refusal(room.hold("r3", "a")).0, RefusalCode::Banned);
    assert_eq!(seq(&room.hold("r4", "b")), None, "nobody is asked");
    assert_eq!(room.open(), ["r1", "r2"]);
    room.act(Act::Unban { user: user("a") });
    // It has been looked at: the cap is not for it.
    room.set(SettingsPatch {
        chat_per_second_max: Some(1),
        ..SettingsPatch::default()
    });
    room.say("c", Roles::NONE);
    assert_eq!(seq(&room.say("c", Roles::NONE)), None);
    let head = room.hub.figures().head;
    room.approve("r1");
    assert_eq!(room.hub.figures().head, head + 2);
    // Asked again by an edge that had no answer: it is in the room.
    assert_eq!(seq(&room.hold("r1", "a")), None);
}

#[test]
fn open_reviews_survive_the_hub_and_the_oldest_go() {
    let mut room = Room::new();
    for at in 0..REVIEWS_MAX + 2 {
        room.hold(&format!("r{at}"), "a");
    }
    assert_eq!(room.open().len(), REVIEWS_MAX);
    assert_eq!(room.open()[0], "r2");
    assert_eq!(refusal(room.approve("r1")).0, RefusalCode::UnknownMessage);
    let saved = room.hub.saved().clone();
    room.hub = Hub::new(&Config::default(), 8, saved, START_MS, 1).expect("correct settings");
    assert!(seq(&room.approve("r2")).is_some());
}

#[test]
fn the_log_has_each_act_and_review_once_and_before_it_is_sent() {
    let mut room = Room::new();
    let publish = |client_id: &str, act| Publish {
        author: user("mod"),
        client_id: client_id.to_owned(),
        media_ms: None,
        body: Body::Moderation(Moderation {
            actor: user("mod"),
            reason: String::new(),
            act,
        }),
    };
    room.hold("r1", "a");
    room.say("b", Roles::NONE);
    for _ in 0..3 {
        let approve = Act::Approve { id: user("r1") };
        room.hub.publish(START_MS, publish("c1", approve));
        let unknown = Act::Approve { id: user("r9") };
        room.hub.publish(START_MS, publish("c2", unknown));
    }
    room.act(Act::Unpin);
    let said = room.tick();
    let seqs: Vec<(u64, bool)> = said
        .iter()
        .filter_map(|output| match output {
            HubOutput::Acted { seq, .. } => Some((*seq, true)),
            HubOutput::Reviewed { seq, .. } => Some((*seq, false)),
            _ => None,
        })
        .collect();
    assert_eq!(seqs, [(1, false), (3, true), (5, true)]);
    assert!(matches!(
        said.last(),
        Some(HubOutput::All(ToEdge::Frame(_)))
    ));
}

#[test]
fn relays_go_to_all_edges_and_audits_to_the_log() {
    let mut room = Room::new();
    let say = |room: &mut Room, body| {
        let message = FromEdge {
            edge: user("edge"),
            incarnation: 1,
            body,
        };
        room.hub.handle(room.now_ms, message);
        room.hub.poll_output()
    };
    let relay = Relay::Disconnect {
        user: user("a"),
        reason: user("spam"),
    };
    let output = say(&mut room, FromEdgeBody::Relay(relay.clone()));
    assert_eq!(output, Some(HubOutput::All(ToEdge::Relay(relay))));
    let audit = |text: String| FromEdgeBody::Audit {
        actor: user("mod"),
        text,
    };
    let output = say(&mut room, audit(user("spam")));
    assert_eq!(
        output,
        Some(HubOutput::Audit {
            edge: user("edge"),
            actor: user("mod"),
            text: user("spam"),
        })
    );
    let too_many = Relay::Notify {
        users: vec![user("a"); RELAY_USERS_MAX + 1],
        notice: Arc::new(Notice {
            id: user("n"),
            ..Notice::default()
        }),
    };
    assert_eq!(say(&mut room, FromEdgeBody::Relay(too_many)), None);
    assert_eq!(say(&mut room, audit("x".repeat(3_000))), None);
    let figures = room.hub.figures();
    assert_eq!(
        (figures.relays, figures.audits, figures.malformed),
        (1, 1, 2)
    );
}

fn any_act(rng: &mut Rng) -> Act {
    let who = format!("u{}", rng.below(3));
    let id = format!("r{}", rng.below(12));
    let said = format!("m{}", rng.below(30));
    match rng.below(10) {
        0 => Act::Timeout {
            user: who,
            seconds: 1,
            until_ms: 0,
        },
        1 => Act::ShadowBan { user: who },
        2 => Act::Unban { user: who },
        3 => Act::DeleteUser { user: who },
        4 => Act::Pin {
            id: said,
            message: None,
        },
        5 => Act::Unpin,
        6 => Act::Settings {
            patch: SettingsPatch {
                slow_mode_ms: Some(u32::try_from(rng.below(2)).expect("small")),
                ..SettingsPatch::default()
            },
        },
        7 => Act::Dismiss { id },
        _ => Act::Approve { id },
    }
}

fn any_step(room: &mut Room, rng: &mut Rng) {
    let who = format!("u{}", rng.below(3));
    let id = format!("r{}", rng.below(12));
    match rng.below(8) {
        0 => {
            room.say(&who, Roles::NONE);
        }
        1 | 2 => {
            room.hold(&id, &who);
        }
        3 => {
            let about = format!("m{}", rng.below(30));
            room.complain(&id, &about);
        }
        4 => {
            let sender = User {
                id: who.clone(),
                ..User::default()
            };
            let gift = Gift {
                id: id.clone(),
                sender,
                recipient: user("host"),
                item: user("rose"),
                points: rng.below(2),
                ..Gift::default()
            };
            room.publish(&who, Body::Gift(gift));
        }
        5 => {
            let report = Report {
                number: 1,
                users: 0,
                connections: 0,
                likes: rng.below(9),
                roster_version: 0,
                roster: None,
                joined: Vec::new(),
            };
            room.hear(FromEdgeBody::Report(report));
        }
        _ => {
            room.act(any_act(rng));
        }
    }
}

proptest! {
    /// What is saved and what says that it is to be saved agree, after each step.
    #[test]
    fn versions_grow_exactly_when_there_is_something_to_save(seed: u64) {
        let mut rng = Rng::new(seed);
        let mut room = Room::new();
        for _ in 0..60 {
            let saved = room.hub.saved().clone();
            let before = (room.hub.durable_version(), room.hub.soft_version());
            any_step(&mut room, &mut rng);
            let after = (room.hub.durable_version(), room.hub.soft_version());
            prop_assert_eq!(after.0 != before.0, room.hub.room() != saved.room());
            let is_soft = room.hub.saved.likes != saved.likes
                || room.hub.saved.scores != saved.scores;
            prop_assert_eq!(after.1 != before.1, is_soft);
            room.now_ms += 100;
        }
    }

    /// The public view has no review, and of what was held nothing but what came right after its
    /// approval, once.
    #[test]
    fn the_public_view_has_nothing_that_is_held(seed: u64) {
        let mut rng = Rng::new(seed);
        let mut room = Room::new();
        for _ in 0..60 {
            any_step(&mut room, &mut rng);
        }
        for event in room.frames().iter().flat_map(|frame| {
            frame.public().unwrap_or_else(|| (**frame).clone()).events
        }) {
            let is_hidden = match &event.body {
                Body::Review(_) => true,
                Body::Moderation(moderation) => matches!(
                    moderation.act,
                    Act::Approve { .. } | Act::Dismiss { .. } | Act::ShadowBan { .. }
                ),
                _ => false,
            };
            prop_assert!(!is_hidden, "{event:?}");
        }
        prop_assert!(room.hub.room().snapshot(false).reviews.is_empty());
    }

    #[test]
    fn what_is_held_comes_once_and_after_its_approval(seed: u64) {
        let mut rng = Rng::new(seed);
        let mut room = Room::new();
        for _ in 0..60 {
            any_step(&mut room, &mut rng);
        }
        let frames = room.frames();
        let bodies = bodies(&frames);
        let mut open: BTreeMap<&str, &str> = BTreeMap::new();
        for (at, body) in bodies.iter().enumerate() {
            match body {
                Body::Review(review) if review.kind == ReviewKind::Held => {
                    open.insert(&review.message.id, &review.id);
                }
                Body::Message(message) if message.id.starts_with("held-") => {
                    let id = open.remove(message.id.as_str());
                    let approval = bodies.get(at.wrapping_sub(1));
                    let is_approved = matches!(
                        approval,
                        Some(Body::Moderation(Moderation { act: Act::Approve { id: it }, .. }))
                            if Some(it.as_str()) == id
                    );
                    prop_assert!(is_approved, "{body:?} after {approval:?}");
                }
                _ => {}
            }
        }
    }
}

#[test]
fn who_is_forgotten_has_no_points_and_nothing_waits() {
    let mut room = Room::new();
    room.hold("r1", "a");
    room.hold("r2", "b");
    let ann = User {
        id: user("a"),
        ..User::default()
    };
    room.hub.saved.scores.add(&ann, 5);
    let before = room.hub.durable_version();
    room.hub.forget(1_000, "a", "operator");
    assert_eq!(room.open(), ["r2"]);
    assert_eq!(room.hub.saved().scores.of("a"), 0);
    assert!(room.hub.durable_version() > before);
}
