//! Everything that an edge listens on, bound or taken over before anything starts.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use transport::quic;

use super::StartError;
use crate::config::ListenSettings;
use crate::frontend::h3;
use crate::upgrade::giving;
use crate::upgrade::taking::Taking;

/// Bound, and not accepting yet.
pub(super) struct Sockets {
    pub(super) tcp: Vec<(SocketAddr, Arc<TcpListener>)>,
    pub(super) udp: quic::Socket,
    pub(super) admin: TcpListener,
}

impl Sockets {
    /// Takes what another process offers, and binds the rest.
    pub(super) fn open(
        listen: ListenSettings,
        mut taking: Option<&mut Taking>,
    ) -> Result<Self, StartError> {
        let mut tcp = Vec::new();
        for address in listen.tcp() {
            let offered = taking.as_mut().and_then(|taking| taking.tcp(address));
            let socket = match offered {
                Some(socket) => socket,
                None => bind(address).map_err(|source| StartError::Tcp { address, source })?,
            };
            tcp.push((address, Arc::new(socket)));
        }
        let offered = match taking.as_mut() {
            Some(taking) => taking.udp(listen.https)?,
            None => None,
        };
        let udp = match offered {
            Some(socket) => socket,
            None => quic::Socket::bind(listen.https, quic::SOCKET_BUFFER_BYTES)
                .map_err(h3::SetupError::from)?,
        };
        let address = listen.admin;
        let offered = taking.as_mut().and_then(|taking| taking.admin(address));
        let admin = match offered {
            Some(socket) => socket,
            None => bind(address).map_err(|source| StartError::Admin { address, source })?,
        };
        Ok(Self { tcp, udp, admin })
    }

    /// The same sockets, for a process that may take over from this one.
    pub(super) fn to_give(&self, listen: ListenSettings) -> std::io::Result<giving::Sockets> {
        let mut tcp = Vec::new();
        for (address, socket) in &self.tcp {
            tcp.push((address.to_string(), socket.try_clone()?));
        }
        let (udp, switch) = self.udp.for_handover()?;
        Ok(giving::Sockets {
            tcp,
            udp: (listen.https.to_string(), udp),
            admin: (listen.admin.to_string(), self.admin.try_clone()?),
            switch,
        })
    }
}

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = TcpListener::bind(address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}
