//! Writes small inputs for the fuzz targets: `cargo run -p rooms --example fuzz_seeds -- fuzz/seeds`.

use std::{error::Error, fs, path::Path};

use rooms::{
    Codec, Config, Hub, HubOutput, Next, Reader, Saved, Timeline,
    schema::{
        Act, Body, ClientMessage, FromEdge, FromEdgeBody, Message, Moderation, Position, Publish,
        Relay, Report, Review, ReviewKind, Roster, RosterReport, ToEdge, User, View,
    },
};

fn main() -> Result<(), Box<dyn Error>> {
    let seeds = std::env::args()
        .nth(1)
        .ok_or("usage: rooms_fuzz_seeds FOLDER")?;
    let binary = Path::new(&seeds).join("rooms_binary");
    let edge = Path::new(&seeds).join("rooms_edge");
    fs::create_dir_all(&binary)?;
    fs::create_dir_all(&edge)?;

    let up = conversation();
    let down = answers(&up)?;
    let mut link = Vec::new();
    for (at, message) in down.iter().enumerate() {
        let bytes = message.to_binary();
        fs::write(binary.join(format!("to_edge_{at}")), &bytes)?;
        link.extend(u16::try_from(bytes.len())?.to_le_bytes());
        link.extend(&bytes);
    }
    fs::write(edge.join("link"), &link)?;
    for (at, message) in up.iter().enumerate() {
        fs::write(binary.join(format!("from_edge_{at}")), message.to_binary())?;
    }
    let hello = ClientMessage::Hello {
        resume: Some(Position { epoch: 1, seq: 2 }),
        hold_ms: 3_000,
    };
    fs::write(binary.join("client"), hello.to_binary())?;
    fs::write(binary.join("client.json"), hello.to_json())?;
    for (at, bytes) in read(&down).into_iter().enumerate() {
        fs::write(binary.join(format!("server_{at}")), bytes)?;
    }
    Ok(())
}

/// What an edge says.
fn conversation() -> Vec<FromEdge> {
    let bodies = said().into_iter().chain(asked());
    bodies
        .map(|body| FromEdge {
            edge: "e".to_owned(),
            incarnation: 1,
            body,
        })
        .collect()
}

fn publish(client_id: &str, body: Body) -> FromEdgeBody {
    FromEdgeBody::Publish(Box::new(Publish {
        author: "u".to_owned(),
        client_id: client_id.to_owned(),
        media_ms: Some(5),
        body,
    }))
}

fn message(id: &str) -> Message {
    Message {
        id: id.to_owned(),
        author: User {
            id: "u".to_owned(),
            ..User::default()
        },
        kind: "text".to_owned(),
        text: "hi".to_owned(),
        ..Message::default()
    }
}

fn act(act: Act) -> Body {
    Body::Moderation(Moderation {
        actor: "u".to_owned(),
        reason: String::new(),
        act,
    })
}

fn said() -> Vec<FromEdgeBody> {
    let pin = Act::Pin {
        id: "m".to_owned(),
        message: None,
    };
    let report = Report {
        number: 1,
        users: 1,
        connections: 1,
        likes: 3,
        roster_version: 1,
        roster: Some(RosterReport {
            kind: Roster::Everybody,
            members: std::sync::Arc::default(),
        }),
        joined: Vec::new(),
    };
    vec![
        FromEdgeBody::Hello { position: None },
        publish("c1", Body::Message(message("m"))),
        publish("c2", act(pin)),
        publish("c3", act(Act::Clear)),
        FromEdgeBody::Report(report),
        FromEdgeBody::WantState,
    ]
}

/// Reviews, and what passes the room by.
fn asked() -> Vec<FromEdgeBody> {
    let review = |kind, id: &str, about: &str| {
        Body::Review(Review {
            id: id.to_owned(),
            kind,
            message: message(about),
            reason: "link".to_owned(),
            by: "u".to_owned(),
        })
    };
    let approve = Act::Approve {
        id: "r1".to_owned(),
    };
    let relay = Relay::Disconnect {
        user: "u".to_owned(),
        reason: "spam".to_owned(),
    };
    vec![
        publish("c4", review(ReviewKind::Held, "r1", "m2")),
        publish("c5", act(approve)),
        publish("c6", review(ReviewKind::Report, "r2", "m2")),
        FromEdgeBody::Hello { position: None },
        FromEdgeBody::Relay(relay),
        FromEdgeBody::Audit {
            actor: "u".to_owned(),
            text: "took a link away".to_owned(),
        },
    ]
}

/// What a hub says to it.
fn answers(messages: &[FromEdge]) -> Result<Vec<ToEdge>, Box<dyn Error>> {
    let mut hub = Hub::new(&Config::default(), 1, Saved::default(), 0, 1)?;
    let mut said = Vec::new();
    for (at, message) in (1_u64..).zip(messages) {
        hub.handle(at * 1_000, message.clone());
        hub.tick(at * 1_000);
        while let Some(output) = hub.poll_output() {
            if let HubOutput::All(message) | HubOutput::One { message, .. } = output {
                said.push(message);
            }
        }
    }
    Ok(said)
}

/// What a client of the edge reads.
fn read(messages: &[ToEdge]) -> Vec<bytes::Bytes> {
    let mut timeline = Timeline::new(&Config::default());
    let mut reader = Reader::new(Codec::Binary, View::Moderator, None, None);
    let mut read = Vec::new();
    for message in messages {
        match message.clone() {
            ToEdge::Reset {
                standing,
                room,
                frames,
                state,
            } => timeline.reset(
                standing.epoch,
                standing.head,
                (*room).clone(),
                frames,
                state,
            ),
            ToEdge::Frame(frame) => {
                timeline.append(frame);
            }
            _ => {}
        }
        while let Some(Next::Send(bytes) | Next::Close(_, bytes)) = reader.poll(&timeline, 0) {
            read.push(bytes);
        }
    }
    read
}
