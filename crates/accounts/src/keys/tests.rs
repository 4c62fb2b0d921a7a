//! Tokens of every wrong kind, and keys through rotations.

use std::collections::BTreeMap;

use ring::hmac;
use serde_json::{Value, json};

use super::*;

const NOW: u64 = 1_800_000_000_000;
const LIFETIME: u64 = 600;

fn settings() -> TokenSettings {
    TokenSettings {
        issuer: "weir".to_owned(),
        audience: "weir-viewers".to_owned(),
        lifetime_seconds: LIFETIME,
    }
}

fn set(keys: &[StoredKey]) -> KeySet {
    KeySet::new(keys, settings()).unwrap()
}

fn claims(now_ms: u64) -> Claims {
    let person = ("u-1".to_owned(), "Ana".to_owned());
    let rooms = BTreeMap::from([("demo".to_owned(), vec!["moderator".to_owned()])]);
    let roles = (vec!["admin".to_owned()], rooms);
    Claims::new(&settings(), person, roles, now_ms).unwrap()
}

/// What the auth filter of an edge reads: a `scope` would narrow it to what that names.
#[test]
fn what_a_token_says() {
    let mut said = serde_json::to_value(claims(NOW)).unwrap();
    said.as_object_mut().unwrap().remove("jti");
    let seconds = NOW / 1_000;
    assert_eq!(
        said,
        json!({
            "iss": "weir", "aud": "weir-viewers", "sub": "u-1", "name": "Ana", "roles": ["admin"],
            "streams": ["*"], "room_roles": { "demo": ["moderator"] },
            "iat": seconds, "exp": seconds + LIFETIME,
        })
    );
}

/// Signed by the key, whatever it says.
fn forge(key: &StoredKey, header: &Value, claims: &Value) -> String {
    let pair = SigningKey::read(key).unwrap().pair;
    let signed = unsigned(header, claims);
    let signature = pair.sign(signed.as_bytes());
    format!("{signed}.{}", BASE64.encode(signature.as_ref()))
}

fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| BASE64.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

fn header(key: &StoredKey) -> Value {
    json!({ "alg": "EdDSA", "typ": "JWT", "kid": key.kid().unwrap() })
}

#[test]
fn what_is_signed_is_read() {
    let keys = [StoredKey::generate(NOW).unwrap()];
    let set = set(&keys);
    let (claims, other) = (claims(NOW), claims(NOW));
    assert_ne!(claims.jti, other.jti);
    let token = set.sign(&claims, NOW).unwrap();
    assert_eq!(set.verify(&token, NOW), Ok(claims));
    let header = BASE64.decode(token.split('.').next().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    assert_eq!(header["alg"], "EdDSA");
    assert_eq!(header["kid"], set.jwks(NOW)["keys"][0]["kid"]);
    assert!(
        !set.jwks(NOW).to_string().contains("\"d\""),
        "no private part"
    );
    assert!(!format!("{set:?} {keys:?}").contains("pkcs8:"));
}

#[test]
fn algorithms_are_not_confused() {
    let key = StoredKey::generate(NOW).unwrap();
    let set = set(std::slice::from_ref(&key));
    let claims = serde_json::to_value(claims(NOW)).unwrap();
    let with = |name: &str, value: Value| {
        let mut header = header(&key);
        header[name] = value;
        header
    };
    assert!(
        set.verify(&forge(&key, &header(&key), &claims), NOW)
            .is_ok()
    );
    // None of any spelling, with and without a signature.
    for none in [
        "none", "None", "NONE", "", "eddsa", "ES256", "RS256", "Ed25519",
    ] {
        let header = with("alg", json!(none));
        let bare = format!("{}.", unsigned(&header, &claims));
        assert_eq!(set.verify(&bare, NOW), Err(TokenError::Algorithm), "{none}");
        let signed = forge(&key, &header, &claims);
        assert_eq!(
            set.verify(&signed, NOW),
            Err(TokenError::Algorithm),
            "{none}"
        );
    }
    // The public key as the secret of an HMAC, called HS256 and called EdDSA.
    let pair = SigningKey::read(&key).unwrap().pair;
    let secret = hmac::Key::new(hmac::HMAC_SHA256, pair.public_key().as_ref());
    for (alg, error) in [
        ("HS256", TokenError::Algorithm),
        ("EdDSA", TokenError::Signature),
    ] {
        let signed = unsigned(&with("alg", json!(alg)), &claims);
        let tag = hmac::sign(&secret, signed.as_bytes());
        let token = format!("{signed}.{}", BASE64.encode(tag.as_ref()));
        assert_eq!(set.verify(&token, NOW), Err(error));
    }
    // A key of the attacker's in the header, and extensions that are not understood.
    for (name, value) in [
        ("jwk", json!({})),
        ("crit", json!(["x"])),
        ("x5u", json!("http://x")),
    ] {
        let token = forge(&key, &with(name, value), &claims);
        assert_eq!(
            set.verify(&token, NOW),
            Err(TokenError::Malformed),
            "{name}"
        );
    }
    let token = forge(&key, &with("typ", json!("at+jwt")), &claims);
    assert_eq!(set.verify(&token, NOW), Err(TokenError::Malformed));
}

#[test]
fn keys_are_not_confused() {
    let key = StoredKey::generate(NOW).unwrap();
    let other = StoredKey::generate(NOW).unwrap();
    let set = set(std::slice::from_ref(&key));
    let claims = serde_json::to_value(claims(NOW)).unwrap();
    let unknown = forge(&other, &header(&other), &claims);
    assert_eq!(set.verify(&unknown, NOW), Err(TokenError::Key));
    let wrong = forge(&other, &header(&key), &claims);
    assert_eq!(set.verify(&wrong, NOW), Err(TokenError::Signature));
    let token = forge(&key, &header(&key), &claims);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let mut changed = claims.clone();
    changed["roles"] = json!(["admin", "owner"]);
    let (header, _) = signed.split_once('.').unwrap();
    let changed = format!(
        "{header}.{}.{signature}",
        BASE64.encode(changed.to_string())
    );
    assert_eq!(set.verify(&changed, NOW), Err(TokenError::Signature));
    let long = format!("{token}{}", "A".repeat(TOKEN_BYTES_MAX));
    for nonsense in [
        "",
        ".",
        "..",
        "a.b.c",
        "\u{0}.\u{0}.",
        &long,
        &format!("{token}.x"),
    ] {
        assert_eq!(
            set.verify(nonsense, NOW),
            Err(TokenError::Malformed),
            "{nonsense}"
        );
    }
    let padded = format!("{signed}.{signature}=");
    assert_eq!(set.verify(&padded, NOW), Err(TokenError::Malformed));
}

#[test]
fn claims_are_exact() {
    let key = StoredKey::generate(NOW).unwrap();
    let set = set(std::slice::from_ref(&key));
    let now = NOW / 1_000;
    let cases = [
        ("iss", json!("weir-origin"), TokenError::Issuer),
        ("iss", json!(["weir"]), TokenError::Malformed),
        ("aud", json!("weir"), TokenError::Audience),
        (
            "aud",
            json!(["weir-viewers", "others"]),
            TokenError::Malformed,
        ),
        ("aud", json!(null), TokenError::Malformed),
        ("exp", json!(now + LIFETIME + 1), TokenError::Times),
        ("exp", json!(now - 1), TokenError::Times),
        ("exp", json!(u64::MAX), TokenError::Times),
        ("exp", json!("never"), TokenError::Malformed),
        ("iat", json!(now + LEEWAY_SECONDS + 1), TokenError::Times),
        ("iat", json!(0), TokenError::Times),
        ("sub", json!(7), TokenError::Malformed),
        ("room_roles", json!(["moderator"]), TokenError::Malformed),
    ];
    for (name, value, error) in cases {
        let mut claims = serde_json::to_value(claims(NOW)).unwrap();
        claims[name] = value;
        let token = forge(&key, &header(&key), &claims);
        assert_eq!(set.verify(&token, NOW), Err(error), "{name}");
    }
    for name in ["iss", "aud", "sub", "exp", "iat", "jti"] {
        let mut claims = serde_json::to_value(claims(NOW)).unwrap();
        claims.as_object_mut().unwrap().remove(name);
        let token = forge(&key, &header(&key), &claims);
        assert_eq!(
            set.verify(&token, NOW),
            Err(TokenError::Malformed),
            "{name}"
        );
    }
}

#[test]
fn tokens_end() {
    let keys = [StoredKey::generate(NOW).unwrap()];
    let set = set(&keys);
    let claims = claims(NOW);
    let token = set.sign(&claims, NOW).unwrap();
    let end = NOW + (LIFETIME + LEEWAY_SECONDS) * 1_000;
    assert!(set.verify(&token, end - 1).is_ok());
    assert_eq!(set.verify(&token, end), Err(TokenError::Expired));
    let before = NOW - LEEWAY_SECONDS * 1_000;
    assert!(set.verify(&token, before).is_ok());
    assert_eq!(set.verify(&token, before - 1_000), Err(TokenError::Times));
}

#[test]
fn a_planned_rotation_harms_no_token() {
    let first = StoredKey::generate(NOW).unwrap();
    let rotated = NOW + 1_000_000;
    let change = rotate(&[NOW], Rotation::Planned, LIFETIME * 1_000, rotated);
    let signs = rotated + KEY_PUBLISHED_AHEAD_MS;
    assert_eq!(
        change,
        Change {
            removed: vec![],
            added: Some(signs)
        }
    );
    let second = StoredKey::generate(signs).unwrap();
    let set = set(&[first.clone(), second.clone()]);
    // Published at once, signing later.
    assert_eq!(set.jwks(rotated)["keys"].as_array().unwrap().len(), 2);
    let kid = |now| set.signing(now).unwrap().kid.clone();
    assert_eq!(kid(signs - 1), first.kid().unwrap());
    assert_eq!(kid(signs), second.kid().unwrap());
    assert_eq!(kid(0), first.kid().unwrap(), "the clock set back");
    // The last token of the first lives to its end.
    let last = set.sign(&claims(signs - 1), signs - 1).unwrap();
    let end = signs + (LIFETIME + LEEWAY_SECONDS) * 1_000;
    assert!(set.verify(&last, end - 2_000).is_ok());
    // And then the key counts no longer, even for a token that has not ended.
    let later = end + 2 * LEEWAY_SECONDS * 1_000;
    let late = serde_json::to_value(claims(later)).unwrap();
    let late = forge(&first, &header(&first), &late);
    assert_eq!(set.verify(&late, later), Err(TokenError::Key));
    assert_eq!(set.jwks(later)["keys"].as_array().unwrap().len(), 1);
    let change = rotate(&[NOW, signs], Rotation::Planned, LIFETIME * 1_000, later);
    let next = later + KEY_PUBLISHED_AHEAD_MS;
    assert_eq!(
        change,
        Change {
            removed: vec![NOW],
            added: Some(next)
        }
    );
    // While one waits, another is not added.
    let change = rotate(&[signs, next], Rotation::Planned, LIFETIME * 1_000, later);
    assert_eq!(
        change,
        Change {
            removed: vec![],
            added: None
        }
    );
}

#[test]
fn a_compromised_key_counts_at_once_no_longer() {
    let first = StoredKey::generate(NOW).unwrap();
    let change = rotate(&[NOW, NOW + 5], Rotation::Compromised, 1, NOW + 9);
    assert_eq!(
        change,
        Change {
            removed: vec![NOW, NOW + 5],
            added: Some(NOW + 9)
        }
    );
    let after = set(&[StoredKey::generate(NOW + 9).unwrap()]);
    let token = set(&[first]).sign(&claims(NOW), NOW).unwrap();
    assert_eq!(after.verify(&token, NOW + 9), Err(TokenError::Key));
}
