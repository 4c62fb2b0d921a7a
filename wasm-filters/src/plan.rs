//! Whether the effects that a filter asks for may be carried out: gift plans and commands.
//!
//! All or none: one thing that is wrong refuses the whole answer, which then counts as a failure of
//! the filter.
//!
//! **A gift takes money from its sender and from its filter, and from nobody else.** The sender pays
//! in the plan's currency, and `total` says how much. What a filter gives in another currency (what
//! a room earns) comes from an account of its own, and goes to the recipient or to such an account:
//! where the ledger lets an account of a filter go below zero, that is what makes money, and it
//! makes none for strangers. What an account of the ledger is called is not known here: accounts are
//! owners, to which whoever carries a plan out adds the currency.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::IgnoredAny;

use crate::contract::gifts::{Gift, Plan};
use crate::contract::types::{Command, Outgoing, Transfer};
use crate::manifest::FilterName;

/// Most transfers in a plan.
pub const TRANSFERS_MAX: usize = 64;
/// Most bytes of an account, a currency, an idempotency key or a name.
pub const NAME_BYTES_MAX: usize = 256;

/// Why effects are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// More of something than there may be.
    #[error("{count} {what}; {max} is the most")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// The sender pays something else than the plan says.
    #[error("the transfers debit the sender by {debited}, and the total is {total}")]
    Total {
        /// The sum of the transfers.
        debited: u64,
        /// `total`.
        total: u64,
    },
    /// The amounts in one currency do not fit into 64 bits.
    #[error("the amounts in {0:?} add up to 2^64 or more")]
    Overflow(String),
    /// A transfer of nothing.
    #[error("a transfer of 0 {0}")]
    Nothing(String),
    /// The sender pays in another currency than the plan's, of which `total` says nothing.
    #[error("debits the sender in {is:?}, in a plan in {plan:?}")]
    Currency {
        /// The transfer's.
        is: String,
        /// The plan's.
        plan: String,
    },
    /// A currency that could make of an account somebody else's: ids of accounts are a currency, a
    /// colon, and an owner.
    #[error("a colon in the currency {0:?}")]
    CurrencyName(String),
    /// Another currency than the plan's, for somebody who has no part in the gift.
    #[error(
        "credits {to:?} in {is:?}, in a plan in {plan:?}: only the recipient and the filter's own accounts can be"
    )]
    Credit {
        /// Who gets it.
        to: String,
        /// The transfer's currency.
        is: String,
        /// The plan's.
        plan: String,
    },
    /// A sender who is called as an account of a filter is.
    #[error("the sender {0:?} has the name of a filter's account")]
    Sender(String),
    /// A key that could collide with another gift's.
    #[error("the idempotency key {key:?} does not begin with the gift's id and a separator")]
    Key {
        /// The key.
        key: String,
    },
    /// One key for two transfers: the second would not happen.
    #[error("the idempotency key {0:?} is there twice")]
    KeyTwice(String),
    /// Money of somebody who has not been asked.
    #[error("debits {0:?}: only the sender and the filter's own accounts can be debited")]
    Debit(String),
    /// From an account to itself.
    #[error("a transfer from {0:?} to itself")]
    Circle(String),
    /// Money that is moved outside of the plan's transfers.
    #[error(
        "a ledger-transfer among the commands: those of a gift belong into the plan's transfers"
    )]
    TransferCommand,
    /// A name that is empty or too long.
    #[error("{0} has 1 to {NAME_BYTES_MAX} bytes")]
    Name(&'static str),
    /// A payload that is no JSON object.
    #[error("the payload of {0} is no JSON object")]
    Payload(&'static str),
}

/// What the accounts of filters begin with.
const OF_FILTERS: &str = "filter:";

/// Whether an account belongs to a filter: `filter:<name>`, or that and `:` and more.
fn is_own(account: &str, filter: &FilterName) -> bool {
    account
        .strip_prefix(OF_FILTERS)
        .and_then(|rest| rest.strip_prefix(filter.as_str()))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

/// Whether a plan may be carried out for a gift. A pure function of its arguments: whoever carries a
/// plan out that another node checked calls it again.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn check_plan(
    filter: &FilterName,
    gift: &Gift,
    plan: &Plan,
    commands_max: u32,
) -> Result<(), PlanError> {
    at_most("transfers", plan.transfers.len(), TRANSFERS_MAX)?;
    // Else the sender of one gift would be the house of another.
    if gift.sender.id.starts_with(OF_FILTERS) {
        return Err(PlanError::Sender(gift.sender.id.clone()));
    }
    let mut keys = BTreeSet::new();
    let mut sums = BTreeMap::<&str, u64>::new();
    let mut debited = 0;
    for transfer in &plan.transfers {
        check_transfer(filter, gift, plan, transfer)?;
        if !keys.insert(transfer.idempotency_key.as_str()) {
            return Err(PlanError::KeyTwice(transfer.idempotency_key.clone()));
        }
        let sum = sums.entry(transfer.currency.as_str()).or_default();
        *sum = sum
            .checked_add(transfer.amount)
            .ok_or_else(|| PlanError::Overflow(transfer.currency.clone()))?;
        if transfer.debit == gift.sender.id {
            // In the plan's currency, so it is at most that sum, which did not overflow.
            debited += transfer.amount;
        }
    }
    if debited != plan.total {
        return Err(PlanError::Total {
            debited,
            total: plan.total,
        });
    }
    if plan
        .commands
        .iter()
        .any(|command| matches!(command, Command::LedgerTransfer(_)))
    {
        return Err(PlanError::TransferCommand);
    }
    if let Some(animation) = &plan.animation {
        // Empty: the page draws it by the payload.
        at_most(
            "bytes of the animation's asset",
            animation.asset.len(),
            NAME_BYTES_MAX,
        )?;
        payload("the animation", &animation.payload)?;
    }
    check_commands(filter, &plan.commands, commands_max)
}

fn check_transfer(
    filter: &FilterName,
    gift: &Gift,
    plan: &Plan,
    transfer: &Transfer,
) -> Result<(), PlanError> {
    check_names(transfer)?;
    check_parties(filter, gift, plan, transfer)?;
    // "7" must not begin the key of gift "71".
    let key = &transfer.idempotency_key;
    let begins = key.strip_prefix(gift.id.as_str()).is_some_and(|rest| {
        rest.is_empty() || rest.starts_with(|first: char| !first.is_ascii_alphanumeric())
    });
    if !begins {
        return Err(PlanError::Key { key: key.clone() });
    }
    Ok(())
}

/// Whether those two may have this transfer between them.
fn check_parties(
    filter: &FilterName,
    gift: &Gift,
    plan: &Plan,
    transfer: &Transfer,
) -> Result<(), PlanError> {
    let is_plans = transfer.currency == plan.currency;
    if transfer.debit == gift.sender.id {
        if is_plans {
            return Ok(());
        }
        return Err(PlanError::Currency {
            is: transfer.currency.clone(),
            plan: plan.currency.clone(),
        });
    }
    if !is_own(&transfer.debit, filter) {
        return Err(PlanError::Debit(transfer.debit.clone()));
    }
    if is_plans || transfer.credit == gift.recipient || is_own(&transfer.credit, filter) {
        return Ok(());
    }
    Err(PlanError::Credit {
        to: transfer.credit.clone(),
        is: transfer.currency.clone(),
        plan: plan.currency.clone(),
    })
}

fn check_names(transfer: &Transfer) -> Result<(), PlanError> {
    name("an idempotency key", &transfer.idempotency_key)?;
    name("an account", &transfer.debit)?;
    name("an account", &transfer.credit)?;
    name("a currency", &transfer.currency)?;
    if transfer.currency.contains(':') {
        return Err(PlanError::CurrencyName(transfer.currency.clone()));
    }
    if transfer.amount == 0 {
        return Err(PlanError::Nothing(transfer.currency.clone()));
    }
    if transfer.debit == transfer.credit {
        return Err(PlanError::Circle(transfer.debit.clone()));
    }
    Ok(())
}

/// Whether commands may be carried out. A transfer among them may spend what is the filter's own:
/// only a gift spends what is its sender's.
///
/// # Errors
/// The first thing that is wrong with them.
pub fn check_commands(
    filter: &FilterName,
    commands: &[Command],
    commands_max: u32,
) -> Result<(), PlanError> {
    at_most("commands", commands.len(), commands_max as usize)?;
    commands
        .iter()
        .try_for_each(|command| check_command(filter, command))
}

fn check_command(filter: &FilterName, command: &Command) -> Result<(), PlanError> {
    match command {
        Command::Publish(Outgoing {
            kind,
            payload: json,
            ..
        }) => {
            name("a message's kind", kind)?;
            payload("a message", json)
        }
        Command::DeleteMessage(message) => name("a message's id", message),
        Command::PinMessage(message) => message
            .as_ref()
            .map_or(Ok(()), |message| name("a message's id", message)),
        Command::TimeoutUser(sanction) | Command::BanUser(sanction) => {
            name("a user's id", &sanction.user)
        }
        Command::UnbanUser(user) | Command::Disconnect(user) => name("a user's id", user),
        Command::ChangeRoles(change) => name("a user's id", &change.user),
        Command::LedgerTransfer(transfer) => {
            check_names(transfer)?;
            if is_own(&transfer.debit, filter) {
                Ok(())
            } else {
                Err(PlanError::Debit(transfer.debit.clone()))
            }
        }
        Command::Custom(custom) => name("a command's name", &custom.name),
        Command::SlowMode(_) | Command::RestrictChat(_) | Command::Audit(_) => Ok(()),
    }
}

fn at_most(what: &'static str, count: usize, max: usize) -> Result<(), PlanError> {
    if count <= max {
        return Ok(());
    }
    Err(PlanError::TooMany { what, count, max })
}

fn name(what: &'static str, name: &str) -> Result<(), PlanError> {
    if (1..=NAME_BYTES_MAX).contains(&name.len()) {
        return Ok(());
    }
    Err(PlanError::Name(what))
}

/// Empty, or a JSON object.
fn payload(of: &'static str, json: &str) -> Result<(), PlanError> {
    let is_object =
        || json.trim_start().starts_with('{') && serde_json::from_str::<IgnoredAny>(json).is_ok();
    if json.is_empty() || is_object() {
        return Ok(());
    }
    Err(PlanError::Payload(of))
}

#[cfg(test)]
mod tests;
