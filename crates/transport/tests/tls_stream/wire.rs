//! A client and a wire that move only when they are told to: no runtime, no task, no time.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read, Write};
use std::pin::{Pin, pin};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use transport::tls::{ALPN_H2, ALPN_HTTP1, Identity};

pub(crate) static VERSIONS: [&SupportedProtocolVersion; 2] =
    [&rustls::version::TLS12, &rustls::version::TLS13];

static IDENTITY: LazyLock<(Identity, CertificateDer<'static>)> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let identity = Identity::self_signed(dir.path(), &[]).unwrap();
    let authority = CertificateDer::from_pem_file(identity.authority_path().unwrap()).unwrap();
    (identity, authority)
});

pub(crate) fn server_config() -> Arc<ServerConfig> {
    IDENTITY.0.server_config(&[ALPN_HTTP1]).unwrap()
}

pub(crate) fn client_config(version: &'static SupportedProtocolVersion) -> ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(IDENTITY.1.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN_H2.to_vec(), ALPN_HTTP1.to_vec()];
    config
}

/// The server's end of a wire, and what is on it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wire(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
pub(crate) struct Lines {
    pub(crate) to_server: VecDeque<u8>,
    pub(crate) to_client: VecDeque<u8>,
    /// How many bytes the wire still takes from the server; no limit if none.
    pub(crate) room: Option<usize>,
    /// The client's end forgets what arrives.
    pub(crate) is_deaf: bool,
    /// The client's end is closed.
    pub(crate) is_closed: bool,
}

impl Wire {
    pub(crate) fn lines<R>(&self, look: impl FnOnce(&mut Lines) -> R) -> R {
        look(&mut self.0.lock())
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.lines(|lines| {
            if lines.to_server.is_empty() {
                return match lines.is_closed {
                    true => Poll::Ready(Ok(())),
                    false => Poll::Pending,
                };
            }
            let count = lines.to_server.read(buf.initialize_unfilled()).unwrap();
            buf.advance(count);
            Poll::Ready(Ok(()))
        })
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.lines(|lines| {
            let mut written = 0;
            for slice in slices {
                let count = slice.len().min(lines.room.unwrap_or(usize::MAX));
                if let Some(room) = &mut lines.room {
                    *room -= count;
                }
                if !lines.is_deaf {
                    lines.to_client.extend(&slice[..count]);
                }
                written += count;
            }
            match written {
                0 => Poll::Pending,
                _ => Poll::Ready(Ok(written)),
            }
        })
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

pub(crate) struct Client {
    pub(crate) tls: ClientConnection,
    pub(crate) wire: Wire,
}

impl Client {
    pub(crate) fn new(config: Arc<ClientConfig>) -> Self {
        let name = "localhost".try_into().unwrap();
        Self {
            tls: ClientConnection::new(config, name).unwrap(),
            wire: Wire::default(),
        }
    }

    /// Puts on the wire what the client has to say.
    pub(crate) fn say(&mut self) {
        self.wire.lines(|lines| {
            while self.tls.wants_write() {
                self.tls.write_tls(&mut lines.to_server).unwrap();
            }
        });
    }

    /// Takes all that is on the wire; returns the plaintext of it.
    pub(crate) fn hear(&mut self) -> Result<Vec<u8>, rustls::Error> {
        let mut plaintext = Vec::new();
        self.wire.lines(|lines| {
            while !lines.to_client.is_empty() {
                if self.tls.read_tls(&mut lines.to_client).unwrap() == 0 {
                    break;
                }
                self.tls.process_new_packets()?;
                // "Would block" says that there is no more.
                let _ = self.tls.reader().read_to_end(&mut plaintext);
            }
            Ok(plaintext)
        })
    }

    /// Shakes hands with a server that accepts in `accept`.
    pub(crate) fn handshake<T>(
        &mut self,
        accept: impl Future<Output = io::Result<T>>,
    ) -> io::Result<T> {
        let mut accept = pin!(accept);
        for _ in 0..8 {
            self.say();
            if let Poll::Ready(result) = poll(|cx| accept.as_mut().poll(cx)) {
                // Tickets and the server's Finished.
                let _ = self.hear();
                return result;
            }
            let _ = self.hear();
        }
        Err(io::ErrorKind::WouldBlock.into())
    }

    pub(crate) fn send(&mut self, plaintext: &[u8]) {
        self.tls.writer().write_all(plaintext).unwrap();
        self.say();
    }
}

pub(crate) fn poll<T>(work: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    work(&mut Context::from_waker(Waker::noop()))
}

/// One read with room for `room` bytes; none if it would have to wait.
pub(crate) fn read(
    stream: &mut (impl AsyncRead + Unpin),
    room: usize,
) -> Option<io::Result<Vec<u8>>> {
    let mut bytes = vec![0; room];
    let mut buf = ReadBuf::new(&mut bytes);
    match poll(|cx| Pin::new(stream).poll_read(cx, &mut buf)) {
        Poll::Ready(result) => {
            let count = buf.filled().len();
            bytes.truncate(count);
            Some(result.map(|()| bytes))
        }
        Poll::Pending => None,
    }
}

/// One write; none if it would have to wait.
pub(crate) fn write(
    stream: &mut (impl AsyncWrite + Unpin),
    bytes: &[u8],
) -> Option<io::Result<usize>> {
    match poll(|cx| Pin::new(stream).poll_write(cx, bytes)) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}
