//! Tests of the comparison. Values of the contract are tested in `tests/probe.rs`, with a component
//! that has them.

use serde_json::{Value, json};

use super::{DIFFERENCES_MAX, differences};

fn lines(expected: Value, got: Value) -> Vec<String> {
    let found = differences(&expected, &got);
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_not_expected_may_be_anything() {
    for (expected, got) in [
        (json!({}), json!({"a": 1})),
        (
            json!({"a": {"b": []}}),
            json!({"a": {"b": [], "c": 1}, "d": 2}),
        ),
        (json!([{"a": 1}, {}]), json!([{"a": 1, "b": 2}, {"c": 3}])),
        (json!({"a": null}), json!({"a": null})),
        (json!(1), json!(1.0)),
        (json!(u64::MAX), json!(u64::MAX)),
    ] {
        assert_eq!(lines(expected, got), Vec::<String>::new());
    }
}

#[test]
fn differences_name_the_place() {
    for (expected, got, line) in [
        (
            json!({"a": {"b": 1}}),
            json!({"a": {"b": 2}}),
            "$.a.b: expected 1, got 2",
        ),
        (json!({"a": 1}), json!({}), "$.a: expected 1, got nothing"),
        (
            json!({"a": 1}),
            json!("a"),
            r#"$: expected {"a":1}, got "a""#,
        ),
        (json!([1, 2]), json!([1]), "$: expected [1,2], got [1]"),
        (
            json!([1, {"a": 2}]),
            json!([1, {"a": 3}]),
            "$[1].a: expected 2, got 3",
        ),
        (
            json!({"a": null}),
            json!({}),
            "$.a: expected null, got nothing",
        ),
        (
            json!(u64::MAX),
            json!(u64::MAX - 1),
            "$: expected 18446744073709551615, got 18446744073709551614",
        ),
        (json!([]), json!({}), "$: expected [], got {}"),
    ] {
        assert_eq!(lines(expected, got), [line]);
    }
}

#[test]
fn reports_stay_readable() {
    let long = "é".repeat(5000);
    let report = lines(json!("a"), json!(long)).join("\n");
    assert!(
        report.len() < 600 && report.ends_with("... (10002 bytes)"),
        "{report}"
    );
    let many: Value = (0..100).collect();
    let others: Value = (100..200).collect();
    assert_eq!(differences(&many, &others).len(), DIFFERENCES_MAX);
}
