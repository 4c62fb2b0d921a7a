//! The two objects that an LL-HLS edge serves over and over: a small playlist and a part.

use std::fmt::Write as _;

use bytes::Bytes;

use crate::client::Protocol;

use super::STREAM_PATH;

/// One object of the benchmark.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) name: &'static str,
    /// Path and query, as the client asks.
    pub(super) path: String,
    /// The file's name for servers that serve files.
    pub(super) file: &'static str,
    pub(super) content_type: &'static str,
    pub(super) cache_control: &'static str,
    /// Further response fields.
    pub(super) fields: &'static [(&'static str, &'static str)],
    pub(super) body: Bytes,
    in_flight: InFlight,
}

/// Connections, and streams on each, that keep two cores busy without queueing for long.
#[derive(Debug, Clone, Copy)]
struct InFlight {
    h1_connections: usize,
    connections: usize,
    streams: usize,
}

/// A part of 6 Mbit/s video in a third of a second, times one keyframe.
const PART_BYTES: usize = 300 * 1024;

const PLAYLIST_BYTES: usize = 2048;

const MSN: u64 = 28_000_000;

pub(super) fn all() -> Vec<Object> {
    vec![
        Object {
            name: "2 KiB playlist",
            path: format!("{STREAM_PATH}/index.m3u8?_HLS_msn={MSN}&_HLS_part=1"),
            file: "index.m3u8",
            content_type: "application/vnd.apple.mpegurl",
            // What the origin says of a blocking playlist: 6 x TARGETDURATION.
            cache_control: "max-age=12",
            fields: &[],
            body: playlist(),
            in_flight: InFlight {
                h1_connections: 32,
                connections: 8,
                streams: 16,
            },
        },
        Object {
            name: "300 KiB part",
            path: format!("{STREAM_PATH}/{MSN}.0.m4s"),
            file: "28000000.0.m4s",
            content_type: "video/mp4",
            cache_control: "max-age=60, immutable",
            fields: &[],
            body: part(),
            in_flight: InFlight {
                h1_connections: 16,
                connections: 4,
                streams: 4,
            },
        },
    ]
}

impl Object {
    /// The same under another path, with further fields.
    pub(super) fn with_fields(
        &self,
        path: String,
        fields: &'static [(&'static str, &'static str)],
    ) -> Self {
        Self {
            path,
            fields,
            ..self.clone()
        }
    }

    pub(super) fn concurrency(&self, protocol: Protocol) -> (usize, usize) {
        match protocol {
            Protocol::H1 => (self.in_flight.h1_connections, 1),
            Protocol::H2 | Protocol::H3 => (self.in_flight.connections, self.in_flight.streams),
        }
    }
}

/// A valid Media Playlist whose last Part is the one that the query waits for, filled up to size
/// with a comment.
fn playlist() -> Bytes {
    let mut text = String::from(
        "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n\
         #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.05\n\
         #EXT-X-PART-INF:PART-TARGET=0.35\n",
    );
    let first = MSN - 10;
    // Writing to a String cannot fail.
    let _ = writeln!(text, "#EXT-X-MEDIA-SEQUENCE:{first}");
    let _ = writeln!(text, "#EXT-X-MAP:URI=\"init-{first}.mp4\"");
    text.push_str("#EXT-X-PROGRAM-DATE-TIME:2026-11-21T10:00:00.000Z\n");
    for msn in first..MSN {
        if msn + 3 > MSN {
            for part in 0..6 {
                let _ = writeln!(
                    text,
                    "#EXT-X-PART:DURATION=0.33333,URI=\"{msn}.{part}.m4s\""
                );
            }
        }
        let _ = writeln!(text, "#EXTINF:2.00000,\n{msn}.m4s");
    }
    for part in 0..2 {
        let _ = writeln!(
            text,
            "#EXT-X-PART:DURATION=0.33333,URI=\"{MSN}.{part}.m4s\""
        );
    }
    let _ = writeln!(text, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{MSN}.2.m4s\"");
    let missing = PLAYLIST_BYTES.saturating_sub(text.len() + 2);
    text.push('#');
    text.extend(std::iter::repeat_n('x', missing));
    text.push('\n');
    Bytes::from(text)
}

/// Bytes without a pattern that any layer could compress.
fn part() -> Bytes {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    (0..PART_BYTES)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_have_their_sizes() {
        let objects = all();
        assert_eq!(objects[0].body.len(), PLAYLIST_BYTES);
        assert_eq!(objects[1].body.len(), PART_BYTES);
    }
}
