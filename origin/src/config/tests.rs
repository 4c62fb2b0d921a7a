use std::path::Path;

use super::*;

fn error(text: &str) -> String {
    parse(Path::new("origin.toml"), text)
        .expect_err(text)
        .to_string()
}

#[test]
fn the_shipped_file_holds_every_default() {
    let shipped: Config = toml::from_str(DEFAULT_TOML).unwrap();
    assert_eq!(shipped, Config::default());
    parse(Path::new("config/origin.toml"), DEFAULT_TOML).unwrap();
}

#[test]
fn the_shipped_file_names_every_key() {
    // Debug prints every field's name: each must stand at a line's start, or in a commented table.
    let config = Config {
        streams: vec![StreamConfig {
            name: String::new(),
            publish_key: Secret::new(""),
            title: String::new(),
            rules: StreamRulesConfig::default(),
        }],
        ..Config::default()
    };
    let debug = format!("{config:#?}");
    for line in debug.lines() {
        let Some((key, _)) = line.trim().split_once(": ") else {
            continue;
        };
        let named = DEFAULT_TOML.lines().any(|line| {
            let line = line.trim_start_matches("# ");
            line.starts_with(&format!("{key} = "))
                || line == format!("[{key}]")
                || line == format!("[[{key}]]")
                || line.starts_with('[') && line.ends_with(&format!(".{key}]"))
        });
        assert!(named, "{key} is not in config/origin.toml");
    }
}

#[test]
fn an_empty_file_is_the_default() {
    let settings = parse(Path::new("empty.toml"), "").unwrap();
    assert_eq!(settings.transcode.ladder.len(), 4);
    assert!(settings.streams.is_empty());
    assert!(settings.rtmp.listen_tls.is_none());
}

#[test]
fn errors_name_file_line_and_reason() {
    assert_eq!(
        error("[http]\nlisten = \"[::]:8080\"\nport = 3\n"),
        "origin.toml:3: unknown field `port`, expected one of `listen`, `connections_max`, \
         `header_bytes_max`, `header_read_timeout_ms`, `concurrent_streams_max`, `keep_alive_ms`, \
         `held_requests_max`, `relays_max`"
    );
    assert_eq!(
        error("\n[packaging]\nwindow_seconds = 2"),
        "origin.toml:3: packaging.window_seconds: must be 12 to 14400"
    );
    assert_eq!(
        error("\n[packaging]\nwindow_segments = 15"),
        "origin.toml:3: packaging.window_segments: has become window_seconds: 15 segments are 30"
    );
    assert_eq!(
        error("[thumbnails]\nrows = 6"),
        "origin.toml:2: thumbnails.rows: must be 1 to 5"
    );
    assert_eq!(
        error("\n[packaging]\nlatency = \"lowest\""),
        "origin.toml:3: unknown variant `lowest`, expected `standard` or `low`"
    );
    assert_eq!(
        error("[transcode]\ntone_mapping = \"reinhard\""),
        "origin.toml:2: unknown variant `reinhard`, expected one of `hable`, `mobius`, `off`"
    );
    assert!(error("[http").starts_with("origin.toml:1: "));
    assert!(error("[http]\nlisten = \"nowhere\"").starts_with("origin.toml:2: "));
}

#[test]
fn streams_have_distinct_names_and_keys() {
    let stream = |name: &str, key: &str| {
        format!("[[streams]]\nname = \"{name}\"\npublish_key = \"{key}\"\n")
    };
    let two = stream("a", "key-one-1") + &stream("b", "key-one-1");
    let message = error(&two);
    assert_eq!(
        message,
        "origin.toml:6: streams[2].publish_key: is another stream's key too"
    );
    assert!(!message.contains("key-one-1"), "a secret is shown");
    assert!(error(&stream("a/b", "key-one-1")).contains("streams[1].name"));
    assert!(error(&stream("a", "short")).contains(":3: streams[1].publish_key"));
    let settings = parse(Path::new("x"), &stream("a", "key-one-1")).unwrap();
    assert!(!format!("{settings:?}").contains("key-one-1"));
}

#[test]
fn the_ladder_goes_down() {
    let rung = |name: &str, height: u32| {
        format!("[[ladder]]\nname = \"{name}\"\nheight = {height}\nvideo_bitrate_kbps = 500\n")
    };
    assert!(error(&(rung("a", 360) + &rung("b", 480))).contains(":7: ladder[2].height"));
    assert!(error(&rung("audio", 360)).contains("ladder[1].name"));
    assert!(error(&rung("a", 361)).contains("even"));
    assert!(error("ladder = []").contains("origin.toml:1: ladder: must have"));
}

const FILTERS: &str = "[filters]\nenabled = true\n[filter_registry]\nenabled = true\n\
     tokens = [{ name = \"ann\", token = \"0123456789abcdef\", role = \"operator\" }]\n";

#[test]
fn playback_by_filters_needs_them_and_keys() {
    assert!(
        error("[playback]\nauth = \"signed\"").contains(":2: playback.auth: \"signed\" has become")
    );
    assert!(error("[playback]\nauth = \"filters\"").contains("filters.enabled is false"));
    assert!(error("[publish]\nauth = \"filters\"").contains("filters.enabled is false"));
    let playback = |keys: &str| format!("{FILTERS}[playback]\nauth = \"filters\"\n{keys}");
    assert!(error(&playback("")).contains("playback.token_keys"));
    let message = error(&playback("token_keys = [\"abc\"]"));
    assert!(
        message.contains("playback.token_keys[1]: the secret has 3 bytes"),
        "{message}"
    );
    let key = "0123456789abcdef0123456789abcdef";
    let text = playback(&format!("token_keys = [\"{key}\"]"));
    let settings = parse(Path::new("x"), &text).unwrap();
    assert!(matches!(
        settings.playback,
        PlaybackSettings::Filters { .. }
    ));
    assert!(!format!("{settings:?}").contains(key));
    let taken = format!("{text}\n[[filters.keys]]\nname = \"playback\"\njwks_file = \"k\"\n");
    let message = error(&taken);
    assert!(
        message.contains("filters.keys[1].name: may not be \"playback\""),
        "{message}"
    );
}

#[test]
fn certificate_and_key_go_together() {
    assert!(error("[tls]\ncertificate_file = \"a.pem\"").contains("go together"));
}

#[test]
fn rules_of_a_stream_stand_over_those_of_all() {
    let text = "[ingest_rules]\nvideo_bitrate_max_kbps = 6000\nframe_rate_max = 30.0\n\
                [[streams]]\nname = \"a\"\npublish_key = \"key-one-1\"\n\
                [streams.rules]\nvideo_bitrate_max_kbps = 9000\nvideo_bitrate_action = \"cut\"\n\
                [[streams]]\nname = \"b\"\npublish_key = \"key-two-2\"\n\
                [streams.rules]\nframe_rate_max = 0.0\n";
    let settings = parse(Path::new("origin.toml"), text).unwrap();
    let book = settings.ingest_rules;
    let kbps = |rules: &crate::health::IngestRules| {
        let rule = rules.bitrate.unwrap().max_kbps;
        (rule.value, rule.action)
    };
    use crate::health::RuleAction::{Cut, Warn};
    assert_eq!(kbps(&book.default), (6_000.0, Warn));
    assert_eq!(kbps(&book.by_stream["a"]), (9_000.0, Cut));
    assert_eq!(kbps(&book.by_stream["b"]), (6_000.0, Warn));
    assert!(book.by_stream["a"].frame_rate.is_some());
    assert!(book.by_stream["b"].frame_rate.is_none());
}

#[test]
fn rules_that_cannot_be_are_named_with_line_and_key() {
    for (text, message) in [
        (
            "[ingest_rules]\nvideo_bitrate_max_kbps = 20\n",
            "origin.toml:2: ingest_rules.video_bitrate_max_kbps: must be 0 (none), or 50 to 1000000",
        ),
        (
            "[ingest_rules]\nwidth_max = 1920\n",
            "origin.toml:2: ingest_rules.width_max: width_max and height_max go together",
        ),
        (
            "[ingest_rules]\nkeyframe_interval_max_seconds = 1.0\nkeyframe_interval_min_seconds = 2.0\n",
            "origin.toml:3: ingest_rules.keyframe_interval_min_seconds: must not be above \
             keyframe_interval_max_seconds",
        ),
        (
            "[[streams]]\nname = \"a\"\npublish_key = \"key-one-1\"\n[streams.rules]\npace_min_percent = 100\n",
            "origin.toml:5: streams[1].rules.pace_min_percent: must be 0 (none), or 1 to 99",
        ),
        (
            "[rtmp]\npicture_timeout_ms = 10\n",
            "origin.toml:2: rtmp.picture_timeout_ms: must be 1000 to 600000",
        ),
    ] {
        assert_eq!(error(text), message);
    }
    let unknown = error("[ingest_rules]\nframe_rate_action = \"stop\"\n");
    assert!(unknown.starts_with("origin.toml:2: "), "{unknown}");
}
