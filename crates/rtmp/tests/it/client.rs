//! A client's encoder, written apart from the code under test: chunks with any legal header,
//! interleaved as the caller likes.
#![allow(
    clippy::allow_attributes,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "shared by tests, the benchmark and the origin's tests, none of which use all of it; \
              a test fails by panicking"
)]

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use rtmp::amf0::{Value, encode};
use rtmp::chunk::{Message, message_type};

/// Version byte, C1, C2. The server sends 3073 bytes in answer.
pub fn handshake() -> Vec<u8> {
    let mut bytes = vec![0; 1 + 2 * 1536];
    bytes[0] = 3;
    bytes
}

pub const HANDSHAKE_ANSWER_BYTES: usize = 1 + 2 * 1536;

/// Sends messages on several chunk streams, one chunk at a time.
pub struct Mux {
    pub chunk_bytes: usize,
    /// Whether type 3 chunks repeat the extended timestamp, as the specification has it.
    pub repeats_extended: bool,
    streams: BTreeMap<u32, Stream>,
}

#[derive(Default)]
struct Stream {
    previous: Option<Previous>,
    sending: Option<(Message, usize)>,
}

struct Previous {
    timestamp: u32,
    delta: u32,
    length: usize,
    type_id: u8,
    stream_id: u32,
    extended: Option<u32>,
}

impl Mux {
    pub fn new() -> Self {
        Self {
            chunk_bytes: 128,
            repeats_extended: true,
            streams: BTreeMap::new(),
        }
    }

    pub fn busy(&self, chunk_stream: u32) -> bool {
        self.streams
            .get(&chunk_stream)
            .is_some_and(|stream| stream.sending.is_some())
    }

    /// Sends the first chunk of a message with a header of type `format`, or of the highest type
    /// below that the message allows. Gives the message back when that chunk was also its last.
    pub fn begin(&mut self, message: Message, format: u8, out: &mut Vec<u8>) -> Option<Message> {
        let stream = self.streams.entry(message.chunk_stream).or_default();
        assert!(stream.sending.is_none());
        let length = message.payload.len();
        let mut delta = message.timestamp;
        let mut allowed = 0;
        if let Some(previous) = &stream.previous
            && previous.stream_id == message.stream_id
        {
            let difference = message.timestamp.wrapping_sub(previous.timestamp);
            allowed = 1;
            if (previous.length, previous.type_id) == (length, message.type_id) {
                allowed = if previous.delta == difference { 3 } else { 2 };
            }
            if allowed.min(format) > 0 {
                delta = difference;
            }
        }
        let format = allowed.min(format);
        let extended = if format == 3 {
            stream
                .previous
                .as_ref()
                .and_then(|previous| previous.extended)
        } else {
            (delta >= 0x00FF_FFFF).then_some(delta)
        };
        basic_header(format, message.chunk_stream, out);
        let time = delta.min(0x00FF_FFFF).to_be_bytes();
        if format < 3 {
            out.extend_from_slice(&time[1..]);
        }
        if format < 2 {
            out.extend_from_slice(&(length as u32).to_be_bytes()[1..]);
            out.push(message.type_id);
        }
        if format < 1 {
            out.extend_from_slice(&message.stream_id.to_le_bytes());
        }
        if let Some(extended) = extended {
            out.extend_from_slice(&extended.to_be_bytes());
        }
        stream.previous = Some(Previous {
            timestamp: message.timestamp,
            delta,
            length,
            type_id: message.type_id,
            stream_id: message.stream_id,
            extended,
        });
        let id = message.chunk_stream;
        stream.sending = Some((message, 0));
        self.payload(id, out)
    }

    /// Sends the next chunk of the message under way on that chunk stream.
    pub fn go_on(&mut self, chunk_stream: u32, out: &mut Vec<u8>) -> Option<Message> {
        basic_header(3, chunk_stream, out);
        let extended = self.streams[&chunk_stream]
            .previous
            .as_ref()
            .unwrap()
            .extended;
        if let Some(extended) = extended.filter(|_| self.repeats_extended) {
            out.extend_from_slice(&extended.to_be_bytes());
        }
        self.payload(chunk_stream, out)
    }

    /// Sends a whole message.
    pub fn send(&mut self, message: Message, out: &mut Vec<u8>) {
        let id = message.chunk_stream;
        let mut done = self.begin(message, 3, out);
        while done.is_none() {
            done = self.go_on(id, out);
        }
    }

    /// Announces and uses another chunk size.
    pub fn set_chunk_bytes(&mut self, chunk_bytes: u32, out: &mut Vec<u8>) {
        let size = chunk_bytes.to_be_bytes();
        self.send(message(2, message_type::SET_CHUNK_SIZE, 0, 0, &size), out);
        self.chunk_bytes = chunk_bytes as usize;
    }

    /// Sends a command with AMF0 values.
    pub fn command(&mut self, stream_id: u32, values: &[Value], out: &mut Vec<u8>) {
        let payload = amf(values);
        self.send(
            message(3, message_type::COMMAND_AMF0, stream_id, 0, &payload),
            out,
        );
    }

    fn payload(&mut self, chunk_stream: u32, out: &mut Vec<u8>) -> Option<Message> {
        let stream = self.streams.get_mut(&chunk_stream).unwrap();
        let (message, sent) = stream.sending.as_mut().unwrap();
        let end = message.payload.len().min(*sent + self.chunk_bytes);
        out.extend_from_slice(&message.payload[*sent..end]);
        *sent = end;
        if end < message.payload.len() {
            return None;
        }
        stream.sending.take().map(|(message, _)| message)
    }
}

fn basic_header(format: u8, chunk_stream: u32, out: &mut Vec<u8>) {
    match chunk_stream {
        2..=63 => out.push(format << 6 | chunk_stream as u8),
        64..=319 => out.extend_from_slice(&[format << 6, (chunk_stream - 64) as u8]),
        _ => {
            let id = chunk_stream - 64;
            out.extend_from_slice(&[format << 6 | 1, id as u8, (id >> 8) as u8]);
        }
    }
}

pub fn message(
    chunk_stream: u32,
    type_id: u8,
    stream_id: u32,
    timestamp: u32,
    payload: &[u8],
) -> Message {
    Message {
        chunk_stream,
        timestamp,
        type_id,
        stream_id,
        payload: Bytes::copy_from_slice(payload),
    }
}

pub fn amf(values: &[Value]) -> BytesMut {
    let mut out = BytesMut::new();
    for value in values {
        encode(value, &mut out);
    }
    out
}

pub fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

pub fn number(number: u32) -> Value {
    Value::Number(f64::from(number))
}

pub fn object(properties: &[(&str, Value)]) -> Value {
    let own = |(name, value): &(&str, Value)| ((*name).to_owned(), value.clone());
    Value::Object(properties.iter().map(own).collect())
}

/// `connect` to `app` as publishers write it.
pub fn connect(mux: &mut Mux, app: &str, out: &mut Vec<u8>) {
    let properties = object(&[
        ("app", text(app)),
        ("type", text("nonprivate")),
        ("flashVer", text("FMLE/3.0 (compatible; Lavf59.27.100)")),
        ("tcUrl", text("rtmp://127.0.0.1:1935/live")),
    ]);
    mux.command(0, &[text("connect"), number(1), properties], out);
}

/// From C0 to `publish`, in the order and with the extras of ffmpeg and OBS.
pub fn publish(mux: &mut Mux, app: &str, key: &str) -> Vec<u8> {
    let mut out = handshake();
    connect(mux, app, &mut out);
    for (name, transaction) in [("releaseStream", 2), ("FCPublish", 3)] {
        let values = [text(name), number(transaction), Value::Null, text(key)];
        mux.command(0, &values, &mut out);
    }
    mux.command(0, &[text("createStream"), number(4), Value::Null], &mut out);
    mux.command(0, &[text("_checkbw"), number(5), Value::Null], &mut out);
    let values = [
        text("publish"),
        number(6),
        Value::Null,
        text(key),
        text("live"),
    ];
    mux.command(1, &values, &mut out);
    out
}
