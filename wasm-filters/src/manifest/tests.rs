//! Tests of manifests: what authors may leave out, what is refused, and that ids are stable.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn minimal() -> Manifest {
    let name = "geo-block".parse().expect("a name");
    Manifest::new(name, "1.2.0", vec![Hook::HttpRequest])
}

fn sample() -> Sample {
    Sample {
        name: "next".to_owned(),
        call: SampleCall::OnRequest,
        now_ms: SAMPLE_NOW_MS,
        kv: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
        input: json!({"req": {"path": "/"}}),
        expect: json!({"ok": {"action": "next"}}),
        commands: None,
    }
}

/// What `validate` says to a manifest that somebody has changed.
fn refusal(change: impl FnOnce(&mut Manifest)) -> String {
    let mut manifest = minimal();
    change(&mut manifest);
    let refused = manifest.validate(&Limits::NODE_MAX);
    refused.expect_err("must be refused").to_string()
}

#[test]
fn three_lines_of_toml_are_a_manifest() {
    let text = "name = 'geo-block'\nversion = '1.2.0'\nhooks = ['http.request']\n";
    let manifest: Manifest = toml::from_str(text).expect("a manifest");
    assert_eq!(manifest, minimal());
    assert_eq!(manifest.validate(&Limits::default()), Ok(()));
}

#[test]
fn defaults_are_those_of_the_hooks() {
    let with = |hooks: &[Hook]| {
        let mut manifest = minimal();
        manifest.hooks = hooks.to_vec();
        manifest
    };
    assert_eq!(with(&[Hook::Auth]).isolation(), Isolation::Call);
    assert_eq!(
        with(&[Hook::Chat, Hook::Gifts]).isolation(),
        Isolation::Call
    );
    assert_eq!(with(&[Hook::Chat]).isolation(), Isolation::Pooled);
    let both = with(&[Hook::Auth, Hook::HttpRequest]);
    assert_eq!(both.failure(Hook::Auth), FailurePolicy::Closed);
    assert_eq!(both.failure(Hook::HttpRequest), FailurePolicy::Open);
    assert_eq!(both.sees(Hook::Auth).len(), 6);
    assert!(both.sees(Hook::HttpRequest).is_empty());
    assert_eq!(both.interfaces(), ["lifecycle", "auth", "http"]);
    let whole = with(&[Hook::HttpRequest, Hook::HttpResponse]);
    assert_eq!(whole.interfaces(), ["lifecycle", "http"]);
}

/// If this fails, every version that was ever uploaded has got another id: a registry's state and
/// all signatures are void. Do not change the numbers, change what changed them.
#[test]
fn ids_do_not_change() {
    let component = Digest::of(b"component");
    assert_eq!(
        component.to_string(),
        "6985ca1f4daa5a584a28eae043a239cb96689af1337ea13afb63e00c2bf512fa"
    );
    let document = VersionDocument {
        component,
        manifest: minimal(),
    };
    assert_eq!(
        document.id().to_string(),
        "f800bd1d165e1b1021bf9ac3d8511b3445eddfb77d22a96e7063463a9da66dee"
    );
    let mut manifest = minimal();
    manifest.sees = Some(vec![Sight::Country, Sight::Header("x-a".to_owned())]);
    manifest.disable_after = None;
    manifest.config = json!({"z": 1, "a": [1.5, null, {"y": true, "b": "c"}]});
    manifest.samples = vec![sample()];
    let document = VersionDocument {
        component,
        manifest,
    };
    assert_eq!(
        document.id().to_string(),
        "443f52903d1a0f3a147fcc548b0bd8b784a48471c030ba4f12283311b850d7b2"
    );
}

#[test]
fn the_order_of_keys_in_free_json_does_not_matter() {
    let document = |config: &str| {
        let mut manifest = minimal();
        manifest.config = serde_json::from_str(config).expect("JSON");
        VersionDocument {
            component: Digest::of(b""),
            manifest,
        }
    };
    let one = document(r#"{"b": {"y": 1, "x": 2}, "a": 3}"#);
    let other = document(r#"{"a": 3, "b": {"x": 2, "y": 1}}"#);
    assert_eq!(one.id(), other.id());
    let json = String::from_utf8(one.canonical_json()).expect("text");
    assert!(
        json.contains(r#""config":{"a":3,"b":{"x":2,"y":1}}"#),
        "{json}"
    );
}

#[test]
fn names_are_strict() {
    for good in ["a", "geo-block", "a1", &"a".repeat(63)] {
        assert_eq!(
            good.parse::<FilterName>().map(|name| name.to_string()),
            Ok(good.to_owned())
        );
    }
    for bad in ["", "A", "1a", "-a", "a_b", "a/b", "ä", &"a".repeat(64)] {
        assert!(bad.parse::<FilterName>().is_err(), "{bad}");
    }
    assert!("partner.jwks_2".parse::<KeyName>().is_ok());
    assert!("../etc/passwd".parse::<KeyName>().is_err());
    for bad in ["", "live", "/a*b", "/a?b", "/a b", "*"] {
        assert!(bad.parse::<RoutePattern>().is_err(), "{bad}");
    }
    let sight: Sight = "header:x-forwarded-for".parse().expect("a sight");
    assert_eq!(sight, Sight::Header("x-forwarded-for".to_owned()));
    for bad in ["", "header:", "header:X-A", "header:a b", "Ip"] {
        assert!(bad.parse::<Sight>().is_err(), "{bad}");
    }
}

#[test]
fn routes_match_a_path_or_a_prefix() {
    let matches = |pattern: &str, path: &str| {
        let pattern: RoutePattern = pattern.parse().expect("a route");
        pattern.matches(path)
    };
    assert!(matches("/*", "/"));
    assert!(matches("/live/*", "/live/a/b"));
    assert!(!matches("/live/*", "/live"));
    assert!(matches("/live", "/live"));
    assert!(!matches("/live", "/live/"));
}

#[test]
fn unknown_fields_are_errors() {
    let text = "name = 'a'\nversion = '1'\nhooks = ['auth']\n[limits]\nmemory = 5\n";
    let error = toml::from_str::<Manifest>(text)
        .expect_err("unknown")
        .to_string();
    assert!(
        error.contains("memory") && error.contains("memory_bytes"),
        "{error}"
    );
}

#[test]
fn no_breaker_is_written_as_false() {
    let text = "name = 'a'\nversion = '1'\nhooks = ['auth']\ndisable_after = false\n";
    let manifest: Manifest = toml::from_str(text).expect("a manifest");
    assert_eq!(manifest.disable_after, None);
    let error = toml::from_str::<Manifest>(&text.replace("false", "true"));
    let error = error.expect_err("true means nothing").to_string();
    assert!(error.contains("false for no breaker"), "{error}");
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn refusals_name_the_field_and_the_number() {
    let table: [(&str, String); 17] = [
        ("hooks is empty", refusal(|m| m.hooks.clear())),
        (
            "hooks names auth twice",
            refusal(|m| m.hooks = vec![Hook::Auth, Hook::Auth]),
        ),
        ("version \"\" is no label", refusal(|m| m.version.clear())),
        (
            "version \"a b\" is no label",
            refusal(|m| m.version = "a b".to_owned()),
        ),
        (
            "description has 1025 bytes; at most 1024",
            refusal(|m| m.description = "a".repeat(1025)),
        ),
        (
            "limits.cpu_ms is 101; this node gives at most 100",
            refusal(|m| m.limits.cpu_ms = 101),
        ),
        (
            "limits.memory_bytes is 67108865; this node gives at most 67108864",
            refusal(|m| m.limits.memory_bytes = (64 << 20) + 1),
        ),
        (
            "limits.memory_bytes is 1; it must be 65536 to",
            refusal(|m| m.limits.memory_bytes = 1),
        ),
        (
            "limits.deadline_ms is 0",
            refusal(|m| m.limits.deadline_ms = 0),
        ),
        (
            "kv.entries is 1000001",
            refusal(|m| m.kv.entries = 1_000_001),
        ),
        (
            "kv.value_bytes is 11; it must be 0 to 10",
            refusal(|m| {
                m.kv.bytes = 10;
                m.kv.value_bytes = 11;
            }),
        ),
        (
            "disable_after.failures is 0",
            refusal(|m| {
                m.disable_after = Some(DisableAfter {
                    failures: 0,
                    within_ms: 1,
                })
            }),
        ),
        (
            "config must be an object",
            refusal(|m| m.config = json!([1])),
        ),
        (
            "config has 65546 bytes of JSON; at most 65536",
            refusal(|m| m.config = json!({"a": "b".repeat(65_538)})),
        ),
        (
            "config is nested deeper",
            refusal(|m| m.config = (0..32).fold(json!({}), |inner, _| json!({"a": inner}))),
        ),
        (
            "it calls authorize, but hooks has no \"auth\"",
            refusal(|m| {
                m.samples = vec![Sample {
                    call: SampleCall::Authorize,
                    ..sample()
                }]
            }),
        ),
        (
            "samples names next twice",
            refusal(|m| m.samples = vec![sample(), sample()]),
        ),
    ];
    for (expected, refusal) in table {
        assert!(
            refusal.contains(expected),
            "{refusal:?} does not say {expected:?}"
        );
    }
}

#[test]
fn a_date_in_the_configuration_is_refused() {
    let text = "name = 'a'\nversion = '1'\nhooks = ['chat']\n[config]\nsince = 2026-01-01\n";
    let manifest: Manifest = toml::from_str(text).expect("a manifest");
    let refused = manifest.validate(&Limits::NODE_MAX).expect_err("a date");
    assert!(refused.to_string().contains("TOML date"), "{refused}");
}

#[test]
fn digests_have_one_spelling() {
    let digest = Digest::of(b"");
    let text = digest.to_string();
    assert_eq!(text.parse(), Ok(digest));
    assert!(text.to_uppercase().parse::<Digest>().is_err());
    assert!(format!("{text}0").parse::<Digest>().is_err());
    assert!("é".repeat(32).parse::<Digest>().is_err());
}

/// Free values that both languages have: TOML knows neither null nor numbers above `i64::MAX`.
fn free_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("JSON has no NaN", |n| n.is_finite())
            .prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z.\" -]{0,8}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn free_object() -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[a-z]{1,8}", free_value(), 0..4)
        .prop_map(|map| Value::Object(map.into_iter().collect()))
}

prop_compose! {
    fn any_limits()(
        memory_bytes in 65_536..=64_u64 << 20,
        result_bytes in 1..=1_u64 << 20,
        cpu_ms in 1..=100_u32,
        deadline_ms in 1..=1000_u32,
        small in prop::array::uniform4(0..=1000_u32),
        instances in 1..=256_u32,
    ) -> Limits {
        let [table_elements, host_calls, log_lines, commands] = small;
        Limits {
            memory_bytes, table_elements, cpu_ms, deadline_ms, host_calls, log_lines, commands,
            result_bytes, instances,
        }
    }
}

prop_compose! {
    fn any_sample()(
        name in "[a-z ]{1,20}",
        now_ms in 0..=i64::MAX as u64,
        kv in prop::collection::btree_map(".{0,6}", ".{0,6}", 0..3),
        input in free_object(),
        expect in free_value(),
        commands in prop::option::of(prop::collection::vec(free_value(), 0..3)),
    ) -> Sample {
        Sample { name, call: SampleCall::OnRequest, now_ms, kv, input, expect, commands }
    }
}

prop_compose! {
    fn any_manifest()(
        name in "[a-z][a-z0-9-]{0,62}",
        version in "[!-~]{1,64}",
        description in ".{0,60}",
        others in prop::sample::subsequence(Hook::ALL.to_vec(), 0..=5),
        order in any::<i32>(),
        isolation in prop::option::of(prop_oneof![Just(Isolation::Call), Just(Isolation::Pooled)]),
        failure in prop::option::of(prop_oneof![
            Just(FailurePolicy::Closed), Just(FailurePolicy::Open), Just(FailurePolicy::Previous),
        ]),
        disable_after in prop::option::of((1..=u32::MAX, 1..=3_600_000_u32)),
        limits in any_limits(),
        sees in prop::option::of(prop::sample::subsequence(
            vec!["ip", "country", "query", "header:x-a"], 0..=4,
        )),
        config in free_object(),
        sample in prop::option::of(any_sample()),
    ) -> Manifest {
        let mut hooks = others;
        if !hooks.contains(&Hook::HttpRequest) {
            hooks.push(Hook::HttpRequest);
        }
        let sight = |text: &str| text.parse().expect("a sight");
        Manifest {
            description, order, isolation, failure, limits, config,
            disable_after: disable_after
                .map(|(failures, within_ms)| DisableAfter { failures, within_ms }),
            sees: sees.map(|sees| sees.into_iter().map(sight).collect()),
            samples: sample.into_iter().collect(),
            ..Manifest::new(name.parse().expect("a name"), version, hooks)
        }
    }
}

proptest! {
    #[test]
    fn every_manifest_survives_json_and_toml(manifest in any_manifest()) {
        prop_assert_eq!(manifest.validate(&Limits::NODE_MAX), Ok(()));
        let document = VersionDocument { component: Digest::of(b"a"), manifest };

        let read: VersionDocument = serde_json::from_slice(&document.canonical_json()).unwrap();
        prop_assert_eq!(&read, &document);
        prop_assert_eq!(read.id(), document.id());

        let text = toml::to_string(&document.manifest).unwrap();
        let read: Manifest = toml::from_str(&text).unwrap();
        prop_assert_eq!(&read, &document.manifest);
        let read = VersionDocument { component: document.component, manifest: read };
        prop_assert_eq!(read.id(), document.id());
    }
}
