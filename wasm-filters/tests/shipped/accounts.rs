//! The auth filter, guests and accounts: who may give, and roles in rooms.

use std::path::Path;

use serde_json::json;
use wasm_filters::manifest::Manifest;

use crate::filter::Filter;
use crate::vectors::Signer;
use crate::{NOW, asks, authorize, verdict};

/// As the demonstration has it: one set of keys, by which the origin signs for guests and for accounts.
#[tokio::test]
async fn guests_and_accounts_of_one_key() {
    let auth = Filter::open("auth").await;
    let config = json!({ "jwt": [
        { "key": "accounts", "issuer": "weir-origin" },
        { "key": "accounts", "issuer": "weir", "audience": "weir" },
    ] });
    let token = |claims: &str| {
        let claims = format!(r#"{{"exp":{},"streams":["*"],{claims}}}"#, NOW + 60);
        Signer::EdDsa.token(r#"{"alg":"EdDSA"}"#, &claims)
    };
    let guest = token(r#""iss":"weir-origin","sub":"g-1","scope":"join:*""#);
    let account = token(
        r#""iss":"weir","aud":"weir","sub":"u-1","room_roles":{"demo":["broadcaster","king"]}"#,
    );
    let elsewhere = token(r#""iss":"elsewhere","aud":"weir","sub":"u-1""#);
    let other_audience = token(r#""iss":"weir","aud":"shop","sub":"u-1""#);
    let spoilt = format!("{}AAAA", &account[..account.len() - 4]);
    for (action, stream, token, expected) in [
        ("join", "demo", &guest, "allow g-1"),
        ("gift", "demo", &guest, "wrong-stream"),
        ("play", "demo", &guest, "wrong-stream"),
        ("join", "demo", &account, "allow u-1"),
        ("gift", "demo", &account, "allow u-1"),
        ("gift", "other", &account, "allow u-1"),
        ("publish", "demo", &account, "allow u-1"),
        ("publish", "other", &account, "missing-role"),
        ("admin", "demo", &account, "missing-role"),
        ("join", "demo", &elsewhere, "wrong-issuer"),
        ("join", "demo", &other_audience, "wrong-issuer"),
        ("gift", "demo", &spoilt, "bad-signature"),
    ] {
        let request = asks(action, stream, &[("bearer", token)]);
        let got = verdict(&authorize(&auth, &config, NOW, &request).await);
        assert_eq!(got, expected, "{action} {stream}");
    }
    for (stream, roles) in [("demo", json!(["broadcaster"])), ("other", json!([]))] {
        let request = asks("join", stream, &[("bearer", &account)]);
        let answer = authorize(&auth, &config, NOW, &request).await;
        assert_eq!(answer["ok"]["allow"]["user"]["roles"], roles, "{stream}");
    }
    let request = asks("gift", "demo", &[]);
    let answer = authorize(&auth, &config, NOW, &request).await;
    assert_eq!(verdict(&answer), "missing-token");
}

#[tokio::test]
async fn the_demonstrations_configuration_is_obeyed() {
    let file = "../config/demo/auth.toml";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = std::fs::read_to_string(path).expect(file);
    let manifest: Manifest = toml::from_str(&text).expect(file);
    let auth = Filter::open("auth").await;
    for (action, expected) in [
        ("play", "allow guest"),
        ("join", "allow guest"),
        ("gift", "missing-token"),
        ("publish", "missing-token"),
    ] {
        let request = asks(action, "demo", &[]);
        let answer = authorize(&auth, &manifest.config, NOW, &request).await;
        assert_eq!(verdict(&answer), expected, "{action}");
    }
}
