//! What the integration tests share: configurations, a collector of outputs, a box reader.

use std::fmt::Write as _;

use bytes::Bytes;
use cmaf::{
    AudioConfig, Event, GapOutput, InitOutput, MediaTime, Output, Packager, PartOutput, Sample,
    SegmentEndOutput, TrackConfig, TrackId, VideoConfig,
};

/// avcC of libx264, 1280x720, Constrained Baseline 3.1.
pub(crate) fn video_config() -> TrackConfig {
    let sps = hex("6742c01fda014016ec0440000003004000000c23c60ca8");
    let pps = hex("68ce0fc8");
    let mut record = vec![1, 0x42, 0xC0, 0x1F, 0xFF, 0xE1, 0, sps.len() as u8];
    record.extend(&sps);
    record.extend([1, 0, pps.len() as u8]);
    record.extend(&pps);
    VideoConfig::from_avcc(record.into()).unwrap().into()
}

/// hvcC of libx265, 1920x1080, Main 10 4.1, PQ.
pub(crate) fn hevc_config() -> TrackConfig {
    let record = hex(
        "0102200000009000000000007bf000fcfdfafa00000f03a00001001840010c01ffff02200000030090\
        000003000003007b959409a10001002e42010102200000030090000003000003007ba003c0801107cad965654a4e1780\
        b50910090400000fa40003a98020a2000100064401c073c189",
    );
    VideoConfig::from_hvcc(record.into()).unwrap().into()
}

/// av1C of SVT-AV1, 1920x1080, Main 4.0, 10 bit, HLG.
pub(crate) fn av1_config() -> TrackConfig {
    let record = hex("81084c000a0e00000042abbfc3700be142448241");
    VideoConfig::from_av1c(record.into()).unwrap().into()
}

/// OpusHead of libopus, stereo.
pub(crate) fn opus_config() -> TrackConfig {
    let record = b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0";
    AudioConfig::from_opus(Bytes::from_static(record))
        .unwrap()
        .into()
}

/// AAC-LC, stereo.
pub(crate) fn audio_config(rate: u32) -> TrackConfig {
    const RATES: [u32; 8] = [
        96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050,
    ];
    let index = RATES.iter().position(|&known| known == rate).unwrap() as u8;
    let record = vec![0x10 | index >> 1, index << 7 | 0x10];
    AudioConfig::from_asc(record.into()).unwrap().into()
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digit).collect()
}

/// A sample whose bytes say which one it is.
pub(crate) fn sample(number: u32, dts: MediaTime, cts_millis: i64, keyframe: bool) -> Sample {
    let cts = MediaTime::from_millis(cts_millis);
    Sample::video(
        dts,
        cts,
        keyframe,
        Bytes::copy_from_slice(&number.to_be_bytes()),
    )
}

/// The outputs of one track, in order.
#[derive(Debug, Default)]
pub(crate) struct TrackLog {
    pub(crate) inits: Vec<InitOutput>,
    pub(crate) parts: Vec<PartOutput>,
    pub(crate) gaps: Vec<GapOutput>,
    pub(crate) ends: Vec<SegmentEndOutput>,
    /// Segment, part and duration of the parts and gaps of the open segment.
    open: Vec<(u64, u32, MediaTime)>,
}

/// Polls a packager and checks what must hold for any input.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) tracks: Vec<TrackLog>,
    pub(crate) events: Vec<Event>,
    pub(crate) ended: bool,
}

impl Log {
    pub(crate) fn new(tracks: usize) -> Self {
        let mut log = Self::default();
        log.tracks.resize_with(tracks, TrackLog::default);
        log
    }

    pub(crate) fn poll(&mut self, packager: &mut Packager) {
        while let Some(output) = packager.poll() {
            assert!(!self.ended, "{output:?} after the end");
            match output {
                Output::Init(init) => {
                    assert!(self.tracks[init.track.0].open.is_empty());
                    self.tracks[init.track.0].inits.push(init);
                }
                Output::Part(part) => {
                    let track = &mut self.tracks[part.track.0];
                    assert!(!track.inits.is_empty(), "a part before its init section");
                    assert!(part.samples > 0);
                    track.add(part.segment_offset, part.part, part.duration);
                    track.parts.push(part);
                }
                Output::Gap(gap) => {
                    let track = &mut self.tracks[gap.track.0];
                    track.add(gap.segment_offset, gap.part, gap.duration);
                    track.gaps.push(gap);
                }
                Output::SegmentEnd(end) => self.tracks[end.track.0].close(end),
                Output::Event(event) => self.events.push(event),
                Output::Start(_) => {}
                Output::Ended => self.ended = true,
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) fn track(&self, track: TrackId) -> &TrackLog {
        &self.tracks[track.0]
    }
}

impl TrackLog {
    fn add(&mut self, segment: u64, part: u32, duration: MediaTime) {
        assert_eq!(segment, self.ends.len() as u64, "segments are contiguous");
        assert_eq!(part as usize, self.open.len(), "parts are contiguous");
        assert!(
            duration > MediaTime::ZERO,
            "segment {segment} part {part}: {duration}"
        );
        self.open.push((segment, part, duration));
    }

    fn close(&mut self, end: SegmentEndOutput) {
        assert_eq!(end.segment_offset, self.ends.len() as u64);
        let sum = self
            .open
            .drain(..)
            .fold(MediaTime::ZERO, |sum, part| sum + part.2);
        assert_eq!(end.duration, sum, "parts sum to their segment");
        self.ends.push(end);
    }

    /// The numbers in the payloads of all parts, in order.
    pub(crate) fn numbers(&self) -> Vec<u32> {
        self.parts
            .iter()
            .flat_map(|part| Chunk::read(&part.bytes).numbers)
            .collect()
    }
}

/// A part, read back: a chunk, or two where its first picture stands alone.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    /// Of the first chunk.
    pub(crate) sequence: u32,
    pub(crate) chunks: u32,
    pub(crate) decode_time: u64,
    pub(crate) durations: Vec<u32>,
    pub(crate) numbers: Vec<u32>,
}

impl Chunk {
    /// Reads a part whose samples are 4-byte numbers.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        use mp4_atom::Decode as _;
        let mut read = Self::default();
        let mut rest = bytes;
        while !rest.is_empty() {
            let start = rest;
            let moof = mp4_atom::Moof::decode(&mut rest).unwrap();
            let traf = &moof.traf[0];
            let run = &traf.trun[0];
            let offset = run.data_offset.unwrap() as usize;
            assert_eq!(offset, start.len() - rest.len() + 8);
            let mdat = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
            let numbers = rest[8..mdat].chunks(4);
            read.numbers
                .extend(numbers.map(|number| u32::from_be_bytes(number.try_into().unwrap())));
            rest = &rest[mdat..];
            let decode_time = traf.tfdt.as_ref().unwrap().base_media_decode_time;
            if read.chunks == 0 {
                read.sequence = moof.mfhd.sequence_number;
                read.decode_time = decode_time;
            }
            assert_eq!(moof.mfhd.sequence_number, read.sequence + read.chunks);
            let before: u64 = read.durations.iter().copied().map(u64::from).sum();
            assert_eq!(decode_time, read.decode_time + before, "chunks adjoin");
            read.chunks += 1;
            let default = traf.tfhd.default_sample_duration;
            let durations = run.samples.iter();
            read.durations
                .extend(durations.map(|entry| entry.duration.or(default).unwrap()));
        }
        read
    }
}

/// The box tree as text: type, size, and the bytes of leaves.
pub(crate) fn dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    dump_into(&mut text, bytes, 0);
    text
}

fn dump_into(text: &mut String, mut bytes: &[u8], depth: usize) {
    while bytes.len() >= 8 {
        let size = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
        let kind = String::from_utf8_lossy(&bytes[4..8]).into_owned();
        let body = &bytes[8..size];
        let indent = depth * 2;
        writeln!(text, "{:indent$}{kind} {size}", "").unwrap();
        match kind.as_str() {
            "moov" | "trak" | "mdia" | "minf" | "dinf" | "stbl" | "mvex" | "moof" | "traf" => {
                dump_into(text, body, depth + 1);
            }
            "stsd" | "dref" => {
                hex_lines(text, &body[..8], indent);
                dump_into(text, &body[8..], depth + 1);
            }
            "avc1" | "hvc1" | "av01" => {
                hex_lines(text, &body[..78], indent);
                dump_into(text, &body[78..], depth + 1);
            }
            "mp4a" | "Opus" => {
                hex_lines(text, &body[..28], indent);
                dump_into(text, &body[28..], depth + 1);
            }
            _ => hex_lines(text, body, indent),
        }
        bytes = &bytes[size..];
    }
}

fn hex_lines(text: &mut String, bytes: &[u8], indent: usize) {
    for line in bytes.chunks(16) {
        write!(text, "{:indent$}  ", "").unwrap();
        for byte in line {
            write!(text, "{byte:02x}").unwrap();
        }
        text.push('\n');
    }
}
