//! One UDP port, two processes: the newer one reads the socket and hands on to the older one what
//! belongs to its connections; both write to the socket.
//!
//! [`Switch`] is one process's end of that. [`SharedSocket`] is the socket as quinn sees it: without
//! older processes it costs one look at an empty list for each batch of datagrams.

use std::io::{self, ErrorKind, IoSliceMut};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::unix::net::UnixDatagram;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use arc_swap::{ArcSwap, ArcSwapOption};
use futures::task::AtomicWaker;
use quinn::udp::{EcnCodepoint, RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::io::ReadBuf;

use super::ids::Ids;

/// Of a datagram that is handed on: kinds of addresses, ECN, peer, its port and scope, and the address
/// that it was sent to. As the socket told them: both processes have the same one.
const HEAD_BYTES: usize = 2 + 16 + 2 + 4 + 16;
const PEER_IS_V4: u8 = 1;
const TO_IS_KNOWN: u8 = 2;
const TO_IS_V4: u8 = 4;
/// The largest datagram that is handed on.
const DATAGRAM_BYTES_MAX: usize = 65_535;
/// Asked of the kernel for the way from one process to the other, as for the socket itself.
const WAY_BYTES: usize = super::SOCKET_BUFFER_BYTES;
/// Older processes that may still drain; with more there is no further upgrade.
pub const ROUTES_MAX: usize = 8;

/// The way to the connections of an older process.
#[derive(Clone, Debug)]
pub struct Route {
    /// That process's.
    pub generation: u8,
    /// Its inbox.
    pub way: Arc<UnixDatagram>,
}

/// Whose datagrams this process takes, and from where.
#[derive(Debug)]
pub struct Switch {
    ids: Ids,
    /// Older processes.
    routes: ArcSwap<Vec<Route>>,
    /// From where datagrams come once a newer process reads the socket.
    inbox: ArcSwapOption<tokio::net::UnixDatagram>,
    /// Of the endpoint's driver.
    driver: AtomicWaker,
    forwarded: AtomicU64,
    dropped: AtomicU64,
}

impl Switch {
    /// A process that reads the socket, with the older ones that still drain.
    #[must_use]
    pub fn new(ids: Ids, routes: Vec<Route>) -> Arc<Self> {
        Arc::new(Self {
            ids,
            routes: ArcSwap::from_pointee(routes),
            inbox: ArcSwapOption::empty(),
            driver: AtomicWaker::new(),
            forwarded: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        })
    }

    /// The ids that this process issues.
    #[must_use]
    pub fn ids(&self) -> Ids {
        self.ids
    }

    /// Older processes that were there when somebody last looked.
    #[must_use]
    pub fn routes(&self) -> Arc<Vec<Route>> {
        self.routes.load_full()
    }

    /// Datagrams handed on, and those that had to be dropped instead.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (count(&self.forwarded), count(&self.dropped))
    }

    /// Stops reading the socket: datagrams come from `inbox` from now on. To be called within a
    /// tokio runtime.
    ///
    /// # Errors
    /// The runtime takes no more descriptors.
    pub fn hand_over(&self, inbox: UnixDatagram) -> io::Result<()> {
        inbox.set_nonblocking(true)?;
        let inbox = tokio::net::UnixDatagram::from_std(inbox)?;
        self.inbox.store(Some(Arc::new(inbox)));
        self.driver.wake();
        Ok(())
    }

    /// Reads the socket again: there is no newer process after all.
    pub fn take_back(&self) {
        self.inbox.store(None);
        self.driver.wake();
    }

    /// Hands a datagram to the older process that it belongs to. `false`: it belongs to none.
    fn forward(&self, routes: &[Route], meta: &RecvMeta, datagram: &[u8]) -> bool {
        let Some(generation) = self.ids.generation_of_datagram(datagram) else {
            return false;
        };
        let Some(route) = routes.iter().find(|it| it.generation == generation) else {
            return false;
        };
        let message = [&head_of(meta)[..], datagram].concat();
        match route.way.send(&message) {
            Ok(_) => self.forwarded.fetch_add(1, Ordering::Relaxed),
            Err(error) => {
                if error.kind() != ErrorKind::WouldBlock {
                    self.forget(generation);
                }
                // As on a network: the peer sends it again.
                self.dropped.fetch_add(1, Ordering::Relaxed)
            }
        };
        true
    }

    /// That process is gone.
    fn forget(&self, generation: u8) {
        self.routes.rcu(|routes| {
            let mut routes = Vec::clone(routes);
            routes.retain(|route| route.generation != generation);
            routes
        });
    }

    /// Takes out of what was received what belongs to older processes; how much is left.
    fn sort(
        &self,
        routes: &[Route],
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
        received: usize,
    ) -> usize {
        let mut left = 0;
        for index in 0..received {
            let (Some(buf), Some(one)) = (bufs.get_mut(index), meta.get(index).copied()) else {
                break;
            };
            let kept = self.keep(routes, buf, &one);
            if kept == 0 {
                continue;
            }
            if left != index {
                let (below, above) = bufs.split_at_mut(index);
                if let (Some(to), Some(from)) = (below.get_mut(left), above.first()) {
                    copy(to, from, kept);
                }
            }
            if let Some(place) = meta.get_mut(left) {
                *place = RecvMeta { len: kept, ..one };
            }
            left += 1;
        }
        left
    }

    /// The same for one buffer, which may hold several datagrams of one peer; the bytes left.
    fn keep(&self, routes: &[Route], buf: &mut IoSliceMut<'_>, meta: &RecvMeta) -> usize {
        let stride = meta.stride.max(1);
        let (mut at, mut kept) = (0, 0);
        while at < meta.len {
            let end = meta.len.min(at + stride);
            let is_other = buf
                .get(at..end)
                .is_some_and(|datagram| self.forward(routes, meta, datagram));
            if !is_other {
                if kept != at {
                    buf.copy_within(at..end, kept);
                }
                kept += end - at;
            }
            at = end;
        }
        kept
    }
}

fn copy(to: &mut [u8], from: &[u8], bytes: usize) {
    if let (Some(to), Some(from)) = (to.get_mut(..bytes), from.get(..bytes)) {
        to.copy_from_slice(from);
    }
}

/// Both ends of the way from a newer process to an older one.
///
/// # Errors
/// No more descriptors.
pub fn way() -> io::Result<(UnixDatagram, UnixDatagram)> {
    let (to, from) = UnixDatagram::pair()?;
    to.set_nonblocking(true)?;
    // What is sent counts for the sender of a pair, and nothing else bounds it.
    socket2::SockRef::from(&to).set_send_buffer_size(WAY_BYTES)?;
    Ok((to, from))
}

fn head_of(meta: &RecvMeta) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    let to = meta.dst_ip;
    let mut kinds = 0;
    for (kind, holds) in [
        (PEER_IS_V4, meta.addr.is_ipv4()),
        (TO_IS_KNOWN, to.is_some()),
        (TO_IS_V4, to.is_some_and(|to| to.is_ipv4())),
    ] {
        kinds |= if holds { kind } else { 0 };
    }
    let scope = match meta.addr {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(peer) => peer.scope_id(),
    };
    let fields = [
        &[kinds, meta.ecn.map_or(0, |ecn| ecn as u8)][..],
        &octets(meta.addr.ip()),
        &meta.addr.port().to_be_bytes(),
        &scope.to_be_bytes(),
        &octets(to.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED))),
    ];
    for (place, byte) in head.iter_mut().zip(fields.iter().copied().flatten()) {
        *place = *byte;
    }
    head
}

fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// What was handed on, and what is known of it.
fn open(message: &[u8]) -> Option<(RecvMeta, &[u8])> {
    let (head, datagram) = message.split_at_checked(HEAD_BYTES)?;
    let ([kinds, ecn], head) = head.split_first_chunk()?;
    let (peer, head) = head.split_first_chunk::<16>()?;
    let (port, head) = head.split_first_chunk()?;
    let (scope, head) = head.split_first_chunk()?;
    let (to, _) = head.split_first_chunk::<16>()?;
    let ip = |octets: [u8; 16], v4: u8| match Ipv6Addr::from(octets).to_ipv4_mapped() {
        Some(ip) if kinds & v4 > 0 => IpAddr::V4(ip),
        _ => IpAddr::V6(octets.into()),
    };
    let mut addr = SocketAddr::new(ip(*peer, PEER_IS_V4), u16::from_be_bytes(*port));
    if let SocketAddr::V6(peer) = &mut addr {
        peer.set_scope_id(u32::from_be_bytes(*scope));
    }
    let meta = RecvMeta {
        addr,
        len: datagram.len(),
        stride: datagram.len(),
        ecn: EcnCodepoint::from_bits(*ecn),
        dst_ip: (kinds & TO_IS_KNOWN > 0).then(|| ip(*to, TO_IS_V4)),
    };
    Some((meta, datagram))
}

/// The socket as quinn sees it.
#[derive(Debug)]
pub(super) struct SharedSocket {
    udp: Arc<dyn AsyncUdpSocket>,
    switch: Arc<Switch>,
}

impl SharedSocket {
    pub(super) fn new(udp: Arc<dyn AsyncUdpSocket>, switch: Arc<Switch>) -> Self {
        Self { udp, switch }
    }

    fn poll_inbox(
        &self,
        inbox: &tokio::net::UnixDatagram,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut message = vec![0; HEAD_BYTES + DATAGRAM_BYTES_MAX];
        let mut count = 0;
        for (buf, place) in bufs.iter_mut().zip(meta) {
            let received = loop {
                let mut message = ReadBuf::new(&mut message);
                match inbox.poll_recv(cx, &mut message) {
                    Poll::Pending => break None,
                    // The other end is gone: nothing will come. An error would end the connections
                    // that still send.
                    Poll::Ready(Err(error)) => {
                        tracing::debug!(%error, "no more datagrams from the process after");
                        break None;
                    }
                    Poll::Ready(Ok(())) if message.filled().is_empty() => break None,
                    Poll::Ready(Ok(())) => {
                        let opened = open(message.filled());
                        let fits = opened.filter(|(meta, _)| meta.len > 0 && meta.len <= buf.len());
                        if let Some((meta, datagram)) = fits {
                            copy(buf, datagram, datagram.len());
                            break Some(meta);
                        }
                    }
                }
            };
            let Some(received) = received else { break };
            *place = received;
            count += 1;
        }
        match count {
            0 => Poll::Pending,
            count => Poll::Ready(Ok(count)),
        }
    }
}

impl AsyncUdpSocket for SharedSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.udp).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.udp.try_send(transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        // Before the look at the switch, so that a turn of it is not missed.
        self.switch.driver.register(cx.waker());
        loop {
            if let Some(inbox) = &*self.switch.inbox.load() {
                return self.poll_inbox(inbox, cx, bufs, meta);
            }
            let received = std::task::ready!(self.udp.poll_recv(cx, bufs, meta))?;
            let routes = self.switch.routes.load();
            if routes.is_empty() {
                return Poll::Ready(Ok(received));
            }
            let left = self.switch.sort(&routes, bufs, meta, received);
            if left > 0 {
                return Poll::Ready(Ok(left));
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.udp.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.udp.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.udp.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.udp.may_fragment()
    }
}

#[cfg(test)]
mod tests;
