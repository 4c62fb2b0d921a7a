//! A small stand-in for Weir: one room, one hub and one edge in this process, plain WebSocket. It can
//! be told to break its word, once.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use rooms::schema::{
    Body, ClientMessage, EventFrame, Gap, Lane, Message, Moderation, Position, Publish, Roles,
    ServerMessage, User, View,
};
use rooms::{Codec, Config, EdgeOutput, EdgeRoom, Hub, HubOutput, Next, Reader, Saved};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What to do to one frame with CONTROL in it, on one listener's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// The frame does not come.
    LoseFrame,
    /// Its CONTROL is missing, and it does not say so.
    LoseControl,
    /// Its CONTROL is missing, and it says that messages were dropped.
    ThinOutControl,
    /// A gap is told in its place.
    GapOverControl,
    /// It comes twice.
    Double,
    /// It comes after the next one.
    Swap,
    /// It is cut in two, and the halves come in the wrong order.
    SwapHalves,
    /// Positions of who comes back are of another life. Of all connections.
    ForgetPositions,
}

pub(crate) struct StandIn {
    pub(crate) url: String,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for StandIn {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

struct Shared {
    room: Mutex<Room>,
    changed: watch::Sender<u64>,
    fault: Fault,
    is_done: AtomicBool,
    connections: AtomicU64,
}

struct Room {
    hub: Hub,
    edge: EdgeRoom,
    directs: HashMap<u64, Vec<ServerMessage>>,
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_millis().try_into().unwrap()
}

impl StandIn {
    pub(crate) async fn start(fault: Fault) -> Self {
        let config = Config {
            tick_ms: 20,
            state_tick_ms: 100,
            lag_bytes_max: 4 * 1024,
            ..Config::default()
        };
        let now = now_ms();
        let room = Room {
            hub: Hub::new(&config, now, Saved::default(), now, 1).unwrap(),
            edge: EdgeRoom::new(&config, "edge".to_owned(), now, now, 1).unwrap(),
            directs: HashMap::new(),
        };
        let shared = Arc::new(Shared {
            room: Mutex::new(room),
            changed: watch::Sender::new(0),
            fault,
            is_done: AtomicBool::new(false),
            connections: AtomicU64::new(1),
        });
        let socket = TcpSocket::new_v4().unwrap();
        // So that slow readers are felt soon.
        socket.set_send_buffer_size(4_096).unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let listener = socket.listen(1_024).unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let ticking = tokio::spawn(tick(Arc::clone(&shared)));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(Arc::clone(&shared), stream));
            }
        });
        Self {
            url,
            tasks: vec![ticking, accepting],
        }
    }
}

async fn tick(shared: Arc<Shared>) {
    loop {
        {
            let mut room = shared.room.lock();
            let now = now_ms();
            room.hub.tick(now);
            room.edge.tick(now);
            room.pump(now);
        }
        shared.changed.send_modify(|version| *version += 1);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

impl Room {
    fn pump(&mut self, now: u64) {
        loop {
            let (from_edge, from_hub) = (self.edge.poll_output(), self.hub.poll_output());
            if from_edge.is_none() && from_hub.is_none() {
                return;
            }
            match from_edge {
                Some(EdgeOutput::ToHub(message)) => self.hub.handle(now, message),
                Some(EdgeOutput::Direct {
                    connection,
                    message,
                }) => self.directs.entry(connection).or_default().push(message),
                _ => {}
            }
            if let Some(HubOutput::All(message) | HubOutput::One { message, .. }) = from_hub {
                self.edge.handle(now, message);
            }
        }
    }

    fn hear(&mut self, connection: u64, user: &User, message: ClientMessage) {
        let (client_id, body) = match message {
            ClientMessage::Publish {
                client_id,
                kind,
                text,
                ..
            } => {
                let message = Message {
                    id: format!("edge-{client_id}"),
                    author: user.clone(),
                    kind,
                    text,
                    ..Message::default()
                };
                (client_id, Body::Message(message))
            }
            ClientMessage::Act {
                client_id,
                reason,
                act,
            } => {
                let actor = user.id.clone();
                let moderation = Moderation { actor, reason, act };
                (client_id, Body::Moderation(moderation))
            }
            _ => return,
        };
        let publish = Publish {
            author: user.id.clone(),
            client_id,
            media_ms: None,
            body,
        };
        self.edge.publish(now_ms(), connection, publish);
        self.pump(now_ms());
    }
}

/// A connection ends with an error when its client goes.
async fn serve(shared: Arc<Shared>, mut stream: TcpStream) {
    let connection = shared.connections.fetch_add(1, Ordering::Relaxed);
    let _ = converse(&shared, connection, &mut stream).await;
    let mut room = shared.room.lock();
    room.edge.leave(now_ms(), connection);
    room.directs.remove(&connection);
}

async fn converse(shared: &Shared, connection: u64, stream: &mut TcpStream) -> std::io::Result<()> {
    let mut input = Vec::new();
    let head = loop {
        if let Some(end) = input.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let rest = input.split_off(end + 4);
            break String::from_utf8(std::mem::replace(&mut input, rest)).unwrap();
        }
        read_more(stream, &mut input).await?;
    };
    assert!(head.starts_with("GET /api/rooms/demo/socket HTTP/1.1\r\n"));
    // The crowd's key is always the RFC's example.
    let answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                  Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    stream.write_all(answer.as_bytes()).await?;
    let codec = if head.contains("weir.room.v1.binary") {
        Codec::Binary
    } else {
        Codec::Json
    };
    let token = head
        .lines()
        .find_map(|line| line.strip_prefix("Authorization: Bearer "));
    let user = user(token, connection);
    let mut resume = loop {
        if let Some(payload) = take_frame(&mut input) {
            match codec.decode_client(&payload).unwrap() {
                ClientMessage::Hello { resume, .. } => break resume,
                other => panic!("first came {other:?}"),
            }
        }
        read_more(stream, &mut input).await?;
    };
    if shared.fault == Fault::ForgetPositions {
        resume = resume.map(|at| Position {
            epoch: at.epoch - 1,
            ..at
        });
    }
    {
        let mut room = shared.room.lock();
        room.edge.join(now_ms(), connection, &user).unwrap();
        room.pump(now_ms());
    }
    let view = match token {
        Some("moderator") => View::Moderator,
        _ => View::Public,
    };
    let reader = Reader::new(codec, view, Some(user.id.clone()), resume);
    let sabotage = Sabotage {
        codec,
        fault: shared.fault,
        is_mine: token.is_none(),
        held: None,
    };
    let mut seat = Seat {
        shared,
        connection,
        user,
        codec,
        reader,
        sabotage,
    };
    seat.run(stream, &mut input).await
}

fn user(token: Option<&str>, connection: u64) -> User {
    let name = token.map_or_else(|| format!("anonymous-{connection}"), str::to_owned);
    let roles = match token {
        Some("moderator") => Roles::MODERATOR,
        _ => Roles::NONE,
    };
    User {
        id: format!("user-{name}"),
        name,
        roles,
        level: 0,
    }
}

struct Seat<'a> {
    shared: &'a Shared,
    connection: u64,
    user: User,
    codec: Codec,
    reader: Reader,
    sabotage: Sabotage,
}

impl Seat<'_> {
    async fn run(&mut self, stream: &mut TcpStream, input: &mut Vec<u8>) -> std::io::Result<()> {
        let mut changed = self.shared.changed.subscribe();
        loop {
            while let Some((bytes, is_last)) = self.next() {
                for bytes in self.sabotage.apply(bytes.to_vec(), &self.shared.is_done) {
                    write_frame(stream, self.codec, &bytes).await?;
                }
                if is_last {
                    return Ok(());
                }
            }
            tokio::select! {
                changed = changed.changed() => changed.unwrap(),
                read = stream.read_buf(input) => {
                    if read? == 0 {
                        return Ok(());
                    }
                    while let Some(payload) = take_frame(input) {
                        let message = self.codec.decode_client(&payload).unwrap();
                        self.shared.room.lock().hear(self.connection, &self.user, message);
                    }
                }
            }
        }
    }

    fn next(&mut self) -> Option<(bytes::Bytes, bool)> {
        let mut room = self.shared.room.lock();
        let directs = room.directs.remove(&self.connection).unwrap_or_default();
        let timeline = room.edge.timeline();
        for message in &directs {
            // What is too much closes the connection with the next poll.
            let _ = self.reader.push_direct(timeline, message);
        }
        match self.reader.poll(timeline, now_ms())? {
            Next::Send(bytes) => Some((bytes, false)),
            Next::Close(_, bytes) => Some((bytes, true)),
        }
    }
}

/// Breaks one frame of one listener.
struct Sabotage {
    codec: Codec,
    fault: Fault,
    is_mine: bool,
    held: Option<Vec<u8>>,
}

impl Sabotage {
    fn apply(&mut self, bytes: Vec<u8>, is_done: &AtomicBool) -> Vec<Vec<u8>> {
        let Ok(ServerMessage::Events(frame)) = self.codec.decode_server(&bytes) else {
            return vec![bytes];
        };
        if let Some(held) = self.held.take() {
            return vec![bytes, held];
        }
        let control = |frame: &EventFrame| {
            let lanes = frame.events.iter().map(|event| event.body.lane());
            lanes.filter(|lane| *lane == Lane::Control).count()
        };
        // One of each: so that what is to be reported is one.
        let is_fit = frame.events.len() == 2 && control(&frame) == 1;
        let is_unwanted = matches!(self.fault, Fault::None | Fault::ForgetPositions);
        if is_unwanted || !self.is_mine || !is_fit || is_done.swap(true, Ordering::Relaxed) {
            return vec![bytes];
        }
        let without = |dropped| {
            let mut thin = frame.clone();
            thin.events.retain(|event| event.body.lane() == Lane::Chat);
            EventFrame { dropped, ..thin }
        };
        let gap = Gap {
            from: frame.first,
            to: frame.last,
            messages: Some(1),
        };
        let encode = |message| self.codec.encode(&message).to_vec();
        match self.fault {
            Fault::LoseFrame => vec![],
            Fault::LoseControl => vec![encode(ServerMessage::Events(without(0)))],
            Fault::ThinOutControl => vec![encode(ServerMessage::Events(without(1)))],
            Fault::GapOverControl => vec![encode(ServerMessage::Gap(gap))],
            Fault::Double => vec![bytes.clone(), bytes],
            Fault::Swap => {
                self.held = Some(bytes);
                vec![]
            }
            Fault::SwapHalves => {
                let mut early = frame.clone();
                early.last = frame.first;
                early.events.truncate(1);
                let late = frame.after(frame.first).unwrap();
                vec![
                    encode(ServerMessage::Events(late)),
                    encode(ServerMessage::Events(early)),
                ]
            }
            Fault::None | Fault::ForgetPositions => vec![bytes],
        }
    }
}

async fn read_more(stream: &mut TcpStream, input: &mut Vec<u8>) -> std::io::Result<()> {
    match stream.read_buf(input).await? {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// A client's frame: masked, and never of more than 64 KiB.
fn take_frame(input: &mut Vec<u8>) -> Option<Vec<u8>> {
    let short = usize::from(*input.get(1)? & 0x7F);
    let (head, length) = match short {
        126 => (
            4,
            usize::from(u16::from_be_bytes([*input.get(2)?, *input.get(3)?])),
        ),
        127 => panic!("a long frame"),
        _ => (2, short),
    };
    if input.len() < head + 4 + length {
        return None;
    }
    let frame: Vec<u8> = input.drain(..head + 4 + length).collect();
    assert!(frame[1] & 0x80 != 0, "a client masks");
    let mask = &frame[head..head + 4];
    let masked = frame[head + 4..].iter().zip(mask.iter().cycle());
    Some(masked.map(|(byte, mask)| byte ^ mask).collect())
}

async fn write_frame(stream: &mut TcpStream, codec: Codec, bytes: &[u8]) -> std::io::Result<()> {
    let mut frame = vec![match codec {
        Codec::Json => 0x81,
        Codec::Binary => 0x82,
    }];
    match bytes.len() {
        0..126 => frame.push(bytes.len().try_into().unwrap()),
        126..=0xFFFF => {
            frame.push(126);
            frame.extend_from_slice(&u16::try_from(bytes.len()).unwrap().to_be_bytes());
        }
        _ => {
            frame.push(127);
            frame.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(bytes);
    stream.write_all(&frame).await
}
