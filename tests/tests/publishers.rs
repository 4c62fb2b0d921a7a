//! `weir-loadtest publish`: many publishers of one recording, and players that find no part late.

use std::process::Command;
use std::time::Duration;

use anyhow::ensure;
use loadtest::client::{Protocol, Trust};
use loadtest::publish::{self, Plan};
use tests::node::{self, Settings};
use tests::origin::{self, Origin};

const PUBLISHERS: usize = 5;
/// On a machine that compiles and encodes beside it.
const LATE_PERCENT_MAX: usize = 10;

/// 8 s: whole GOPs, and whole frames of AAC at 48 kHz.
fn recording() -> anyhow::Result<std::path::PathBuf> {
    let file = node::directory("recording")?.join("recording.flv");
    let status = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-nostdin"])
        .args(["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30"])
        .args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"])
        .args(["-t", "8", "-c:v", "libx264", "-preset", "ultrafast"])
        .args(["-tune", "zerolatency", "-g", "60", "-sc_threshold", "0"])
        .args(["-pix_fmt", "yuv420p", "-b:v", "300k", "-c:a", "aac"])
        .arg(&file)
        .status()?;
    ensure!(status.success(), "ffmpeg: {status}");
    Ok(file)
}

async fn origin() -> anyhow::Result<Origin> {
    let named = (1..=PUBLISHERS).map(|n| (format!("s-{n}"), format!("loadtest-{n}")));
    let named: Vec<(String, String)> = named.collect();
    let streams: Vec<(&str, &str)> = named
        .iter()
        .map(|(name, key)| (name.as_str(), key.as_str()))
        .collect();
    let settings = Settings::default()
        .set_root("streams", origin::streams(&streams))
        .set_root("ladder", origin::ladder(&[("180p", 180, 400)]));
    Origin::start_with(&settings).await
}

fn plan(origin: &Origin, recording: std::path::PathBuf) -> Plan {
    Plan {
        url: format!("rtmp://{}/live", origin.rtmp_address()),
        key_pattern: "loadtest-{n}".to_owned(),
        publishers: PUBLISHERS,
        ramp: 10.0,
        recording,
        jitter: Duration::ZERO,
        flap: None,
        flap_pause: Duration::from_millis(200),
        duration: Duration::from_secs(20),
        watch: Some(format!("{}/live/s-{{n}}/index.m3u8", origin.http_url())),
        protocol: Protocol::H2,
        trust: Trust::Insecure,
        server_pids: Vec::new(),
    }
}

#[tokio::test]
async fn five_publishers_in_real_time() -> anyhow::Result<()> {
    let origin = origin().await?;
    let report = publish::run(&plan(&origin, recording()?)).await?;
    println!("{report}");
    assert_eq!((report.connected, report.flaps), (5, 0), "{report}");
    assert!(report.ends.is_empty(), "{report}");
    let sent = report.bytes as f64 * 8.0 / report.seconds / PUBLISHERS as f64;
    let pace = sent / report.bits_per_second as f64;
    assert!((0.95..1.1).contains(&pace), "in real time: {pace} {report}");
    let Some(watched) = &report.watched else {
        anyhow::bail!("nobody watched");
    };
    assert_eq!(watched.streams, PUBLISHERS, "{report}");
    // Three parts a second of picture and of sound, over two rounds of the recording.
    assert!(watched.parts > PUBLISHERS * 2 * 3 * 12, "{report}");
    assert_eq!((watched.missing, watched.gaps), (0, 0), "{report}");
    assert!(
        watched.late * 100 <= watched.parts * LATE_PERCENT_MAX,
        "{report}"
    );
    Ok(())
}

/// They come back, and what is refused is told in the origin's words.
#[tokio::test]
async fn publishers_drop_out_and_are_refused() -> anyhow::Result<()> {
    let origin = origin().await?;
    let recording = recording()?;
    let mut plan = plan(&origin, recording);
    plan.watch = None;
    plan.jitter = Duration::from_millis(30);
    plan.flap = Some(Duration::from_secs(2));
    plan.duration = Duration::from_secs(6);
    let report = publish::run(&plan).await?;
    println!("{report}");
    assert!(report.flaps >= 5, "{report}");
    assert!(report.connected > report.flaps, "{report}");

    plan.key_pattern = "nobody-has-this-{n}".to_owned();
    plan.flap = None;
    plan.duration = Duration::from_secs(1);
    let report = publish::run(&plan).await?;
    assert_eq!(report.connected, 0, "{report}");
    assert!(!report.ends.is_empty(), "{report}");
    Ok(())
}
