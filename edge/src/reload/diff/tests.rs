use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::config::{Loaded, loaded};

fn load(text: &str) -> Loaded {
    loaded(Path::new("edge.toml"), text).unwrap()
}

/// Each change as `key: old -> new`, and whether all of them are live.
fn differ(old: &str, new: &str) -> (Vec<String>, bool) {
    let (old, new) = (load(old), load(new));
    let changes = changes((&old.config, &old.table), (&new.config, &new.table));
    let live = changes.iter().all(Change::is_live);
    let line = |change: Change| format!("{}: {} -> {}", change.key, change.old, change.new);
    (changes.into_iter().map(line).collect(), live)
}

const KEY: &str = "0123456789abcdef0123456789abcdef";
const OTHER_KEY: &str = "fedcba9876543210fedcba9876543210";

#[test]
fn a_change_is_named_with_both_values() {
    for (old, new, expect, live) in [
        ("", "", vec![], true),
        (
            "",
            "[parents]\nurls = [\"http://a:1\"]\n",
            vec!["parents.urls: [\"http://127.0.0.1:8080\"] -> [\"http://a:1\"]"],
            true,
        ),
        // What is written down as it is by default is no change.
        ("", "[parents]\nh2c = true\n[drain]\n", vec![], true),
        (
            "[limits.ip]\nrequests_per_second = 5\nrequests_burst = 5\n",
            "[limits.ip]\nrequests_per_second = 6\nrequests_burst = 5\n",
            vec!["limits.ip.requests_per_second: 5 -> 6"],
            true,
        ),
        (
            "",
            "[threads]\ntcp = 3\n[log]\naccess = \"all\"\n",
            vec!["log.access: \"errors\" -> \"all\"", "threads.tcp: 0 -> 3"],
            false,
        ),
        (
            "",
            "[[sites]]\nhosts = [\"a\"]\nurls = [\"http://b\"]\n",
            vec![
                "sites[1].hosts: (none) -> [\"a\"]",
                "sites[1].urls: (none) -> [\"http://b\"]",
            ],
            true,
        ),
        // A site's default, written down.
        (
            "[[sites]]\nhosts = [\"a\"]\nurls = [\"http://b\"]\n",
            "[[sites]]\nhosts = [\"a\"]\nurls = [\"http://b\"]\nh2c = false\n",
            vec![],
            true,
        ),
        ("", "[access_log]\nsample = 1\n", vec![], true),
    ] {
        assert_eq!(differ(old, new), (own(&expect), live), "{old} -> {new}");
    }
}

fn own(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

#[test]
fn secrets_are_called_changed_and_never_shown() {
    let filters = |token: &str, secret: &str| {
        format!(
            "[filters]\nenabled = true\nregistry = \"http://o:9080\"\ntoken = \"{token}\"\n\
             [[filters.keys]]\nname = \"id\"\nsecrets = [\"{secret}\"]\n"
        )
    };
    let playback = |key: &str| format!("[playback]\ntoken_keys = [\"{key}\"]\n");
    let admin = |token: &str| format!("[admin]\ntoken = \"{token}\"\n");
    for (old, new, key) in [
        (playback(KEY), playback(OTHER_KEY), "playback.token_keys"),
        (admin(KEY), admin(OTHER_KEY), "admin.token"),
        (filters(KEY, KEY), filters(OTHER_KEY, KEY), "filters.token"),
        (
            filters(KEY, KEY),
            filters(KEY, OTHER_KEY),
            "filters.keys[1].secrets",
        ),
    ] {
        let (lines, _) = differ(&old, &new);
        assert_eq!(lines, [format!("{key}: (secret) -> (secret)")]);
    }
    assert_eq!(
        without_credentials(r#"["nats://user:pass@h:1/x", "tls://h:2"]"#),
        r#"["nats://(secret)@h:1/x", "tls://h:2"]"#
    );
}

/// Every field of a type that hides its value has a name that hides it here as well.
#[test]
fn every_secret_of_the_file_is_known() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = BTreeSet::new();
    for source in [
        "edge/src/config/sections.rs",
        "edge/src/config/limits.rs",
        "edge/src/config/seeing.rs",
        "edge/src/config/sites.rs",
        "edge/src/config/relay.rs",
        "crates/filter-registry/src/config.rs",
        "crates/bus/src/config.rs",
    ] {
        let text = std::fs::read_to_string(root.join(source)).unwrap();
        for line in text.lines().filter(|line| line.contains("Secret")) {
            let field = line.trim().strip_prefix("pub ");
            let field = field.and_then(|it| it.split_once(": "));
            if let Some((name, _)) = field.filter(|(name, _)| !name.contains(' ')) {
                found.insert(name.to_owned());
            }
        }
    }
    for name in &found {
        assert!(is_secret(&format!("a.{name}")), "{name}");
    }
    assert!(found.contains("token_keys") && found.contains("password"));
}

#[test]
fn what_is_live_is_in_the_file_and_in_the_documentation() {
    let keys: Vec<String> = leaves(&Table::new()).into_keys().collect();
    let page = include_str!("../../../../docs/changing.md");
    for live in LIVE {
        // [[sites]] has no default.
        let is_there = keys.iter().any(|key| is_in(key, live));
        assert!(is_there || *live == "sites", "{live}");
        assert!(page.contains(&format!("| `{live}")), "{live}");
    }
}
