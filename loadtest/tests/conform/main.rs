//! The prober against a server that keeps the rules, and against one that breaks one of them: that
//! must be found, and nothing else.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod double;
mod stream;

use std::time::Duration;

use double::{Double, Fault};
use futures::future::join_all;
use loadtest::client::{Protocol, Trust};
use loadtest::conform::{self, Plan, Report, Verdict};
use loadtest::play;

async fn probe(fault: Fault, protocol: Protocol) -> Report {
    let double = Double::start(fault).await;
    let plan = Plan {
        stream: play::Plan {
            url: double.url.clone(),
            protocol,
            trust: Trust::Insecure,
            duration: Duration::from_secs(4),
        },
        rendition: None,
        slack: Duration::from_millis(1500),
        tell: |_| {},
    };
    conform::run(&plan).await.unwrap()
}

#[tokio::test]
async fn nothing_is_wrong_with_a_server_that_keeps_the_rules() {
    let reports = [Protocol::H1, Protocol::H2].map(|protocol| probe(Fault::None, protocol));
    for report in join_all(reports).await {
        assert_eq!(report.failures(), Vec::<&str>::new(), "{report}");
        assert!(report.passed > 60, "{report}");
    }
}

#[tokio::test]
async fn parts_that_are_byte_ranges_are_fetched_as_such() {
    let report = probe(Fault::ByteRanges, Protocol::H1).await;
    assert_eq!(report.failures(), Vec::<&str>::new(), "{report}");
    for id in ["B1-29-byte-ranges", "B1-05-same", "B1-27-hinted-bytes"] {
        let finding = report.findings.iter().find(|it| it.id == id).unwrap();
        let passed = matches!(finding.verdict, Verdict::Pass { .. });
        assert!(passed, "{finding:?}");
    }
}

#[tokio::test]
async fn each_fault_is_found_and_nothing_else() {
    let faults: [(Fault, &[&str]); 25] = [
        (Fault::MsnDoesNotBlock, &["B1-18-block-msn", "B1-34-ahead"]),
        (
            Fault::PartDoesNotBlock,
            &["B1-18-block-part", "B1-26-order", "B1-31-together"],
        ),
        (
            Fault::FarIsAnswered,
            &["B1-22-far-part", "B1-22-far-segment"],
        ),
        (Fault::PartAlone, &["B1-21-part-alone"]),
        (Fault::PastIsMissing, &["B1-20-past"]),
        (Fault::NoSkip, &["B1-25-skip", "B1-25-skip-v2"]),
        (Fault::NoSkipV2, &["B1-25-skip-v2"]),
        (Fault::SkipsTooMuch, &["B1-25-boundary"]),
        (Fault::DeltaWithoutMap, &["B1-25-complete"]),
        (Fault::HintIsMissing, &["B1-27-hinted"]),
        (Fault::HintIsWrong, &["B1-13-hint-uri", "B1-27-hinted"]),
        (Fault::NoReport, &["B1-14-reports"]),
        (Fault::OldReport, &["B1-14-edge"]),
        (Fault::LongPart, &["B1-03-part-max"]),
        (Fault::OtherBytes, &["B1-05-same"]),
        (Fault::Hole, &["B1-05-continuous"]),
        (Fault::NotIndependent, &["B1-05-sync"]),
        (Fault::NoCors, &["B1-33-cors-errors"]),
        (Fault::NoPreflight, &["B1-33-preflight"]),
        (Fault::NoGzip, &["B1-30-gzip"]),
        (Fault::ShortLived, &["B1-32-blocking"]),
        (Fault::Urgent, &["B1-28-rungs"]),
        (Fault::PartsDie, &["B1-08-part-lives"]),
        (
            Fault::ByteRangesIgnored,
            &[
                "B1-05-continuous",
                "B1-05-length",
                "B1-05-listed",
                "B1-05-same",
                "B1-29-byte-ranges",
                "B1-29-range",
            ],
        ),
        (Fault::OtherGrid, &["B1-15-grid"]),
    ];
    // Boxed: two dozen of them are more than the stack of a test holds.
    let probes = faults
        .iter()
        .map(|(fault, _)| Box::pin(probe(*fault, Protocol::H1)));
    let reports = join_all(probes).await;
    let mut wrong = Vec::new();
    for ((fault, expected), report) in faults.iter().zip(&reports) {
        if report.failures() != *expected {
            let lines = report.to_string();
            let lines: Vec<_> = lines
                .lines()
                .filter(|line| !line.starts_with("pass"))
                .collect();
            wrong.push(format!(
                "{fault:?}: {:?}\n{}",
                report.failures(),
                lines.join("\n")
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_media_playlist_is_refused() {
    let double = Double::start(Fault::None).await;
    let plan = Plan {
        stream: play::Plan {
            url: double.url.replace("m.m3u8", "hi/index.m3u8"),
            protocol: Protocol::H1,
            trust: Trust::Insecure,
            duration: Duration::from_secs(1),
        },
        rendition: None,
        slack: Duration::ZERO,
        tell: |_| {},
    };
    let error = conform::run(&plan).await.unwrap_err().to_string();
    assert!(error.contains("is no Multivariant Playlist"), "{error}");
}
