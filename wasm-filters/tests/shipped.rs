//! The filters that ship, as `scripts/filters.sh all` builds them: each passes all that an upload goes
//! through, answers its cases, and does what its manifest says.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "shipped/accounts.rs"]
mod accounts;
#[path = "shipped/cases.rs"]
mod cases;
#[path = "shipped/chat.rs"]
mod chat;
#[path = "shipped/filter.rs"]
mod filter;
#[path = "shipped/gifts.rs"]
mod gifts;
#[expect(
    dead_code,
    reason = "the tests of keys, whose vectors they are, use all of them"
)]
#[path = "../src/keys/tests/vectors.rs"]
mod vectors;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};
use wasm_filters::manifest::SampleCall;

use filter::{Filter, PLAYBACK_SECRET, URL_SECRET};
use vectors::Signer;

/// 2026-01-01T00:00:00Z.
const NOW: u64 = 1_767_225_600;

#[tokio::test]
async fn auth() {
    Filter::open("auth").await.passes_everything().await;
}

#[tokio::test]
async fn chat_rooms() {
    Filter::open("chat").await.passes_everything().await;
}

#[tokio::test]
async fn geo_block() {
    Filter::open("geo-block").await.passes_everything().await;
}

#[tokio::test]
async fn gifts_for_rooms() {
    Filter::open("gifts").await.passes_everything().await;
}

#[tokio::test]
async fn http_headers() {
    Filter::open("http-headers").await.passes_everything().await;
}

#[tokio::test]
async fn word_guard_in_javascript() {
    Filter::open("word-guard").await.passes_everything().await;
}

#[tokio::test]
async fn welcome_in_python() {
    Filter::open("welcome").await.passes_everything().await;
}

#[tokio::test]
async fn what_cannot_be_obeyed_refuses_the_version() {
    for (name, config, reason) in [
        ("auth", json!({ "guests": ["publish"] }), "not 'publish'"),
        (
            "chat",
            json!({ "exempt": { "links": ["king"] } }),
            "exempt.links: there is no role 'king'",
        ),
        (
            "geo-block",
            json!({ "rules": [{ "stream": "a" }] }),
            "either allow or deny",
        ),
        (
            "gifts",
            json!({ "items": [{ "id": "rose", "name": "Rose", "price": 0, "emoji": "R", "tier": "small" }] }),
            "items[0] 'rose': a price is 1 to",
        ),
        (
            "http-headers",
            json!({ "cors": { "origins": [] } }),
            "origins is empty",
        ),
        (
            "word-guard",
            json!({ "words": ["two words"] }),
            "words is a list",
        ),
        (
            "welcome",
            json!({ "first": "{nobody}" }),
            "first: KeyError('nobody')",
        ),
    ] {
        let filter = Filter::open(name).await;
        let version = filter.version(Some(&config));
        let error = wasm_filters::probe::probe(&version)
            .await
            .expect_err(name)
            .to_string();
        assert!(
            error.starts_with("configure: ") && error.contains(reason),
            "{name}: {error}"
        );
    }
}

/// `allow <user>`, a code, or the error.
fn verdict(answer: &Value) -> String {
    let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str);
    if let Some(user) = text("/ok/allow/user/id") {
        return format!("allow {user}");
    }
    text("/ok/deny/code").map_or_else(|| answer.to_string(), str::to_owned)
}

/// What the auth filter says to these credentials.
async fn authorize(filter: &Filter, config: &Value, now: u64, request: &Value) -> Value {
    let version = filter.unhurried(Some(config));
    let input = json!({ "req": request });
    filter
        .ask(&version, SampleCall::Authorize, now * 1000, &input)
        .await
}

fn asks(action: &str, stream: &str, credentials: &[(&str, &str)]) -> Value {
    let credentials: Vec<Value> = credentials
        .iter()
        .map(|(source, value)| json!({ "source": source, "value": value }))
        .collect();
    json!({ "action": action, "app": "live", "stream": stream, "credentials": credentials })
}

fn hmac(secret: &str, text: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    URL_SAFE_NO_PAD.encode(hmac::sign(&key, text.as_bytes()))
}

/// Takes tokens of one issuer.
fn one_issuer() -> Value {
    json!({ "jwt": [{ "key": "accounts", "issuer": "us", "audience": "weir" }] })
}

/// What such a token says, good for a minute.
fn claims(more: &str) -> String {
    let expires = NOW + 60;
    format!(r#"{{"iss":"us","aud":"weir","sub":"u7","exp":{expires},{more}}}"#)
}

#[tokio::test]
async fn tokens_of_accounts() {
    let auth = Filter::open("auth").await;
    let config = one_issuer();
    let demo = claims(r#""name":"Ana","roles":["vip"],"streams":["demo"]"#);
    for (algorithm, signer) in [
        ("EdDSA", Signer::EdDsa),
        ("ES256", Signer::Es256),
        ("RS256", Signer::Rs256),
    ] {
        let header = format!(r#"{{"alg":"{algorithm}"}}"#);
        let token = signer.token(&header, &demo);
        let spoilt = format!("{}AAAA", &token[..token.len() - 4]);
        for (action, stream, now, token, expected) in [
            ("play", "demo", NOW, &token, "allow u7"),
            ("join", "demo", NOW, &token, "allow u7"),
            ("gift", "demo", NOW, &token, "allow u7"),
            ("play", "other", NOW, &token, "wrong-stream"),
            ("publish", "demo", NOW, &token, "missing-role"),
            ("admin", "demo", NOW, &token, "missing-role"),
            ("play", "demo", NOW + 600, &token, "expired"),
            ("play", "demo", NOW, &spoilt, "bad-signature"),
        ] {
            let request = asks(action, stream, &[("bearer", token)]);
            let got = verdict(&authorize(&auth, &config, now, &request).await);
            assert_eq!(got, expected, "{algorithm} {action} {stream}");
        }
    }
}

#[tokio::test]
async fn what_claims_open() {
    let auth = Filter::open("auth").await;
    let config = one_issuer();
    let demo = claims(r#""name":"Ana","roles":["vip"],"streams":["demo"]"#);
    let token = |claims: &str| Signer::EdDsa.token(r#"{"alg":"EdDSA"}"#, claims);
    let answer = authorize(
        &auth,
        &config,
        NOW,
        &asks("play", "demo", &[("query", &token(&demo))]),
    )
    .await;
    let grant = &answer["ok"]["allow"];
    assert_eq!(grant["user"]["name"], "Ana");
    assert_eq!(grant["user"]["roles"], json!(["vip"]));
    assert_eq!(grant["expires-at-ms"], (NOW + 60) * 1000);
    assert_eq!(grant["cache-ms"], 30_000);
    for (action, more, expected) in [
        ("publish", r#""scope":"publish:demo""#, "allow u7"),
        (
            "publish",
            r#""streams":"*","roles":["broadcaster"]"#,
            "allow u7",
        ),
        ("publish", r#""scope":"play:demo""#, "wrong-stream"),
        ("admin", r#""streams":"*","roles":["staff"]"#, "allow u7"),
        ("play", r#""roles":["vip"]"#, "wrong-stream"),
    ] {
        let request = asks(action, "demo", &[("query", &token(&claims(more)))]);
        assert_eq!(
            verdict(&authorize(&auth, &config, NOW, &request).await),
            expected,
            "{action} {more}"
        );
    }
    let foreign = token(&demo.replace("weir", "elsewhere"));
    let answer = authorize(
        &auth,
        &config,
        NOW,
        &asks("play", "demo", &[("bearer", &foreign)]),
    )
    .await;
    assert_eq!(verdict(&answer), "wrong-issuer");
}

#[tokio::test]
async fn playback_tokens() {
    let auth = Filter::open("auth").await;
    let config = json!({ "playback_tokens": { "key": "playback" } });
    let expires = 1_800_000_000;
    // As the crate `playback-token` makes it: its own test has the same one.
    let demo = "djF8ZGVtb3wxODAwMDAwMDAw.80lurfTumOJRoMyBR7BVAqhdwdXIe-v2HaOBMSPIqa8".to_owned();
    let all = URL_SAFE_NO_PAD.encode(format!("v1|*|{expires}"));
    let all = format!("{all}.{}", hmac(PLAYBACK_SECRET, &all));
    let forged = demo.replacen("djF8ZGVtb3", "djF8b3RoZX", 1);
    for (action, stream, now, token, expected) in [
        ("play", "other", NOW, &demo, "wrong-stream"),
        ("play", "demo", expires, &demo, "expired"),
        ("play", "demo", NOW, &forged, "bad-signature"),
        ("publish", "demo", NOW, &demo, "missing-role"),
        ("gift", "demo", NOW, &demo, "missing-role"),
        (
            "play",
            "demo",
            NOW,
            &"no-token".to_owned(),
            "malformed-token",
        ),
    ] {
        let answer = authorize(
            &auth,
            &config,
            now,
            &asks(action, stream, &[("cookie", token)]),
        )
        .await;
        assert_eq!(verdict(&answer), expected, "{action} {stream} {token}");
    }
    for (action, stream, token) in [
        ("play", "demo", &demo),
        ("join", "demo", &demo),
        ("play", "anything", &all),
    ] {
        let answer = authorize(
            &auth,
            &config,
            expires - 1,
            &asks(action, stream, &[("query", token)]),
        )
        .await;
        assert!(verdict(&answer).starts_with("allow guest-"), "{answer}");
        assert_eq!(answer["ok"]["allow"]["expires-at-ms"], expires * 1000);
    }
}

#[tokio::test]
async fn one_good_credential_is_enough() {
    let auth = Filter::open("auth").await;
    let config = json!({ "playback_tokens": { "key": "playback" } });
    let old = "djF8ZGVtb3wxODAwMDAwMDAw.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let good = "djF8ZGVtb3wxODAwMDAwMDAw.80lurfTumOJRoMyBR7BVAqhdwdXIe-v2HaOBMSPIqa8";
    let answer = authorize(
        &auth,
        &config,
        NOW,
        &asks("play", "demo", &[("query", old), ("cookie", good)]),
    )
    .await;
    assert_eq!(answer["ok"]["allow"]["accepted"], 1);
    // The most trusted one says why.
    let answer = authorize(
        &auth,
        &config,
        NOW,
        &asks("play", "demo", &[("query", old), ("cookie", "x")]),
    )
    .await;
    assert_eq!(verdict(&answer), "bad-signature");
}

/// What a signature of a URL is over.
fn canonical(expires: u64, scope: &str) -> String {
    format!("weir-url-v1\n{expires}\n{scope}\n")
}

/// A request by a URL whose signature is over `signed`.
fn url(app: &str, stream: &str, expires: u64, scope: &str, signed: &str) -> Value {
    let attr = |key: &str, value: &str| json!({ "key": key, "value": value });
    let query = [
        attr("expires", &expires.to_string()),
        attr("scope", scope),
        attr("signature", &hmac(URL_SECRET, signed)),
    ];
    json!({ "action": "play", "app": app, "stream": stream, "query": query })
}

#[tokio::test]
async fn signed_urls() {
    let auth = Filter::open("auth").await;
    let config = json!({ "signed_urls": { "key": "urls" } });
    let expires = NOW + 60;
    let one = canonical(expires, "/live/demo/");
    for (request, now, expected) in [
        (
            url("live", "demo", expires, "/live/demo/", &one),
            NOW,
            "allow guest-",
        ),
        (
            url("live", "demo", expires, "/", &canonical(expires, "/")),
            NOW,
            "allow guest-",
        ),
        (
            url("live", "demo2", expires, "/live/demo/", &one),
            NOW,
            "wrong-stream",
        ),
        (
            url("vod", "demo", expires, "/live/demo/", &one),
            NOW,
            "wrong-stream",
        ),
        (
            url("live", "demo", expires, "/live/demo/", &one),
            expires,
            "expired",
        ),
        (
            url("live", "demo", expires + 1, "/live/demo/", &one),
            NOW,
            "bad-signature",
        ),
        (
            url("live", "demo2", expires, "/live/demo2/", &one),
            NOW,
            "bad-signature",
        ),
        (
            url(
                "live",
                "demo",
                expires,
                "/live/demo",
                &canonical(expires, "/live/demo"),
            ),
            NOW,
            "malformed-token",
        ),
    ] {
        let got = verdict(&authorize(&auth, &config, now, &request).await);
        assert!(got.starts_with(expected), "{request}: {got}");
    }
}

#[tokio::test]
async fn a_signed_url_becomes_a_cookie() {
    let auth = Filter::open("auth").await;
    let config = json!({ "signed_urls": { "key": "urls" } });
    let expires = NOW + 60;
    let one = canonical(expires, "/live/demo/");
    // The parts of the stream are asked for with the cookie that the first answer gave.
    let answer = authorize(
        &auth,
        &config,
        NOW,
        &url("live", "demo", expires, "/live/demo/", &one),
    )
    .await;
    let attrs = answer["ok"]["allow"]["attrs"].as_array().expect("attrs");
    let cookie = attrs
        .iter()
        .find(|attr| attr["key"] == "cookie")
        .expect("a cookie");
    let cookie = cookie["value"].as_str().expect("text");
    for (stream, now, expected) in [
        ("demo", NOW, verdict(&answer).as_str()),
        ("demo2", NOW, "wrong-stream"),
        ("demo", expires, "expired"),
    ] {
        let request = asks("play", stream, &[("cookie", cookie)]);
        assert_eq!(
            verdict(&authorize(&auth, &config, now, &request).await),
            expected,
            "{stream}"
        );
    }
}

#[tokio::test]
async fn a_key_of_another_kind_is_no_answer() {
    let auth = Filter::open("auth").await;
    let config = json!({ "playback_tokens": { "key": "accounts" }, "guests": ["play"] });
    let token = "djF8ZGVtb3wxODAwMDAwMDAw.80lurfTumOJRoMyBR7BVAqhdwdXIe-v2HaOBMSPIqa8";
    let answer = authorize(
        &auth,
        &config,
        NOW,
        &asks("play", "demo", &[("query", token)]),
    )
    .await;
    let reason = answer["err"]["bad-config"].as_str().expect("an error");
    assert!(reason.contains("'accounts' is of another kind"), "{reason}");
}
