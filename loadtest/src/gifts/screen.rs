//! A screen: watches the room over a WebSocket, and comes back with its position when it is cut off.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rooms::Codec;
use rooms::schema::{Body, CloseCode, EventFrame, Position, Recovery, ServerMessage};
use serde::Deserialize;

use crate::chat::websocket::{Broken, Connection, Frame, Opcode, put};

use super::book::Sight;
use super::stage::{Screen, Stage};

/// How long a connection may take, handshakes included. When all come at once, the last one waits.
const OPEN_TIMEOUT: Duration = Duration::from_secs(60);

/// When a connection that ended comes back, and the longest that a server may put it off.
const RETURN_AFTER: Duration = Duration::from_secs(1);
const RETURN_AFTER_MAX: Duration = Duration::from_secs(10);

/// Messages that are kept decoded: an edge sends the same bytes to all its screens.
const DECODED_MAX: usize = 32;

thread_local! {
    static DECODED: RefCell<VecDeque<Decoded>> = RefCell::default();
}

/// A message as it came, and what it says.
struct Decoded {
    bytes: Box<[u8]>,
    heard: Arc<Heard>,
}

/// What of a message matters here.
#[derive(Debug)]
enum Heard {
    Welcome {
        position: Position,
        recovery: Recovery,
    },
    Events {
        end: Position,
        gifts: Vec<(u64, String)>,
        combos: Vec<ComboEnd>,
    },
    Gap {
        to: u64,
    },
    Close {
        code: CloseCode,
        after: Option<Duration>,
    },
    Other,
    Malformed,
}

/// What a notice says of a series that has ended.
#[derive(Debug, Deserialize)]
struct ComboEnd {
    id: String,
    #[serde(default)]
    count: u64,
}

/// Why a connection ended.
struct End {
    why: String,
    /// None: the server says not to come back.
    again: Option<Duration>,
}

impl From<Broken> for End {
    fn from(broken: Broken) -> Self {
        Self {
            why: broken.to_string(),
            again: Some(RETURN_AFTER),
        }
    }
}

/// Watches until the task is dropped, or the server says not to come back.
pub(super) async fn watch(stage: Arc<Stage>, index: usize) {
    let Some(screen) = stage.screens.get(index) else {
        return;
    };
    // Each has an edge of its own, as long as that lets it in.
    let mut edge = index;
    loop {
        let Err(end) = session(&stage, screen, edge).await;
        let was_in = {
            let mut screen = screen.lock();
            let was_in = screen.watch.is_there();
            screen.watch.ended();
            was_in
        };
        if stage.is_over.load(Ordering::Relaxed) {
            return;
        }
        edge = if was_in { index } else { edge + 1 };
        stage.note_end(&format!("screen: {}", end.why));
        let Some(after) = end.again else { return };
        tokio::time::sleep(after).await;
    }
}

async fn session(
    stage: &Stage,
    screen: &parking_lot::Mutex<Screen>,
    edge: usize,
) -> Result<Infallible, End> {
    let opened = tokio::time::timeout(OPEN_TIMEOUT, open(stage, screen, edge)).await;
    let mut connection = opened.map_err(|_| End {
        why: format!("no connection within {OPEN_TIMEOUT:?}"),
        again: Some(RETURN_AFTER),
    })??;
    loop {
        connection.flush().await?;
        connection
            .read(|frame: Frame<'_>, out: &mut Vec<u8>| hear(stage, screen, &frame, out))
            .await?;
    }
}

async fn open(
    stage: &Stage,
    screen: &parking_lot::Mutex<Screen>,
    edge: usize,
) -> Result<Connection, End> {
    let dialer = stage.dialers.get(edge % stage.dialers.len().max(1));
    let dialer = dialer.ok_or(Broken::End)?;
    let socket = dialer.dial(None).await.map_err(Broken::from)?;
    let authority = dialer.target().authority();
    let dialect = stage.dialect();
    let path = format!("/api/rooms/{}/socket", stage.plan.room);
    let fields = dialect.fields(None);
    let mut connection = Connection::open(socket, &authority, &path, &fields).await?;
    let resume = screen.lock().position;
    if let Some((opcode, bytes)) = dialect.hello(resume) {
        connection.push(opcode, &bytes);
    }
    Ok(connection)
}

fn hear(
    stage: &Stage,
    screen: &parking_lot::Mutex<Screen>,
    frame: &Frame<'_>,
    out: &mut Vec<u8>,
) -> Result<(), End> {
    match frame.opcode {
        Opcode::Ping => {
            put(out, Opcode::Pong, frame.payload);
            Ok(())
        }
        Opcode::Pong => Ok(()),
        Opcode::Close => Err(End {
            why: format!("closed: {}", frame.close_code().unwrap_or(1005)),
            again: Some(RETURN_AFTER),
        }),
        Opcode::Text | Opcode::Binary => {
            let heard = decoded(stage, frame.payload);
            take(stage, &mut screen.lock(), &heard)
        }
    }
}

/// Reads a message, unless the same one was read just before.
fn decoded(stage: &Stage, bytes: &[u8]) -> Arc<Heard> {
    DECODED.with_borrow_mut(|decoded| {
        // The newest are last, and the likeliest.
        let known = decoded.iter().rev().find(|known| *known.bytes == *bytes);
        if let Some(known) = known {
            return Arc::clone(&known.heard);
        }
        let heard = Arc::new(read(stage, stage.plan.codec, bytes));
        if decoded.len() >= DECODED_MAX {
            decoded.pop_front();
        }
        decoded.push_back(Decoded {
            bytes: bytes.into(),
            heard: Arc::clone(&heard),
        });
        heard
    })
}

fn read(stage: &Stage, codec: Codec, bytes: &[u8]) -> Heard {
    match codec.decode_server(bytes) {
        Ok(ServerMessage::Welcome(welcome)) => Heard::Welcome {
            position: Position {
                epoch: welcome.epoch,
                seq: welcome.next.saturating_sub(1),
            },
            recovery: welcome.recovery,
        },
        Ok(ServerMessage::Events(frame)) => events(stage, &frame),
        Ok(ServerMessage::Gap(gap)) => Heard::Gap { to: gap.to },
        Ok(ServerMessage::Close {
            code,
            retry_after_ms,
            ..
        }) => Heard::Close {
            code,
            after: retry_after_ms.map(Duration::from_millis),
        },
        Ok(_) => Heard::Other,
        Err(_) => Heard::Malformed,
    }
}

fn events(stage: &Stage, frame: &EventFrame) -> Heard {
    let mut gifts = Vec::new();
    let mut combos = Vec::new();
    for event in &frame.events {
        match &event.body {
            Body::Gift(gift) => {
                let note = gift.note.as_deref().unwrap_or_default();
                gifts.extend(stage.number(note).map(|number| (number, gift.id.clone())));
            }
            Body::Notice(notice) if notice.kind == "combo_end" => {
                combos.extend(serde_json::from_str::<ComboEnd>(&notice.payload).ok());
            }
            _ => {}
        }
    }
    Heard::Events {
        end: Position {
            epoch: frame.epoch,
            seq: frame.last,
        },
        gifts,
        combos,
    }
}

fn take(stage: &Stage, screen: &mut Screen, heard: &Heard) -> Result<(), End> {
    let now_us = stage.clock.now_us();
    match heard {
        Heard::Welcome { position, recovery } => welcomed(screen, *position, *recovery, now_us),
        Heard::Events { end, gifts, combos } => {
            if screen.position.is_none_or(|at| at.epoch != end.epoch) {
                screen.malformed += 1;
                return Ok(());
            }
            screen.position = Some(*end);
            for (number, id) in gifts {
                sees(stage, screen, *number, id, now_us);
            }
            for combo in combos {
                stage.combo_ended(&combo.id, combo.count);
            }
            screen.watch.heard(now_us);
        }
        Heard::Gap { to } => {
            if let Some(position) = &mut screen.position {
                position.seq = position.seq.max(*to);
            }
        }
        Heard::Close { code, after } => {
            let may_return = matches!(
                code,
                CloseCode::Slow | CloseCode::Draining | CloseCode::Unavailable | CloseCode::Idle
            );
            let after = after.unwrap_or(RETURN_AFTER).min(RETURN_AFTER_MAX);
            return Err(End {
                why: format!("closed: {}", code.as_str()),
                again: may_return.then_some(after),
            });
        }
        Heard::Other => {}
        Heard::Malformed => screen.malformed += 1,
    }
    Ok(())
}

fn welcomed(screen: &mut Screen, position: Position, recovery: Recovery, now_us: u64) {
    let is_whole = recovery == Recovery::Complete;
    // What follows a whole recovery begins where the screen stood.
    if !is_whole || screen.position.is_none() {
        screen.position = Some(position);
    }
    screen.watch.welcomed(is_whole, now_us);
    if std::mem::replace(&mut screen.is_known, true) {
        screen.returns += 1;
        screen.not_recovered += u64::from(!is_whole);
    }
}

fn sees(stage: &Stage, screen: &mut Screen, number: u64, id: &str, now_us: u64) {
    let mut book = stage.book.lock();
    if !book.knows(number) {
        return;
    }
    if screen.watch.sees(number) == Sight::New {
        book.shown(number, id, now_us);
    }
}
