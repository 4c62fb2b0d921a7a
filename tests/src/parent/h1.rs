//! The parent over HTTP/1.1, written to the socket by hand: hyper would refuse to break rules.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::script::Before;
use super::{Cut, Exchange, Reply, State, Step};

/// The longest request head that a test's edge may send.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Serves requests until the other side leaves or a script ends the connection.
pub(super) async fn serve(
    first: Vec<u8>,
    mut stream: TcpStream,
    state: Arc<State>,
) -> io::Result<()> {
    let mut buffer = first;
    while let Some(head) = read_head(&mut stream, &mut buffer).await? {
        let target = head.split(' ').nth(1).unwrap_or("/").to_owned();
        let reply = state.reply(&target);
        let exchange = state.begin(&target, head);
        let mut connection = Connection {
            stream: &mut stream,
            early: &mut buffer,
        };
        if !connection.answer(&reply, exchange).await? {
            return Ok(());
        }
    }
    Ok(())
}

async fn read_head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<String>> {
    loop {
        if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            let rest = buffer.split_off(end + 4);
            let head = std::mem::replace(buffer, rest);
            return Ok(Some(String::from_utf8_lossy(&head).into_owned()));
        }
        if buffer.len() > HEAD_BYTES_MAX || stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

struct Connection<'a> {
    stream: &'a mut TcpStream,
    /// What came in while an answer was going out.
    early: &'a mut Vec<u8>,
}

impl Connection<'_> {
    /// Plays the reply. Answers whether the connection can take another request.
    async fn answer(&mut self, reply: &Reply, exchange: Exchange) -> io::Result<bool> {
        match &reply.before {
            Before::Nothing => {}
            Before::Wait(gate) => self.while_connected(gate.passed()).await?,
            Before::Pause(delay) => self.pause(*delay).await?,
            Before::Silence => self.while_connected(std::future::pending()).await?,
            Before::HangUp => {
                exchange.finish();
                return Ok(false);
            }
        }
        self.stream.write_all(head(reply).as_bytes()).await?;
        for step in &reply.steps {
            match step {
                Step::Send(data) if reply.length.is_some() => self.stream.write_all(data).await?,
                Step::Send(data) if data.is_empty() => {}
                Step::Send(data) => {
                    let size = format!("{:x}\r\n", data.len());
                    self.stream.write_all(size.as_bytes()).await?;
                    self.stream.write_all(data).await?;
                    self.stream.write_all(b"\r\n").await?;
                }
                Step::Wait(gate) => self.while_connected(gate.passed()).await?,
                Step::Pause(delay) => self.pause(*delay).await?,
                Step::Cut(cut) => {
                    if *cut == Cut::Reset {
                        // Closing then sends RST and drops what is still unsent.
                        self.stream.set_zero_linger()?;
                    }
                    exchange.finish();
                    return Ok(false);
                }
            }
        }
        if reply.length.is_none() {
            self.stream.write_all(b"0\r\n\r\n").await?;
        }
        exchange.finish();
        Ok(true)
    }

    async fn pause(&mut self, delay: Duration) -> io::Result<()> {
        self.while_connected(tokio::time::sleep(delay)).await
    }

    /// Waits for `event`, unless the other side leaves first.
    async fn while_connected(&mut self, event: impl Future<Output = ()>) -> io::Result<()> {
        tokio::pin!(event);
        loop {
            tokio::select! {
                () = &mut event => return Ok(()),
                read = self.stream.read_buf(self.early) => {
                    if read? == 0 {
                        return Err(io::ErrorKind::ConnectionAborted.into());
                    }
                }
            }
        }
    }
}

fn head(reply: &Reply) -> String {
    let mut head = format!("HTTP/1.1 {} Scripted\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&match reply.length {
        Some(length) => format!("Content-Length: {length}\r\n\r\n"),
        None => String::from("Transfer-Encoding: chunked\r\n\r\n"),
    });
    head
}
