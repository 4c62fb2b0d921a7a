//! AMF0 encoder.

use bytes::{BufMut, BytesMut};

use super::Value;

const OBJECT_END: [u8; 3] = [0, 0, 0x09];

/// Appends `value` to `out`.
///
/// A property or class name longer than 65,535 bytes is cut at a character: AMF0 cannot say it.
pub fn encode(value: &Value, out: &mut BytesMut) {
    match value {
        Value::Number(number) => {
            out.put_u8(0x00);
            out.put_f64(*number);
        }
        Value::Boolean(boolean) => out.put_slice(&[0x01, u8::from(*boolean)]),
        Value::String(text) => string(text, out),
        Value::Object(properties) => {
            out.put_u8(0x03);
            members(properties, out);
        }
        Value::Null => out.put_u8(0x05),
        Value::Undefined => out.put_u8(0x06),
        Value::Reference(index) => {
            out.put_u8(0x07);
            out.put_u16(*index);
        }
        Value::EcmaArray(properties) => {
            out.put_u8(0x08);
            out.put_u32(u32::try_from(properties.len()).unwrap_or(u32::MAX));
            members(properties, out);
        }
        Value::StrictArray(values) => {
            out.put_u8(0x0A);
            out.put_u32(u32::try_from(values.len()).unwrap_or(u32::MAX));
            for value in values {
                encode(value, out);
            }
        }
        Value::Date { unix_ms } => {
            out.put_u8(0x0B);
            out.put_f64(*unix_ms);
            out.put_u16(0);
        }
        Value::Unsupported => out.put_u8(0x0D),
        Value::XmlDocument(text) => {
            out.put_u8(0x0F);
            long_text(text, out);
        }
        Value::TypedObject { class, properties } => {
            out.put_u8(0x10);
            short_text(class, out);
            members(properties, out);
        }
    }
}

fn string(text: &str, out: &mut BytesMut) {
    if u16::try_from(text.len()).is_ok() {
        out.put_u8(0x02);
        short_text(text, out);
    } else {
        out.put_u8(0x0C);
        long_text(text, out);
    }
}

fn members(properties: &[(String, Value)], out: &mut BytesMut) {
    for (name, value) in properties {
        short_text(name, out);
        encode(value, out);
    }
    out.put_slice(&OBJECT_END);
}

fn short_text(text: &str, out: &mut BytesMut) {
    let text = text
        .get(..text.floor_char_boundary(usize::from(u16::MAX)))
        .unwrap_or_default();
    out.put_u16(u16::try_from(text.len()).unwrap_or(u16::MAX));
    out.put_slice(text.as_bytes());
}

fn long_text(text: &str, out: &mut BytesMut) {
    out.put_u32(u32::try_from(text.len()).unwrap_or(u32::MAX));
    out.put_slice(text.as_bytes());
}
