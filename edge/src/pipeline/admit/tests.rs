use http::HeaderValue;
use playback_token::{Key, Scope};
use wasm_filters::contract::types;

use super::*;
use crate::upstream::authorization;

const NOW: u64 = 1_800_000_000;

fn viewers() -> Keyring {
    Keyring::new([Key::new(None, &[7; 32]).unwrap()]).unwrap()
}

fn headers(fields: &[(HeaderName, &str)]) -> HeaderMap {
    fields
        .iter()
        .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()))
        .collect()
}

#[test]
fn credentials_are_found_in_the_query_a_bearer_and_cookies() {
    let headers = headers(&[
        (header::AUTHORIZATION, "bearer b"),
        (header::COOKIE, "a=b; weir_token=c"),
    ]);
    let credentials = Credentials::from_parts(Some("x=1&token=a"), &headers);
    let found: Vec<_> = credentials
        .as_slice()
        .iter()
        .map(|credential| (credential.source, credential.value))
        .collect();
    assert_eq!(
        found,
        [
            (CredentialSource::Query, "a"),
            (CredentialSource::Bearer, "b"),
            (CredentialSource::Cookie, "c"),
        ]
    );
    assert_eq!(credentials.first().unwrap().value, "a");
    assert!(
        Credentials::from_parts(None, &HeaderMap::new())
            .first()
            .is_none()
    );
}

#[test]
fn credentials_beyond_the_bound_are_left_out() {
    let query = vec!["token=x"; CREDENTIALS_MAX + 5].join("&");
    let headers = HeaderMap::new();
    let credentials = Credentials::from_parts(Some(&query), &headers);
    assert_eq!(credentials.as_slice().len(), CREDENTIALS_MAX);
}

#[test]
fn a_tier_is_known_by_its_own_bearer_token_alone() {
    let tiers = viewers().for_tiers();
    let for_demo = authorization(&tiers, Some("demo"), NOW).unwrap();
    let by = |fields: &[(HeaderName, &str)], stream| is_tier(&tiers, &headers(fields), stream, NOW);
    let bearer = [(header::AUTHORIZATION, for_demo.as_str())];
    assert!(by(&bearer, Some("demo")));
    assert!(!by(&bearer, Some("other")));
    assert!(!by(&bearer, None));
    let token = for_demo.strip_prefix("Bearer ").unwrap();
    let cookie = format!("weir_token={token}");
    assert!(!by(&[(header::COOKIE, &cookie)], Some("demo")));

    let all = authorization(&tiers, None, NOW).unwrap();
    assert!(by(&[(header::AUTHORIZATION, &all)], None));

    let scope = Scope::Stream("demo".to_owned());
    let viewer = viewers().sign(&scope, NOW + 60).unwrap();
    let viewer = format!("Bearer {viewer}");
    assert!(!by(&[(header::AUTHORIZATION, &viewer)], Some("demo")));
}

fn attr(key: &str, value: &str) -> types::Attr {
    types::Attr {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

fn cookie(accepted: Option<usize>, attrs: &[types::Attr], secure: bool) -> Option<String> {
    let credentials = [
        Credential {
            source: CredentialSource::Query,
            value: "q",
        },
        Credential {
            source: CredentialSource::Cookie,
            value: "c",
        },
    ];
    cookie_for(accepted, attrs, &credentials).map(|value| set_cookie(value, "demo", secure))
}

#[test]
fn a_token_in_the_url_becomes_a_cookie_of_the_stream() {
    let secure = "weir_token=q; Path=/live/demo/; HttpOnly; Secure; SameSite=None";
    assert_eq!(cookie(Some(0), &[], true).as_deref(), Some(secure));
    let plain = "weir_token=q; Path=/live/demo/; HttpOnly; SameSite=Lax";
    assert_eq!(cookie(Some(0), &[], false).as_deref(), Some(plain));
    for accepted in [None, Some(1), Some(2)] {
        assert_eq!(cookie(accepted, &[], true), None, "{accepted:?}");
    }
}

#[test]
fn a_filter_may_name_the_cookie() {
    let named = [attr("other", "x"), attr("cookie", "url.1.2.3")];
    let set = cookie(None, &named, true).unwrap();
    assert!(
        set.starts_with("weir_token=url.1.2.3; Path=/live/demo/;"),
        "{set}"
    );
    for bad in ["", "a;Domain=example", "a b", "a,b", "a\r\nb", "\u{e4}"] {
        assert_eq!(cookie(None, &[attr("cookie", bad)], true), None, "{bad:?}");
    }
    let long = "a".repeat(COOKIE_BYTES_MAX + 1);
    assert_eq!(cookie(None, &[attr("cookie", &long)], true), None);
}

#[test]
fn what_refuses_decides_the_status() {
    for (kind, without, with) in [
        (DenialKind::Filter, 401, 403),
        (DenialKind::NoOpinion, 401, 403),
        (DenialKind::Revoked, 403, 403),
        (DenialKind::NoFilter, 503, 503),
        (DenialKind::Unavailable, 503, 503),
    ] {
        assert_eq!(status_of(kind, false).as_u16(), without, "{kind:?}");
        assert_eq!(status_of(kind, true).as_u16(), with, "{kind:?}");
    }
}

#[test]
fn labels_are_bounded() {
    for known in CODES {
        assert_eq!(label_of(known), known);
    }
    assert!(CODES.is_sorted());
    for kind in [
        DenialKind::Filter,
        DenialKind::NoOpinion,
        DenialKind::NoFilter,
        DenialKind::Revoked,
        DenialKind::Unavailable,
    ] {
        assert_ne!(label_of(kind.code()), OTHER_CODE, "{kind:?}");
    }
    assert_eq!(label_of("made-up"), OTHER_CODE);
}
