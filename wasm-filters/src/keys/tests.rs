//! Sets of keys, and the ring.

mod tokens;
mod vectors;

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::*;
use vectors::{EC_X, EC_Y, ED_X, RSA_N, Signer, ec_jwk, ed_jwk, jwks, rsa_jwk, unbase64};

fn parse(keys: &[String]) -> Result<KeySet, JwksError> {
    KeySet::parse(jwks(keys).as_bytes())
}

fn name(text: &str) -> KeyName {
    text.parse().unwrap()
}

#[test]
fn a_set_keeps_what_it_can_use_and_names_the_rest() {
    let set = parse(&[
        r#"{"kty":"EC","crv":"P-384","x":"","y":"","kid":"p384"}"#.to_owned(),
        ed_jwk(r#","kid":"ed","use":"sig","alg":"EdDSA","key_ops":["verify"]"#),
        r#"7"#.to_owned(),
        ec_jwk(r#","kid":"ec","alg":"ES256","x5c":["ignored"]"#),
        rsa_jwk(r#","kid":"rsa","alg":"RS256""#),
    ])
    .unwrap();
    let kids: Vec<_> = set.keys().iter().map(|key| key.kid().unwrap()).collect();
    assert_eq!(kids, ["ed", "ec", "rsa"]);
    let ignored: Vec<_> = set.ignored().iter().map(|key| key.index).collect();
    assert_eq!(ignored, [0, 2]);
    assert_eq!(set.ignored()[0].kid.as_deref(), Some("p384"));
    let shown = format!("{set:?}");
    assert!(shown.contains("Es256") && !shown.contains(ED_X), "{shown}");
}

#[test]
fn keys_that_are_not_for_this_are_left_out() {
    let reason = |key: String| match parse(&[key]).unwrap_err() {
        JwksError::NoUsableKey(ignored) => ignored[0].reason.clone(),
        other => panic!("{other}"),
    };
    let member = JwkError::Member;
    let alg = |name: &str| JwkError::Algorithm(name.to_owned());
    for (key, expected) in [
        (ed_jwk(r#","d":"AAAA""#), JwkError::Private),
        (rsa_jwk(r#","d":"AAAA""#), JwkError::Private),
        (r#"{"kty":"oct","k":"AAAA"}"#.to_owned(), JwkError::Private),
        (r#"{"kty":"oct"}"#.to_owned(), JwkError::Private),
        (ed_jwk(r#","k":"AAAA""#), JwkError::Private),
        (ed_jwk(r#","use":"enc""#), JwkError::Purpose),
        (ed_jwk(r#","key_ops":["sign"]"#), JwkError::Purpose),
        (ed_jwk(r#","alg":"ES256""#), alg("ES256")),
        (ed_jwk(r#","alg":"none""#), alg("none")),
        (ec_jwk(r#","alg":"ES384""#), alg("ES384")),
        (rsa_jwk(r#","alg":"HS256""#), alg("HS256")),
        (rsa_jwk(r#","alg":"RS512""#), alg("RS512")),
        (rsa_jwk(r#","alg":"PS256""#), alg("PS256")),
        (ed_jwk("").replace(ED_X, &ED_X[1..]), member("x")),
        (ed_jwk("").replace(ED_X, "AAAA"), member("x")),
        (ed_jwk("").replace(r#""x""#, r#""z""#), member("x")),
        (ec_jwk("").replace(EC_Y, "AAAA"), member("y")),
        (ec_jwk("").replace(EC_X, &format!("{EC_X}=")), member("x")),
        (rsa_jwk("").replace("AQAB", "AQ"), member("e")),
        (rsa_jwk("").replace("AQAB", "Ag"), member("e")),
        (rsa_jwk("").replace("AQAB", ""), member("e")),
        (rsa_jwk("").replace("AQAB", "AgAAAAE"), member("e")),
        (rsa_jwk("").replace("AQAB", "AQAAAAAAAAAAAAAB"), member("e")),
        (
            rsa_jwk("").replace(RSA_N, ""),
            JwkError::RsaBits { bits: 0 },
        ),
        (
            rsa_jwk("").replace(RSA_N, &RSA_N[..RSA_N.len() - 2]),
            JwkError::RsaBits { bits: 2_040 },
        ),
        (
            rsa_jwk("").replace(RSA_N, &"____".repeat(342)),
            JwkError::RsaBits { bits: 8_208 },
        ),
        (
            ed_jwk(&format!(r#","kid":"{}""#, "k".repeat(KID_BYTES_MAX + 1))),
            member("kid"),
        ),
    ] {
        assert_eq!(reason(key.clone()), expected, "{key}");
    }
}

#[test]
fn a_modulus_with_a_leading_zero_is_the_same_key() {
    use base64::Engine;
    let n = [vec![0], unbase64(RSA_N)].concat();
    let n = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(n);
    let set = parse(&[rsa_jwk("").replace(RSA_N, &n)]).unwrap();
    let token = Signer::Rs256.token(r#"{"alg":"RS256"}"#, "{}");
    assert_eq!(verify_with_set(&token, &set, 0).as_deref(), Ok("{}"));
}

#[test]
fn a_set_is_bounded_and_unambiguous() {
    assert!(parse(&vec![ed_jwk(""); JWKS_KEYS_MAX]).is_ok());
    assert_eq!(
        parse(&vec![ed_jwk(""); JWKS_KEYS_MAX + 1]).unwrap_err(),
        JwksError::TooMany {
            count: JWKS_KEYS_MAX + 1
        }
    );
    let padded = format!("{}{}", jwks(&[ed_jwk("")]), " ".repeat(JWKS_BYTES_MAX));
    assert!(matches!(
        KeySet::parse(padded.as_bytes()),
        Err(JwksError::TooLarge { .. })
    ));
    assert!(KeySet::parse(&padded.as_bytes()[..JWKS_BYTES_MAX]).is_ok());
    for text in ["", "[]", "{", r#"{"keys":[],"keys":[]}"#, "\u{feff}{}"] {
        assert_eq!(KeySet::parse(text.as_bytes()).unwrap_err(), JwksError::Json);
    }
    let repeated = jwks(&[ed_jwk(&format!(r#","x":"{ED_X}""#))]);
    assert_eq!(
        KeySet::parse(repeated.as_bytes()).unwrap_err(),
        JwksError::Json
    );
    assert_eq!(KeySet::parse(&[0xff; 9]).unwrap_err(), JwksError::Json);
    for text in ["{}", r#"{"keys":{}}"#, r#"{"keys":null}"#] {
        let error = KeySet::parse(text.as_bytes()).unwrap_err();
        assert!(matches!(error, JwksError::Form(_)), "{text}: {error}");
    }
    let empty = KeySet::parse(br#"{"keys":[]}"#).unwrap_err();
    assert_eq!(empty.to_string(), "the JWK set has no usable key");
    let private = parse(&[ed_jwk(r#","d":"""#)]).unwrap_err().to_string();
    assert!(private.ends_with("a private or secret key in a public set"));
}

fn ring() -> KeyRing {
    let source = JwksSource::fixed(jwks(&[ed_jwk("")]).as_bytes()).unwrap();
    KeyRing::new([
        (
            name("secret"),
            Key::Secrets(Secrets::new([[7; 32]]).unwrap()),
        ),
        (name("public"), Key::Jwks(Arc::new(source))),
        (name("empty"), Key::Jwks(Arc::new(JwksSource::new()))),
    ])
}

#[test]
fn each_operation_asks_for_the_right_kind_of_key() {
    let ring = ring();
    let mac = ring.hmac_sha256("secret", b"data").unwrap();
    let verify = |key, tag: &[u8]| ring.verify_hmac_sha256(key, b"data", tag);
    assert_eq!(verify("secret", &mac), Ok(true));
    assert_eq!(verify("secret", &mac[1..]), Ok(false));
    assert_eq!(verify("public", &mac), Err(CryptoError::WrongKind));
    assert_eq!(verify("other", &mac), Err(CryptoError::UnknownKey));
    assert_eq!(ring.hmac_sha256("public", b""), Err(CryptoError::WrongKind));
    assert_eq!(ring.hmac_sha256("other", b""), Err(CryptoError::UnknownKey));

    let by_secret = Signer::Hs256(&[7; 32]).token(r#"{"alg":"HS256"}"#, "{}");
    let by_public = Signer::EdDsa.token(r#"{"alg":"EdDSA"}"#, "{}");
    let expired = Signer::EdDsa.token(r#"{"alg":"EdDSA"}"#, r#"{"exp":1}"#);
    let early = Signer::EdDsa.token(r#"{"alg":"EdDSA"}"#, r#"{"nbf":1000000}"#);
    let jwt = |key: &str, token: &str| ring.verify_jwt(key, token, 60_000);
    assert_eq!(jwt("secret", &by_secret).as_deref(), Ok("{}"));
    assert_eq!(jwt("public", &by_public).as_deref(), Ok("{}"));
    for (key, token, error) in [
        ("secret", &by_public, CryptoError::BadSignature),
        ("public", &by_secret, CryptoError::BadSignature),
        ("public", &expired, CryptoError::Expired),
        ("public", &early, CryptoError::Expired),
        ("public", &"x".to_owned(), CryptoError::Malformed),
        ("empty", &by_public, CryptoError::UnknownKey),
        ("other", &by_public, CryptoError::UnknownKey),
    ] {
        assert_eq!(jwt(key, token), Err(error), "{key}");
    }
}

#[test]
fn a_ring_can_be_replaced_and_shows_no_secret() {
    let ring = ring();
    let names: Vec<_> = ring.jwks().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["empty", "public"]);
    let shown = format!("{ring:?}");
    assert!(shown.contains("Secrets(1)"), "{shown}");
    assert!(!shown.contains("7, 7"), "{shown}");
    ring.replace([(name("new"), Key::Secrets(Secrets::new([[1; 32]]).unwrap()))]);
    assert!(ring.contains("new") && !ring.contains("secret"));
}

#[test]
fn a_refused_set_leaves_the_one_there_is() {
    let source = JwksSource::fixed(jwks(&[ed_jwk("")]).as_bytes()).unwrap();
    assert!(source.replace(b"<html>busy</html>").is_err());
    assert!(source.replace(br#"{"keys":[]}"#).is_err());
    let token = Signer::EdDsa.token(r#"{"alg":"EdDSA"}"#, "{}");
    assert!(source.verify_jwt(&token, 0).is_ok());
    let status = source.status();
    assert_eq!((status.keys, status.refreshes, status.failures), (1, 1, 2));
    assert_eq!(
        status.last_error.as_deref(),
        Some("the JWK set has no usable key")
    );
    source.clear();
    assert_eq!(source.verify_jwt(&token, 0), Err(JwtError::NoKeys));
}

#[test]
fn tokens_are_verified_while_the_set_is_replaced() {
    let documents = [jwks(&[ed_jwk("")]), jwks(&[ed_jwk(""), ec_jwk("")])];
    let source = JwksSource::fixed(documents[0].as_bytes()).unwrap();
    let token = Signer::EdDsa.token(r#"{"alg":"EdDSA"}"#, "{}");
    let (barrier, done) = (Barrier::new(3), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                barrier.wait();
                while !done.load(Ordering::Relaxed) {
                    assert!(source.verify_jwt(&token, 0).is_ok());
                }
            });
        }
        barrier.wait();
        for round in 0..200 {
            source.replace(documents[round % 2].as_bytes()).unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(source.status().refreshes, 201);
}

#[test]
fn hashes_and_comparison() {
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let hex: String = sha256(b"")
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(hex, empty);
    assert!(constant_time_eq(b"", b""));
    assert!(constant_time_eq(b"abc", b"abc"));
    for other in [&b"abd"[..], b"bbc", b"ab", b"abcd", b""] {
        assert!(!constant_time_eq(b"abc", other));
    }
}
