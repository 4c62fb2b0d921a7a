//! A member's WebSocket: over an HTTP/1.1 connection that is ours, or in a stream of HTTP/2.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rooms::Codec;
use rooms::schema::{ClientMessage, CloseCode};
use tokio::time::Instant;

use super::door::Guest;
use super::frame;
use super::member::Member;
use super::wire::{Heard, Socket, Wire};
use crate::clock;

/// The longest message of a client, in bytes: text of 2,000, everything escaped, and the rest of it.
const MESSAGE_BYTES_MAX: usize = 16 * 1_024;
/// Bytes that are written at once, at most; a fill is many messages.
const WRITE_BYTES: usize = 64 * 1_024;
/// The first message has to come within so long.
const HELLO_WITHIN: Duration = Duration::from_secs(10);
/// Somebody who takes nothing is looked at this often.
const STALL_TICK: Duration = Duration::from_secs(1);
/// Heartbeats without a sign of life after which a connection is dead.
const MISSED_MAX: u32 = 2;

/// RFC 6455 section 7.4.1.
const UNSUPPORTED: u16 = 1003;

/// How a socket ended; a label in metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The client closed it, or went.
    Client,
    /// What came was no WebSocket, or no message of the schema.
    Protocol,
    /// Nothing was taken for too long.
    Stalled,
    /// Nothing came for too long.
    Silent,
    /// We closed it, with this code.
    Closed(CloseCode),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Protocol => "protocol",
            Self::Stalled => "stalled",
            Self::Silent => "silent",
            Self::Closed(code) => code.as_str(),
        })
    }
}

/// Runs a socket to its end.
pub(super) async fn run<S: Socket>(stream: S, guest: Guest, codec: Codec) {
    let mut wire = Wire::new(stream, MESSAGE_BYTES_MAX).await;
    let metrics = guest.rooms().metrics().clone();
    let ended = converse(&mut wire, guest, codec).await;
    metrics.ended(&ended.to_string());
    wire.end().await;
}

async fn converse<S: Socket>(wire: &mut Wire<S>, guest: Guest, codec: Codec) -> Ended {
    let hello = tokio::select! {
        biased;
        said = next_message(wire, codec) => Ok(said),
        () = guest.rooms().drained() => Err(CloseCode::Draining),
        () = tokio::time::sleep(HELLO_WITHIN) => Err(CloseCode::Idle),
    };
    let (resume, hold_ms) = match hello {
        Err(code) => return Box::pin(close(wire, code)).await,
        Ok(Said::Message(message)) => match *message {
            ClientMessage::Hello { resume, hold_ms } => (resume, hold_ms),
            _ => return Box::pin(close(wire, CloseCode::Protocol)).await,
        },
        Ok(said) => return Box::pin(refuse(wire, said)).await,
    };
    let stay = match guest.enter(codec, resume, None) {
        Ok(stay) => stay,
        Err(code) => return Box::pin(close(wire, code)).await,
    };
    stay.member().hold(hold_ms);
    attend(wire, stay.member(), codec).await
}

/// Until somebody goes.
async fn attend<S: Socket>(wire: &mut Wire<S>, member: &Arc<Member>, codec: Codec) -> Ended {
    let heartbeat = member.rooms().settings().heartbeat;
    let mut next_beat = Instant::now() + jittered(heartbeat);
    // Set again only when it changes: a timer of its own for each wait costs as much as the wait.
    let mut alarm = pin!(tokio::time::sleep_until(next_beat));
    let mut missed = 0;
    loop {
        let due = match write_all(wire, member, codec).await {
            Ok(due) => due,
            Err(ended) => return ended,
        };
        let wake = due.map_or(next_beat, |due| due.min(next_beat));
        if alarm.deadline() != wake {
            alarm.as_mut().reset(wake);
        }
        tokio::select! {
            biased;
            () = member.woken() => {}
            () = &mut alarm => {}
        }
        if member.take_readable() {
            match read_all(wire, member, codec).await {
                Ok(heard) => {
                    if heard {
                        missed = 0;
                    }
                }
                Err(ended) => return ended,
            }
        }
        if Instant::now() >= next_beat {
            next_beat = Instant::now() + heartbeat;
            if missed >= MISSED_MAX {
                return Ended::Silent;
            }
            missed += 1;
            if let Some(code) = member.is_due_to_go(clock::unix_ms()) {
                member.end(code);
            }
            let mut ping = Vec::new();
            frame::append(&mut ping, frame::PING, b"");
            if let Some(ended) = write(wire, member, &ping).await {
                return ended;
            }
        }
    }
}

/// Takes everything that has come. Whether something had; and then the member is woken by what comes
/// next.
async fn read_all<S: Socket>(
    wire: &mut Wire<S>,
    member: &Arc<Member>,
    codec: Codec,
) -> Result<bool, Ended> {
    let waker = Waker::from(Arc::clone(member));
    let mut heard = false;
    loop {
        let polled = wire.poll_next(&mut Context::from_waker(&waker));
        let Poll::Ready(next) = polled else {
            return Ok(heard);
        };
        heard = true;
        match understand(next, codec) {
            // On the heap, and gone after it: thousands are here for one who speaks.
            Said::Message(message) => Box::pin(member.take(*message)).await,
            Said::Sign => {}
            said => return Err(Box::pin(refuse(wire, said)).await),
        }
    }
}

/// Writes everything that is there for a member. Says when there will be something that is held back
/// now; what comes meanwhile wakes the member.
async fn write_all<S: Socket>(
    wire: &mut Wire<S>,
    member: &Arc<Member>,
    codec: Codec,
) -> Result<Option<Instant>, Ended> {
    let opcode = match codec {
        Codec::Json => frame::TEXT,
        Codec::Binary => frame::BINARY,
    };
    let metrics = member.rooms().metrics();
    loop {
        let mut out = Vec::new();
        let told = member.tell(|bytes, _| {
            frame::append(&mut out, opcode, bytes);
            out.len() < WRITE_BYTES
        });
        let due = told.due();
        if out.is_empty() {
            return Ok(due);
        }
        metrics.sent.inc_by(told.count);
        if let Some(code) = told.closing {
            frame::append_close(&mut out, code.websocket(), code.as_str());
            metrics.sent_bytes.inc_by(out.len() as u64);
            // Who is slow does not take this either.
            wire.write_last(&out).await;
            return Err(Ended::Closed(code));
        }
        metrics.sent_bytes.inc_by(out.len() as u64);
        if let Some(ended) = write(wire, member, &out).await {
            return Err(ended);
        }
        if !told.has_more {
            return Ok(due);
        }
    }
}

/// Writes, and watches somebody who does not read.
async fn write<S: Socket>(wire: &mut Wire<S>, member: &Arc<Member>, bytes: &[u8]) -> Option<Ended> {
    let patience = member.rooms().settings().write_timeout;
    let began = Instant::now();
    let mut writing = pin!(wire.write(bytes));
    loop {
        match tokio::time::timeout(STALL_TICK, writing.as_mut()).await {
            Ok(Ok(())) => return None,
            Ok(Err(_)) => return Some(Ended::Client),
            Err(_) if began.elapsed() >= patience => return Some(Ended::Stalled),
            Err(_) if member.is_slow() => {
                return Some(Ended::Closed(CloseCode::Slow));
            }
            Err(_) => {}
        }
    }
}

/// What a client said.
enum Said {
    Message(Box<ClientMessage>),
    /// A ping or a pong: it lives.
    Sign,
    /// Not a message of the schema.
    Nonsense,
    /// RFC 6455, section 7.4.1.
    Violation(u16, &'static str),
    Gone,
}

async fn next_message<S: Socket>(wire: &mut Wire<S>, codec: Codec) -> Said {
    understand(wire.next().await, codec)
}

fn understand(heard: Heard, codec: Codec) -> Said {
    let bytes = match (heard, codec) {
        (Heard::Text(bytes), Codec::Json) | (Heard::Binary(bytes), Codec::Binary) => bytes,
        (Heard::Text(_) | Heard::Binary(_), _) => {
            return Said::Violation(UNSUPPORTED, "the other codec was agreed on");
        }
        (Heard::Sign, _) => return Said::Sign,
        (Heard::Gone, _) => return Said::Gone,
        (Heard::Violation(code, reason), _) => return Said::Violation(code, reason),
    };
    match codec.decode_client(&bytes) {
        Ok(message) => Said::Message(Box::new(message)),
        Err(error) => {
            tracing::debug!(%error, "a client said what is no message");
            Said::Nonsense
        }
    }
}

async fn refuse<S: Socket>(wire: &mut Wire<S>, said: Said) -> Ended {
    match said {
        Said::Gone => Ended::Client,
        Said::Violation(code, reason) => {
            wire.close(code, reason).await;
            Ended::Protocol
        }
        Said::Message(_) | Said::Sign | Said::Nonsense => close(wire, CloseCode::Protocol).await,
    }
}

/// Before somebody is in the room: there is no position to resume from.
async fn close<S: Socket>(wire: &mut Wire<S>, code: CloseCode) -> Ended {
    wire.close(code.websocket(), code.as_str()).await;
    Ended::Closed(code)
}

/// Within the last quarter: ten thousand who came at once do not beat at once.
fn jittered(period: Duration) -> Duration {
    period.mul_f64(0.75 + 0.25 * rand::random::<f64>())
}
