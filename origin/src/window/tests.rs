use std::sync::Arc;

use super::example::{push_second, stream};
use super::*;

#[test]
fn a_batch_is_seen_as_a_whole() {
    let stream = stream(7);
    let mut changes = stream.subscribe(0).unwrap();
    changes.mark_unchanged();
    push_second(&stream, false);
    assert!(changes.has_changed().unwrap());
    assert!(
        matches!(stream.playlist(0, ""), PlaylistAnswer::Wait),
        "no segment yet"
    );
    push_second(&stream, true);
    let PlaylistAnswer::Ready { text, blocking, .. } = stream.playlist(0, "_HLS_msn=7") else {
        panic!("segment 7 is there");
    };
    assert!(blocking);
    let text = std::str::from_utf8(text.plain()).unwrap();
    assert!(
        text.contains("URI=\"../audio/index.m3u8\",LAST-MSN=7,LAST-PART=1"),
        "{text}"
    );
}

#[test]
fn a_text_is_rendered_once_between_batches() {
    let stream = stream(7);
    push_second(&stream, false);
    push_second(&stream, true);
    let text = || match stream.playlist(0, "") {
        PlaylistAnswer::Ready { text, .. } => text,
        other => panic!("{other:?}"),
    };
    let first = text();
    assert!(Arc::ptr_eq(&first, &text()), "rendered twice");
    push_second(&stream, false);
    assert_ne!(first.plain(), text().plain(), "an old text is kept");
}

#[test]
fn media_is_held_when_it_is_due_and_unknown_else() {
    let stream = stream(7);
    push_second(&stream, false);
    let part = |msn, part| ObjectName::Part(Msn::new(msn), PartIndex::new(part));
    let pieces = vec![Bytes::from_static(b"part")];
    assert_eq!(stream.media(0, part(7, 0)), MediaAnswer::Ready(pieces));
    assert_eq!(stream.media(0, part(7, 1)), MediaAnswer::Hold);
    assert_eq!(stream.media(0, part(70, 0)), MediaAnswer::NotFound);
    assert_eq!(stream.media(9, part(7, 0)), MediaAnswer::NotFound);
    for rendition in stream.update().renditions() {
        rendition.playlist.end();
    }
    assert_eq!(
        stream.media(0, part(7, 1)),
        MediaAnswer::NotFound,
        "it will not come"
    );
    assert!(stream.is_ended());
}

#[test]
fn a_stream_that_ended_is_served_on_behind_the_one_that_took_its_place() {
    let catalog = Catalog::default();
    let first = Arc::new(stream(100));
    catalog.insert(Arc::clone(&first));
    push_second(&first, false);
    push_second(&first, true);
    let segment = |msn| ObjectName::Segment(Msn::new(msn));
    let second = Arc::new(stream(200));
    catalog.insert(Arc::clone(&second));
    assert!(matches!(
        second.media(0, segment(100)),
        MediaAnswer::Ready(_)
    ));
    assert_eq!(second.media(0, segment(101)), MediaAnswer::Hold);
    catalog.remove(&first);
    assert!(
        catalog.get("demo").is_some(),
        "the old one takes the new one with it"
    );
    second.forget_former();
    assert_eq!(second.media(0, segment(100)), MediaAnswer::NotFound);
}

#[test]
fn what_was_cut_is_not_served_on() {
    let catalog = Catalog::default();
    let first = Arc::new(stream(100));
    catalog.insert(Arc::clone(&first));
    push_second(&first, true);
    first.cut();
    let second = Arc::new(stream(200));
    catalog.insert(Arc::clone(&second));
    let segment = ObjectName::Segment(Msn::new(100));
    assert_eq!(second.media(0, segment), MediaAnswer::NotFound);
}
