//! A response body of several pieces that are already in memory.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Sends its pieces one after the other, without joining them. Its length is known, so that an
/// answer cut short is never taken for a whole one.
#[derive(Debug)]
pub(super) struct Pieces {
    pieces: VecDeque<Bytes>,
    left: u64,
}

impl Pieces {
    pub(super) fn new(pieces: Vec<Bytes>) -> Self {
        let length = |piece: &Bytes| u64::try_from(piece.len()).unwrap_or(u64::MAX);
        Self {
            left: pieces.iter().map(length).sum(),
            pieces: pieces.into(),
        }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.pieces.pop_front();
        let length = piece.as_ref().map_or(0, Bytes::len);
        self.left -= u64::try_from(length).unwrap_or(u64::MAX);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn pieces_arrive_in_order_with_their_length() {
        let pieces = [&b"ab"[..], b"", b"c"].map(Bytes::from_static).to_vec();
        let body = Pieces::new(pieces);
        assert_eq!(body.size_hint().exact(), Some(3));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "abc");
    }
}
