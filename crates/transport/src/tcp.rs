//! What the kernel knows of a TCP connection that no safe wrapper asks it for.

use std::mem::{offset_of, size_of};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// The kernel's `tcp_info` as the numbers that it begins with; a newer kernel's is longer and is cut off.
type Words = [u32; size_of::<libc::tcp_info>() / size_of::<u32>()];

/// The smoothed round trip time of a TCP connection, as the kernel measures it from what it sends and the
/// acknowledgements (Linux, `TCP_INFO`). A peer to which nothing is sent keeps the value of the last
/// exchange, at first that of the handshake. `None` for what is no TCP connection, or not measured yet.
#[must_use]
pub fn round_trip(socket: BorrowedFd<'_>) -> Option<Duration> {
    const RTT_WORD: usize = offset_of!(libc::tcp_info, tcpi_rtt) / size_of::<u32>();
    let (words, bytes) = tcp_info(socket)?;
    if bytes < (RTT_WORD + 1) * size_of::<u32>() {
        return None;
    }
    let micros = *words.get(RTT_WORD)?;
    (micros > 0).then(|| Duration::from_micros(u64::from(micros)))
}

#[expect(
    unsafe_code,
    reason = "getsockopt writes at most the given length into a live array of plain numbers"
)]
fn tcp_info(socket: BorrowedFd<'_>) -> Option<(Words, usize)> {
    let mut words: Words = [0; size_of::<Words>() / size_of::<u32>()];
    let mut bytes = libc::socklen_t::try_from(size_of::<Words>()).ok()?;
    // SAFETY: the descriptor is borrowed, so it is open; `words` and `bytes` live through the call, and
    // every bit pattern is a `u32`.
    let outcome = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            words.as_mut_ptr().cast(),
            &raw mut bytes,
        )
    };
    (outcome == 0).then_some((words, usize::try_from(bytes).ok()?))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_connection_has_a_round_trip_and_a_datagram_socket_none() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        for socket in [&client, &server] {
            let round_trip = round_trip(socket.as_fd()).unwrap();
            assert!(round_trip < Duration::from_secs(1), "{round_trip:?}");
        }
        let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(round_trip(datagrams.as_fd()), None);
    }
}
