use super::*;

fn check(text: &str) -> String {
    parse(Path::new("edge.toml"), text)
        .err()
        .map_or_else(|| "ok".to_owned(), |error| error.to_string())
}

#[test]
fn the_shipped_file_holds_the_defaults() {
    let shipped: Config = toml::from_str(DEFAULT_TOML).unwrap();
    assert_eq!(shipped, Config::default());
    assert_eq!(check(DEFAULT_TOML), "ok");
}

#[test]
fn errors_name_the_line_and_the_reason() {
    for (text, expect) in [
        (
            "[parents]\nurls = [\"http://a\",\n \"ftp://b\"]\n",
            "edge.toml:3: parents.urls[2]: \"ftp://b\" is not a parent's URL: the scheme has to be http or https",
        ),
        (
            "[listen]\nhttps = \"8443\"\n",
            "edge.toml:2: listen.https: \"8443\" is not ADDRESS:PORT, such as \"[::]:8443\"",
        ),
        (
            "\n[tls]\nkey_file = \"k.pem\"\n",
            "edge.toml:2: tls.certificate_file: certificate_file and key_file come together",
        ),
        (
            "[cache]\nerror_memo_ms = 0\n",
            "edge.toml:2: cache.error_memo_ms: has to be from 1 ms to 1 hour",
        ),
    ] {
        assert_eq!(check(text), expect);
    }
    assert!(check("[nod]\n").starts_with("edge.toml:1: unknown field `nod`"));
}

#[test]
fn signed_playback_needs_a_key_and_hides_it() {
    assert!(
        check("[playback]\nauth = \"signed\"\n").starts_with("edge.toml:1: playback.token_keys: ")
    );
    let short = check("[playback]\nauth = \"signed\"\ntoken_keys = [\"short\"]\n");
    assert!(
        short.starts_with("edge.toml:3: playback.token_keys[1]: "),
        "{short}"
    );
    assert!(!short.contains("\"short\""), "{short}");
    let key = "0123456789abcdef0123456789abcdef";
    let text = format!("[playback]\nauth = \"signed\"\ntoken_keys = [\"{key}\"]\n");
    let settings = parse(Path::new("edge.toml"), &text).unwrap();
    assert!(!format!("{settings:?}").contains(key));
}
