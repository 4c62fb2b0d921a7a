//! Holds: placed, voided, expired. They are posted by batches.

use super::{Book, Draft, closed};
use crate::account::{Hold, HoldState, NewHold};
use crate::error::{Error, HoldProblem};
use crate::limits::HOLDS_PER_ACCOUNT_MAX;
use crate::money::Timestamp;
use crate::op::Outcome;
use crate::rows::AccountRow;
use crate::text::HoldId;

impl Book {
    pub(super) fn hold(&mut self, new: &NewHold, now: Timestamp) -> Result<Outcome<Hold>, Error> {
        let digest = new.digest();
        if let Some(hold) = self.holds.get(&new.id) {
            return if hold.digest == digest {
                Ok(Outcome::Already(hold.clone()))
            } else {
                let id = new.id.to_string();
                Err(Error::Conflict { id })
            };
        }
        let mut draft = Draft::default();
        let row = self.draft(&mut draft, &new.account, now)?;
        if row.account.currency != new.currency {
            return Err(Error::Currency {
                account: new.account.clone(),
                currency: row.account.currency,
            });
        }
        if new.expires_ms <= now {
            return Err(Error::Hold {
                id: new.id.clone(),
                problem: HoldProblem::Expired,
            });
        }
        reserve(row, new)?;
        let hold = Hold {
            id: new.id.clone(),
            account: new.account.clone(),
            amount: new.amount,
            posted: 0,
            expires_ms: new.expires_ms,
            state: HoldState::Open,
            at_ms: now,
            kind: new.kind.clone(),
            reference: new.reference.clone(),
            digest,
        };
        draft.holds.insert(hold.id.clone(), hold.clone());
        self.keep(draft);
        Ok(Outcome::New(hold))
    }

    pub(super) fn void(&mut self, id: &HoldId, now: Timestamp) -> Result<Outcome<Hold>, Error> {
        let refused = |problem| Error::Hold {
            id: id.clone(),
            problem,
        };
        let hold = self.holds.get(id);
        let hold = hold.ok_or_else(|| refused(HoldProblem::Unknown))?;
        match hold.state {
            HoldState::Open => {}
            HoldState::Posted => return Err(refused(HoldProblem::Posted)),
            // What is asked for is so already.
            HoldState::Voided | HoldState::Expired => return Ok(Outcome::Already(hold.clone())),
        }
        let mut draft = Draft::default();
        let account = hold.account.clone();
        let row = self.draft(&mut draft, &account, now)?;
        // It may have expired, and be closed in the draft already.
        let mut hold = hold.clone();
        if hold.expires_ms > now {
            hold = closed(row, &hold, HoldState::Voided, 0)?;
        } else {
            hold.state = HoldState::Expired;
        }
        draft.holds.insert(id.clone(), hold.clone());
        self.keep(draft);
        Ok(Outcome::New(hold))
    }

    /// Closes what has expired, of what was loaded. Answers how many.
    pub(super) fn expire(&mut self, now: Timestamp) -> Result<u64, Error> {
        let over = |hold: &&Hold| hold.state == HoldState::Open && hold.expires_ms <= now;
        let expired: Vec<_> = self.holds.values().filter(over).cloned().collect();
        let mut draft = Draft::default();
        for hold in &expired {
            self.draft(&mut draft, &hold.account, now)?;
        }
        self.keep(draft);
        Ok(expired.len() as u64)
    }
}

fn reserve(row: &mut AccountRow, new: &NewHold) -> Result<(), Error> {
    let available = row.balance.saturating_sub(row.held);
    if available < new.amount.signed() && !row.account.overdraft {
        return Err(Error::Insufficient {
            account: row.account.id.clone(),
            available,
            needed: new.amount.units(),
        });
    }
    if row.holds >= i64::from(HOLDS_PER_ACCOUNT_MAX) {
        return Err(Error::Limit("the open holds of an account"));
    }
    let held = row.held.checked_add(new.amount.signed());
    row.held = held.ok_or(Error::Limit("what is held of an account"))?;
    row.holds += 1;
    Ok(())
}
