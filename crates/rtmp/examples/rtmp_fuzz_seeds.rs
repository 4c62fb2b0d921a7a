//! Writes the seeds of the fuzz targets `rtmp_session`, `rtmp_amf0`, `flv_reader` and `flv_tag`
//! below the directory given: `cargo run -p rtmp --example rtmp_fuzz_seeds -- fuzz/seeds`.

use std::io;
use std::path::Path;

use rtmp::amf0::Value;
use rtmp::chunk::message_type;
use rtmp::flv::{TagKind, Writer};

#[path = "../tests/it/client.rs"]
mod client;

use client::{HANDSHAKE_ANSWER_BYTES, Mux, amf, message, number, publish, text};

const AVC_CONFIG: &[u8] =
    b"\x17\0\0\0\0\x01\x64\0\x1f\xff\xe1\0\x04\x67\x64\0\x1f\x01\0\x02\x68\xee";
const AVC_FRAME: &[u8] = b"\x27\x01\0\0\x21\0\0\0\x02\x41\x9a";
const AAC_CONFIG: &[u8] = b"\xaf\0\x11\x90";
const AAC_FRAME: &[u8] = b"\xaf\x01\x21\x10\x04\x60";
const HEVC_CONFIG: &[u8] = b"\x90hvc1\x01";
const ENHANCED_AVC_FRAME: &[u8] = b"\xa1avc1\xff\xff\xdf\0\0\0\x02\x41\x9a";
const OPUS_CONFIG: &[u8] = b"\x90OpusOpusHead";
const MP4A_FRAME: &[u8] = b"\x91mp4a\x21\x10";
const HEVC_FRAME: &[u8] = b"\x91hvc1\0\0\x21\0\0\0\x02\x26\x01";
const AV1_FRAME: &[u8] = b"\xa1av01\x32\x02\x10\0";
const MOD_EX: &[u8] = b"\x97\x02\0\0\x01\x03hvc1\0\0\0\x02\x26\x01";
const MANY_TRACKS: &[u8] =
    b"\x96\x13avc1\0\0\0\x06\0\0\0\x02\x65\x88\x01\0\0\x06\0\0\0\x02\x65\x88";
const MANY_CODECS: &[u8] = b"\x96\x20hvc1\0\0\0\x01\x01av01\x01\0\0\x01\x81";
const COLOR_INFO: &[u8] = b"\x94hvc1\x02\0\x09colorInfo\x03\0\x0bcolorConfig\x03\0\x17\
    transferCharacteristics\0\x40\x30\0\0\0\0\0\0\0\0\x09\0\0\x09";
const OPUS_FRAME: &[u8] = b"\x91Opus\xfc\xff\xfe";
const AUDIO_TRACK: &[u8] = b"\x95\x01Opus\x01\xfc\xff\xfe";
const BODIES: [&[u8]; 16] = [
    AVC_CONFIG,
    AVC_FRAME,
    AAC_CONFIG,
    AAC_FRAME,
    HEVC_CONFIG,
    ENHANCED_AVC_FRAME,
    OPUS_CONFIG,
    MP4A_FRAME,
    HEVC_FRAME,
    AV1_FRAME,
    MOD_EX,
    MANY_TRACKS,
    MANY_CODECS,
    COLOR_INFO,
    OPUS_FRAME,
    AUDIO_TRACK,
];

fn main() -> io::Result<()> {
    let directory = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "fuzz/seeds".to_owned());
    let directory = Path::new(&directory);
    let write = |target: &str, name: &str, bytes: &[u8]| {
        let directory = directory.join(target);
        std::fs::create_dir_all(&directory)?;
        std::fs::write(directory.join(name), bytes)
    };
    for (index, body) in BODIES.iter().enumerate() {
        write("flv_tag", &format!("body-{index}"), body)?;
    }
    write("flv_reader", "tags", &flv())?;
    write("rtmp_amf0", "metadata", &metadata())?;
    write(
        "rtmp_amf0",
        "scalars",
        &amf(&[
            text("x"),
            number(1),
            Value::Boolean(true),
            Value::Null,
            Value::Undefined,
            Value::Date { unix_ms: 1.0 },
            Value::StrictArray(vec![number(1), text("y")]),
            Value::XmlDocument("<a/>".to_owned()),
        ]),
    )?;
    // The first byte chooses: read size, handshake done by the target, publish accepted.
    write("rtmp_session", "publish", &session(0x3F, false))?;
    write("rtmp_session", "publish-small-reads", &session(0x00, false))?;
    write("rtmp_session", "publish-refused", &session(0xBF, false))?;
    write(
        "rtmp_session",
        "publish-with-handshake",
        &session(0x7F, true),
    )
}

fn session(choice: u8, with_handshake: bool) -> Vec<u8> {
    let mut mux = Mux::new();
    let mut start = publish(&mut mux, "live", "key");
    if !with_handshake {
        start.drain(..HANDSHAKE_ANSWER_BYTES);
    }
    let mut bytes = vec![choice];
    bytes.append(&mut start);
    mux.set_chunk_bytes(4096, &mut bytes);
    mux.send(
        message(2, message_type::USER_CONTROL, 0, 0, b"\0\x06\0\0\0\x01"),
        &mut bytes,
    );
    mux.send(
        message(2, message_type::WINDOW_ACK_SIZE, 0, 0, b"\0\0\x01\0"),
        &mut bytes,
    );
    mux.send(
        message(4, message_type::DATA_AMF0, 1, 0, &metadata()),
        &mut bytes,
    );
    for (time, body) in (0_u32..).step_by(0x0080_0000).zip(BODIES) {
        let type_id = if is_audio(body) { 8 } else { 9 };
        mux.send(message(6, type_id, 1, time, body), &mut bytes);
    }
    let mut aggregate = b"\x08\0\0\x06\0\0\x0a\0\0\0\0".to_vec();
    aggregate.extend_from_slice(AAC_FRAME);
    aggregate.extend_from_slice(b"\0\0\0\x11");
    mux.send(
        message(6, message_type::AGGREGATE, 1, 7, &aggregate),
        &mut bytes,
    );
    let end = [text("FCUnpublish"), number(7), Value::Null, text("key")];
    mux.command(1, &end, &mut bytes);
    bytes
}

fn metadata() -> Vec<u8> {
    let properties = vec![
        ("width".to_owned(), number(1280)),
        ("encoder".to_owned(), text("x")),
    ];
    let values = [
        text("@setDataFrame"),
        text("onMetaData"),
        Value::EcmaArray(properties),
    ];
    amf(&values).to_vec()
}

fn flv() -> Vec<u8> {
    let (writer, header) = Writer::new(true, true);
    let mut file = vec![7];
    file.extend_from_slice(&header);
    for (time, body) in (0_i64..).step_by(33).zip(BODIES) {
        let kind = if is_audio(body) {
            TagKind::Audio
        } else {
            TagKind::Video
        };
        file.extend_from_slice(&writer.raw(kind, time, body));
    }
    file
}

/// No FourCC of video begins like that of an audio codec here.
fn is_audio(body: &[u8]) -> bool {
    let holds = |fourcc: &[u8]| body.windows(4).take(4).any(|window| window == fourcc);
    body.first() == Some(&0xAF) || holds(b"Opus") || holds(b"mp4a")
}
