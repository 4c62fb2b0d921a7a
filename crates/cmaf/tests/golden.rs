//! Box by box: what an init section and a chunk look like. `UPDATE=1` rewrites the texts.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[expect(
    dead_code,
    reason = "each test binary uses its own half of the support module"
)]
mod support;

use std::path::Path;

use bytes::Bytes;
use cmaf::{FrameRate, GridInput, GridPlan, MediaTime, Packager, Sample, TrackConfig, TrackId};
use support::{Log, audio_config, av1_config, dump, hevc_config, opus_config, video_config};

#[track_caller]
fn check(name: &str, bytes: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    let found = dump(bytes);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert_eq!(found, expected, "{}", path.display());
}

/// One short part of video, with reordered frames, and of audio.
fn package() -> Log {
    let frame_rate = FrameRate {
        numerator: 30,
        denominator: 1,
    };
    let plan = GridPlan::choose(&GridInput::new(frame_rate, Some(48_000))).unwrap();
    let tracks: [TrackConfig; 2] = [video_config(), audio_config(48_000)];
    let mut packager = Packager::new(&plan, tracks.map(Into::into).into()).unwrap();
    let mut log = Log::new(2);
    for (frame, shown_later) in [(0i64, 67), (1, 133), (2, 0), (3, 33)] {
        let dts = MediaTime::from_millis(5_000 + frame * 1_000 / 30);
        let data = Bytes::copy_from_slice(&[frame as u8; 5]);
        let cts = MediaTime::from_millis(shown_later);
        let picture = Sample::video(dts, cts, frame == 0, data);
        packager.push(TrackId(0), picture).unwrap();
    }
    for frame in 0..9i64 {
        let dts = MediaTime::from_millis(5_067 + frame * 1_024 / 48);
        let data = Bytes::copy_from_slice(&[0x20 + frame as u8; 3]);
        packager.push(TrackId(1), Sample::audio(dts, data)).unwrap();
    }
    packager.end().unwrap();
    log.poll(&mut packager);
    log
}

#[test]
fn init_sections_and_chunks_are_as_written_down() {
    let log = package();
    check("video-init.txt", &log.tracks[0].inits[0].bytes);
    check("video-chunk.txt", &log.tracks[0].parts[0].bytes);
    check("audio-init.txt", &log.tracks[1].inits[0].bytes);
    check("audio-chunk.txt", &log.tracks[1].parts[0].bytes);
}

/// A stream of each newer codec: what its Initialization Section says.
#[test]
fn init_sections_of_other_codecs_are_as_written_down() {
    let frame_rate = FrameRate {
        numerator: 30,
        denominator: 1,
    };
    let plan = GridPlan::choose(&GridInput::new(frame_rate, Some(48_000))).unwrap();
    let tracks = [hevc_config(), av1_config(), opus_config()];
    let mut packager = Packager::new(&plan, tracks.map(Into::into).into()).unwrap();
    let data = Bytes::from_static(b"key");
    let picture = Sample::video(MediaTime::ZERO, MediaTime::ZERO, true, data);
    packager.push(TrackId(0), picture).unwrap();
    let mut log = Log::new(3);
    log.poll(&mut packager);
    check("hevc-init.txt", &log.tracks[0].inits[0].bytes);
    check("av1-init.txt", &log.tracks[1].inits[0].bytes);
    check("opus-init.txt", &log.tracks[2].inits[0].bytes);
}

#[test]
fn what_is_written_can_be_read() {
    use mp4_atom::Decode as _;
    let log = package();
    for track in &log.tracks {
        let mut init = &track.inits[0].bytes[..];
        mp4_atom::Ftyp::decode(&mut init).unwrap();
        let moov = mp4_atom::Moov::decode(&mut init).unwrap();
        assert!(init.is_empty());
        assert_eq!(moov.trak.len(), 1);
        assert_eq!(moov.mvex.unwrap().trex.len(), 1);
    }
}
