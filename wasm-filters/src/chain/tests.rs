//! First-decision rules, in tables.

use super::*;

fn name(text: &str) -> FilterName {
    text.parse().unwrap()
}

fn rejection(code: &str) -> types::Rejection {
    types::Rejection {
        code: code.to_owned(),
        message: String::new(),
        retry_after_ms: None,
    }
}

fn grant(user: &str) -> auth::Grant {
    auth::Grant {
        user: types::User {
            id: user.to_owned(),
            name: String::new(),
            roles: types::Roles::empty(),
            level: 0,
            attrs: Vec::new(),
        },
        stream: None,
        expires_at_ms: None,
        cache_ms: 0,
        accepted: None,
        attrs: Vec::new(),
    }
}

fn auth_chain(answers: Vec<Result<auth::Decision, Failed>>) -> (AuthEnd, usize) {
    let mut fold = AuthFold::default();
    for (asked, answer) in answers.into_iter().enumerate() {
        let filter = name(&format!("f{asked}"));
        if let ControlFlow::Break(end) = fold.next(&filter, answer) {
            return (end, asked + 1);
        }
    }
    (fold.end(), 0)
}

#[test]
fn the_first_opinion_decides_who_gets_in() {
    use auth::Decision::{Allow, Deny, Pass, Redirect};
    let allow = |user| Ok(Allow(grant(user)));
    let deny = || Ok(Deny(rejection("no")));
    for (answers, end, asked) in [
        (vec![], AuthEnd::NoFilter, 0),
        (vec![Ok(Pass), Ok(Pass)], AuthEnd::NoOpinion, 0),
        (
            vec![Ok(Pass), allow("ada"), deny()],
            AuthEnd::Allow(name("f1"), Box::new(grant("ada"))),
            2,
        ),
        (
            vec![deny(), allow("ada")],
            AuthEnd::Deny(name("f0"), rejection("no")),
            1,
        ),
        (
            vec![Ok(Redirect("/in".to_owned()))],
            AuthEnd::Redirect(name("f0"), "/in".to_owned()),
            1,
        ),
        (
            vec![Err(Failed::Closed), allow("ada")],
            AuthEnd::Closed(name("f0")),
            1,
        ),
        // One that fails open lets nobody past the others.
        (
            vec![Err(Failed::Open), deny()],
            AuthEnd::Deny(name("f1"), rejection("no")),
            2,
        ),
        (
            vec![Ok(Pass), Err(Failed::Open), Ok(Pass)],
            AuthEnd::Open,
            0,
        ),
    ] {
        assert_eq!(auth_chain(answers.clone()), (end, asked), "{answers:?}");
    }
}

fn message() -> chat::Message {
    chat::Message {
        id: "1".to_owned(),
        sender: grant("ada").user,
        text: "hello".to_owned(),
        kind: "text".to_owned(),
        reply_to: None,
        attrs: Vec::new(),
    }
}

fn outcome(verdict: chat::Verdict, audit: &str) -> Result<chat::Outcome, Failed> {
    Ok(chat::Outcome {
        verdict,
        commands: vec![types::Command::Audit(audit.to_owned())],
    })
}

fn edit(text: Option<&str>, kind: Option<&str>) -> chat::Verdict {
    let owned = |text: &str| text.to_owned();
    let attr = types::Attr {
        key: "by".to_owned(),
        value: String::new(),
    };
    chat::Verdict::Modify(chat::Edit {
        text: text.map(owned),
        kind: kind.map(owned),
        add_attrs: vec![attr],
    })
}

#[test]
fn edits_of_a_message_add_up() {
    let mut fold = ChatFold::new(message());
    for answer in [
        outcome(edit(Some("h***o"), None), "a"),
        Err(Failed::Open),
        outcome(edit(None, Some("emote")), "b"),
        outcome(chat::Verdict::Allow, "c"),
    ] {
        assert_eq!(fold.next(answer), ControlFlow::Continue(()));
    }
    assert_eq!(
        (fold.message.text.as_str(), fold.message.kind.as_str()),
        ("h***o", "emote")
    );
    assert_eq!((fold.message.attrs.len(), fold.commands.len()), (2, 3));
}

#[test]
fn a_message_that_is_not_let_through_ends_the_chain_and_keeps_the_commands() {
    for (verdict, end) in [
        (
            chat::Verdict::Drop(rejection("spam")),
            ChatEnd::Drop(rejection("spam")),
        ),
        (chat::Verdict::ShadowDrop, ChatEnd::ShadowDrop),
        (
            chat::Verdict::Hold("look".to_owned()),
            ChatEnd::Hold("look".to_owned()),
        ),
    ] {
        let mut fold = ChatFold::new(message());
        assert!(fold.next(outcome(chat::Verdict::Allow, "a")).is_continue());
        assert_eq!(fold.next(outcome(verdict, "b")), ControlFlow::Break(end));
        assert_eq!(fold.commands.len(), 2);
    }
    let mut fold = ChatFold::new(message());
    let closed = fold.next(Err(Failed::Closed));
    assert_eq!(closed, ControlFlow::Break(ChatEnd::Drop(unavailable())));
}

#[test]
fn a_gift_is_for_the_first_filter_that_knows_it() {
    assert_eq!(
        gift_step(Ok(gifts::Decision::Pass)),
        ControlFlow::Continue(())
    );
    assert_eq!(gift_step(Err(Failed::Open)), ControlFlow::Continue(()));
    let no = rejection("poor");
    let rejected = gift_step(Ok(gifts::Decision::Reject(no.clone())));
    assert_eq!(rejected, ControlFlow::Break(Err(no)));
    assert_eq!(
        gift_step(Err(Failed::Closed)),
        ControlFlow::Break(Err(unavailable()))
    );
}

#[test]
fn filters_share_their_time() {
    let start = Instant::now();
    let deadline = Deadline::new(start, Duration::from_millis(100));
    let later = start + Duration::from_millis(60);
    assert_eq!(
        deadline.next(later),
        Some(start + Duration::from_millis(100))
    );
    assert_eq!(deadline.next(start + Duration::from_millis(100)), None);
}
