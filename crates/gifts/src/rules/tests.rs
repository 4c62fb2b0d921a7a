use proptest::prelude::*;
use rooms::schema::{Animation, Body, Combo, Outcome, Publish, Roles, User};
use rooms::{Config, Hub, Saved};

use super::*;
use crate::order::Plan;

const RULES: Rules = Rules {
    issued_percent_max: 100,
};

fn transfer(debit: &str, credit: &str, amount: u64, currency: Currency) -> Transfer {
    Transfer {
        debit: debit.to_owned(),
        credit: credit.to_owned(),
        amount,
        currency,
    }
}

fn order(total: u64, transfers: Vec<Transfer>) -> Order {
    Order {
        id: "g1".to_owned(),
        room: "demo".to_owned(),
        sender: User {
            id: "u-1".to_owned(),
            name: "Ana".to_owned(),
            roles: Roles::NONE,
            level: 0,
        },
        recipient: "room:demo".to_owned(),
        item: "rose".to_owned(),
        count: 2,
        note: None,
        media_ms: None,
        filter: "gifts".to_owned(),
        plan: Plan {
            total,
            currency: Currency::Coin,
            transfers,
            combo: None,
            animation: None,
        },
    }
}

fn good() -> Order {
    order(
        200,
        vec![
            transfer("u-1", "filter:gifts", 200, Currency::Coin),
            transfer("filter:gifts:issue", "room:demo", 100, Currency::Diamond),
        ],
    )
}

#[test]
fn the_shipped_filters_plan_is_money() {
    let moves = good().moves(RULES).unwrap();
    assert_eq!(moves.len(), 2);
    assert_eq!(good().earned(), 100);
    // And without any share of the room.
    let mut plain = good();
    plain.plan.transfers.pop();
    assert_eq!(plain.moves(RULES).unwrap().len(), 1);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table, one entry per trick")]
fn nothing_is_made_and_nobody_else_pays() {
    use Currency::{Coin, Diamond};
    let pays = || transfer("u-1", "filter:gifts", 200, Coin);
    for (name, transfers) in [
        (
            "somebody else",
            vec![pays(), transfer("u-2", "room:demo", 1, Coin)],
        ),
        (
            "another filter",
            vec![pays(), transfer("filter:other", "u-2", 1, Coin)],
        ),
        (
            "a longer name",
            vec![pays(), transfer("filter:gifts2", "u-2", 1, Coin)],
        ),
        (
            "another room",
            vec![pays(), transfer("room:other", "room:demo", 1, Diamond)],
        ),
        (
            "where coins come from",
            vec![pays(), transfer("topup", "u-1", 1, Coin)],
        ),
        (
            "issued coins",
            vec![pays(), transfer("filter:gifts:issue", "u-2", 1, Coin)],
        ),
        (
            "too many diamonds",
            vec![
                pays(),
                transfer("filter:gifts:issue", "room:demo", 150, Diamond),
                transfer("filter:gifts:b:issue", "room:demo", 51, Diamond),
            ],
        ),
        (
            "diamonds for a stranger",
            vec![pays(), transfer("filter:gifts:issue", "u-2", 100, Diamond)],
        ),
        (
            "diamonds of the sender",
            vec![pays(), transfer("u-1", "room:demo", 1, Diamond)],
        ),
        (
            "less than the total",
            vec![transfer("u-1", "filter:gifts", 199, Coin)],
        ),
        (
            "more than the total",
            vec![pays(), transfer("u-1", "room:demo", 1, Coin)],
        ),
        (
            "nothing",
            vec![pays(), transfer("filter:gifts", "room:demo", 0, Coin)],
        ),
        (
            "itself",
            vec![pays(), transfer("filter:gifts", "filter:gifts", 1, Coin)],
        ),
        (
            "no payment",
            vec![transfer("filter:gifts", "room:demo", 1, Coin)],
        ),
        (
            "an overflow",
            vec![transfer("u-1", "filter:gifts", AMOUNT_MAX, Coin); 3],
        ),
        ("no transfer", vec![]),
        (
            "too many transfers",
            vec![transfer("u-1", "filter:gifts", 200, Coin); 65],
        ),
        (
            "more than is counted",
            vec![transfer("u-1", "filter:gifts", AMOUNT_MAX + 1, Coin)],
        ),
        ("no ASCII", vec![transfer("u-1", "röm", 200, Coin)]),
    ] {
        assert!(order(200, transfers).moves(RULES).is_err(), "{name}");
    }
}

#[test]
fn an_order_is_about_its_room() {
    let mut other = good();
    other.recipient = "room:other".to_owned();
    assert_eq!(other.moves(RULES), Err(OrderError::Recipient));
    for sender in ["room:demo", "filter:gifts", "topup", "", "a b"] {
        let mut order = good();
        order.sender.id = sender.to_owned();
        assert!(order.moves(RULES).is_err(), "{sender:?}");
    }
    let mut none = good();
    none.count = 0;
    assert_eq!(none.moves(RULES), Err(OrderError::Count));
}

/// As a room's hub does with what was paid.
fn is_taken(order: &Order) -> bool {
    let hub = Hub::new(&Config::default(), 7, Saved::default(), 1_000, 1);
    let publish = Publish {
        author: order.sender.id.clone(),
        client_id: order.id.clone(),
        media_ms: None,
        body: Body::Gift(order.shown()),
    };
    let outcome = hub.unwrap().publish(1_000, publish);
    matches!(outcome, Outcome::Accepted { .. })
}

/// The largest gift that is paid is one that a room takes; what a room does not take is not paid.
#[test]
fn what_is_paid_can_be_shown() {
    let text = |bytes: usize| "x".repeat(bytes);
    let sized = |id: usize, name: usize, asset: usize, payload: usize| {
        let mut order = good();
        order.sender.name = text(name);
        order.note = Some(text(NOTE_BYTES_MAX));
        order.plan.combo = Some(Combo {
            id: text(id),
            count: u32::MAX,
            window_ms: u32::MAX,
        });
        order.plan.animation = Some(Animation {
            asset: text(asset),
            payload: text(payload),
            duration_ms: u32::MAX,
            layer: u32::MAX,
        });
        order
    };
    let mut largest = sized(128, 128, 512, 4_096);
    largest.id = text(ID_BYTES_MAX);
    largest.item = text(ITEM_BYTES_MAX);
    assert!(largest.moves(RULES).is_ok() && is_taken(&largest));
    for (what, order) in [
        ("a combo without an id", sized(0, 1, 1, 1)),
        ("a combo's long id", sized(129, 1, 1, 1)),
        ("a long name", sized(1, 129, 1, 1)),
        ("a long asset", sized(1, 1, 513, 1)),
        ("a long payload", sized(1, 1, 1, 4_097)),
    ] {
        let refused = matches!(order.moves(RULES), Err(OrderError::Shown(_)));
        assert!(refused && !is_taken(&order), "{what}");
    }
}

#[test]
fn it_is_json_without_anything_unknown() {
    let text = serde_json::to_string(&good()).unwrap();
    assert_eq!(serde_json::from_str::<Order>(&text).unwrap(), good());
    let more = text.replacen("\"total\":200", "\"total\":200,\"free\":true", 1);
    assert!(serde_json::from_str::<Order>(&more).is_err());
}

fn owners() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "u-1",
        "u-2",
        "filter:gifts",
        "filter:gifts:issue",
        "filter:gifts:pot",
        "filter:other:issue",
        "room:demo",
        "topup",
    ])
    .prop_map(str::to_owned)
}

fn amounts() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..300, Just(AMOUNT_MAX), Just(u64::MAX)]
}

proptest! {
    /// Whatever a filter plans: what passes takes from the sender what it says, takes from nobody else, and
    /// issues no coins and no more diamonds than allowed.
    #[test]
    fn what_passes_is_money(
        total in amounts(),
        transfers in prop::collection::vec(
            (owners(), owners(), amounts(), any::<bool>()).prop_map(|(debit, credit, amount, coin)| {
                let currency = if coin { Currency::Coin } else { Currency::Diamond };
                Transfer { debit, credit, amount, currency }
            }),
            0..6,
        ),
        percent in 0u32..200,
    ) {
        let order = order(total, transfers);
        let rules = Rules { issued_percent_max: percent };
        if let Ok(moves) = order.moves(rules) {
            let sum = |of: &dyn Fn(&Move) -> bool| -> u128 {
                moves.iter().filter(|it| of(it)).map(|it| u128::from(it.amount)).sum()
            };
            let senders = sum(&|it| it.debit == "u-1");
            prop_assert_eq!(senders, u128::from(total));
            prop_assert_eq!(sum(&|it| it.debit == "u-1" && it.currency == Currency::Diamond), 0);
            prop_assert_eq!(sum(&|it| it.debit == "u-2" || it.debit == "topup" || it.debit == "room:demo"), 0);
            prop_assert_eq!(sum(&|it| is_issue(&it.debit) && it.currency == Currency::Coin), 0);
            prop_assert!(sum(&|it| is_issue(&it.debit)) <= u128::from(total) * u128::from(percent) / 100);
        }
    }
}
