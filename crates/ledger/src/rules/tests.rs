//! The rules against a naive model, over random writes with few ids, so that they collide.

mod memory;
mod model;

use std::sync::Arc;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::account::{NewAccount, NewHold};
use crate::batch::{Batch, Message, Posted, Transfer};
use crate::money::{Amount, Currency, Timestamp};
use crate::op::{Answer, Op};
use crate::text::{AccountId, HoldId, Kind, Reference, TransferId};
use memory::Memory;
use model::Model;

/// Two viewers, the house, two broadcasters' accounts, the issuance, one of the wrong policy, and
/// one that nobody opens.
const ACCOUNTS: [(&str, Currency, bool); 8] = [
    ("a", Currency::Coins, false),
    ("b", Currency::Coins, false),
    ("house", Currency::Coins, true),
    ("c", Currency::Diamonds, false),
    ("d", Currency::Diamonds, false),
    ("issuance", Currency::Diamonds, true),
    ("spare", Currency::Coins, true),
    ("nobody", Currency::Coins, false),
];

const AMOUNTS: [u64; 7] = [1, 2, 5, 10, 50, i64::MAX as u64 - 3, i64::MAX as u64];

fn account(index: usize) -> AccountId {
    AccountId::new(ACCOUNTS[index].0).expect("an id")
}

fn new_account(index: usize) -> NewAccount {
    NewAccount {
        id: account(index),
        currency: ACCOUNTS[index].1,
        overdraft: ACCOUNTS[index].2,
    }
}

/// A write to be, before it is known what is there to be reversed.
#[derive(Clone, Debug)]
enum Wish {
    Op(Op),
    /// One of those before, counted from the last.
    Repeat(usize),
    Reverse {
        of: TransferId,
        id: TransferId,
        part: bool,
        less: bool,
    },
}

fn transfer_id() -> impl Strategy<Value = TransferId> {
    (0..14).prop_map(|n| TransferId::new(&format!("t{n}")).expect("an id"))
}

fn hold_id() -> impl Strategy<Value = HoldId> {
    (0..6).prop_map(|n| HoldId::new(&format!("h{n}")).expect("an id"))
}

fn amount() -> impl Strategy<Value = Amount> {
    prop_oneof![8 => 0_usize..5, 1 => 5_usize..7]
        .prop_map(|index| Amount::new(AMOUNTS[index]).expect("an amount"))
}

fn transfer() -> impl Strategy<Value = Transfer> {
    let accounts = prop_oneof![
        4 => Just((2, 0)), 2 => Just((2, 1)), 4 => Just((0, 2)), 2 => Just((1, 2)),
        2 => Just((5, 3)), 2 => Just((5, 4)), 1 => Just((3, 5)), 1 => (0_usize..8, 0_usize..8),
    ];
    let currency = prop_oneof![9 => Just(None), 1 => Just(Some(Currency::Diamonds))];
    (transfer_id(), accounts, amount(), currency).prop_map(
        |(id, (debit, credit), amount, other)| Transfer {
            id,
            debit: account(debit),
            credit: account(credit),
            amount,
            currency: other.unwrap_or(ACCOUNTS[debit].1),
            kind: Kind::new("test").expect("a kind"),
            reference: Reference::default(),
            reverses: None,
        },
    )
}

fn batch() -> impl Strategy<Value = Option<Batch>> {
    let posts = prop_oneof![4 => Just(None), 2 => hold_id().prop_map(Some)];
    (vec(transfer(), 1..4), posts, 0_usize..3).prop_map(|(transfers, posts, messages)| {
        let message = Message {
            topic: Reference::default(),
            payload: Bytes::from_static(b"told"),
        };
        let batch = Batch::new(transfers).ok()?;
        let batch = batch.with_messages(vec![message; messages]).expect("few");
        Some(match posts {
            Some(hold) => batch.posting(hold),
            None => batch,
        })
    })
}

fn wish() -> impl Strategy<Value = Option<Wish>> {
    let commit = batch().prop_map(|batch| Some(Wish::Op(Op::Commit(Arc::new(batch?)))));
    let hold = (
        hold_id(),
        prop_oneof![4 => 0_usize..3, 1 => 3_usize..8],
        amount(),
        0_u64..300,
    )
        .prop_map(|(id, of, amount, expires)| {
            Some(Wish::Op(Op::Hold(Arc::new(NewHold {
                id,
                account: account(of),
                amount,
                currency: ACCOUNTS[of].1,
                expires_ms: Timestamp::from_millis(expires),
                kind: Kind::new("test").expect("a kind"),
                reference: Reference::default(),
            }))))
        });
    let void = hold_id().prop_map(|id| Some(Wish::Op(Op::Void(id))));
    let reverse = (transfer_id(), transfer_id(), any::<[u8; 2]>()).prop_map(|(of, id, dice)| {
        let [part, less] = dice.map(|die| die < 50);
        Some(Wish::Reverse { of, id, part, less })
    });
    let open = (0_usize..7).prop_map(|index| Some(Wish::Op(Op::Open(new_account(index)))));
    let repeat = (0_usize..12).prop_map(|back| Some(Wish::Repeat(back)));
    let expire = Just(Some(Wish::Op(Op::Expire)));
    let delivered = (0_u64..20).prop_map(|seq| Some(Wish::Op(Op::Delivered(seq))));
    prop_oneof![
        10 => commit, 5 => hold, 2 => repeat, 2 => void, 3 => reverse, 1 => open, 1 => expire, 1 => delivered,
    ]
}

/// The mirror image of what is there, or nearly.
fn reversal(original: &[Posted], id: &TransferId, part: bool, less: bool) -> Option<Op> {
    let kind = Kind::new("refund").expect("a kind");
    let whole = Batch::reversing(original, id, &kind, &Reference::default()).ok()?;
    let mut transfers = whole.transfers().to_vec();
    if part {
        transfers.truncate(1);
    }
    if less {
        let first = &mut transfers[0];
        first.amount = Amount::new(first.amount.units() / 2).ok()?;
    }
    Some(Op::Commit(Arc::new(Batch::new(transfers).ok()?)))
}

fn kind_of(answer: &Result<Answer, crate::Error>) -> &'static str {
    let new = |new| if new { "new" } else { "already" };
    match answer {
        Ok(Answer::Opened(outcome)) => new(outcome.is_new()),
        Ok(Answer::Committed(outcome)) => new(outcome.is_new()),
        Ok(Answer::Held(outcome)) => new(outcome.is_new()),
        Ok(Answer::Expired(_) | Answer::Delivered) => "new",
        Err(_) => "refused",
    }
}

fn run(groups: Vec<Vec<(Option<Wish>, u64)>>, unopened: bool) {
    let (mut memory, mut model) = (Memory::default(), Model::default());
    if !unopened {
        let opening: Vec<_> = (0..7)
            .map(|n| (Op::Open(new_account(n)), Timestamp::default()))
            .collect();
        let _ = memory.group(&opening);
        for (op, now) in &opening {
            model.apply(op, *now);
        }
    }
    let mut earlier: Vec<Op> = Vec::new();
    for group in groups {
        let ops: Vec<(Op, Timestamp)> = group
            .into_iter()
            .filter_map(|(wish, now)| {
                let op = match wish? {
                    Wish::Op(op) => op,
                    Wish::Repeat(back) => earlier.iter().rev().nth(back).cloned()?,
                    Wish::Reverse { of, id, part, less } => {
                        reversal(&memory.linked(&of), &id, part, less)?
                    }
                };
                Some((op, Timestamp::from_millis(now)))
            })
            .collect();
        earlier.extend(ops.iter().map(|(op, _)| op.clone()));
        let answers = memory.group(&ops);
        for ((op, now), answer) in ops.iter().zip(&answers) {
            let expected = model.apply(op, *now);
            assert_eq!(kind_of(answer), expected, "{op:?} at {now:?}: {answer:?}");
        }
        let report = memory.verify();
        assert!(report.is_clean(), "{:?}", report.differences);
        for index in 0..7 {
            let id = account(index);
            assert_eq!(memory.state(&id), model.state(&id), "{id}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_000,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(5),
        ..ProptestConfig::default()
    })]

    #[test]
    fn rules_agree_with_a_naive_model(
        groups in vec(vec((wish(), 0_u64..100), 1..6), 1..25),
        unopened in prop_oneof![9 => Just(false), 1 => Just(true)],
    ) {
        run(groups, unopened);
    }
}

#[test]
fn a_transfer_may_be_reversed_within_the_group_it_is_committed_in() {
    let mut memory = Memory::default();
    let now = Timestamp::from_millis(1);
    let transfer = Transfer {
        id: TransferId::new("first").expect("an id"),
        debit: account(2),
        credit: account(0),
        amount: Amount::new(7).expect("an amount"),
        currency: Currency::Coins,
        kind: Kind::new("test").expect("a kind"),
        reference: Reference::default(),
        reverses: None,
    };
    let posted = Posted {
        seq: 1,
        batch: 1,
        at_ms: now,
        transfer: transfer.clone(),
    };
    let again = TransferId::new("back").expect("an id");
    let back = reversal(std::slice::from_ref(&posted), &again, false, false).expect("a reversal");
    let other = TransferId::new("twice").expect("an id");
    let twice = reversal(&[posted], &other, false, false).expect("a reversal");
    // Enough for both: the second must not be refused for want of coins.
    let more = Transfer {
        id: TransferId::new("more").expect("an id"),
        ..transfer.clone()
    };
    let more = Op::Commit(Arc::new(Batch::new(vec![more]).expect("a batch")));
    let first = Op::Commit(Arc::new(Batch::new(vec![transfer]).expect("a batch")));
    let group = [
        (Op::Open(new_account(0)), now),
        (Op::Open(new_account(2)), now),
        (more, now),
        (first, now),
        (back, now),
        (twice, now),
    ];
    let answers = memory.group(&group);
    let kinds: Vec<_> = answers.iter().map(kind_of).collect();
    assert_eq!(kinds, ["new", "new", "new", "new", "new", "refused"]);
    let again = crate::ReversalProblem::Again;
    let last = answers.last().expect("six");
    assert!(matches!(last, Err(crate::Error::Reversal { problem, .. }) if *problem == again));
    assert_eq!(memory.state(&account(0)), Some((7, 0)));
    assert!(memory.verify().is_clean());
}
