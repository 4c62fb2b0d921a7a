//! The gifts filter on the host: what it plans is what the host takes, at whatever price.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::json;
use wasm_filters::call::CallContext;
use wasm_filters::contract::gifts::{Decision, Gift, Plan};
use wasm_filters::contract::types::{Roles, User};
use wasm_filters::manifest::FilterName;
use wasm_filters::plan::check_plan;

use crate::filter::Filter;

/// The ledger's greatest amount.
const AMOUNT_MAX: u64 = i64::MAX.unsigned_abs();

fn context() -> CallContext {
    CallContext {
        request_id: "test".to_owned(),
        tenant: String::new(),
        room: "demo".to_owned(),
        now_ms: 1_767_225_600_000,
        deadline: Instant::now() + Duration::from_secs(10),
        shadow: false,
        attrs: Vec::new(),
    }
}

fn gift(item: &str, count: u32) -> Gift {
    Gift {
        id: "0a1b2c".to_owned(),
        sender: User {
            id: "u-ana".to_owned(),
            name: "Ana".to_owned(),
            roles: Roles::empty(),
            level: 0,
            attrs: Vec::new(),
        },
        recipient: "room:demo".to_owned(),
        item: item.to_owned(),
        count,
        note: None,
        combo_so_far: 0,
        attrs: Vec::new(),
    }
}

/// What the filter plans under these settings, if it does not refuse.
async fn plan(filter: &Filter, percent: u64, price: u64, count: u32) -> Option<Plan> {
    let item = json!({ "id": "sun", "name": "Sun", "price": price, "emoji": "S", "tier": "huge" });
    let config = json!({ "count_max": 1_000_000, "earned_percent": percent, "items": [item] });
    let version = filter.unhurried(Some(&config));
    let decision = version.on_gift(&context(), &gift("sun", count)).await;
    match decision.expect("an answer") {
        Decision::Accept(plan) => Some(plan),
        Decision::Reject(refusal) => {
            assert!(["count", "too-much"].contains(&refusal.code.as_str()));
            None
        }
        Decision::Pass => panic!("it is an item of the filter"),
    }
}

/// The host takes the plan, and nothing is made or lost in it.
fn adds_up(plan: &Plan, percent: u64, price: u64, count: u32) {
    let name: FilterName = "gifts".parse().expect("a name");
    check_plan(&name, &gift("sun", count), plan, 0).expect("a plan that the host takes");
    let exact = u128::from(price) * u128::from(count);
    assert_eq!(u128::from(plan.total), exact);
    let mut pay_and_earn = plan.transfers.iter();
    let pay = pay_and_earn.next().expect("a transfer");
    assert_eq!(
        (pay.debit.as_str(), pay.credit.as_str()),
        ("u-ana", "filter:gifts")
    );
    assert_eq!((pay.amount, pay.currency.as_str()), (plan.total, "coin"));
    let earned = u64::try_from(exact * u128::from(percent) / 100).expect("at most the total");
    let got = pay_and_earn.next().map(|earn| {
        assert_eq!(
            (earn.debit.as_str(), earn.credit.as_str()),
            ("filter:gifts:issue", "room:demo")
        );
        assert_eq!(earn.currency, "diamond");
        earn.amount
    });
    assert_eq!(got, (earned > 0).then_some(earned));
    assert_eq!(pay_and_earn.next(), None);
}

#[tokio::test]
async fn a_plan_at_the_limits() {
    let filter = Filter::open("gifts").await;
    let most = (1 << 53) - 1;
    for (price, count, planned) in [
        (1, 1, true),
        (most, 1, true),
        (most, 1024, true),
        (most, 1025, false),
        (1, 1_000_000, true),
        (1, 1_000_001, false),
        (1, 0, false),
        (1, u32::MAX, false),
    ] {
        for percent in [0, 1, 50, 100] {
            let plan = plan(&filter, percent, price, count).await;
            assert_eq!(plan.is_some(), planned, "{price} {count}");
            if let Some(plan) = plan {
                adds_up(&plan, percent, price, count);
            }
        }
    }
}

#[test]
fn whatever_it_plans_is_taken() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let filter = runtime.block_on(Filter::open("gifts"));
    proptest!(ProptestConfig::with_cases(64), |(
        price in prop_oneof![1u64..1000, 1u64..1 << 53],
        count in prop_oneof![0u32..2000, any::<u32>()],
        percent in 0u64..=100,
    )| {
        match runtime.block_on(plan(&filter, percent, price, count)) {
            Some(plan) => adds_up(&plan, percent, price, count),
            None => prop_assert!(
                !(1..=1_000_000).contains(&count)
                    || u128::from(price) * u128::from(count) > u128::from(AMOUNT_MAX)
            ),
        }
    });
}
