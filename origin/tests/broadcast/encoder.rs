//! A broadcaster with codecs that ffmpeg 5 cannot send: ffmpeg encodes to a file, and what is in the
//! file is sent here, tag by tag, as Enhanced RTMP.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rtmp::amf0::Value;
use rtmp::flv::{AudioBody, AudioCodec, VideoBody, VideoCodec};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};

use crate::client::{Mux, message, number, publish, text};
use crate::harness::{KEY, PATIENCE};

const AUDIO: u8 = 8;
const VIDEO: u8 = 9;

/// Tags with their times in ms, in the order of sending.
pub(crate) type Tags = Vec<(u32, u8, Bytes)>;

/// One elementary stream that ffmpeg made.
pub(crate) struct Encoded {
    /// `hvcC`, `av1C`, `avcC` or `dOps`, without its header.
    record: Bytes,
    packets: Vec<Packet>,
}

struct Packet {
    dts_ms: i64,
    pts_ms: i64,
    keyframe: bool,
    data: Bytes,
}

impl Encoded {
    /// Lets ffmpeg make an MP4 with one fragment a frame, and takes it apart.
    pub(crate) fn new(directory: &Path, input: &str, options: &str, record: &str) -> Self {
        let file = directory.join(format!("{}-{record}.mp4", input.len() + options.len()));
        let output = Command::new("ffmpeg")
            .args(["-v", "error", "-y", "-f", "lavfi", "-i", input])
            .args(options.split(' '))
            .args("-movflags +frag_every_frame+empty_moov+default_base_moof".split(' '))
            .arg(&file)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let bytes = Bytes::from(std::fs::read(&file).unwrap());
        let payloads = boxes(&bytes).filter(|(kind, _)| kind == b"mdat");
        let packets = payloads.zip(times(&file)).map(|((_, data), times)| Packet {
            dts_ms: times.0,
            pts_ms: times.1,
            keyframe: times.2,
            data,
        });
        Self {
            record: record_of(&bytes, record.as_bytes()),
            packets: packets.collect(),
        }
    }

    pub(crate) fn packets(&self) -> usize {
        self.packets.len()
    }

    /// As tags of a track; track 0 is sent without multitrack.
    pub(crate) fn video_tags(&self, codec: VideoCodec, track: u8) -> Tags {
        let record = self.record.clone();
        let header = VideoBody::SequenceHeader { codec, record };
        // RTMP has no negative times.
        let first_ms = self.packets[0].dts_ms;
        let frames = self.packets.iter().map(|packet| {
            let body = VideoBody::Frame {
                codec,
                keyframe: packet.keyframe,
                composition_ms: (packet.pts_ms - packet.dts_ms) as i32,
                data: packet.data.clone(),
            };
            ((packet.dts_ms - first_ms) as u32, body)
        });
        std::iter::once((0, header))
            .chain(frames)
            .map(|(at, body)| {
                let body = match track {
                    0 => body,
                    number => VideoBody::Track {
                        number,
                        body: Box::new(body),
                    },
                };
                let mut bytes = BytesMut::new();
                assert!(body.encode(&mut bytes));
                (at, VIDEO, bytes.freeze())
            })
            .collect()
    }

    /// Opus as tags. The file has `dOps`, of big-endian numbers; the tag has `OpusHead`, of
    /// little-endian ones (RFC 7845 5.1).
    pub(crate) fn opus_tags(&self) -> Tags {
        let dops = &self.record;
        let mut head = b"OpusHead\x01".to_vec();
        head.extend([
            dops[1], dops[3], dops[2], dops[7], dops[6], dops[5], dops[4],
        ]);
        head.extend([dops[9], dops[8], dops[10]]);
        let codec = AudioCodec::Opus;
        let record = Bytes::from(head);
        let header = AudioBody::SequenceHeader { codec, record };
        let frames = self.packets.iter().map(|packet| {
            let data = packet.data.clone();
            (
                packet.dts_ms.max(0) as u32,
                AudioBody::Frame { codec, data },
            )
        });
        let all = std::iter::once((0, header)).chain(frames);
        all.map(|(at, body)| {
            let mut bytes = BytesMut::new();
            assert!(body.encode(&mut bytes));
            (at, AUDIO, bytes.freeze())
        })
        .collect()
    }
}

/// Decode and presentation time of each packet, and whether it is a keyframe.
fn times(file: &Path) -> Vec<(i64, i64, bool)> {
    let output = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-show_entries",
            "packet=dts_time,pts_time,flags",
        ])
        .args(["-of", "csv=p=0"])
        .arg(file)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let millis = |field: &str| (field.parse::<f64>().unwrap() * 1_000.0).round() as i64;
    let line = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        (
            millis(fields[1]),
            millis(fields[0]),
            fields[2].starts_with('K'),
        )
    };
    text.lines().map(line).collect()
}

/// Type and contents of the boxes in a file.
fn boxes(file: &Bytes) -> impl Iterator<Item = ([u8; 4], Bytes)> {
    let mut rest = file.clone();
    std::iter::from_fn(move || {
        let size = u32::from_be_bytes(*rest.first_chunk()?) as usize;
        let found = rest.split_to(size);
        Some(([found[4], found[5], found[6], found[7]], found.slice(8..)))
    })
}

/// A box somewhere in the file, by its type.
fn record_of(file: &Bytes, kind: &[u8]) -> Bytes {
    let at = file.windows(4).position(|window| window == kind).unwrap();
    let size = u32::from_be_bytes(file[at - 4..at].try_into().unwrap()) as usize;
    file.slice(at + 4..at - 4 + size)
}

/// Tags of several streams in the order of their times.
pub(crate) fn interleave(streams: impl IntoIterator<Item = Tags>) -> Tags {
    let mut tags: Tags = streams.into_iter().flatten().collect();
    tags.sort_by_key(|(at, _, _)| *at);
    tags
}

/// Publishes to the stream `demo` at the pace of the times, then leaves.
pub(crate) async fn broadcast(url: &str, tags: Tags) {
    let address = url.trim_start_matches("rtmp://").split('/').next().unwrap();
    let mut socket = TcpStream::connect(address).await.unwrap();
    let mut mux = Mux::new();
    let mut bytes = publish(&mut mux, "live", KEY);
    mux.set_chunk_bytes(65_536, &mut bytes);
    socket.write_all(&bytes).await.unwrap();
    // Media before the verdict is kept, but only so much of it.
    let mut answer = vec![0; 16_384];
    let accepted = async {
        let mut said = Vec::new();
        while !String::from_utf8_lossy(&said).contains("NetStream.Publish.Start") {
            let read = socket.read(&mut answer).await.unwrap();
            assert!(read > 0, "refused");
            said.extend_from_slice(&answer[..read]);
        }
    };
    timeout(PATIENCE, accepted)
        .await
        .expect("an answer in time");
    let start = Instant::now();
    for (at, kind, body) in tags {
        // A broadcaster is as fast as its camera.
        sleep_until(start + Duration::from_millis(at.into())).await;
        let mut bytes = Vec::new();
        mux.send(message(6, kind, 1, at, &body), &mut bytes);
        socket.write_all(&bytes).await.unwrap();
    }
    // A goodbye: who vanishes without one may come back.
    let mut bytes = Vec::new();
    let goodbye = [text("FCUnpublish"), number(7), Value::Null, text(KEY)];
    mux.command(1, &goodbye, &mut bytes);
    socket.write_all(&bytes).await.unwrap();
    socket.shutdown().await.unwrap();
}
