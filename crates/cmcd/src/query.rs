//! The parameter in a query, and its percent-encoding (RFC 3986 section 2.1).

use crate::{Malformed, PARAMETER, TEXT_BYTES_MAX};

/// The value of the first parameter `CMCD`, encoded as it is.
pub(crate) fn parameter(query: &str) -> Option<&str> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(name, _)| *name == PARAMETER)
        .map(|(_, value)| value)
}

/// Decodes into `room`. A `+` is a plus: this is no form.
pub(crate) fn decode<'a>(
    value: &str,
    room: &'a mut [u8; TEXT_BYTES_MAX],
) -> Result<&'a [u8], Malformed> {
    let mut bytes = value.bytes();
    let mut length = 0;
    while let Some(byte) = bytes.next() {
        let byte = if byte == b'%' {
            let high = bytes.next().and_then(hex);
            let low = bytes.next().and_then(hex);
            let (Some(high), Some(low)) = (high, low) else {
                return Err(Malformed::Encoding);
            };
            (high << 4) | low
        } else {
            byte
        };
        *room.get_mut(length).ok_or(Malformed::TooLong)? = byte;
        length += 1;
    }
    Ok(room.get(..length).unwrap_or_default())
}

fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}
