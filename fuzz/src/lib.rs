//! What fuzz targets share.

use bytes::Bytes;
use cmaf::{
    AudioConfig, FrameRate, GridInput, GridPlan, MediaTime, Output, Packager, Sample, TrackConfig,
    TrackId, VideoConfig,
};

/// A video track, for a sound that cannot lead.
const AVCC: &[u8] = &[
    1, 0x42, 0xC0, 0x1F, 0xFF, 0xE1, 0, 23, 0x67, 0x42, 0xC0, 0x1F, 0xDA, 0x01, 0x40, 0x16, 0xEC,
    0x04, 0x40, 0, 0, 0x03, 0, 0x40, 0, 0, 0x0C, 0x23, 0xC6, 0x0C, 0xA8, 1, 0, 4, 0x68, 0xCE, 0x0F,
    0xC8, 0,
];

/// Packages some frames of a video track; panics unless it gets its Media Initialization Section.
pub fn package_video(config: VideoConfig) {
    package(TrackId(0), vec![config.into()], &[]);
}

/// Packages some of these frames of an audio track, as [`package_video`].
pub fn package_audio(config: AudioConfig, frame: &[u8]) {
    let video = VideoConfig::from_avcc(Bytes::from_static(AVCC)).expect("it is one");
    package(TrackId(1), vec![video.into(), config.into()], frame);
}

fn package(track: TrackId, tracks: Vec<TrackConfig>, frame: &[u8]) {
    let rate = FrameRate {
        numerator: 30,
        denominator: 1,
    };
    let plan = GridPlan::choose(&GridInput::new(rate, None)).expect("30 frames a second");
    let has_audio = tracks.len() > 1;
    let specs = tracks.into_iter().map(Into::into).collect();
    let mut packager = Packager::new(&plan, specs).expect("the first is video");
    let mut init = None;
    for number in 0..20 {
        let at = MediaTime::from_millis(number * 33);
        let picture = Bytes::from_static(b"data");
        let picture = Sample::video(at, MediaTime::ZERO, number == 0, picture);
        packager.push(TrackId(0), picture).expect("it leads");
        if has_audio {
            let sound = Sample::audio(at, Bytes::copy_from_slice(frame));
            packager.push(TrackId(1), sound).expect("it follows");
        }
        init = init.or(take(&mut packager, track));
    }
    packager.end().expect("once");
    let init = init.or(take(&mut packager, track));
    assert_eq!(init.expect("no init").get(4..8), Some(&b"ftyp"[..]));
}

/// What is put out, of which an init of `track` counts.
fn take(packager: &mut Packager, track: TrackId) -> Option<Bytes> {
    let mut found = None;
    while let Some(output) = packager.poll() {
        if let Output::Init(init) = output
            && init.track == track
        {
            found = Some(init.bytes);
        }
    }
    found
}
