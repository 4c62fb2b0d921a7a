//! The Media Playlist parser.

#![no_main]

use std::time::Duration;

use hls::media;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(playlist) = media::parse(text) else {
        return;
    };
    // What was read can be written, and reads back as the same document.
    let again = playlist.to_string();
    assert_eq!(media::parse(&again).as_ref(), Ok(&playlist), "{again}");
    // Memory is bounded by the input: every item took a line of its own.
    let parts: usize = playlist
        .segments
        .iter()
        .map(|segment| segment.head.parts.len())
        .sum();
    let items = playlist.segments.len() + parts + playlist.open.parts.len();
    assert!(items <= text.lines().count());
    // The rules that a player relies on.
    let target = playlist.target_duration + Duration::from_millis(500);
    assert!(
        playlist
            .segments
            .iter()
            .all(|segment| segment.duration < target)
    );
    assert!(!playlist.end_list || playlist.preload_hints.is_empty());
    let position = playlist.position();
    assert!(position.open >= playlist.media_sequence);
});
