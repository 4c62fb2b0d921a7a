//! Givers and screens, against a double of Weir that keeps its word, and against one that does not:
//! what is wrong must be in the report, and nothing else.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod double;

use std::path::PathBuf;
use std::time::Duration;

use double::{Double, Fault, PRICE};
use loadtest::client::Trust;
use loadtest::gifts::{self, Account, Plan, Report};
use loadtest::register;
use rooms::Codec;
use tokio::net::TcpSocket;

const CODECS: [Codec; 2] = [Codec::Json, Codec::Binary];

const SCREENS: usize = 20;

/// How a fault changes the account.
type Change = fn(&mut Account);

fn plan(double: &Double, codec: Codec) -> Plan {
    Plan {
        urls: double.urls.clone(),
        room: "demo".to_owned(),
        codec,
        trust: Trust::Insecure,
        screens: SCREENS,
        ramp: 2_000.0,
        givers: vec!["ada".to_owned(), "bob".to_owned(), "eve".to_owned()],
        item: "rose".to_owned(),
        count: 1,
        rate: 100.0,
        connections: 2,
        in_flight: 64,
        warm_up: Duration::from_millis(200),
        duration: Duration::from_millis(800),
        server_pids: vec![std::process::id()],
        state: None,
    }
}

async fn run(fault: Fault, codec: Codec) -> Report {
    let double = Double::start(fault, 2).await;
    gifts::run(&plan(&double, codec)).await.unwrap()
}

/// A run in which so many gifts are given and shown as they should be.
fn right(given: u64) -> Account {
    Account {
        given,
        coins: given * PRICE,
        ..Account::default()
    }
}

fn file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("weir-loadtest-{}-{name}", std::process::id()))
}

#[tokio::test]
async fn nothing_is_wrong_with_a_server_that_keeps_its_word() {
    for codec in CODECS {
        let double = Double::start(Fault::None, 2).await;
        let path = file(&format!("{codec:?}.json"));
        let mut plan = plan(&double, codec);
        plan.state = Some(path.clone());
        let report = gifts::run(&plan).await.unwrap();
        assert_eq!(report.account, right(100), "{report}");
        assert_eq!((report.connected, report.connected_at_end), (20, 20));
        assert_eq!((report.taps.sent, report.taps.repeats), (100, 0));
        assert_eq!(report.taps.answers["201 given"], 100);
        // What was due in the warm-up is not measured.
        let samples = [report.answered, report.shown, report.last_shown];
        assert_eq!(samples.map(|spread| spread.samples), [80, 1_600, 80]);
        assert!(report.shown.max_ms <= report.last_shown.max_ms, "{report}");
        assert!(report.malformed == 0 && report.ends.is_empty(), "{report}");
        assert!(report.servers[0].cpu_us_per_gift.is_some());

        let state = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let state: serde_json::Value = serde_json::from_slice(&state).unwrap();
        let mut ids: Vec<_> = double.shared.room.lock().paid.values().cloned().collect();
        ids.sort_unstable();
        let mut given: Vec<String> = serde_json::from_value(state["given"].clone()).unwrap();
        given.sort_unstable();
        assert_eq!(given, ids);
        assert_eq!(state["total_coins"], 100 * PRICE);
        let sums = state["givers"].as_array().unwrap();
        let sums: Vec<_> = sums.iter().map(|giver| giver["coins"].as_u64()).collect();
        assert_eq!(sums, [Some(340), Some(330), Some(330)]);
    }
}

#[tokio::test]
async fn each_fault_is_reported_and_no_other() {
    let faults: [(Fault, Change); 5] = [
        (Fault::LoseOne, |account| account.missing = 1),
        (Fault::LoseAll, |account| {
            (account.missing, account.never_shown) = (20, 1);
        }),
        (Fault::Double, |account| account.twice = 1),
        (Fault::OtherId, |account| account.other_id = 1),
        (Fault::Combo, |account| {
            let Account {
                combo_ends,
                combo_taps,
                combo_end_deliveries,
                ..
            } = account;
            (*combo_ends, *combo_taps, *combo_end_deliveries) = (1, 7, 20);
        }),
    ];
    let runs = CODECS.iter().flat_map(|&codec| {
        faults.map(|(fault, change)| async move {
            let report = run(fault, codec).await;
            let mut expected = right(100);
            change(&mut expected);
            assert_eq!(report.account, expected, "{fault:?} {codec:?}\n{report}");
        })
    });
    futures::future::join_all(runs).await;
}

#[tokio::test]
async fn a_tap_is_repeated_until_it_is_taken_and_paid_once() {
    let report = run(Fault::Busy, Codec::Json).await;
    assert_eq!(report.account, right(100), "{report}");
    assert_eq!(report.taps.repeats, 40, "{report}");
    let answers = &report.taps.answers;
    assert_eq!((answers["503 busy"], answers["429 too-many"]), (20, 20));
    assert_eq!(answers["201 given"], 100);
}

#[tokio::test]
async fn refusals_hold_and_are_counted_by_code() {
    let report = run(Fault::Refuse, Codec::Json).await;
    let expected = Account {
        held: 10,
        held_coins: 10 * PRICE,
        ..right(80)
    };
    assert_eq!(report.account, expected, "{report}");
    let answers = &report.taps.answers;
    let counts = ["201 given", "201 held", "402 insufficient"].map(|status| answers[status]);
    assert_eq!(counts, [80, 10, 10]);
    assert_eq!((report.taps.repeats, report.taps.unanswered), (0, 0));
}

/// `is_new`: as if the hub had begun anew; then all comes again, and is no fault.
async fn cut(codec: Codec, is_new: bool) -> Report {
    let double = Double::start(Fault::None, 2).await;
    let mut plan = plan(&double, codec);
    plan.duration = Duration::from_millis(1_800);
    let running = gifts::run(&plan);
    let cutting = async {
        while double.shared.room.lock().events.len() < 50 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        double.cut(is_new);
    };
    let (report, ()) = futures::join!(running, cutting);
    report.unwrap()
}

#[tokio::test]
async fn who_was_cut_off_comes_back_and_misses_nothing() {
    for codec in CODECS {
        let report = cut(codec, false).await;
        assert_eq!(report.account, right(200), "{report}");
        assert_eq!((report.returns, report.not_recovered), (20, 0), "{report}");
        assert_eq!(report.taps.unanswered, 0);
    }
}

#[tokio::test]
async fn what_a_new_epoch_says_again_is_repeated_and_not_twice() {
    for codec in CODECS {
        let report = cut(codec, true).await;
        let mut account = report.account;
        assert!(account.repeated > 0, "{report}");
        account.repeated = 0;
        assert_eq!(account, right(200), "{report}");
        assert_eq!((report.returns, report.not_recovered), (20, 20), "{report}");
    }
}

#[tokio::test]
async fn where_an_edge_is_away_the_next_one_is_asked() {
    let double = Double::start(Fault::None, 2).await;
    let mut plan = plan(&double, Codec::Json);
    // Taken, and nobody listens.
    let taken = TcpSocket::new_v4().unwrap();
    taken.bind(([127, 0, 0, 1], 0).into()).unwrap();
    plan.urls[1] = format!("ws://{}", taken.local_addr().unwrap());
    let report = gifts::run(&plan).await.unwrap();
    assert_eq!(report.account, right(100), "{report}");
    assert_eq!((report.connected, report.returns), (20, 0), "{report}");
    assert!(report.taps.answers["network"] > 0, "{report}");
}

#[tokio::test]
async fn people_are_registered_and_credited() {
    let double = Double::start(Fault::None, 1).await;
    let url = loadtest::chat::http_url(&double.urls[0]);
    let out = file("tokens.txt");
    let plan = register::Plan {
        url: url.clone(),
        trust: Trust::Insecure,
        people: 4,
        treasury: Some(register::Treasury {
            url,
            token: "admin".to_owned(),
            coins: 500,
        }),
        out: out.clone(),
        tell: |_| {},
    };
    let report = register::run(&plan).await.unwrap();
    let tokens = std::fs::read_to_string(&out).unwrap();
    std::fs::remove_file(&out).unwrap();
    assert_eq!(tokens, "token-of-1\ntoken-of-2\ntoken-of-4\n", "{report}");
    assert_eq!((report.registered, report.coins), (3, 1_500), "{report}");
    assert_eq!((report.repeats, report.renewed), (1, 0), "{report}");
    assert_eq!(report.failures, ["/api/accounts: 409 login-taken"]);
    let room = double.shared.room.lock();
    assert_eq!((room.people.len(), room.coins), (3, 1_500));
}
