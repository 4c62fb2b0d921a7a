//! Pays for a gift: once, however often it is asked for.

use ::gifts::{
    Announcement, Currency as GiftCurrency, Giver, Move, Order, Rules, SignalRules, Signals,
    is_issue,
};
use bytes::Bytes;
use gift_records::Day;
use http::StatusCode;
use ledger::{
    AccountId, Amount, Batch, Currency, Error, HoldId, HoldState, Kind, Message, NewAccount,
    NewHold, Reference, Store as _, Timestamp, Transfer, TransferId,
};
use rooms::NUMBER_MAX;
use rooms::schema::Gift;

use super::records;
use crate::caller::BROADCASTER;
use crate::clock::unix_ms;
use crate::control::Desk;
use crate::control::wallet::account;
use crate::problem::Problem;

/// Accounts that one batch may find missing: two of each transfer.
const OPENINGS_MAX: usize = 2 * gifts::TRANSFERS_MAX;

/// What became of a gift.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Paid {
    pub(super) id: String,
    pub(super) state: State,
    /// Coins.
    pub(super) total: u64,
    /// What the sender can still spend.
    pub(super) available: i64,
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
        let rules = Rules {
            issued_percent_max: self.settings.gifts.issued_percent_max,
        };
        let moves = order.moves(rules).map_err(|error| {
            tracing::warn!(filter = order.filter, item = order.item, %error, "a plan is refused");
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Problem::new(status, "bad-plan", format!("the plan of the gift: {error}"))
        })?;
        let now_ms = unix_ms();
        let batch = batch(&order, &moves, now_ms)?;
        // Where gifts may be held, what was held and what is paid must not both be. Elsewhere the
        // ledger tells that a gift is there already.
        let may_hold = self.settings.gifts.signals() != SignalRules::default();
        // And what was paid is not too much later.
        let rules = &self.settings.gifts;
        let is_limited = rules.user_daily_max > 0 || rules.room_daily_max > 0;
        if (may_hold || is_limited)
            && let Some(paid) = self.paid_before(&order).await?
        {
            return Ok(paid);
        }
        self.check_daily(&order, now_ms).await?;
        let signals = if may_hold {
            self.signals(&order, now_ms).await?
        } else {
            Signals::default()
        };
        let state = if signals.hold() {
            self.hold(&order, &signals, now_ms).await?;
            State::Held
        } else {
            match self.commit(batch, &order.sender.id, now_ms).await {
                Ok(()) => State::Given,
                // The same was asked for before: its time, at least, was another.
                Err(Error::Conflict { .. }) => {
                    return self.paid_before(&order).await?.ok_or_else(reused);
                }
                Err(error) => return Err(error.into()),
            }
        };
        self.announced.notify_one();
        Ok(Paid {
            available: self.available(&order.sender.id).await?,
            id: order.id,
            state,
            total: order.plan.total,
            is_new: true,
        })
    }

    /// What became of the gift, if it was asked for before.
    async fn paid_before(&self, order: &Order) -> Result<Option<Paid>, Problem> {
        let first = transfer_id(&order.id, 0)?;
        let reference = reference(order)?;
        let linked = self.ledger.linked(&first).await?;
        let (state, found) = match linked.iter().find(|posted| posted.transfer.id == first) {
            Some(posted) => (State::Given, posted.transfer.reference.clone()),
            None => match self.ledger.find_hold(&hold_id(&order.id)?).await? {
                Some(hold) if hold.state == HoldState::Open => {
                    // It may be that the record was not written.
                    if self.records.gift(&order.id).await?.is_none() {
                        let record = records::held(order, &[], unix_ms());
                        self.records.hold(record).await?;
                    }
                    (State::Held, hold.reference)
                }
                Some(_) => return Err(settled()),
                None => return Ok(None),
            },
        };
        if found != reference {
            return Err(reused());
        }
        let totals = linked
            .iter()
            .filter(|it| it.transfer.currency == Currency::Coins)
            .filter(|it| {
                account(Currency::Coins, &order.sender.id).is_ok_and(|id| id == it.transfer.debit)
            });
        let total = match state {
            State::Given => totals.map(|it| it.transfer.amount.units()).sum(),
            State::Held => order.plan.total,
        };
        Ok(Some(Paid {
            id: order.id.clone(),
            state,
            total,
            available: self.available(&order.sender.id).await?,
            is_new: false,
        }))
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
            let Some(new) = opening(&batch, account, sender) else {
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

    async fn hold(&self, order: &Order, signals: &Signals, now_ms: u64) -> Result<(), Problem> {
        let lasts = self.settings.gifts.hold.as_millis();
        let lasts = u64::try_from(lasts).unwrap_or(u64::MAX);
        let hold = NewHold {
            id: hold_id(&order.id)?,
            account: account(Currency::Coins, &order.sender.id)?,
            amount: amount(order.plan.total)?,
            currency: Currency::Coins,
            expires_ms: Timestamp::from_millis(now_ms.saturating_add(lasts)),
            kind: kind("gift")?,
            reference: reference(order)?,
        };
        let held = self.ledger.hold(hold, Timestamp::from_millis(now_ms)).await;
        match held {
            Ok(_) => {
                let record = records::held(order, signals.names(), now_ms);
                self.records.hold(record).await?;
                tracing::info!(gift = order.id, signals = ?signals.names(), "a gift is held");
                Ok(())
            }
            Err(Error::UnknownAccount { .. }) => Err(insufficient()),
            Err(error) => Err(error.into()),
        }
    }

    async fn signals(&self, order: &Order, now_ms: u64) -> Result<Signals, Problem> {
        let user = accounts::UserId::new(order.sender.id.clone()).ok();
        let account = match user {
            Some(user) => self.accounts.account(&user).await.ok(),
            None => None,
        };
        let age_ms = account
            .as_ref()
            .map(|account| now_ms.saturating_sub(account.created_ms));
        let is_own_room =
            account.is_some_and(|account| account.has_grant(&order.room, BROADCASTER));
        let velocity = self.settings.gifts.velocity.as_millis();
        let since_ms = now_ms.saturating_sub(u64::try_from(velocity).unwrap_or(u64::MAX));
        let spent = self.records.spent_since(&order.sender.id, since_ms).await?;
        let given_lately = spent.coins;
        let giver = Giver {
            age_ms,
            given_lately,
            is_own_room,
        };
        Ok(Signals::of(
            self.settings.gifts.signals(),
            giver,
            order.plan.total,
        ))
    }

    /// What operators allow in a day. Gifts of the last moment may not be counted yet.
    async fn check_daily(&self, order: &Order, now_ms: u64) -> Result<(), Problem> {
        let rules = &self.settings.gifts;
        let (today, total) = (Day::of(now_ms), order.plan.total);
        if rules.user_daily_max > 0 {
            let spent = self.records.spent(&order.sender.id, today).await?;
            if spent.saturating_add(total) > rules.user_daily_max {
                let detail = "more than this cannot be given in a day";
                return Err(Problem::new(StatusCode::FORBIDDEN, "daily-limit", detail));
            }
        }
        if rules.room_daily_max > 0 {
            let sums = self.records.earnings(&order.room, today, today).await?;
            let given: u64 = sums.iter().map(|sum| sum.coins).sum();
            if given.saturating_add(total) > rules.room_daily_max {
                let detail = "this room takes no more gifts today";
                return Err(Problem::new(
                    StatusCode::FORBIDDEN,
                    "room-daily-limit",
                    detail,
                ));
            }
        }
        Ok(())
    }

    /// What somebody can spend.
    async fn available(&self, owner: &str) -> Result<i64, Problem> {
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

/// The movements, and what the room is told of them.
pub(super) fn batch(order: &Order, moves: &[Move], now_ms: u64) -> Result<Batch, Problem> {
    let reference = reference(order)?;
    let transfers = moves.iter().enumerate().map(|(number, it)| {
        let currency = currency(it.currency);
        Ok(Transfer {
            id: transfer_id(&order.id, number)?,
            debit: account(currency, &it.debit)?,
            credit: account(currency, &it.credit)?,
            amount: amount(it.amount)?,
            currency,
            kind: kind("gift")?,
            reference: reference.clone(),
            reverses: None,
        })
    });
    let transfers = transfers.collect::<Result<Vec<_>, Problem>>()?;
    let announcement = Announcement::Given {
        gift: Box::new(Gift {
            id: order.id.clone(),
            sender: order.sender.clone(),
            recipient: order.recipient.clone(),
            item: order.item.clone(),
            count: order.count,
            // Browsers count to there.
            points: order.plan.total.min(NUMBER_MAX),
            note: order.note.clone(),
            combo: order.plan.combo.clone(),
            animation: order.plan.animation.clone(),
        }),
        room: order.room.clone(),
        total: order.plan.total,
        earned: order.earned(),
        at_ms: now_ms,
        media_ms: order.media_ms,
    };
    let payload = serde_json::to_vec(&announcement).unwrap_or_default();
    let message = Message {
        topic: Reference::new(&order.recipient).map_err(invalid)?,
        payload: Bytes::from(payload),
    };
    let batch = Batch::new(transfers).map_err(invalid)?;
    batch.with_messages(vec![message]).map_err(invalid)
}

/// The account to open for a batch that found it missing; none if nothing can be in it.
fn opening(batch: &Batch, id: &AccountId, sender: &str) -> Option<NewAccount> {
    let transfers = batch.transfers().iter();
    let mut touching = transfers.filter(|it| it.debit == *id || it.credit == *id);
    let currency = touching.next()?.currency;
    let owner = id.as_str().split_once(':')?.1;
    // Whoever has no account has nothing to spend.
    if owner == sender && currency == Currency::Coins {
        return None;
    }
    Some(NewAccount {
        id: id.clone(),
        currency,
        overdraft: currency == Currency::Diamonds && is_issue(owner),
    })
}

fn currency(of: GiftCurrency) -> Currency {
    match of {
        GiftCurrency::Coin => Currency::Coins,
        GiftCurrency::Diamond => Currency::Diamonds,
    }
}

pub(super) fn transfer_id(gift: &str, number: usize) -> Result<TransferId, Problem> {
    TransferId::new(&format!("{gift}/{number}")).map_err(invalid)
}

pub(super) fn hold_id(gift: &str) -> Result<HoldId, Problem> {
    HoldId::new(gift).map_err(invalid)
}

fn kind(name: &str) -> Result<Kind, Problem> {
    Kind::new(name).map_err(invalid)
}

fn amount(units: u64) -> Result<Amount, Problem> {
    Amount::new(units).map_err(invalid)
}

/// What the wallet shows, and what tells two gifts of one id apart.
fn reference(order: &Order) -> Result<Reference, Problem> {
    let text = format!("gift/{}/{}/{}", order.room, order.item, order.count);
    Reference::new(&text).map_err(invalid)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn invalid(error: ledger::Invalid) -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "out-of-range",
        error.to_string(),
    )
}

fn insufficient() -> Problem {
    let detail = "there are not enough coins";
    Problem::new(StatusCode::PAYMENT_REQUIRED, "insufficient", detail)
}

fn reused() -> Problem {
    let detail = "this client_id was another gift";
    Problem::new(StatusCode::CONFLICT, "client-id-reused", detail)
}

fn settled() -> Problem {
    let detail = "this gift was held, and given back";
    Problem::new(StatusCode::CONFLICT, "given-back", detail)
}
