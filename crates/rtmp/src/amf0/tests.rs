use bytes::BytesMut;
use proptest::prelude::*;

use super::{AmfError, Value, decode_all, encode};
use crate::limits::{AMF_DEPTH_MAX, AMF_VALUES_MAX};

#[track_caller]
fn check(bytes: &[u8], expected: &[Value]) {
    assert_eq!(decode_all(bytes).unwrap(), expected);
    let mut out = BytesMut::new();
    for value in expected {
        encode(value, &mut out);
    }
    assert_eq!(&out[..], bytes);
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

#[test]
fn scalars() {
    check(
        b"\x00\x40\x00\x00\x00\x00\x00\x00\x00",
        &[Value::Number(2.0)],
    );
    check(
        b"\x01\x01\x01\x00",
        &[Value::Boolean(true), Value::Boolean(false)],
    );
    check(
        b"\x02\x00\x07connect\x05\x06\x0d",
        &[
            text("connect"),
            Value::Null,
            Value::Undefined,
            Value::Unsupported,
        ],
    );
    check(b"\x07\x00\x03", &[Value::Reference(3)]);
    check(
        b"\x0b\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
        &[Value::Date { unix_ms: 0.0 }],
    );
    check(
        b"\x0f\x00\x00\x00\x02<>",
        &[Value::XmlDocument("<>".to_owned())],
    );
}

#[test]
fn containers() {
    check(
        b"\x03\x00\x03app\x02\x00\x04live\x00\x00\x09",
        &[Value::Object(vec![("app".to_owned(), text("live"))])],
    );
    check(
        b"\x08\x00\x00\x00\x01\x00\x01a\x05\x00\x00\x09",
        &[Value::EcmaArray(vec![("a".to_owned(), Value::Null)])],
    );
    check(
        b"\x0a\x00\x00\x00\x02\x05\x06",
        &[Value::StrictArray(vec![Value::Null, Value::Undefined])],
    );
    check(
        b"\x10\x00\x01C\x00\x00\x09",
        &[Value::TypedObject {
            class: "C".to_owned(),
            properties: vec![],
        }],
    );
}

#[test]
fn ecma_array_may_lack_its_end_marker() {
    let values = decode_all(b"\x08\x00\x00\x00\x00\x00\x01a\x05").unwrap();
    assert_eq!(
        values,
        [Value::EcmaArray(vec![("a".to_owned(), Value::Null)])]
    );
}

#[test]
fn long_string_round_trips() {
    let long = text(&"x".repeat(70_000));
    let mut out = BytesMut::new();
    encode(&long, &mut out);
    assert_eq!(out[0], 0x0C);
    assert_eq!(decode_all(&out).unwrap(), [long]);
}

#[test]
fn hostile_input_ends_with_a_reason() {
    let deep = b"\x03\x00\x01a".repeat(10_000);
    assert_eq!(decode_all(&deep), Err(AmfError::TooDeep));
    let deep = b"\x0a\x00\x00\x00\x01".repeat(AMF_DEPTH_MAX + 1);
    assert_eq!(decode_all(&deep), Err(AmfError::TooDeep));
    assert_eq!(
        decode_all(&vec![0x05; AMF_VALUES_MAX + 1]),
        Err(AmfError::TooMany)
    );
    let mut huge = b"\x0a\xff\xff\xff\xff".to_vec();
    huge.resize(huge.len() + 60_000, 0x05);
    assert_eq!(decode_all(&huge), Err(AmfError::TooMany));
    assert_eq!(
        decode_all(b"\x0a\xff\xff\xff\xff"),
        Err(AmfError::Truncated)
    );
    assert_eq!(
        decode_all(b"\x0c\xff\xff\xff\xffabc"),
        Err(AmfError::Truncated)
    );
    assert_eq!(decode_all(b"\x02\x00"), Err(AmfError::Truncated));
    assert_eq!(decode_all(b"\x03\x00\x01a"), Err(AmfError::Truncated));
    assert_eq!(
        decode_all(b"\x11\x0a"),
        Err(AmfError::UnsupportedMarker(0x11))
    );
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i32>().prop_map(|n| Value::Number(f64::from(n))),
        any::<bool>().prop_map(Value::Boolean),
        ".{0,20}".prop_map(Value::String),
        Just(Value::Null),
        Just(Value::Undefined),
        Just(Value::Unsupported),
        any::<u16>().prop_map(Value::Reference),
        any::<i32>().prop_map(|n| Value::Date {
            unix_ms: f64::from(n)
        }),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let members = prop::collection::vec((".{1,8}", inner.clone()), 0..6);
        prop_oneof![
            members.clone().prop_map(Value::Object),
            members.clone().prop_map(Value::EcmaArray),
            ("[A-Z]{0,4}", members)
                .prop_map(|(class, properties)| Value::TypedObject { class, properties }),
            prop::collection::vec(inner, 0..6).prop_map(Value::StrictArray),
        ]
    })
}

proptest! {
    #[test]
    fn encoded_values_decode_to_themselves(values in prop::collection::vec(value(), 0..6)) {
        let mut out = BytesMut::new();
        for value in &values {
            encode(value, &mut out);
        }
        prop_assert_eq!(decode_all(&out).unwrap(), values);
    }

    #[test]
    fn any_bytes_decode_or_fail(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = decode_all(&bytes);
    }
}
