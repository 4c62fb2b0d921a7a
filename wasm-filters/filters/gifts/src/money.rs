//! Who pays whom how much. Integers throughout; what does not fit is refused, what is not whole is
//! rounded down for the room.
//!
//! The sender pays the house all of it. What the room earns is another currency, which the house
//! issues: how much of that the house owes somebody is between the two, and is none of the sender's
//! business.

use crate::Gift;
use crate::refusal::Refusal;
use crate::settings::{Config, Offer};
use crate::weir::filter::types::Transfer;

/// The greatest amount that the ledger moves.
pub(crate) const AMOUNT_MAX: u64 = i64::MAX.unsigned_abs();

/// What a gift moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sum {
    /// By the sender, to the house.
    pub(crate) total: u64,
    /// By the room.
    pub(crate) earned: u64,
}

impl Sum {
    /// Of so many at a price, with so many earned of each 100 that are paid; at most 100.
    pub(crate) fn of(price: u64, count: u32, earned_percent: u8) -> Result<Self, Refusal> {
        let percent = u64::from(earned_percent);
        let total = price
            .checked_mul(u64::from(count))
            .filter(|total| *total <= AMOUNT_MAX)
            .ok_or(Refusal::TooMuch)?;
        // The same as total * percent / 100, without a number that is greater than the total.
        let earned = (total / 100)
            .checked_mul(percent)
            .and_then(|hundreds| hundreds.checked_add(total % 100 * percent / 100))
            .filter(|earned| *earned <= total)
            .ok_or(Refusal::TooMuch)?;
        Ok(Self { total, earned })
    }

    /// As the ledger is told.
    pub(crate) fn transfers(self, config: &Config, gift: &Gift, offer: &Offer) -> Vec<Transfer> {
        let memo = format!("{} x {}", gift.count, offer.id);
        let pay = Transfer {
            idempotency_key: format!("{}/pay", gift.id),
            debit: gift.sender.id.clone(),
            credit: config.house.clone(),
            amount: self.total,
            currency: config.currency.clone(),
            memo: memo.clone(),
        };
        let earn = Transfer {
            idempotency_key: format!("{}/earn", gift.id),
            debit: format!("{}:issue", config.house),
            credit: gift.recipient.clone(),
            amount: self.earned,
            currency: config.earned.clone(),
            memo,
        };
        // A transfer of nothing is none.
        [pay, earn].into_iter().filter(|it| it.amount > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sum(price: u64, count: u32, percent: u8) -> Result<(u64, u64), Refusal> {
        Sum::of(price, count, percent).map(|it| (it.total, it.earned))
    }

    #[test]
    fn what_is_not_whole_stays_with_the_house() {
        for (price, count, percent, expected) in [
            (100, 2, 50, (200, 100)),
            (1, 1, 50, (1, 0)),
            (3, 1, 50, (3, 1)),
            (1, 3, 50, (3, 1)),
            (199, 1, 1, (199, 1)),
            (99, 1, 99, (99, 98)),
            (10, 7, 0, (70, 0)),
            (10, 7, 100, (70, 70)),
            (AMOUNT_MAX, 1, 100, (AMOUNT_MAX, AMOUNT_MAX)),
            (AMOUNT_MAX, 1, 50, (AMOUNT_MAX, AMOUNT_MAX / 2)),
            (1, u32::MAX, 50, (4_294_967_295, 2_147_483_647)),
        ] {
            assert_eq!(sum(price, count, percent), Ok(expected), "{price} {count}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (price, count) in [
            (AMOUNT_MAX + 1, 1),
            (AMOUNT_MAX, 2),
            (u64::MAX, 1),
            (u64::MAX, u32::MAX),
            (1 << 32, 1 << 31),
            // Would be 0, and 2, if it wrapped.
            (1 << 63, 2),
            ((1 << 63) + 1, 2),
        ] {
            assert_eq!(sum(price, count, 50), Err(Refusal::TooMuch), "{price}");
        }
    }

    proptest! {
        #[test]
        fn it_is_the_exact_share(price in any::<u64>(), count in any::<u32>(), percent in 0u8..=100) {
            let exact = u128::from(price) * u128::from(count);
            match sum(price, count, percent) {
                Ok((total, earned)) => {
                    prop_assert_eq!(u128::from(total), exact);
                    prop_assert_eq!(u128::from(earned), exact * u128::from(percent) / 100);
                }
                Err(refusal) => {
                    prop_assert_eq!(refusal, Refusal::TooMuch);
                    prop_assert!(exact > u128::from(AMOUNT_MAX));
                }
            }
        }
    }
}
