use super::*;

fn read(
    intake: &mut Intake,
    timestamp_ms: i64,
    body: PublishedBody,
) -> Result<Option<Media>, IntakeError> {
    let tag = PublishedTag {
        timestamp_ms,
        arrival: Instant::now(),
        body,
    };
    intake.read(tag, SystemTime::UNIX_EPOCH)
}

fn frame(keyframe: bool) -> PublishedBody {
    PublishedBody::Video(VideoBody::Frame {
        codec: VideoCodec::Avc,
        keyframe,
        composition_ms: 0,
        data: Bytes::from_static(b"frame"),
    })
}

#[test]
fn other_codecs_are_refused_by_name() {
    let body = PublishedBody::Video(VideoBody::Unsupported {
        codec: "VP9",
        fourcc: None,
    });
    let refused = read(&mut Intake::default(), 0, body).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the codec VP9 is not supported: send H.264, HEVC or AV1 video, and AAC or Opus audio"
    );
}

#[test]
fn a_broken_configuration_is_refused() {
    let body = PublishedBody::Video(VideoBody::SequenceHeader {
        codec: VideoCodec::Avc,
        record: Bytes::from_static(b"\x01"),
    });
    let refused = read(&mut Intake::default(), 0, body).unwrap_err();
    assert!(matches!(refused, IntakeError::Configuration("H.264", _)));
}

fn avc() -> PublishedBody {
    let record = [
        0x01, 0x42, 0xc0, 0x16, 0xff, 0xe1, 0x00, 0x19, 0x67, 0x42, 0xc0, 0x16, 0xda, 0x02, 0x80,
        0xbf, 0xe5, 0xc0, 0x44, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0x50, 0x3c,
        0x58, 0xba, 0x80, 0x01, 0x00, 0x04, 0x68, 0xce, 0x0f, 0xc8,
    ];
    PublishedBody::Video(VideoBody::SequenceHeader {
        codec: VideoCodec::Avc,
        record: Bytes::copy_from_slice(&record),
    })
}

fn shown_at(media: Option<Media>) -> i64 {
    match media {
        Some(Media::Video { frame, .. }) => frame.dts_ms,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_clock_that_leaps_moves_nothing() {
    let mut intake = Intake::default();
    read(&mut intake, 0, avc()).unwrap();
    let first = read(&mut intake, 500_000, frame(true)).unwrap();
    assert_eq!(shown_at(first), 0);
    let second = read(&mut intake, 500_040, frame(false)).unwrap();
    assert_eq!((shown_at(second), intake.take_leap()), (40, None));
    let leapt = read(&mut intake, 3, frame(false)).unwrap();
    assert!((41..1_000).contains(&shown_at(leapt)));
    assert_eq!(intake.take_leap(), Some(-500_037));
    assert_eq!(intake.take_leap(), None);
}

#[test]
fn another_configuration_is_looked_at_anew() {
    let mut intake = Intake::default();
    read(&mut intake, 0, avc()).unwrap();
    read(&mut intake, 9_000, frame(true)).unwrap();
    let mut other = avc();
    if let PublishedBody::Video(VideoBody::SequenceHeader { record, .. }) = &mut other {
        let mut changed = record.to_vec();
        // The level.
        changed[3] = 0x1f;
        *record = changed.into();
    }
    let changed = read(&mut intake, 9_040, other.clone()).unwrap_err();
    assert_eq!(changed, IntakeError::ConfigurationChanged("video"));
    let tag = PublishedTag {
        timestamp_ms: 9_040,
        arrival: Instant::now(),
        body: other,
    };
    let mut renewed = intake.renew(Some(tag), SystemTime::UNIX_EPOCH).unwrap();
    let waits = read(&mut renewed, 9_080, frame(false)).unwrap();
    assert!(waits.is_none(), "for a keyframe of the new configuration");
    let first = read(&mut renewed, 9_120, frame(true)).unwrap();
    assert_eq!(shown_at(first), 0);
}

#[test]
fn another_codec_in_the_middle_is_refused() {
    let mut intake = Intake::default();
    let header = PublishedBody::Audio(AudioBody::SequenceHeader {
        codec: AudioCodec::Opus,
        record: Bytes::new(),
    });
    assert!(read(&mut intake, 0, header).is_ok());
    let sound = |codec| {
        let data = Bytes::from_static(b"\xf0");
        PublishedBody::Audio(AudioBody::Frame { codec, data })
    };
    assert!(read(&mut intake, 0, sound(AudioCodec::Opus)).is_ok());
    let config = intake
        .audio
        .as_ref()
        .map(|(_, config)| config.frame_samples());
    assert_eq!(config, Some(480), "as the packet says");
    let refused = read(&mut intake, 20, sound(AudioCodec::Aac)).unwrap_err();
    assert_eq!(refused, IntakeError::OtherCodec("AAC"));
}

#[test]
fn a_track_that_stops_ends_the_broadcast() {
    let mut intake = Intake {
        zero_ms: Some(0),
        ladder: Some(BTreeMap::from([(1, (Bytes::new(), 0))])),
        ..Intake::default()
    };
    for at in [0, 1_000, 2_000, 3_000] {
        assert!(read(&mut intake, at, frame(false)).is_ok());
    }
    let refused = read(&mut intake, 3_040, frame(false)).unwrap_err();
    assert_eq!(refused, IntakeError::TrackStopped(1));
}

#[test]
fn nothing_counts_before_the_first_keyframe() {
    let mut intake = Intake::default();
    assert!(read(&mut intake, 70, frame(false)).unwrap().is_none());
    assert!(intake.zero_ms.is_none());
    assert!(intake.source(None).is_none());
}
