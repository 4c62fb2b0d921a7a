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

/// What stands behind `#` from `[[sites]]` on.
fn shipped_site() -> SiteConfig {
    let lines = DEFAULT_TOML
        .lines()
        .skip_while(|line| *line != "# [[sites]]");
    let lines = lines.map_while(|line| line.strip_prefix("# "));
    let text: Vec<&str> = lines.collect();
    let config: Config = toml::from_str(&text.join("\n")).unwrap();
    config.sites[0].clone()
}

#[test]
fn the_shipped_site_holds_the_defaults() {
    let shipped = shipped_site();
    let expect = SiteConfig {
        hosts: shipped.hosts.clone(),
        urls: shipped.urls.clone(),
        ..SiteConfig::default()
    };
    assert_eq!(shipped, expect);
}

#[test]
fn sites_take_the_timeouts_of_parents() {
    let text = "[parents]\nhead_timeout_ms = 7\n[[sites]]\nhosts = [\"CDN.example\", \"*\"]\n\
                urls = [\"http://a\"]\nbody_timeout_ms = 9\n";
    let settings = parse(Path::new("edge.toml"), text).unwrap();
    let site = &settings.sites[0];
    assert_eq!(site.hosts, ["cdn.example", "*"]);
    assert_eq!(site.upstream.head_timeout.as_millis(), 7);
    assert_eq!(site.upstream.body_timeout.as_millis(), 9);
}

#[test]
fn wrong_sites_are_refused() {
    let site = |text: &str| check(&format!("[[sites]]\n{text}\n"));
    for (text, expect) in [
        (
            "hosts = [\"a\"]",
            "sites[1].urls: needs at least one parent",
        ),
        (
            "urls = [\"http://a\"]",
            "sites[1].hosts: needs from 1 to 1000 hosts",
        ),
        (
            "hosts = [\"a:80\"]\nurls = [\"http://a\"]",
            "sites[1].hosts[1]: has to be a host's name",
        ),
        (
            "hosts = [\"a\", \"A\"]\nurls = [\"http://a\"]",
            "sites[1].hosts[2]: another site has this host",
        ),
        (
            "hosts = [\"a\"]\nurls = [\"http://a\"]\nvariants_max = 0",
            "sites[1].variants_max: has to be from 1 to 1000",
        ),
    ] {
        let said = site(text);
        assert!(said.contains(expect), "{text}: {said}");
    }
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

const KEY: &str = "0123456789abcdef0123456789abcdef";
const FILTERS: &str = "[filters]\nenabled = true\nregistry = \"http://origin:9080\"\n\
     token = \"0123456789abcdef\"\n";

#[test]
fn playback_by_filters_needs_them_and_keys() {
    let playback = |rest: &str| format!("{FILTERS}[playback]\nauth = \"filters\"\n{rest}");
    for (text, expect) in [
        (
            "[playback]\nauth = \"signed\"\n".to_owned(),
            "edge.toml:2: playback.auth: \"signed\" has become \"filters\"",
        ),
        (
            format!("[playback]\nauth = \"filters\"\ntoken_keys = [\"{KEY}\"]\n"),
            "edge.toml:2: playback.auth: is \"filters\", but filters.enabled is false",
        ),
        (playback(""), "edge.toml:5: playback.token_keys: needs"),
        (
            playback("token_keys = [\"short\"]"),
            "edge.toml:7: playback.token_keys[1]: the secret has 5 bytes",
        ),
        (
            playback(&format!(
                "token_keys = [\"{KEY}\"]\n[[filters.keys]]\nname = \"playback\"\njwks_file = \"k\"\n"
            )),
            "edge.toml:9: filters.keys[1].name: may not be \"playback\"",
        ),
    ] {
        let said = check(&text);
        assert!(said.starts_with(expect), "{text}: {said}");
    }
}

#[test]
fn keys_make_both_keyrings_and_are_hidden() {
    let keys = format!("token_keys = [\"{KEY}\"]\n");
    for text in [
        format!("[playback]\n{keys}"),
        format!("{FILTERS}[playback]\nauth = \"filters\"\n{keys}"),
    ] {
        let settings = parse(Path::new("edge.toml"), &text).unwrap();
        assert!(!format!("{settings:?}").contains(KEY));
        let keys = settings.playback.keys.unwrap();
        let token = keys
            .viewers
            .sign(&playback_token::Scope::All, u64::MAX)
            .unwrap();
        assert!(keys.viewers.verify(&token, "demo", 0).is_ok());
        assert!(keys.tiers.verify(&token, "demo", 0).is_err());
    }
}

#[test]
fn the_admin_token_is_long_or_absent() {
    let token = |text: &str| check(&format!("[admin]\ntoken = \"{text}\"\n"));
    assert_eq!(token(""), "ok");
    assert_eq!(token("0123456789abcdef"), "ok");
    let expect = "edge.toml:2: admin.token: has to be at least 16 visible ASCII characters";
    assert_eq!(token("0123456789abcde"), expect);
    assert_eq!(token("0123456789 abcdef"), expect);
}

/// A directory with a pair of PEM files, `a` and `b`, of two authorities.
fn pairs() -> (tempfile::TempDir, impl Fn(&str) -> String) {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a", "b"] {
        let to = dir.path().join(name);
        transport::tls::Identity::self_signed(&to, &[]).unwrap();
    }
    let root = dir.path().to_owned();
    let at = move |file: &str| root.join(file).display().to_string();
    (dir, at)
}

#[test]
fn files_of_tls_are_read_before_a_port_opens() {
    let (dir, at) = pairs();
    let (a, b) = (at("a/identity.pem"), at("b/identity.pem"));
    let (absent, keys) = (at("absent"), at("keys"));
    std::fs::write(&keys, "AAAA\n").unwrap();
    let pair = |c: &str, k: &str| format!("certificate_file = {c:?}\nkey_file = {k:?}\n");
    let more = |c: &str, k: &str| format!("[[tls.certificates]]\n{}", pair(c, k));
    assert_eq!(check(&format!("[tls]\n{}", pair(&a, &a))), "ok");
    assert_eq!(check(&format!("{}{}", more(&a, &a), more(&b, &b))), "ok");
    for (text, expect) in [
        (
            format!("[tls]\n{}", pair(&absent, &a)),
            format!("edge.toml:2: tls.certificate_file: cannot read {absent}: No such file"),
        ),
        (
            format!("[tls]\n{}", pair(&a, &absent)),
            format!("edge.toml:3: tls.key_file: cannot read {absent}: No such file"),
        ),
        (
            format!("[tls]\n{}", pair(&a, &b)),
            format!(
                "edge.toml:3: tls.key_file: the key of {b} cannot be used with its certificate"
            ),
        ),
        (
            format!("{}{}", more(&a, &a), more(&b, &a)),
            format!("edge.toml:6: tls.certificates[2].key_file: the key of {a} cannot be used"),
        ),
        (
            format!("{}{}", more(&a, &a), more(&keys, &a)),
            format!("edge.toml:5: tls.certificates[2].certificate_file: no certificate in {keys}"),
        ),
        (
            format!("{}[[tls.certificates]]\nkey_file = {a:?}\n", more(&a, &a)),
            "edge.toml:4: tls.certificates[2].certificate_file: has to name a PEM file".to_owned(),
        ),
        (
            format!("[tls]\nticket_keys_file = {keys:?}\n"),
            format!("edge.toml:2: tls.ticket_keys_file: {keys}: line 1: a key has 32 to 128 bytes"),
        ),
        (
            "[tls]\nreload_seconds = 0\n".to_owned(),
            "edge.toml:2: tls.reload_seconds: has to be from 1 to 3600".to_owned(),
        ),
    ] {
        let said = check(&text);
        assert!(said.starts_with(&expect), "{text}: {said}");
    }
    drop(dir);
}

#[test]
fn files_of_tiers_and_balancers_are_checked_before_a_port_opens() {
    let (dir, at) = pairs();
    let (a, b, keys) = (at("a/identity.pem"), at("b/identity.pem"), at("keys"));
    std::fs::write(&keys, "AAAA\n").unwrap();
    for (text, expect) in [
        (
            "[listen]\ntiers = \"[::]:8444\"\n".to_owned(),
            "edge.toml: tls.client_ca_file: is needed for listen.tiers".to_owned(),
        ),
        (
            format!("[tls]\nclient_ca_file = {a:?}\n"),
            "edge.toml:2: tls.client_ca_file: is of no use without listen.tiers".to_owned(),
        ),
        (
            format!("[listen]\ntiers = \"[::]:1\"\n[tls]\nclient_ca_file = {keys:?}\n"),
            format!("edge.toml:4: tls.client_ca_file: {keys}: no certificate in"),
        ),
        (
            format!("[listen]\ntiers = \"[::]:8443\"\n[tls]\nclient_ca_file = {a:?}\n"),
            "edge.toml:2: listen.tiers: needs a port of its own".to_owned(),
        ),
        (
            format!("[parents]\nclient_certificate_file = {a:?}\nclient_key_file = {b:?}\n"),
            format!("edge.toml:3: parents.client_key_file: the key of {b}"),
        ),
        (
            format!("[parents]\nclient_key_file = {b:?}\n"),
            "edge.toml:1: parents.client_certificate_file: client_certificate_file and".to_owned(),
        ),
        (
            "[listen]\nproxy_protocol_from = [\"10.0.0.0/8\",\n \"10.0.0.0/33\"]\n".to_owned(),
            "edge.toml:3: listen.proxy_protocol_from[2]: \"10.0.0.0/33\" is no address".to_owned(),
        ),
    ] {
        let said = check(&text);
        assert!(said.starts_with(&expect), "{text}: {said}");
    }
    drop(dir);
}

#[test]
fn limits_are_checked_key_by_key() {
    let expect = |text: &str, reason: &str| {
        assert_eq!(
            check(text),
            format!("edge.toml:2: limits.{reason}"),
            "{text}"
        );
    };
    expect(
        "[limits]\nkeys_max = 0\n",
        "keys_max: has to be from 1 to 16777216",
    );
    expect(
        "[limits]\nipv6_prefix = 129\n",
        "ipv6_prefix: has to be from 32 to 128",
    );
    expect(
        "[limits]\nhead_timeout_ms = 0\n",
        "head_timeout_ms: has to be from 1 ms to 1 hour",
    );
    expect(
        "[limits]\nh3_connections_max = 0\n",
        "h3_connections_max: has to be at least 1",
    );
    expect(
        "[limits.stream]\nbytes_per_second = 65535\n",
        "stream.bytes_per_second: has to be 0 or at least 65536",
    );
    assert!(check("[limits.ip]\nrequests_per_second = 5\n").contains("ip.requests_burst"));
    assert!(check("[limits.token]\nrequests_burst = 5\n").contains("token.requests_per_second"));
    assert!(check("[limits]\nexempt = [\"x\"]\n").contains("\"x\" is no address or network"));
    assert_eq!(
        check("[limits.ip]\nrequests_per_second = 5\nrequests_burst = 9\n"),
        "ok"
    );
}
