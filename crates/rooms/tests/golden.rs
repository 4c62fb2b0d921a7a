//! The JSON form of what clients read and write, against the files in `tests/golden`.
//!
//! `UPDATE=1 cargo test -p rooms --test golden` rewrites them; a difference is a change of the
//! published schema. The binary form has to say the same.

#![expect(
    clippy::unwrap_used,
    reason = "a test, though clippy does not see it in its helpers"
)]

use std::{fs, path::PathBuf, sync::Arc};

use rooms::{
    Codec, Sanction, Sanctions, Settings, Snapshot,
    schema::{
        Ability, Act, Animation, Attr, Audience, AudienceChange, Body, ClientMessage, CloseCode,
        Combo, Event, EventFrame, Gap, Gift, Member, Message, Moderation, Notice, Outcome,
        Position, Recovery, RefusalCode, Review, ReviewKind, Roles, SCHEMA_VERSION, Score,
        ServerMessage, SettingsPatch, StateChange, StateWhole, User, Welcome,
    },
};

/// One message per line.
#[track_caller]
fn check(name: &str, lines: &[Vec<u8>]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    let mut text = String::new();
    for line in lines {
        text.push_str(std::str::from_utf8(line).unwrap());
        text.push('\n');
    }
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    assert_eq!(text, expected, "{name} differs; UPDATE=1 rewrites it");
}

#[track_caller]
fn server(name: &str, messages: &[ServerMessage]) {
    for message in messages {
        let binary = Codec::Binary.encode(message);
        assert_eq!(&Codec::Binary.decode_server(&binary).unwrap(), message);
        let json = Codec::Json.encode(message);
        assert_eq!(&Codec::Json.decode_server(&json).unwrap(), message);
    }
    let lines: Vec<Vec<u8>> = messages
        .iter()
        .map(|message| message.to_json().to_vec())
        .collect();
    check(name, &lines);
}

fn ada() -> User {
    User {
        id: "u-ada".to_owned(),
        name: "Ada".to_owned(),
        roles: Roles::SUBSCRIBER.union(Roles::VIP),
        level: 12,
    }
}

fn said() -> Message {
    Message {
        id: "edge-1.17".to_owned(),
        author: ada(),
        kind: "text".to_owned(),
        text: "good evening \u{1F44B}".to_owned(),
        reply_to: Some("edge-2.4".to_owned()),
        attrs: vec![Attr {
            key: "lang".to_owned(),
            value: "en".to_owned(),
        }],
    }
}

fn notice() -> Notice {
    Notice {
        id: "n-1".to_owned(),
        kind: "system".to_owned(),
        text: "the stream is back".to_owned(),
        payload: String::new(),
    }
}

fn review(kind: ReviewKind, by: &str) -> Review {
    Review {
        id: "r-1".to_owned(),
        kind,
        message: said(),
        reason: "link".to_owned(),
        by: by.to_owned(),
    }
}

fn acts() -> Vec<Act> {
    let user = || "u-troll".to_owned();
    let id = || "edge-1.17".to_owned();
    vec![
        Act::DeleteMessage { id: id() },
        Act::DeleteUser { user: user() },
        Act::Clear,
        Act::Timeout {
            user: user(),
            seconds: 600,
            until_ms: 1_795_000_600_000,
        },
        Act::Ban { user: user() },
        Act::ShadowBan { user: user() },
        Act::Unban { user: user() },
        Act::ShadowUnban { user: user() },
        Act::Pin {
            id: id(),
            message: Some(said()),
        },
        Act::Unpin,
        Act::Settings {
            patch: SettingsPatch {
                slow_mode_ms: Some(5_000),
                restrict: Some(Roles::SUBSCRIBER),
                chat_per_second_max: Some(20),
                attrs: vec![Attr {
                    key: "emote_only".to_owned(),
                    value: "on".to_owned(),
                }],
            },
        },
        Act::Approve {
            id: "r-1".to_owned(),
        },
        Act::Dismiss {
            id: "r-1".to_owned(),
        },
    ]
}

fn bodies() -> Vec<Body> {
    let mut bodies = vec![
        Body::Message(said()),
        Body::Void,
        Body::Gift(Gift {
            id: "gift-9".to_owned(),
            sender: ada(),
            recipient: "u-host".to_owned(),
            item: "rose".to_owned(),
            count: 3,
            points: 30,
            note: Some("bravo".to_owned()),
            combo: Some(Combo {
                id: "combo-2".to_owned(),
                count: 7,
                window_ms: 3_000,
            }),
            animation: Some(Animation {
                asset: "rose.webp".to_owned(),
                duration_ms: 1_500,
                layer: 1,
                payload: "{}".to_owned(),
            }),
        }),
        Body::Notice(notice()),
        Body::Review(review(ReviewKind::Held, "")),
        Body::Review(review(ReviewKind::Report, "u-bob")),
    ];
    bodies.extend(acts().into_iter().map(|act| {
        Body::Moderation(Moderation {
            actor: "u-mod".to_owned(),
            reason: "spam".to_owned(),
            act,
        })
    }));
    bodies
}

#[test]
fn events() {
    let events: Vec<Arc<Event>> = (41..)
        .zip(bodies())
        .map(|(seq, body)| {
            Arc::new(Event {
                seq,
                at_ms: 1_795_000_000_000 + seq,
                media_ms: (seq == 41).then_some(1_794_999_992_000),
                body,
            })
        })
        .collect();
    let last = events.last().unwrap().seq;
    let frame = EventFrame {
        epoch: 1_794_990_000_000,
        at_ms: 1_795_000_000_100,
        first: 41,
        last,
        dropped: 0,
        events,
    };
    let part = EventFrame {
        dropped: 1,
        events: frame.events[2..3].to_vec(),
        last: 43,
        ..frame.clone()
    };
    server(
        "events.jsonl",
        &[ServerMessage::Events(frame), ServerMessage::Events(part)],
    );
}

fn members() -> Vec<Member> {
    let user = ada();
    vec![Member {
        id: user.id,
        name: user.name,
        roles: user.roles,
    }]
}

fn scores() -> Arc<Vec<Score>> {
    Arc::new(vec![Score {
        id: "u-ada".to_owned(),
        name: "Ada".to_owned(),
        points: 30,
    }])
}

#[test]
fn state() {
    let whole = |audience| {
        ServerMessage::State(StateWhole {
            version: 8,
            likes: 1_234,
            sampled: 56,
            users: 1,
            connections: 2,
            audience,
            leaderboard: scores(),
        })
    };
    let change = |audience, leaderboard| {
        ServerMessage::Change(StateChange {
            version: 9,
            likes: 1_240,
            burst: 6,
            sampled: 56,
            users: 1,
            connections: 2,
            audience,
            leaderboard,
        })
    };
    let list = || Arc::new(members());
    server(
        "state.jsonl",
        &[
            whole(Audience::Everybody { members: list() }),
            whole(Audience::Crowd { top: list() }),
            change(AudienceChange::Same, None),
            change(
                AudienceChange::Moves {
                    joined: members(),
                    left: vec!["u-bob".to_owned()],
                    changed: vec![],
                },
                Some(scores()),
            ),
            change(
                AudienceChange::Crowd {
                    top: Some(list()),
                    joined: members(),
                },
                None,
            ),
            change(
                AudienceChange::Anew {
                    audience: Audience::Everybody { members: list() },
                },
                None,
            ),
        ],
    );
}

fn snapshot(sanction: Sanction) -> Snapshot {
    let sanctions = Sanctions {
        silenced: Some(sanction),
        shadow: true,
    };
    Snapshot {
        settings: Settings {
            slow_mode_ms: 5_000,
            restrict: Roles::SUBSCRIBER,
            chat_per_second_max: 20,
            attrs: vec![],
        },
        pinned: Some(said()),
        sanctions: [("u-troll".to_owned(), sanctions)].into(),
        reviews: vec![review(ReviewKind::Held, "")],
    }
}

#[test]
fn connection() {
    let welcome = |recovery, lost, snapshot, sanction| {
        ServerMessage::Welcome(Box::new(Welcome {
            version: SCHEMA_VERSION,
            epoch: 1_794_990_000_000,
            seq: 90,
            next: 41,
            recovery,
            lost,
            snapshot,
            sanction,
        }))
    };
    let gap = |messages| Gap {
        from: 30,
        to: 40,
        messages,
    };
    let sanction = Sanction::Timeout {
        until_ms: 1_795_000_600_000,
    };
    let ack = |outcome| ServerMessage::Ack {
        client_id: "c-5".to_owned(),
        outcome,
    };
    let accepted = |seq| Outcome::Accepted {
        seq,
        id: "edge-1.17".to_owned(),
    };
    server(
        "connection.jsonl",
        &[
            welcome(Recovery::Fresh, None, Some(Snapshot::default()), None),
            welcome(Recovery::Complete, None, None, Some(Sanction::Ban)),
            welcome(
                Recovery::NotRecovered,
                Some(gap(None)),
                Some(snapshot(sanction)),
                Some(sanction),
            ),
            ServerMessage::Gap(gap(Some(11))),
            ack(accepted(Some(41))),
            ack(accepted(None)),
            ack(Outcome::Refused {
                code: RefusalCode::TimedOut,
                retry_after_ms: Some(590_000),
            }),
            ServerMessage::Own {
                at_ms: 1_795_000_000_041,
                message: Arc::new(said()),
            },
            ServerMessage::Close {
                code: CloseCode::Slow,
                resume: Some(Position {
                    epoch: 1_794_990_000_000,
                    seq: 90,
                }),
                retry_after_ms: Some(1_234),
            },
        ],
    );
}

/// What the edge says of itself, without the hub.
#[test]
fn session() {
    let ack = |outcome| ServerMessage::Ack {
        client_id: "c-5".to_owned(),
        outcome,
    };
    let refused = |code| Outcome::Refused {
        code,
        retry_after_ms: None,
    };
    let close = |code| ServerMessage::Close {
        code,
        resume: None,
        retry_after_ms: None,
    };
    server(
        "session.jsonl",
        &[
            ServerMessage::You {
                user: ada(),
                session: Some("s-3".to_owned()),
                server_ms: 1_795_000_000_041,
                heartbeat_ms: 20_000,
                can: vec![Ability::Speak, Ability::Moderate],
            },
            ServerMessage::You {
                user: User::default(),
                session: None,
                server_ms: 1_795_000_000_041,
                heartbeat_ms: 20_000,
                can: vec![],
            },
            ServerMessage::Notice {
                notice: Arc::new(notice()),
            },
            ServerMessage::Pong {
                nonce: 7,
                server_ms: 1_795_000_000_041,
            },
            ack(Outcome::Rejected {
                code: "slow-mode".to_owned(),
                message: "Three seconds more.".to_owned(),
                retry_after_ms: Some(3_000),
            }),
            ack(Outcome::Rejected {
                code: "done".to_owned(),
                message: "Slow mode is on.".to_owned(),
                retry_after_ms: None,
            }),
            ack(Outcome::Held),
            ack(refused(RefusalCode::Forbidden)),
            ack(refused(RefusalCode::TooFast)),
            ack(refused(RefusalCode::Closed)),
            close(CloseCode::Draining),
            close(CloseCode::Protocol),
            close(CloseCode::Unavailable),
            close(CloseCode::Idle),
            close(CloseCode::Removed),
            close(CloseCode::Expired),
            close(CloseCode::Superseded),
        ],
    );
}

#[test]
fn client() {
    let mut messages = vec![
        ClientMessage::Hello {
            resume: Some(Position {
                epoch: 1_794_990_000_000,
                seq: 90,
            }),
            hold_ms: 3_000,
        },
        ClientMessage::Publish {
            client_id: "c-5".to_owned(),
            kind: "text".to_owned(),
            text: "good evening".to_owned(),
            reply_to: None,
            media_ms: Some(1_794_999_992_000),
        },
        ClientMessage::Like { count: 7 },
        ClientMessage::Hold { hold_ms: 8_000 },
        ClientMessage::Ping { nonce: 7 },
    ];
    messages.extend(acts().into_iter().map(|act| ClientMessage::Act {
        client_id: "c-6".to_owned(),
        reason: "spam".to_owned(),
        act,
    }));
    for message in &messages {
        let binary = message.to_binary();
        assert_eq!(&Codec::Binary.decode_client(&binary).unwrap(), message);
        let json = message.to_json();
        assert_eq!(&Codec::Json.decode_client(&json).unwrap(), message);
    }
    let lines: Vec<Vec<u8>> = messages
        .iter()
        .map(|message| message.to_json().to_vec())
        .collect();
    check("client.jsonl", &lines);
}

/// What a page may leave out.
#[test]
fn short_forms() {
    let hello = Codec::Json.decode_client(br#"{"type":"hello"}"#).unwrap();
    let nothing = ClientMessage::Hello {
        resume: None,
        hold_ms: 0,
    };
    assert_eq!(hello, nothing);
    let act = br#"{"type":"act","client_id":"c","act":{"type":"timeout","user":"u","seconds":60}}"#;
    assert!(Codec::Json.decode_client(act).is_ok());
    let publish = br#"{"type":"publish","client_id":"c","kind":"text","text":"hi"}"#;
    assert!(Codec::Json.decode_client(publish).is_ok());
}

/// The bytes themselves, so that no refactoring changes them unseen.
#[test]
fn binary() {
    let lines: Vec<Vec<u8>> = bodies()
        .into_iter()
        .map(|body| {
            let frame = EventFrame {
                epoch: 1_794_990_000_000,
                at_ms: 1_795_000_000_100,
                first: 41,
                last: 41,
                dropped: 0,
                events: vec![Arc::new(Event {
                    seq: 41,
                    at_ms: 1_795_000_000_041,
                    media_ms: None,
                    body,
                })],
            };
            let bytes = Codec::Binary.encode(&ServerMessage::Events(frame));
            let hex = bytes.iter().map(|byte| format!("{byte:02x}"));
            hex.collect::<String>().into_bytes()
        })
        .collect();
    check("events.hex", &lines);
}
