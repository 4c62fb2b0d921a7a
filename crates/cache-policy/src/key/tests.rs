use proptest::prelude::*;

use super::*;

fn key(target: &str) -> Result<String, KeyError> {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    CacheKey::new(path, query).map(|key| key.to_string())
}

#[test]
fn directives_of_a_playlist_are_sorted_and_all_else_is_dropped() {
    let table = [
        ("/live/a/720p/index.m3u8", "/live/a/720p/index.m3u8"),
        ("/live/a/720p/index.m3u8?", "/live/a/720p/index.m3u8"),
        (
            "/a.m3u8?_HLS_part=2&token=x.y&_HLS_msn=7",
            "/a.m3u8?_HLS_msn=7&_HLS_part=2",
        ),
        (
            "/a.m3u8?_HLS_skip=YES&_HLS_msn=007",
            "/a.m3u8?_HLS_msn=7&_HLS_skip=YES",
        ),
        ("/a.m3u8?_HLS_skip=v2", "/a.m3u8?_HLS_skip=v2"),
        ("/a.m3u8?_HLS_msn=000", "/a.m3u8?_HLS_msn=0"),
        ("/a.m3u8?_hls_msn=1&_HLS_msn2=3&CMCD=br%3D5", "/a.m3u8"),
        // The escaped name is not the name: it never reaches the parent.
        ("/a.m3u8?%5FHLS_msn=1", "/a.m3u8"),
        (
            "/live/a/720p/12.3.m4s?_HLS_msn=1&token=t",
            "/live/a/720p/12.3.m4s",
        ),
        ("/live/a/720p/12.3.m4s?_HLS_msn=", "/live/a/720p/12.3.m4s"),
    ];
    for (target, expect) in table {
        assert_eq!(key(target).as_deref(), Ok(expect), "{target}");
    }
}

#[test]
fn paths_are_normalised_as_rfc_3986_6_2_2_says() {
    let table = [
        ("/", "/"),
        ("/live/", "/live/"),
        ("/%6Cive/%7euser", "/live/~user"),
        ("/a%c3%a9%3a", "/a%C3%A9%3A"),
        ("/a%2541", "/a%2541"),
        ("/a:b@c;d=e,f", "/a:b@c;d=e,f"),
        ("/...", "/..."),
    ];
    for (target, expect) in table {
        assert_eq!(key(target).as_deref(), Ok(expect), "{target}");
    }
}

#[test]
fn what_servers_read_differently_is_refused() {
    let table = [
        ("", KeyError::NotAbsolute),
        ("*", KeyError::NotAbsolute),
        ("live/a", KeyError::NotAbsolute),
        ("/live/../a", KeyError::DotSegment),
        ("/live/.", KeyError::DotSegment),
        ("/live/%2e%2E/a", KeyError::DotSegment),
        ("/live/.%2e", KeyError::DotSegment),
        ("//live", KeyError::EmptySegment),
        ("/live//a", KeyError::EmptySegment),
        ("/live%2fa", KeyError::EncodedSlash),
        ("/live%5Ca", KeyError::EncodedSlash),
        ("/live\\a", KeyError::EncodedSlash),
        ("/a%00", KeyError::InvalidByte),
        ("/a%7F", KeyError::InvalidByte),
        ("/a b", KeyError::InvalidByte),
        ("/a\"", KeyError::InvalidByte),
        ("/é", KeyError::InvalidByte),
        ("/a%", KeyError::BadEscape),
        ("/a%4", KeyError::BadEscape),
        ("/a%+4", KeyError::BadEscape),
        ("/a.m3u8?_HLS_msn", KeyError::Directive),
        ("/a.m3u8?_HLS_msn=", KeyError::Directive),
        ("/a.m3u8?_HLS_msn=-1", KeyError::Directive),
        ("/a.m3u8?_HLS_msn=1%30", KeyError::Directive),
        (
            "/a.m3u8?_HLS_msn=123456789012345678901",
            KeyError::Directive,
        ),
        (
            "/a.m3u8?_HLS_msn=1&_HLS_msn=1",
            KeyError::DuplicateDirective,
        ),
    ];
    for (target, expect) in table {
        assert_eq!(key(target), Err(expect), "{target}");
        assert!(expect.status().is_client_error());
    }
}

#[test]
fn over_long_paths_are_refused() {
    let longest = format!("/{}", "a".repeat(PATH_BYTES_MAX - 1));
    assert_eq!(key(&longest), Ok(longest.clone()));
    assert_eq!(key(&format!("{longest}a")), Err(KeyError::TooLong));
    assert_eq!(KeyError::TooLong.status(), StatusCode::URI_TOO_LONG);
}

#[test]
fn parts_of_the_key_can_be_read_back() {
    let uri = "https://h:8443/a/index.m3u8?x=1&_HLS_msn=4"
        .parse()
        .unwrap();
    let key = CacheKey::from_uri(&uri).unwrap();
    assert_eq!(key.path(), "/a/index.m3u8");
    assert_eq!(key.query(), Some("_HLS_msn=4"));
    assert_eq!(format!("{key:?}"), "\"/a/index.m3u8?_HLS_msn=4\"");
    assert_eq!(CacheKey::new("/a", Some("x=1")).unwrap().query(), None);
}

proptest! {
    #[test]
    fn a_key_is_its_own_key(path in "(/[-a-z0-9.~%:]{0,6}){1,4}(\\.m3u8)?", query in "[-_a-zA-Z0-9=&%]{0,40}") {
        if let Ok(key) = CacheKey::new(&path, Some(&query)) {
            let again = CacheKey::new(key.path(), key.query());
            prop_assert_eq!(again, Ok(key));
        }
    }

    #[test]
    fn order_and_foreign_parameters_do_not_matter(
        msn in any::<u64>(),
        part in any::<u32>(),
        token in "[a-zA-Z0-9._-]{0,60}",
        order in Just(vec![0, 1, 2]).prop_shuffle(),
    ) {
        let pairs = [format!("_HLS_msn={msn}"), format!("_HLS_part={part}"), format!("token={token}")];
        let query: Vec<&str> = order.iter().map(|at: &usize| pairs[*at].as_str()).collect();
        let key = CacheKey::new("/a.m3u8", Some(&query.join("&"))).unwrap();
        prop_assert_eq!(key.as_str(), format!("/a.m3u8?_HLS_msn={msn}&_HLS_part={part}"));
    }

    #[test]
    fn anything_gives_a_printable_key_or_an_error(path in ".{0,60}", query in ".{0,60}") {
        if let Ok(key) = CacheKey::new(&path, Some(&query)) {
            prop_assert!(key.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert!(key.as_str().parse::<Uri>().is_ok());
        }
    }
}
