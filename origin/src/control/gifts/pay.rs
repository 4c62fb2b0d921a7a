//! Pays for a gift: once, however often it is asked for.
//!
//! A gift has one transfer id and one hold id. Whoever commits looks for the hold afterwards, whoever holds
//! looks for the transfer afterwards: of two who were asked for the same gift at once, one sees the other,
//! and what is paid is held no more.

mod giver;
mod held;
mod words;

#[cfg(test)]
mod tests;

use ::gifts::{Move, Order, Rules};
use bus::RoomName;
use http::StatusCode;
use ledger::{Batch, Currency, Error, Store as _, Timestamp};

use crate::clock::unix_ms;
use crate::control::Desk;
use crate::control::wallet::account;
use crate::problem::Problem;

pub(super) use words::{batch, hold_id, invalid, transfer_id};

/// Accounts that one batch may find missing: two of each transfer.
const OPENINGS_MAX: usize = 2 * gifts::TRANSFERS_MAX;

/// What became of a gift.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Paid {
    pub(super) id: String,
    pub(super) state: State,
    /// Coins.
    pub(super) total: u64,
    /// What the sender can still spend; none if it could not be read.
    pub(super) available: Option<i64>,
    /// Whether it happened now.
    pub(super) is_new: bool,
}

/// Where a gift stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The money has moved, and the room is told.
    Given,
    /// The money is reserved, until staff decide.
    Held,
}

impl Desk {
    /// Pays, or holds what is suspicious. The same gift again is the same.
    pub(super) async fn pay(&self, order: Order) -> Result<Paid, Problem> {
        let moves = self.moves(&order)?;
        let now_ms = unix_ms();
        let batch = batch(&order, &moves, now_ms)?;
        let account = self.giver(&order.sender.id).await?;
        let may_hold = self.may_hold(&order, account.as_ref());
        // Before it is looked for: a gift that counts against itself by now is found to be paid.
        let signals = self.signals(&order, account.as_ref(), now_ms).await?;
        // What was held and what is paid must not both be, and what was paid is not too much later.
        // Where neither can be, the ledger tells that a gift is there already.
        let rules = &self.settings.gifts;
        let is_limited = rules.user_daily_max > 0 || rules.room_daily_max > 0;
        if (may_hold || is_limited)
            && let Some(paid) = self.paid_before(&order).await?
        {
            return Ok(paid);
        }
        self.check_daily(&order, now_ms).await?;
        if signals.hold() {
            self.hold(&order, &signals, now_ms).await
        } else {
            self.give(&order, batch, may_hold).await
        }
    }

    /// The movements of a plan that is money, and that a room will show.
    pub(super) fn moves(&self, order: &Order) -> Result<Vec<Move>, Problem> {
        let refused = |error: &dyn std::fmt::Display| {
            tracing::warn!(filter = order.filter, item = order.item, %error, "a plan is refused");
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Problem::new(status, "bad-plan", format!("the plan of the gift: {error}"))
        };
        RoomName::new(&order.room).map_err(|error| refused(&error))?;
        let rules = Rules {
            issued_percent_max: self.settings.gifts.issued_percent_max,
        };
        order.moves(rules).map_err(|error| refused(&error))
    }

    /// Moves the money. `may_hold`: the same gift may have been held meanwhile.
    pub(super) async fn give(
        &self,
        order: &Order,
        batch: Batch,
        may_hold: bool,
    ) -> Result<Paid, Problem> {
        match self.commit(batch, &order.sender.id, unix_ms()).await {
            Ok(()) => {}
            // The same was asked for before: its time, at least, was another.
            Err(Error::Conflict { .. }) => {
                return self.paid_before(order).await?.ok_or_else(words::reused);
            }
            // Its coins may be reserved for itself.
            Err(error @ Error::Insufficient { .. }) if may_hold => {
                return self.paid_before(order).await?.ok_or_else(|| error.into());
            }
            Err(error) => return Err(error.into()),
        }
        self.announced.notify_one();
        if may_hold {
            self.release(&order.id).await;
        }
        let total = order.plan.total;
        Ok(self.answer(order, State::Given, total, true).await)
    }

    /// Commits, and opens accounts that are paid for the first time.
    pub(super) async fn commit(
        &self,
        batch: Batch,
        sender: &str,
        now_ms: u64,
    ) -> Result<(), Error> {
        let now = Timestamp::from_millis(now_ms);
        for _ in 0..OPENINGS_MAX {
            let Err(error) = self.ledger.commit(batch.clone(), now).await else {
                return Ok(());
            };
            let Error::UnknownAccount { account } = &error else {
                return Err(error);
            };
            let Some(new) = words::opening(&batch, account, sender) else {
                // Whoever never had coins has none.
                let debits = batch.transfers().iter().filter(|it| it.debit == *account);
                return Err(Error::Insufficient {
                    account: account.clone(),
                    available: 0,
                    needed: debits.map(|it| it.amount.units()).sum(),
                });
            };
            self.ledger.open_account(new, now).await?;
        }
        Err(Error::Limit("accounts of one gift"))
    }

    /// What is said of a gift. What is done is done, whether the rest can be read or not.
    async fn answer(&self, order: &Order, state: State, total: u64, is_new: bool) -> Paid {
        let available = self.available(&order.sender.id).await;
        Paid {
            id: order.id.clone(),
            state,
            total,
            available: available
                .inspect_err(|error| {
                    tracing::warn!(gift = order.id, %error, "a balance cannot be read");
                })
                .ok(),
            is_new,
        }
    }

    /// What somebody can spend.
    pub(super) async fn available(&self, owner: &str) -> Result<i64, Problem> {
        let id = account(Currency::Coins, owner)?;
        match self
            .ledger
            .balance(&id, Timestamp::from_millis(unix_ms()))
            .await
        {
            Ok(balance) => Ok(balance.available()),
            Err(Error::UnknownAccount { .. }) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}
