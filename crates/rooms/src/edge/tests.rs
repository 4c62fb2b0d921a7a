use super::*;

mod relay;

use crate::{
    moderation::RoomState,
    schema::{Event, Report, Roles, StateChange},
};

const START_MS: u64 = 1_000_000;

struct Room {
    edge: EdgeRoom,
    now_ms: u64,
}

impl Room {
    /// Knows nothing yet.
    fn new() -> Self {
        let config = Config {
            pending_max: 16,
            ..Config::default()
        };
        let edge = EdgeRoom::new(&config, "edge".to_owned(), 3, START_MS, 1);
        let mut room = Self {
            edge: edge.expect("correct settings"),
            now_ms: START_MS,
        };
        assert_eq!(room.outputs(), ["hello None"]);
        room
    }

    /// Has heard from a hub.
    fn live() -> Self {
        let mut room = Self::new();
        room.hear(reset(7, 0, vec![]));
        room.edge.join(START_MS, 1, &user("a")).unwrap();
        assert_eq!(room.outputs(), ["changed"]);
        room
    }

    fn hear(&mut self, message: ToEdge) {
        self.edge.handle(self.now_ms, message);
    }

    fn after(&mut self, ms: u64) -> Vec<String> {
        self.now_ms += ms;
        self.edge.tick(self.now_ms);
        self.outputs()
    }

    fn say(&mut self, id: &str) {
        let publish = Publish {
            author: "a".to_owned(),
            client_id: format!("c-{id}"),
            media_ms: None,
            body: message(id),
        };
        self.edge.publish(self.now_ms, 1, publish);
    }

    fn acknowledge(&mut self, id: &str, outcome: Outcome) {
        self.hear(ToEdge::Ack {
            epoch: 7,
            at_ms: 0,
            author: "a".to_owned(),
            client_id: format!("c-{id}"),
            outcome,
        });
    }

    fn head(&self) -> u64 {
        self.edge.timeline().window().head()
    }

    /// In a few words, without reports.
    fn outputs(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        while let Some(output) = self.edge.poll_output() {
            said.push(match output {
                EdgeOutput::Changed => "changed".to_owned(),
                EdgeOutput::Direct {
                    connection,
                    message,
                } => match message {
                    ServerMessage::Own { message, .. } => {
                        format!("{connection} own {}", message.id)
                    }
                    ServerMessage::Ack {
                        outcome: Outcome::Accepted { seq, id },
                        ..
                    } => {
                        format!("{connection} ack {id} {seq:?}")
                    }
                    ServerMessage::Ack {
                        outcome: Outcome::Refused { code, .. },
                        ..
                    } => {
                        format!("{connection} {}", code.as_str())
                    }
                    ServerMessage::Notice { notice } => {
                        format!("{connection} notice {}", notice.id)
                    }
                    other => format!("{other:?}"),
                },
                EdgeOutput::Disconnect {
                    connections,
                    reason,
                } => format!("{connections:?} out: {reason}"),
                EdgeOutput::Roles {
                    connections,
                    add,
                    remove,
                } => format!("{connections:?} +{} -{}", add.bits(), remove.bits()),
                EdgeOutput::NoRoom => "no room".to_owned(),
                EdgeOutput::ToHub(FromEdge {
                    body, incarnation, ..
                }) => {
                    assert_eq!(incarnation, 3);
                    match body {
                        FromEdgeBody::Hello { position } => {
                            format!("hello {:?}", position.map(|it| (it.epoch, it.seq)))
                        }
                        FromEdgeBody::Publish(publish) => format!("publish {}", publish.client_id),
                        FromEdgeBody::WantState => "want state".to_owned(),
                        FromEdgeBody::Report(_) => continue,
                        other => format!("{other:?}"),
                    }
                }
            });
        }
        said
    }
}

fn user(id: &str) -> User {
    User {
        id: id.to_owned(),
        name: id.to_owned(),
        roles: Roles::NONE,
        level: 0,
    }
}

fn message(id: &str) -> Body {
    Body::Message(Message {
        id: id.to_owned(),
        author: user("a"),
        ..Message::default()
    })
}

fn frame(epoch: u64, seqs: std::ops::RangeInclusive<u64>) -> Arc<EventFrame> {
    Arc::new(EventFrame {
        epoch,
        at_ms: START_MS,
        first: *seqs.start(),
        last: *seqs.end(),
        dropped: 0,
        events: seqs
            .map(|seq| {
                Arc::new(Event {
                    seq,
                    at_ms: START_MS,
                    media_ms: None,
                    body: message(&format!("m{seq}")),
                })
            })
            .collect(),
    })
}

fn standing(epoch: u64, head: u64, state_version: u64) -> Standing {
    Standing {
        epoch,
        head,
        state_version,
    }
}

fn reset(epoch: u64, head: u64, frames: Vec<Arc<EventFrame>>) -> ToEdge {
    ToEdge::Reset {
        standing: standing(epoch, head, 0),
        room: Arc::new(RoomState::default()),
        frames,
        state: StateWhole::default(),
    }
}

fn fill(head: u64, frames: Vec<Arc<EventFrame>>) -> ToEdge {
    ToEdge::Fill {
        standing: standing(7, head, 0),
        frames,
    }
}

#[test]
fn asks_until_the_hub_answers() {
    let mut room = Room::new();
    assert_eq!(room.after(100), [""; 0]);
    assert_eq!(room.after(150), ["hello None"]);
    assert_eq!(room.after(250), ["hello None"]);
    room.hear(reset(7, 4, vec![frame(7, 1..=4)]));
    assert_eq!(room.outputs(), ["changed"]);
    assert_eq!(room.after(10_000), [""; 0]);
    assert_eq!((room.edge.figures().epoch, room.head()), (7, 4));
}

#[test]
fn a_hole_is_asked_for_and_what_came_early_waits() {
    let mut room = Room::live();
    room.hear(ToEdge::Frame(frame(7, 1..=2)));
    room.hear(ToEdge::Frame(frame(7, 5..=6)));
    room.hear(ToEdge::Frame(frame(7, 7..=7)));
    assert_eq!(room.outputs(), ["changed", "hello Some((7, 2))"]);
    assert_eq!(room.head(), 2);
    assert_eq!(
        room.after(250),
        ["hello Some((7, 2))"],
        "the answer was lost"
    );
    room.hear(fill(7, vec![frame(7, 3..=4), frame(7, 5..=6)]));
    assert_eq!(room.outputs(), ["changed"]);
    assert_eq!(room.head(), 7);
    // Twice, and late.
    room.hear(ToEdge::Frame(frame(7, 3..=4)));
    room.hear(fill(6, vec![frame(7, 3..=4)]));
    assert_eq!(room.outputs(), [""; 0]);
    assert_eq!(room.edge.figures().frames_ahead, 0);
}

#[test]
fn a_lost_end_is_noticed_by_what_the_hub_says_of_itself() {
    let mut room = Room::live();
    room.hear(ToEdge::Heartbeat {
        standing: standing(7, 3, 0),
    });
    assert_eq!(room.outputs(), ["hello Some((7, 0))"]);
    room.hear(ToEdge::Frame(frame(7, 1..=3)));
    assert_eq!(room.outputs(), ["changed"], "it was only late");
    assert_eq!(room.after(300), [""; 0]);
}

#[test]
fn frames_that_wait_are_bounded() {
    let mut room = Room::live();
    for at in 0..200 {
        room.hear(ToEdge::Frame(frame(7, 10 + at..=10 + at)));
    }
    assert_eq!(room.edge.figures().frames_ahead, FRAMES_AHEAD_MAX);
    room.hear(fill(9, vec![frame(7, 1..=9)]));
    // The nearest were kept; the rest is asked for.
    assert_eq!(room.head(), 9 + FRAMES_AHEAD_MAX as u64);
    room.outputs();
    assert_eq!(room.after(250), ["hello Some((7, 73))"]);
}

#[test]
fn what_the_hub_no_longer_has_begins_anew() {
    let mut room = Room::live();
    room.hear(ToEdge::Frame(frame(7, 1..=2)));
    let before = room.edge.timeline().generation();
    room.hear(ToEdge::Heartbeat {
        standing: standing(7, 90, 0),
    });
    room.hear(reset(7, 90, vec![frame(7, 80..=90)]));
    assert_eq!(room.edge.timeline().generation(), before + 1);
    assert_eq!(room.head(), 90);
    // The same again, or one that was asked for before: nothing new.
    room.hear(reset(7, 90, vec![frame(7, 80..=90)]));
    room.hear(reset(7, 50, vec![frame(7, 40..=50)]));
    assert_eq!(room.edge.timeline().generation(), before + 1);
    // A reset that joins on is as good as a fill.
    room.hear(reset(7, 95, vec![frame(7, 85..=95)]));
    assert_eq!(room.edge.timeline().generation(), before + 1);
    assert_eq!(room.head(), 95);
}

#[test]
fn a_new_epoch_is_asked_about_and_an_old_one_ignored() {
    let mut room = Room::live();
    room.hear(ToEdge::Frame(frame(7, 1..=2)));
    room.outputs();
    room.hear(ToEdge::Frame(frame(8, 1..=1)));
    assert_eq!(room.outputs(), ["hello Some((7, 2))"]);
    assert_eq!(room.edge.timeline().epoch(), 7, "until its state is here");
    // The old hub speaks no more, even if some of it is still on its way.
    room.hear(ToEdge::Frame(frame(7, 3..=3)));
    assert_eq!(room.head(), 2);
    room.hear(reset(8, 1, vec![frame(8, 1..=1)]));
    assert_eq!((room.edge.timeline().epoch(), room.head()), (8, 1));
    room.hear(reset(7, 9, vec![frame(7, 1..=9)]));
    assert_eq!(room.edge.timeline().epoch(), 8);
}

#[test]
fn publishes_are_repeated_answered_once_and_given_up() {
    let mut room = Room::live();
    room.say("m1");
    assert_eq!(room.outputs(), ["publish c-m1"]);
    assert_eq!(room.after(250), ["publish c-m1"]);
    let outcome = || Outcome::Accepted {
        seq: Some(1),
        id: "m1".to_owned(),
    };
    room.acknowledge("m1", outcome());
    room.acknowledge("m1", outcome());
    assert_eq!(room.outputs(), ["1 ack m1 Some(1)"]);
    room.say("m2");
    room.outputs();
    let said: Vec<String> = (0..40).flat_map(|_| room.after(250)).collect();
    assert_eq!(
        said.iter().filter(|said| *said == "publish c-m2").count(),
        39
    );
    assert_eq!(said.last().map(String::as_str), Some("1 unavailable"));
    assert_eq!(room.edge.figures().pending, 0);
}

#[test]
fn what_is_seen_in_the_room_was_accepted() {
    let mut room = Room::live();
    room.say("m2");
    room.outputs();
    room.hear(ToEdge::Frame(frame(7, 1..=3)));
    assert_eq!(room.outputs(), ["1 ack m2 Some(2)", "changed"]);
    assert_eq!(room.after(1_000), [""; 0], "not repeated");
}

#[test]
fn a_message_only_for_its_author_goes_to_all_of_the_authors_connections() {
    let mut room = Room::live();
    room.edge.join(START_MS, 2, &user("a")).unwrap();
    room.edge.join(START_MS, 3, &user("b")).unwrap();
    room.say("m1");
    room.outputs();
    let outcome = Outcome::Accepted {
        seq: None,
        id: "first".to_owned(),
    };
    room.acknowledge("m1", outcome);
    assert_eq!(
        room.outputs(),
        ["1 own first", "2 own first", "1 ack first None"]
    );
}

#[test]
fn pending_publishes_and_connections_are_bounded() {
    let mut room = Room::live();
    for at in 0..17 {
        room.say(&format!("m{at}"));
    }
    assert_eq!(room.outputs().last().map(String::as_str), Some("1 full"));
    room.say("");
    assert_eq!(room.outputs(), ["1 malformed"]);
    assert_eq!(
        room.edge.join(START_MS, 1, &user("a")),
        Err(JoinError::Again)
    );
    assert_eq!(room.edge.join(START_MS, 9, &user("")), Err(JoinError::User));
}

#[test]
fn a_missed_change_of_state_is_asked_for_whole() {
    let mut room = Room::live();
    let change = |version| ToEdge::Change {
        standing: standing(7, 0, version),
        change: Arc::new(StateChange {
            version,
            likes: version,
            burst: 1,
            sampled: 0,
            users: 0,
            connections: 0,
            audience: crate::schema::AudienceChange::Same,
            leaderboard: None,
        }),
    };
    room.hear(change(1));
    assert_eq!(room.outputs(), ["changed"]);
    room.hear(change(3));
    assert_eq!(room.outputs(), ["want state"]);
    assert_eq!(room.after(250), ["want state"]);
    let state = StateWhole {
        version: 3,
        likes: 3,
        ..StateWhole::default()
    };
    let standing = standing(7, 0, 3);
    room.hear(ToEdge::State { standing, state });
    assert_eq!(room.outputs(), ["changed"]);
    room.hear(change(4));
    assert_eq!(
        room.edge.timeline().state().map(|state| state.likes),
        Some(4)
    );
}

#[test]
fn likes_are_a_sum_that_only_grows() {
    let mut room = Room::live();
    let mut likes = Vec::new();
    for _ in 0..3 {
        room.edge.like(1, 10);
        room.edge.like(1, u32::MAX);
        room.edge.like(99, 10);
        room.now_ms += 2_000;
        room.edge.tick(room.now_ms);
        while let Some(output) = room.edge.poll_output() {
            if let EdgeOutput::ToHub(FromEdge {
                body: FromEdgeBody::Report(Report { likes: sum, .. }),
                ..
            }) = output
            {
                likes.push(sum);
            }
        }
    }
    assert_eq!(likes, [110, 220, 330]);
}
