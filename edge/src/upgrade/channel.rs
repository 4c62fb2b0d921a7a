//! JSON messages over a unix socket, with descriptors beside them.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Descriptors of one message: four TCP listeners at most, UDP, admin, and ways to older processes.
const DESCRIPTORS_MAX: usize = 16;
/// Bytes of one message.
const MESSAGE_BYTES_MAX: usize = 64 << 10;

/// One end.
#[derive(Debug)]
pub(super) struct Channel(UnixStream);

impl Channel {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self(stream)
    }

    pub(super) fn send<M: Serialize>(
        &mut self,
        message: &M,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        let body = serde_json::to_vec(message)?;
        let length = u32::try_from(body.len()).map_err(|_| ErrorKind::InvalidInput)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !beside.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(ErrorKind::InvalidInput.into());
        }
        let head = length.to_be_bytes();
        let sent = sendmsg(
            &self.0,
            &[IoSlice::new(&head)],
            &mut beside,
            SendFlags::NOSIGNAL,
        )?;
        self.0.write_all(head.get(sent..).unwrap_or_default())?;
        self.0.write_all(&body)
    }

    /// Waits `within` for each piece of a message.
    pub(super) fn receive<M: DeserializeOwned>(
        &mut self,
        within: Duration,
    ) -> io::Result<(M, Vec<OwnedFd>)> {
        self.0.set_read_timeout(Some(within))?;
        let mut head = [0; 4];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut beside = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(
            &self.0,
            &mut [IoSliceMut::new(&mut head)],
            &mut beside,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        let mut descriptors = Vec::new();
        for message in beside.drain() {
            if let RecvAncillaryMessage::ScmRights(more) = message {
                descriptors.extend(more);
            }
        }
        if received.bytes == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if let Some(rest) = head.get_mut(received.bytes..) {
            self.0.read_exact(rest)?;
        }
        let length = usize::try_from(u32::from_be_bytes(head)).unwrap_or(usize::MAX);
        if length > MESSAGE_BYTES_MAX {
            return Err(ErrorKind::InvalidData.into());
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok((serde_json::from_slice(&body)?, descriptors))
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::AsFd as _;

    use super::*;

    const WITHIN: Duration = Duration::from_secs(5);

    #[test]
    fn sockets_arrive_with_their_message() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (mut ours, mut theirs) = (Channel::new(ours), Channel::new(theirs));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let text = "x".repeat(30_000);
        ours.send(&text, &[listener.as_fd(), listener.as_fd()])
            .unwrap();
        ours.send(&7, &[]).unwrap();
        drop(listener);
        let (read, descriptors) = theirs.receive::<String>(WITHIN).unwrap();
        assert_eq!((read, descriptors.len()), (text, 2));
        let (read, none) = theirs.receive::<u32>(WITHIN).unwrap();
        assert_eq!((read, none.len()), (7, 0));
        for descriptor in descriptors {
            let adopted = TcpListener::from(descriptor);
            assert_eq!(adopted.local_addr().unwrap(), address);
        }
    }

    #[test]
    fn silence_ends_and_nonsense_is_refused() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut theirs = Channel::new(theirs);
        let none = theirs.receive::<u32>(Duration::from_millis(20));
        assert_eq!(none.unwrap_err().kind(), ErrorKind::WouldBlock);
        let mut ours = Channel::new(ours);
        ours.send(&"text", &[]).unwrap();
        let wrong = theirs.receive::<u32>(WITHIN).unwrap_err();
        assert_eq!(wrong.kind(), ErrorKind::InvalidData);
        ours.0.write_all(&[0xff; 4]).unwrap();
        let huge = theirs.receive::<u32>(WITHIN).unwrap_err();
        assert_eq!(huge.kind(), ErrorKind::InvalidData);
        drop(ours);
        let end = theirs.receive::<u32>(WITHIN).unwrap_err();
        assert_eq!(end.kind(), ErrorKind::UnexpectedEof);
    }
}
