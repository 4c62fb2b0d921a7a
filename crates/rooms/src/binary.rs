//! The binary form: numbers, strings, lists. What is made of them is in `schema`.

use std::{collections::BTreeMap, sync::Arc};

use bytes::{BufMut, Bytes, BytesMut};

#[cfg(test)]
use crate::rng::Rng;
use crate::{
    codec::DecodeError,
    limits::{DECODE_BYTES_MAX, DECODE_ITEMS_MAX},
    schema::{Roles, SCHEMA_VERSION},
};

mod schema;
#[cfg(test)]
mod tests;

/// Reserved for a list before its items were read: items are larger in memory than on the wire.
const ITEMS_RESERVED_MAX: usize = 64;

pub(crate) fn encode<T: Wire>(value: &T) -> Bytes {
    let mut out = BytesMut::with_capacity(256);
    out.put_u8(SCHEMA_VERSION);
    value.put(&mut out);
    out.freeze()
}

pub(crate) fn decode<T: Wire>(bytes: &[u8]) -> Result<T, DecodeError> {
    if bytes.len() > DECODE_BYTES_MAX {
        return Err(too_long(bytes.len()));
    }
    let mut input = Input(bytes);
    let version = input.byte()?;
    if version != SCHEMA_VERSION {
        return Err(DecodeError::Version(version));
    }
    let value = T::take(&mut input)?;
    match input.0.len() {
        0 => Ok(value),
        rest => Err(DecodeError::Rest(rest)),
    }
}

fn too_long(length: usize) -> DecodeError {
    DecodeError::Length(u64::try_from(length).unwrap_or(u64::MAX))
}

/// Something with a binary form.
pub(crate) trait Wire: Sized {
    fn put(&self, out: &mut BytesMut);
    fn take(input: &mut Input<'_>) -> Result<Self, DecodeError>;

    /// Any value, for tests.
    #[cfg(test)]
    fn any(rng: &mut Rng) -> Self;
}

/// What is left of a message.
#[derive(Debug)]
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> Result<u8, DecodeError> {
        let (&byte, rest) = self.0.split_first().ok_or(DecodeError::End)?;
        self.0 = rest;
        Ok(byte)
    }

    fn bytes(&mut self, length: u64) -> Result<&'a [u8], DecodeError> {
        let length = usize::try_from(length).map_err(|_| DecodeError::Length(length))?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(DecodeError::End)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// Of a list or map: no more than a reader takes, and each item has a byte at least.
    fn count(&mut self) -> Result<usize, DecodeError> {
        let count = u64::take(self)?;
        let items = usize::try_from(count).unwrap_or(usize::MAX);
        if items > DECODE_ITEMS_MAX {
            return Err(DecodeError::Length(count));
        }
        if items > self.0.len() {
            return Err(DecodeError::End);
        }
        Ok(items)
    }
}

impl Wire for u64 {
    fn put(&self, out: &mut BytesMut) {
        let mut rest = *self;
        while rest >= 0x80 {
            out.put_u8(rest.to_le_bytes()[0] | 0x80);
            rest >>= 7;
        }
        out.put_u8(rest.to_le_bytes()[0]);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, DecodeError> {
        let mut value = 0;
        for shift in (0..Self::BITS).step_by(7) {
            let byte = input.byte()?;
            let group = Self::from(byte & 0x7F);
            // Of the tenth byte only one bit is left.
            if shift == 63 && group > 1 {
                return Err(DecodeError::Number);
            }
            value |= group << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::Number)
    }

    #[cfg(test)]
    fn any(rng: &mut Rng) -> Self {
        // Of all lengths.
        let bits = rng.below(64);
        rng.below(Self::MAX) >> bits
    }
}

impl Wire for u32 {
    fn put(&self, out: &mut BytesMut) {
        u64::from(*self).put(out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, DecodeError> {
        Self::try_from(u64::take(input)?).map_err(|_| DecodeError::Number)
    }

    #[cfg(test)]
    fn any(rng: &mut Rng) -> Self {
        let bits = rng.below(32);
        Self::try_from(rng.below(1 << 32) >> bits).unwrap()
    }
}

impl Wire for u8 {
    fn put(&self, out: &mut BytesMut) {
        out.put_u8(*self);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, DecodeError> {
        input.byte()
    }

    #[cfg(test)]
    fn any(rng: &mut Rng) -> Self {
        Self::try_from(rng.below(256)).unwrap()
    }
}

impl Wire for bool {
    fn put(&self, out: &mut BytesMut) {
        out.put_u8(u8::from(*self));
    }

    fn take(input: &mut Input<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(DecodeError::Tag(other.into())),
        }
    }

    #[cfg(test)]
    fn any(rng: &mut Rng) -> Self {
        rng.below(2) == 1
    }
}

impl Wire for Roles {
    fn put(&self, out: &mut BytesMut) {
        out.put_u8(self.bits());
    }

    fn take(input: &mut Input<'_>) -> Result<Self, DecodeError> {
        input.byte().map(Self::from_bits)
    }

    #[cfg(test)]
    fn any(rng: &mut Rng) -> Self {
        Self::from_bits(u8::any(rng))
    }
}

impl Wire for String {
    fn put(&self, out: &mut BytesMut) {
        put_count(self.len(), out);
        out.put_slice(self.as_bytes());
    }

    fn take(input: &mut Input<'_>) -> Result<Self, DecodeError> {
        let length = u64::take(input)?;
        let bytes = input.bytes(length)?;
        let text = std::str::from_utf8(bytes).map_err(|_| DecodeError::Utf8)?;
        Ok(text.to_owned())
    }

    #[cfg(test)]
    fn any(rng: &mut Rng) -> Self {
        let length = rng.below(6);
        let signs = ['a', 'Z', '"', '\\', '\n', 'é', '漢', '🎁', '\u{202E}', '\0'];
        (0..length)
            .map(|_| signs[usize::try_from(rng.below(10)).unwrap()])
            .collect()
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, out: &mut BytesMut) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn take(input: &mut Input<'_>) -> Result<Self, DecodeError> {
        bool::take(input)?.then(|| T::take(input)).transpose()
    }

    #[cfg(test)]
    fn any(rng: &mut Rng) -> Self {
        bool::any(rng).then(|| T::any(rng))
    }
}

impl<T: Wire> Wire for Arc<T> {
    fn put(&self, out: &mut BytesMut) {
        (**self).put(out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, DecodeError> {
        T::take(input).map(Self::new)
    }

    #[cfg(test)]
    fn any(rng: &mut Rng) -> Self {
        Self::new(T::any(rng))
    }
}

impl<T: Wire> Wire for Box<T> {
    fn put(&self, out: &mut BytesMut) {
        (**self).put(out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, DecodeError> {
        T::take(input).map(Self::new)
    }

    #[cfg(test)]
    fn any(rng: &mut Rng) -> Self {
        Self::new(T::any(rng))
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn put(&self, out: &mut BytesMut) {
        put_count(self.len(), out);
        for item in self {
            item.put(out);
        }
    }

    fn take(input: &mut Input<'_>) -> Result<Self, DecodeError> {
        let count = input.count()?;
        let mut items = Self::with_capacity(count.min(ITEMS_RESERVED_MAX));
        for _ in 0..count {
            items.push(T::take(input)?);
        }
        Ok(items)
    }

    #[cfg(test)]
    fn any(rng: &mut Rng) -> Self {
        (0..rng.below(4)).map(|_| T::any(rng)).collect()
    }
}

impl<T: Wire> Wire for BTreeMap<String, T> {
    fn put(&self, out: &mut BytesMut) {
        put_count(self.len(), out);
        for (key, value) in self {
            key.put(out);
            value.put(out);
        }
    }

    fn take(input: &mut Input<'_>) -> Result<Self, DecodeError> {
        let count = input.count()?;
        let mut map = Self::new();
        for _ in 0..count {
            map.insert(String::take(input)?, T::take(input)?);
        }
        Ok(map)
    }

    #[cfg(test)]
    fn any(rng: &mut Rng) -> Self {
        (0..rng.below(4))
            .map(|_| (String::any(rng), T::any(rng)))
            .collect()
    }
}

fn put_count(count: usize, out: &mut BytesMut) {
    u64::try_from(count).unwrap_or(u64::MAX).put(out);
}
