//! An HTTP/3 client without manners: it sends the bytes it is told to.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quinn::VarInt;
use transport::tls::{ALPN_H3, client_config};

/// `:status: 431`: the name from the static table, the value in Huffman's code.
const STATUS_431: &[u8] = &[0, 0, 0x5f, 0x09, 0x83, 0x69, 0x90, 0xff];

/// How a response ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Status and body, then a FIN.
    Body(u16, Vec<u8>),
    /// A RESET_STREAM with this code.
    Reset(u64),
}

pub(crate) struct Client {
    _endpoint: quinn::Endpoint,
    connection: quinn::Connection,
    control: tokio::sync::Mutex<quinn::SendStream>,
}

pub(crate) struct RawStream {
    send: quinn::SendStream,
    recv: quinn::RecvStream,
}

impl Client {
    pub(crate) async fn connect(server: SocketAddr, authority: &Path) -> Self {
        let tls = client_config(&[ALPN_H3], Some(authority)).unwrap();
        let tls = quinn::crypto::rustls::QuicClientConfig::try_from(tls).unwrap();
        let mut endpoint = quinn::Endpoint::client("[::]:0".parse().unwrap()).unwrap();
        endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(tls)));
        let connection = endpoint
            .connect(server, "localhost")
            .unwrap()
            .await
            .unwrap();
        let mut control = connection.open_uni().await.unwrap();
        // The control stream, with empty SETTINGS.
        control.write_all(&[0x00, 0x04, 0x00]).await.unwrap();
        Self {
            _endpoint: endpoint,
            connection,
            control: tokio::sync::Mutex::new(control),
        }
    }

    pub(crate) async fn open(&self) -> RawStream {
        let (send, recv) = self.connection.open_bi().await.unwrap();
        RawStream { send, recv }
    }

    pub(crate) async fn send_control(&self, bytes: &[u8]) {
        self.control.lock().await.write_all(bytes).await.unwrap();
    }

    pub(crate) async fn closed(&self) -> quinn::ConnectionError {
        self.connection.closed().await
    }

    pub(crate) fn close(&self) {
        self.connection.close(VarInt::from_u32(0x100), b"");
    }

    /// Reads the server's control stream up to a GOAWAY, and returns its identifier.
    pub(crate) async fn goaway(&self) -> u64 {
        loop {
            let mut stream = self.connection.accept_uni().await.unwrap();
            if integer(&mut stream).await != 0 {
                continue;
            }
            loop {
                let (kind, length) = (integer(&mut stream).await, integer(&mut stream).await);
                if kind == 0x07 {
                    return integer(&mut stream).await;
                }
                let mut payload = vec![0; usize::try_from(length).unwrap()];
                stream.read_exact(&mut payload).await.unwrap();
            }
        }
    }
}

impl RawStream {
    pub(crate) async fn send(&mut self, bytes: &[u8], end: bool) {
        self.try_send(bytes).await.unwrap();
        if end {
            self.send.finish().unwrap();
        }
    }

    pub(crate) async fn try_send(&mut self, bytes: &[u8]) -> Result<(), quinn::WriteError> {
        self.send.write_all(bytes).await
    }

    pub(crate) fn stop(&mut self, code: u32) {
        self.recv.stop(VarInt::from_u32(code)).unwrap();
    }

    /// Reads to the end.
    pub(crate) async fn outcome(&mut self) -> Outcome {
        let read = tokio::time::timeout(Duration::from_secs(10), self.recv.read_to_end(64 << 20));
        match read.await.expect("no end within 10 s") {
            Ok(bytes) => parse(&bytes),
            Err(quinn::ReadToEndError::Read(quinn::ReadError::Reset(code))) => {
                Outcome::Reset(code.into_inner())
            }
            Err(e) => panic!("{e}"),
        }
    }
}

pub(crate) fn request_fields(path: &'static str) -> [(&'static str, &'static str); 4] {
    [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", path),
    ]
}

pub(crate) fn request(path: &'static str) -> Vec<u8> {
    headers(&request_fields(path))
}

pub(crate) fn headers(fields: &[(&str, &str)]) -> Vec<u8> {
    frame(0x01, &field_section(fields))
}

/// A frame (RFC 9114 section 7.1).
pub(crate) fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap() | 0x8000_0000;
    [&[kind][..], &length.to_be_bytes(), payload].concat()
}

/// Literal fields with literal names, no Huffman (RFC 9204 section 4.5.6).
pub(crate) fn field_section(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut section = vec![0, 0];
    for (name, value) in fields {
        prefixed(&mut section, 0x20, 3, name.len());
        section.extend_from_slice(name.as_bytes());
        prefixed(&mut section, 0, 7, value.len());
        section.extend_from_slice(value.as_bytes());
    }
    section
}

/// An integer behind a prefix (RFC 7541 section 5.1).
fn prefixed(out: &mut Vec<u8>, flags: u8, bits: u32, value: usize) {
    let max = (1 << bits) - 1;
    if value < max {
        out.push(flags | u8::try_from(value).unwrap());
        return;
    }
    out.push(flags | u8::try_from(max).unwrap());
    let mut rest = value - max;
    while rest >= 0x80 {
        out.push(0x80 | u8::try_from(rest % 0x80).unwrap());
        rest /= 0x80;
    }
    out.push(u8::try_from(rest).unwrap());
}

async fn integer(stream: &mut quinn::RecvStream) -> u64 {
    let mut first = [0];
    stream.read_exact(&mut first).await.unwrap();
    let mut value = u64::from(first[0] & 0x3f);
    let mut rest = vec![0; (1 << (first[0] >> 6)) - 1];
    stream.read_exact(&mut rest).await.unwrap();
    for byte in rest {
        value = value << 8 | u64::from(byte);
    }
    value
}

/// Status and body of a whole response.
fn parse(mut bytes: &[u8]) -> Outcome {
    let (mut status, mut body) = (0, Vec::new());
    while !bytes.is_empty() {
        let kind = var_int(&mut bytes);
        let length = usize::try_from(var_int(&mut bytes)).unwrap();
        let (payload, rest) = bytes.split_at(length);
        bytes = rest;
        match kind {
            0x00 => body.extend_from_slice(payload),
            0x01 => status = status_of(payload),
            _ => {}
        }
    }
    Outcome::Body(status, body)
}

fn status_of(section: &[u8]) -> u16 {
    match section {
        // Entry 25 of the static table (RFC 9204 appendix A).
        [0, 0, 0xd9] => 200,
        STATUS_431 => 431,
        other => panic!("a status this client does not know: {other:x?}"),
    }
}

fn var_int(bytes: &mut &[u8]) -> u64 {
    let (first, rest) = bytes.split_first().unwrap();
    let more = (1 << (first >> 6)) - 1;
    let (tail, after) = rest.split_at(more);
    *bytes = after;
    tail.iter().fold(u64::from(first & 0x3f), |value, byte| {
        value << 8 | u64::from(*byte)
    })
}
