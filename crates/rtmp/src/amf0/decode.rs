//! AMF0 decoder with bounds on depth and count.

use thiserror::Error;

use super::Value;
use crate::limits::{AMF_DEPTH_MAX, AMF_VALUES_MAX};
use crate::wire::Cursor;

/// Why bytes are not acceptable AMF0.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
#[non_exhaustive]
pub enum AmfError {
    /// Nested deeper than [`AMF_DEPTH_MAX`].
    #[error("AMF0 nested deeper than {AMF_DEPTH_MAX} levels")]
    TooDeep,
    /// More values than [`AMF_VALUES_MAX`].
    #[error("more than {AMF_VALUES_MAX} AMF0 values in one message")]
    TooMany,
    /// The bytes end inside a value.
    #[error("AMF0 value cut short")]
    Truncated,
    /// A type marker that AMF0 reserves, or the switch to AMF3.
    #[error("AMF0 marker 0x{0:02x} is not supported")]
    UnsupportedMarker(u8),
}

/// Decodes the values of one message, one after the other, to the end of `input`.
pub fn decode_all(input: &[u8]) -> Result<Vec<Value>, AmfError> {
    let mut decoder = Decoder {
        input: Cursor::new(input),
        values_left: AMF_VALUES_MAX,
    };
    let mut values = Vec::new();
    while !decoder.input.is_empty() {
        values.push(decoder.value(AMF_DEPTH_MAX)?);
    }
    Ok(values)
}

struct Decoder<'a> {
    input: Cursor<'a>,
    values_left: usize,
}

const OBJECT_END: u8 = 0x09;

impl Decoder<'_> {
    fn value(&mut self, depth_left: usize) -> Result<Value, AmfError> {
        self.values_left = self.values_left.checked_sub(1).ok_or(AmfError::TooMany)?;
        let marker = self.input.u8().ok_or(AmfError::Truncated)?;
        match marker {
            0x00 => Ok(Value::Number(self.number()?)),
            0x01 => Ok(Value::Boolean(
                self.input.u8().ok_or(AmfError::Truncated)? != 0,
            )),
            0x02 => Ok(Value::String(self.short_string()?)),
            0x03 => Ok(Value::Object(self.properties(depth_left)?)),
            0x05 => Ok(Value::Null),
            0x06 => Ok(Value::Undefined),
            0x07 => Ok(Value::Reference(
                self.input.u16().ok_or(AmfError::Truncated)?,
            )),
            0x08 => self.ecma_array(depth_left),
            0x0A => self.strict_array(depth_left),
            0x0B => self.date(),
            0x0C => Ok(Value::String(self.long_string()?)),
            0x0D => Ok(Value::Unsupported),
            0x0F => Ok(Value::XmlDocument(self.long_string()?)),
            0x10 => Ok(Value::TypedObject {
                class: self.short_string()?,
                properties: self.properties(depth_left)?,
            }),
            other => Err(AmfError::UnsupportedMarker(other)),
        }
    }

    fn properties(&mut self, depth_left: usize) -> Result<Vec<(String, Value)>, AmfError> {
        let depth_left = depth_left.checked_sub(1).ok_or(AmfError::TooDeep)?;
        let mut properties = Vec::new();
        loop {
            let name = self.short_string()?;
            if name.is_empty() && self.peek() == Some(OBJECT_END) {
                self.input.u8();
                return Ok(properties);
            }
            properties.push((name, self.value(depth_left)?));
        }
    }

    fn ecma_array(&mut self, depth_left: usize) -> Result<Value, AmfError> {
        // The count is advisory (AMF0 2.10), encoders write 0 for "unknown": the end marker rules.
        self.input.u32().ok_or(AmfError::Truncated)?;
        let depth_left = depth_left.checked_sub(1).ok_or(AmfError::TooDeep)?;
        let mut properties = Vec::new();
        // Some encoders let the message end where the end marker is due.
        while !self.input.is_empty() {
            let name = self.short_string()?;
            if name.is_empty() && self.peek() == Some(OBJECT_END) {
                self.input.u8();
                break;
            }
            properties.push((name, self.value(depth_left)?));
        }
        Ok(Value::EcmaArray(properties))
    }

    fn strict_array(&mut self, depth_left: usize) -> Result<Value, AmfError> {
        let count = self.input.u32().ok_or(AmfError::Truncated)?;
        let depth_left = depth_left.checked_sub(1).ok_or(AmfError::TooDeep)?;
        // No reservation by `count`: it is the peer's word. `value` ends the loop at the bound.
        let mut values = Vec::new();
        for _ in 0..count {
            values.push(self.value(depth_left)?);
        }
        Ok(Value::StrictArray(values))
    }

    fn date(&mut self) -> Result<Value, AmfError> {
        let unix_ms = self.number()?;
        self.input.u16().ok_or(AmfError::Truncated)?;
        Ok(Value::Date { unix_ms })
    }

    fn number(&mut self) -> Result<f64, AmfError> {
        self.input.f64().ok_or(AmfError::Truncated)
    }

    fn short_string(&mut self) -> Result<String, AmfError> {
        let length = self.input.u16().ok_or(AmfError::Truncated)?;
        self.string(usize::from(length))
    }

    fn long_string(&mut self) -> Result<String, AmfError> {
        let length = self.input.u32().ok_or(AmfError::Truncated)?;
        self.string(usize::try_from(length).unwrap_or(usize::MAX))
    }

    fn string(&mut self, length: usize) -> Result<String, AmfError> {
        let bytes = self.input.take(length).ok_or(AmfError::Truncated)?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    fn peek(&self) -> Option<u8> {
        let mut ahead = self.input;
        ahead.u8()
    }
}
