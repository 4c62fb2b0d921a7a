//! The chat and gift hooks, called as rooms will call them: through the host.

use serde_json::json;
use wasm_filters::contract::chat::{Edit, Message, Verdict};
use wasm_filters::contract::gifts::Gift;
use wasm_filters::contract::types::Command;
use wasm_filters::host::{CallInfo, ChatAnswer, ChatVerdict, GiftAnswer, Host};
use wasm_filters::keys::{Key, KeyRing, Secrets};
use wasm_filters::manifest::{Hook, Isolation, Manifest};
use wasm_filters::rollout::RequestPin;

use crate::support::{
    NOW_MS, activate, context, guest, host, host_with, manifest, message, prepare, user,
};

fn info() -> CallInfo<'static> {
    CallInfo {
        request_id: "r1",
        tenant: "default",
        room: "lobby",
        now_unix_ms: NOW_MS,
        pin: RequestPin::of(b"ann"),
        attrs: &[],
    }
}

async fn say(host: &Host, text: &str) -> ChatAnswer {
    host.on_message(&host.snapshot(), info(), message(text))
        .await
}

/// What the filter answered to one of its commands.
async fn ask(host: &Host, text: &str) -> String {
    match say(host, text).await.verdict {
        ChatVerdict::Deliver(Message { text, .. }) => text,
        other => panic!("{text}: {other:?}"),
    }
}

fn chat(name: &str, config: serde_json::Value) -> Manifest {
    manifest(name, &[Hook::Chat], config)
}

#[tokio::test]
async fn messages_are_delivered_changed_or_dropped() {
    let host = host();
    let config = json!({"words": ["damn"], "label": "v7"});
    let version = prepare(&host, &guest("all-hooks"), chat("words", config))
        .await
        .expect("good");
    activate(&host, &[&version]);

    let answer = say(&host, "hello").await;
    assert_eq!(answer.verdict, ChatVerdict::Deliver(message("hello")));
    assert_eq!(answer.commands, []);

    let answer = say(&host, "damn it").await;
    let ChatVerdict::Drop(rejection) = answer.verdict else {
        panic!("{answer:?}")
    };
    assert_eq!(
        (rejection.code.as_str(), rejection.message.as_str()),
        ("word", "mind your words")
    );

    let answer = say(&host, "!label").await;
    let Message { text, .. } = message("v7");
    assert!(matches!(&answer.verdict, ChatVerdict::Deliver(message) if message.text == text));
    let [Command::Publish(outgoing)] = answer.commands.as_slice() else {
        panic!("{answer:?}")
    };
    assert_eq!(
        (outgoing.room.as_str(), outgoing.text.as_str()),
        ("lobby", "v7")
    );

    let commands = host.on_join(&host.snapshot(), info(), &user("bob")).await;
    let [Command::Publish(outgoing)] = commands.as_slice() else {
        panic!("{commands:?}")
    };
    assert_eq!(outgoing.text, "welcome, BOB");
    let commands = host.on_leave(&host.snapshot(), info(), &user("bob")).await;
    let [Command::Publish(outgoing)] = commands.as_slice() else {
        panic!("{commands:?}")
    };
    assert_eq!(outgoing.text, "BOB has left");
}

#[tokio::test]
async fn a_filter_reaches_what_the_contract_gives_it() {
    let secrets = Secrets::new([b"0123456789abcdef0123456789abcdef"]).expect("a secret");
    let key = |name: &str| (name.parse().expect("a name"), Key::Secrets(secrets.clone()));
    let host = host_with(KeyRing::new([key("partner"), key("other")]));
    let mut manifest = chat("tools", json!({"key": "partner"}));
    manifest.keys = vec!["partner".parse().expect("a name")];
    let wasm = guest("all-hooks");
    let version = prepare(&host, &wasm, manifest.clone()).await.expect("good");
    activate(&host, &[&version]);
    let name = version.name().clone();

    for (asked, expected) in [
        ("!now", NOW_MS.to_string().as_str()),
        ("!room", "lobby"),
        ("!random 17", "17"),
        ("!config", r#"{"key":"partner"}"#),
        ("!get a", "nothing"),
        ("!set a=1", "set"),
        ("!get a", "1"),
        ("!swap a", "true"),
        ("!swap a", "false"),
        ("!get a", "2"),
        ("!count n", "1"),
        ("!count n", "2"),
        ("!take t", "taken"),
        ("!take t", "taken"),
        ("!take t", "wait"),
        ("!mac hello", "32 bytes"),
        ("!log said so", "logged"),
        ("!metric x", "measured"),
    ] {
        assert_eq!(ask(&host, asked).await, expected, "{asked}");
    }
    let refused = ask(&host, "!jwt nonsense").await;
    assert!(refused.contains("malformed"), "{refused}");
    let lines = host.logs(&name, 0);
    let line = lines
        .iter()
        .find(|line| line.message == "said so")
        .expect("the line");
    assert_eq!(
        (line.level, line.source, line.at_unix_ms),
        ("info", "log", NOW_MS)
    );

    // The node has the key, but the manifest does not list it.
    manifest.config = json!({"key": "other"});
    let version = prepare(&host, &wasm, manifest).await.expect("good");
    activate(&host, &[&version]);
    assert!(ask(&host, "!mac hello").await.contains("unknown-key"));
    assert_eq!(
        ask(&host, "!count n").await,
        "3",
        "all versions of a filter share its kv"
    );
}

#[tokio::test]
async fn instances_are_used_again_only_when_the_manifest_says_so() {
    let host = host();
    let wasm = guest("all-hooks");
    for (isolation, expected) in [
        (Isolation::Pooled, ["1", "2", "3"]),
        (Isolation::Call, ["1"; 3]),
    ] {
        let mut manifest = chat("memory", json!({}));
        manifest.isolation = Some(isolation);
        let version = prepare(&host, &wasm, manifest).await.expect("good");
        activate(&host, &[&version]);
        for expected in expected {
            assert_eq!(ask(&host, "!seen").await, expected, "{isolation:?}");
        }
    }
}

#[tokio::test]
async fn a_swap_is_seen_by_the_next_message_and_not_by_one_that_has_begun() {
    let host = host();
    let wasm = guest("all-hooks");
    let version = async |label: &str| {
        let manifest = chat("swapped", json!({ "label": label }));
        prepare(&host, &wasm, manifest).await.expect("good")
    };
    let (one, two) = (version("v1").await, version("v2").await);
    activate(&host, &[&one]);
    let begun = host.snapshot();
    activate(&host, &[&two]);
    assert_eq!(ask(&host, "!label").await, "v2");
    let old = host.on_message(&begun, info(), message("!label")).await;
    assert!(matches!(old.verdict, ChatVerdict::Deliver(message) if message.text == "v1"));
    activate(&host, &[&one]);
    assert_eq!(ask(&host, "!label").await, "v1");
}

#[tokio::test]
async fn a_chain_folds_edits_in_order_and_survives_a_filter_that_traps() {
    let host = host();
    let wasm = guest("all-hooks");
    let version = async |name: &str, order, config| {
        let mut manifest = chat(name, config);
        manifest.order = order;
        prepare(&host, &wasm, manifest).await.expect("good")
    };
    let first = version("first", 1, json!({"label": "!label"})).await;
    let second = version("second", 2, json!({"label": "second"})).await;
    activate(&host, &[&second, &first]);
    // The first makes "!label" of "!label", which the second answers in its turn.
    let answer = say(&host, "!label").await;
    assert!(matches!(&answer.verdict, ChatVerdict::Deliver(message) if message.text == "second"));
    assert_eq!(answer.commands.len(), 2);

    // A chat filter that fails is left out.
    let answer = say(&host, "!panic now").await;
    assert_eq!(answer.verdict, ChatVerdict::Deliver(message("!panic now")));
    assert_eq!(answer.commands, []);
    let status = host.status();
    let failures: u64 = status
        .filters
        .values()
        .flat_map(|filter| &filter.versions)
        .flat_map(|version| &version.hooks)
        .flat_map(|hook| hook.failures.values())
        .sum();
    assert_eq!(failures, 2, "both panicked, and both were counted");
}

fn gift(item: &str, count: u32) -> Gift {
    Gift {
        id: "g1".to_owned(),
        sender: user("ann"),
        recipient: "bob".to_owned(),
        item: item.to_owned(),
        count,
        note: None,
        combo_so_far: 4,
        attrs: vec![],
    }
}

#[tokio::test]
async fn gifts_are_planned_rejected_or_unknown() {
    let host = host();
    let config = json!({"prices": {"rose": 100, "yacht": 50_000}, "house_percent": 30});
    let manifest = manifest("gifts", &[Hook::Gifts], config);
    let version = prepare(&host, &guest("all-hooks"), manifest)
        .await
        .expect("good");
    activate(&host, &[&version]);
    let table = host.snapshot();

    let items = host.catalog(&table, info(), &user("ann")).await;
    let prices: Vec<_> = items
        .iter()
        .map(|item| (item.id.as_str(), item.price))
        .collect();
    assert_eq!(prices, [("rose", 100), ("yacht", 50_000)]);

    let answer = host.on_gift(&table, info(), &gift("rose", 3)).await;
    let GiftAnswer::Accept { filter, plan } = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(filter.as_str(), "gifts");
    assert_eq!((plan.total, plan.currency.as_str()), (300, "coin"));
    let transfers: Vec<_> = plan
        .transfers
        .iter()
        .map(|t| {
            (
                t.idempotency_key.as_str(),
                t.debit.as_str(),
                t.credit.as_str(),
                t.amount,
            )
        })
        .collect();
    assert_eq!(
        transfers,
        [
            ("g1/house", "ann", "house", 90),
            ("g1/bob", "ann", "bob", 210)
        ]
    );
    assert_eq!(plan.combo.map(|combo| combo.count), Some(5));

    let answer = host.on_gift(&table, info(), &gift("rose", 1001)).await;
    assert!(
        matches!(&answer, GiftAnswer::Reject(why) if why.code == "count"),
        "{answer:?}"
    );
    let answer = host.on_gift(&table, info(), &gift("castle", 1)).await;
    assert!(
        matches!(&answer, GiftAnswer::Reject(why) if why.code != "count"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn the_loaded_version_gives_what_the_guest_said() {
    let host = host();
    let version = prepare(&host, &guest("all-hooks"), chat("direct", json!({}))).await;
    let version = version.expect("good");
    let outcome = version
        .on_message(&context(), &message("!label"))
        .await
        .expect("an answer");
    let edit = Edit {
        text: Some("v1".to_owned()),
        kind: None,
        add_attrs: vec![],
    };
    assert_eq!(outcome.verdict, Verdict::Modify(edit));
}
