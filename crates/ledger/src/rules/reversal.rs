//! Corrections: a committed batch is taken back whole, once, by its mirror image.

use std::collections::BTreeMap;

use super::Book;
use crate::batch::{Batch, Transfer};
use crate::error::{Error, ReversalProblem};
use crate::text::TransferId;

impl Book {
    /// All transfers of a batch that take back others may do so.
    pub(super) fn check_reversals(&self, batch: &Batch) -> Result<(), Error> {
        // Of each original batch, the number of transfers that are taken back, and one of them.
        let mut taken: BTreeMap<i64, (i64, &TransferId)> = BTreeMap::new();
        let mut seen = Vec::new();
        for transfer in batch.transfers() {
            let Some(id) = &transfer.reverses else {
                continue;
            };
            let refused = |problem| Error::Reversal {
                id: id.clone(),
                problem,
            };
            let original = self.originals.get(id);
            let original = original.ok_or_else(|| refused(ReversalProblem::Unknown))?;
            if original.reversed || seen.contains(&id) {
                return Err(refused(ReversalProblem::Again));
            }
            if original.transfer.reverses.is_some() {
                return Err(refused(ReversalProblem::OfReversal));
            }
            if !mirrors(transfer, &original.transfer) {
                return Err(refused(ReversalProblem::Mismatch));
            }
            seen.push(id);
            taken.entry(original.batch).or_insert((0, id)).0 += 1;
        }
        for (count, id) in taken.into_values() {
            let linked = self.originals.get(id).map(|original| original.linked);
            if linked != Some(count) {
                return Err(Error::Reversal {
                    id: id.clone(),
                    problem: ReversalProblem::Partial,
                });
            }
        }
        Ok(())
    }
}

pub(crate) fn mirrors(reversal: &Transfer, original: &Transfer) -> bool {
    reversal.debit == original.credit
        && reversal.credit == original.debit
        && reversal.amount == original.amount
        && reversal.currency == original.currency
}
