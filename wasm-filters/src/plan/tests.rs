//! Plans and commands, in tables.

use super::*;
use crate::contract::gifts::Animation;
use crate::contract::types::{CustomCommand, Roles, User};

fn filter() -> FilterName {
    "gifts".parse().unwrap()
}

fn gift() -> Gift {
    Gift {
        id: "g7".to_owned(),
        sender: User {
            id: "ada".to_owned(),
            name: String::new(),
            roles: Roles::empty(),
            level: 0,
            attrs: Vec::new(),
        },
        recipient: "grace".to_owned(),
        item: "rose".to_owned(),
        count: 1,
        note: None,
        combo_so_far: 0,
        attrs: Vec::new(),
    }
}

fn transfer(key: &str, debit: &str, credit: &str, amount: u64) -> Transfer {
    Transfer {
        idempotency_key: key.to_owned(),
        debit: debit.to_owned(),
        credit: credit.to_owned(),
        amount,
        currency: "coin".to_owned(),
        memo: String::new(),
    }
}

fn plan(total: u64, transfers: Vec<Transfer>) -> Plan {
    Plan {
        total,
        currency: "coin".to_owned(),
        transfers,
        combo: None,
        animation: None,
        commands: Vec::new(),
    }
}

fn check(plan: &Plan) -> Result<(), PlanError> {
    check_plan(&filter(), &gift(), plan, 4)
}

#[test]
fn a_plan_that_adds_up_is_taken() {
    let transfers = vec![
        transfer("g7:creator", "ada", "grace", 70),
        transfer("g7:house", "ada", "house", 30),
        // What the filter itself owns it may spend.
        transfer("g7-bonus", "filter:gifts:jackpot", "ada", 5),
    ];
    assert_eq!(check(&plan(100, transfers)), Ok(()));
    // A gift may be free.
    assert_eq!(check(&plan(0, Vec::new())), Ok(()));
    assert_eq!(
        check(&plan(7, vec![transfer("g7", "ada", "grace", 7)])),
        Ok(())
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn money_is_not_made_lost_or_taken_from_others() {
    let both = |first, second| vec![first, second];
    let pay = |key| transfer(key, "ada", "grace", 70);
    let euro = Transfer {
        currency: "euro".to_owned(),
        ..pay("g7")
    };
    let half = u64::MAX / 2 + 1;
    for (total, transfers, error) in [
        (
            99,
            vec![pay("g7")],
            PlanError::Total {
                debited: 70,
                total: 99,
            },
        ),
        (
            0,
            vec![pay("g7")],
            PlanError::Total {
                debited: 70,
                total: 0,
            },
        ),
        (
            140,
            both(pay("g7:a"), pay("g7:a")),
            PlanError::KeyTwice("g7:a".to_owned()),
        ),
        (
            70,
            vec![pay("g8:a")],
            PlanError::Key {
                key: "g8:a".to_owned(),
            },
        ),
        // Gift g71 has keys that begin like this one's.
        (
            70,
            vec![pay("g71")],
            PlanError::Key {
                key: "g71".to_owned(),
            },
        ),
        (
            0,
            vec![transfer("g7", "bob", "ada", 1)],
            PlanError::Debit("bob".to_owned()),
        ),
        (
            0,
            vec![transfer("g7", "filter:giftsy", "ada", 1)],
            PlanError::Debit("filter:giftsy".to_owned()),
        ),
        (
            0,
            vec![transfer("g7", "ada", "grace", 0)],
            PlanError::Nothing("coin".to_owned()),
        ),
        (
            7,
            vec![transfer("g7", "ada", "ada", 7)],
            PlanError::Circle("ada".to_owned()),
        ),
        (
            70,
            vec![euro],
            PlanError::Currency {
                is: "euro".to_owned(),
                plan: "coin".to_owned(),
            },
        ),
        (
            0,
            both(
                transfer("g7:a", "ada", "x", half),
                transfer("g7:b", "ada", "y", half),
            ),
            PlanError::Overflow,
        ),
        (
            0,
            vec![transfer("", "ada", "x", 1)],
            PlanError::Name("an idempotency key"),
        ),
        (
            0,
            vec![transfer("g7", "ada", "", 1)],
            PlanError::Name("an account"),
        ),
    ] {
        assert_eq!(
            check(&plan(total, transfers.clone())),
            Err(error),
            "{total} {transfers:?}"
        );
    }
}

#[test]
fn money_moves_in_the_transfers_of_a_gift_only() {
    let sneaky = Command::LedgerTransfer(transfer("g7:x", "ada", "mallory", 1));
    let mut with = plan(0, Vec::new());
    with.commands = vec![sneaky.clone()];
    assert_eq!(check(&with), Err(PlanError::TransferCommand));
    let in_chat = check_commands(&filter(), &[sneaky], 4);
    assert_eq!(in_chat, Err(PlanError::Debit("ada".to_owned())));
    let own = Command::LedgerTransfer(transfer("k", "filter:gifts", "ada", 1));
    assert_eq!(check_commands(&filter(), &[own], 4), Ok(()));
}

#[test]
fn there_is_a_bound_on_everything() {
    let many: Vec<_> = (0..=TRANSFERS_MAX)
        .map(|place| transfer(&format!("g7:{place}"), "ada", "grace", 1))
        .collect();
    assert!(matches!(
        check(&plan(65, many)),
        Err(PlanError::TooMany {
            what: "transfers",
            ..
        })
    ));
    let audit = vec![Command::Audit("x".to_owned()); 5];
    let refused = check_commands(&filter(), &audit, 4);
    assert_eq!(
        refused,
        Err(PlanError::TooMany {
            what: "commands",
            count: 5,
            max: 4
        })
    );
    let long = Command::Disconnect("x".repeat(NAME_BYTES_MAX + 1));
    assert!(check_commands(&filter(), &[long], 4).is_err());
    let nameless = Command::Custom(CustomCommand {
        name: String::new(),
        payload: "x".to_owned(),
    });
    assert!(check_commands(&filter(), &[nameless], 4).is_err());
}

#[test]
fn a_payload_is_an_object_or_nothing() {
    let mut with = plan(0, Vec::new());
    for (payload, ok) in [
        ("", true),
        ("{}", true),
        (" {\"a\": [1]}", true),
        ("[]", false),
        ("1", false),
        ("{", false),
    ] {
        with.animation = Some(Animation {
            asset: "rose".to_owned(),
            duration_ms: 1,
            layer: 0,
            payload: payload.to_owned(),
        });
        assert_eq!(check(&with).is_ok(), ok, "{payload:?}");
        let say = Command::Publish(Outgoing {
            room: "r".to_owned(),
            to: None,
            kind: "text".to_owned(),
            text: String::new(),
            payload: payload.to_owned(),
        });
        assert_eq!(
            check_commands(&filter(), &[say], 1).is_ok(),
            ok,
            "{payload:?}"
        );
    }
}
