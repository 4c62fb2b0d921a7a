//! Echoes WebSocket messages over the code that rooms use, for the Autobahn test suite
//! (`scripts/autobahn.sh`).
//!
//!     cargo run --release -p edge --example websocket_echo -- 127.0.0.1:9001

use anyhow::Context as _;
use edge::rooms::frame;
use edge::rooms::wire::{Heard, Wire};
use tokio::net::{TcpListener, TcpStream};

/// The suite's longest message.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let address = std::env::args().nth(1).context("say where to listen")?;
    let listener = TcpListener::bind(&address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(echo(stream));
    }
}

async fn echo(stream: TcpStream) {
    // Who comes without a handshake, as the suite does to see whether somebody listens, is left alone.
    let Ok(socket) = tokio_tungstenite::accept_async(stream).await else {
        return;
    };
    let mut wire = Wire::new(socket.into_inner(), MESSAGE_BYTES_MAX).await;
    loop {
        let (opcode, message) = match wire.next().await {
            Heard::Text(text) => (frame::TEXT, text),
            Heard::Binary(bytes) => (frame::BINARY, bytes),
            Heard::Sign => continue,
            Heard::Violation(code, reason) => {
                wire.close(code, reason).await;
                break;
            }
            Heard::Gone => break,
        };
        let mut out = Vec::with_capacity(message.len() + 10);
        frame::append(&mut out, opcode, &message);
        if wire.write(&out).await.is_err() {
            break;
        }
    }
    wire.end().await;
}
