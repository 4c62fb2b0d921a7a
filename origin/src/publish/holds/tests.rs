use super::*;

const GRACE_MS: u64 = 30_000;

fn key(id: &str, last_used_ms: Option<u64>) -> Key {
    Key {
        id: id.to_owned(),
        room: "a".to_owned(),
        label: String::new(),
        created_ms: 0,
        expires_ms: None,
        last_used_ms,
        once: true,
        revoked: false,
    }
}

fn unused() -> Key {
    key("key-1", None)
}

fn used() -> Key {
    key("key-1", Some(5))
}

fn begun(used_ms: u64) -> Begun {
    Begun {
        key: "key-1".to_owned(),
        used_ms,
        stops: 1,
    }
}

fn nobody(second: SecondPublisher) -> Holds {
    Holds::new(second, GRACE_MS)
}

/// The key's first broadcast.
fn published(holds: &mut Holds, now_ms: u64) -> Seat {
    let (seat, comes_back) = holds.reserve("a", Some(&unused()), now_ms).unwrap();
    assert_eq!(comes_back, None);
    holds.begin("a", seat.turn, Some(begun(5)), now_ms);
    seat
}

fn refusal(holds: &mut Holds, key: &Key, now_ms: u64) -> ClaimError {
    holds.reserve("a", Some(key), now_ms).unwrap_err()
}

#[test]
fn who_vanished_comes_back_within_the_grace_and_again() {
    let mut holds = nobody(SecondPublisher::TakeOverSilent);
    let mut turn = published(&mut holds, 0).turn;
    let mut now_ms = 1_000;
    for used_ms in 5..8 {
        holds.free("a", turn, now_ms);
        now_ms += GRACE_MS - 1;
        let (seat, comes_back) = holds.reserve("a", Some(&used()), now_ms).unwrap();
        assert_eq!(comes_back, Some(begun(used_ms)));
        holds.begin("a", seat.turn, Some(begun(used_ms + 1)), now_ms);
        seat.shows.store(true, Ordering::Relaxed);
        turn = seat.turn;
    }
    holds.free("a", turn, now_ms);
    let late = refusal(&mut holds, &used(), now_ms + GRACE_MS);
    assert_eq!(late, Refused::Used.into());
}

#[test]
fn who_comes_back_with_nothing_to_show_makes_the_grace_no_longer() {
    let mut holds = nobody(SecondPublisher::TakeOverSilent);
    let first = published(&mut holds, 0);
    holds.free("a", first.turn, 0);
    for now_ms in [10_000, 20_000] {
        let (seat, _) = holds.reserve("a", Some(&used()), now_ms).unwrap();
        holds.begin("a", seat.turn, Some(begun(5)), now_ms);
        holds.free("a", seat.turn, now_ms + 5_000);
    }
    let late = refusal(&mut holds, &used(), GRACE_MS);
    assert_eq!(late, Refused::Used.into());
}

#[test]
fn who_said_goodbye_or_was_cut_does_not() {
    let mut holds = nobody(SecondPublisher::TakeOverSilent);
    let seat = published(&mut holds, 0);
    seat.goodbye.store(true, Ordering::Release);
    holds.free("a", seat.turn, 1);
    assert_eq!(refusal(&mut holds, &used(), 2), Refused::Used.into());

    let seat = published(&mut holds, 3);
    assert!(holds.cut("a", "enough"));
    holds.free("a", seat.turn, 4);
    assert_eq!(refusal(&mut holds, &used(), 5), Refused::Used.into());

    let seat = published(&mut holds, 6);
    holds.free("a", seat.turn, 7);
    assert!(!holds.cut("a", "enough"), "nobody publishes");
    assert_eq!(refusal(&mut holds, &used(), 8), Refused::Used.into());
}

#[test]
fn of_two_at_once_one_gets_in() {
    for second in [SecondPublisher::TakeOver, SecondPublisher::TakeOverSilent] {
        let mut holds = nobody(second);
        let (first, _) = holds.reserve("a", Some(&unused()), 0).unwrap();
        // However long the store takes, and whether or not it has written yet that the key is used.
        for key in [unused(), used()] {
            let late = refusal(&mut holds, &key, 60_000);
            assert_eq!(late, ClaimError::InUse, "{second:?}");
        }
        holds.begin("a", first.turn, Some(begun(5)), 60_000);
        assert_eq!(*first.verdict.borrow(), None);
        holds.free("a", first.turn, 61_000);
        holds.reserve("a", Some(&used()), 62_000).unwrap();
        let late = refusal(&mut holds, &used(), 62_000);
        assert_eq!(late, ClaimError::InUse, "{second:?}");
    }
}

#[test]
fn who_is_silent_is_taken_over_by_itself() {
    let mut holds = nobody(SecondPublisher::TakeOverSilent);
    let before = published(&mut holds, 0);
    before.heard_ms.store(10_000, Ordering::Relaxed);
    let early = refusal(&mut holds, &used(), 10_000 + SILENT_MS - 1);
    assert_eq!(early, ClaimError::InUse);
    let (seat, comes_back) = holds.reserve("a", Some(&used()), 12_000).unwrap();
    assert_eq!(comes_back, Some(begun(5)));
    assert_eq!(*before.verdict.borrow(), Some(EndReason::TakenOver));
    // The store cannot be asked: it may try again.
    holds.free("a", seat.turn, 12_001);
    holds.free("a", before.turn, 12_002);
    let (seat, comes_back) = holds.reserve("a", Some(&used()), 12_003).unwrap();
    assert_eq!(comes_back, Some(begun(5)));
    holds.begin("a", seat.turn, Some(begun(6)), 12_004);
    assert_eq!(holds.len(), 1);

    let mut strict = nobody(SecondPublisher::Refuse);
    published(&mut strict, 0);
    assert_eq!(refusal(&mut strict, &used(), 60_000), ClaimError::InUse);
}

#[test]
fn whose_stream_somebody_else_went_on_with_does_not_come_back() {
    let mut holds = nobody(SecondPublisher::TakeOver);
    let first = published(&mut holds, 0);
    let (second, _) = holds.reserve("a", None, 1).unwrap();
    assert_eq!(*first.verdict.borrow(), Some(EndReason::TakenOver));
    holds.begin("a", second.turn, None, 3);
    holds.free("a", first.turn, 4);
    holds.free("a", second.turn, 5);
    assert_eq!(refusal(&mut holds, &used(), 6), Refused::Used.into());
}

#[test]
fn a_publisher_of_another_life_is_expected() {
    let mut holds = nobody(SecondPublisher::TakeOverSilent);
    holds.expect("a".to_owned(), begun(5), 10_000);
    let other = key("key-2", Some(5));
    assert_eq!(refusal(&mut holds, &other, 0), Refused::Used.into());
    assert_eq!(refusal(&mut holds, &used(), 10_000), Refused::Used.into());
    let (_, comes_back) = holds.reserve("a", Some(&used()), 9_999).unwrap();
    assert_eq!(comes_back, Some(begun(5)));
}

#[test]
fn those_who_are_waited_for_are_forgotten_in_time() {
    let mut holds = nobody(SecondPublisher::TakeOverSilent);
    for n in 0..10 {
        let now_ms = n * GRACE_MS / 2;
        let stream = format!("s{n}");
        let (seat, _) = holds.reserve(&stream, Some(&unused()), now_ms).unwrap();
        holds.begin(&stream, seat.turn, Some(begun(n)), now_ms);
        holds.free(&stream, seat.turn, now_ms);
        assert!(holds.awaited.len() <= 2, "{:?}", holds.awaited);
    }
}
