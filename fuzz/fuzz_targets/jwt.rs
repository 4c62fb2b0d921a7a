//! A text verifies only if it was signed, and what verifies means one thing to every JSON parser.
#![no_main]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

use keys::jwks::KeySet;
use keys::jwt::{JWT_LEEWAY_MS, verify_with_secrets, verify_with_set};
use keys::secrets::Secrets;

// By path: the crate brings a compiler with it, which would take minutes to instrument.
#[path = "../../wasm-filters/src/keys"]
#[expect(dead_code, reason = "the rest of the crate uses it")]
mod keys {
    pub mod jwk;
    pub mod jwks;
    pub mod jwt;
    pub mod secrets;
    pub mod strict;
}

const NOW_MS: u64 = 1_700_000_000_000;
const JWKS: &[u8] = br#"{"keys":[
    {"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
    {"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
     "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","kid":"ec"}]}"#;

/// `header`, a line break, `claims`: signed and verified. The text as it is: a forgery.
fn check(text: &str, secrets: &Secrets, set: &KeySet) {
    assert!(verify_with_set(text, set, NOW_MS).is_err());
    assert!(verify_with_secrets(text, secrets, NOW_MS).is_err());
    let Some((header, claims)) = text.split_once('\n') else {
        return;
    };
    let mut token = URL_SAFE_NO_PAD.encode(header);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(claims, &mut token);
    let mac = secrets.sign(token.as_bytes());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(mac, &mut token);

    assert!(verify_with_set(&token, set, NOW_MS).is_err());
    let Ok(verified) = verify_with_secrets(&token, secrets, NOW_MS) else {
        return;
    };
    assert_eq!(verified, claims);
    let header: Value = serde_json::from_str(header).expect("a JSON header");
    assert_eq!(header["alg"], "HS256");
    assert!(header.get("crit").is_none());
    let claims: Value = serde_json::from_str(claims).expect("JSON claims");
    assert!(claims.is_object());
    let seconds = |name: &str| {
        let time = claims.get(name)?;
        Some(time.as_f64().expect("a number of seconds"))
    };
    // A second for what f64 cannot say exactly.
    let (leeway, now) = (JWT_LEEWAY_MS as f64 / 1e3 + 1.0, NOW_MS as f64 / 1e3);
    assert!(seconds("exp").is_none_or(|exp| exp + leeway > now));
    assert!(seconds("nbf").is_none_or(|nbf| nbf - leeway < now));
}

fuzz_target!(|text: &str| {
    let secrets = Secrets::new([[7; 32], [8; 32]]).expect("two secrets");
    let set = KeySet::parse(JWKS).expect("two keys");
    check(text, &secrets, &set);
});
