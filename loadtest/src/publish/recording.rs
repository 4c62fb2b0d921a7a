//! An FLV file as messages that can be sent again and again. It looks no further into media than to tell
//! what sets a decoder up from what is played.

use std::path::Path;

use anyhow::{Context as _, ensure};
use bytes::{BufMut as _, Bytes, BytesMut};

use super::session::{CHUNK_BYTES, chunk_stream};

/// Largest file.
const BYTES_MAX: u64 = 256 * 1024 * 1024;
/// FLV's header, and the size of the tag before the first (FLV 10.1, annex E.2).
const HEADER_BYTES: usize = 9 + 4;
/// Type, size, time, stream id (E.4.1).
const TAG_HEADER_BYTES: usize = 11;

/// One RTMP message but for its time.
#[derive(Debug)]
pub(super) struct Tag {
    /// From the beginning of the recording.
    pub(super) at_ms: u32,
    /// RTMP's and FLV's number of its kind.
    pub(super) kind: u8,
    /// Of the message.
    pub(super) bytes: usize,
    /// The message, with the headers of all chunks but the first in between.
    pub(super) chunks: Bytes,
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Recording {
    /// Metadata and decoder configurations, sent first.
    pub(super) setup: Vec<Tag>,
    /// What is played, in order of time. Never empty.
    pub(super) media: Vec<Tag>,
    /// From the first picture to the first one of the next round.
    pub(super) round_ms: u32,
}

impl Recording {
    /// Media bits per second.
    pub(super) fn bits_per_second(&self) -> u64 {
        let bytes: u64 = self.media.iter().map(|tag| tag.bytes as u64).sum();
        bytes * 8_000 / u64::from(self.round_ms.max(1))
    }
}

pub(super) fn read(path: &Path) -> anyhow::Result<Recording> {
    let bytes = std::fs::metadata(path)?.len();
    ensure!(bytes <= BYTES_MAX, "larger than {BYTES_MAX} bytes");
    parse(&std::fs::read(path)?)
}

fn parse(file: &[u8]) -> anyhow::Result<Recording> {
    ensure!(file.starts_with(b"FLV\x01"), "it is no FLV file");
    let mut rest = file.get(HEADER_BYTES..).context("it ends in its header")?;
    let (mut setup, mut media) = (Vec::new(), Vec::new());
    let mut pictures: Vec<u32> = Vec::new();
    // A last tag that is not whole is left out, as of a recording that was cut.
    while let Some((kind, at_ms, body, after)) = next(rest) {
        rest = after;
        let tag = Tag {
            at_ms,
            kind,
            bytes: body.len(),
            chunks: chunked(kind, body),
        };
        match sort(kind, body) {
            Sort::Setup => setup.push(tag),
            Sort::Picture { keyframe } => {
                // What comes before the first keyframe cannot be shown.
                if keyframe || !pictures.is_empty() {
                    pictures.push(at_ms);
                    media.push(tag);
                }
            }
            Sort::Sound if !pictures.is_empty() => media.push(tag),
            Sort::Sound | Sort::Other => {}
        }
    }
    let (first, last) = (pictures.first(), pictures.last());
    let (&first, &last) = first.zip(last).context("it has no keyframe")?;
    let frames = u64::try_from(pictures.len())?;
    ensure!(frames > 1 && last > first, "it has one picture alone");
    // The last picture lasts as long as the others do.
    let round = (u64::from(last - first) * frames + (frames - 1) / 2) / (frames - 1);
    media.sort_by_key(|tag| tag.at_ms);
    for tag in &mut media {
        tag.at_ms = tag.at_ms.saturating_sub(first);
    }
    Ok(Recording {
        setup,
        media,
        round_ms: u32::try_from(round)?,
    })
}

/// Kind, time and body of the next tag, and what is behind it.
fn next(rest: &[u8]) -> Option<(u8, u32, &[u8], &[u8])> {
    let (header, rest) = rest.split_first_chunk::<TAG_HEADER_BYTES>()?;
    let [kind, a, b, c, d, e, f, g, ..] = *header;
    let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()?;
    let at_ms = u32::from_be_bytes([g, d, e, f]);
    let (body, rest) = rest.split_at_checked(length)?;
    let (_, after) = rest.split_first_chunk::<4>()?;
    Some((kind & 0x1F, at_ms, body, after))
}

enum Sort {
    Setup,
    Picture { keyframe: bool },
    Sound,
    Other,
}

/// By the first bytes of a tag (E.4.2.1, E.4.3.1, and Enhanced RTMP's `ExVideoTagHeader`).
fn sort(kind: u8, body: &[u8]) -> Sort {
    match (kind, body) {
        (18, _) => Sort::Setup,
        (9, [first, ..]) if first & 0x80 != 0 => match first & 0x0F {
            0 => Sort::Setup,
            1 | 3 => Sort::Picture {
                keyframe: (first >> 4) & 0x07 == 1,
            },
            _ => Sort::Other,
        },
        (9, [first, packet, ..]) => match packet {
            0 => Sort::Setup,
            1 => Sort::Picture {
                keyframe: first >> 4 == 1,
            },
            _ => Sort::Other,
        },
        // Enhanced audio, and AAC.
        (8, [first, ..]) if first >> 4 == 9 && first & 0x0F == 0 => Sort::Setup,
        (8, [first, 0, ..]) if first >> 4 == 10 => Sort::Setup,
        (8, [_, ..]) => Sort::Sound,
        _ => Sort::Other,
    }
}

/// The body with a type 3 header before each chunk but the first (Adobe's RTMP specification 5.3.1.2.4).
fn chunked(kind: u8, body: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(body.len() + body.len() / CHUNK_BYTES);
    for (index, chunk) in body.chunks(CHUNK_BYTES).enumerate() {
        if index > 0 {
            out.put_u8(0xC0 | chunk_stream(kind));
        }
        out.put_slice(chunk);
    }
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(kind: u8, at_ms: u32, body: &[u8]) -> Vec<u8> {
        let [_, a, b, c] = (body.len() as u32).to_be_bytes();
        let [g, d, e, f] = at_ms.to_be_bytes();
        let mut out = vec![kind, a, b, c, d, e, f, g, 0, 0, 0];
        out.extend_from_slice(body);
        out.extend_from_slice(&[0; 4]);
        out
    }

    fn file(tags: &[Vec<u8>]) -> Vec<u8> {
        let mut out = b"FLV\x01\x05\0\0\0\x09\0\0\0\0".to_vec();
        out.extend(tags.iter().flatten());
        out
    }

    #[test]
    fn setup_and_media_are_told_apart() {
        let read = parse(&file(&[
            tag(18, 0, b"meta"),
            tag(9, 0, &[0x17, 0, 0, 0, 0, 1]),
            tag(8, 0, &[0xAF, 0, 0x11]),
            tag(8, 0, &[0xAF, 1, 7]),
            tag(9, 100, &[0x27, 1, 0, 0, 0, 9]),
            tag(9, 200, &[0x17, 1, 0, 0, 0, 9]),
            tag(8, 210, &[0xAF, 1, 7]),
            tag(9, 233, &[0x27, 1, 0, 0, 0, 9]),
            tag(9, 267, &[0x27, 1, 0, 0, 0, 9]),
            tag(9, 267, &[0x17, 2, 0, 0, 0]),
        ]))
        .unwrap();
        assert_eq!(read.setup.len(), 3);
        let times: Vec<u32> = read.media.iter().map(|tag| tag.at_ms).collect();
        assert_eq!(times, [0, 10, 33, 67], "from the first keyframe on");
        assert_eq!(read.round_ms, 101, "three frames of 33.5 ms");
    }

    #[test]
    fn what_is_no_recording_is_said_to_be_none() {
        let key = tag(9, 0, &[0x17, 1, 0, 0, 0, 9]);
        for bad in [
            b"RIFF".to_vec(),
            file(&[]),
            file(&[tag(8, 0, &[0xAF, 1, 7])]),
            file(std::slice::from_ref(&key)),
            file(&[key.clone(), key]),
        ] {
            assert!(parse(&bad).is_err());
        }
    }

    #[test]
    fn a_long_message_is_chunked() {
        let mut body = vec![0x17, 1];
        body.resize(CHUNK_BYTES + 2, 5);
        let chunks = chunked(9, &body);
        assert_eq!(chunks.len(), body.len() + 1);
        assert_eq!(chunks[CHUNK_BYTES], 0xC0 | chunk_stream(9));
    }
}
