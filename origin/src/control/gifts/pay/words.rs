//! An order in the ledger's words: movements, ids, and what is said when they are none.

use ::gifts::{Announcement, Currency as GiftCurrency, Move, Order, is_issue};
use bytes::Bytes;
use http::StatusCode;
use ledger::{
    AccountId, Amount, Batch, Currency, HoldId, Kind, Message, NewAccount, NewHold, Reference,
    Timestamp, Transfer, TransferId,
};

use crate::control::wallet::account;
use crate::problem::Problem;

/// The movements, and what the room is told of them.
pub(in crate::control::gifts) fn batch(
    order: &Order,
    moves: &[Move],
    now_ms: u64,
) -> Result<Batch, Problem> {
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
        gift: Box::new(order.shown()),
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

/// What reserves the coins of a gift.
pub(super) fn reservation(order: &Order, expires_ms: u64) -> Result<NewHold, Problem> {
    Ok(NewHold {
        id: hold_id(&order.id)?,
        account: account(Currency::Coins, &order.sender.id)?,
        amount: amount(order.plan.total)?,
        currency: Currency::Coins,
        expires_ms: Timestamp::from_millis(expires_ms),
        kind: kind("gift")?,
        reference: reference(order)?,
    })
}

/// The account to open for a batch that found it missing; none if nothing can be in it.
pub(super) fn opening(batch: &Batch, id: &AccountId, sender: &str) -> Option<NewAccount> {
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

pub(in crate::control::gifts) fn transfer_id(
    gift: &str,
    number: usize,
) -> Result<TransferId, Problem> {
    TransferId::new(&format!("{gift}/{number}")).map_err(invalid)
}

pub(in crate::control::gifts) fn hold_id(gift: &str) -> Result<HoldId, Problem> {
    HoldId::new(gift).map_err(invalid)
}

fn kind(name: &str) -> Result<Kind, Problem> {
    Kind::new(name).map_err(invalid)
}

fn amount(units: u64) -> Result<Amount, Problem> {
    Amount::new(units).map_err(invalid)
}

/// What the wallet shows, and what tells two gifts of one id apart.
pub(super) fn reference(order: &Order) -> Result<Reference, Problem> {
    let text = format!("gift/{}/{}/{}", order.room, order.item, order.count);
    Reference::new(&text).map_err(invalid)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(in crate::control::gifts) fn invalid(error: ledger::Invalid) -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "out-of-range",
        error.to_string(),
    )
}

pub(super) fn insufficient() -> Problem {
    let detail = "there are not enough coins";
    Problem::new(StatusCode::PAYMENT_REQUIRED, "insufficient", detail)
}

pub(super) fn reused() -> Problem {
    let detail = "this client_id was another gift";
    Problem::new(StatusCode::CONFLICT, "client-id-reused", detail)
}

pub(super) fn settled() -> Problem {
    let detail = "this gift was held, and given back";
    Problem::new(StatusCode::CONFLICT, "given-back", detail)
}
