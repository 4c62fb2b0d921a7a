//! The chat filter on the host: what a room can rely on.

use std::sync::Arc;

use serde_json::{Value, json};
use wasm_filters::manifest::SampleCall;
use wasm_filters::version::LoadedVersion;

use crate::filter::Filter;

/// 2026-01-01T00:00:00Z.
const NOW_MS: u64 = 1_767_225_600_000;

/// A room of the chat filter: its memory lasts, its clock is set by hand.
struct Room {
    filter: Filter,
    version: Arc<LoadedVersion>,
    now_ms: u64,
    /// As the node gives it; none: the operator's hold.
    settings: Option<String>,
}

impl Room {
    async fn open(config: &Value) -> Self {
        let filter = Filter::open("chat").await;
        let version = filter.unhurried(Some(config));
        Self {
            filter,
            version,
            now_ms: NOW_MS,
            settings: None,
        }
    }

    fn set(&mut self, settings: &Value) {
        self.settings = Some(settings.to_string());
    }

    /// The answer as it comes.
    async fn ask(&self, user: &str, roles: &[&str], text: &str) -> Value {
        let attrs: Vec<Value> = self
            .settings
            .iter()
            .map(|value| json!({ "key": "room-settings", "value": value }))
            .collect();
        let input = json!({
            "ctx": { "room": "demo", "attrs": attrs },
            "msg": {
                "id": "m1",
                "sender": { "id": user, "name": user, "roles": roles },
                "text": text,
                "kind": "text",
            },
        });
        let call = SampleCall::OnMessage;
        self.filter
            .ask(&self.version, call, self.now_ms, &input)
            .await
    }

    /// What is posted, a code, or what for it is held.
    async fn says(&self, user: &str, roles: &[&str], text: &str) -> String {
        let answer = self.ask(user, roles, text).await;
        let verdict = &answer["ok"]["verdict"];
        let part = |pointer: &str| verdict.pointer(pointer).and_then(Value::as_str);
        match verdict.as_str() {
            Some("allow") => text.to_owned(),
            _ => part("/modify/text")
                .or_else(|| part("/drop/code"))
                .or_else(|| part("/hold"))
                .unwrap_or_else(|| panic!("{text}: {answer}"))
                .to_owned(),
        }
    }

    async fn viewer(&self, text: &str) -> String {
        self.says("u1", &[], text).await
    }
}

fn no_flood() -> Value {
    json!({ "flood": { "per_minute": 0 } })
}

#[tokio::test]
async fn a_rooms_settings_change_without_a_new_version() {
    let mut room = Room::open(&no_flood()).await;
    assert_eq!(room.viewer("one").await, "one");
    assert_eq!(room.viewer("two").await, "two");

    room.set(&json!({ "slow_mode_s": 30 }));
    assert_eq!(room.viewer("three").await, "three");
    room.now_ms += 29_000;
    let answer = room.ask("u1", &[], "four").await;
    let drop = &answer["ok"]["verdict"]["drop"];
    assert_eq!(
        (&drop["code"], &drop["retry-after-ms"]),
        (&json!("slow-mode"), &json!(1000))
    );
    // Whoever keeps order, and who is honoured, does not wait; nobody waits for another.
    for (user, role) in [("m", "moderator"), ("v", "vip"), ("u2", "verified")] {
        assert_eq!(room.says(user, &[role], "hi").await, "hi");
    }
    room.now_ms += 1_000;
    assert_eq!(room.viewer("four").await, "four");

    room.set(&json!({ "subscribers_only": true }));
    assert_eq!(room.viewer("five").await, "subscribers-only");
    assert_eq!(room.says("s", &["subscriber"], "five").await, "five");
    room.set(&json!({ "emote_only": true }));
    assert_eq!(room.viewer("five").await, "emote-only");
    assert_eq!(room.viewer(":five:").await, ":five:");
    room.set(&json!({ "unique": true }));
    assert_eq!(room.viewer("Five!").await, "Five!");
    assert_eq!(room.says("u2", &[], "f\u{456}ve").await, "duplicate");
    room.set(&json!({ "links": "forbid" }));
    assert_eq!(room.viewer("see https://a.example").await, "link");

    room.settings = Some("{".to_owned());
    assert_eq!(room.viewer("six").await, "six");
    room.settings = None;
    assert_eq!(room.viewer("seven").await, "seven");
}

#[tokio::test]
async fn words_are_known_by_how_they_look() {
    let mut config = no_flood();
    config["blocked_words"] = json!(["scam"]);
    config["masked_words"] = json!(["heck"]);
    config["held_words"] = json!(["raid"]);
    let mut room = Room::open(&config).await;
    for text in [
        "scam",
        "\u{455}\u{441}\u{430}m",
        "s.c.a.m",
        "s c a m",
        "SC\u{C4}M",
        "5c4m",
        "s\u{200B}c\u{200D}am",
        "\u{1D4E2}\u{1D4EC}\u{1D4EA}\u{1D4F6}",
        "scaaaam",
        "scarn",
    ] {
        assert_eq!(room.viewer(text).await, "blocked-word", "{text}");
        assert_eq!(
            room.says("m", &["moderator"], "scam").await,
            "scam",
            "{text}"
        );
    }
    assert_eq!(
        room.viewer("what the h\u{435}ck").await,
        "what the ****",
        "never the skeleton"
    );
    assert_eq!(room.viewer("R.A.I.D").await, "words");
    assert_eq!(
        room.viewer("scamper, checks and raids").await,
        "scamper, checks and raids"
    );
    room.set(&json!({ "held_words": ["tea"] }));
    assert_eq!(room.viewer("t\u{3B5}\u{430}").await, "words");
    assert_eq!(room.viewer("raid").await, "words");
}

#[tokio::test]
async fn a_flood_ends_and_begins_again() {
    let mut room = Room::open(&json!({ "flood": { "burst": 3, "per_minute": 30 } })).await;
    for text in ["a", "b", "c"] {
        assert_eq!(room.viewer(text).await, text);
    }
    assert_eq!(room.viewer("d").await, "too-fast");
    assert_eq!(room.says("u2", &[], "d").await, "d");
    room.now_ms += 2_000;
    assert_eq!(room.viewer("d").await, "d");
    assert_eq!(room.viewer("e").await, "too-fast");
}

#[tokio::test]
async fn moderators_act_and_others_do_not() {
    let room = Room::open(&no_flood()).await;
    for (text, effect) in [
        ("/delete m7", json!({ "delete-message": "m7" })),
        (
            "/timeout u2 10m rude",
            json!({ "timeout-user": { "user": "u2", "seconds": 600, "reason": "rude" } }),
        ),
        (
            "/ban u2",
            json!({ "ban-user": { "user": "u2", "seconds": null, "reason": "" } }),
        ),
        ("/unban u2", json!({ "unban-user": "u2" })),
        (
            "/shadowban u2",
            json!({ "custom": { "name": "shadow-ban", "payload": r#"{"reason":"","user":"u2"}"# } }),
        ),
        ("/pin #m7", json!({ "pin-message": "m7" })),
        ("/unpin", json!({ "pin-message": null })),
        (
            "/clear",
            json!({ "custom": { "name": "clear", "payload": "{}" } }),
        ),
        ("/slow 1m", json!({ "slow-mode": 60_000 })),
        ("/subscribers off", json!({ "restrict-chat": null })),
        (
            "/unique",
            json!({ "custom": { "name": "room-settings", "payload": r#"{"unique":true}"# } }),
        ),
    ] {
        for role in ["moderator", "broadcaster", "staff"] {
            let answer = room.ask("m", &[role], text).await;
            let outcome = &answer["ok"];
            assert_eq!(
                outcome["verdict"]["drop"]["code"], "done",
                "{text}: {answer}"
            );
            assert_eq!(outcome["commands"][0], effect, "{text}");
            let audit = outcome["commands"][1]["audit"].as_str().expect("audited");
            let audit: Value = serde_json::from_str(audit).expect("JSON");
            assert_eq!(audit["by"], "m", "{text}");
        }
        let answer = room.ask("u1", &["subscriber", "vip"], text).await;
        let outcome = &answer["ok"];
        assert_eq!(outcome["verdict"]["drop"]["code"], "not-allowed", "{text}");
        assert_eq!(outcome["commands"], json!([]), "{text}");
    }
    let answer = room.ask("m", &["moderator"], "/pin be  kind").await;
    assert_eq!(answer["ok"]["verdict"]["modify"]["text"], "be kind");
    assert_eq!(answer["ok"]["commands"][0], json!({ "pin-message": "m1" }));
}

/// Texts as nobody types them, always the same ones.
struct Hostile(u64);

impl Hostile {
    fn next(&mut self) -> usize {
        // Numerical Recipes' generator: the upper half is random enough.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).expect("31 bits")
    }

    fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.next() % all.len()].clone()
    }

    fn text(&mut self) -> String {
        const PIECES: [&str; 30] = [
            "/timeout ",
            "/pin ",
            "/",
            "//",
            "@",
            "@a",
            "http://",
            "a.com",
            "://",
            ":",
            ":wave:",
            "s.p.a.m",
            "b a d",
            " ",
            "\u{202E}",
            "\u{2066}",
            "\u{200B}",
            "\u{200D}",
            "\u{FE0F}",
            "\u{301}",
            "\u{E47}",
            "\u{1F3F4}",
            "\u{E0067}",
            "\u{1F468}",
            "\u{AC01}",
            "\u{FDFA}",
            "\u{FFFF}",
            "\0",
            "\u{10FFFF}",
            "\u{130}",
        ];
        let mut text = String::new();
        for _ in 0..self.next() % 40 {
            match self.next() % 4 {
                0 => text.extend(char::from_u32(
                    u32::try_from(self.next() % 0x11_0000).expect("a code"),
                )),
                1 => {
                    let piece = self.one_of(&PIECES);
                    text.push_str(&piece.repeat(self.next() % 30));
                }
                _ => text += self.one_of(&PIECES),
            }
        }
        text
    }
}

#[tokio::test]
async fn no_text_makes_it_trap() {
    let mut room = Room::open(&json!({
        "flood": { "burst": 1000, "per_minute": 1000 },
        "unique": true,
        "links": "listed",
        "link_hosts": ["*.example.com"],
        "blocked_words": ["*evil*", "\u{574F}\u{4EBA}"],
        "masked_words": ["spam", "b a d"],
        "held_words": ["1488"],
        "hold": ["links"],
    }))
    .await;
    let mut hostile = Hostile(7);
    let roles: [&[&str]; 4] = [
        &[],
        &["subscriber", "vip"],
        &["moderator"],
        &["muted", "bot"],
    ];
    let settings = [
        None,
        Some(r#"{"slow_mode_s":1,"unique":false}"#.to_owned()),
        Some("{\"held_words\":[\"\u{202E}\",7]}".to_owned()),
    ];
    for round in 0..1000 {
        room.now_ms += 100;
        room.settings = hostile.one_of(&settings);
        let text = hostile.text();
        let who = hostile.one_of(&roles);
        // A trap or an error of the filter would be no answer.
        let answer = room.ask(&format!("u{}", round % 7), who, &text).await;
        assert!(answer["ok"]["verdict"] != Value::Null, "{text:?}: {answer}");
        if let Some(posted) = answer["ok"]["verdict"]["modify"]["text"].as_str() {
            assert!((1..=500).contains(&posted.chars().count()), "{text:?}");
            assert!(
                !posted.contains(['\u{202E}', '\u{2066}', '\u{200B}', '\0']),
                "{text:?}"
            );
        }
    }
    for text in [
        "\u{FDFA}".repeat(500),
        "a\u{301}".repeat(10_000),
        "/".repeat(100_000),
    ] {
        assert!(room.ask("u8", &[], &text).await["ok"].is_object());
    }
}
