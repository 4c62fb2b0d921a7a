//! Names of codecs, most of which are recognised in order to be refused with a reason.

/// Name of an E-RTMP video FourCC.
pub(crate) fn video(fourcc: [u8; 4]) -> &'static str {
    match &fourcc {
        b"av01" => "AV1",
        b"avc1" => "H.264",
        b"hvc1" => "HEVC",
        b"vp08" => "VP8",
        b"vp09" => "VP9",
        b"vvc1" => "VVC",
        _ => "unknown FourCC",
    }
}

/// Name of an E-RTMP audio FourCC.
pub(crate) fn audio(fourcc: [u8; 4]) -> &'static str {
    match &fourcc {
        b".mp3" => "MP3",
        b"Opus" => "Opus",
        b"ac-3" => "AC-3",
        b"ec-3" => "E-AC-3",
        b"fLaC" => "FLAC",
        b"mp4a" => "AAC",
        _ => "unknown FourCC",
    }
}

/// Name of a legacy FLV CodecID (FLV 10.1, E.4.3.1).
pub(crate) fn legacy_video(codec_id: u8) -> &'static str {
    match codec_id {
        2 => "Sorenson H.263",
        3 => "Screen video",
        4 => "VP6",
        5 => "VP6 with alpha",
        6 => "Screen video 2",
        _ => "unknown CodecID",
    }
}

/// Name of a legacy FLV SoundFormat (FLV 10.1, E.4.2.1).
pub(crate) fn legacy_audio(sound_format: u8) -> &'static str {
    match sound_format {
        0 | 3 => "PCM",
        1 => "ADPCM",
        2 | 14 => "MP3",
        4..=6 => "Nellymoser",
        7 => "G.711 A-law",
        8 => "G.711 mu-law",
        11 => "Speex",
        _ => "unknown SoundFormat",
    }
}
