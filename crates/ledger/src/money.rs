//! Amounts, currencies and time.

use std::fmt;
use std::num::NonZeroU64;

use serde::Serialize;

use crate::error::Invalid;
use crate::limits::AMOUNT_MAX;

/// What is counted. An account has one for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[non_exhaustive]
pub enum Currency {
    /// What viewers buy and give.
    #[serde(rename = "coin")]
    Coins,
    /// What broadcasters earn.
    #[serde(rename = "diamond")]
    Diamonds,
}

impl Currency {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Coins, Self::Diamonds];

    /// As in stores and exports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Coins => "coin",
            Self::Diamonds => "diamond",
        }
    }

    /// As in the column `currency`.
    pub(crate) fn code(self) -> i16 {
        match self {
            Self::Coins => 1,
            Self::Diamonds => 2,
        }
    }

    pub(crate) fn from_code(code: i64) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|currency| i64::from(currency.code()) == code)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A whole number of a currency's units: 1 to [`AMOUNT_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Amount(NonZeroU64);

impl Amount {
    /// Checks an amount.
    ///
    /// # Errors
    /// It is zero, or more than [`AMOUNT_MAX`].
    pub fn new(units: u64) -> Result<Self, Invalid> {
        match NonZeroU64::new(units) {
            Some(units) if units.get() <= AMOUNT_MAX => Ok(Self(units)),
            _ => Err(Invalid::Amount),
        }
    }

    /// The units.
    pub fn units(self) -> u64 {
        self.0.get()
    }

    /// As in the column `amount`.
    pub(crate) fn signed(self) -> i64 {
        // Never the other: the constructor checks it.
        i64::try_from(self.units()).unwrap_or(i64::MAX)
    }

    pub(crate) fn from_signed(units: i64) -> Option<Self> {
        Self::new(u64::try_from(units).ok()?).ok()
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A time: milliseconds since 1970-01-01 (UTC). The ledger never orders by it, because clocks are
/// set back; sequence numbers order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Of milliseconds since 1970; the year 292 million is the last.
    pub const fn from_millis(millis: u64) -> Self {
        if millis > AMOUNT_MAX {
            Self(i64::MAX)
        } else {
            Self(millis.cast_signed())
        }
    }

    /// Milliseconds since 1970.
    pub fn millis(self) -> u64 {
        u64::try_from(self.0).unwrap_or_default()
    }

    /// As in the columns that end with `_ms`.
    pub(crate) fn signed(self) -> i64 {
        self.0
    }

    pub(crate) fn from_signed(millis: i64) -> Self {
        Self(millis.max(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_limits() {
        assert!(Amount::new(0).is_err());
        assert!(Amount::new(AMOUNT_MAX + 1).is_err());
        assert!(Amount::new(u64::MAX).is_err());
        let most = Amount::new(AMOUNT_MAX).expect("the greatest");
        assert_eq!(most.signed(), i64::MAX);
        assert_eq!(Amount::from_signed(i64::MAX), Some(most));
        assert_eq!(Amount::from_signed(0), None);
        assert_eq!(Amount::from_signed(-1), None);
    }

    #[test]
    fn currencies_have_codes_of_their_own() {
        for currency in Currency::ALL {
            let code = i64::from(currency.code());
            assert_eq!(Currency::from_code(code), Some(currency));
        }
        assert_eq!(Currency::from_code(0), None);
    }

    #[test]
    fn times_end_somewhere() {
        assert_eq!(Timestamp::from_millis(u64::MAX).signed(), i64::MAX);
        assert_eq!(Timestamp::from_millis(7).millis(), 7);
    }
}
