use proptest::prelude::*;

use super::*;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

fn frame(kind: u8, flags: u8, stream: u32, payload: usize) -> Vec<u8> {
    let length = u32::try_from(payload).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    // Payloads that look like frames.
    bytes.resize(bytes.len() + payload, RST_STREAM);
    bytes
}

fn opened() -> Frames {
    let mut frames = Frames::new(Duration::ZERO);
    let mut start = vec![b'P'; 24];
    start.extend(frame(4, 0, 0, 6));
    frames.received(&start, Duration::ZERO).unwrap();
    assert_eq!(frames.unfinished_since(), None);
    frames
}

fn count_until_flood(kind: u8, flags: u8, payload: usize) -> (u64, Flood) {
    let mut frames = opened();
    let bytes = frame(kind, flags, 1, payload);
    for count in 0..100_000 {
        if let Err(flood) = frames.received(&bytes, Duration::from_secs(1)) {
            return (count, flood);
        }
    }
    panic!("{kind}: no end");
}

#[test]
fn each_kind_has_its_budget() {
    assert_eq!(count_until_flood(RST_STREAM, 0, 4), (500, Flood::Resets));
    assert_eq!(count_until_flood(PING, 0, 8), (100, Flood::Pings));
    // One came with the preface; a second has passed since.
    assert_eq!(count_until_flood(4, 0, 6), (20, Flood::Settings));
    assert_eq!(count_until_flood(2, 0, 5), (5_000, Flood::Others));
    assert_eq!(count_until_flood(0xbe, 0, 5), (5_000, Flood::Others));
    assert_eq!(count_until_flood(DATA, 0, 0), (5_000, Flood::Others));
    assert_eq!(
        count_until_flood(CONTINUATION, 0, 0),
        (5_000, Flood::Others)
    );
    assert_eq!(
        count_until_flood(WINDOW_UPDATE, 0, 4),
        (5_000, Flood::Others)
    );
}

#[test]
fn a_viewer_who_downloads_for_an_hour_is_none() {
    let mut frames = opened();
    let update = frame(WINDOW_UPDATE, 0, 0, 4);
    let body = frame(DATA, 0, 1, 16_384);
    let mut stream = 1;
    for step in 0..100_000_u32 {
        let now = Duration::from_secs(1) + Duration::from_millis(u64::from(step) * 36);
        frames.sent(&body);
        for _ in 0..16 {
            frames.received(&update, now).unwrap();
        }
        if step % 10 == 0 {
            frames
                .received(&frame(HEADERS, 5, stream, 50), now)
                .unwrap();
            frames.received(&frame(PING, ACK, 0, 8), now).unwrap();
            stream += 2;
        }
        if step % 100 == 0 {
            frames.received(&frame(PING, 0, 0, 8), now).unwrap();
            frames.received(&frame(RST_STREAM, 0, 1, 4), now).unwrap();
        }
    }
    let goaway = frames.goaway().unwrap();
    assert_eq!(goaway[9..13], (stream - 2).to_be_bytes());
    assert_eq!(goaway[13..], [0, 0, 0, 0xb]);
    frames.sent(&body[..100]);
    assert_eq!(frames.goaway(), None);
}

#[test]
fn what_is_begun_has_to_be_ended() {
    let at = Duration::from_secs;
    let mut frames = Frames::new(at(1));
    assert_eq!(frames.unfinished_since(), Some(at(1)));
    frames.received(&[b'P'; 20], at(2)).unwrap();
    assert_eq!(frames.unfinished_since(), Some(at(1)));
    frames.received(b"PPPP", at(3)).unwrap();
    assert_eq!(frames.unfinished_since(), None);
    // A block of fields begins with HEADERS and ends with END_HEADERS.
    frames.received(&frame(HEADERS, 0, 1, 10), at(4)).unwrap();
    frames
        .received(&frame(CONTINUATION, 0, 1, 1), at(5))
        .unwrap();
    assert_eq!(frames.unfinished_since(), Some(at(4)));
    let last = frame(CONTINUATION, END_HEADERS, 1, 1);
    frames.received(&last, at(6)).unwrap();
    assert_eq!(frames.unfinished_since(), None);
    // A frame begins with its first byte.
    let ping = frame(PING, 0, 0, 8);
    frames.received(&ping[..1], at(7)).unwrap();
    frames.received(&ping[1..16], at(8)).unwrap();
    assert_eq!(frames.unfinished_since(), Some(at(7)));
    let rest = [&ping[16..], &ping[..5]].concat();
    frames.received(&rest, at(9)).unwrap();
    assert_eq!(frames.unfinished_since(), Some(at(9)));
}

proptest! {
    /// However the bytes are cut, and whatever they are, the outcome is the same.
    #[test]
    fn pieces_do_not_matter(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        cuts in prop::collection::vec(1_usize..50, 1..40),
    ) {
        let now = Duration::from_secs(1);
        let mut whole = Frames::new(now);
        let outcome = whole.received(&bytes, now);
        whole.sent(&bytes);
        let mut pieces = Frames::new(now);
        let mut rest = bytes.as_slice();
        let mut cuts = cuts.iter().cycle();
        let mut piecewise = Ok(());
        while !rest.is_empty() && piecewise.is_ok() {
            let (piece, behind) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            piecewise = pieces.received(piece, now);
            pieces.sent(piece);
            rest = behind;
        }
        prop_assert_eq!(outcome, piecewise);
        if outcome.is_ok() {
            prop_assert_eq!(whole.goaway(), pieces.goaway());
            prop_assert_eq!(whole.unfinished_since(), pieces.unfinished_since());
        }
    }
}
