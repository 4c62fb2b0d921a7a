use super::*;

fn welcome(seq: u64, next: u64, recovery: Recovery) -> Welcome {
    Welcome {
        version: 1,
        epoch: 7,
        seq,
        next,
        recovery,
        lost: None,
        snapshot: None,
        sanction: None,
    }
}

/// Slots of CHAT, but for multiples of ten.
fn slots(seqs: impl IntoIterator<Item = u64>) -> Vec<Slot> {
    let slot = |seq| Slot {
        seq,
        lane: if seq % 10 == 0 {
            Lane::Control
        } else {
            Lane::Chat
        },
    };
    seqs.into_iter().map(slot).collect()
}

fn frame(ledger: &mut Ledger, range: RangeInclusive<u64>) {
    thin(ledger, range.clone(), 0, range);
}

fn thin(
    ledger: &mut Ledger,
    range: RangeInclusive<u64>,
    dropped: u32,
    seqs: impl IntoIterator<Item = u64>,
) {
    let head = Head {
        epoch: 7,
        first: *range.start(),
        last: *range.end(),
        dropped,
    };
    ledger.frame(head, slots(seqs));
}

fn fresh() -> Ledger {
    let mut ledger = Ledger::default();
    ledger.welcome(&welcome(5, 1, Recovery::Fresh));
    frame(&mut ledger, 1..=5);
    ledger
}

fn judged(ledger: &Ledger) -> Control {
    judge([ledger].into_iter(), (1..=4).map(|n| (7, n * 10)))
}

#[test]
fn whole_frames_in_order_are_all_there_is_to_say() {
    let mut ledger = fresh();
    frame(&mut ledger, 6..=12);
    frame(&mut ledger, 13..=45);
    let tally = ledger.tally;
    assert_eq!((tally.history, tally.events), (5, 40));
    assert_eq!((tally.lost, tally.doubled, tally.out_of_order), (0, 0, 0));
    let control = judged(&ledger);
    assert_eq!((control.events, control.owed, control.lost), (4, 4, 0));
    assert_eq!(ledger.position(), Some(Position { epoch: 7, seq: 45 }));
}

#[test]
fn a_lost_frame_is_a_hole_that_nobody_told() {
    let mut ledger = fresh();
    frame(&mut ledger, 13..=45);
    assert_eq!(ledger.tally.lost, 7);
    assert_eq!(judged(&ledger).lost, 1);
}

#[test]
fn an_event_lost_within_a_frame_is_a_hole_too() {
    for missing in [6, 10, 12] {
        let mut ledger = fresh();
        thin(&mut ledger, 6..=12, 0, (6..=12).filter(|n| *n != missing));
        frame(&mut ledger, 13..=45);
        assert_eq!(ledger.tally.lost, 1);
        assert_eq!(judged(&ledger).lost, u64::from(missing == 10));
    }
}

#[test]
fn what_comes_again_is_doubled() {
    let mut ledger = fresh();
    frame(&mut ledger, 6..=12);
    frame(&mut ledger, 6..=12);
    frame(&mut ledger, 13..=45);
    assert_eq!((ledger.tally.doubled, ledger.tally.events), (7, 40));
    let control = judged(&ledger);
    assert_eq!((control.doubled, control.lost), (1, 0));
}

#[test]
fn what_comes_late_is_out_of_order_and_not_lost() {
    let mut ledger = fresh();
    frame(&mut ledger, 13..=45);
    frame(&mut ledger, 6..=12);
    let tally = ledger.tally;
    assert_eq!((tally.lost, tally.doubled, tally.out_of_order), (0, 0, 7));
    assert_eq!(tally.events, 40);
    let control = judged(&ledger);
    assert_eq!((control.out_of_order, control.lost), (1, 0));
}

#[test]
fn told_gaps_are_no_loss_unless_there_was_control_in_them() {
    let mut ledger = fresh();
    let gap = |from, to| Gap {
        from,
        to,
        messages: Some(3),
    };
    ledger.gap(&gap(6, 8));
    thin(&mut ledger, 9..=25, 15, [10, 20]);
    assert_eq!(judged(&ledger).lost, 0);
    ledger.gap(&gap(26, 45));
    assert_eq!(judged(&ledger).lost, 2);
    let tally = ledger.tally;
    assert_eq!(
        (tally.lost, tally.gaps_told, tally.messages_told),
        (0, 3, 21)
    );
}

#[test]
fn a_thinned_frame_without_its_control_is_found() {
    let mut ledger = fresh();
    thin(&mut ledger, 6..=25, 18, [20]);
    frame(&mut ledger, 26..=45);
    assert_eq!((ledger.tally.lost, judged(&ledger).lost), (0, 1));
}

#[test]
fn a_resumed_connection_owes_what_lies_between() {
    let mut ledger = fresh();
    ledger.welcome(&welcome(5, 6, Recovery::Complete));
    frame(&mut ledger, 6..=45);
    assert_eq!((ledger.tally.lost, judged(&ledger).lost), (0, 0));

    let mut ledger = fresh();
    ledger.welcome(&welcome(10, 11, Recovery::Complete));
    frame(&mut ledger, 11..=45);
    assert_eq!((ledger.tally.lost, judged(&ledger).lost), (5, 1));
}

#[test]
fn who_begins_anew_owes_nothing_for_before() {
    let mut ledger = fresh();
    ledger.welcome(&welcome(30, 25, Recovery::NotRecovered));
    frame(&mut ledger, 25..=45);
    assert_eq!((ledger.tally.lost, ledger.tally.not_recovered), (0, 1));
    let control = judged(&ledger);
    assert_eq!((control.events, control.owed, control.lost), (4, 2, 0));
}

#[test]
fn frames_of_another_epoch_are_malformed() {
    let mut ledger = fresh();
    let head = Head {
        epoch: 8,
        first: 6,
        last: 6,
        dropped: 0,
    };
    ledger.frame(head, slots([6]));
    assert_eq!(ledger.tally.malformed, 1);
    assert_eq!(ledger.next(), 6);
}

#[test]
fn numbers_of_other_servers_begin_anywhere() {
    let mut ledger = Ledger::default();
    for number in [5, 6, 8, 8, 7, 9] {
        ledger.numbered(number);
    }
    let tally = ledger.tally;
    assert_eq!((tally.lost, tally.doubled, tally.out_of_order), (0, 1, 1));
    assert_eq!(tally.events, 5);
}
