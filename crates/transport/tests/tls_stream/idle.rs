//! What a connection owns on the heap after a message each way, ours and tokio-rustls'.

use std::io;
use std::sync::Arc;

use rustls::SupportedProtocolVersion;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::counting;
use crate::wire::{Client, Wire, client_config, read, server_config, write};

const CONNECTIONS: usize = 32;

/// Bytes of heap and of the stream itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Idle {
    pub(crate) heap: usize,
    pub(crate) inline: usize,
}

pub(crate) fn weir(version: &'static SupportedProtocolVersion) -> Idle {
    let config = server_config();
    measure(version, |wire| {
        transport::tls::accept(Arc::clone(&config), wire)
    })
}

pub(crate) fn tokio_rustls(version: &'static SupportedProtocolVersion) -> Idle {
    let acceptor = ::tokio_rustls::TlsAcceptor::from(server_config());
    measure(version, |wire| acceptor.accept(wire))
}

/// The wires are kept when the streams are dropped: what that frees was the streams'.
fn measure<S, F>(version: &'static SupportedProtocolVersion, accept: impl Fn(Wire) -> F) -> Idle
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Future<Output = io::Result<S>>,
{
    let config = Arc::new(client_config(version));
    let mut pairs: Vec<(S, Client)> = (0..CONNECTIONS)
        .map(|_| {
            let mut client = Client::new(Arc::clone(&config));
            let mut stream = client.handshake(accept(client.wire.clone())).unwrap();
            client.send(&[7; 300]);
            assert_eq!(read(&mut stream, 4096).unwrap().unwrap(), [7; 300]);
            assert!(read(&mut stream, 4096).is_none());
            assert_eq!(write(&mut stream, &[8; 300]).unwrap().unwrap(), 300);
            assert_eq!(client.hear().unwrap(), [8; 300]);
            (stream, client)
        })
        .collect();
    let before = counting::live();
    let clients: Vec<Client> = Vec::with_capacity(CONNECTIONS);
    let kept = counting::live() - before;
    let clients = pairs
        .drain(..)
        .fold(clients, |mut clients, (stream, client)| {
            drop(stream);
            clients.push(client);
            clients
        });
    let freed = before + kept - counting::live();
    drop(clients);
    Idle {
        heap: usize::try_from(freed).unwrap() / CONNECTIONS,
        inline: size_of::<S>(),
    }
}
