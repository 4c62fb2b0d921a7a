//! The doors of rooms: WebSocket, event stream, POST; and identities for guests.
//!
//! Whoever comes here passed the `http.request` filters like any other request; whether they may come
//! in is asked of the auth filters, as the action `join`.

mod handshake;

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderName, StatusCode, header};
use pingora_error::{Error, ErrorType, Result};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use rooms::Codec;
use rooms::schema::CloseCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use wasm_filters::grants::Granted;
use wasm_filters::host::AuthAnswer;
use wasm_filters::manifest::Action;

pub(super) use self::handshake::is_own_site;
use self::handshake::{Handshake, handshake};
use super::EdgeProxy;
use super::admit::{Credentials, Refusal, status_of};
use super::log::Context;
use super::respond::{Sent, is_secure, prioritise};
use super::route::Door;
use crate::control::asker;
use crate::frontend::protocol;
use crate::problem::Problem;
use crate::rooms::{
    Entrance, Guest, NoEntry, POST_BYTES_MAX, Posted, Rooms, parse_position, take_stream,
};

/// For the body of a request to come.
const BODY_WITHIN: Duration = Duration::from_secs(10);
/// Between an HTTP/2 stream and a socket, each way.
const PIPE_BYTES: usize = 16 << 10;

const SEC_WEBSOCKET_ACCEPT: HeaderName = header::SEC_WEBSOCKET_ACCEPT;

/// Keyed per process: the control API tells askers apart and learns nobody's address.
static ASKERS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

impl EdgeProxy {
    /// A request to a room.
    pub(super) async fn respond_room(
        &self,
        session: &mut Session,
        context: &mut Context,
        room: &str,
        door: Door,
    ) -> Result<()> {
        let Some(rooms) = &self.rooms else {
            let problem = Problem::new(StatusCode::NOT_FOUND, "there are no rooms on this edge");
            return self.respond_problem(session, context, problem).await;
        };
        let origins = &rooms.settings().origins;
        if !is_own_site(session.req_header(), is_secure(session), origins) {
            return self
                .turn_away(session, context, rooms, "cross_origin", CROSS_ORIGIN)
                .await;
        }
        match door {
            Door::Look => self.respond_look(session, context, rooms, room).await,
            Door::Gifts => self.respond_gifts(session, context, rooms, room).await,
            Door::Guests => self.respond_guest(session, context, rooms).await,
            Door::Messages => self.respond_post(session, context, rooms, room).await,
            Door::Socket => {
                let handshake = match handshake(session.req_header()) {
                    Ok(handshake) => handshake,
                    Err(problem) => {
                        return self.respond_problem(session, context, problem).await;
                    }
                };
                match self.let_in(session, context, rooms, room).await? {
                    Some(guest) => {
                        self.open_socket(session, context, rooms, guest, handshake)
                            .await
                    }
                    None => Ok(()),
                }
            }
            Door::Events => match self.let_in(session, context, rooms, room).await? {
                Some(guest) => self.respond_events(session, context, guest).await,
                None => Ok(()),
            },
        }
    }

    /// Whom the room has a place for and the auth filters let in; everybody else is answered.
    async fn let_in(
        &self,
        session: &mut Session,
        context: &mut Context,
        rooms: &Rooms,
        room: &str,
    ) -> Result<Option<Guest>> {
        let who = self
            .may(session, context, rooms, (Action::Join, room))
            .await?;
        let Some((granted, entrance)) = who else {
            return Ok(None);
        };
        match entrance.admit(&granted) {
            Ok(guest) => Ok(Some(guest)),
            Err(no_entry) => {
                let (reason, problem) = why_not(no_entry);
                self.turn_away(session, context, rooms, reason, problem)
                    .await?;
                Ok(None)
            }
        }
    }

    /// Whom the auth filters let do something in a room that is there; everybody else is answered.
    pub(super) async fn may(
        &self,
        session: &mut Session,
        context: &mut Context,
        rooms: &Rooms,
        (action, room): (Action, &str),
    ) -> Result<Option<(Arc<Granted>, Entrance)>> {
        let request = session.req_header();
        let presented = Credentials::of(request).first().is_some();
        // Before the room is looked for: what is opened for somebody who may not come in is kept a while.
        let granted = match self.ask_auth(request, context, action, room).await {
            Some(AuthAnswer::Granted(granted))
                if granted
                    .stream
                    .as_deref()
                    .is_none_or(|opened| opened == room) =>
            {
                granted
            }
            Some(AuthAnswer::Denied(denial)) => {
                rooms.metrics().refuse("denied");
                let refusal = Refusal {
                    status: status_of(denial.kind, presented),
                    denial,
                };
                self.respond_refusal(session, context, &refusal).await?;
                return Ok(None);
            }
            Some(AuthAnswer::Redirect(to)) => {
                self.respond_redirect(session, context, &to).await?;
                return Ok(None);
            }
            Some(AuthAnswer::Granted(_)) | None => {
                self.turn_away(session, context, rooms, "denied", WRONG_ROOM)
                    .await?;
                return Ok(None);
            }
        };
        match rooms.find(room).await {
            Ok(entrance) => Ok(Some((granted, entrance))),
            Err(no_entry) => {
                let (reason, problem) = why_not(no_entry);
                self.turn_away(session, context, rooms, reason, problem)
                    .await?;
                Ok(None)
            }
        }
    }

    async fn turn_away(
        &self,
        session: &mut Session,
        context: &mut Context,
        rooms: &Rooms,
        reason: &'static str,
        (status, detail): (StatusCode, &'static str),
    ) -> Result<()> {
        rooms.metrics().refuse(reason);
        context.refused = Some(reason);
        let problem = Problem::new(status, detail);
        self.respond_problem(session, context, problem).await
    }

    async fn open_socket(
        &self,
        session: &mut Session,
        context: &mut Context,
        rooms: &Rooms,
        guest: Guest,
        handshake: Handshake,
    ) -> Result<()> {
        let Handshake {
            codec,
            named,
            accept,
        } = handshake;
        let status = match accept {
            Some(_) => StatusCode::SWITCHING_PROTOCOLS,
            None => StatusCode::OK,
        };
        let mut response = ResponseHeader::build_no_case(status, Some(5))?;
        prioritise(&mut response, context)?;
        if let Some(named) = named {
            response.insert_header(header::SEC_WEBSOCKET_PROTOCOL, named)?;
        }
        let Some(accept) = accept else {
            session
                .write_response_header(Box::new(response), false)
                .await?;
            return pump(session, rooms, guest, codec).await;
        };
        response.insert_header(header::UPGRADE, "websocket")?;
        response.insert_header(header::CONNECTION, "Upgrade")?;
        response.insert_header(SEC_WEBSOCKET_ACCEPT, accept)?;
        session
            .write_response_header(Box::new(response), false)
            .await?;
        let stream = take_stream(session)?;
        context.upgraded = true;
        rooms.attend(stream, guest, codec);
        Ok(())
    }

    async fn respond_events(
        &self,
        session: &mut Session,
        context: &Context,
        guest: Guest,
    ) -> Result<()> {
        let request = session.req_header();
        let last = request.headers.get("last-event-id");
        let last = last.and_then(|value| value.to_str().ok());
        let query = request.uri.query().unwrap_or_default();
        let resume = last.or_else(|| parameter(query, "resume"));
        let resume = resume.and_then(parse_position);
        let hold_ms = parameter(query, "hold_ms").and_then(|value| value.parse().ok());
        let mut events = match guest.events(resume, hold_ms.unwrap_or_default()) {
            Ok(events) => events,
            Err(code) => {
                let problem = if code == CloseCode::Unavailable {
                    Problem::new(FULL.0, FULL.1)
                } else {
                    let detail = "the name that was granted cannot be used in a room";
                    Problem::new(StatusCode::FORBIDDEN, detail)
                };
                return self.respond_problem(session, context, problem).await;
            }
        };
        let mut response = ResponseHeader::build_no_case(StatusCode::OK, Some(6))?;
        response.insert_header(header::CONTENT_TYPE, "text/event-stream")?;
        response.insert_header(header::CACHE_CONTROL, "no-store")?;
        // nginx in front would wait for more.
        response.insert_header("x-accel-buffering", "no")?;
        // Each event is of use by itself (RFC 9218 section 4.2).
        response.insert_header("priority", "u=3, i")?;
        if protocol(session.as_downstream()) == "h1" {
            response.insert_header(header::TRANSFER_ENCODING, "chunked")?;
        }
        let sent = self.write_head(session, context, response, false).await?;
        if sent == Sent::Instead {
            return Ok(());
        }
        loop {
            let next = tokio::select! {
                biased;
                next = events.next() => next,
                _ = session.as_downstream_mut().read_body_or_idle(true) => {
                    return Err(Error::explain(ErrorType::ConnectionClosed, "the listener left")
                        .into_down());
                }
            };
            match next {
                Some(bytes) => session.write_response_body(Some(bytes), false).await?,
                None => return session.write_response_body(None, true).await,
            }
        }
    }

    /// Whether there is such a room, and how many are in it.
    async fn respond_look(
        &self,
        session: &mut Session,
        context: &mut Context,
        rooms: &Rooms,
        room: &str,
    ) -> Result<()> {
        let entrance = match rooms.find(room).await {
            Ok(entrance) => entrance,
            Err(no_entry) => {
                let (reason, problem) = why_not(no_entry);
                return self
                    .turn_away(session, context, rooms, reason, problem)
                    .await;
            }
        };
        let connections = entrance.connections();
        let body = serde_json::json!({ "name": room, "connections": connections });
        let body = Bytes::from(body.to_string());
        let mut response = ResponseHeader::build_no_case(StatusCode::OK, Some(4))?;
        response.insert_header(header::CONTENT_TYPE, "application/json")?;
        response.insert_header(header::CACHE_CONTROL, "no-store")?;
        response.insert_header(header::CONTENT_LENGTH, body.len())?;
        self.write_whole(session, context, response, body).await
    }

    async fn respond_post(
        &self,
        session: &mut Session,
        context: &Context,
        rooms: &Rooms,
        room: &str,
    ) -> Result<()> {
        let body = match read_body(session, POST_BYTES_MAX).await? {
            Ok(body) => body,
            Err(problem) => return self.respond_problem(session, context, problem).await,
        };
        let query = session.req_header().uri.query().unwrap_or_default();
        let key = parameter(query, "session").unwrap_or_default().to_owned();
        let (status, detail) = match rooms.post(room, &key, &body).await {
            Posted::Taken => {
                let mut response = ResponseHeader::build_no_case(StatusCode::ACCEPTED, Some(2))?;
                response.insert_header(header::CACHE_CONTROL, "no-store")?;
                response.insert_header(header::CONTENT_LENGTH, 0)?;
                return self.write_bodiless(session, context, response).await;
            }
            Posted::UnknownSession => (
                StatusCode::NOT_FOUND,
                "there is no such session: the event stream has ended",
            ),
            Posted::Malformed => (StatusCode::BAD_REQUEST, "this is no message of the schema"),
        };
        let problem = Problem::new(status, detail);
        self.respond_problem(session, context, problem).await
    }

    async fn respond_guest(
        &self,
        session: &mut Session,
        context: &Context,
        rooms: &Rooms,
    ) -> Result<()> {
        let body = match read_body(session, POST_BYTES_MAX).await? {
            Ok(body) => body,
            Err(problem) => return self.respond_problem(session, context, problem).await,
        };
        let address = session.as_downstream().client_addr();
        let address = address.and_then(|address| address.as_inet());
        let client = address.map_or(0, |address| ASKERS.hash_one(asker(address.ip())));
        let headers = &session.req_header().headers;
        let client = format!("{client:016x}");
        let answer = rooms.control().guest(headers, &client, body).await;
        self.respond_answer(session, context, answer).await
    }
}

fn why_not(no_entry: NoEntry) -> (&'static str, (StatusCode, &'static str)) {
    match no_entry {
        NoEntry::UnknownRoom => ("unknown_room", UNKNOWN_ROOM),
        NoEntry::Unavailable => ("unavailable", UNAVAILABLE),
        NoEntry::Full => ("full", FULL),
        NoEntry::TooManyRooms => ("too_many_rooms", TOO_MANY_ROOMS),
    }
}

pub(super) const CROSS_ORIGIN: (StatusCode, &str) = (
    StatusCode::FORBIDDEN,
    "pages of this site may not connect: rooms.origins lists those that may",
);
const UNKNOWN_ROOM: (StatusCode, &str) = (StatusCode::NOT_FOUND, "there is no such room");
const UNAVAILABLE: (StatusCode, &str) = (
    StatusCode::SERVICE_UNAVAILABLE,
    "the room's hub cannot be reached right now",
);
const FULL: (StatusCode, &str) = (
    StatusCode::SERVICE_UNAVAILABLE,
    "as many are connected here as may be",
);
const TOO_MANY_ROOMS: (StatusCode, &str) = (
    StatusCode::SERVICE_UNAVAILABLE,
    "as many rooms are open here as may be",
);
const WRONG_ROOM: (StatusCode, &str) = (StatusCode::FORBIDDEN, "it opens another room");
const TOO_LARGE: (StatusCode, &str) = (StatusCode::PAYLOAD_TOO_LARGE, "the request is too long");
const TOO_SLOW: (StatusCode, &str) = (
    StatusCode::REQUEST_TIMEOUT,
    "the request did not come to its end in time",
);

fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        (key == name).then_some(value)
    })
}

/// What was sent, unless it is longer than `most` bytes or takes too long.
pub(super) async fn read_body(
    session: &mut Session,
    most: usize,
) -> Result<Result<Bytes, Problem>> {
    let reading = async {
        let mut body = BytesMut::new();
        while let Some(chunk) = session.as_downstream_mut().read_request_body().await? {
            if body.len() + chunk.len() > most {
                return Ok(Err(Problem::new(TOO_LARGE.0, TOO_LARGE.1)));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Ok(body.freeze()))
    };
    // Of the protocols only HTTP/1.1 bounds a read, and none of them the reads together.
    let read = tokio::time::timeout(BODY_WITHIN, reading).await;
    read.unwrap_or_else(|_| Ok(Err(Problem::new(TOO_SLOW.0, TOO_SLOW.1))))
}

/// Carries a socket in an HTTP/2 stream.
async fn pump(session: &mut Session, rooms: &Rooms, guest: Guest, codec: Codec) -> Result<()> {
    let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
    rooms.attend(theirs, guest, codec);
    let (mut from_socket, mut to_socket) = tokio::io::split(ours);
    let mut out = BytesMut::with_capacity(PIPE_BYTES);
    // What the client said and the socket has not taken: it may be waiting for its own words to be read.
    let mut heard = Bytes::new();
    let mut is_open = true;
    loop {
        tokio::select! {
            read = from_socket.read_buf(&mut out) => {
                if read.unwrap_or(0) == 0 {
                    return session.write_response_body(None, true).await;
                }
                let bytes = out.split().freeze();
                session.write_response_body(Some(bytes), false).await?;
            }
            written = to_socket.write(&heard), if !heard.is_empty() => match written {
                Ok(count) => heard.advance(count),
                Err(_) => {
                    heard.clear();
                    is_open = false;
                }
            },
            chunk = session.as_downstream_mut().read_request_body(),
                if is_open && heard.is_empty() =>
            {
                match chunk? {
                    Some(chunk) => heard = chunk,
                    None => {
                        is_open = false;
                        // The socket reads its end, and ends.
                        drop(to_socket.shutdown().await);
                    }
                }
            }
        }
    }
}
