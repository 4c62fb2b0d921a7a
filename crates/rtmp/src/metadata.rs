//! What the encoder says about itself in `onMetaData`.

use crate::amf0::Value;

/// The properties of an `onMetaData` message. Advisory: encoders are known to get them wrong, so
/// the sequence headers decide.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    properties: Vec<(String, Value)>,
}

impl Metadata {
    pub(crate) fn new(properties: Vec<(String, Value)>) -> Self {
        Self { properties }
    }

    /// The first property of that name.
    pub fn property(&self, name: &str) -> Option<&Value> {
        self.properties
            .iter()
            .find_map(|(key, value)| (key == name).then_some(value))
    }

    /// A numeric property, such as `framerate`, `width` or `videodatarate`.
    pub fn number(&self, name: &str) -> Option<f64> {
        match self.property(name)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// A text property, such as `encoder`.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.property(name)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// All properties, in the order sent.
    pub fn properties(&self) -> &[(String, Value)] {
        &self.properties
    }
}
