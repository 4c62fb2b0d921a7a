use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::memory::Unkept;

const NOW_MS: u64 = 1_767_225_600_000;

/// A node's memory without a node: the lifetimes are kept, the buckets never fill again.
#[derive(Default)]
struct Fake {
    now_ms: u64,
    kept: BTreeMap<String, (Vec<u8>, u64)>,
    taken: BTreeMap<String, u32>,
    warned: Vec<String>,
    is_full: bool,
}

impl Fake {
    fn alive(&self, key: &str) -> Option<Vec<u8>> {
        let (value, until_ms) = self.kept.get(key)?;
        (self.now_ms < *until_ms).then(|| value.clone())
    }

    fn check(&self, key: &str) -> Result<(), Unkept> {
        assert!(key.len() <= 512);
        if self.is_full { Err(Unkept) } else { Ok(()) }
    }
}

impl Node for Fake {
    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, Unkept> {
        self.check(key)?;
        Ok(self.alive(key))
    }

    fn compare_and_set(
        &mut self,
        key: &str,
        expected: Option<&[u8]>,
        new: Option<&[u8]>,
        ttl_ms: u64,
    ) -> Result<bool, Unkept> {
        self.check(key)?;
        if self.alive(key).as_deref() != expected {
            return Ok(false);
        }
        match new {
            Some(new) => {
                _ = self
                    .kept
                    .insert(key.to_owned(), (new.to_vec(), self.now_ms + ttl_ms))
            }
            None => _ = self.kept.remove(key),
        }
        Ok(true)
    }

    fn take_token(&mut self, key: &str, capacity: u32, _: u32) -> Result<Option<u32>, Unkept> {
        self.check(key)?;
        let taken = self.taken.entry(key.to_owned()).or_default();
        if *taken == capacity {
            return Ok(Some(2000));
        }
        *taken += 1;
        Ok(None)
    }

    fn sha256(&mut self, data: &[u8]) -> Vec<u8> {
        // Short texts are told apart by themselves, long ones by their length.
        let mut digest = data.to_vec();
        digest.push(u8::try_from(data.len() % 251).expect("a byte"));
        digest.reverse();
        digest
    }

    fn warn(&mut self, line: &str) {
        self.warned.push(line.to_owned());
    }
}

/// A room with the operator's and its own settings.
struct Scene {
    policy: Policy,
    room: String,
    settings: String,
    node: Fake,
}

impl Scene {
    fn new(config: &str, settings: &str) -> Self {
        Self {
            policy: Policy::parse(config).expect(config),
            room: "demo".to_owned(),
            settings: settings.to_owned(),
            node: Fake {
                now_ms: NOW_MS,
                ..Fake::default()
            },
        }
    }

    fn ask(&mut self, message: &Message) -> Result<Outcome, Refusal> {
        let ctx = Context {
            request_id: String::new(),
            tenant: String::new(),
            room: self.room.clone(),
            now_ms: self.node.now_ms,
            deadline_ms: 50,
            shadow: false,
            attrs: vec![Attr {
                key: ROOM_SETTINGS.to_owned(),
                value: self.settings.clone(),
            }],
        };
        judge(&self.policy, &mut self.node, &ctx, message)
    }

    /// A code, what is posted, or why it is held.
    fn says(&mut self, user: &str, roles: Roles, text: &str) -> String {
        match self.ask(&message(user, roles, text)) {
            Ok(Outcome {
                verdict: Verdict::Allow,
                ..
            }) => text.to_owned(),
            Ok(Outcome {
                verdict: Verdict::Modify(edit),
                ..
            }) => edit.text.unwrap_or_else(|| text.to_owned()),
            Ok(Outcome {
                verdict: Verdict::Hold(reason),
                ..
            }) => format!("held: {reason}"),
            Ok(Outcome {
                verdict: Verdict::Drop(rejection),
                ..
            }) => rejection.code,
            Ok(outcome) => panic!("{outcome:?}"),
            Err(refusal) => refusal.code().to_owned(),
        }
    }

    fn viewer(&mut self, text: &str) -> String {
        self.says("u1", Roles::empty(), text)
    }
}

fn message(user: &str, roles: Roles, text: &str) -> Message {
    Message {
        id: "m1".to_owned(),
        sender: User {
            id: user.to_owned(),
            name: user.to_owned(),
            roles,
            level: 0,
            attrs: Vec::new(),
        },
        text: text.to_owned(),
        kind: "text".to_owned(),
        reply_to: None,
        attrs: Vec::new(),
    }
}

const NO_FLOOD: &str = r#"{"flood":{"per_minute":0}}"#;

#[test]
fn what_is_no_message_is_refused() {
    let mut scene = Scene::new(
        r#"{"flood":{"per_minute":0},"length_max":5,"tricks":"refuse"}"#,
        "",
    );
    for (text, expected) in [
        ("hello", "hello"),
        ("hello!", "too-long"),
        (
            "\u{5218}\u{5218}\u{5218}\u{5218}\u{5218}",
            "\u{5218}\u{5218}\u{5218}\u{5218}\u{5218}",
        ),
        (" \u{2800}\n", "empty"),
        ("a\u{202E}b", "text-tricks"),
        ("aaaaa", "aaaaa"),
    ] {
        assert_eq!(scene.viewer(text), expected, "{text}");
    }
    assert_eq!(scene.viewer(&" ".repeat(RAW_BYTES_MAX + 1)), "too-long");
    assert_eq!(scene.says("u1", Roles::MUTED | Roles::STAFF, "hi"), "muted");
    let mut system = message("u1", Roles::STAFF, "hi");
    system.kind = "system".to_owned();
    assert_eq!(
        scene.ask(&system).expect_err("not for people"),
        Refusal::Kind
    );
    let mut scene = Scene::new(r#"{"repeats_max":3}"#, "");
    assert_eq!(scene.viewer("aaaa"), "repeats");
    assert_eq!(scene.says("mod", Roles::MODERATOR, "aaaa"), "aaaa");
}

#[test]
fn a_flood_is_stopped_and_refused_messages_count() {
    let mut scene = Scene::new(r#"{"flood":{"burst":2},"blocked_words":["bad"]}"#, "");
    assert_eq!(scene.viewer("bad"), "blocked-word");
    assert_eq!(scene.viewer("one"), "one");
    assert_eq!(scene.viewer("two"), "too-fast");
    assert_eq!(scene.says("u2", Roles::empty(), "one"), "one");
    assert_eq!(scene.says("u1", Roles::BROADCASTER, "two"), "two");
    scene.room = "other".to_owned();
    assert_eq!(scene.viewer("three"), "three");
}

#[test]
fn slow_mode_changes_while_it_holds() {
    let mut scene = Scene::new(NO_FLOOD, r#"{"slow_mode_s":30}"#);
    assert_eq!(scene.viewer("one"), "one");
    scene.node.now_ms += 10_000;
    let refusal = scene
        .ask(&message("u1", Roles::empty(), "two"))
        .expect_err("too soon");
    assert_eq!(
        refusal,
        Refusal::SlowMode {
            retry_after_ms: 20_000
        }
    );
    assert_eq!(scene.says("vip", Roles::VIP, "two"), "two");
    assert_eq!(scene.says("vip", Roles::VIP, "three"), "three");
    scene.settings = r#"{"slow_mode_s":5}"#.to_owned();
    assert_eq!(scene.viewer("two"), "two");
    scene.settings.clear();
    assert_eq!(scene.viewer("three"), "three");
}

#[test]
fn who_may_speak() {
    let mut scene = Scene::new(
        NO_FLOOD,
        r#"{"followers_only":true,"followers_min_age_s":600}"#,
    );
    assert_eq!(scene.viewer("hi"), "followers-only");
    let mut follower = message("u1", Roles::empty(), "hi");
    let since = |ms: u64| {
        vec![Attr {
            key: FOLLOWER_SINCE.to_owned(),
            value: ms.to_string(),
        }]
    };
    follower.sender.attrs = since(NOW_MS - 100_000);
    let refusal = scene.ask(&follower).expect_err("too young");
    assert_eq!(
        refusal,
        Refusal::FollowersOnly {
            retry_after_ms: Some(500_000)
        }
    );
    follower.sender.attrs = since(NOW_MS - 600_000);
    assert!(scene.ask(&follower).is_ok());

    scene.settings = r#"{"subscribers_only":true}"#.to_owned();
    assert_eq!(scene.viewer("hi"), "subscribers-only");
    assert_eq!(scene.says("u1", Roles::SUBSCRIBER, "hi"), "hi");
    scene.settings = r#"{"emote_only":true}"#.to_owned();
    assert_eq!(scene.viewer("hi"), "emote-only");
    assert_eq!(scene.viewer(":wave: \u{1F525}"), ":wave: \u{1F525}");
    assert_eq!(scene.says("mod", Roles::MODERATOR, "hi"), "hi");
}

#[test]
fn nobody_says_it_twice() {
    let mut scene = Scene::new(
        r#"{"flood":{"per_minute":0},"unique_window_s":60}"#,
        r#"{"unique":true}"#,
    );
    assert_eq!(scene.viewer("So good!!"), "So good!!");
    assert_eq!(
        scene.says("u2", Roles::empty(), "so g\u{43E}\u{43E}d"),
        "duplicate"
    );
    assert_eq!(scene.viewer("\u{1F525}"), "\u{1F525}");
    assert_eq!(scene.viewer("\u{1F525}"), "duplicate");
    assert_eq!(scene.viewer("\u{1F60E}"), "\u{1F60E}");
    scene.node.now_ms += 60_000;
    assert_eq!(scene.viewer("so good"), "so good");
    // What was said already costs no turn.
    scene.settings = r#"{"unique":true,"slow_mode_s":60}"#.to_owned();
    assert_eq!(scene.viewer("so good"), "duplicate");
    assert_eq!(scene.viewer("so bad"), "so bad");
    assert_eq!(scene.viewer("so what"), "slow-mode");
}

#[test]
fn links_and_words() {
    let config = r#"{"flood":{"per_minute":0},"links":"listed","link_hosts":["ok.example"],
        "blocked_words":["bad"],"held_words":["scam"],"masked_words":["heck"]}"#;
    let mut scene = Scene::new(config, "");
    assert_eq!(scene.viewer("https://ok.example/a"), "https://ok.example/a");
    assert_eq!(scene.viewer("https://evil.example"), "link");
    assert_eq!(
        scene.says("vip", Roles::VIP, "https://evil.example"),
        "https://evil.example"
    );
    assert_eq!(scene.viewer("what the heck"), "what the ****");
    assert_eq!(scene.viewer("b.a.d scam"), "blocked-word");
    assert_eq!(scene.viewer("sc4m"), "held: words");
    assert_eq!(scene.viewer("tea"), "tea");
    scene.settings = r#"{"links":"allow","held_words":["tea"]}"#.to_owned();
    assert_eq!(scene.viewer("https://evil.example"), "https://evil.example");
    assert_eq!(scene.viewer("t e a"), "held: words");
    assert_eq!(scene.viewer("scam"), "held: words");
}

#[test]
fn what_is_held_says_why_and_what_it_would_be() {
    let config = r#"{"links":"forbid","repeats_max":3,"hold":["links","repeats","unique"],"unique":true,
        "masked_words":["heck"]}"#;
    let mut scene = Scene::new(config, "");
    assert_eq!(scene.viewer("a.com aaaa"), "held: repeats, links");
    assert_eq!(scene.viewer("a.com aaaa"), "held: repeats, links, unique");
    let outcome = scene
        .ask(&message("u1", Roles::empty(), "heck  @ana a.com"))
        .expect("held");
    let [Command::Custom(edit)] = outcome.commands.as_slice() else {
        panic!("{outcome:?}")
    };
    assert_eq!(edit.name, "held-edit");
    let payload: serde_json::Value = serde_json::from_str(&edit.payload).expect("JSON");
    assert_eq!(payload["text"], "**** @ana a.com");
    assert_eq!(payload["attrs"]["mentions"], r#"["ana"]"#);
}

#[test]
fn commands_are_not_posted_and_me_is() {
    let mut scene = Scene::new(r#"{"masked_words":["heck"]}"#, r#"{"emote_only":true}"#);
    assert_eq!(scene.says("mod", Roles::MODERATOR, "/clear"), "done");
    assert_eq!(scene.viewer("/clear"), "not-allowed");
    assert_eq!(scene.viewer("/nothing"), "unknown-command");
    assert_eq!(scene.viewer("/me says hi"), "emote-only");
    scene.settings.clear();
    let outcome = scene
        .ask(&message("u1", Roles::empty(), "/me says heck"))
        .expect("posted");
    let Verdict::Modify(edit) = outcome.verdict else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (edit.text.as_deref(), edit.kind.as_deref()),
        (Some("says ****"), Some("emote"))
    );
    let outcome = scene
        .ask(&message("mod", Roles::MODERATOR, "/pin be kind"))
        .expect("posted");
    assert!(
        matches!(&outcome.verdict, Verdict::Modify(edit) if edit.text.as_deref() == Some("be kind"))
    );
    assert!(matches!(&outcome.commands[0], Command::PinMessage(Some(id)) if id == "m1"));
}

#[test]
fn without_memory_chat_goes_on_and_the_log_says_so_once_per_call() {
    let mut scene = Scene::new("{}", r#"{"unique":true,"slow_mode_s":60}"#);
    scene.node.is_full = true;
    assert_eq!(scene.viewer("same"), "same");
    assert_eq!(scene.node.warned.len(), 1);
    assert_eq!(scene.viewer("same"), "same");
    scene.node.is_full = false;
    scene.node.warned.clear();
    scene.settings = "nonsense".to_owned();
    assert_eq!(scene.viewer("hi"), "hi");
    assert_eq!(scene.node.warned.len(), 1, "{:?}", scene.node.warned);
}

#[test]
fn keys_have_a_bound_and_rooms_do_not_share_them() {
    let mut scene = Scene::new(r#"{"flood":{"burst":1}}"#, "");
    for (room, user) in [
        ("a", "b:c"),
        ("a:b", "c"),
        (&*"r".repeat(600), "u"),
        ("", &*"u".repeat(600)),
    ] {
        scene.room = room.to_owned();
        assert_eq!(
            scene.says(user, Roles::empty(), "hi"),
            "hi",
            "{room} {user}"
        );
        assert_eq!(
            scene.says(user, Roles::empty(), "hi"),
            "too-fast",
            "{room} {user}"
        );
    }
}

proptest! {
    #[test]
    fn no_text_is_too_much(
        any in any::<String>(),
        hostile in crate::text::tests::hostile(),
        kind in "(text|emote|slash|system|x)",
        settings in "(.{0,40}|\\{\"(slow_mode_s|held_words|links|unique)\":(1|true|\"a\"|\\[\"b\",1\\])\\})",
        roles in 0u8..=255,
    ) {
        let config = r#"{"unique":true,"slow_mode_s":1,"links":"listed","link_hosts":["a.b"],
            "blocked_words":["*bad*"],"masked_words":["a b"],"held_words":["\u0441"],"hold":["links"]}"#;
        let mut scene = Scene::new(config, &settings);
        for text in [any, hostile] {
            let mut message = message("u1", Roles::from_bits_truncate(roles), &text);
            message.kind.clone_from(&kind);
            if let Ok(Outcome { verdict: Verdict::Modify(Edit { text: Some(text), .. }), .. }) = scene.ask(&message) {
                prop_assert!(!text.is_empty() && text.chars().count() <= 500);
            }
        }
        prop_assert!(scene.node.warned.len() <= 2);
    }
}
