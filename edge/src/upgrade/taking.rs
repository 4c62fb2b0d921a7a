//! The new process's side: sockets that it did not bind.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::sync::Arc;

use transport::quic;
use transport::quic::ids::Ids;
use transport::quic::takeover::{Route, Switch};

use super::channel::Channel;
use super::{ENVIRONMENT, FromNew, FromOld, LISTENING_WITHIN, Offer, PROTOCOL, READY_WITHIN};

/// What another process hands over.
#[derive(Debug)]
pub struct Taking {
    channel: Channel,
    generation: u64,
    ids: Ids,
    routes: Vec<Route>,
    tcp: Vec<(String, TcpListener)>,
    udp: Option<(String, UdpSocket)>,
    admin: Option<(String, TcpListener)>,
    takes_udp: bool,
}

/// Why this process cannot take over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TakeError {
    /// The other process is gone, or says nothing.
    #[error("{ENVIRONMENT} is set, but nothing comes from the process before: {0}")]
    Channel(#[from] io::Error),
    /// It offers something else.
    #[error("the process before offers what this one does not understand: {0}")]
    Offer(&'static str),
}

impl Taking {
    /// What is offered; `None`: this process was started by itself.
    ///
    /// # Errors
    /// It was not, and nothing is offered.
    pub fn begin() -> Result<Option<Self>, TakeError> {
        if std::env::var_os(ENVIRONMENT).is_none() {
            return Ok(None);
        }
        let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        let mut channel = Channel::new(stream);
        let (offer, descriptors) = channel.receive::<Offer>(LISTENING_WITHIN)?;
        Self::of(channel, offer, descriptors).map(Some)
    }

    fn of(channel: Channel, offer: Offer, sockets: Vec<OwnedFd>) -> Result<Self, TakeError> {
        if offer.protocol != PROTOCOL {
            return Err(TakeError::Offer("another protocol"));
        }
        if sockets.len() != offer.tcp.len() + 2 + offer.routes.len() {
            return Err(TakeError::Offer("another number of sockets"));
        }
        let mut sockets = sockets.into_iter();
        let tcp = offer.tcp.into_iter().zip(sockets.by_ref());
        let tcp = tcp.map(|(address, socket)| (address, socket.into()));
        let tcp: Vec<(String, TcpListener)> = tcp.collect();
        let udp = sockets.next().map(|socket| (offer.udp, socket.into()));
        let admin = sockets.next().map(|socket| (offer.admin, socket.into()));
        let mut routes = Vec::new();
        for (generation, socket) in offer.routes.into_iter().zip(sockets) {
            let way = UnixDatagram::from(socket);
            way.set_nonblocking(true)?;
            let way = Arc::new(way);
            routes.push(Route { generation, way });
        }
        let [id_generation, ..] = offer.generation.to_le_bytes();
        Ok(Self {
            channel,
            generation: offer.generation,
            ids: Ids::of(offer.key, id_generation),
            routes,
            tcp,
            udp,
            admin,
            takes_udp: false,
        })
    }

    /// Upgrades since the first process, this one included.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The TCP listener of an address, if it is offered.
    pub fn tcp(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let address = address.to_string();
        let place = self.tcp.iter().position(|(known, _)| *known == address)?;
        Some(self.tcp.swap_remove(place).1)
    }

    /// The admin listener, if it is offered for that address.
    pub fn admin(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let (_, socket) = self.admin.take_if(|(it, _)| *it == address.to_string())?;
        Some(socket)
    }

    /// The UDP port, if it is offered for that address.
    ///
    /// # Errors
    /// It is none.
    pub fn udp(&mut self, address: SocketAddr) -> io::Result<Option<quic::Socket>> {
        let Some((_, socket)) = self.udp.take_if(|(it, _)| *it == address.to_string()) else {
            return Ok(None);
        };
        self.takes_udp = true;
        let switch = Switch::new(self.ids, std::mem::take(&mut self.routes));
        quic::Socket::adopt(socket, switch).map(Some)
    }

    /// Says that this process could serve, and waits until it is to.
    ///
    /// # Errors
    /// It is not to.
    pub fn ready(&mut self) -> Result<(), TakeError> {
        // What is not taken is closed here: nobody would serve it.
        self.tcp.clear();
        (self.udp, self.admin) = (None, None);
        let takes_udp = self.takes_udp;
        let said = self.channel.send(&FromNew::Ready { takes_udp }, &[]);
        match said.and_then(|()| self.channel.receive::<FromOld>(READY_WITHIN)) {
            Ok((FromOld::Go, _)) => Ok(()),
            // It stopped, or was stopped: so does this one, or a service that was stopped would run.
            Err(error) => Err(error.into()),
        }
    }

    /// Says that this process serves.
    pub fn listening(&mut self) {
        if let Err(error) = self.channel.send(&FromNew::Listening, &[]) {
            tracing::warn!(%error, "the process before does not hear that this one serves");
        }
    }
}
