//! Gifts that are given and refused, in tables.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::money::AMOUNT_MAX;
use crate::node::Unkept;
use crate::weir::filter::types::User;

/// A node without a clock: so many tokens are left.
struct Fake {
    tokens: Result<u32, Unkept>,
    keys: Vec<String>,
    warnings: usize,
}

impl Fake {
    fn new() -> Self {
        Self {
            tokens: Ok(u32::MAX),
            keys: Vec::new(),
            warnings: 0,
        }
    }
}

impl Node for Fake {
    fn take_token(&mut self, key: &str, _: u32, _: u32) -> Result<Option<u32>, Unkept> {
        self.keys.push(key.to_owned());
        let tokens = self.tokens?;
        self.tokens = Ok(tokens.saturating_sub(1));
        Ok((tokens == 0).then_some(1200))
    }

    /// Not a hash, but different for what is different.
    fn sha256(&mut self, data: &[u8]) -> Vec<u8> {
        let mut sum = [0u8; 16];
        for (at, byte) in data.iter().enumerate() {
            sum[at % 16] = sum[at % 16].wrapping_mul(31).wrapping_add(*byte);
        }
        sum.to_vec()
    }

    fn warn(&mut self, _: &str) {
        self.warnings += 1;
    }
}

fn config(more: Value) -> Config {
    let mut document = json!({ "items": [
        { "id": "rose", "name": "Rose", "price": 100, "emoji": "R", "tier": "small" },
        { "id": "rocket", "name": "Rocket", "price": 1000, "emoji": "", "tier": "huge",
          "combo": false, "duration_ms": 8000, "asset": "rocket.webp" },
        { "id": "crown", "name": "Crown", "price": 1, "emoji": "C", "tier": "big",
          "for_roles": ["vip", "subscriber"] },
        { "id": "egg", "name": "Egg", "price": 1, "emoji": "E", "tier": "small", "retired": true },
    ] });
    for (key, value) in more.as_object().expect("an object") {
        document[key] = value.clone();
    }
    Config::parse(&document.to_string()).expect("good")
}

fn context(attrs: &[(&str, &str)]) -> Context {
    let attrs = attrs.iter().map(|(key, value)| Attr {
        key: (*key).to_owned(),
        value: (*value).to_owned(),
    });
    Context {
        request_id: "r1".to_owned(),
        tenant: String::new(),
        room: "demo".to_owned(),
        now_ms: 0,
        deadline_ms: 50,
        shadow: false,
        attrs: attrs.collect(),
    }
}

fn gift(item: &str, count: u32) -> Gift {
    Gift {
        id: "g1".to_owned(),
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

fn by(roles: Roles, gift: Gift) -> Gift {
    let sender = User {
        roles,
        ..gift.sender
    };
    Gift { sender, ..gift }
}

fn noted(note: &str, gift: Gift) -> Gift {
    Gift {
        note: Some(note.to_owned()),
        ..gift
    }
}

fn judged(gift: &Gift) -> Result<Option<Plan>, &'static str> {
    judge(&config(json!({})), &mut Fake::new(), &context(&[]), gift)
        .map_err(|refusal| refusal.code())
}

/// The transfers, for short.
fn moved(plan: &Plan) -> Vec<(&str, &str, &str, u64, &str)> {
    plan.transfers
        .iter()
        .map(|it| {
            (
                it.idempotency_key.as_str(),
                it.debit.as_str(),
                it.credit.as_str(),
                it.amount,
                it.currency.as_str(),
            )
        })
        .collect()
}

#[test]
fn the_house_is_paid_and_the_room_earns() {
    let plan = judged(&gift("rose", 2)).expect("given").expect("ours");
    assert_eq!((plan.total, plan.currency.as_str()), (200, "coin"));
    assert_eq!(
        moved(&plan),
        [
            ("g1/pay", "u-ana", "filter:gifts", 200, "coin"),
            ("g1/earn", "filter:gifts:issue", "room:demo", 100, "diamond"),
        ]
    );
    let animation = plan.animation.expect("an animation");
    assert_eq!(
        animation.payload,
        r#"{"emoji":"R","name":"Rose","tier":"small"}"#
    );
    assert_eq!((animation.asset.as_str(), animation.layer), ("", 0));
    assert!(plan.commands.is_empty());

    let plan = judged(&gift("rocket", 1)).expect("given").expect("ours");
    assert!(plan.combo.is_none());
    let animation = plan.animation.expect("an animation");
    assert_eq!(
        (
            animation.asset.as_str(),
            animation.layer,
            animation.duration_ms
        ),
        ("rocket.webp", 2, 8000)
    );
}

#[test]
fn what_is_too_little_is_not_earned() {
    for (percent, house) in [(0, "filter:gifts"), (50, "filter:eu")] {
        let config = config(json!({ "earned_percent": percent, "house": house,
            "items": [{ "id": "egg", "name": "Egg", "price": 1, "emoji": "E", "tier": "small" }] }));
        let plan = judge(&config, &mut Fake::new(), &context(&[]), &gift("egg", 1));
        let plan = plan.expect("given").expect("ours");
        assert_eq!(moved(&plan), [("g1/pay", "u-ana", house, 1, "coin")]);
    }
}

#[test]
fn who_may_give_what() {
    let rose = || gift("rose", 1);
    for (gift, expected) in [
        (rose(), Ok(true)),
        (gift("unicorn", 1), Ok(false)),
        (gift("egg", 1), Err("retired")),
        (gift("crown", 1), Err("missing-role")),
        (by(Roles::VIP, gift("crown", 1)), Ok(true)),
        (by(Roles::MODERATOR, gift("crown", 1)), Err("missing-role")),
        (by(Roles::BROADCASTER, rose()), Err("self-gift")),
        (
            by(Roles::BROADCASTER | Roles::STAFF, rose()),
            Err("self-gift"),
        ),
        // What is not ours is another filter's to refuse.
        (by(Roles::BROADCASTER, gift("unicorn", 1)), Ok(false)),
        (
            Gift {
                recipient: "u-ana".to_owned(),
                ..rose()
            },
            Err("self-gift"),
        ),
        (gift("rose", 0), Err("count")),
        (gift("rose", 999), Ok(true)),
        (gift("rose", 1000), Err("count")),
        (gift("rose", u32::MAX), Err("count")),
        (by(Roles::MUTED, rose()), Ok(true)),
        (noted("for you", rose()), Ok(true)),
        (noted("", by(Roles::MUTED, rose())), Ok(true)),
        (noted("hi", by(Roles::MUTED, rose())), Err("muted")),
        (noted("a\u{202E}b", rose()), Err("note-tricks")),
        (noted(&"x".repeat(141), rose()), Err("note-too-long")),
    ] {
        let got = judged(&gift).map(|plan| plan.is_some());
        assert_eq!(got, expected, "{gift:?}");
    }
}

#[test]
fn too_much_is_refused_and_not_wrapped() {
    let most = (1u64 << 53) - 1;
    let config = config(json!({ "count_max": 1_000_000,
        "items": [{ "id": "sun", "name": "Sun", "price": most, "emoji": "S", "tier": "huge" }] }));
    for (count, given) in [(1, true), (1024, true), (1025, false), (1_000_000, false)] {
        let got = judge(
            &config,
            &mut Fake::new(),
            &context(&[]),
            &gift("sun", count),
        );
        assert_eq!(got.is_ok(), given, "{count}");
        if !given {
            assert_eq!(got.expect_err("refused"), Refusal::TooMuch);
        }
    }
}

#[test]
fn a_room_can_take_no_gifts() {
    let config = config(json!({}));
    for (attrs, off) in [
        (vec![], false),
        (vec![("gifts", "off")], true),
        (vec![("gifts", "on")], false),
        (vec![("gifts", "")], false),
        (vec![("room-settings", r#"{"gifts":"off"}"#)], true),
        (vec![("room-settings", r#"{"gifts":false}"#)], true),
        (vec![("room-settings", r#"{"gifts":0}"#)], true),
        (vec![("room-settings", r#"{"slow_mode_s":5}"#)], false),
        (vec![("room-settings", "{")], false),
        (
            vec![("room-settings", r#"{"gifts":"off"}"#), ("gifts", "on")],
            false,
        ),
    ] {
        let ctx = context(&attrs);
        let got = judge(&config, &mut Fake::new(), &ctx, &gift("rose", 1));
        assert_eq!(got.err() == Some(Refusal::Off), off, "{attrs:?}");
        assert_eq!(catalog(&config, &ctx).is_empty(), off, "{attrs:?}");
    }
}

#[test]
fn the_catalogue_has_what_can_be_given() {
    let items = catalog(&config(json!({})), &context(&[]));
    let ids: Vec<&str> = items.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(ids, ["rose", "rocket", "crown"]);
    let attrs = |at: usize| -> Vec<(&str, &str)> {
        let attrs = items[at].attrs.iter();
        attrs
            .map(|it| (it.key.as_str(), it.value.as_str()))
            .collect()
    };
    assert_eq!(
        attrs(0),
        [
            ("emoji", "R"),
            ("tier", "small"),
            ("combo", "yes"),
            ("duration_ms", "3000")
        ]
    );
    assert_eq!(attrs(1)[2], ("combo", "no"));
    assert_eq!(attrs(2)[4], ("for_roles", "subscriber vip"));
    assert_eq!(items[1].animation, "rocket.webp");
}

#[test]
fn taps_are_bounded_for_each_user() {
    let config_of = |per_minute: u32| config(json!({ "taps_per_minute": per_minute }));
    let mut node = Fake::new();
    node.tokens = Ok(2);
    let mut give = |item: &str, config: &Config| {
        judge(config, &mut node, &context(&[]), &gift(item, 1)).map(|plan| plan.is_some())
    };
    let config = config_of(60);
    assert_eq!(give("rose", &config), Ok(true));
    // What is refused counts; what is not ours does not.
    assert_eq!(give("egg", &config), Err(Refusal::Retired));
    assert_eq!(give("unicorn", &config), Ok(false));
    let too_fast = Refusal::TooFast {
        retry_after_ms: 1200,
    };
    assert_eq!(give("rose", &config), Err(too_fast));
    assert_eq!(give("rose", &config_of(0)), Ok(true));
    assert_eq!(node.keys, ["taps:u-ana"; 3]);

    node.tokens = Err(Unkept);
    let mut long = gift("rose", 1);
    long.sender.id = "x".repeat(600);
    let got = judge(&config, &mut node, &context(&[]), &long);
    assert!(got.is_ok(), "what a node cannot count it does not bound");
    assert_eq!(node.warnings, 1);
    assert!(node.keys[3].len() < 64, "{}", node.keys[3]);
}

#[test]
fn a_series_has_one_id() {
    let combo_of = |sender: &str, item: &str, recipient: &str, so_far: u32| {
        let mut gift = gift(item, 3);
        sender.clone_into(&mut gift.sender.id);
        recipient.clone_into(&mut gift.recipient);
        gift.combo_so_far = so_far;
        combo(&config(json!({})), &mut Fake::new(), &gift)
    };
    let first = combo_of("a", "rose", "room:x", 0);
    let second = combo_of("a", "rose", "room:x", 3);
    assert_eq!(first.id, second.id);
    assert_eq!((first.count, second.count, first.window_ms), (3, 6, 5000));
    assert_eq!(combo_of("a", "rose", "room:x", u32::MAX).count, u32::MAX);
    for (sender, item, recipient) in [
        ("b", "rose", "room:x"),
        ("a", "rocket", "room:x"),
        ("a", "rose", "room:y"),
        ("ar", "ose", "room:x"),
        ("a", "roseroom", ":x"),
    ] {
        assert_ne!(combo_of(sender, item, recipient, 0).id, first.id);
    }
}

proptest! {
    /// As the ledger sees it: what the sender loses the house gets, what a room gets is issued, in
    /// another currency, and nobody else is touched.
    #[test]
    fn a_plan_adds_up(price in 1u64..1 << 53, count in 0u32..2_000_000, percent in 0u8..=100) {
        let config = config(json!({ "count_max": 1_000_000, "earned_percent": percent,
            "items": [{ "id": "sun", "name": "Sun", "price": price, "emoji": "S", "tier": "huge" }] }));
        let exact = u128::from(price) * u128::from(count);
        let judged = judge(&config, &mut Fake::new(), &context(&[]), &gift("sun", count));
        let Ok(Some(plan)) = judged else {
            let fits = (1..=1_000_000).contains(&count) && exact <= u128::from(AMOUNT_MAX);
            prop_assert!(!fits, "{:?}", judged.err());
            return Ok(());
        };
        let mut balances = BTreeMap::<(&str, &str), i128>::new();
        for it in &plan.transfers {
            prop_assert!(it.amount > 0 && it.amount <= AMOUNT_MAX);
            let amount = i128::from(it.amount);
            *balances.entry((&it.currency, &it.debit)).or_default() -= amount;
            *balances.entry((&it.currency, &it.credit)).or_default() += amount;
        }
        let of = |currency, account| balances.get(&(currency, account)).copied().unwrap_or(0);
        prop_assert_eq!(u128::from(plan.total), exact);
        prop_assert_eq!(of("coin", "u-ana"), -i128::from(plan.total));
        prop_assert_eq!(of("coin", "filter:gifts"), i128::from(plan.total));
        let earned = of("diamond", "room:demo");
        prop_assert_eq!(earned, -of("diamond", "filter:gifts:issue"));
        prop_assert_eq!(earned.unsigned_abs(), exact * u128::from(percent) / 100);
        let touched = if earned == 0 { 2 } else { 4 };
        prop_assert_eq!(balances.len(), touched);
    }
}
