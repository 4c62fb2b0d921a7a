//! The crowd, against a stand-in for Weir that keeps its word, and against one that does not: what
//! was lost, doubled or out of order must be in the report, and nothing else.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod standin;

use std::time::Duration;

use loadtest::chat::{self, Dialect, Plan, Report};
use loadtest::client::Trust;
use rooms::Codec;
use standin::{Fault, StandIn};

const CODECS: [Codec; 2] = [Codec::Json, Codec::Binary];

fn plan(server: &StandIn, codec: Codec) -> Plan {
    Plan {
        url: server.url.clone(),
        dialect: Dialect::Weir(codec),
        room: "demo".to_owned(),
        trust: Trust::Insecure,
        connections: 40,
        ramp: 2_000.0,
        publishers: 2,
        tokens: vec!["ada".to_owned(), "bob".to_owned()],
        moderators: vec!["moderator".to_owned()],
        post_url: None,
        rate: 60.0,
        control_rate: 15.0,
        message_bytes: 200,
        slow_percent: 0,
        samples: 10,
        idle: Duration::ZERO,
        warm_up: Duration::from_millis(200),
        duration: Duration::from_millis(1_300),
        drop_all_at: None,
        server_pids: vec![std::process::id()],
    }
}

async fn run(fault: Fault, codec: Codec, change: impl FnOnce(&mut Plan)) -> Report {
    let server = StandIn::start(fault).await;
    let mut plan = plan(&server, codec);
    change(&mut plan);
    chat::run(&plan).await.unwrap()
}

/// What a report says of losses: of all events, then of CONTROL.
fn faults(report: &Report) -> [u64; 6] {
    let (steady, control) = (&report.steady, &report.control);
    [
        steady.lost,
        steady.doubled,
        steady.out_of_order,
        control.lost,
        control.doubled,
        control.out_of_order,
    ]
}

#[tokio::test]
async fn nothing_is_wrong_with_a_server_that_keeps_its_word() {
    for codec in CODECS {
        let report = run(Fault::None, codec, |_| {}).await;
        assert_eq!(report.connected, 40, "{report}");
        assert_eq!(faults(&report), [0; 6], "{report}");
        assert_eq!(report.talk.accepted, 90, "{report}");
        assert_eq!(report.talk.acts_accepted, 23, "{report}");
        assert_eq!(report.deliveries_offered, 113 * 40);
        assert_eq!(report.deliveries_done, report.deliveries_offered);
        assert_eq!(report.control.events, 23);
        // On all but the moderator's.
        assert_eq!(report.control.owed, 23 * 39);
        assert_eq!((report.behind, report.steady.gaps_told), (0, 0));
        assert!(report.latency.samples > 0 && report.control_latency.samples > 0);
        assert!(report.latency.max_ms < 1_000.0, "{report}");
        assert!(report.steady.malformed == 0 && report.ends.is_empty());
        assert!(report.server.is_some());
    }
}

/// Each with the faults that it is, and the share of them that is CONTROL's. The frame has two
/// events, of which one is CONTROL.
#[tokio::test]
async fn each_fault_is_reported_and_no_other() {
    let faults_and_reports = [
        (Fault::LoseFrame, [2, 0, 0, 1, 0, 0]),
        (Fault::LoseControl, [1, 0, 0, 1, 0, 0]),
        (Fault::ThinOutControl, [0, 0, 0, 1, 0, 0]),
        (Fault::GapOverControl, [0, 0, 0, 1, 0, 0]),
        (Fault::Double, [0, 2, 0, 0, 1, 0]),
    ];
    for codec in CODECS {
        for samples in [0, 37] {
            let runs = faults_and_reports.map(|(fault, expected)| async move {
                let report = run(fault, codec, |plan| plan.samples = samples).await;
                assert_eq!(faults(&report), expected, "{fault:?} {codec:?}\n{report}");
            });
            futures::future::join_all(runs).await;
        }
    }
}

#[tokio::test]
async fn frames_in_the_wrong_order_are_no_loss_but_reported() {
    for codec in CODECS {
        for fault in [Fault::Swap, Fault::SwapHalves] {
            let report = run(fault, codec, |_| {}).await;
            let [lost, doubled, out_of_order, control_lost, ..] = faults(&report);
            assert_eq!([lost, doubled, control_lost], [0; 3], "{fault:?}\n{report}");
            assert!(out_of_order > 0, "{fault:?}\n{report}");
        }
    }
}

#[tokio::test]
async fn slow_readers_are_told_what_they_miss() {
    for codec in CODECS {
        let report = run(Fault::None, codec, |plan| {
            plan.slow_percent = 50;
            plan.rate = 500.0;
            plan.message_bytes = 1_000;
        })
        .await;
        assert!(report.slow > 10, "{report}");
        assert_eq!(faults(&report), [0; 6], "{report}");
        // Even to those who read a tick can be too much: then they are told, too.
        let told = report.steady.messages_told;
        assert_eq!(report.deliveries_done + told, report.deliveries_offered);
        let slow = &report.slow_readers;
        assert!(slow.gaps_told > 0 && slow.messages_told > 0, "{report}");
        assert_eq!((slow.lost, slow.doubled, slow.out_of_order), (0, 0, 0));
        assert_eq!(report.behind, 0, "{report}");
    }
}

#[tokio::test]
async fn all_come_back_and_miss_nothing() {
    for codec in CODECS {
        let drop = |plan: &mut Plan| plan.drop_all_at = Some(Duration::from_millis(500));
        let report = run(Fault::None, codec, drop).await;
        let reconnect = report.reconnect.unwrap();
        assert_eq!(reconnect.dropped, 37, "{report}");
        assert_eq!((reconnect.back, reconnect.complete), (37, 37), "{report}");
        assert_eq!(faults(&report), [0; 6], "{report}");
        assert_eq!(report.deliveries_done, report.deliveries_offered);
    }
}

#[tokio::test]
async fn who_has_to_begin_anew_is_counted() {
    let drop = |plan: &mut Plan| plan.drop_all_at = Some(Duration::from_millis(500));
    let report = run(Fault::ForgetPositions, Codec::Binary, drop).await;
    let reconnect = report.reconnect.unwrap();
    assert_eq!((reconnect.complete, reconnect.not_recovered), (0, 37));
    assert_eq!(report.steady.not_recovered, 37);
    assert_eq!(faults(&report), [0; 6], "{report}");
}

#[tokio::test]
async fn a_plan_that_makes_no_sense_is_refused() {
    let server = StandIn::start(Fault::None).await;
    let changes: [fn(&mut Plan); 5] = [
        |plan| plan.connections = 2,
        |plan| plan.publishers = 0,
        |plan| plan.rate = f64::NAN,
        |plan| plan.drop_all_at = Some(plan.duration),
        |plan| plan.dialect = Dialect::Nchan,
    ];
    for change in changes {
        let mut plan = plan(&server, Codec::Json);
        change(&mut plan);
        assert!(chat::run(&plan).await.is_err());
    }
}
