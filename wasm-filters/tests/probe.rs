//! Samples that come with a version, run as a node runs them.

use serde_json::{Value, json};
use wasm_filters::manifest::{Hook, Manifest, Sample};
use wasm_filters::probe;

use crate::support::{guest, host, manifest, prepare, refusal};

fn all_hooks(samples: Value) -> Manifest {
    let config = json!({
        "tokens": {"t1": "ann"},
        "words": ["damn"],
        "prices": {"rose": 100},
        "blocked_countries": ["XX"],
        "cache_ms": 500,
    });
    let mut manifest = manifest("sampled", &Hook::ALL, config);
    manifest.samples = serde_json::from_value::<Vec<Sample>>(samples).expect("samples");
    manifest
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn samples_of_every_kind_are_run() {
    let samples = json!([
        {
            "name": "a token opens the stream",
            "call": "authorize",
            "input": {"req": {"action": "play", "stream": "show", "credentials": [{"source": "query", "value": "t1"}]}},
            "expect": {"ok": {"allow": {"user": {"id": "ann", "roles": ["subscriber"]}, "stream": null, "cache-ms": 500, "accepted": 0}}},
        },
        {
            "name": "nobody is asked elsewhere",
            "call": "authorize",
            "input": {"req": {"action": "join"}},
            "expect": {"ok": "pass"},
        },
        {
            "name": "kv and clock are the sample's",
            "call": "on-message",
            "now_ms": 42,
            "kv": {"a": "seeded"},
            "input": {"ctx": {"room": "den"}, "msg": {"text": "!get a"}},
            "expect": {"ok": {"verdict": {"modify": {"text": "seeded"}}}},
            "commands": [{"publish": {"room": "den", "text": "seeded"}}],
        },
        {
            "name": "the clock",
            "call": "on-message",
            "now_ms": 42,
            "input": {"msg": {"text": "!now"}},
            "expect": {"ok": {"verdict": {"modify": {"text": "42"}}}},
        },
        {
            "name": "kv is empty again",
            "call": "on-message",
            "input": {"msg": {"text": "!get a"}},
            "expect": {"ok": {"verdict": {"modify": {"text": "nothing"}}}},
        },
        {
            "name": "an error of the filter is an answer",
            "call": "on-message",
            "input": {"msg": {"text": "!error the store is away"}},
            "expect": {"err": {"unavailable": "the store is away"}},
            "commands": [],
        },
        {
            "name": "somebody comes",
            "call": "on-join",
            "input": {"who": {"id": "bob", "name": "Bob"}},
            "expect": {},
            "commands": [{"publish": {"text": "welcome, Bob"}}],
        },
        {
            "name": "the catalogue",
            "call": "catalog",
            "expect": {"ok": [{"id": "rose", "price": 100}]},
        },
        {
            "name": "a gift",
            "call": "on-gift",
            "input": {"g": {"id": "g1", "item": "rose", "count": 2, "recipient": "bob", "sender": {"id": "ann"}}},
            "expect": {"ok": {"accept": {"total": 200, "combo": {"count": 1}}}},
            "commands": [],
        },
        {
            "name": "a blocked country",
            "call": "on-request",
            "input": {"req": {"path": "/", "client": {"country": "XX"}}},
            "expect": {"ok": {"action": {"respond": {"status": 451, "body": "bm90IHdoZXJlIHlvdSBhcmUK"}}}},
        },
        {
            "name": "a response",
            "call": "on-response",
            "input": {"resp": {"status": 200}},
            "expect": {"ok": {"action": {"modify": {"set-headers": [{"key": "x-filter", "value": "v1"}], "remove-headers": ["server"]}}}},
        },
    ]);
    let host = host();
    let version = prepare(&host, &guest("all-hooks"), all_hooks(samples))
        .await
        .expect("all come out");
    let report = probe::probe(&version).await.expect("again");
    assert_eq!(
        (
            report.name.as_str(),
            report.version.as_str(),
            report.samples
        ),
        ("all-hooks", "1.0.0", 11)
    );
    assert!(
        report.memory_bytes >= 64 << 10 && report.start_us > 0,
        "{report:?}"
    );
}

#[tokio::test]
async fn a_sample_that_fails_says_where() {
    let host = host();
    let wasm = guest("all-hooks");
    let on_message = |input: Value, expect: Value| json!([{"name": "s", "call": "on-message", "input": input, "expect": expect}]);
    for (samples, expected) in [
        (
            on_message(
                json!({"msg": {"text": "damn"}}),
                json!({"ok": {"verdict": "allow"}}),
            ),
            r#"probe: sample "s": another answer than expected: $.ok.verdict: expected "allow", got {"drop":"#,
        ),
        (
            on_message(
                json!({"msg": {"text": "!label"}}),
                json!({"ok": {"verdict": {"modify": {"text": "v2", "kind": null}}}}),
            ),
            r#"$.ok.verdict.modify.text: expected "v2", got "v1""#,
        ),
        (
            on_message(json!({"msg": {"txt": "hi"}}), json!({})),
            r#"sample "s": input $.msg.txt: expected no such field, but one of id, sender, text"#,
        ),
        (
            on_message(json!({"msg": {"sender": {"level": -1}}}), json!({})),
            "input $.msg.sender.level: expected a whole number (u32), found -1",
        ),
        (
            on_message(json!({"msg": {"sender": {"roles": ["king"]}}}), json!({})),
            "input $.msg.sender.roles[0]: expected one of subscriber, vip",
        ),
        (
            on_message(json!({"message": {}}), json!({})),
            r#"on-message takes no "message", but ctx, msg"#,
        ),
        (
            on_message(json!({"msg": {"text": "!panic over there"}}), json!({})),
            "on-message: unreachable",
        ),
        (
            json!([{"name": "s", "call": "authorize", "input": {"req": {}}, "expect": {}}]),
            "input $.req.action: expected one of play, publish, join, gift, admin, found null",
        ),
        (
            json!([{"name": "s", "call": "catalog", "expect": {}, "commands": []}]),
            "the answer to catalog has no commands",
        ),
        (
            json!([{"name": "s", "call": "on-join", "input": {}, "expect": {}, "commands": []}]),
            r#"$.ok: expected [], got [{"publish""#,
        ),
    ] {
        let refusal = refusal(&host, &wasm, all_hooks(samples)).await;
        assert!(
            refusal.contains(expected),
            "{refusal}\ndoes not say\n{expected}"
        );
    }
}
