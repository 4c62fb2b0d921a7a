//! The fallback for whom no WebSocket reaches: server-sent events one way, POST the other.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use rooms::Codec;
use rooms::schema::{ClientMessage, CloseCode, Position};
use tokio::time::Instant;

use super::Rooms;
use super::door::{Guest, Stay};
use super::member::Member;
use crate::clock;

/// Random bytes of a session's secret.
const SESSION_BYTES: usize = 18;
/// The longest message of a client, in bytes, as over a WebSocket.
pub const POST_BYTES_MAX: usize = 16 << 10;
/// A comment line: the heartbeat of an event stream.
const BEAT: &[u8] = b":\n\n";
/// Bytes that are written at once, at most.
const WRITE_BYTES: usize = 64 << 10;

/// What became of a POST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posted {
    /// The answer comes over the event stream. (202)
    Taken,
    /// There is no such session, or not in this room. (404)
    UnknownSession,
    /// It is no message. (400)
    Malformed,
}

/// An event stream, as its driver reads it.
#[derive(Debug)]
pub struct EventStream {
    stay: Stay,
    session: String,
    next_beat: Instant,
    ended: Option<CloseCode>,
}

impl Guest {
    /// Comes in by an event stream.
    ///
    /// # Errors
    /// Why not, as a socket would be told.
    pub fn events(self, resume: Option<Position>, hold_ms: u32) -> Result<EventStream, CloseCode> {
        let random: [u8; SESSION_BYTES] = rand::random();
        let session = BASE64_URL_SAFE_NO_PAD.encode(random);
        let stay = self.enter(Codec::Json, resume, Some(session.clone()))?;
        let member = stay.member();
        member.hold(hold_ms);
        let rooms = member.rooms().clone();
        let sessions = &rooms.inner.sessions;
        sessions.lock().insert(session.clone(), Arc::clone(member));
        Ok(EventStream {
            next_beat: Instant::now() + rooms.settings().heartbeat,
            session,
            stay,
            ended: None,
        })
    }
}

impl EventStream {
    /// The next bytes, at once or later; `None` at the end.
    pub async fn next(&mut self) -> Option<Bytes> {
        if self.ended.is_some() {
            return None;
        }
        let member = Arc::clone(self.stay.member());
        loop {
            let (out, due) = self.collect(&member);
            if !out.is_empty() {
                return Some(out.into());
            }
            let beat = self.next_beat;
            let wake = due.map_or(beat, |due| due.min(beat));
            tokio::select! {
                () = member.woken() => {}
                () = tokio::time::sleep_until(wake) => {}
            }
            if Instant::now() >= self.next_beat {
                self.next_beat = Instant::now() + member.rooms().settings().heartbeat;
                if let Some(code) = member.is_due_to_go(clock::unix_ms()) {
                    member.end(code);
                }
                return Some(Bytes::from_static(BEAT));
            }
        }
    }

    /// What there is to say, and when there will be more.
    fn collect(&mut self, member: &Member) -> (Vec<u8>, Option<Instant>) {
        let metrics = member.rooms().metrics();
        let mut out = Vec::new();
        let told = member.tell(|bytes, position| {
            if let Some(Position { epoch, seq }) = position {
                out.extend_from_slice(format!("id: {epoch}.{seq}\n").as_bytes());
            }
            data(&mut out, bytes);
            out.len() < WRITE_BYTES
        });
        self.ended = told.closing;
        metrics.sent.inc_by(told.count);
        metrics.sent_bytes.inc_by(out.len() as u64);
        (out, told.due())
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        let rooms = self.stay.member().rooms();
        rooms.inner.sessions.lock().remove(&self.session);
        let reason = self.ended.map_or("client", CloseCode::as_str);
        rooms.metrics().ended(reason);
    }
}

/// JSON is one line.
fn data(out: &mut Vec<u8>, json: &[u8]) {
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(json);
    out.extend_from_slice(b"\n\n");
}

impl Rooms {
    /// Takes what somebody says who listens to an event stream.
    pub async fn post(&self, room: &str, session: &str, body: &[u8]) -> Posted {
        let member = self.inner.sessions.lock().get(session).cloned();
        let Some(member) = member.filter(|member| member.room().name().as_str() == room) else {
            return Posted::UnknownSession;
        };
        match ClientMessage::from_json(body) {
            Ok(message) => {
                member.take(message).await;
                Posted::Taken
            }
            Err(_) => Posted::Malformed,
        }
    }
}

/// `epoch.seq`, as in `Last-Event-ID`.
pub fn parse_position(text: &str) -> Option<Position> {
    let (epoch, seq) = text.split_once('.')?;
    Some(Position {
        epoch: epoch.parse().ok()?,
        seq: seq.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_two_numbers() {
        let position = Position { epoch: 12, seq: 3 };
        assert_eq!(parse_position("12.3"), Some(position));
        for bad in ["", "12", "12.", ".3", "a.b", "12.3.4", "-1.3"] {
            assert_eq!(parse_position(bad), None, "{bad}");
        }
    }
}
