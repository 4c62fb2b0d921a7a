use super::*;

/// Two screens that are there from the start.
fn watches() -> [Watch; 2] {
    let mut watches = [Watch::default(), Watch::default()];
    for watch in &mut watches {
        watch.welcomed(false, 1);
    }
    watches
}

/// A book with given gifts that were due at 10, 20 and so on, and answered 5 later.
fn book(gifts: u64) -> Book {
    let mut book = Book::default();
    for number in 1..=gifts {
        assert_eq!(book.tap(number * 10), number);
        let id = format!("g-{number}");
        book.answered(number, Fate::Given, Some(&id), number * 10 + 5);
    }
    book
}

fn show(book: &mut Book, watch: &mut Watch, number: u64, now_us: u64) -> Sight {
    watch.heard(now_us);
    let sight = watch.sees(number);
    if sight == Sight::New {
        book.shown(number, &format!("g-{number}"), now_us);
    }
    sight
}

#[test]
fn what_all_have_shown_once_is_right() {
    let (mut book, mut watches) = (book(3), watches());
    for number in [2, 1, 3] {
        for watch in &mut watches {
            assert_eq!(show(&mut book, watch, number, 100), Sight::New);
        }
    }
    assert!(book.is_settled(2));
    let verdict = book.judge(2, watches.iter());
    let right = Verdict {
        given: 3,
        ..Verdict::default()
    };
    assert_eq!(verdict, right);
    assert_eq!(book.last_shown(2).permille(1_000), 90);
}

#[test]
fn what_one_lacks_is_missing_and_what_all_lack_was_never_shown() {
    let (mut book, mut watches) = (book(3), watches());
    show(&mut book, &mut watches[0], 1, 20);
    show(&mut book, &mut watches[1], 1, 30);
    show(&mut book, &mut watches[0], 2, 40);
    assert!(!book.is_settled(2));
    let verdict = book.judge(2, watches.iter());
    assert_eq!((verdict.missing, verdict.missing_told), (3, 0));
    assert_eq!((verdict.given, verdict.never_shown), (3, 1));
    // The second has no last screen: it is not measured as if the first were the last.
    assert_eq!(book.last_shown(2).spread().samples, 1);
    assert_eq!(book.last_shown(2).permille(500), 20);
}

#[test]
fn again_is_twice_unless_the_screen_was_welcomed_anew() {
    let (mut book, mut watches) = (book(1), watches());
    let watch = &mut watches[0];
    assert_eq!(show(&mut book, watch, 1, 20), Sight::New);
    assert_eq!(show(&mut book, watch, 1, 30), Sight::Twice);
    // Whether it was away, or the room has begun anew under it.
    watch.ended();
    watch.welcomed(true, 40);
    assert_eq!(show(&mut book, watch, 1, 50), Sight::Repeated);
    watch.welcomed(false, 60);
    assert_eq!(show(&mut book, watch, 1, 70), Sight::Repeated);
    assert_eq!(show(&mut book, watch, 1, 80), Sight::Twice);
    assert_eq!((watch.twice, watch.repeated), (2, 2));
}

#[test]
fn who_was_away_and_was_told_owes_nothing_of_that_time() {
    let mut book = book(4);
    let mut watches = watches();
    // Gift 2 was due at 20 and answered at 25.
    watches[0].heard(18);
    watches[0].ended();
    watches[0].welcomed(false, 28);
    watches[1].heard(18);
    watches[1].ended();
    watches[1].welcomed(true, 28);
    for number in [1, 3, 4] {
        for watch in &mut watches {
            show(&mut book, watch, number, number * 10 + 6);
        }
    }
    let verdict = book.judge(2, watches.iter());
    assert_eq!((verdict.missing, verdict.missing_told), (1, 1));
    // And who never came, nothing at all.
    let watches = [Watch::default(), Watch::default()];
    let verdict = book.judge(2, watches.iter());
    assert_eq!((verdict.missing, verdict.missing_told), (0, 2));
}

#[test]
fn what_was_shown_and_not_given_is_told_apart() {
    let (mut book, mut watches) = (Book::default(), watches());
    book.tap(10);
    book.tap(20);
    book.answered(2, Fate::Other, None, 25);
    show(&mut book, &mut watches[0], 1, 30);
    show(&mut book, &mut watches[0], 2, 30);
    let verdict = book.judge(2, watches.iter());
    assert_eq!((verdict.given, verdict.missing), (0, 0));
    assert_eq!((verdict.shown_unanswered, verdict.shown_refused), (2, 1));
    assert!(book.is_settled(2));
    assert!(book.knows(2) && !book.knows(3) && !book.knows(0));
}

#[test]
fn a_gift_has_one_id() {
    let mut book = book(2);
    book.shown(1, "g-1", 20);
    book.shown(2, "g-two", 20);
    book.shown(2, "g-two", 20);
    assert_eq!(book.judge(0, [].iter()).other_id, 1);
}

#[test]
fn the_warm_up_is_not_measured() {
    let mut book = Book::default();
    book.measure_from(15);
    for number in 1..=2 {
        book.tap(number * 10);
        book.answered(number, Fate::Given, Some("id"), 24);
        book.shown(number, "id", 29);
    }
    assert_eq!(book.given_measured, 1);
    assert_eq!(book.answered.permille(1_000), 4);
    assert_eq!(book.shown.permille(1_000), 9);
    assert_eq!(book.last_shown(1).spread().samples, 1);
}
