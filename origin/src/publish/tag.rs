//! What a broadcaster sends, and how it waits for its stream: bounded in number and in bytes.

use std::sync::Arc;

use rtmp::flv::{AudioBody, VideoBody};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;

/// Tags between a connection and its stream. A second of video and audio is about 80.
const TAGS_MAX: usize = 512;
/// Bytes of media between a connection and its stream: a second at 128 Mbit/s. A tag may be
/// megabytes, so that a bound on their number alone would bound nothing.
pub(super) const QUEUED_BYTES_MAX: u32 = 16 << 20;

/// One FLV body with its time.
#[derive(Clone, Debug)]
pub struct PublishedTag {
    /// Decode time as the broadcaster counts it, unwrapped.
    pub timestamp_ms: i64,
    /// When its last byte was read.
    pub arrival: Instant,
    /// The body.
    pub body: PublishedBody,
}

/// What a [`PublishedTag`] holds.
#[derive(Clone, Debug)]
pub enum PublishedBody {
    /// An audio tag's body.
    Audio(AudioBody),
    /// A video tag's body.
    Video(VideoBody),
}

impl PublishedTag {
    /// Whether it carries a decoder configuration.
    pub(crate) fn is_header(&self) -> bool {
        match &self.body {
            PublishedBody::Audio(AudioBody::SequenceHeader { .. })
            | PublishedBody::Video(VideoBody::SequenceHeader { .. }) => true,
            PublishedBody::Video(VideoBody::Track { body, .. }) => {
                matches!(**body, VideoBody::SequenceHeader { .. })
            }
            _ => false,
        }
    }

    /// What the tag holds, for the bound on queued bytes: never more than all of it, so that even
    /// an oversized tag can pass, alone.
    fn queued_bytes(&self) -> u32 {
        let bytes = match &self.body {
            PublishedBody::Audio(body) => body.payload_bytes(),
            PublishedBody::Video(body) => body.payload_bytes(),
        };
        u32::try_from(bytes).map_or(QUEUED_BYTES_MAX, |bytes| bytes.min(QUEUED_BYTES_MAX))
    }
}

/// The queue of one broadcast.
pub(super) fn queue() -> (TagsIn, Tags) {
    let (sender, queue) = mpsc::channel(TAGS_MAX);
    let bytes = Arc::new(Semaphore::new(QUEUED_BYTES_MAX as usize));
    (TagsIn { sender, bytes }, Tags { queue })
}

/// The media of a claim, in the order it was sent.
#[derive(Debug)]
pub struct Tags {
    queue: mpsc::Receiver<Queued>,
}

/// The end that media is given to.
#[derive(Debug)]
pub(crate) struct TagsIn {
    sender: mpsc::Sender<Queued>,
    bytes: Arc<Semaphore>,
}

/// A tag, and its share of [`QUEUED_BYTES_MAX`] until it is taken.
#[derive(Debug)]
struct Queued {
    tag: PublishedTag,
    _bytes: OwnedSemaphorePermit,
}

impl Tags {
    /// The next tag; `None` once the publisher has gone. Cancel-safe.
    pub async fn recv(&mut self) -> Option<PublishedTag> {
        Some(self.queue.recv().await?.tag)
    }
}

impl TagsIn {
    /// Hands media over; false once nobody takes it any more.
    pub(crate) async fn send(&self, tag: PublishedTag) -> bool {
        let bytes = Arc::clone(&self.bytes).acquire_many_owned(tag.queued_bytes());
        // A stream that stops takes its queue with it, and gives every share back.
        let Ok(bytes) = bytes.await else {
            return false;
        };
        let queued = Queued { tag, _bytes: bytes };
        self.sender.send(queued).await.is_ok()
    }

    /// Bytes that may be sent without waiting.
    #[cfg(test)]
    pub(super) fn bytes_left(&self) -> usize {
        self.bytes.available_permits()
    }
}
