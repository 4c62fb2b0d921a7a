//! Whether a plan is money.

use rooms::{ATTR_BYTES_MAX, ID_BYTES_MAX as ROOM_ID_BYTES_MAX, NAME_BYTES_MAX, PAYLOAD_BYTES_MAX};
use thiserror::Error;

use crate::order::{Currency, Order, Transfer};
use crate::{
    AMOUNT_MAX, COUNT_MAX, ID_BYTES_MAX, ITEM_BYTES_MAX, NOTE_BYTES_MAX, OWNER_BYTES_MAX,
    TRANSFERS_MAX,
};

/// The end of the name of an account from which a filter issues.
const ISSUE: &str = ":issue";

/// What an operator allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Diamonds issued for a hundred coins, at most.
    pub issued_percent_max: u32,
}

/// A movement between two accounts of a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Whose account pays.
    pub debit: String,
    /// Whose is paid.
    pub credit: String,
    /// How much; at least 1.
    pub amount: u64,
    /// Of what.
    pub currency: Currency,
}

/// Why an order is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OrderError {
    /// A text is empty, too long, or holds what is not visible ASCII.
    #[error("{0} is empty, too long, or no visible ASCII")]
    Text(&'static str),
    /// A room would not take it, and nobody would see what was paid.
    #[error("{0} is not what a room shows")]
    Shown(&'static str),
    /// None, or too many.
    #[error("count is 1 to {COUNT_MAX}")]
    Count,
    /// None, or too many.
    #[error("a plan has 1 to {TRANSFERS_MAX} transfers")]
    Transfers,
    /// Coins are what is paid.
    #[error("gifts are paid in coins")]
    Currency,
    /// Nothing, or more than is counted.
    #[error("an amount is 1 to {AMOUNT_MAX}")]
    Amount,
    /// The sender pays something else than the plan says.
    #[error("the sender pays {paid}, and the total is {total}")]
    Total {
        /// The sum of the transfers.
        paid: u64,
        /// `total`.
        total: u64,
    },
    /// Money of somebody who was not asked.
    #[error("{0:?} pays: only the sender and the filter's own accounts do")]
    Payer(String),
    /// Diamonds for somebody who was not given anything.
    #[error("{0:?} earns: only the recipient and the filter's own accounts do")]
    Payee(String),
    /// From an account to itself.
    #[error("{0:?} pays itself")]
    Circle(String),
    /// The recipient is not the room.
    #[error("a gift is for its room")]
    Recipient,
    /// Coins out of nothing.
    #[error("an issue account pays coins")]
    Issue,
    /// More diamonds out of nothing than may be.
    #[error("{issued} diamonds are issued for {total} coins")]
    Issued {
        /// How many.
        issued: u64,
        /// For how many coins.
        total: u64,
    },
}

/// Whether an owner is where money comes from: its account may go below zero.
pub fn is_issue(owner: &str) -> bool {
    owner.starts_with("filter:") && owner.ends_with(ISSUE)
}

impl Order {
    /// The movements of the plan, in its order.
    ///
    /// # Errors
    /// The first thing that is wrong with the order.
    pub fn moves(&self, rules: Rules) -> Result<Vec<Move>, OrderError> {
        self.check_texts()?;
        self.check_shown()?;
        if !(1..=COUNT_MAX).contains(&self.count) {
            return Err(OrderError::Count);
        }
        let plan = &self.plan;
        if !(1..=TRANSFERS_MAX).contains(&plan.transfers.len()) {
            return Err(OrderError::Transfers);
        }
        if plan.currency != Currency::Coin {
            return Err(OrderError::Currency);
        }
        let (mut paid, mut issued) = (0u64, 0u64);
        for transfer in &plan.transfers {
            self.check_transfer(transfer)?;
            // Each is at most 2^63 - 1 and there are 64 of them: the sums can overflow.
            if transfer.debit == self.sender.id {
                paid = paid
                    .checked_add(transfer.amount)
                    .ok_or(OrderError::Amount)?;
            }
            if is_issue(&transfer.debit) {
                issued = issued
                    .checked_add(transfer.amount)
                    .ok_or(OrderError::Amount)?;
            }
        }
        let total = plan.total;
        if !(1..=AMOUNT_MAX).contains(&total) {
            return Err(OrderError::Amount);
        }
        if paid != total {
            return Err(OrderError::Total { paid, total });
        }
        let most = u128::from(total) * u128::from(rules.issued_percent_max) / 100;
        if u128::from(issued) > most {
            return Err(OrderError::Issued { issued, total });
        }
        let moves = plan.transfers.iter().map(|transfer| Move {
            debit: transfer.debit.clone(),
            credit: transfer.credit.clone(),
            amount: transfer.amount,
            currency: transfer.currency,
        });
        Ok(moves.collect())
    }

    /// Diamonds that the recipient gets.
    pub fn earned(&self) -> u64 {
        let transfers = self.plan.transfers.iter();
        let earned = transfers
            .filter(|it| it.credit == self.recipient && it.currency == Currency::Diamond)
            .map(|it| it.amount);
        earned.fold(0, u64::saturating_add)
    }

    fn check_texts(&self) -> Result<(), OrderError> {
        text("id", &self.id, ID_BYTES_MAX)?;
        text("room", &self.room, OWNER_BYTES_MAX)?;
        text("sender", &self.sender.id, OWNER_BYTES_MAX)?;
        text("item", &self.item, ITEM_BYTES_MAX)?;
        text("filter", &self.filter, OWNER_BYTES_MAX)?;
        // What stands before a colon would be an owner of another kind.
        let is_other = ["room:", "filter:"]
            .iter()
            .any(|kind| self.sender.id.starts_with(kind));
        if is_other || self.sender.id == TOPUP {
            return Err(OrderError::Text("sender"));
        }
        let note = self.note.as_deref().unwrap_or_default();
        if note.len() > NOTE_BYTES_MAX {
            return Err(OrderError::Text("note"));
        }
        if self.recipient.strip_prefix("room:") != Some(&self.room) {
            return Err(OrderError::Recipient);
        }
        Ok(())
    }

    /// A room's hub refuses what is beyond its bounds, when the money has moved already. What it says of ids
    /// and notes is within those of [`Self::check_texts`].
    fn check_shown(&self) -> Result<(), OrderError> {
        if self.sender.name.len() > NAME_BYTES_MAX {
            return Err(OrderError::Shown("the sender's name"));
        }
        if let Some(combo) = &self.plan.combo
            && !(1..=ROOM_ID_BYTES_MAX).contains(&combo.id.len())
        {
            return Err(OrderError::Shown("the id of a combo"));
        }
        if let Some(animation) = &self.plan.animation {
            if animation.asset.len() > ATTR_BYTES_MAX {
                return Err(OrderError::Shown("the asset of an animation"));
            }
            if animation.payload.len() > PAYLOAD_BYTES_MAX {
                return Err(OrderError::Shown("the payload of an animation"));
            }
        }
        Ok(())
    }

    fn check_transfer(&self, transfer: &Transfer) -> Result<(), OrderError> {
        text("an account", &transfer.debit, OWNER_BYTES_MAX)?;
        text("an account", &transfer.credit, OWNER_BYTES_MAX)?;
        if !(1..=AMOUNT_MAX).contains(&transfer.amount) {
            return Err(OrderError::Amount);
        }
        if transfer.debit == transfer.credit {
            return Err(OrderError::Circle(transfer.debit.clone()));
        }
        let is_coins = transfer.currency == Currency::Coin;
        let is_senders = transfer.debit == self.sender.id && is_coins;
        if !is_senders && !self.is_own(&transfer.debit) {
            return Err(OrderError::Payer(transfer.debit.clone()));
        }
        if is_coins && is_issue(&transfer.debit) {
            return Err(OrderError::Issue);
        }
        if !is_coins && transfer.credit != self.recipient && !self.is_own(&transfer.credit) {
            return Err(OrderError::Payee(transfer.credit.clone()));
        }
        Ok(())
    }

    /// `filter:<name>`, or that and `:` and more.
    fn is_own(&self, owner: &str) -> bool {
        owner
            .strip_prefix("filter:")
            .and_then(|rest| rest.strip_prefix(self.filter.as_str()))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    }
}

/// Where coins come from: nobody is called so.
const TOPUP: &str = "topup";

fn text(what: &'static str, text: &str, most: usize) -> Result<(), OrderError> {
    let is_visible = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    if (1..=most).contains(&text.len()) && text.bytes().all(is_visible) {
        return Ok(());
    }
    Err(OrderError::Text(what))
}

#[cfg(test)]
mod tests;
