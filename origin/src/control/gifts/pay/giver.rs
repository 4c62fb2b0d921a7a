//! Who gives, and what is known of them.

use ::gifts::{Giver, Order, Signals};
use accounts::{Account, State, UserId};
use gift_records::Day;
use http::StatusCode;

use crate::caller::BROADCASTER;
use crate::control::Desk;
use crate::problem::Problem;

impl Desk {
    /// The account of who gives; none of those for whom another issuer vouches. An access token outlives
    /// an account that was blocked or erased: here it is worth nothing any more.
    pub(super) async fn giver(&self, sender: &str) -> Result<Option<Account>, Problem> {
        let Ok(user) = UserId::new(sender) else {
            return Ok(None);
        };
        let account = match self.accounts.account(&user).await {
            Ok(account) => account,
            Err(accounts::Error::Unknown) => return Err(Problem::signed_out()),
            // Nobody knows what there is to know of them: nothing is paid.
            Err(error) => return Err(error.into()),
        };
        if account.state != State::Active {
            return Err(accounts::Error::Blocked.into());
        }
        Ok(Some(account))
    }

    /// Whether an order can be held now, or can have been: if not, there is nothing to look for. That
    /// somebody was a broadcaster here when they gave it, and is none any more, is left out: looking for it
    /// would cost every gift a read, and what was reserved then is free again when its time is over.
    pub(super) fn may_hold(&self, order: &Order, account: Option<&Account>) -> bool {
        let rules = self.settings.gifts.signals();
        rules.velocity_coins > 0
            || (rules.new_account_coins > 0 && account.is_some())
            || (rules.self_gifts && is_own_room(order, account))
    }

    /// Why the gift is to be held.
    pub(super) async fn signals(
        &self,
        order: &Order,
        account: Option<&Account>,
        now_ms: u64,
    ) -> Result<Signals, Problem> {
        let rules = self.settings.gifts.signals();
        let given_lately = if rules.velocity_coins > 0 {
            let velocity = self.settings.gifts.velocity.as_millis();
            let since_ms = now_ms.saturating_sub(u64::try_from(velocity).unwrap_or(u64::MAX));
            let spent = self.records.spent_since(&order.sender.id, since_ms).await?;
            spent.coins
        } else {
            0
        };
        let giver = Giver {
            age_ms: account.map(|account| now_ms.saturating_sub(account.created_ms)),
            given_lately,
            is_own_room: is_own_room(order, account),
        };
        Ok(Signals::of(rules, giver, order.plan.total))
    }

    /// What operators allow in a day. Gifts of the last moment may not be counted yet.
    pub(super) async fn check_daily(&self, order: &Order, now_ms: u64) -> Result<(), Problem> {
        let rules = &self.settings.gifts;
        let (today, total) = (Day::of(now_ms), order.plan.total);
        let refused = |code, detail: &str| Problem::new(StatusCode::FORBIDDEN, code, detail);
        if rules.user_daily_max > 0 {
            let spent = self.records.spent(&order.sender.id, today).await?;
            if spent.saturating_add(total) > rules.user_daily_max {
                let detail = "more than this cannot be given in a day";
                return Err(refused("daily-limit", detail));
            }
        }
        if rules.room_daily_max > 0 {
            let sums = self.records.earnings(&order.room, today, today).await?;
            let given: u64 = sums.iter().map(|sum| sum.coins).sum();
            if given.saturating_add(total) > rules.room_daily_max {
                let detail = "this room takes no more gifts today";
                return Err(refused("room-daily-limit", detail));
            }
        }
        Ok(())
    }
}

fn is_own_room(order: &Order, account: Option<&Account>) -> bool {
    account.is_some_and(|account| account.has_grant(&order.room, BROADCASTER))
}
