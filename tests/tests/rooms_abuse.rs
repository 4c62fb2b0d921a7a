//! What rooms must stand: frames that are none, floods, crowds, filters that fail or change.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use rooms::schema::{CloseCode, Outcome, RefusalCode};
use serde_json::json;
use tests::filters::Filter;
use tests::node::Settings;
use tests::origin::{self, PUBLISH_KEY, STREAM};
use tests::rooms::{Club, auth, chat, closed, connect, viewers};
use tests::wait;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use wasm_filters::manifest::{FailurePolicy, Hook};

const WITHIN: Duration = Duration::from_secs(30);
const HELLO: &str = r#"{"type":"hello"}"#;

fn accepted(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Accepted { seq: Some(_), .. })
}

fn text(payload: &[u8], is_final: bool) -> Message {
    let payload = payload.to_vec();
    Message::Frame(Frame::message(payload, OpCode::Data(Data::Text), is_final))
}

fn more(payload: &[u8]) -> Message {
    let payload = payload.to_vec();
    Message::Frame(Frame::message(payload, OpCode::Data(Data::Continue), false))
}

/// Whoever opens sockets and says nothing cannot open more than there is room for.
#[tokio::test]
async fn silence_takes_a_place() -> anyhow::Result<()> {
    let doors = Settings::default().set("rooms", "connections_max", 2);
    let club = Club::start_apart(1, &Settings::default(), &doors).await?;
    let edge = club.edge(0)?;
    let token = club.guest("Ann").await?;
    let enter = || connect(edge, STREAM, Some(&token), &[]);
    let (first, _second) = (enter().await?, enter().await?);
    let third = enter().await.err().map(|error| error.to_string());
    let third = third.unwrap_or_default();
    assert!(third.starts_with("503"), "{third}");
    drop(first);
    wait::until("a place", WITHIN, async || Ok(enter().await.ok())).await?;
    Ok(())
}

/// One person, fifty rooms, an identity: each room is its own.
#[tokio::test]
async fn a_user_in_fifty_rooms() -> anyhow::Result<()> {
    const ROOMS: usize = 50;
    let names: Vec<String> = (1..=ROOMS)
        .map(|number| format!("one-of-fifty-{number}"))
        .collect();
    let mut streams = vec![(STREAM, PUBLISH_KEY)];
    streams.extend(names.iter().map(|name| (name.as_str(), name.as_str())));
    let rooms = Settings::default().set_root("streams", origin::streams(&streams));
    let club = Club::start_apart(1, &rooms, &Settings::default()).await?;
    let edge = club.edge(0)?;
    let token = club.guest("Ann").await?;
    let enter = async |room: &str| {
        let mut socket = connect(edge, room, Some(&token), &[]).await?;
        socket.send(Message::text(HELLO)).await?;
        anyhow::Ok(socket)
    };
    let mut sockets = Vec::new();
    for name in &names {
        sockets.push(enter(name).await?);
    }
    let said = json!({
        "type": "publish", "client_id": "c1", "kind": "text", "text": "only here",
    });
    sockets[7].send(Message::text(said.to_string())).await?;
    // In order on each connection: whoever has the answer to a ping has had what came before.
    for (number, socket) in sockets.iter_mut().enumerate() {
        let ping = json!({ "type": "ping", "nonce": 7 });
        let mut heard = String::new();
        let here = number == 7;
        if !here {
            socket.send(Message::text(ping.to_string())).await?;
        }
        let reading = async {
            while let Some(message) = socket.next().await {
                heard.push_str(message?.to_text()?);
                let has_all = if here {
                    heard.contains("only here")
                } else {
                    heard.contains("\"welcome\"") && heard.contains("\"pong\"")
                };
                if has_all {
                    return anyhow::Ok(());
                }
            }
            anyhow::bail!("{number}: the connection ended: {heard}")
        };
        tokio::time::timeout(WITHIN, reading).await??;
        assert_eq!(heard.contains("only here"), here, "{number}: {heard}");
    }
    let members = edge.metric("edge_room_connections", &[]).await?;
    assert_eq!(members, 50.0);
    Ok(())
}

#[tokio::test]
async fn frames_that_are_none() -> anyhow::Result<()> {
    let club = Club::start(1).await?;
    let edge = club.edge(0)?;
    let mut ann = club.enter(0, Some(&club.guest("Ann").await?)).await?;
    let huge = vec![b'x'; 20_000];
    let endless: Vec<Message> = std::iter::once(text(b"{", false))
        .chain((0..40).map(|_| more(&[b' '; 1_000])))
        .collect();
    let cases: Vec<(&str, Vec<Message>, u16)> = vec![
        ("oversized", vec![text(&huge, true)], 1009),
        ("endless fragments", endless, 1009),
        ("invalid UTF-8", vec![text(&[0xc3, 0x28], true)], 1007),
        ("the other codec", vec![Message::binary(vec![1, 2])], 1003),
        (
            "no JSON",
            vec![Message::text("hello")],
            CloseCode::Protocol.websocket(),
        ),
        (
            "no hello",
            vec![Message::text(r#"{"type":"ping","nonce":1}"#)],
            CloseCode::Protocol.websocket(),
        ),
        (
            "an unknown message",
            vec![Message::text(HELLO), Message::text(r#"{"type":"dance"}"#)],
            CloseCode::Protocol.websocket(),
        ),
        (
            "a reserved opcode",
            vec![Message::Frame(Frame::message(
                Vec::new(),
                OpCode::Data(Data::Reserved(5)),
                true,
            ))],
            1002,
        ),
    ];
    for (what, messages, expected) in cases {
        let mut socket = connect(edge, STREAM, None, &[]).await?;
        for message in messages {
            // It may have been closed already.
            if socket.send(message).await.is_err() {
                break;
            }
        }
        let close = closed(&mut socket, None).await?;
        assert_eq!(close.map(|(code, _)| code), Some(expected), "{what}");
    }
    // Nobody noticed.
    assert!(accepted(&ann.say("still here").await?));
    ann.hears("still here").await?;
    Ok(())
}

#[tokio::test]
async fn floods_are_their_senders_business() -> anyhow::Result<()> {
    let club = Club::start(1).await?;
    let edge = club.edge(0)?;
    let token = club.guest("Flood").await?;
    let mut ann = club.enter(0, Some(&club.guest("Ann").await?)).await?;
    let mut socket = connect(edge, STREAM, Some(&token), &[]).await?;
    socket.send(Message::text(HELLO)).await?;
    let (mut write, mut read) = socket.split();
    let flood = async {
        for number in 0..5_000_u32 {
            write
                .feed(Message::Ping(number.to_be_bytes().to_vec().into()))
                .await?;
        }
        for number in 0..200 {
            let said = json!({"type": "publish", "client_id": number.to_string(), "kind": "text", "text": "spam"});
            write.feed(Message::text(said.to_string())).await?;
        }
        write.flush().await?;
        anyhow::Ok(())
    };
    let reading = async {
        let (mut pongs, mut too_fast) = (0, 0);
        while pongs < 5_000 || too_fast < 100 {
            match read.next().await {
                Some(Ok(Message::Pong(_))) => pongs += 1,
                Some(Ok(Message::Text(text))) => {
                    too_fast += usize::from(text.contains("\"too_fast\""));
                }
                Some(Ok(_)) => {}
                // Cut off for not reading its answers fast enough is fair, too.
                Some(Err(_)) | None => break,
            }
        }
        pongs
    };
    let talk = async {
        for number in 0..10 {
            assert!(accepted(&ann.say(&format!("calm {number}")).await?));
        }
        ann.hears("calm 9").await
    };
    let (flooded, pongs, talked) = tokio::join!(flood, reading, talk);
    flooded?;
    talked?;
    assert!(pongs > 0);
    Ok(())
}

#[tokio::test]
async fn crowds_come_and_go() -> anyhow::Result<()> {
    let club = Club::start(2).await?;
    let edges = [club.edge(0)?, club.edge(1)?];
    for _ in 0..3 {
        let coming = (0..200).map(async |number: usize| {
            let edge = edges[number % 2];
            // On a machine that compiles, two hundred at once are too many for a filter's budget: they
            // are told to come again.
            let socket = wait::until("a place", WITHIN, async || {
                match connect(edge, STREAM, None, &[]).await {
                    Ok(socket) => Ok(Some(socket)),
                    Err(error) if error.to_string().starts_with("503") => Ok(None),
                    Err(error) => Err(error),
                }
            });
            let mut socket = socket.await?;
            socket.send(Message::text(HELLO)).await?;
            anyhow::Ok(socket)
        });
        let crowd = futures::future::try_join_all(coming).await?;
        viewers(&club, 200).await?;
        drop(crowd);
    }
    viewers(&club, 0).await?;
    // One person in many places: the oldest goes.
    let token = club.guest("Everywhere").await?;
    let mut tabs = Vec::new();
    for _ in 0..11 {
        tabs.push(club.enter(0, Some(&token)).await?);
    }
    let first = tabs.first_mut().map(tests::rooms::Person::closed);
    let (code, _) = first.expect("a tab").await?.expect("a close frame");
    assert_eq!(code, CloseCode::Superseded.websocket());
    viewers(&club, 10).await?;
    Ok(())
}

#[tokio::test]
async fn a_filter_that_traps_on_every_message() -> anyhow::Result<()> {
    let club = Club::without_filters(1, &Settings::default()).await?;
    club.deploy(&auth()?).await?;
    let mut trap = Filter::guest("hostile", "trap", &[Hook::Chat], json!({}))?;
    trap.manifest.failure = Some(FailurePolicy::Open);
    club.deploy(&trap).await?;
    let mut ann = club.enter(0, Some(&club.guest("Ann").await?)).await?;
    for number in 0..10 {
        // The guest panics at this word; the message is let through, as the manifest says.
        let outcome = ann.say_as(&format!("p{number}"), "panic").await?;
        assert!(accepted(&outcome), "{outcome:?}");
    }
    trap.manifest.failure = Some(FailurePolicy::Closed);
    club.deploy(&trap).await?;
    let outcome = ann.say("panic").await?;
    assert!(matches!(outcome, Outcome::Rejected { .. }), "{outcome:?}");
    Ok(())
}

/// Five versions one after the other while people talk: each message that was accepted is heard
/// once, in order, and none is refused because of a swap.
#[tokio::test]
async fn a_swap_of_the_chat_filter_loses_nothing() -> anyhow::Result<()> {
    let club = Club::start(1).await?;
    let mut ann = club.enter(0, Some(&club.guest("Ann").await?)).await?;
    let mut bob = club.enter(0, Some(&club.guest("Bob").await?)).await?;
    let swaps = async {
        for number in 0..5 {
            let config = json!({ "mentions_max": number });
            club.deploy(&chat(&config)?).await?;
        }
        anyhow::Ok(())
    };
    let mut swaps = std::pin::pin!(swaps);
    let mut said = Vec::new();
    let mut pace = tokio::time::interval(Duration::from_millis(250));
    let mut is_over = false;
    while !is_over || said.len() < 20 {
        tokio::select! {
            done = &mut swaps, if !is_over => {
                done?;
                is_over = true;
            }
            _ = pace.tick() => {
                let text = format!("message {}", said.len());
                let outcome = ann.say(&text).await?;
                assert!(accepted(&outcome), "{text}: {outcome:?}");
                said.push(text);
            }
        }
    }
    bob.hears(said.last().expect("something")).await?;
    assert_eq!(bob.texts(), said);
    Ok(())
}

#[tokio::test]
async fn a_disk_that_is_gone_stops_no_moderator() -> anyhow::Result<()> {
    let club = Club::start(1).await?;
    let judge = club.person("Judge", &["moderator"]).await?;
    let mut judge = club.enter(0, Some(&judge)).await?;
    let mut bad = club.enter(0, Some(&club.guest("Bad").await?)).await?;
    assert!(accepted(&judge.say("before").await?));
    // The directory of rooms' states goes: nothing can be written there any more.
    let state = club.origin.directory().join("rooms").join("state");
    std::fs::remove_dir_all(&state)?;
    std::fs::write(&state, "a file where the directory was")?;
    let ban = json!({ "type": "ban", "user": bad.user.id });
    assert!(accepted(&judge.act(ban).await?));
    let outcome = bad.say("hello?").await?;
    let Outcome::Refused { code, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(code, RefusalCode::Banned);
    let failed = club
        .origin
        .metric("weir_room_saves_failed_total", &[])
        .await?;
    assert!(failed >= 1.0, "{failed}");
    // There is room again: it is saved without anybody doing anything.
    std::fs::remove_file(&state)?;
    std::fs::create_dir(&state)?;
    wait::until("the room is saved", WITHIN, async || {
        let saved = std::fs::read_dir(&state)?.next().is_some();
        Ok(saved.then_some(()))
    })
    .await
}
