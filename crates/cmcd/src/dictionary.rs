//! Dictionaries of structured fields (RFC 8941 section 3.2), read without keeping them.
//!
//! More is let in than the RFC does where players are known to be careless: capital letters in keys (custom ones
//! have them) and numbers with more digits behind the point. Nothing is let in that has two readings.

use crate::{KEYS_MAX, Malformed, TEXT_BYTES_MAX};

/// The most digits of a number, before and behind the point together (RFC 8941 section 3.3).
const DIGITS_MAX: u32 = 15;

/// One key and its value; parameters are skipped.
#[derive(Debug)]
pub(crate) struct Member<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) value: Value<'a>,
}

/// A value, as far as somebody asks for it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    /// A boolean; a key alone is true.
    Bool(bool),
    /// An inner list that has numbers and nothing else, at least one.
    Numbers { least: i64, most: i64, sum: i64 },
    /// The whole part of a number.
    Number(i64),
    /// A string with its escapes, without its quotes.
    Text(&'a [u8]),
    /// Anything else.
    Other,
}

impl Value<'_> {
    /// The number, or the least of a list.
    pub(crate) fn least(self) -> Option<u32> {
        match self {
            Self::Number(number) => u32::try_from(number).ok(),
            Self::Numbers { least, .. } => u32::try_from(least).ok(),
            _ => None,
        }
    }

    /// The number, or the most of a list; none of them negative.
    pub(crate) fn most(self) -> Option<u32> {
        self.least()?;
        match self {
            Self::Numbers { most, .. } => u32::try_from(most).ok(),
            _ => self.least(),
        }
    }

    /// The number, or the sum of a list; none of them negative.
    pub(crate) fn sum(self) -> Option<u32> {
        self.least()?;
        match self {
            Self::Numbers { sum, .. } => u32::try_from(sum).ok(),
            _ => self.least(),
        }
    }
}

/// The members of a dictionary, in order. The first error is the last item.
pub(crate) fn members(
    text: &[u8],
) -> Result<impl Iterator<Item = Result<Member<'_>, Malformed>>, Malformed> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Malformed::TooLong);
    }
    let mut scanner = Scanner { text };
    scanner.spaces();
    let mut count = 0;
    let mut more = !scanner.text.is_empty();
    Ok(std::iter::from_fn(move || {
        if !more {
            return None;
        }
        count += 1;
        let read = if count > KEYS_MAX {
            Err(Malformed::TooLong)
        } else {
            scanner.member_and_comma()
        };
        match read {
            Ok((member, comma)) => {
                more = comma;
                Some(Ok(member))
            }
            Err(malformed) => {
                more = false;
                Some(Err(malformed))
            }
        }
    }))
}

/// What is left of a text.
struct Scanner<'a> {
    text: &'a [u8],
}

impl<'a> Scanner<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.first().copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let rest = self.text.strip_prefix(&[byte]);
        if let Some(rest) = rest {
            self.text = rest;
        }
        rest.is_some()
    }

    fn spaces(&mut self) {
        while self.eat(b' ') || self.eat(b'\t') {}
    }

    /// All bytes up to the first that does not fit.
    fn while_fits(&mut self, fits: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.text.iter().position(|byte| !fits(*byte));
        let (taken, rest) = self.text.split_at(end.unwrap_or(self.text.len()));
        self.text = rest;
        taken
    }

    /// One member; whether a comma, and so another member, follows.
    fn member_and_comma(&mut self) -> Result<(Member<'a>, bool), Malformed> {
        let key = self.key()?;
        let value = if self.eat(b'=') {
            self.value()?
        } else {
            Value::Bool(true)
        };
        self.parameters()?;
        self.spaces();
        if self.text.is_empty() {
            return Ok((Member { key, value }, false));
        }
        if !self.eat(b',') {
            return Err(Malformed::Syntax);
        }
        self.spaces();
        Ok((Member { key, value }, true))
    }

    fn key(&mut self) -> Result<&'a [u8], Malformed> {
        let starts = self.peek();
        if !starts.is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'*') {
            return Err(Malformed::Syntax);
        }
        Ok(self.while_fits(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'*')
        }))
    }

    fn parameters(&mut self) -> Result<(), Malformed> {
        while self.eat(b';') {
            self.spaces();
            self.key()?;
            if self.eat(b'=') {
                self.item()?;
            }
        }
        Ok(())
    }

    fn value(&mut self) -> Result<Value<'a>, Malformed> {
        if self.eat(b'(') {
            self.inner_list()
        } else {
            self.item()
        }
    }

    /// Behind the opening parenthesis.
    fn inner_list(&mut self) -> Result<Value<'a>, Malformed> {
        let mut numbers: Option<(i64, i64, i64)> = None;
        let mut others = false;
        loop {
            self.spaces();
            if self.eat(b')') {
                break;
            }
            match self.item()? {
                Value::Number(number) => {
                    numbers = Some(match numbers {
                        None => (number, number, number),
                        Some((least, most, sum)) => (
                            least.min(number),
                            most.max(number),
                            sum.saturating_add(number),
                        ),
                    });
                }
                _ => others = true,
            }
            self.parameters()?;
            if !matches!(self.peek(), Some(b' ' | b'\t' | b')')) {
                return Err(Malformed::Syntax);
            }
        }
        Ok(match numbers {
            Some((least, most, sum)) if !others => Value::Numbers { least, most, sum },
            _ => Value::Other,
        })
    }

    fn item(&mut self) -> Result<Value<'a>, Malformed> {
        match self.peek().ok_or(Malformed::Syntax)? {
            b'-' | b'0'..=b'9' => self.number(),
            b'"' => self.string(),
            b'?' => self.boolean(),
            b':' => {
                self.eat(b':');
                self.while_fits(|byte| {
                    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
                });
                self.expect(b':').map(|()| Value::Other)
            }
            // A date (RFC 9651 section 3.3.7).
            b'@' => {
                self.eat(b'@');
                self.number().map(|_| Value::Other)
            }
            byte if byte.is_ascii_alphabetic() || byte == b'*' => {
                self.while_fits(is_token);
                Ok(Value::Other)
            }
            _ => Err(Malformed::Syntax),
        }
    }

    fn number(&mut self) -> Result<Value<'a>, Malformed> {
        let negative = self.eat(b'-');
        let whole = self.while_fits(|byte| byte.is_ascii_digit());
        let mut digits = whole.len();
        if self.eat(b'.') {
            let behind = self.while_fits(|byte| byte.is_ascii_digit()).len();
            if behind == 0 {
                return Err(Malformed::Syntax);
            }
            digits += behind;
        }
        if whole.is_empty() || digits > DIGITS_MAX as usize {
            return Err(Malformed::Syntax);
        }
        let number = whole
            .iter()
            .fold(0_i64, |number, digit| number * 10 + i64::from(digit - b'0'));
        Ok(Value::Number(if negative { -number } else { number }))
    }

    fn string(&mut self) -> Result<Value<'a>, Malformed> {
        self.expect(b'"')?;
        let text = self.text;
        loop {
            let plain = |byte: u8| (b' '..=b'~').contains(&byte) && !matches!(byte, b'"' | b'\\');
            self.while_fits(plain);
            if self.eat(b'\\') {
                if !self.eat(b'"') && !self.eat(b'\\') {
                    return Err(Malformed::Syntax);
                }
                continue;
            }
            let length = text.len() - self.text.len();
            self.expect(b'"')?;
            return Ok(Value::Text(text.get(..length).unwrap_or_default()));
        }
    }

    fn boolean(&mut self) -> Result<Value<'a>, Malformed> {
        self.expect(b'?')?;
        if self.eat(b'1') {
            return Ok(Value::Bool(true));
        }
        self.expect(b'0').map(|()| Value::Bool(false))
    }

    fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.eat(byte) {
            Ok(())
        } else {
            Err(Malformed::Syntax)
        }
    }
}

/// RFC 8941 section 3.3.4.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte)
}
