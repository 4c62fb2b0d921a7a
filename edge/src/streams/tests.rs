use std::sync::Barrier;

use super::*;

const MAX: usize = 3;

fn books() -> (Registry, Streams) {
    let registry = Registry::new();
    let limits = StreamLimits {
        streams_max: MAX,
        idle: Duration::from_secs(60),
    };
    let streams = Streams::new(&registry, limits).unwrap();
    (registry, streams)
}

fn text(registry: &Registry) -> String {
    let encoder = prometheus::TextEncoder::new();
    encoder.encode_to_string(&registry.gather()).unwrap()
}

fn answer(stream: &str, bytes: u64) -> Answer<'_> {
    Answer {
        tenant: "t",
        stream,
        asker: Asker::Viewer,
        bytes,
        found: true,
        report: None,
    }
}

fn line(name: &str, stream: &str, value: u64) -> String {
    format!("{name}{{asker=\"viewer\",stream=\"{stream}\",tenant=\"t\"}} {value}\n")
}

const BYTES: &str = "edge_stream_body_bytes_total";
const REQUESTS: &str = "edge_stream_requests_total";

#[test]
fn streams_beyond_the_bound_and_names_that_are_not_there_share_a_label() {
    let (registry, streams) = books();
    let now = Instant::now();
    for number in 0..1000 {
        let mut made_up = answer("x", 1);
        let name = format!("made-up-{number}");
        made_up.stream = &name;
        made_up.found = false;
        streams.count(&made_up, now);
    }
    for name in ["a", "b", "c", "d", "e"] {
        streams.count(&answer(name, 10), now);
        streams.count(&answer(name, 5), now);
    }
    let mut error = answer("a", 7);
    error.found = false;
    streams.count(&error, now);
    let text = text(&registry);
    for expect in [
        line(BYTES, "a", 22),
        line(REQUESTS, "a", 3),
        line(BYTES, "c", 15),
        line(BYTES, OTHER, 1030),
        line(REQUESTS, OTHER, 1004),
        "edge_stream_series 3\n".to_owned(),
        "edge_stream_overflow_total 4\n".to_owned(),
    ] {
        assert!(text.contains(&expect), "{expect} not in\n{text}");
    }
    assert!(
        !text.contains("made-up") && !text.contains("stream=\"d\""),
        "{text}"
    );
    assert!(
        !text.contains("edge_cmcd_reports_total"),
        "nobody reported: {text}"
    );
}

#[test]
fn an_idle_stream_makes_room() {
    let (registry, streams) = books();
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let report = cmcd::Report {
        keys: 1,
        ..cmcd::Report::default()
    };
    for name in ["a", "b", "c", "d"] {
        let mut answer = answer(name, 1);
        answer.report = Some(&report);
        streams.count(&answer, at(0));
    }
    streams.count(&answer("c", 1), at(50));
    streams.settle(at(70));
    let after = text(&registry);
    assert!(
        !after.contains("stream=\"a\"") && !after.contains("stream=\"b\""),
        "{after}"
    );
    assert!(after.contains(&line(BYTES, "c", 2)), "{after}");
    assert!(
        after.contains(&line(BYTES, OTHER, 1)),
        "what was never its own stays: {after}"
    );
    assert!(after.contains("edge_stream_series 1\n"), "{after}");
    assert!(
        after.contains("edge_stream_series_removed_total 2\n"),
        "{after}"
    );
    streams.count(&answer("a", 4), at(80));
    assert!(
        text(&registry).contains(&line(BYTES, "a", 4)),
        "a stream that comes back begins at 0"
    );
}

/// Whoever counts while series are removed loses nothing that they were told is there.
#[test]
fn removal_and_counting_at_once_lose_no_count_of_a_stream_in_use() {
    const ROUNDS: u64 = 2_000;
    let (registry, streams) = books();
    let start = Instant::now();
    let barrier = Barrier::new(3);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                barrier.wait();
                for _ in 0..ROUNDS {
                    streams.count(&answer("a", 3), start + Duration::from_secs(190));
                }
            });
        }
        barrier.wait();
        for _ in 0..ROUNDS {
            streams.settle(start + Duration::from_secs(200));
        }
    });
    assert!(text(&registry).contains(&line(BYTES, "a", 2 * ROUNDS * 3)));
}

#[test]
fn what_players_report() {
    let (registry, streams) = books();
    let now = Instant::now();
    let mut said = cmcd::Report::default();
    said.read(
        b"bl=(1800),br=(2800),mtp=(9000),ltc=1240,msd=700,bsd=(250),bs,su,sid=\"s\",v=2,d=x,bl=no",
    )
    .unwrap();
    let mut answer = answer("a", 1);
    answer.report = Some(&said);
    streams.count(&answer, now);
    streams.count(&answer, now);
    streams.malformed(Malformed::Syntax);
    streams.settle(now);
    let text = text(&registry);
    let of = |name: &str, value: &str| format!("{name}{{stream=\"a\",tenant=\"t\"}} {value}\n");
    for expect in [
        of("edge_cmcd_reports_total", "2"),
        of("edge_cmcd_stalls_total", "2"),
        of("edge_cmcd_stalled_seconds_total", "0.5"),
        of("edge_cmcd_startup_requests_total", "2"),
        of("edge_cmcd_sessions", "1"),
        of("edge_cmcd_buffer_seconds_sum", "3.6"),
        of("edge_cmcd_live_latency_seconds_sum", "2.48"),
        of("edge_cmcd_start_delay_seconds_count", "2"),
        of("edge_cmcd_bitrate_bits_per_second_sum", "5600000"),
        of("edge_cmcd_throughput_bits_per_second_sum", "18000000"),
        "edge_cmcd_ignored_total{reason=\"value\"} 2\n".to_owned(),
        "edge_cmcd_ignored_total{reason=\"syntax\"} 1\n".to_owned(),
    ] {
        assert!(text.contains(&expect), "{expect} not in\n{text}");
    }
}
