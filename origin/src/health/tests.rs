use super::*;

fn shown(registry: &Registry, stream: &str) -> Vec<String> {
    let text = prometheus::TextEncoder::new()
        .encode_to_string(&registry.gather())
        .unwrap();
    let label = format!("stream=\"{stream}\"");
    let lines = text.lines().filter(|line| line.contains(&label));
    lines.map(str::to_owned).collect()
}

fn frame(dts_ms: i64) -> Picture {
    Picture {
        dts_ms,
        keyframe: dts_ms % 2_000 == 0,
        bytes: 10_000,
    }
}

#[tokio::test(start_paused = true)]
async fn figures_are_shown_while_a_stream_lives_and_not_after() {
    let registry = Registry::new();
    let healths = Healths::register(&registry).unwrap();
    let stop = CancellationToken::new();
    let running = tokio::spawn(healths.clone().run(stop.clone()));
    let observer = healths.publish("demo", Publisher::default(), IngestRules::default());
    let making = healths.stream("demo");
    making.packaged(SourceInfo {
        rungs: vec!["720p".to_owned()],
        ..SourceInfo::default()
    });
    for at in 0..300_i64 {
        observer.picture(&frame(at * 40));
        making.taken(at * 40);
        making.made(0, at * 40);
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    making.part(7, Some(Instant::now() - Duration::from_millis(50)));
    tokio::time::sleep(STEP).await;
    let lines = shown(&registry, "demo");
    for line in [
        "origin_stream_state{stream=\"demo\"} 0",
        "origin_stream_frames_per_second{stream=\"demo\"} ",
        "origin_stream_part_latency_p99_seconds{stream=\"demo\"} 0.05",
        "origin_stream_encoder_speed_ratio{rung=\"720p\",stream=\"demo\"} ",
    ] {
        assert!(
            lines.iter().any(|own| own.starts_with(line)),
            "{line}: {lines:#?}"
        );
    }
    // Another ladder: what is no longer made is no longer shown.
    making.packaged(SourceInfo::default());
    tokio::time::sleep(STEP).await;
    assert!(
        !shown(&registry, "demo")
            .iter()
            .any(|line| line.contains("720p"))
    );
    drop(observer);
    making.unpackaged();
    tokio::time::sleep(STEP * 2).await;
    assert_eq!(shown(&registry, "demo"), Vec::<String>::new());
    assert_eq!(healths.all().len(), 1, "it can still be looked at");
    tokio::time::sleep(KEPT).await;
    assert_eq!(healths.all().len(), 0);
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_over_is_bounded() {
    let healths = Healths::register(&Registry::new()).unwrap();
    for index in 0..10 * OVER_MAX {
        drop(healths.publish(
            &format!("s{index}"),
            Publisher::default(),
            IngestRules::default(),
        ));
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    let live = healths.publish("live", Publisher::default(), IngestRules::default());
    healths.tick(Instant::now());
    let all = healths.all();
    assert_eq!(all.len(), OVER_MAX + 1);
    let newest = format!("s{}", 10 * OVER_MAX - 1);
    assert!(all.iter().any(|(name, _)| *name == newest));
    assert!(all.iter().any(|(name, _)| name == "live"));
    drop(live);
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_cuts_comes_back_and_one_that_warns_does_not() {
    let registry = Registry::new();
    let healths = Healths::register(&registry).unwrap();
    let rules = |action| IngestRules {
        resolution: Some(Limit {
            value: (1_280, 720),
            action,
        }),
        ..IngestRules::default()
    };
    let warned = healths.publish("a", Publisher::default(), rules(RuleAction::Warn));
    warned.size(1_920, 1_080);
    assert_eq!(warned.check(None), None);
    healths.tick(Instant::now());
    let reason = "origin_stream_reason{reason=\"rule_resolution\",stream=\"a\"} 1";
    assert!(shown(&registry, "a").iter().any(|line| line == reason));
    let cut = healths.publish("b", Publisher::default(), rules(RuleAction::Cut));
    cut.size(1_920, 1_080);
    let breach = cut.check(None).unwrap();
    assert_eq!(
        breach.to_string(),
        "the picture is 1920x1080; at most 1280x720 is taken"
    );
    assert_eq!(cut.check(None), None, "said once");
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_as_its_stream_is_forgotten_is_seen() {
    let healths = Healths::register(&Registry::new()).unwrap();
    drop(healths.publish("demo", Publisher::default(), IngestRules::default()));
    tokio::time::advance(KEPT - Duration::from_millis(1)).await;
    let handle = healths.stream("demo");
    tokio::time::advance(Duration::from_secs(1)).await;
    healths.tick(Instant::now());
    handle.packaged(SourceInfo::default());
    healths.tick(Instant::now());
    assert_eq!(healths.all().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_rung_that_is_left_out_is_said_to_be_and_is_behind_nobody() {
    let registry = Registry::new();
    let metrics = crate::metrics::Metrics::register(&registry).unwrap();
    let stream = metrics.stream("demo");
    let transcode = stream.transcode();
    let _observer = metrics
        .health
        .publish("demo", Publisher::default(), IngestRules::default());
    stream.health.packaged(SourceInfo {
        rungs: vec!["720p".to_owned(), "360p".to_owned()],
        ..SourceInfo::default()
    });
    let mut frames = 0_i64..;
    let mut seconds = async |seconds: usize, made: std::ops::Range<usize>| {
        for frame in frames.by_ref().take(25 * seconds) {
            stream.health.taken(frame * 40);
            for rung in made.clone() {
                stream.health.made(rung, frame * 40);
            }
            tokio::time::sleep(Duration::from_millis(40)).await;
            if frame % 25 == 24 {
                metrics.health.tick(Instant::now());
            }
        }
        shown(&registry, "demo")
    };
    let lag = "origin_stream_encoder_lag_seconds{rung=\"720p\",stream=\"demo\"} ";
    let lag_of = |lines: &[String]| {
        let line = lines.iter().find_map(|line| line.strip_prefix(lag))?;
        Some(line.parse::<f64>().unwrap())
    };
    let slow = "origin_stream_reason{reason=\"encoder_slow\",stream=\"demo\"} 1".to_owned();
    assert_eq!(lag_of(&seconds(5, 0..2).await), Some(0.0));
    transcode.shed(1);
    let lines = seconds(30, 1..2).await;
    assert_eq!(lag_of(&lines), None);
    assert!(lines.contains(&slow), "{lines:#?}");
    transcode.restored(0);
    let lines = seconds(15, 0..2).await;
    assert_eq!(lag_of(&lines), Some(0.0));
    assert!(!lines.contains(&slow), "{lines:#?}");
}
