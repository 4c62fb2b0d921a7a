//! Coins that come from outside, and go back: between `coin:topup`, which may go below zero, and people.

use accounts::UserId;
use http::StatusCode;
use ledger::{
    AccountId, Amount, Batch, Currency, Error, Invalid, Kind, NewAccount, Reference, Store as _,
    Transfer, TransferId,
};

use super::Desk;
use super::problem::Problem;
use super::wallet::{account, now};

/// Where coins come from.
const TOPUP: &str = "topup";
/// What was bought, or given by staff.
const BOUGHT: &str = "topup";
/// What staff took back.
const TAKEN_BACK: &str = "adjustment";

/// Coins for somebody.
#[derive(Clone, Debug)]
pub(super) struct Movement<'a> {
    /// For ever: the same again is the same movement.
    pub(super) id: &'a str,
    pub(super) user: &'a UserId,
    /// Below zero, they are taken back.
    pub(super) amount: i64,
    /// Says nothing about a person: it stays.
    pub(super) reference: &'a str,
}

/// Moves coins. Whether it was done now, and not before.
pub(super) async fn move_coins(desk: &Desk, movement: &Movement<'_>) -> Result<bool, Problem> {
    let topup = account(Currency::Coins, TOPUP)?;
    let wallet = account(Currency::Coins, movement.user.as_str())?;
    let batch = batch(movement, &topup, &wallet).map_err(invalid)?;
    let committed = match desk.ledger.commit(batch.clone(), now()).await {
        Err(Error::UnknownAccount { .. }) => {
            open(desk, topup, true).await?;
            open(desk, wallet, false).await?;
            desk.ledger.commit(batch, now()).await
        }
        committed => committed,
    };
    Ok(committed?.is_new())
}

/// Whether a movement was made before.
pub(super) async fn is_moved(desk: &Desk, id: &str) -> Result<bool, Problem> {
    let id = TransferId::new(id).map_err(invalid)?;
    Ok(desk.ledger.find_transfer(&id).await?.is_some())
}

fn batch(of: &Movement<'_>, topup: &AccountId, wallet: &AccountId) -> Result<Batch, Invalid> {
    let is_given = of.amount > 0;
    let (debit, credit) = if is_given {
        (topup, wallet)
    } else {
        (wallet, topup)
    };
    Batch::new(vec![Transfer {
        id: TransferId::new(of.id)?,
        debit: debit.clone(),
        credit: credit.clone(),
        amount: Amount::new(of.amount.unsigned_abs())?,
        currency: Currency::Coins,
        kind: Kind::new(if is_given { BOUGHT } else { TAKEN_BACK })?,
        reference: Reference::new(of.reference)?,
        reverses: None,
    }])
}

async fn open(desk: &Desk, id: AccountId, overdraft: bool) -> Result<(), Problem> {
    let account = NewAccount {
        id,
        currency: Currency::Coins,
        overdraft,
    };
    desk.ledger.open_account(account, now()).await?;
    Ok(())
}

fn invalid(error: Invalid) -> Problem {
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    Problem::new(status, "bad-amount", error.to_string())
}
