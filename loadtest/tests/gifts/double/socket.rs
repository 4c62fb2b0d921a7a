//! Screens.

use std::io::{Error, Result};
use std::sync::Arc;

use bytes::Bytes;
use rooms::Codec;
use rooms::schema::{
    Body, ClientMessage, Event, EventFrame, Position, Recovery, SCHEMA_VERSION, ServerMessage,
    Welcome,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Fault, Shared, now_ms};

pub(super) async fn serve(shared: &Shared, mut stream: TcpStream) -> Result<()> {
    let mut input = Vec::new();
    let head = loop {
        if let Some(end) = input.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let rest = input.split_off(end + 4);
            break String::from_utf8(std::mem::replace(&mut input, rest)).unwrap();
        }
        read_more(&mut stream, &mut input).await?;
    };
    assert!(head.starts_with("GET /api/rooms/demo/socket HTTP/1.1\r\n"));
    // The key is always the RFC's example.
    let answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                  Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    stream.write_all(answer.as_bytes()).await?;
    let codec = if head.contains("weir.room.v1.binary") {
        Codec::Binary
    } else {
        Codec::Json
    };
    let resume = loop {
        if let Some(payload) = take_frame(&mut input) {
            match codec.decode_client(&payload).unwrap() {
                ClientMessage::Hello { resume, .. } => break resume,
                other => panic!("first came {other:?}"),
            }
        }
        read_more(&mut stream, &mut input).await?;
    };
    show(shared, codec, resume, &mut stream).await
}

async fn show(
    shared: &Shared,
    codec: Codec,
    resume: Option<Position>,
    stream: &mut TcpStream,
) -> Result<()> {
    let mut changed = shared.changed.subscribe();
    let (welcome, is_first) = {
        let mut room = shared.room.lock();
        room.screens += 1;
        let last = room.events.len() as u64;
        let (recovery, seq) = match resume {
            None => (Recovery::Fresh, last),
            Some(at) if at.epoch == room.epoch => (Recovery::Complete, at.seq),
            Some(_) => (Recovery::NotRecovered, 0),
        };
        let welcome = Welcome {
            version: SCHEMA_VERSION,
            epoch: room.epoch,
            seq,
            next: seq + 1,
            recovery,
            lost: None,
            snapshot: None,
            sanction: None,
        };
        (welcome, room.screens == 1)
    };
    let mut next = welcome.next;
    write(stream, codec, &ServerMessage::Welcome(welcome.into())).await?;
    let mut input = Vec::new();
    loop {
        for frame in frames(shared, &mut next, is_first) {
            write(stream, codec, &ServerMessage::Events(frame)).await?;
        }
        tokio::select! {
            changed = changed.changed() => changed.unwrap(),
            read = stream.read_buf(&mut input) => {
                if read? == 0 {
                    return Ok(());
                }
            }
        }
    }
}

/// What comes next; `is_first`: the screen whose frames are broken.
fn frames(shared: &Shared, next: &mut u64, is_first: bool) -> Vec<EventFrame> {
    let room = shared.room.lock();
    let at = usize::try_from(*next).unwrap() - 1;
    let mut events: Vec<Arc<Event>> = room.events[at..].to_vec();
    let Some(last) = events.last() else {
        return Vec::new();
    };
    let (first, last) = (*next, last.seq);
    *next = last + 1;
    let count = events.len();
    let is_tenth = |event: &Arc<Event>| {
        let Body::Gift(gift) = &event.body else {
            return false;
        };
        gift.id.ends_with("-10")
    };
    let has_tenth = is_first && events.iter().any(is_tenth);
    if has_tenth && shared.fault == Fault::LoseOne {
        events.retain(|event| !is_tenth(event));
    }
    let frame = EventFrame {
        epoch: room.epoch,
        at_ms: now_ms(),
        first,
        last,
        dropped: u32::try_from(count - events.len()).unwrap(),
        events,
    };
    let mut frames = vec![frame];
    if has_tenth && shared.fault == Fault::Double {
        // The one gift alone, so that it can be counted.
        let mut again = frames[0].clone();
        again.events.retain(is_tenth);
        frames.push(again);
    }
    frames
}

async fn read_more(stream: &mut TcpStream, input: &mut Vec<u8>) -> Result<()> {
    match stream.read_buf(input).await? {
        0 => Err(Error::other("gone")),
        _ => Ok(()),
    }
}

/// The first frame of a client's; all are short.
fn take_frame(input: &mut Vec<u8>) -> Option<Vec<u8>> {
    let length = usize::from(input.get(1)? & 0x7F);
    assert!(length < 126, "a long hello");
    if input.len() < 6 + length {
        return None;
    }
    let frame: Vec<u8> = input.drain(..6 + length).collect();
    let mask = frame[2..6].iter().cycle();
    let masked = frame[6..].iter().zip(mask);
    Some(masked.map(|(byte, mask)| byte ^ mask).collect())
}

async fn write(stream: &mut TcpStream, codec: Codec, message: &ServerMessage) -> Result<()> {
    let payload: Bytes = codec.encode(message);
    let mut frame = vec![match codec {
        Codec::Json => 0x81,
        Codec::Binary => 0x82,
    }];
    frame.push(127);
    frame.extend((payload.len() as u64).to_be_bytes());
    frame.extend(&payload);
    stream.write_all(&frame).await
}
