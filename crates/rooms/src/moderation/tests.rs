use super::*;
use crate::schema::{Moderation, ReviewKind, User};

fn event(seq: u64, at_ms: u64, act: Act) -> Event {
    Event {
        seq,
        at_ms,
        media_ms: None,
        body: Body::Moderation(Moderation {
            actor: "mod".to_owned(),
            reason: String::new(),
            act,
        }),
    }
}

fn message(id: &str, author: &str) -> Message {
    Message {
        id: id.to_owned(),
        author: User {
            id: author.to_owned(),
            ..User::default()
        },
        ..Message::default()
    }
}

fn pin(id: &str, author: &str) -> Act {
    Act::Pin {
        id: id.to_owned(),
        message: Some(message(id, author)),
    }
}

fn user(id: &str) -> String {
    id.to_owned()
}

#[test]
fn the_last_act_about_a_user_holds() {
    let mut room = RoomState::default();
    let timeout = Act::Timeout {
        user: user("a"),
        seconds: 10,
        until_ms: 11_000,
    };
    room.apply(&event(1, 1_000, timeout));
    assert_eq!(
        room.sanction("a", 10_999),
        Some(Sanction::Timeout { until_ms: 11_000 })
    );
    assert_eq!(room.sanction("a", 11_000), None);
    room.apply(&event(2, 2_000, Act::Ban { user: user("a") }));
    assert_eq!(room.sanction("a", u64::MAX), Some(Sanction::Ban));
    room.apply(&event(3, 3_000, Act::ShadowBan { user: user("a") }));
    room.apply(&event(4, 4_000, Act::Unban { user: user("a") }));
    assert_eq!(room.sanction("a", 5_000), None);
    let a = |roles| User {
        id: user("a"),
        roles,
        ..User::default()
    };
    assert!(
        room.is_shadowed(&a(Roles::NONE)),
        "another thing than a ban"
    );
    assert!(!room.is_shadowed(&a(Roles::BROADCASTER)));
    room.apply(&event(5, 5_000, Act::ShadowUnban { user: user("a") }));
    assert!(room.sanctions().is_empty());
}

#[test]
fn a_deleted_message_is_not_pinned() {
    for (deletion, goes) in [
        (Act::DeleteMessage { id: user("m1") }, true),
        (Act::DeleteMessage { id: user("m2") }, false),
        (Act::DeleteUser { user: user("a") }, true),
        (Act::DeleteUser { user: user("b") }, false),
        (Act::Clear, true),
        (Act::Ban { user: user("a") }, false),
        (Act::Unpin, true),
    ] {
        let mut room = RoomState::default();
        room.apply(&event(1, 0, pin("m1", "a")));
        room.apply(&event(2, 0, deletion.clone()));
        assert_eq!(room.pinned().is_none(), goes, "{deletion:?}");
    }
}

#[test]
fn settings_change_one_by_one() {
    let mut room = RoomState::default();
    let attr = |value: &str| Attr {
        key: "emote_only".to_owned(),
        value: value.to_owned(),
    };
    let patch = |patch| Act::Settings { patch };
    room.apply(&event(
        1,
        0,
        patch(SettingsPatch {
            slow_mode_ms: Some(5_000),
            attrs: vec![attr("on")],
            ..SettingsPatch::default()
        }),
    ));
    room.apply(&event(
        2,
        0,
        patch(SettingsPatch {
            restrict: Some(Roles::SUBSCRIBER),
            ..SettingsPatch::default()
        }),
    ));
    assert_eq!(room.settings().slow_mode_ms, 5_000);
    assert_eq!(room.settings().restrict, Roles::SUBSCRIBER);
    assert_eq!(room.settings().attrs, [attr("on")]);
    room.apply(&event(
        3,
        0,
        patch(SettingsPatch {
            attrs: vec![attr("")],
            ..SettingsPatch::default()
        }),
    ));
    assert!(room.settings().attrs.is_empty());
}

#[test]
fn sanctions_are_bounded_and_ended_timeouts_make_room() {
    let mut room = RoomState::default();
    for at in 0..SANCTIONS_MAX {
        let until_ms = if at == 0 { 1_000 } else { u64::MAX };
        let timeout = Act::Timeout {
            user: format!("u{at}"),
            seconds: 1,
            until_ms,
        };
        room.apply(&event(1, 0, timeout));
    }
    assert!(!room.has_room_for("new", 999));
    assert!(room.has_room_for("u5", 999));
    assert!(room.has_room_for("new", 1_000));
    room.apply(&event(2, 1_000, Act::Ban { user: user("new") }));
    assert_eq!(room.sanctions().len(), SANCTIONS_MAX);
    assert_eq!(room.sanction("new", 1_000), Some(Sanction::Ban));
    // An edge grows no further, whatever it is told.
    room.apply(&event(3, 1_000, Act::Ban { user: user("more") }));
    assert_eq!(room.sanctions().len(), SANCTIONS_MAX);
}

#[test]
fn only_moderators_see_sanctions() {
    let mut room = RoomState::default();
    room.apply(&event(1, 0, Act::ShadowBan { user: user("a") }));
    assert!(room.snapshot(false).sanctions.is_empty());
    assert!(room.snapshot(true).sanctions["a"].shadow);
}

fn review(id: &str, text_bytes: usize) -> Event {
    let message = Message {
        text: "x".repeat(text_bytes),
        ..message(id, "a")
    };
    Event {
        body: Body::Review(Review {
            id: id.to_owned(),
            kind: ReviewKind::Held,
            message,
            reason: String::new(),
            by: String::new(),
        }),
        ..event(1, 0, Act::Clear)
    }
}

#[test]
fn open_reviews_are_bounded_in_number_and_bytes_and_the_oldest_go() {
    let mut room = RoomState::default();
    for at in 0..REVIEWS_MAX + 5 {
        assert!(room.apply(&review(&format!("r{at}"), 10)));
    }
    assert_eq!(room.reviews().len(), REVIEWS_MAX);
    assert_eq!(room.reviews()[0].id, "r5");
    for at in 0..100 {
        room.apply(&review(&format!("long{at}"), 2_000));
        let bytes: usize = room.reviews().iter().map(window::review_weight).sum();
        assert!(bytes <= REVIEWS_BYTES_MAX);
    }
    assert!(room.reviews().len() > 60);
    // Beyond the bound of a message, but what is newest stays.
    room.apply(&review("huge", 2 * REVIEWS_BYTES_MAX));
    assert_eq!(room.reviews().len(), 1);
    let close = |id: &str| event(2, 0, Act::Dismiss { id: id.to_owned() });
    assert!(!room.apply(&close("r5")), "gone before");
    assert!(room.apply(&close("huge")));
    assert!(room.reviews().is_empty());
}

#[test]
fn complaints_do_not_push_out_what_is_held() {
    let mut room = RoomState::default();
    room.apply(&review("held", 10));
    for at in 0..=REVIEWS_MAX {
        let mut report = review(&format!("report{at}"), 10);
        if let Body::Review(report) = &mut report.body {
            report.kind = ReviewKind::Report;
        }
        room.apply(&report);
    }
    assert_eq!(room.reviews().len(), REVIEWS_MAX);
    assert!(room.review("held").is_some());
    assert!(room.review("report1").is_none() && room.review("report2").is_some());
}

#[test]
fn who_is_forgotten_leaves_no_words() {
    let mut room = RoomState::default();
    room.apply(&event(1, 0, pin("p", "a")));
    room.apply(&review("r", 10));
    for (id, author, by) in [("c", "b", "a"), ("d", "b", "c")] {
        let mut complaint = review(id, 10);
        if let Body::Review(review) = &mut complaint.body {
            review.message.author.id = user(author);
            review.by = user(by);
        }
        room.apply(&complaint);
    }
    room.apply(&event(2, 0, Act::Ban { user: user("a") }));
    assert_eq!(room.reviews_of("a").collect::<Vec<_>>(), ["r", "c"]);
    assert!(room.forget("a"));
    assert_eq!(room.pinned(), None);
    assert_eq!(room.reviews().len(), 1);
    assert_eq!(room.sanction("a", 1), Some(Sanction::Ban));
    assert!(!room.forget("a"), "there is nothing any more");
}

#[test]
fn only_moderators_see_reviews() {
    let mut room = RoomState::default();
    room.apply(&review("r", 10));
    assert!(room.snapshot(false).reviews.is_empty());
    assert_eq!(room.snapshot(true).reviews.len(), 1);
    // The same again takes its place.
    room.apply(&review("r", 11));
    assert_eq!(room.reviews().len(), 1);
}
