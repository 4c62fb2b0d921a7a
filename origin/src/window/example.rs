//! A stream for tests.

use hls::{LiveConfig, NewPart};

use super::*;

fn playlist(name: &str, start_msn: Msn) -> LivePlaylist {
    LivePlaylist::new(LiveConfig {
        rendition: RenditionName::new(name).unwrap(),
        target_duration: Duration::from_secs(2),
        part_target: Duration::from_secs(1),
        part_hold_back: Duration::from_secs(3),
        window: Duration::from_secs(12),
        removed_max: Duration::from_secs(14_400),
        start_msn,
        start_discontinuity_sequence: 0,
        start_time: ProgramDateTime::from_unix_millis(0),
    })
    .unwrap()
}

/// 360p and audio, before the first part.
pub(crate) fn stream(start_msn: u64) -> LiveStream {
    let msn = Msn::new(start_msn);
    let info = StreamInfo {
        name: "demo".to_owned(),
        title: None,
        started_at: SystemTime::UNIX_EPOCH,
        source: SourceInfo {
            width: 640,
            height: 360,
            frames_per_second: 30.0,
            passthrough: false,
        },
    };
    let renditions = vec![
        (playlist("360p", msn), RenditionKind::Video),
        (playlist("audio", msn), RenditionKind::Audio),
    ];
    LiveStream::new(info, renditions)
}

/// A part of one second in every rendition, and a segment after two.
pub(crate) fn push_second(stream: &LiveStream, last: bool) {
    let mut update = stream.update();
    for rendition in update.renditions() {
        let part = NewPart {
            duration: Duration::from_secs(1),
            independent: true,
            gap: false,
        };
        rendition
            .push_part(part, Bytes::from_static(b"part"))
            .unwrap();
        if last {
            rendition.playlist.close_segment().unwrap();
        }
    }
}
