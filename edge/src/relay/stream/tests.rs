use cache_policy::CacheKey;
use hls::{LivePosition, Msn, PartIndex};
use http::HeaderMap;
use live_relay::CodedText;

use super::*;
use crate::cache::{Cache, CacheLimits, Lookup};

fn cache() -> Cache {
    Cache::new(CacheLimits {
        memory_bytes: 1 << 20,
        object_bytes_max: 1 << 20,
        flights_max: 2 * HELD_MAX,
    })
}

fn name(name: &str) -> RenditionName {
    RenditionName::new(name).unwrap()
}

fn held(cache: &Cache, target: &str, since: Instant) -> Held {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let key = CacheKey::new(&format!("/live/demo/720p/{path}"), Some(query)).unwrap();
    let Lookup::Leader { writer, .. } = cache.lookup(&key, since) else {
        panic!("{target} is asked for already");
    };
    Held {
        fill: writer,
        asking: Asking::default(),
        rendition: name("720p"),
        object: ObjectName::parse(path).unwrap(),
        since,
    }
}

fn playlist(open: u64, open_parts: u32) -> Arc<PlaylistFrame> {
    Arc::new(PlaylistFrame {
        rendition: name("720p"),
        position: LivePosition {
            open: Msn::new(open),
            open_parts,
            previous_parts: 3,
            started: true,
            ended: false,
            target_duration: Duration::from_secs(2),
            part_target: Duration::from_millis(500),
        },
        fields: HeaderMap::new(),
        blocking_seconds: 12,
        plain_seconds: 1,
        full: CodedText {
            zstd: false,
            bytes: Bytes::from_static(b"full"),
        },
        delta: None,
    })
}

fn part(msn: u64, part: u32) -> Arc<PartFrame> {
    Arc::new(PartFrame {
        rendition: name("720p"),
        msn: Msn::new(msn),
        part: PartIndex::new(part),
        fields: HeaderMap::new(),
        body: Bytes::from_static(b"part"),
    })
}

/// A stream that is told at 6.1, and what its parent was asked for.
fn told(now: Instant) -> Stream {
    let stream = Stream::new("demo");
    stream.want([name("720p")], now);
    stream.begin(now, Duration::from_secs(10)).unwrap();
    let texts = (Bytes::from_static(b"full"), None);
    assert!(stream.playlist(&playlist(6, 1), texts, now).is_empty());
    stream
}

fn names(settled: &Settled) -> Vec<(String, &Answer)> {
    let mut names: Vec<_> = settled
        .iter()
        .map(|(held, answer)| {
            let target = held.fill.key().to_string();
            (target.replace("/live/demo/720p/", ""), answer)
        })
        .collect();
    names.sort_by(|one, other| one.0.cmp(&other.0));
    names
}

#[test]
fn who_is_held_is_answered_when_it_is_told() {
    let (now, cache) = (Instant::now(), cache());
    let stream = told(now);
    for target in [
        "6.1.m4s",
        "7.0.m4s",
        "index.m3u8?_HLS_msn=6&_HLS_part=1",
        "index.m3u8?_HLS_msn=6",
    ] {
        stream.hold(held(&cache, target, now), now).unwrap();
    }
    let settled = stream.part(&part(6, 1), now);
    let [(target, Answer::Media(parts))] = &*names(&settled) else {
        panic!("{settled:?}");
    };
    assert_eq!((target.as_str(), parts.len()), ("6.1.m4s", 1));
    let texts = || (Bytes::from_static(b"full"), None);
    let settled = stream.playlist(&playlist(6, 2), texts(), now);
    let [(target, Answer::Playlist { .. })] = &*names(&settled) else {
        panic!("{settled:?}");
    };
    assert_eq!(target, "index.m3u8?_HLS_msn=6&_HLS_part=1");
    // 7.0 is listed and has not come: a gap, or lost. The parent knows.
    let settled = stream.playlist(&playlist(7, 1), texts(), now);
    let [(part, Answer::AskParent), (list, Answer::Playlist { .. })] = &*names(&settled) else {
        panic!("{settled:?}");
    };
    assert_eq!(
        (part.as_str(), list.as_str()),
        ("7.0.m4s", "index.m3u8?_HLS_msn=6")
    );
}

#[test]
fn nobody_is_held_for_ever() {
    let (now, cache) = (Instant::now(), cache());
    let stream = told(now);
    for target in ["6.1.m4s", "index.m3u8?_HLS_msn=6"] {
        stream.hold(held(&cache, target, now), now).unwrap();
    }
    let just_before = now + Duration::from_millis(5999);
    assert!(stream.overdue(just_before).is_empty());
    let settled = stream.overdue(now + Duration::from_secs(6));
    let [(part, Answer::AskParent), (list, Answer::Refuse(rejection))] = &*names(&settled) else {
        panic!("{settled:?}");
    };
    assert_eq!(
        (part.as_str(), list.as_str()),
        ("6.1.m4s", "index.m3u8?_HLS_msn=6")
    );
    assert_eq!(rejection.status(), 503);
}

#[test]
fn with_the_subscription_its_knowledge_ends() {
    let (now, cache) = (Instant::now(), cache());
    let stream = told(now);
    stream.hold(held(&cache, "6.1.m4s", now), now).unwrap();
    let settled = stream.end(Some(End::Leaving));
    assert!(matches!(&*names(&settled), [(_, Answer::AskParent)]));
    drop(settled);
    let asked = stream.ask(&name("720p"), ObjectName::Playlist, "", now);
    assert_eq!(asked, (Answer::AskParent, true));
    let (_, answer) = stream.hold(held(&cache, "6.1.m4s", now), now).unwrap_err();
    assert_eq!(answer, Answer::AskParent);
    assert_eq!(stream.over(), Some(End::Leaving));
    assert_eq!(
        stream.since(&name("720p"), &mut Cursor::default(), now),
        None
    );
    // The next one goes on where this one ended, and knows nothing before it is told.
    let again = stream.begin(now, Duration::from_secs(10)).unwrap();
    assert_eq!(again.to_string(), "renditions=720p:6.1");
    assert_eq!(stream.over(), None);
    let ask = || stream.ask(&name("720p"), ObjectName::Playlist, "", now).0;
    assert_eq!(ask(), Answer::AskParent);
    let texts = (Bytes::from_static(b"full"), None);
    assert!(stream.playlist(&playlist(6, 2), texts, now).is_empty());
    assert!(matches!(ask(), Answer::Playlist { .. }));
}

#[test]
fn what_nobody_asks_for_is_let_go_of() {
    let now = Instant::now();
    let idle = Duration::from_secs(10);
    let stream = told(now);
    stream.want([name("audio")], now + Duration::from_secs(5));
    assert!(stream.has_changed(now, idle), "the subscription lacks it");
    let later = now + idle;
    let interest = stream.begin(later, idle).unwrap();
    assert_eq!(interest.to_string(), "renditions=audio");
    assert!(!stream.has_changed(later, idle));
    assert!(stream.has_changed(later + idle, idle));
    assert_eq!(stream.begin(later + idle, idle), None);
    assert!(stream.is_unwanted());
}

#[test]
fn names_and_waiting_have_bounds() {
    let (now, cache) = (Instant::now(), cache());
    let stream = told(now);
    for number in 0..10 * RENDITIONS_MAX {
        stream.want([name(&format!("made-up-{number}"))], now);
    }
    let interest = stream.begin(now, Duration::from_secs(10)).unwrap();
    assert_eq!(interest.wanted().len(), RENDITIONS_MAX);
    let is_told = |wanted: &Wanted| wanted.rendition == name("720p");
    assert!(interest.wanted().iter().any(is_told), "{interest}");
    let mut refused = 0;
    for number in 0..HELD_MAX + 3 {
        // Keys of their own, all of them waiting for the same.
        let mut one = held(
            &cache,
            &format!("index.m3u8?_HLS_msn={}", 100 + number),
            now,
        );
        one.object = ObjectName::Part(Msn::new(6), PartIndex::new(1));
        refused += usize::from(stream.hold(one, now).is_err());
    }
    assert_eq!(refused, 3);
}
