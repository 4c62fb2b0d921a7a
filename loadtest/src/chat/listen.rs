//! One connection: comes in, reads until it is ended, and comes back where that is wanted.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use rooms::Codec;
use rooms::schema::{Body, CloseCode, Event, Lane, ServerMessage};
use tokio::sync::mpsc;

use super::dialect::{ACT_ID, Dialect, Say};
use super::scan;
use super::socket::Pace;
use super::stamp::Stamp;
use super::swarm::{Account, Role, Seat, Swarm};
use super::websocket::{Broken, Connection, Frame, Opcode, put};

/// How long a connection may take, handshakes included. When all come at once, the last one waits.
const OPEN_TIMEOUT: Duration = Duration::from_secs(60);

/// When a connection that ended comes back.
const RETURN_AFTER: Duration = Duration::from_secs(1);

/// Why a connection ended.
struct End {
    why: String,
    may_return: bool,
}

impl From<Broken> for End {
    fn from(broken: Broken) -> Self {
        Self {
            why: broken.to_string(),
            may_return: true,
        }
    }
}

impl End {
    fn closed(code: CloseCode) -> Self {
        Self {
            why: format!("closed: {}", code.as_str()),
            may_return: matches!(
                code,
                CloseCode::Slow | CloseCode::Draining | CloseCode::Unavailable | CloseCode::Idle
            ),
        }
    }
}

/// Keeps the seat taken until the task is dropped, or the server says not to come back.
pub(super) async fn sit(
    swarm: Arc<Swarm>,
    seat: Arc<Seat>,
    mut outbox: Option<mpsc::Receiver<Say>>,
) {
    loop {
        let Err(end) = session(&swarm, &seat, outbox.as_mut()).await;
        seat.welcome(&mut seat.account.lock(), None);
        swarm.note_end(&end.why);
        if !end.may_return {
            return;
        }
        tokio::time::sleep(RETURN_AFTER).await;
    }
}

async fn session(
    swarm: &Swarm,
    seat: &Seat,
    outbox: Option<&mut mpsc::Receiver<Say>>,
) -> Result<Infallible, End> {
    let opened = tokio::time::timeout(OPEN_TIMEOUT, open(swarm, seat)).await;
    let mut connection = opened.map_err(|_| End {
        why: format!("no connection within {OPEN_TIMEOUT:?}"),
        may_return: true,
    })??;
    let hear = |frame: Frame<'_>, out: &mut Vec<u8>| hear(swarm, seat, &frame, out);
    let Some(outbox) = outbox else {
        loop {
            connection.flush().await?;
            connection.read(hear).await?;
        }
    };
    loop {
        connection.flush().await?;
        tokio::select! {
            read = connection.read(hear) => read?,
            say = outbox.recv() => {
                let Some(say) = say else { break };
                let (opcode, bytes) = swarm.plan.dialect.say(say, swarm.text_bytes, swarm.run);
                connection.push(opcode, &bytes);
            }
        }
    }
    loop {
        connection.flush().await?;
        connection.read(hear).await?;
    }
}

async fn open(swarm: &Swarm, seat: &Seat) -> Result<Connection, End> {
    let plan = &swarm.plan;
    let pace = seat.slow.as_ref().map(|slow| Pace {
        slow: Arc::clone(slow),
        released: Arc::clone(&swarm.released),
    });
    let socket = swarm.dialer.dial(pace).await.map_err(Broken::from)?;
    let authority = swarm.dialer.target().authority();
    let fields = plan.dialect.fields(seat.token.as_deref());
    let mut connection = Connection::open(socket, &authority, &swarm.path, &fields).await?;
    let resume = seat.account.lock().ledger.position();
    if let Some((opcode, bytes)) = plan.dialect.hello(resume) {
        connection.push(opcode, &bytes);
    }
    if plan.dialect == Dialect::Nchan {
        seat.welcome(&mut seat.account.lock(), Some(swarm.clock.now_us()));
    }
    Ok(connection)
}

fn hear(swarm: &Swarm, seat: &Seat, frame: &Frame<'_>, out: &mut Vec<u8>) -> Result<(), End> {
    match frame.opcode {
        Opcode::Ping => {
            put(out, Opcode::Pong, frame.payload);
            Ok(())
        }
        Opcode::Pong => Ok(()),
        Opcode::Close => Err(End {
            why: format!("closed: {}", frame.close_code().unwrap_or(1005)),
            may_return: true,
        }),
        Opcode::Text | Opcode::Binary => {
            let mut account = seat.account.lock();
            let bytes = u64::try_from(frame.payload.len()).unwrap_or(u64::MAX);
            account.ledger.tally.bytes += bytes;
            match swarm.plan.dialect {
                Dialect::Weir(codec) => hear_weir(swarm, seat, &mut account, codec, frame.payload),
                Dialect::Nchan => {
                    hear_plain(swarm, seat, &mut account, frame.payload);
                    Ok(())
                }
                Dialect::SocketIo => hear_socket_io(swarm, seat, &mut account, frame.payload, out),
            }
        }
    }
}

fn hear_weir(
    swarm: &Swarm,
    seat: &Seat,
    account: &mut Account,
    codec: Codec,
    bytes: &[u8],
) -> Result<(), End> {
    let head = account.ledger.next();
    let heard = if seat.is_sampled {
        scan::decode(codec, bytes, &mut account.ledger).map(Some)
    } else {
        scan::note(codec, bytes, &mut account.ledger)
    };
    let message = match heard {
        Ok(Some(message)) => message,
        Ok(None) => return Ok(()),
        Err(_) => {
            account.ledger.tally.malformed += 1;
            return Ok(());
        }
    };
    match message {
        ServerMessage::Welcome(welcome) => {
            seat.welcome(account, Some(swarm.clock.now_us()));
            account.recovery = Some(welcome.recovery);
        }
        ServerMessage::Events(frame) if seat.is_sampled => {
            let now_us = swarm.clock.now_us();
            for event in &frame.events {
                let is_new = event.seq >= head && !account.ledger.is_history(event.seq);
                if is_new && let Some((is_control, stamp)) = stamp(event) {
                    account.measure(swarm, is_control, stamp, now_us);
                }
            }
        }
        ServerMessage::Ack { client_id, outcome } if seat.role != Role::Listener => {
            let epoch = account.ledger.position().map_or(0, |at| at.epoch);
            let is_act = client_id.starts_with(ACT_ID);
            swarm.heard.lock().answer(is_act, epoch, outcome);
        }
        ServerMessage::Close { code, .. } => return Err(End::closed(code)),
        _ => {}
    }
    Ok(())
}

fn stamp(event: &Event) -> Option<(bool, Stamp)> {
    let text = match &event.body {
        Body::Message(message) => &message.text,
        Body::Moderation(moderation) => &moderation.reason,
        _ => return None,
    };
    let stamp = Stamp::read(text.as_bytes())?;
    Some((event.body.lane() == Lane::Control, stamp))
}

fn hear_plain(swarm: &Swarm, seat: &Seat, account: &mut Account, text: &[u8]) {
    let Some(stamp) = Stamp::read(text) else {
        account.ledger.tally.malformed += 1;
        return;
    };
    account.ledger.numbered(stamp.number);
    if seat.is_sampled {
        account.measure(swarm, false, stamp, swarm.clock.now_us());
    }
}

/// Packets of Engine.IO 4 and Socket.IO 5, as far as a client of one room meets them.
fn hear_socket_io(
    swarm: &Swarm,
    seat: &Seat,
    account: &mut Account,
    packet: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), End> {
    if let Some(text) = packet.strip_prefix(b"42[\"m\",\"") {
        hear_plain(swarm, seat, account, text);
        return Ok(());
    }
    match packet {
        [b'0', ..] => put(out, Opcode::Text, b"40"),
        [b'2', ..] => put(out, Opcode::Text, b"3"),
        [b'4', b'0', ..] => seat.welcome(account, Some(swarm.clock.now_us())),
        [b'1', ..] | [b'4', b'1' | b'4', ..] => {
            return Err(End {
                why: String::from_utf8_lossy(packet).into_owned(),
                may_return: true,
            });
        }
        _ => account.ledger.tally.malformed += 1,
    }
    Ok(())
}
