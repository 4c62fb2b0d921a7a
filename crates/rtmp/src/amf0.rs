//! AMF0, the encoding of RTMP's commands and metadata (Adobe, "Action Message Format AMF 0").
//!
//! It does not follow references or decode AMF3.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub use decode::{AmfError, decode_all};
pub use encode::encode;

/// One AMF0 value.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Marker 0x00.
    Number(f64),
    /// Marker 0x01.
    Boolean(bool),
    /// Markers 0x02 and 0x0C (long string). Bytes that are not UTF-8 were replaced.
    String(String),
    /// Marker 0x03.
    Object(Vec<(String, Self)>),
    /// Marker 0x05.
    Null,
    /// Marker 0x06.
    Undefined,
    /// Marker 0x07: index into the complex values before it. Kept, never followed.
    Reference(u16),
    /// Marker 0x08.
    EcmaArray(Vec<(String, Self)>),
    /// Marker 0x0A.
    StrictArray(Vec<Self>),
    /// Marker 0x0B. The time zone is reserved and dropped.
    Date {
        /// Milliseconds since the Unix epoch.
        unix_ms: f64,
    },
    /// Marker 0x0D.
    Unsupported,
    /// Marker 0x0F.
    XmlDocument(String),
    /// Marker 0x10.
    TypedObject {
        /// The class alias.
        class: String,
        /// Its members.
        properties: Vec<(String, Self)>,
    },
}

impl Value {
    /// The number, if it is one.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The text, if it is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The members of an object, typed or not, or of an ECMA array.
    pub fn properties(&self) -> Option<&[(String, Self)]> {
        match self {
            Self::EcmaArray(properties)
            | Self::Object(properties)
            | Self::TypedObject { properties, .. } => Some(properties),
            _ => None,
        }
    }

    /// The member of that name.
    pub fn property(&self, name: &str) -> Option<&Self> {
        self.properties()?
            .iter()
            .find_map(|(key, value)| (key == name).then_some(value))
    }
}
