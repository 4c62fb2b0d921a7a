//! A guest's standard output and error, kept in memory until the call is over.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// Most bytes of each stream that are kept for a call: the last ones, because a panic's message comes last.
pub(crate) const STDIO_BYTES_MAX: usize = 8 << 10;

/// Both streams of one instance.
#[derive(Debug, Default)]
pub(crate) struct Stdio {
    out: Tail,
    err: Tail,
}

impl Stdio {
    pub(super) fn out(&self) -> Tail {
        self.out.clone()
    }

    pub(super) fn err(&self) -> Tail {
        self.err.clone()
    }

    /// What was written to standard output, which is empty again afterwards.
    pub(crate) fn take_out(&self) -> String {
        self.out.take()
    }

    /// What was written to standard error, which is empty again afterwards.
    pub(crate) fn take_err(&self) -> String {
        self.err.take()
    }
}

/// The end of what was written to a stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tail {
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl Tail {
    fn push(&self, new: &[u8]) {
        let mut bytes = self.bytes.lock();
        let new = new
            .get(new.len().saturating_sub(STDIO_BYTES_MAX)..)
            .unwrap_or(new);
        // Moved once for each STDIO_BYTES_MAX, not for each write.
        if bytes.len() + new.len() > 2 * STDIO_BYTES_MAX {
            let excess = bytes.len().saturating_sub(STDIO_BYTES_MAX);
            bytes.drain(..excess);
        }
        bytes.extend_from_slice(new);
    }

    fn take(&self) -> String {
        let bytes = std::mem::take(&mut *self.bytes.lock());
        let tail = bytes
            .get(bytes.len().saturating_sub(STDIO_BYTES_MAX)..)
            .unwrap_or(&bytes);
        String::from_utf8_lossy(tail).into_owned()
    }
}

impl IsTerminal for Tail {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Tail {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Tail {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(STDIO_BYTES_MAX)
    }
}

#[async_trait]
impl Pollable for Tail {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Tail {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        new: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.push(new);
        Poll::Ready(Ok(new.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_end() {
        let tail = Tail::default();
        for _ in 0..5 {
            tail.push(&[b'x'; STDIO_BYTES_MAX]);
        }
        tail.push(b"the panic");
        assert!(tail.bytes.lock().len() <= 2 * STDIO_BYTES_MAX);
        let text = tail.take();
        assert_eq!(text.len(), STDIO_BYTES_MAX);
        assert!(text.ends_with("xxthe panic"));
        assert_eq!(tail.take(), "");
    }

    #[test]
    fn one_huge_write_keeps_its_end() {
        let tail = Tail::default();
        let mut bytes = vec![b'x'; 10 * STDIO_BYTES_MAX];
        bytes.push(b'!');
        tail.push(&bytes);
        let text = tail.take();
        assert_eq!(text.len(), STDIO_BYTES_MAX);
        assert!(text.ends_with("x!"));
    }
}
