//! `colorInfo` of a video metadata packet (E-RTMP, "Metadata Frame").

use crate::amf0::{Value, decode_all};

/// What the encoder says about colours. What the codec's own configuration says comes before it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct ColorInfo {
    /// Bits of a sample: 8, 10 or 12.
    pub bit_depth: Option<u8>,
    /// ColourPrimaries of ITU-T H.273.
    pub primaries: Option<u8>,
    /// TransferCharacteristics of ITU-T H.273: 16 is PQ, 18 is HLG.
    pub transfer: Option<u8>,
    /// MatrixCoefficients of ITU-T H.273.
    pub matrix: Option<u8>,
}

impl ColorInfo {
    /// Reads the body of a metadata packet; `None` when it holds no `colorInfo`. Metadata advises:
    /// what cannot be read does not end a broadcast.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let values = decode_all(body).ok()?;
        let mut values = values.iter();
        values.find(|value| value.as_str() == Some("colorInfo"))?;
        let config = values.next()?.property("colorConfig")?;
        Some(Self {
            bit_depth: number(config, "bitDepth"),
            primaries: number(config, "colorPrimaries"),
            transfer: number(config, "transferCharacteristics"),
            matrix: number(config, "matrixCoefficients"),
        })
    }
}

fn number(config: &Value, name: &str) -> Option<u8> {
    let number = config.property(name)?.as_number()?;
    // In range and whole: the cast keeps the value.
    let fits = (0.0..=255.0).contains(&number) && number.fract() == 0.0;
    fits.then_some(number as u8)
}
