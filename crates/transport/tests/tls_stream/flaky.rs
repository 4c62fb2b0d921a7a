//! A socket at its worst: a few bytes at a time, and often none for no reason.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub(crate) struct Flaky<S> {
    io: S,
    rng: StdRng,
    /// At a time, at most.
    bytes_max: usize,
}

impl<S> Flaky<S> {
    pub(crate) fn new(io: S, seed: u64, bytes_max: usize) -> Self {
        let rng = StdRng::seed_from_u64(seed);
        Self { io, rng, bytes_max }
    }

    /// How many bytes pass now, if any.
    fn poll_count(&mut self, cx: &Context<'_>) -> Poll<usize> {
        if self.rng.random_bool(0.3) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.rng.random_range(1..=self.bytes_max))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Flaky<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let count = std::task::ready!(self.poll_count(cx));
        let count = count.min(buf.remaining());
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(count));
        let poll = Pin::new(&mut self.io).poll_read(cx, &mut part);
        let count = part.filled().len();
        buf.advance(count);
        poll
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Flaky<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let count = std::task::ready!(self.poll_count(cx)).min(bytes.len());
        Pin::new(&mut self.io).poll_write(cx, &bytes[..count])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
