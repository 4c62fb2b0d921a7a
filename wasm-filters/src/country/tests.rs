//! With the small databases of `tests/data`.

use std::fs;

use super::*;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");

fn fixture(name: &str) -> PathBuf {
    Path::new(FIXTURES).join(name)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn code(text: &str) -> Option<CountryCode> {
    Some(CountryCode::parse(text).unwrap())
}

#[test]
fn addresses_have_the_country_of_their_network() {
    for name in ["countries.mmdb", "countries-flat.mmdb"] {
        let database = CountryDatabase::open(fixture(name)).unwrap();
        for (address, country) in [
            ("192.0.2.0", Some("SE")),
            ("192.0.2.255", Some("SE")),
            ("192.0.3.0", None),
            ("198.51.100.7", Some("BR")),
            ("2001:db8::1", Some("JP")),
            ("2001:db9::1", None),
            ("::ffff:192.0.2.1", Some("SE")),
            ("203.0.113.1", None),
            ("127.0.0.1", None),
            ("::", None),
        ] {
            let found = database.lookup(ip(address));
            assert_eq!(found, country.and_then(code), "{name}: {address}");
        }
        let status = database.status();
        assert_eq!(status.database_type.as_deref(), Some("Weir-Test-Country"));
        assert_eq!(status.built_unix, Some(1_760_000_000));
    }
}

#[test]
fn a_trusted_header_comes_before_the_database() {
    let database = CountryDatabase::open(fixture("countries.mmdb")).unwrap();
    let of = |header| country_of(header, Some(&database), ip("192.0.2.1"));
    assert_eq!(of(Some("NO")), code("NO"));
    assert_eq!(of(Some(" no ")), code("NO"));
    assert_eq!(of(None), code("SE"));
    // Of no use: unknown, Tor, not a code at all.
    for header in ["XX", "zz", "T1", "", "N", "NOR", "N\u{d8}", "--"] {
        assert_eq!(of(Some(header)), code("SE"), "{header:?}");
    }
    assert_eq!(country_of(Some("xx"), None, ip("192.0.2.1")), None);
    assert_eq!(code("no").unwrap().to_string(), "NO");
    assert_eq!(code("no").unwrap().bytes(), *b"NO");
}

#[test]
fn a_file_that_is_no_database_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.mmdb");
    let error = CountryDatabase::open(&path).unwrap_err();
    assert!(matches!(error, CountryError::Read { .. }), "{error}");
    assert!(error.to_string().contains("x.mmdb"), "{error}");

    let whole = fs::read(fixture("countries.mmdb")).unwrap();
    // Cut at the end the description is lost, at the beginning a part of the tree.
    for bytes in [b"not an mmdb", &whole[..whole.len() / 2], &whole[900..]] {
        fs::write(&path, bytes).unwrap();
        let error = CountryDatabase::open(&path).unwrap_err();
        assert!(matches!(error, CountryError::NotAnMmdb { .. }), "{error}");
        assert!(error.to_string().contains("x.mmdb"), "{error}");
    }
}

#[test]
fn a_reload_takes_the_new_file_or_keeps_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.mmdb");
    fs::copy(fixture("countries.mmdb"), &path).unwrap();
    let database = CountryDatabase::open(&path).unwrap();
    fs::write(&path, "half").unwrap();
    assert!(database.reload().is_err());
    assert_eq!(database.lookup(ip("192.0.2.1")), code("SE"));

    let whole = fs::read(fixture("countries.mmdb")).unwrap();
    let at = whole.windows(2).position(|pair| pair == b"SE").unwrap();
    let mut changed = whole;
    changed[at..at + 2].copy_from_slice(b"DK");
    fs::write(&path, changed).unwrap();
    database.reload().unwrap();
    assert_eq!(database.lookup(ip("192.0.2.1")), code("DK"));
}

#[test]
fn a_damaged_database_costs_the_countries_and_not_the_node() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.mmdb");
    let mut bytes = fs::read(fixture("countries.mmdb")).unwrap();
    // A string of two letters becomes one that is longer than the file.
    let at = bytes.windows(3).position(|part| part == b"\x42SE").unwrap();
    bytes[at] = 0x5f;
    fs::write(&path, &bytes).unwrap();
    let database = CountryDatabase::open(&path).unwrap();
    assert_eq!(database.lookup(ip("198.51.100.1")), code("BR"));
    assert_eq!(database.lookup(ip("192.0.2.1")), None);
    assert_eq!(database.lookup(ip("198.51.100.1")), None, "no longer used");
    assert_eq!(database.status().database_type, None);

    fs::copy(fixture("countries.mmdb"), &path).unwrap();
    database.reload().unwrap();
    assert_eq!(database.lookup(ip("192.0.2.1")), code("SE"));
}
