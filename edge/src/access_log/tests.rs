use std::io::Read as _;
use std::process::Command;
use std::sync::mpsc::channel;
use std::time::SystemTime;

use super::record::Head;
use super::*;

fn log_to(output: Output, queue_max: usize) -> (Registry, AccessLog) {
    let registry = Registry::new();
    let settings = AccessLogSettings {
        output,
        sample: Share::new(1.0).unwrap(),
        client: ClientAddress::None,
        queue_max,
    };
    let metrics = AccessLogMetrics::new(&registry).unwrap();
    let log = AccessLog::start(&settings, "leaf", &metrics).unwrap();
    (registry, log)
}

fn record(id: &str) -> Record<'_> {
    let head = Head {
        method: "GET",
        host: "h",
        path: "/",
        user_agent: None,
    };
    Record::new(SystemTime::UNIX_EPOCH, id, head)
}

fn flush(log: &AccessLog, within: Duration) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.unwrap().block_on(log.flush(within))
}

fn text(registry: &Registry) -> String {
    let encoder = prometheus::TextEncoder::new();
    encoder.encode_to_string(&registry.gather()).unwrap()
}

#[test]
fn addresses_are_truncated_as_configured() {
    let of = |client: ClientAddress, address: &str| {
        client.of(address.parse().unwrap()).map(|it| it.to_string())
    };
    let some = |text: &str| Some(text.to_owned());
    for (address, truncated) in [
        ("192.0.2.123", "192.0.2.0"),
        ("::ffff:192.0.2.123", "192.0.2.0"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
    ] {
        assert_eq!(of(ClientAddress::Truncated, address), some(truncated));
        assert_eq!(of(ClientAddress::None, address), None);
    }
    assert_eq!(of(ClientAddress::Full, "192.0.2.123"), some("192.0.2.123"));
}

#[test]
fn failures_are_wanted_whatever_the_share() {
    let (_, mut log) = log_to(Output::Stdout, 1);
    log.sample = Share::new(0.0).unwrap();
    assert!(log.wants(true, "a") && !log.wants(false, "a"));
}

#[test]
fn a_file_that_is_moved_away_is_opened_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    let (registry, log) = log_to(Output::File(path.clone()), 100);
    log.write(&record("first"));
    assert!(flush(&log, Duration::from_secs(10)));
    let moved = directory.path().join("access.log.1");
    std::fs::rename(&path, &moved).unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    // It looks once a second; what is written before that is in the old file.
    while !path.exists() {
        assert!(std::time::Instant::now() < deadline);
        log.write(&record("between"));
        assert!(flush(&log, Duration::from_secs(10)));
    }
    log.write(&record("last"));
    assert!(flush(&log, Duration::from_secs(10)));
    assert!(
        std::fs::read_to_string(&moved)
            .unwrap()
            .contains("\"first\"")
    );
    assert!(std::fs::read_to_string(&path).unwrap().contains("\"last\""));
    assert!(!text(&registry).contains("edge_access_log_dropped_total"));
}

/// The output is a pipe that nobody reads from: the thread hangs in its write, and nobody else.
#[test]
fn an_output_that_hangs_costs_lines_and_nobody_waits() {
    const LINES: u64 = 5_000;
    const QUEUE: usize = 10;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    let (opened, is_opened) = channel();
    let reader_path = path.clone();
    let reader = std::thread::spawn(move || {
        let mut pipe = std::fs::File::open(reader_path).unwrap();
        is_opened.recv().unwrap();
        let mut read = String::new();
        pipe.read_to_string(&mut read).unwrap();
        read.lines().count()
    });
    let (registry, log) = log_to(Output::File(path), QUEUE);
    let began = std::time::Instant::now();
    for _ in 0..LINES {
        log.write(&record("x"));
    }
    let took = began.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    let told = text(&registry);
    let dropped = told
        .lines()
        .find_map(|line| line.strip_prefix("edge_access_log_dropped_total{reason=\"queue\"} "))
        .unwrap_or_else(|| panic!("nothing was dropped:\n{told}"));
    let dropped: u64 = dropped.parse().unwrap();
    assert!(
        !flush(&log, Duration::from_millis(50)),
        "the pipe is not read yet"
    );
    opened.send(()).unwrap();
    assert!(flush(&log, Duration::from_secs(10)));
    drop(log);
    let read = reader.join().unwrap();
    assert_eq!(
        read as u64 + dropped,
        LINES,
        "every line is written or counted"
    );
    assert!(text(&registry).contains(&format!("edge_access_log_lines_total {read}\n")));
}

#[test]
fn a_write_that_fails_is_counted() {
    let (registry, log) = log_to(Output::File("/dev/full".into()), 10);
    log.write(&record("x"));
    assert!(flush(&log, Duration::from_secs(10)));
    let told = text(&registry);
    assert!(
        told.contains("edge_access_log_dropped_total{reason=\"write\"} 1\n"),
        "{told}"
    );
}
