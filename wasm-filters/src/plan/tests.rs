//! Plans and commands, in tables.

use super::*;
use crate::contract::gifts::{Animation, Combo};
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
            PlanError::Overflow("coin".to_owned()),
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

/// `amount` of diamonds.
fn diamonds(key: &str, debit: &str, credit: &str, amount: u64) -> Transfer {
    Transfer {
        currency: "diamond".to_owned(),
        ..transfer(key, debit, credit, amount)
    }
}

/// The sender pays 100 coins, and this happens beside it.
fn beside(more: Vec<Transfer>) -> Plan {
    let mut transfers = vec![transfer("g7/1", "ada", "filter:gifts", 100)];
    transfers.extend(more);
    plan(100, transfers)
}

#[test]
fn a_filter_gives_another_currency_of_its_own_to_the_recipient() {
    for more in [
        vec![diamonds("g7/2", "filter:gifts:issue", "grace", 50)],
        vec![diamonds(
            "g7/2",
            "filter:gifts:issue",
            "filter:gifts:jackpot",
            50,
        )],
        vec![diamonds("g7/2", "filter:gifts", "grace", 50)],
        // Amounts are summed by currency: none of these has anything to do with the other.
        vec![
            diamonds("g7/2", "filter:gifts:issue", "grace", u64::MAX),
            Transfer {
                currency: "ruby".to_owned(),
                ..transfer("g7/3", "filter:gifts", "grace", u64::MAX)
            },
        ],
    ] {
        assert_eq!(check(&beside(more.clone())), Ok(()), "{more:?}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn another_currency_is_no_way_around_the_rules() {
    let issue = |credit| vec![diamonds("g7/2", "filter:gifts:issue", credit, 50)];
    let to_stranger = |to: &str| PlanError::Credit {
        to: to.to_owned(),
        is: "diamond".to_owned(),
        plan: "coin".to_owned(),
    };
    let from = |debit: &str| PlanError::Debit(debit.to_owned());
    let by_sender = PlanError::Currency {
        is: "diamond".to_owned(),
        plan: "coin".to_owned(),
    };
    let half = u64::MAX / 2 + 1;
    for (more, error) in [
        // Money for strangers, for the sender, for other filters.
        (issue("mallory"), to_stranger("mallory")),
        (issue("ada"), to_stranger("ada")),
        (issue("filter:giftsy"), to_stranger("filter:giftsy")),
        (issue("filter:other"), to_stranger("filter:other")),
        (issue("grace2"), to_stranger("grace2")),
        // Money of others: a stranger's, the recipient's own, another filter's.
        (
            vec![diamonds("g7/2", "bob", "filter:gifts", 50)],
            from("bob"),
        ),
        (
            vec![diamonds("g7/2", "grace", "filter:gifts", 50)],
            from("grace"),
        ),
        (
            vec![diamonds("g7/2", "filter:other:issue", "grace", 50)],
            from("filter:other:issue"),
        ),
        (
            vec![diamonds("g7/2", "filter:giftsy", "grace", 50)],
            from("filter:giftsy"),
        ),
        // What `total` does not say.
        (
            vec![diamonds("g7/2", "ada", "grace", 50)],
            by_sender.clone(),
        ),
        (
            vec![diamonds("g7/2", "ada", "filter:gifts", 50)],
            by_sender.clone(),
        ),
        // An account that reads as a currency and an owner in another place.
        (
            vec![Transfer {
                currency: "coin:filter".to_owned(),
                ..diamonds("g7/2", "filter:gifts", "grace", 50)
            }],
            PlanError::CurrencyName("coin:filter".to_owned()),
        ),
        (
            vec![
                diamonds("g7/2", "filter:gifts:issue", "grace", half),
                diamonds("g7/3", "filter:gifts:issue", "grace", half),
            ],
            PlanError::Overflow("diamond".to_owned()),
        ),
        // One key for two currencies.
        (
            vec![diamonds("g7/1", "filter:gifts:issue", "grace", 50)],
            PlanError::KeyTwice("g7/1".to_owned()),
        ),
        (
            vec![diamonds("g71", "filter:gifts:issue", "grace", 50)],
            PlanError::Key {
                key: "g71".to_owned(),
            },
        ),
        (
            vec![diamonds("g7/2", "filter:gifts:issue", "grace", 0)],
            PlanError::Nothing("diamond".to_owned()),
        ),
    ] {
        assert_eq!(check(&beside(more.clone())), Err(error), "{more:?}");
    }
    // Nor is it enough to say that the plan is in the other one.
    let mut turned = beside(issue("grace"));
    turned.currency = "diamond".to_owned();
    assert_eq!(
        check(&turned),
        Err(PlanError::Currency {
            is: "coin".to_owned(),
            plan: "diamond".to_owned()
        })
    );
}

#[test]
fn nobody_gives_in_the_name_of_a_filter() {
    // Else what this pays could be what another filter owns.
    for id in ["filter:gifts", "filter:other", "filter:gifts:issue"] {
        let mut gift = gift();
        id.clone_into(&mut gift.sender.id);
        let taken = plan(7, vec![transfer("g7", id, "grace", 7)]);
        assert_eq!(
            check_plan(&filter(), &gift, &taken, 4),
            Err(PlanError::Sender(id.to_owned()))
        );
    }
}

#[test]
fn a_gift_and_its_plan_go_over_the_wire() {
    let mut gift = gift();
    gift.sender.roles = Roles::VIP | Roles::MODERATOR;
    let mut with = beside(vec![diamonds("g7/2", "filter:gifts:issue", "grace", 50)]);
    with.combo = Some(Combo {
        id: "c".to_owned(),
        count: 2,
        window_ms: 5000,
    });
    with.animation = Some(Animation {
        asset: String::new(),
        duration_ms: 1,
        layer: 0,
        payload: "{}".to_owned(),
    });
    with.commands = vec![
        Command::Audit("x".to_owned()),
        Command::RestrictChat(Some(Roles::VIP)),
    ];
    let json = serde_json::to_string(&(&gift, &with)).unwrap();
    let back: (Gift, Plan) = serde_json::from_str(&json).unwrap();
    assert_eq!(back, (gift.clone(), with));
    assert_eq!(check_plan(&filter(), &back.0, &back.1, 4), Ok(()));
    assert_eq!(
        serde_json::to_value(&gift).unwrap()["sender"]["roles"],
        serde_json::json!(["vip", "moderator"])
    );
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
fn a_page_can_draw_a_gift_by_itself() {
    let mut with = plan(0, Vec::new());
    for (asset, ok) in [
        (String::new(), true),
        ("x".repeat(NAME_BYTES_MAX), true),
        ("x".repeat(NAME_BYTES_MAX + 1), false),
    ] {
        with.animation = Some(Animation {
            asset,
            duration_ms: 1,
            layer: 0,
            payload: String::new(),
        });
        assert_eq!(check(&with).is_ok(), ok);
    }
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
