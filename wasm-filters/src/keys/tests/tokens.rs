//! Which tokens are taken and which are not.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;

use super::super::jwt::authentic_by_set;
use super::super::*;
use super::vectors::*;

const NOW: u64 = 1_700_000_000_000;
const SECRET: [u8; 32] = [7; 32];

fn set(keys: &[String]) -> KeySet {
    KeySet::parse(jwks(keys).as_bytes()).unwrap()
}

/// One of each kind, named as its algorithm.
fn all() -> KeySet {
    set(&[
        ed_jwk(r#","kid":"ed""#),
        ec_jwk(r#","kid":"ec""#),
        rsa_jwk(r#","kid":"rsa""#),
    ])
}

fn secrets() -> Secrets {
    Secrets::new([SECRET]).unwrap()
}

fn header(alg: &str, kid: &str) -> String {
    format!(r#"{{"alg":"{alg}","kid":"{kid}"}}"#)
}

const SIGNERS: [(Signer<'_>, &str, &str); 3] = [
    (Signer::EdDsa, "EdDSA", "ed"),
    (Signer::Es256, "ES256", "ec"),
    (Signer::Rs256, "RS256", "rsa"),
];

#[test]
fn the_tokens_of_rfc_7515_verify_until_they_expire() {
    let hs256 = Secrets::new([unbase64(A1_SECRET)]).unwrap();
    let by = |token, now| {
        if token == A1_TOKEN {
            verify_with_secrets(token, &hs256, now)
        } else {
            let keys = set(&[rsa_jwk(""), ec_jwk("")]);
            verify_with_set(token, &keys, now)
        }
    };
    for token in [A1_TOKEN, A2_TOKEN, A3_TOKEN] {
        let last = A_EXPIRES * 1_000 + JWT_LEEWAY_MS - 1;
        assert_eq!(by(token, 0).as_deref(), Ok(A_CLAIMS));
        assert_eq!(by(token, last).as_deref(), Ok(A_CLAIMS));
        assert_eq!(by(token, last + 1), Err(JwtError::Expired));
    }
}

#[test]
fn the_token_of_rfc_8037_is_authentic_and_holds_no_claims() {
    let keys = set(&[ed_jwk("")]);
    let payload = authentic_by_set(A4_TOKEN, &keys).unwrap();
    assert_eq!(payload, b"Example of Ed25519 signing");
    assert_eq!(
        verify_with_set(A4_TOKEN, &keys, 0),
        Err(JwtError::Malformed)
    );
}

#[test]
fn each_algorithm_verifies_its_own_tokens_only() {
    let keys = all();
    let claims = r#"{"sub":"ann"}"#;
    for (signer, alg, kid) in SIGNERS {
        let token = signer.token(&header(alg, kid), claims);
        assert_eq!(verify_with_set(&token, &keys, NOW).as_deref(), Ok(claims));
        let nameless = signer.token(&format!(r#"{{"alg":"{alg}"}}"#), claims);
        assert!(verify_with_set(&nameless, &keys, NOW).is_ok());
        for (_, other_alg, other_kid) in SIGNERS {
            if other_alg == alg {
                continue;
            }
            // A good signature under the name of another algorithm, or of another key.
            let token = signer.token(&header(other_alg, kid), claims);
            assert_eq!(
                verify_with_set(&token, &keys, NOW),
                Err(JwtError::Algorithm)
            );
            let token = signer.token(&header(alg, other_kid), claims);
            assert_eq!(
                verify_with_set(&token, &keys, NOW),
                Err(JwtError::Algorithm)
            );
            let token = signer.token(&header(other_alg, other_kid), claims);
            assert_eq!(
                verify_with_set(&token, &keys, NOW),
                Err(JwtError::BadSignature)
            );
        }
    }
    // RFC 9864's name.
    let token = Signer::EdDsa.token(&header("Ed25519", "ed"), claims);
    assert!(verify_with_set(&token, &keys, NOW).is_ok());
}

#[test]
fn the_header_does_not_choose_the_algorithm() {
    let keys = all();
    let public_as_secret = [
        unbase64(ED_X),
        [unbase64(EC_X), unbase64(EC_Y)].concat(),
        unbase64(RSA_N),
        ed_jwk("").into_bytes(),
    ];
    for secret in &public_as_secret {
        for kid in ["ed", "ec", "rsa"] {
            let token = Signer::Hs256(secret).token(&header("HS256", kid), "{}");
            assert_eq!(
                verify_with_set(&token, &keys, NOW),
                Err(JwtError::Algorithm)
            );
        }
    }
    for alg in [
        "none", "None", "NONE", "", "HS512", "RS384", "PS256", "ES384", "EdDSA ",
    ] {
        for signer in [Signer::EdDsa, Signer::Hs256(&SECRET)] {
            let token = signer.token(&header(alg, "ed"), "{}");
            let unsigned = &token[..=token.rfind('.').unwrap()];
            for token in [&token, unsigned] {
                let by_set = verify_with_set(token, &keys, NOW);
                assert_eq!(by_set, Err(JwtError::Algorithm), "{alg}");
                let by_secret = verify_with_secrets(token, &secrets(), NOW);
                assert_eq!(by_secret, Err(JwtError::Algorithm), "{alg}");
            }
        }
    }
    let token = Signer::Hs256(&SECRET).token(&header("EdDSA", "ed"), "{}");
    assert_eq!(
        verify_with_secrets(&token, &secrets(), NOW),
        Err(JwtError::Algorithm)
    );
}

#[test]
fn a_token_does_not_bring_its_own_key() {
    let strange = set(&[rsa_jwk(r#","kid":"rsa""#)]);
    for more in [
        format!(r#""jwk":{}"#, ed_jwk("")),
        r#""jku":"https://attacker.example/jwks""#.to_owned(),
    ] {
        let header = format!(r#"{{"alg":"EdDSA",{more}}}"#);
        let token = Signer::EdDsa.token(&header, "{}");
        assert_eq!(
            verify_with_set(&token, &strange, NOW),
            Err(JwtError::UnknownKid)
        );
    }
}

#[test]
fn names_choose_among_keys() {
    let token = Signer::EdDsa.token(&header("EdDSA", "new"), "{}");
    let verify = |keys: &[String]| verify_with_set(&token, &set(keys), NOW).map(drop);
    assert_eq!(
        verify(&[ed_jwk(r#","kid":"old""#)]),
        Err(JwtError::UnknownKid)
    );
    assert_eq!(verify(&[ed_jwk(r#","kid":"new""#)]), Ok(()));
    // A key without a name may be any.
    assert_eq!(verify(&[ed_jwk("")]), Ok(()));
    assert_eq!(verify(&[ec_jwk("")]), Err(JwtError::UnknownKid));
    // How many are tried is bounded.
    assert_eq!(verify(&vec![ed_jwk(""); 4]), Ok(()));
    assert_eq!(verify(&vec![ed_jwk(""); 5]), Err(JwtError::UnknownKid));
}

#[test]
fn headers_and_claims_have_one_meaning() {
    let keys = all();
    let refused = |header: &str, claims: &str| {
        let token = Signer::EdDsa.token(header, claims);
        verify_with_set(&token, &keys, NOW).unwrap_err()
    };
    let plain = r#"{"alg":"EdDSA"}"#;
    for (header, error) in [
        (r#"{"alg":"EdDSA","crit":["exp"]}"#, JwtError::Critical),
        (r#"{"alg":"EdDSA","crit":[]}"#, JwtError::Critical),
        (r#"{"alg":"EdDSA","crit":null}"#, JwtError::Critical),
        (
            r#"{"alg":"EdDSA","b64":false,"crit":["b64"]}"#,
            JwtError::Critical,
        ),
        (r#"{"alg":"EdDSA","alg":"EdDSA"}"#, JwtError::Malformed),
        (r#"{"alg":"none","alg":"EdDSA"}"#, JwtError::Malformed),
        (r#"{"alg":"EdDSA","x":1,"x":1}"#, JwtError::Malformed),
        (r#"{"alg":"EdDSA","kid":null}"#, JwtError::Malformed),
        (r#"{"alg":["EdDSA"]}"#, JwtError::Malformed),
        (r#"["EdDSA"]"#, JwtError::Malformed),
        (r#"{}"#, JwtError::Malformed),
        (r#"{"alg":"EdDSA"} x"#, JwtError::Malformed),
    ] {
        assert_eq!(refused(header, "{}"), error, "{header}");
    }
    for claims in [
        "",
        "[]",
        "7",
        r#""text""#,
        r#"{"sub":"a","sub":"b"}"#,
        r#"{"a":{"b":1,"b":2}}"#,
        r#"{"exp":null}"#,
        r#"{"exp":"4102444800"}"#,
        r#"{"exp":[4102444800]}"#,
        r#"{"exp":1e999}"#,
        r#"{"nbf":null}"#,
        r#"{"nbf":true}"#,
    ] {
        assert_eq!(refused(plain, claims), JwtError::Malformed, "{claims}");
    }
    // The signature is checked first: claims of strangers are not even parsed.
    let other = set(&[rsa_jwk("")]);
    let token = Signer::EdDsa.token(plain, "]");
    assert_eq!(
        verify_with_set(&token, &other, NOW),
        Err(JwtError::UnknownKid)
    );
}

#[test]
fn times_are_checked_with_leeway() {
    let at = |claims: &str, now_ms: u64| {
        let token = Signer::Hs256(&SECRET).token(r#"{"alg":"HS256"}"#, claims);
        verify_with_secrets(&token, &secrets(), now_ms).map(drop)
    };
    let (late, early) = (Err(JwtError::Expired), Err(JwtError::NotYetValid));
    let leeway = JWT_LEEWAY_MS;
    for (claims, now, expected) in [
        ("{}", 0, Ok(())),
        (r#"{"exp":1000}"#, 999_999 + leeway, Ok(())),
        (r#"{"exp":1000}"#, 1_000_000 + leeway, late),
        (r#"{"exp":1000.5}"#, 1_000_499 + leeway, Ok(())),
        (r#"{"exp":1000.5}"#, 1_000_500 + leeway, late),
        (r#"{"exp":1e3}"#, 1_000_000 + leeway, late),
        (r#"{"exp":0}"#, leeway, late),
        (r#"{"exp":-5}"#, leeway, late),
        (r#"{"exp":-5.5}"#, leeway, late),
        (r#"{"exp":18446744073709551615}"#, u64::MAX - 1, Ok(())),
        (r#"{"nbf":1000}"#, 1_000_000 - leeway, Ok(())),
        (r#"{"nbf":1000}"#, 999_999 - leeway, early),
        (r#"{"nbf":1e300}"#, u64::MAX / 2, early),
        (r#"{"nbf":-1}"#, 0, Ok(())),
        (r#"{"nbf":1000,"exp":2000}"#, 1_500_000, Ok(())),
    ] {
        assert_eq!(at(claims, now), expected, "{claims} at {now}");
    }
}

#[test]
fn a_token_has_one_form() {
    let keys = all();
    let token = Signer::EdDsa.token(r#"{"alg":"EdDSA"}"#, r#"{"sub":"ann"}"#);
    let verify = |token: &str| verify_with_set(token, &keys, NOW).map(drop);
    assert_eq!(verify(&token), Ok(()));
    let dot = token.find('.').unwrap();
    for changed in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        format!("{token}="),
        format!("{token}."),
        format!(".{token}"),
        format!(" {token}"),
        format!("{token}\n"),
        format!("{}.{}", &token[..dot], &token[dot..]),
        token[..token.rfind('.').unwrap()].to_owned(),
        token.replace('.', ":"),
    ] {
        assert_eq!(verify(&changed), Err(JwtError::Malformed), "{changed}");
    }
    assert_eq!(
        verify(&"a".repeat(JWT_BYTES_MAX + 1)),
        Err(JwtError::TooLong)
    );
    // A signature of 2 KiB, which no key makes.
    let signed = &token[..=token.rfind('.').unwrap()];
    let long = format!("{signed}{}", "AAAA".repeat(683));
    assert_eq!(verify(&long), Err(JwtError::Malformed));
}

#[test]
fn signatures_of_nothing_are_refused() {
    let keys = all();
    for (signer, alg, kid) in SIGNERS {
        let token = signer.token(&header(alg, kid), "{}");
        let signed = &token[..=token.rfind('.').unwrap()];
        for signature in [
            vec![],
            vec![0; 64],
            vec![0xff; 64],
            vec![0; 256],
            vec![1; 32],
        ] {
            let forged = format!("{signed}{}", URL_SAFE_NO_PAD.encode(signature));
            assert_eq!(
                verify_with_set(&forged, &keys, NOW),
                Err(JwtError::BadSignature)
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_character_of_a_token_can_be_changed(
        which in 0..4_usize,
        at in any::<prop::sample::Index>(),
        with in "[A-Za-z0-9_-]",
        seconds in 0_u64..1_000_000_000,
    ) {
        let claims = format!(r#"{{"sub":"ann","iat":{seconds}}}"#);
        let keys = all();
        let token = match SIGNERS.get(which) {
            Some((signer, alg, kid)) => signer.token(&header(alg, kid), &claims),
            None => Signer::Hs256(&SECRET).token(r#"{"alg":"HS256"}"#, &claims),
        };
        let verify = |token: &str| match which {
            3 => verify_with_secrets(token, &secrets(), NOW),
            _ => verify_with_set(token, &keys, NOW),
        };
        prop_assert_eq!(verify(&token), Ok(claims));
        let at = at.index(token.len());
        let mut changed = token.clone();
        changed.replace_range(at..=at, &with);
        prop_assume!(changed != token);
        prop_assert!(verify(&changed).is_err());
    }

    #[test]
    fn claims_come_back_as_they_were(name in "[a-z]{4,8}", value in any::<String>()) {
        let claims = serde_json::json!({ name: value }).to_string();
        let token = Signer::Hs256(&SECRET).token(r#"{"alg":"HS256"}"#, &claims);
        let back = verify_with_secrets(&token, &secrets(), NOW);
        if token.len() <= JWT_BYTES_MAX {
            prop_assert_eq!(back, Ok(claims));
        } else {
            prop_assert_eq!(back, Err(JwtError::TooLong));
        }
    }

    #[test]
    fn no_text_is_a_token(text in any::<String>(), now in any::<u64>()) {
        prop_assert!(verify_with_set(&text, &all(), now).is_err());
        prop_assert!(verify_with_secrets(&text, &secrets(), now).is_err());
    }
}
