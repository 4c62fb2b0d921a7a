//! Relays, echoes, and what the driver asks.

use super::*;
use crate::schema::{
    Audience, Member, Notice, Relay, Review, SettingsPatch, {Act, Moderation},
};

fn relay(room: &mut Room, relay: Relay) -> Vec<String> {
    room.hear(ToEdge::Relay(relay));
    room.outputs()
}

fn echo(room: &mut Room, id: &str, client_id: &str) -> Vec<String> {
    let Body::Message(message) = message(id) else {
        panic!("a message");
    };
    room.edge
        .echo(room.now_ms, 1, client_id.to_owned(), message);
    room.outputs()
}

#[test]
fn relays_reach_the_connections_of_their_users() {
    let mut room = Room::live();
    room.edge.join(START_MS, 2, &user("a")).unwrap();
    room.edge.join(START_MS, 3, &user("b")).unwrap();
    assert_eq!(room.edge.connections_of_user("a"), [1, 2]);
    assert!(room.edge.connections_of_user("c").is_empty());
    let disconnect = |user: &str| Relay::Disconnect {
        user: user.to_owned(),
        reason: "spam".to_owned(),
    };
    assert_eq!(relay(&mut room, disconnect("a")), ["[1, 2] out: spam"]);
    assert_eq!(relay(&mut room, disconnect("c")), [""; 0]);
    let notify = Relay::Notify {
        users: ["b", "c", "b"].map(str::to_owned).into(),
        notice: Arc::new(Notice {
            id: "n".to_owned(),
            ..Notice::default()
        }),
    };
    assert_eq!(relay(&mut room, notify.clone()), ["3 notice n"]);
    let roles = Relay::Roles {
        user: "b".to_owned(),
        add: Roles::MODERATOR.union(Roles::VIP),
        remove: Roles::VIP,
    };
    assert_eq!(relay(&mut room, roles), ["[3] +6 -2"]);
    assert_eq!(room.edge.roles_of("b"), Some(Roles::MODERATOR));
    // To the hub: what it would not take is not sent.
    assert!(room.edge.relay(notify));
    assert!(!room.edge.relay(disconnect("")));
    room.edge.audit("é".repeat(100), "é".repeat(1_001));
    let said = room.outputs();
    assert_eq!(said.len(), 2);
    assert!(said[0].starts_with("Relay(Notify"));
    assert!(said[1].contains(&"é".repeat(1_000)) && !said[1].contains(&"é".repeat(1_001)));
}

#[test]
fn no_room_is_said_once_until_a_hub_speaks() {
    let mut room = Room::new();
    for _ in 0..3 {
        room.hear(ToEdge::NoRoom);
    }
    assert_eq!(room.outputs(), ["no room"]);
    assert_eq!(room.after(250), ["hello None"], "it may come");
    room.hear(reset(7, 0, vec![]));
    room.hear(ToEdge::NoRoom);
    assert_eq!(room.outputs(), ["changed", "no room"]);
}

#[test]
fn an_echo_is_answered_as_what_is_left_out() {
    let mut room = Room::live();
    room.edge.join(START_MS, 2, &user("a")).unwrap();
    assert_eq!(
        echo(&mut room, "m1", "c-m1"),
        ["1 own m1", "2 own m1", "1 ack m1 None"]
    );
    // A repetition has the first id, as the hub would give it, however the filter judges now.
    let first = ["1 own m1", "2 own m1", "1 ack m1 None"];
    assert_eq!(echo(&mut room, "m2", "c-m1"), first);
    room.say("m1");
    assert_eq!(room.outputs(), first);
    // What waits for the hub is answered by the hub.
    room.say("m3");
    room.outputs();
    assert_eq!(echo(&mut room, "m4", "c-m3"), ["publish c-m3"]);
    assert_eq!(echo(&mut room, "m4", ""), ["1 malformed"]);
}

#[test]
fn an_echo_is_refused_where_the_hub_would_refuse() {
    let mut room = Room::live();
    let event = |seq, act| {
        Arc::new(Event {
            seq,
            at_ms: START_MS,
            media_ms: None,
            body: Body::Moderation(Moderation {
                actor: String::new(),
                reason: String::new(),
                act,
            }),
        })
    };
    let restrict = SettingsPatch {
        restrict: Some(Roles::SUBSCRIBER),
        ..SettingsPatch::default()
    };
    let user = "a".to_owned();
    let acts = [
        (Act::Settings { patch: restrict }, "1 restricted"),
        (Act::Ban { user }, "1 banned"),
    ];
    for (seq, (act, answer)) in (1..).zip(acts) {
        let frame = EventFrame {
            events: vec![event(seq, act)],
            ..(*frame(7, seq..=seq)).clone()
        };
        room.hear(ToEdge::Frame(Arc::new(frame)));
        room.outputs();
        assert_eq!(echo(&mut room, "m1", "c1"), [answer]);
    }
}

#[test]
fn who_wrote_what_is_held_is_told_so() {
    let mut room = Room::live();
    let review = |kind, id: &str| {
        let Body::Message(message) = message(id) else {
            panic!("a message");
        };
        Publish {
            author: "a".to_owned(),
            client_id: format!("c-{id}"),
            media_ms: None,
            body: Body::Review(Review {
                id: format!("r-{id}"),
                kind,
                message,
                reason: String::new(),
                by: "a".to_owned(),
            }),
        }
    };
    let accepted = |seq| Outcome::Accepted {
        seq,
        id: "r-m1".to_owned(),
    };
    let held = "Ack { client_id: \"c-m1\", outcome: Held }";
    for seq in [Some(1), None] {
        let publish = review(ReviewKind::Held, "m1");
        room.edge.publish(START_MS, 1, publish);
        assert_eq!(room.outputs(), ["publish c-m1"]);
        room.acknowledge("m1", accepted(seq));
        assert_eq!(room.outputs(), [held]);
    }
    let refused = Outcome::Refused {
        code: RefusalCode::Banned,
        retry_after_ms: None,
    };
    room.edge
        .publish(START_MS, 1, review(ReviewKind::Held, "m1"));
    room.acknowledge("m1", refused);
    assert_eq!(room.outputs(), ["publish c-m1", "1 banned"]);
    // Seen before the answer came.
    for (seq, kind, answer) in [
        (1, ReviewKind::Held, held),
        (2, ReviewKind::Report, "1 ack r-m1 Some(2)"),
    ] {
        let publish = review(kind, "m1");
        room.edge.publish(START_MS, 1, publish.clone());
        let event = Event {
            seq,
            at_ms: START_MS,
            media_ms: None,
            body: publish.body,
        };
        let frame = EventFrame {
            events: vec![Arc::new(event)],
            ..(*frame(7, seq..=seq)).clone()
        };
        room.hear(ToEdge::Frame(Arc::new(frame)));
        assert_eq!(room.outputs(), ["publish c-m1", answer, "changed"]);
    }
    assert!(room.edge.message("m1").is_none(), "it is not said");
}

#[test]
fn the_driver_finds_roles_and_messages() {
    let mut room = Room::live();
    let host = Member {
        id: "host".to_owned(),
        name: "Host".to_owned(),
        roles: Roles::BROADCASTER,
    };
    let state = StateWhole {
        version: 1,
        audience: Audience::Everybody {
            members: Arc::new(vec![host]),
        },
        ..StateWhole::default()
    };
    let standing = standing(7, 0, 1);
    room.hear(ToEdge::State { standing, state });
    room.hear(ToEdge::Frame(frame(7, 1..=2)));
    assert_eq!(room.edge.roles_of("host"), Some(Roles::BROADCASTER));
    assert_eq!(room.edge.roles_of("a"), Some(Roles::NONE), "only here yet");
    assert_eq!(room.edge.roles_of("b"), None);
    assert_eq!(
        room.edge.message("m2").map(|it| it.author.id),
        Some("a".to_owned())
    );
    assert!(room.edge.message("m3").is_none());
}
