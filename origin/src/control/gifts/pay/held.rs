//! Gifts that wait for staff, and what became of a gift that was asked for before.

use ::gifts::{Order, Signals};
use gift_records::State as RecordState;
use ledger::{Currency, Error, Fault, Hold, HoldState, Outcome, Posted, Store as _, Timestamp};

use super::super::records;
use super::words::{hold_id, insufficient, reference, reservation, reused, settled, transfer_id};
use super::{Paid, State};
use crate::clock::unix_ms;
use crate::control::Desk;
use crate::control::wallet::account;
use crate::problem::Problem;

impl Desk {
    /// What became of the gift, if it was asked for before.
    pub(super) async fn paid_before(&self, order: &Order) -> Result<Option<Paid>, Problem> {
        // In this order: a hold that was settled by then was settled with a transfer that is seen.
        let hold = self.ledger.find_hold(&hold_id(&order.id)?).await?;
        let first = transfer_id(&order.id, 0)?;
        let linked = self.ledger.linked(&first).await?;
        if let Some(posted) = linked.iter().find(|posted| posted.transfer.id == first) {
            if posted.transfer.reference != reference(order)? {
                return Err(reused());
            }
            if hold.is_some_and(|hold| hold.state == HoldState::Open) {
                self.release(&order.id).await;
            }
            let total = spent(order, &linked);
            return Ok(Some(self.answer(order, State::Given, total, false).await));
        }
        match hold {
            Some(hold) => self.held_before(order, &hold).await.map(Some),
            None => Ok(None),
        }
    }

    async fn held_before(&self, order: &Order, hold: &Hold) -> Result<Paid, Problem> {
        // Before anything is written: what it says may be another gift.
        let total = order.plan.total;
        if hold.reference != reference(order)? || hold.amount.units() != total {
            return Err(reused());
        }
        if hold.state != HoldState::Open {
            return Err(settled());
        }
        match self.records.gift(&order.id).await?.map(|it| it.state) {
            Some(RecordState::Held) => {}
            // Staff were faster than the ledger: nobody would see what is reserved.
            Some(RecordState::Rejected) => {
                self.release(&order.id).await;
                return Err(settled());
            }
            // It was approved meanwhile.
            Some(RecordState::Given | RecordState::Refunded) => {
                return Ok(self.answer(order, State::Given, total, false).await);
            }
            None => {
                let record = records::held(order, &[], unix_ms());
                self.records.hold(record).await?;
            }
        }
        Ok(self.answer(order, State::Held, total, false).await)
    }

    /// Reserves the coins of a gift until staff decide. The record comes first: coins that nobody sees
    /// would be locked by a crash, and a record without coins can be rejected, or comes again.
    pub(in crate::control::gifts) async fn hold(
        &self,
        order: &Order,
        signals: &Signals,
        now_ms: u64,
    ) -> Result<Paid, Problem> {
        let lasts = self.settings.gifts.hold.as_millis();
        let lasts = u64::try_from(lasts).unwrap_or(u64::MAX);
        let new = reservation(order, now_ms.saturating_add(lasts))?;
        // Who cannot pay leaves nothing for staff to look at.
        let available = self.available(&order.sender.id).await?;
        if u64::try_from(available).unwrap_or_default() < order.plan.total {
            // It may be that the coins went into this very gift.
            return self.paid_before(order).await?.ok_or_else(insufficient);
        }
        let record = records::held(order, signals.names(), now_ms);
        if !self.records.hold(record).await? {
            self.check_record(order).await?;
        }
        let held = self.ledger.hold(new, Timestamp::from_millis(now_ms)).await;
        let is_new = held.as_ref().is_ok_and(Outcome::is_new);
        match held {
            Ok(_) | Err(Error::Conflict { .. }) => {}
            // It may be there: the same again finds out, and so do staff.
            Err(error) if error.fault() == Fault::Store => return Err(error.into()),
            Err(error) => return self.not_held(order, error).await,
        }
        // Staff may have rejected it by now, and the same may have been paid, or be another gift.
        let paid = self.paid_before(order).await?.ok_or_else(reused)?;
        let is_new = is_new && paid.state == State::Held;
        if is_new {
            tracing::info!(gift = order.id, signals = ?signals.names(), "a gift is held");
        }
        Ok(Paid { is_new, ..paid })
    }

    /// Whether a record that was there already is of this gift, and waits for its coins.
    async fn check_record(&self, order: &Order) -> Result<(), Problem> {
        let record = self.records.gift(&order.id).await?.ok_or_else(settled)?;
        let is_same = record.room == order.room
            && record.item == order.item
            && record.count == u64::from(order.count)
            && record.total == order.plan.total;
        match record.state {
            _ if !is_same => Err(reused()),
            RecordState::Rejected => Err(settled()),
            // What was given meanwhile is found when the coins are not reserved.
            RecordState::Held | RecordState::Given | RecordState::Refunded => Ok(()),
        }
    }

    /// The ledger does not reserve it: nothing is left of it, unless the same was paid meanwhile.
    async fn not_held(&self, order: &Order, error: Error) -> Result<Paid, Problem> {
        if let Some(paid) = self.paid_before(order).await? {
            return Ok(paid);
        }
        self.give_back(&order.id).await?;
        Err(match error {
            Error::UnknownAccount { .. } => insufficient(),
            error => error.into(),
        })
    }

    /// What is paid, or rejected, is not reserved as well. What cannot be done now is done when the same
    /// gift is asked for again, or when the time of the hold is over.
    pub(in crate::control::gifts) async fn release(&self, gift: &str) {
        let released = async {
            let id = hold_id(gift)?;
            let hold = self.ledger.find_hold(&id).await?;
            if hold.is_some_and(|hold| hold.state == HoldState::Open) {
                let now = Timestamp::from_millis(unix_ms());
                self.ledger.void(id, now).await?;
            }
            Ok::<(), Problem>(())
        };
        if let Err(error) = released.await {
            tracing::warn!(gift, %error, "coins stay reserved for a gift that is settled");
        }
    }
}

/// Coins of the sender in what was paid.
fn spent(order: &Order, linked: &[Posted]) -> u64 {
    let of_sender = account(Currency::Coins, &order.sender.id).ok();
    let coins = linked.iter().map(|posted| &posted.transfer);
    coins
        .filter(|it| it.currency == Currency::Coins && Some(&it.debit) == of_sender.as_ref())
        .map(|it| it.amount.units())
        .sum()
}
