//! An RTMP connection up to the accepted publish, and the header of each message after it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use bytes::{BufMut as _, BytesMut};
use http::Uri;
use rtmp::amf0::{self, Value};
use rtmp::chunk::{ChunkLimits, ChunkReader, Message, message_type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::recording::Tag;

/// Chunks of what is sent. Below the origin's limit, and so long that most messages are one.
pub(super) const CHUNK_BYTES: usize = 65_536;
/// IANA's.
const PORT: u16 = 1935;
const HANDSHAKE_BYTES: usize = 1_536;
/// Until a publish is accepted.
const PATIENCE: Duration = Duration::from_secs(15);
/// Type 0 (5.3.1.2.1).
const HEADER_BYTES: usize = 12;

/// Where publishers connect to.
#[derive(Debug, Clone)]
pub(super) struct Address {
    socket: SocketAddr,
    app: String,
    url: String,
}

impl Address {
    pub(super) async fn resolve(url: &str) -> anyhow::Result<Self> {
        let (host, port, app) = split(url)?;
        let mut found = tokio::net::lookup_host((host.as_str(), port)).await?;
        Ok(Self {
            socket: found.next().with_context(|| format!("no {host}"))?,
            app,
            url: url.to_owned(),
        })
    }
}

/// Host, port and application.
pub(super) fn split(url: &str) -> anyhow::Result<(String, u16, String)> {
    let uri: Uri = url
        .parse()
        .with_context(|| format!("'{url}' is not a URL"))?;
    ensure!(
        uri.scheme_str() == Some("rtmp"),
        "'{url}' is not an rtmp URL"
    );
    let host = uri.host().with_context(|| format!("'{url}' has no host"))?;
    let app = uri.path().trim_matches('/');
    ensure!(!app.is_empty(), "'{url}' names no application, as in /live");
    let host = host.trim_matches(['[', ']']).to_owned();
    Ok((host, uri.port_u16().unwrap_or(PORT), app.to_owned()))
}

/// A connection whose publish was accepted.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) stream: TcpStream,
    reader: ChunkReader,
    message_stream: u32,
}

impl Session {
    /// # Errors
    /// Nobody is there, or says no: in its own words.
    pub(super) async fn open(address: &Address, key: &str) -> anyhow::Result<Self> {
        timeout(PATIENCE, Self::shake_hands(address, key))
            .await
            .context("no answer")?
    }

    async fn shake_hands(address: &Address, key: &str) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(address.socket).await?;
        stream.set_nodelay(true)?;
        let mut first = vec![3];
        first.resize(1 + HANDSHAKE_BYTES, 0);
        stream.write_all(&first).await?;
        let mut answer = vec![0; 1 + 2 * HANDSHAKE_BYTES];
        stream.read_exact(&mut answer).await?;
        let echo = answer.get(1..=HANDSHAKE_BYTES).unwrap_or_default();
        stream.write_all(echo).await?;
        let mut session = Self {
            stream,
            reader: ChunkReader::new(ChunkLimits::UNTRUSTED),
            message_stream: 0,
        };
        session.publish(address, key).await?;
        Ok(session)
    }

    async fn publish(&mut self, address: &Address, key: &str) -> anyhow::Result<()> {
        let text = |text: &str| Value::String(text.to_owned());
        let mut out = BytesMut::new();
        // 5.4.1.
        let size = u32::try_from(CHUNK_BYTES)?.to_be_bytes();
        out.put_slice(&[
            2,
            0,
            0,
            0,
            0,
            0,
            4,
            message_type::SET_CHUNK_SIZE,
            0,
            0,
            0,
            0,
        ]);
        out.put_slice(&size);
        let properties = Value::Object(vec![
            ("app".to_owned(), text(&address.app)),
            ("type".to_owned(), text("nonprivate")),
            ("flashVer".to_owned(), text("FMLE/3.0 (weir-loadtest)")),
            ("tcUrl".to_owned(), text(&address.url)),
        ]);
        command(
            0,
            &[text("connect"), Value::Number(1.0), properties],
            &mut out,
        )?;
        command(
            0,
            &[text("createStream"), Value::Number(2.0), Value::Null],
            &mut out,
        )?;
        self.stream.write_all(&out).await?;
        let created = self.answer_to(2.0).await?;
        let id = created.last().and_then(Value::as_number);
        self.message_stream = id.context("createStream gave no stream")? as u32;
        out.clear();
        let values = [
            text("publish"),
            Value::Number(3.0),
            Value::Null,
            text(key),
            text("live"),
        ];
        command(self.message_stream, &values, &mut out)?;
        self.stream.write_all(&out).await?;
        let (code, description) = self.status().await?;
        ensure!(code == "NetStream.Publish.Start", "{code}: {description}");
        Ok(())
    }

    /// Arguments of the answer to a transaction.
    async fn answer_to(&mut self, transaction: f64) -> anyhow::Result<Vec<Value>> {
        loop {
            let values = self.command().await?;
            let [name, number, ..] = values.as_slice() else {
                continue;
            };
            let ours = number.as_number() == Some(transaction);
            match name.as_str() {
                Some("_result") if ours => return Ok(values),
                Some("_error") => bail!("refused: {values:?}"),
                _ => {}
            }
        }
    }

    /// The next onStatus: its code, and what it says.
    pub(super) async fn status(&mut self) -> anyhow::Result<(String, String)> {
        loop {
            let values = self.command().await?;
            if values.first().and_then(Value::as_str) != Some("onStatus") {
                continue;
            }
            let info = values.last();
            let told = |name| {
                let value = info.and_then(|info| info.property(name));
                value.and_then(Value::as_str).unwrap_or("").to_owned()
            };
            return Ok((told("code"), told("description")));
        }
    }

    /// The next command of the server's.
    async fn command(&mut self) -> anyhow::Result<Vec<Value>> {
        loop {
            let message = self.message().await?;
            if message.type_id == message_type::COMMAND_AMF0 {
                return Ok(amf0::decode_all(&message.payload)?);
            }
        }
    }

    /// Byte by byte, so that nothing read is left over between two calls: the few answers of a session are
    /// short, and a call that is given up loses nothing.
    async fn message(&mut self) -> anyhow::Result<Message> {
        loop {
            let mut byte = [0];
            ensure!(self.stream.read(&mut byte).await? == 1, "closed");
            if let Some(message) = self.reader.read(&mut &byte[..])? {
                return Ok(message);
            }
        }
    }

    /// Appends a message of the recording, as of now.
    pub(super) fn encode(&self, tag: &Tag, at_ms: u32, out: &mut BytesMut) {
        out.reserve(HEADER_BYTES + tag.chunks.len());
        out.put_u8(chunk_stream(tag.kind));
        out.put_uint(u64::from(at_ms), 3);
        out.put_uint(tag.bytes as u64, 3);
        out.put_u8(tag.kind);
        out.put_u32_le(self.message_stream);
        out.put_slice(&tag.chunks);
    }
}

/// Each kind of message has its own, as its type 3 headers go on with the header before them.
pub(super) fn chunk_stream(kind: u8) -> u8 {
    match kind {
        message_type::AUDIO => 4,
        message_type::VIDEO => 6,
        _ => 5,
    }
}

fn command(message_stream: u32, values: &[Value], out: &mut BytesMut) -> anyhow::Result<()> {
    let mut payload = BytesMut::new();
    for value in values {
        amf0::encode(value, &mut payload);
    }
    // Set Chunk Size was sent before it.
    ensure!(
        payload.len() <= CHUNK_BYTES,
        "a command of {} bytes",
        payload.len()
    );
    out.put_u8(3);
    out.put_uint(0, 3);
    out.put_uint(payload.len() as u64, 3);
    out.put_u8(message_type::COMMAND_AMF0);
    out.put_u32_le(message_stream);
    out.put_slice(&payload);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_rtmp_url_has_an_application() {
        let whole = split("rtmp://127.0.0.1:1936/live").unwrap();
        assert_eq!(whole, ("127.0.0.1".to_owned(), 1936, "live".to_owned()));
        assert_eq!(split("rtmp://[::1]/live/").unwrap().1, 1935);
        for bad in ["http://127.0.0.1/live", "rtmp://127.0.0.1", "rtmp:///live"] {
            assert!(split(bad).is_err(), "{bad}");
        }
    }
}
